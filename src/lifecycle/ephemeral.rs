//! The port numbers that the system gives to outgoing connections: a server's port among them is free by luck only.

use std::ops::RangeInclusive;

/// Linux tells them here, as two numbers (`ip-sysctl` of the kernel's documentation).
const LINUX: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// These numbers, where the system tells them.
pub(super) fn range() -> Option<RangeInclusive<u16>> {
    parse(&std::fs::read_to_string(LINUX).ok()?)
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some(numbers.next()??..=numbers.next()??)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_range_is_two_numbers() {
        assert_eq!(parse("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse("32768"), None);
    }
}
