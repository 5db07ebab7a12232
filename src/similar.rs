//! "Did you mean …?"

/// The candidate that a word was probably meant to be: close enough that a typo explains it.
pub fn similar<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    // A third of its letters, so that short words are not taken for any other short word.
    let tolerated = (word.chars().count() / 3).clamp(1, 4);
    (distance <= tolerated).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn typos_are_recognised_and_other_words_are_not() {
        let topics = ["emergency.created", "emergency.updated", "device.alerts"];
        assert_eq!(similar("emergency.create", topics.into_iter()), Some("emergency.created"));
        assert_eq!(similar("device.alert", topics.into_iter()), Some("device.alerts"));
        assert_eq!(similar("payments", topics.into_iter()), None);
        assert_eq!(similar("a", ["b", "c"].into_iter()), Some("b"));
        assert_eq!(similar("x", std::iter::empty()), None);
    }
}
