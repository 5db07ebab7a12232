//! Starts and ends a stack's bridges, and tells what there is of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use jiff::Timestamp;
use rustix::process::Signal;

use super::instance::{Instance, Launch};
use super::record::Record;
use crate::paths::{Paths, ensure_private_dir, write_atomic};
use crate::runtime::merged::Lines;
use crate::runtime::process::identity::{self, Running};
use crate::runtime::process::{log_files, logs, spawn};
use crate::runtime::{LogQuery, State};
use crate::stack::{Bridge, StackName};

/// The option by which a bridge is told its log, and by which its process is known.
pub const LOG_FILE: &str = "--log-file";

/// What leads a bridge to this user's files and to Docker, beside what services inherit.
const INHERITED: [&str; 8] = [
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
];

/// The stack as a bridge reads it, in the directory of all of them.
const STACK_FILE: &str = "stack.yaml";

/// The bridges of one stack on this machine.
#[derive(Debug, Clone)]
pub struct Hosted {
    dir: PathBuf,
    stack: StackName,
}

impl Hosted {
    pub fn of(paths: &Paths, stack: &StackName) -> Self {
        Self { dir: paths.bridges(stack), stack: stack.clone() }
    }

    /// What there is, in order.
    ///
    /// # Errors
    /// When a record cannot be read, is damaged, or was written by a newer sosstack.
    pub fn instances(&self) -> Result<Vec<Instance>> {
        Bridge::ALL.into_iter().filter_map(|bridge| self.instance(bridge).transpose()).collect()
    }

    /// How many run.
    pub fn count_running(&self) -> usize {
        let runs = |bridge: &Bridge| matches!(self.instance(*bridge), Ok(Some(one)) if one.state == State::Running);
        Bridge::ALL.iter().filter(|bridge| runs(bridge)).count()
    }

    fn instance(&self, bridge: Bridge) -> Result<Option<Instance>> {
        let dir = self.dir_of(bridge);
        let record = Record::read(&self.stack, &dir)?;
        let Some(record) = record else { return Ok(None) };
        let running = self.process(bridge, Some(&record));
        let is_paused = running.as_ref().is_some_and(|running| identity::is_paused(running.identity.pid));
        let state = match (is_paused, &running) {
            (true, _) => State::Paused,
            (false, Some(_)) => State::Running,
            (false, None) => record.state_without_process(),
        };
        Ok(Some(Instance {
            bridge,
            state,
            pid: running.map(|running| running.identity.pid),
            hash: record.hash,
            port: record.port,
            stopped: record.stopped,
            started: record.started,
        }))
    }

    /// The stack's file as bridges read it.
    pub fn stack_file(&self) -> PathBuf {
        self.dir.join(STACK_FILE)
    }

    /// Writes the stack down for bridges.
    ///
    /// # Errors
    /// When the disk is full or not writable.
    pub fn write_stack(&self, text: &str) -> Result<()> {
        ensure_private_dir(&self.dir)?;
        write_atomic(&self.stack_file(), text.as_bytes(), 0o600)
    }

    /// Makes a bridge that does not run, in place of any that does not run either.
    ///
    /// # Errors
    /// When the disk is full or not writable.
    pub fn create(&self, bridge: Bridge, launch: &Launch) -> Result<()> {
        let dir = self.dir_of(bridge);
        ensure_private_dir(&dir)?;
        let log = [LOG_FILE.to_owned(), text(&dir.join(spawn::CONSOLE))?];
        let command = [text(&launch.program)?].into_iter().chain(launch.arguments.iter().cloned()).chain(log);
        Record::new(command.collect(), launch.port, launch.hash.clone()).write(&dir)
    }

    /// Starts a bridge that was made; fine if it runs.
    ///
    /// # Errors
    /// When there is none, or its program cannot be run.
    pub fn start(&self, bridge: Bridge) -> Result<()> {
        let dir = self.dir_of(bridge);
        let mut record =
            Record::read(&self.stack, &dir)?.with_context(|| format!("stack {} has no {bridge}", self.stack))?;
        record.stopped = false;
        if let Some(running) = self.process(bridge, Some(&record)) {
            record.process = Some(running.identity);
            return record.write(&dir);
        }
        let _ = log_files::bound_console(&dir);
        record.started = Some(Timestamp::now());
        record.process = None;
        record.write(&dir)?;
        record.process = Some(spawn::spawn(&record.command, &dir, &INHERITED)?);
        record.write(&dir)
    }

