//! Version numbers, as far as something depends on them.

/// The three numbers of `3.9.2`; None for anything else.
pub(super) fn numbers(version: &str) -> Option<[u32; 3]> {
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Whether a version belongs to a line or to a later one; a program may print more than numbers: `2.1.0rc1`.
pub(super) fn is_at_least(version: &str, line: [u32; 2]) -> bool {
    let mut parts = version.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse().unwrap_or(0)
    });
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)] >= line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared_as_numbers() {
        let since = [2, 1];
        assert!(["2.1.0", "2.1.0rc1", "2.10.3", "3.0.0", "2.1"].iter().all(|version| is_at_least(version, since)));
        assert!(["2.0.22", "2.0.99-dev", "1.6.9", "2", "", "x.y"].iter().all(|version| !is_at_least(version, since)));
        assert_eq!(numbers("2.0.22"), Some([2, 0, 22]));
        assert_eq!(numbers("2.1"), None);
    }
}
