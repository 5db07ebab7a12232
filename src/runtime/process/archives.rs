//! Archives of classes in the cache, one a role for each Java and set of jars.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};

use crate::paths::ensure_private_dir;
use crate::runtime::archives::UnusedArchive;
use crate::runtime::classes::{self, Classes};
use crate::stack::{Role, Service};

/// Below the cache: one directory for each Java and set of jars.
const DIR: &str = "classes";
/// Written by the first start of a role's first service, in the service's directory.
const LIST: &str = "classes.list";

/// What a start of this command does about its classes.
pub(super) fn classes_of(cache: &Path, service: Service, service_dir: &Path, command: &[String]) -> Classes {
    if !classes::ROLES.contains(&service.role) {
        return Classes::Ignore;
    }
    match path(cache, service.role, command) {
        Some(archive) if archive.is_file() => Classes::Map(archive.display().to_string()),
        Some(_) if service.ordinal == 0 => Classes::Note(list(service_dir).display().to_string()),
        _ => Classes::Ignore,
    }
}

/// Whether an archive can and should be made from what this service noted.
pub(super) fn is_missing(cache: &Path, role: Role, service_dir: &Path, command: &[String]) -> bool {
    list(service_dir).is_file() && path(cache, role, command).is_some_and(|archive| !archive.exists())
}

/// Makes an archive; another sosstack that is making it is left alone.
///
/// # Errors
/// When Java cannot make one, or the cache cannot be written.
pub(super) fn make(cache: &Path, role: Role, service_dir: &Path, command: &[String]) -> Result<()> {
    let archive = path(cache, role, command).context("this command has no class path")?;
    let dir = archive.parent().context("an archive has a directory")?;
    ensure_private_dir(dir)?;
    let lock = File::create(archive.with_extension("lock")).context("locking the archive")?;
    if lock.try_lock().is_err() || archive.exists() {
        return Ok(());
    }
    let (partial, copy) = (archive.with_extension("partial"), archive.with_extension("list"));
    let noted = fs::read(list(service_dir)).context("reading the list of classes")?;
    fs::write(&copy, classes::whole_lines(&noted)).context("writing the list of classes")?;
    let text = |path: &Path| path.display().to_string();
    let words = classes::dump(command, &text(&copy), &text(&partial)).context("this command has no class path")?;
    let made = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .with_context(|| format!("running {}", words[0]))?;
    let _ = fs::remove_file(&copy);
    if !made.status.success() {
        let _ = fs::remove_file(&partial);
        bail!("{} could not make an archive: {}", words[0], String::from_utf8_lossy(&made.stdout).trim());
    }
    fs::rename(&partial, &archive).context("keeping the archive")
}

/// The archives that fit none of these commands.
pub(super) fn unused(cache: &Path, commands: &[Vec<String>]) -> Vec<UnusedArchive> {
    let kept: Vec<String> = commands.iter().filter_map(|command| key(command)).collect();
    let mut unused: Vec<UnusedArchive> = fs::read_dir(cache.join(DIR))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !kept.contains(name))
        .map(|name| UnusedArchive { bytes: Some(crate::paths::size(&cache.join(DIR).join(&name))), name })
        .collect();
    unused.sort_by(|a, b| a.name.cmp(&b.name));
    unused
}

/// Removes the archives of one Java and set of jars.
pub(super) fn remove(cache: &Path, name: &str) -> Result<()> {
    match fs::remove_dir_all(cache.join(DIR).join(name)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing an archive of classes"),
        _ => Ok(()),
    }
}

fn list(service_dir: &Path) -> PathBuf {
    service_dir.join(LIST)
}

fn path(cache: &Path, role: Role, command: &[String]) -> Option<PathBuf> {
    Some(cache.join(DIR).join(key(command)?).join(format!("{}.jsa", role.as_str())))
}

/// Identifies the Java and the jars of a command by names, sizes and times: asking Java itself takes longer than the
/// archive saves.
fn key(command: &[String]) -> Option<String> {
    let java = fs::canonicalize(command.first()?).ok()?;
    let home = java.parent()?.parent()?;
    let mut text = format!("{}\n{}", java.display(), stamp(&home.join("lib/modules"))?);
    let libs = Path::new(classes::class_path(command)?.strip_suffix("/*")?);
    let mut jars: Vec<PathBuf> = fs::read_dir(libs).ok()?.flatten().map(|entry| entry.path()).collect();
    jars.sort();
    for jar in jars {
        write!(text, "\n{} {}", jar.display(), stamp(&jar)?).ok()?;
    }
    Some(crate::workload::short_digest(text.as_bytes()))
}

fn stamp(file: &Path) -> Option<String> {
    let meta = fs::metadata(file).ok()?;
    let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", meta.len(), changed.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(home: &Path) -> Vec<String> {
        ["bin/java", "-cp", "jars/*", "Main"]
            .iter()
            .map(|word| if word.contains('/') { home.join(word).display().to_string() } else { (*word).to_owned() })
            .collect()
    }

    #[test]
    fn another_jar_or_another_java_has_another_archive() {
        let home = tempfile::tempdir().unwrap();
        for (dir, file) in [("bin", "java"), ("lib", "modules"), ("jars", "a.jar")] {
            fs::create_dir(home.path().join(dir)).unwrap();
            fs::write(home.path().join(dir).join(file), "1").unwrap();
        }
        let command = command(home.path());
        let first = key(&command).unwrap();
        assert_eq!(key(&command), Some(first.clone()));
        fs::write(home.path().join("jars/a.jar"), "12").unwrap();
        let second = key(&command).unwrap();
        assert_ne!(second, first);
        fs::write(home.path().join("lib/modules"), "12").unwrap();
        assert_ne!(key(&command).unwrap(), second);
    }

    #[test]
    fn only_the_first_of_a_role_notes_and_all_map() {
        let home = tempfile::tempdir().unwrap();
        for (dir, file) in [("bin", "java"), ("lib", "modules"), ("jars", "a.jar")] {
            fs::create_dir(home.path().join(dir)).unwrap();
            fs::write(home.path().join(dir).join(file), "1").unwrap();
        }
        let (cache, dir, command) = (home.path().join("cache"), home.path().join("service"), command(home.path()));
        let of = |service| classes_of(&cache, service, &dir, &command);
        assert_eq!(of(Service::kafka(0)), Classes::Note(dir.join(LIST).display().to_string()));
        assert_eq!(of(Service::kafka(1)), Classes::Ignore);
        assert_eq!(of(Service::mosquitto()), Classes::Ignore);
        let archive = path(&cache, Role::Kafka, &command).unwrap();
        fs::create_dir_all(archive.parent().unwrap()).unwrap();
        fs::write(&archive, "").unwrap();
        assert_eq!(of(Service::kafka(1)), Classes::Map(archive.display().to_string()));
    }
}
