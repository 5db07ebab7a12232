//! The programs that plain processes need, and what to do when one is missing or too old.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::mosquitto::Server;
use crate::about::Remedy;
use crate::failure::Failure;

/// Kafka 3.9 and ZooKeeper 3.9 run from Java 11 on (8 is deprecated and untested here).
const OLDEST_JAVA: u32 = 11;

/// Where Mosquitto is besides PATH: Debian keeps servers out of users' PATH, Homebrew has its own places.
const MOSQUITTO_DIRS: [&str; 4] =
    ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/opt/mosquitto/sbin"];

/// Programs found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) java: PathBuf,
    pub(super) mosquitto: Server,
    /// Only looked for when jars have to be fetched.
    pub(super) maven: Option<PathBuf>,
}

/// What is missing: its name, why, and the packages that bring it.
struct Missing {
    words: String,
    debian: &'static str,
    homebrew: &'static str,
}

/// Finds all programs.
///
/// # Errors
/// [`Failure::NoRuntime`] that names everything missing at once, with the command that installs it.
pub(super) fn find(needs_maven: bool) -> Result<Tools> {
    let java = find_java();
    let mosquitto = find_mosquitto();
    let maven = needs_maven.then(find_maven).transpose();
    match (java, mosquitto, maven) {
        (Ok(java), Ok(mosquitto), Ok(maven)) => Ok(Tools { java, mosquitto, maven }),
        (java, mosquitto, maven) => {
            let missing: Vec<Missing> = [java.err(), mosquitto.err(), maven.err()].into_iter().flatten().collect();
            Err(no_runtime(&missing).into())
        }
    }
}

fn no_runtime(missing: &[Missing]) -> Failure {
    let join = |part: fn(&Missing) -> &str, glue: &str| missing.iter().map(part).collect::<Vec<_>>().join(glue);
    let remedy = if cfg!(target_os = "macos") {
        format!("brew install {}", join(|m| m.homebrew, " "))
    } else {
        format!("sudo apt-get install {} (or your system's packages of these names)", join(|m| m.debian, " "))
    };
    Failure::NoRuntime { cause: join(|m| &m.words, "; "), remedy: Remedy::words(remedy) }
}

fn find_java() -> Result<PathBuf, Missing> {
    let missing = |words: String| Missing { words, debian: "openjdk-17-jre-headless", homebrew: "openjdk@17" };
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let java = home
        .filter(|java| java.is_file())
        .or_else(|| in_path("java", &[]))
        .ok_or_else(|| missing(format!("Java was not found ({OLDEST_JAVA} or later is needed)")))?;
    // To start a Java only to hear its version takes longer than to see that a whole stack is up.
    if noted_java_version(&java).is_some_and(|version| version >= OLDEST_JAVA) {
        return Ok(java);
    }
    let said = output(&java, "-version");
    match java_version(&said) {
        Some(version) if version >= OLDEST_JAVA => Ok(java),
        Some(version) => {
            Err(missing(format!("{} is Java {version}, but Kafka needs {OLDEST_JAVA} or later", java.display())))
        }
        None => Err(missing(format!("{} does not work: {}", java.display(), first_line(&said)))),
    }
}

fn find_mosquitto() -> Result<Server, Missing> {
    let missing = |words: String| Missing { words, debian: "mosquitto", homebrew: "mosquitto" };
    let mosquitto = in_path("mosquitto", &MOSQUITTO_DIRS)
        .ok_or_else(|| missing("Mosquitto was not found (2.x is needed)".to_owned()))?;
    let said = output(&mosquitto, "-h");
    let version = said.split_once("mosquitto version ").and_then(|(_, rest)| rest.split_whitespace().next());
    match version.filter(|version| version.starts_with("2.")) {
        Some(version) => Ok(Server { program: mosquitto, version: version.to_owned() }),
        None => Err(missing(format!("{} is not Mosquitto 2.x: {}", mosquitto.display(), first_line(&said)))),
    }
}

fn find_maven() -> Result<PathBuf, Missing> {
    in_path("mvn", &[]).ok_or_else(|| Missing {
        words: "Maven was not found (needed once, to fetch Kafka's and ZooKeeper's jars; not with --kafka-home)"
            .to_owned(),
        debian: "maven",
        homebrew: "maven",
    })
}

/// The first executable file of this name on PATH or in `more`.
fn in_path(program: &str, more: &[&str]) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let runs =
        |file: &PathBuf| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&path).chain(more.iter().map(PathBuf::from)).map(|dir| dir.join(program)).find(runs)
}

fn output(program: &Path, argument: &str) -> String {
    match Command::new(program).arg(argument).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        Err(error) => error.to_string(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing")
}

/// The feature release in what `java -version` prints: 8 for `"1.8.0_402"`, 17 for `"17.0.15"`.
fn java_version(said: &str) -> Option<u32> {
    feature_release(said.split_once("version \"")?.1.split('"').next()?)
}

/// The feature release in the notes that a Java keeps beside its programs, in `release`.
fn noted_java_version(java: &Path) -> Option<u32> {
    let home = fs::canonicalize(java).ok()?.parent()?.parent()?.to_owned();
    let notes = fs::read_to_string(home.join("release")).ok()?;
    feature_release(notes.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"'))
}

fn feature_release(version: &str) -> Option<u32> {
    let mut numbers = version.split(['.', '-', '_', '+']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        feature => Some(feature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_are_read_as_vendors_print_them() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_402\"\n"), Some(8));
        assert_eq!(java_version("openjdk version \"21\" 2023-09-19 LTS"), Some(21));
        assert_eq!(java_version("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(java_version("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"11.0.2\""), Some(11));
        assert_eq!(java_version("The operation couldn't be completed. Unable to locate a Java Runtime."), None);
    }

    #[test]
    fn a_java_is_known_by_its_notes() {
        let home = tempfile::tempdir().unwrap();
        let java = home.path().join("bin/java");
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::write(&java, "").unwrap();
        assert_eq!(noted_java_version(&java), None, "it keeps none");
        fs::write(home.path().join("release"), "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"21.0.4\"\n").unwrap();
        assert_eq!(noted_java_version(&java), Some(21));
    }

    #[test]
    fn everything_missing_is_named_at_once() {
        let missing = |words: &str, debian| Missing { words: words.to_owned(), debian, homebrew: debian };
        let failure = no_runtime(&[missing("no a", "pkg-a"), missing("no b", "pkg-b")]);
        assert_eq!(failure.to_string(), "no a; no b");
        assert!(failure.remedy().unwrap().as_str().contains("pkg-a pkg-b"));
    }
}
