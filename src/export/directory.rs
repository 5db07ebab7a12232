//! Writing an export's files: all of them or none, and never over what somebody else wrote.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::ExportedFile;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::paths::write_atomic;

/// Within so many bytes a file says who made it.
const BEGINNING: usize = 300;

/// What writing came to; `sosstack export k8s --output json`, and `compose`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Written {
    /// The directory.
    pub out: PathBuf,
    /// Files that are new or have other contents than before.
    pub changed: Vec<String>,
    pub unchanged: Vec<String>,
    /// Files of an earlier export that belong to this one no more.
    pub removed: Vec<String>,
}

impl Written {
    /// In words, such as `12 files: 2 written, 10 unchanged`.
    pub fn in_words(&self) -> String {
        let counts = [(&self.changed, "written"), (&self.unchanged, "unchanged"), (&self.removed, "removed")];
        let words: Vec<String> = counts
            .into_iter()
            .filter(|(files, _)| !files.is_empty())
            .map(|(files, word)| format!("{} {word}", files.len()))
            .collect();
        format!("{} files: {}", self.changed.len() + self.unchanged.len(), words.join(", "))
    }
}

/// Makes a directory hold exactly these files of an export. `mark` is what an export's own files say near their
/// beginning; others in a directory that has some of those stay as they are.
///
/// A new directory appears with all its files at once. In an existing one, each file is replaced at once.
///
/// # Errors
/// [`Failure::Usage`] when there is something else in its place, or when a foreign file has the name of one of
/// these; nothing is touched then. Others when the directory cannot be written to.
pub fn write(dir: &Path, files: &[ExportedFile], mark: &str) -> Result<Written> {
    let written = converge(dir, files, mark).map_err(|error| explained(error, dir))?;
    Ok(Written { out: dir.to_owned(), ..written })
}

fn converge(dir: &Path, files: &[ExportedFile], mark: &str) -> Result<Written> {
    let Some(present) = entries(dir, files)? else { return create(dir, files) };
    let mut own = BTreeSet::new();
    for name in &present {
        if is_own(&dir.join(name), mark)? {
            own.insert(name.clone());
        }
    }
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let foreign =
        present.iter().find(|name| !own.contains(*name) && (own.is_empty() || wanted.contains(name.as_str())));
    if let Some(foreign) = foreign {
        return Err(Failure::Usage {
            cause: format!("{} holds {foreign}, which this export did not make", dir.display()),
            remedy: Remedy::words("name an empty or a new directory with --out; nothing was written"),
        }
        .into());
    }
    let mut written = Written::default();
    for file in files {
        let path = dir.join(&file.name);
        if fs::read(&path).is_ok_and(|old| old == file.contents.as_bytes()) {
            written.unchanged.push(file.name.clone());
        } else {
            write_one(dir, file)?;
            written.changed.push(file.name.clone());
        }
    }
    for name in own.into_iter().filter(|name| !wanted.contains(name.as_str())) {
        let path = dir.join(&name);
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        written.removed.push(name);
    }
    Ok(written)
}

/// With the remedy for a directory of the user's own choice.
fn explained(error: anyhow::Error, dir: &Path) -> anyhow::Error {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let remedy = match kind {
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => "make it writable by you, or name",
        Some(ErrorKind::NotADirectory | ErrorKind::NotFound | ErrorKind::AlreadyExists) => "name",
        // A full disk, for example, has a remedy of its own.
        _ => return error,
    };
    Failure::Failed {
        cause: format!("the export cannot be written to {}: {error:#}", dir.display()),
        remedy: Remedy::words(format!("{remedy} another directory with --out")),
    }
    .into()
}

/// The names in a directory, and those in the directories below it that files of the export are in; None where there is no
/// directory.
fn entries(dir: &Path, files: &[ExportedFile]) -> Result<Option<Vec<String>>> {
    let Some(mut all) = names_in(dir)? else { return Ok(None) };
    let below: BTreeSet<&str> = files.iter().filter_map(|file| Some(file.name.rsplit_once('/')?.0)).collect();
    for parent in below {
        let names = names_in(&dir.join(parent))?.into_iter().flatten();
        all.extend(names.map(|name| format!("{parent}/{name}")));
    }
    Ok(Some(all))
}