    /// Has one that stands still go on.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub fn resume(&self, bridge: Bridge) -> Result<()> {
        let record = Record::read(&self.stack, &self.dir_of(bridge))?;
        self.process(bridge, record.as_ref()).map_or(Ok(()), |running| spawn::signal(&running, Signal::CONT))
    }

    /// SIGTERM, and SIGKILL after `grace`; returns when it has ended, and whether it ran.
    ///
    /// # Errors
    /// When it may not be signalled, or does not end.
    pub async fn stop(&self, bridge: Bridge, grace: Duration) -> Result<bool> {
        let dir = self.dir_of(bridge);
        let mut record = Record::read(&self.stack, &dir)?;
        if let Some(record) = &mut record {
            record.stopped = true;
            // A full disk must not keep it from being stopped.
            let _ = record.write(&dir);
        }
        let mut ran = false;
        while let Some(running) = self.process(bridge, record.as_ref()) {
            spawn::end(&running, grace).await?;
            ran = true;
        }
        Ok(ran)
    }

    /// Removes what is kept of bridges that have ended, their logs included.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("removing {}", self.dir.display())),
        }
    }

    /// What they wrote, in the order of time.
    pub fn logs(&self, bridges: &[Bridge], query: &LogQuery) -> Lines {
        let sources: Vec<_> = bridges.iter().map(|bridge| ((*bridge).into(), self.dir_of(*bridge))).collect();
        logs::logs(&sources, query).boxed()
    }

    fn dir_of(&self, bridge: Bridge) -> PathBuf {
        self.dir.join(bridge.to_string())
    }

    /// The process that was written down, else one that names the bridge's log.
    fn process(&self, bridge: Bridge, record: Option<&Record>) -> Option<Running> {
        let log = || self.dir_of(bridge).join(spawn::CONSOLE);
        record.and_then(Record::running).or_else(|| identity::ending_with(LOG_FILE, &log()))
    }
}

/// Resident memory of a process, in bytes; None when it is gone.
pub fn memory(pid: u32) -> Option<u64> {
    identity::memory(pid)
}

/// Cuts the log of a running bridge back to its newest part where it has grown large. For the bridge itself, which writes
/// nothing meanwhile.
///
/// # Errors
/// When the disk is full or not writable.
pub fn bound_log(log: &Path) -> std::io::Result<()> {
    log.parent().map_or(Ok(()), log_files::bound_console)
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    /// A shell that ends when it is told, as a bridge does; what follows it is its name only.
    fn launch(script: &str) -> Launch {
        let arguments = ["-c", script, "sh"].map(str::to_owned).to_vec();
        Launch { program: "/bin/sh".into(), arguments, port: 9111, hash: "one".to_owned() }
    }

    #[tokio::test]
    async fn a_bridge_is_started_known_and_ended() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { data: home.path().to_owned(), cache: home.path().to_owned() };
        let hosted = Hosted::of(&paths, &"sos".parse().unwrap());
        let first = Bridge::ALL[0];
        assert_eq!(hosted.instances().unwrap(), []);
        let line = r#"{"time":"2026-11-24T15:00:00.123Z","level":"info","message":"subscribed"}"#;
        hosted.create(first, &launch(&format!("echo '{line}'; while :; do sleep 0.05; done"))).unwrap();
        assert_eq!(hosted.instances().unwrap()[0].state, State::Created);
        hosted.start(first).unwrap();
        let pid = hosted.instances().unwrap()[0].pid.unwrap();
        hosted.start(first).unwrap();
        assert_eq!(hosted.instances().unwrap()[0].pid, Some(pid), "it is the same one");

        // Its number was not written down: it is known by its command line.
        let dir = hosted.dir_of(first);
        let mut record = Record::read(&hosted.stack, &dir).unwrap().unwrap();
        record.process = None;
        record.write(&dir).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while hosted.instances().unwrap()[0].pid != Some(pid) {
            assert!(std::time::Instant::now() < deadline, "{:?}", hosted.instances());
        }
        loop {
            let lines: Vec<_> = hosted.logs(&Bridge::ALL, &LogQuery::default()).try_collect().await.unwrap();
            if let [line] = lines.as_slice() {
                assert_eq!((line.service, line.text.as_str()), (first.into(), "subscribed"));
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{lines:?}");
        }
        assert!(hosted.stop(first, Duration::from_secs(5)).await.unwrap());
        assert!(!hosted.stop(first, Duration::from_secs(5)).await.unwrap(), "it has ended");
        assert_eq!(hosted.instances().unwrap()[0].state, State::Stopped);
        hosted.remove().unwrap();
        hosted.remove().unwrap();
        assert_eq!(hosted.instances().unwrap(), []);
    }
}
