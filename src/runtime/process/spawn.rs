//! Starting a detached process and ending it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::identity::{self, Identity, Running};
use super::signal::Handle;

/// What a service inherits of the user's environment. Everything else (`KAFKA_*`, `JAVA_TOOL_OPTIONS`,
/// `CLASSPATH`, …) would make this machine's stack differ from the next one's.
const INHERITED: [&str; 9] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME", "LD_LIBRARY_PATH"];

/// The file that takes stdout and stderr.
pub(in crate::runtime) const CONSOLE: &str = "console.log";

/// Starts `command` in `dir`, detached from terminal and caller.
///
/// A process group of its own is enough: a terminal that closes or sends Ctrl-C signals the
/// foreground group, and a shell that ends signals the groups of its jobs; ours is neither.
///
/// Of the environment it inherits the usual names, and `more`.
///
/// # Errors
/// When the program cannot be run.
pub(in crate::runtime) fn spawn(command: &[String], dir: &Path, more: &[&str]) -> Result<Identity> {
    let (program, arguments) = command.split_first().context("a workload has a command")?;
    let console = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(dir.join(CONSOLE))
        .with_context(|| format!("opening {}", dir.join(CONSOLE).display()))?;
    raise_file_limit();
    let child = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(INHERITED.iter().chain(more).filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::null())
        .stdout(console.try_clone().context("sharing the console file")?)
        .stderr(console)
        .process_group(0)
        .spawn()
        .with_context(|| format!("running {program}"))?;
    Ok(identity::of_child(child.id()))
}

/// Kafka keeps every segment open, Mosquitto every client: the soft limit of 1,024 is too low.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// SIGTERM, and SIGKILL after `grace`; returns when the process is gone.
///
/// # Errors
/// When it may not be signalled, or outlives SIGKILL by ten seconds.
pub(in crate::runtime) async fn end(running: &Running, grace: Duration) -> Result<()> {
    let Some(handle) = Handle::open(running)? else { return Ok(()) };
    handle.send(Signal::TERM)?;
    // One that stands still hears only this, or SIGKILL.
    handle.send(Signal::CONT)?;
    if gone_within(running, grace).await {
        return Ok(());
    }
    handle.send(Signal::KILL)?;
    if gone_within(running, Duration::from_secs(10)).await {
        return Ok(());
    }
    bail!("process {} does not exit, not even on SIGKILL", running.identity.pid)
}

/// SIGKILL at once; for instances whose data goes too, or that are replaced.
///
/// # Errors
/// As for [`end`].
pub(super) async fn kill(running: &Running) -> Result<()> {
    end(running, Duration::ZERO).await
}

/// Sends a signal; that the process is gone is fine.
///
/// # Errors
/// When it belongs to somebody else.
pub(in crate::runtime) fn signal(running: &Running, signal: Signal) -> Result<()> {
    Handle::open(running)?.map_or(Ok(()), |handle| handle.send(signal))
}

async fn gone_within(running: &Running, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if !running.is_alive() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
