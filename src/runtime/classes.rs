//! Class-data sharing: a JVM that maps an archive of parsed classes starts in a fraction of the time.
//!
//! The first start of a role notes down which classes it loads; from that list an archive is made in the background,
//! once for each Java and set of jars, and later starts map it. The JVM checks that an archive fits and goes on
//! without one that does not (`-Xshare:auto`).

use crate::stack::Role;

/// Roles that are Java.
pub(super) const ROLES: [Role; 2] = [Role::Zookeeper, Role::Kafka];

const MAP: &str = "-XX:SharedArchiveFile=";
const NOTE: &str = "-XX:DumpLoadedClassList=";
const AUTO: &str = "-Xshare:auto";

/// What a start does about its classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Classes {
    /// Map the archive of this path.
    Map(String),
    /// Note in a file of this path which classes are loaded.
    Note(String),
    /// Neither.
    Ignore,
}

/// A Java command with the options that `classes` asks for, instead of those that it has.
pub(super) fn apply(command: &[String], classes: &Classes) -> Vec<String> {
    let is_ours = |word: &&String| word.starts_with(MAP) || word.starts_with(NOTE) || *word == AUTO;
    let mut words: Vec<String> = command.iter().filter(|word| !is_ours(word)).cloned().collect();
    let options = match classes {
        Classes::Map(archive) => vec![format!("{MAP}{archive}"), AUTO.to_owned()],
        Classes::Note(list) => vec![format!("{NOTE}{list}")],
        Classes::Ignore => Vec::new(),
    };
    let after_program = words.len().min(1);
    words.splice(after_program..after_program, options);
    words
}

/// The command that makes an archive from a list of classes, for the program and class path of `command`.
pub(super) fn dump(command: &[String], list: &str, archive: &str) -> Option<Vec<String>> {
    let program = command.first()?;
    let mut words = vec![program.clone(), "-Xshare:dump".to_owned(), "-Xmx512M".to_owned()];
    words.push(format!("-XX:SharedClassListFile={list}"));
    words.push(format!("{MAP}{archive}"));
    words.extend(["-cp".to_owned(), class_path(command)?.to_owned()]);
    Some(words)
}

/// What follows `-cp`.
pub(super) fn class_path(command: &[String]) -> Option<&str> {
    let option = command.iter().position(|word| word == "-cp")?;
    command.get(option + 1).map(String::as_str)
}

/// The whole lines of a list that is still being written to.
pub(super) fn whole_lines(list: &[u8]) -> &[u8] {
    let end = list.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    &list[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_stand_behind_the_program_and_replace_each_other() {
        let plain = words("java -Xmx1G -cp libs/* Main");
        let noting = apply(&plain, &Classes::Note("/l".to_owned()));
        assert_eq!(noting, words("java -XX:DumpLoadedClassList=/l -Xmx1G -cp libs/* Main"));
        let mapping = apply(&noting, &Classes::Map("/a".to_owned()));
        assert_eq!(mapping, words("java -XX:SharedArchiveFile=/a -Xshare:auto -Xmx1G -cp libs/* Main"));
        assert_eq!(apply(&mapping, &Classes::Ignore), plain);
    }

    #[test]
    fn an_archive_is_made_for_the_same_class_path() {
        let command = words("java -Xmx1G -cp libs/* Main");
        let expected =
            words("java -Xshare:dump -Xmx512M -XX:SharedClassListFile=/l -XX:SharedArchiveFile=/a -cp libs/*");
        assert_eq!(dump(&command, "/l", "/a"), Some(expected));
        assert_eq!(dump(&words("mosquitto -c x"), "/l", "/a"), None);
    }

    #[test]
    fn a_line_that_is_not_finished_is_left_out() {
        assert_eq!(whole_lines(b"a\nb\nc"), b"a\nb\n");
        assert_eq!(whole_lines(b"a"), b"");
    }
}
