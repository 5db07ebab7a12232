//! Patterns in which a star stands for any letters: names of topics, keys, values of headers.

/// Whether a name fits a pattern in which `*` stands for any letters.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|remaining| {
            let ends = (0..=remaining.len()).filter(|end| remaining.is_char_boundary(*end));
            ends.map(|end| &remaining[end..]).any(|tail| fits(rest, tail))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_letters() {
        assert!(fits("emergency.*", "emergency.created"));
        assert!(fits("*.created", "emergency.created"));
        assert!(fits("*", "x"));
        assert!(fits("a*b*c", "a--b--c"));
        assert!(!fits("emergency.*", "device.alerts"));
        assert!(!fits("a*b", "a--c"));
    }
}
