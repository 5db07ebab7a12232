//! Writes an export into a directory: wholly or not at all, and never over what somebody else put there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ExportedFile;
use crate::failure::Failure;

/// How the names of half-written exports begin; a kill may leave one behind, the next export removes it.
const STAGE: &str = ".sosstack-export.";

/// Writes the files into `out`, which is made if need be. An earlier export is replaced, file by file, and what its user
/// put beside it stays; an export is known by its first file, which begins with `mark`.
///
/// # Errors
/// [`Failure::Usage`] when `out` holds other things, [`Failure::Failed`] when it cannot be written. Nothing of the
/// export is in `out` then.
pub fn write(out: &Path, files: &[ExportedFile], mark: &str) -> Result<()> {
    let exists = ensure_ours(out, files, mark)?;
    // Beside or in the directory, so that it is on the same file system and renaming is enough.
    let place = if exists { out.to_owned() } else { parent(out) };
    let stage = place.join(format!("{STAGE}{}", std::process::id()));
    let result = write_staged(out, files, &stage, exists);
    let _ = fs::remove_dir_all(&stage);
    result.map_err(|error| explained(error, out))
}

fn write_staged(out: &Path, files: &[ExportedFile], stage: &Path, exists: bool) -> Result<()> {
    fs::create_dir_all(stage).with_context(|| format!("making {}", stage.display()))?;
    for file in files {
        let path = stage.join(&file.path);
        let folder = parent(&path);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(&path, &file.contents).with_context(|| format!("writing {}", path.display()))?;
    }
    if !exists {
        return fs::rename(stage, out).with_context(|| format!("making {}", out.display()));
    }
    for file in files {
        let path = out.join(&file.path);
        let folder = parent(&path);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::rename(stage.join(&file.path), &path).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Whether the directory exists; if so, it is empty or an earlier export, and remains of killed ones are gone.
fn ensure_ours(out: &Path, files: &[ExportedFile], mark: &str) -> Result<bool> {
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotADirectory && out.is_file() => {
            return Err(refusal(format!("{} is a file, and the export is a directory", out.display())));
        }
        Err(error) => Err(error),
    };
    let entries =
        entries.with_context(|| format!("looking into {}", out.display())).map_err(|error| explained(error, out))?;
    let (remains, others): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry.file_name().to_string_lossy().starts_with(STAGE));
    let head = files.first().and_then(|file| fs::read_to_string(out.join(&file.path)).ok());
    if !others.is_empty() && !head.is_some_and(|text| text.starts_with(mark)) {
        return Err(refusal(format!("{} holds other things than an export of this kind", out.display())));
    }
    for entry in remains {
        let _ = fs::remove_dir_all(entry.path());
    }
    Ok(true)
}

fn refusal(cause: String) -> anyhow::Error {
    Failure::Usage { cause, remedy: "name another directory with --out, or empty this one".to_owned() }.into()
}

/// With the remedy for a directory of the user's own choice.
fn explained(error: anyhow::Error, out: &Path) -> anyhow::Error {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let remedy = match kind {
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => "make it writable for you, or name",
        Some(ErrorKind::NotADirectory | ErrorKind::NotFound | ErrorKind::AlreadyExists) => "name",
        // A full disk, for example, has a remedy of its own.
        _ => return error,
    };
    Failure::Failed {
        cause: format!("the export cannot be written to {}: {error:#}", out.display()),
        remedy: format!("{remedy} another directory with --out"),
    }
    .into()
}

/// The directory that a path is in; `.` for a bare name.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Vec<ExportedFile> {
        texts.iter().map(|(path, text)| ExportedFile { path: path.into(), contents: (*text).to_owned() }).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_export_replaces_an_earlier_one_and_leaves_what_its_user_added() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("deep/er/out");
        write(&out, &files(&[("head", "# mark 1\n"), ("sub/b", "old")]), "# mark").unwrap();
        fs::write(out.join("mine"), "kept").unwrap();
        fs::create_dir(out.join(format!("{STAGE}1"))).unwrap();
        write(&out, &files(&[("head", "# mark 2\n"), ("sub/b", "new")]), "# mark").unwrap();
        assert_eq!(names(&out), ["head", "mine", "sub"]);
        assert_eq!(fs::read_to_string(out.join("head")).unwrap(), "# mark 2\n");
        assert_eq!(fs::read_to_string(out.join("sub/b")).unwrap(), "new");
        assert_eq!(fs::read_to_string(out.join("mine")).unwrap(), "kept");
        assert_eq!(names(&dir.path().join("deep/er")), ["out"]);
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("head"), "theirs").unwrap();
        let error = write(dir.path(), &files(&[("head", "# mark\n")]), "# mark").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Failure::Usage { .. })), "{error:#}");
        assert_eq!(fs::read_to_string(dir.path().join("head")).unwrap(), "theirs");
        assert_eq!(names(dir.path()), ["head"]);
    }

    #[test]
    fn nothing_is_left_of_an_export_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        // The second file would be in the first one.
        let broken = files(&[("a", "# mark\n"), ("a/b", "")]);
        assert!(write(&dir.path().join("new"), &broken, "# mark").is_err());
        assert!(names(dir.path()).is_empty());
        assert!(write(dir.path(), &broken, "# mark").is_err());
        assert!(names(dir.path()).is_empty());
    }
}
