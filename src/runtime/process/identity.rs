//! Telling a process that we started from one that was given its number later.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Serialize};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// A started process: its number, and when it began, since numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// Seconds since 1970, as the system computes it from its boot time.
    pub(super) began: u64,
}

/// The system's boot time, and with it a process's beginning, moves a little when the clock is set.
const CLOCK_SLACK_SECONDS: u64 = 2;

/// Whether the process that was started as `command` still runs.
pub(super) fn is_alive(identity: Identity, command: &[String]) -> bool {
    let pid = Pid::from_u32(identity.pid);
    let system = refreshed(ProcessesToUpdate::Some(&[pid]));
    system.process(pid).is_some_and(|process| {
        let is_ours = process.start_time().abs_diff(identity.began) <= CLOCK_SLACK_SECONDS;
        is_ours && (runs(process, command) || is_ending(process))
    })
}

/// Finds the process that runs `command`, whose configuration path makes it unique: a sosstack that
/// was killed just after starting it could not write down its number.
pub(super) fn find(command: &[String]) -> Option<Identity> {
    let system = refreshed(ProcessesToUpdate::All);
    let found =
        system.processes().values().find(|process| process.thread_kind().is_none() && runs(process, command))?;
    Some(Identity { pid: found.pid().as_u32(), began: found.start_time() })
}

/// The identity of a child that was started just now.
pub(super) fn of_child(pid: u32) -> Identity {
    let system = refreshed(ProcessesToUpdate::Some(&[Pid::from_u32(pid)]));
    let began = system.process(Pid::from_u32(pid)).map_or(0, Process::start_time);
    Identity { pid, began }
}

/// Resident memory in bytes; None when the process is gone.
pub(super) fn memory(pid: u32) -> Option<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    system.process(pid).map(Process::memory)
}

fn refreshed(which: ProcessesToUpdate<'_>) -> System {
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(which, false, kind);
    system
}

/// A zombie has ended: only its parent has not asked for its exit status yet.
fn runs(process: &Process, command: &[String]) -> bool {
    let ended = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    let same = process.cmd().iter().map(OsString::as_os_str).eq(command.iter().map(OsStr::new));
    !ended && same
}

/// A process that ends loses its command line first and its ports last; its first thread may be done while others
/// still hold them.
fn is_ending(process: &Process) -> bool {
    let ended = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    let threads = || std::fs::read_dir(format!("/proc/{}/task", process.pid())).map_or(0, Iterator::count);
    if ended { threads() > 1 } else { process.cmd().is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (std::process::Child, Vec<String>) {
        let command = vec!["sleep".to_owned(), "300.25".to_owned()];
        let child = std::process::Command::new(&command[0]).args(&command[1..]).spawn().unwrap();
        (child, command)
    }

    #[test]
    fn a_process_is_known_by_number_beginning_and_command() {
        let (mut child, command) = sleeper();
        let identity = of_child(child.id());
        assert!(is_alive(identity, &command));
        assert!(!is_alive(identity, &["sleep".to_owned(), "1".to_owned()]), "another command");
        assert!(!is_alive(Identity { began: identity.began - 60, ..identity }, &command), "a reused number");
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        // Nobody waits for it, so it becomes a zombie as soon as the kernel has delivered the signal.
        while is_alive(identity, &command) {
            assert!(std::time::Instant::now() < deadline, "a zombie counts as alive");
        }
        child.wait().unwrap();
        assert!(!is_alive(identity, &command), "gone");
    }
}
