//! To whom devices belong, as a list in files: how a bridge that does not share a stack's accounts learns it.

use std::collections::BTreeSet;

use super::device::id_problem;

/// What a line begins with that tells which of how many texts it is in: `#part 1/3 GENERATION`.
const PART: &str = "#part ";

/// What the texts of one list of owners say: `device user`, a line each. A list that is spread over several texts, as the
/// Secrets of a cluster are, says in each which part it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OwnerList {
    /// Each device with its user, in the order of the texts.
    pub owners: Vec<(String, Option<String>)>,
    /// Whether every part is there, and of the same generation.
    pub is_whole: bool,
}

impl OwnerList {
    /// # Errors
    /// With the number of the line that is not a device and its user, from 1, and the text's number, from 0.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, usize)> {
        let (mut owners, mut parts, mut said) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (number, text) in texts.into_iter().enumerate() {
            for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
                if let Some((part, of)) = content.strip_prefix(PART).and_then(|part| part.split_once('/')) {
                    parts.insert(part);
                    said.insert(of);
                } else if !content.is_empty() && !content.starts_with('#') {
                    let mut words = content.split_whitespace();
                    let (device, user) = (words.next(), words.next());
                    let is_valid = device.is_some_and(|device| id_problem(device).is_none());
                    let (Some(device), Some(user), None, true) = (device, user, words.next(), is_valid) else {
                        return Err((number, line));
                    };
                    owners.push((device.to_owned(), Some(user.to_owned())));
                }
            }
        }
        // `3 GENERATION`: all say the same, and so many are there.
        let count = said.first().and_then(|of| of.split(' ').next()).and_then(|count| count.parse().ok());
        let is_whole = said.is_empty() || said.len() == 1 && count == Some(parts.len());
        Ok(Self { owners, is_whole })
    }

    /// One line: a device and its user.
    pub fn line(device: &str, user: &str) -> String {
        format!("{device} {user}\n")
    }

    /// The first line of a part, so that whoever reads knows when all parts are there.
    pub fn part(number: usize, count: usize, generation: &str) -> String {
        format!("{PART}{number}/{count} {generation}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_device_and_its_user_a_line() {
        let listed = OwnerList::parse(["# ours\n\npanic-1 user-1\n", "wear-1\tuser-2"]).unwrap();
        let named = |device: &str, user: &str| (device.to_owned(), Some(user.to_owned()));
        assert_eq!(listed.owners, [named("panic-1", "user-1"), named("wear-1", "user-2")]);
        assert!(listed.is_whole);
        for wrong in ["panic-1", "a b c", "panic/1 user"] {
            assert_eq!(OwnerList::parse(["", &format!("#\n{wrong}")]), Err((1, 2)), "{wrong}");
        }
    }

    #[test]
    fn parts_count_when_all_of_one_generation_are_there() {
        let part =
            |number, count, generation: &str| OwnerList::part(number, count, generation) + &OwnerList::line("a", "b");
        let is_whole = |parts: &[String]| OwnerList::parse(parts.iter().map(String::as_str)).unwrap().is_whole;
        assert!(is_whole(&[part(1, 2, "new"), part(2, 2, "new")]));
        assert!(!is_whole(&[part(1, 2, "new")]));
        assert!(!is_whole(&[part(1, 2, "new"), part(2, 2, "old")]));
        assert!(!is_whole(&[part(1, 3, "new"), part(2, 3, "new")]));
    }
}
