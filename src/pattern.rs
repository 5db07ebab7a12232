//! Patterns in which a star stands for any letters: names of topics, keys, values of headers.

/// Whether a name fits a pattern in which `*` stands for any letters.
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let between = name.strip_prefix(start).and_then(|name| name.strip_suffix(end));
    // The first place that fits leaves most for the pieces after it.
    let left = |name, pieces: &str| {
        pieces.split('*').try_fold(name, |name: &str, piece| name.find(piece).map(|at| &name[at + piece.len()..]))
    };
    between.and_then(|name| left(name, middle)).is_some()
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
        assert!(fits("a*a", "aa") && !fits("a*a", "a"), "no letter stands for two");
        assert!(fits("*ab*ab", "ab-ab") && !fits("*ab*ab", "-ab"));
        assert!(fits("é*é", "éxé") && fits("**", ""));
    }

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let name = "a".repeat(2000);
        let started = std::time::Instant::now();
        assert!(fits(&"a*".repeat(40), &name) && !fits(&("a*".repeat(40) + "b"), &name));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