/// The names in a directory; None where there is no directory.
fn names_in(dir: &Path) -> Result<Option<Vec<String>>> {
    let reading = || format!("reading {}", dir.display());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotADirectory && dir.is_file() => {
            return Err(Failure::Usage {
                cause: format!("{} is a file, not a directory", dir.display()),
                remedy: Remedy::words("name a directory with --out; nothing was written"),
            }
            .into());
        }
        Err(error) => return Err(error).with_context(reading),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.with_context(reading)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Some(names))
}

fn is_own(path: &Path, mark: &str) -> Result<bool> {
    if !path.is_file() {
        return Ok(false);
    }
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(BEGINNING)]);
    Ok(beginning.contains(mark))
}

/// Writes beside the place, then puts it there by one renaming.
fn create(dir: &Path, files: &[ExportedFile]) -> Result<Written> {
    let dir = std::path::absolute(dir).with_context(|| format!("finding {}", dir.display()))?;
    let parent = dir.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).with_context(|| format!("creating directory {}", parent.display()))?;
    let temporary = beside(&dir);
    let made = fill(&temporary, files)
        .and_then(|()| fs::rename(&temporary, &dir).with_context(|| format!("creating directory {}", dir.display())));
    if made.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    made?;
    Ok(Written { changed: files.iter().map(|file| file.name.clone()).collect(), ..Written::default() })
}

fn beside(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn fill(dir: &Path, files: &[ExportedFile]) -> Result<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir(dir).with_context(|| format!("creating directory {}", dir.display()))?;
    files.iter().try_for_each(|file| write_one(dir, file))
}

fn write_one(dir: &Path, file: &ExportedFile) -> Result<()> {
    let path = dir.join(&file.name);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(|| format!("creating directory {}", parent.display()))?;
    write_atomic(&path, file.contents.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "# ours\n";

    fn file(name: &str, text: &str) -> ExportedFile {
        ExportedFile { name: name.to_owned(), contents: format!("{MARK}{text}") }
    }

    fn names(dir: &Path) -> Vec<String> {
        names_in(dir).unwrap().unwrap()
    }

    #[test]
    fn an_export_replaces_its_own_files_and_keeps_the_others() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/out");
        write(&dir, &[file("one", "1"), file("two", "2")], MARK).unwrap();
        fs::write(dir.join("mine"), "mine").unwrap();
        let written = write(&dir, &[file("one", "1"), file("three", "3")], MARK).unwrap();
        assert_eq!(
            (written.unchanged, written.changed, written.removed),
            (vec!["one".to_owned()], vec!["three".to_owned()], vec!["two".to_owned()])
        );
        assert_eq!(names(&dir), ["mine", "one", "three"]);
        assert_eq!(names(&parent.path().join("a")), ["out"], "nothing temporary is left");
    }

    #[test]
    fn files_in_directories_below_are_kept_up_to_date_too() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("out");
        write(&dir, &[file("one", "1"), file("part/two", "2"), file("part/three", "3")], MARK).unwrap();
        fs::write(dir.join("part/mine"), "mine").unwrap();
        let written = write(&dir, &[file("one", "1"), file("part/two", "22")], MARK).unwrap();
        assert_eq!(
            (written.unchanged, written.changed, written.removed),
            (vec!["one".to_owned()], vec!["part/two".to_owned()], vec!["part/three".to_owned()])
        );
        assert_eq!(names(&dir.join("part")), ["mine", "two"]);
        let error = write(&dir, &[file("one", "1"), file("part/mine", "")], MARK).unwrap_err();
        assert!(error.to_string().contains("holds part/mine"), "{error}");
        assert_eq!(fs::read_to_string(dir.join("part/mine")).unwrap(), "mine");
    }

    #[test]
    fn what_somebody_else_wrote_is_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), "mine").unwrap();
        let error = write(dir.path(), &[file("two", "2")], MARK).unwrap_err();
        assert!(error.to_string().contains("holds one"), "{error}");
        assert_eq!(names(dir.path()), ["one"]);
        fs::write(dir.path().join("one"), MARK).unwrap();
        fs::write(dir.path().join("two"), "mine").unwrap();
        let error = write(dir.path(), &[file("two", "2")], MARK).unwrap_err();
        assert!(error.to_string().contains("holds two"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("two")).unwrap(), "mine");
        let error = write(&dir.path().join("two"), &[], MARK).unwrap_err();
        assert!(error.to_string().contains("is a file"), "{error}");
    }
}
