//! Kafka's and ZooKeeper's jars: from an unpacked distribution, or fetched once by Maven.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::about::Remedy;
use crate::event::{self, Event, Outcome, Report, Step, Waiting};
use crate::failure::Failure;
use crate::paths::ensure_private_dir;
use crate::shutdown::Shutdown;
use crate::stack::Stack;

const POM: &str = include_str!("pom.xml");

/// Where the jars of a stack's versions are kept.
pub(super) fn cache_dir(cache: &Path, stack: &Stack) -> PathBuf {
    cache.join("jars").join(format!("kafka-{}-zookeeper-{}", stack.kafka.version, stack.zookeeper.version))
}

/// The class path of an unpacked Kafka distribution.
///
/// # Errors
/// [`Failure::NoRuntime`] when it is none, or one without ZooKeeper mode.
pub(super) fn of_distribution(home: &Path) -> Result<String> {
    let refuse = |cause: String| Failure::NoRuntime {
        cause,
        remedy: Remedy::words(
            "give --kafka-home the folder of an unpacked Kafka 3.x (the one that holds bin and libs)",
        ),
    };
    let libs = home.join("libs");
    let names: Vec<String> = fs::read_dir(&libs)
        .map_err(|error| refuse(format!("{} cannot be read: {error}", libs.display())))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let version_of = |prefix: &str| {
        let version = |name: &String| {
            let rest = name.strip_prefix(prefix)?.strip_suffix(".jar")?;
            rest.starts_with(|c: char| c.is_ascii_digit()).then(|| rest.to_owned())
        };
        names.iter().find_map(version)
    };
    match (version_of("kafka_2.13-").or_else(|| version_of("kafka_2.12-")), version_of("zookeeper-")) {
        (Some(version), Some(_)) if version.starts_with("3.") => Ok(libs.join("*").display().to_string()),
        (Some(version), _) => {
            Err(refuse(format!("{} holds Kafka {version}, which has no ZooKeeper mode", home.display())).into())
        }
        (None, _) => Err(refuse(format!("{} holds no Kafka", libs.display())).into()),
    }
}

/// Fetches the jars unless they are in the cache. Another sosstack that is fetching is waited for.
///
/// # Errors
/// [`Failure::NoRuntime`] with Maven's words when they are not to be had, [`Failure::Interrupted`].
pub(super) async fn ensure(
    dir: &Path,
    maven: Option<&Path>,
    stack: &Stack,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().context("the cache directory has a parent")?;
    ensure_private_dir(parent)?;
    let lock = File::create(beside(dir, "lock")).context("locking the jar cache")?;
    while lock.try_lock().is_err() {
        if shutdown.is_requested() {
            return Err(shutdown.interrupted().into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if dir.is_dir() {
        return Ok(());
    }
    let maven = maven.context("Maven was not looked for")?;
    let step = Step::FetchJars { kafka: stack.kafka.version.clone() };
    event::step(report, step.clone(), async {
        let partial = beside(dir, "partial");
        let _ = fs::remove_dir_all(&partial);
        ensure_private_dir(&partial)?;
        fs::write(partial.join("pom.xml"), POM).context("writing Maven's pom")?;
        let fetched = run_maven(maven, &partial, stack, &step, report, shutdown).await;
        if let Err(error) = fetched {
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        fs::rename(partial.join("libs"), dir).context("moving the jars into the cache")?;
        let _ = fs::remove_dir_all(&partial);
        let count = fs::read_dir(dir).map_or(0, Iterator::count);
        Ok(((), Outcome::Jars { count, dir: dir.to_owned() }))
    })
    .await
}

/// `x.lock` beside `x`. (Its name holds dots, so `with_extension` would cut a version.)
fn beside(dir: &Path, kind: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}.{kind}"))
}

async fn run_maven(
    maven: &Path,
    dir: &Path,
    stack: &Stack,
    step: &Step,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    let mut child = Command::new(maven)
        .args(["-B", "-e", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"])
        .arg(format!("-Dkafka.version={}", stack.kafka.version))
        .arg(format!("-Dzookeeper.version={}", stack.zookeeper.version))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("running {}", maven.display()))?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let _helper = group.map(|group| shutdown.take_along(group));
    let output = child.stdout.take().context("Maven's output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let mut errors: Vec<String> = Vec::new();
    let mut jars = 0;
    let watched = shutdown
        .guard(async {
            while let Some(line) = lines.next_line().await? {
                if let Some(jar) = downloaded_jar(&line) {
                    jars += 1;
                    let on = Waiting::Jars { fetched: jars, last: jar.to_owned() };
                    report(Event::StepWaits { step: step.clone(), on });
                } else if let Some(words) = line.strip_prefix("[ERROR] ") {
                    errors.push(words.to_owned());
                }
            }
            Ok(child.wait().await?)
        })
        .await;
    let status = match watched {
        Ok(status) => status,
        Err(error) => {
            // Maven's launcher is a shell script: end the Java that it started as well.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            return Err(error);
        }
    };
    if status.success() {
        return Ok(());
    }
    let words = errors.first().cloned().unwrap_or_else(|| format!("it ended with {status}"));
    Err(Failure::NoRuntime {
        cause: format!("Maven could not fetch Kafka's and ZooKeeper's jars: {words}"),
        remedy: Remedy::words("check the network, and mirrors and proxies in ~/.m2/settings.xml; or use an unpacked Kafka 3.x: --kafka-home DIR"),
    }
    .into())
}

/// The file's name in Maven's "Downloaded from central: <address>/x.jar (1.2 MB at 3 MB/s)".
fn downloaded_jar(line: &str) -> Option<&str> {
    let address = line.split_once("Downloaded from ")?.1.split_whitespace().nth(1)?;
    address.rsplit('/').next().filter(|name| Path::new(name).extension().is_some_and(|end| end == "jar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downloaded_jar_is_recognised() {
        let line =
            "[INFO] Downloaded from central: https://example.org/org/x/kafka_2.13-3.9.2.jar (5.8 MB at 3.2 MB/s)";
        assert_eq!(downloaded_jar(line), Some("kafka_2.13-3.9.2.jar"));
        assert_eq!(downloaded_jar("[INFO] Downloaded from central: https://example.org/x.pom (5 kB at 3 kB/s)"), None);
        assert_eq!(downloaded_jar("[INFO] BUILD SUCCESS"), None);
    }

    #[test]
    fn a_distribution_without_zookeeper_mode_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let words = |home: &Path| of_distribution(home).unwrap_err().to_string();
        assert!(words(home.path()).contains("cannot be read"));
        fs::create_dir(home.path().join("libs")).unwrap();
        assert!(words(home.path()).contains("holds no Kafka"));
        fs::write(home.path().join("libs/kafka_2.13-4.1.0.jar"), "").unwrap();
        assert!(words(home.path()).contains("Kafka 4.1.0, which has no ZooKeeper mode"));
        fs::remove_file(home.path().join("libs/kafka_2.13-4.1.0.jar")).unwrap();
        fs::write(home.path().join("libs/kafka_2.13-3.9.1.jar"), "").unwrap();
        fs::write(home.path().join("libs/zookeeper-3.8.4.jar"), "").unwrap();
        assert!(of_distribution(home.path()).unwrap().ends_with("libs/*"));
    }
}
