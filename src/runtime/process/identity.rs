//! Telling a process that we started from one that was given its number later, whatever the clock says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::birth::Birth;
use crate::stack::Service;

/// A started process: its number, and when it began, since numbers are used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct Identity {
    pub(in crate::runtime) pid: u32,
    /// None where an earlier sosstack wrote it down, and on systems without `/proc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) birth: Option<Birth>,
    /// Seconds since 1970, as the system computes it from its boot time: it moves when the clock is set, so it
    /// decides only where nothing better is known. An earlier sosstack reads it.
    #[serde(default)]
    pub(super) began: u64,
}

/// A process that is there, and the command line by which it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct Running {
    pub(in crate::runtime) identity: Identity,
    pub(in crate::runtime) command: Vec<String>,
}

/// A service's process, found by its command line alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Living {
    /// The directory of its stack, as the command line names it.
    pub(super) stack_dir: PathBuf,
    pub(super) service: Service,
    pub(super) running: Running,
    /// As [`is_paused`] tells.
    pub(super) is_paused: bool,
}

const CLOCK_SLACK_SECONDS: u64 = 2;

impl Running {
    /// Whether it still runs.
    pub(in crate::runtime) fn is_alive(&self) -> bool {
        let identity = &self.identity;
        let pid = Pid::from_u32(identity.pid);
        let system = refreshed(ProcessesToUpdate::Some(&[pid]));
        system.process(pid).is_some_and(|process| {
            if identity.birth.is_some() {
                return Birth::of(identity.pid) == identity.birth && (!has_ended(process) || is_ending(process));
            }
            // Its command line names its own configuration: no other process has the same.
            let began_then = process.start_time().abs_diff(identity.began) <= CLOCK_SLACK_SECONDS;
            runs(process, &self.command) || (began_then && is_ending(process))
        })
    }
}

/// All processes of services on this machine, of whatever stack, that this user can see.
///
/// A sosstack that was killed just after starting one could not write down its number; a record may be lost, or come
/// from a backup.
pub(super) fn living() -> Vec<Living> {
    let ours = of_our_programs();
    let system = refreshed(ours.as_ref().map_or(ProcessesToUpdate::All, |pids| ProcessesToUpdate::Some(pids)));
    let processes = system.processes().values().filter(|process| process.thread_kind().is_none());
    processes.filter(|process| !has_ended(process)).filter_map(as_service).collect()
}

/// What runs one of our programs; None without `/proc`. Nearly every command looks for services, and most processes
/// of a machine are none: of those only the command line is read.
fn of_our_programs() -> Option<Vec<Pid>> {
    whose_command(|command| {
        let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
        is_our_program(OsStr::from_bytes(program))
    })
}

/// The processes whose command line, each word of it ended by a zero, is wanted; None without `/proc`.
fn whose_command(is_wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<Pid>> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let reads = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| is_wanted(&command));
    Some(pids.filter(reads).map(Pid::from_u32).collect())
}

/// The process whose command line ends with these two words. To be asked with words that no other one has.
pub(in crate::runtime) fn ending_with(option: &str, path: &Path) -> Option<Running> {
    let end = [option.as_bytes(), path.as_os_str().as_bytes()].map(|word| [&b"\0"[..], word].concat()).concat();
    let pids = whose_command(|command| command.strip_suffix(b"\0").is_some_and(|command| command.ends_with(&end)));
    let system = refreshed(pids.as_ref().map_or(ProcessesToUpdate::All, |pids| ProcessesToUpdate::Some(pids)));
    let ends_so = |process: &&Process| {
        let mut words = process.cmd().iter().rev();
        words.next().is_some_and(|word| word == path) && words.next().is_some_and(|word| word == option)
    };
    let mut processes = system.processes().values().filter(|process| process.thread_kind().is_none());
    processes.find(|process| ends_so(process) && !has_ended(process)).and_then(running)
}

fn is_our_program(program: &OsStr) -> bool {
    Path::new(program).file_name().is_some_and(|program| program == "java" || program == "mosquitto")
}

/// A service is a program of ours whose last argument is a file in a directory that only a stack has.
fn as_service(process: &Process) -> Option<Living> {
    let running = running(process)?;
    if !is_our_program(running.command.first()?.as_ref()) {
        return None;
    }
    let service_dir = Path::new(running.command.last()?).parent()?;
    let service = service_dir.file_name()?.to_str()?.parse().ok()?;
    let services = service_dir.parent().filter(|dir| dir.file_name().is_some_and(|name| name == "services"))?;
    let stack_dir = services.parent()?.to_owned();
    let is_paused = process.status() == ProcessStatus::Stop;
    Some(Living { stack_dir, service, running, is_paused })
}

/// None where the command line is not text.
fn running(process: &Process) -> Option<Running> {
    let words = process.cmd().iter().map(|word| Some(word.to_str()?.to_owned()));
    let pid = process.pid().as_u32();
    let identity = Identity { pid, birth: Birth::of(pid), began: process.start_time() };
    Some(Running { identity, command: words.collect::<Option<_>>()? })
}

/// Whether two paths name one directory, by way of a link maybe.
pub(super) fn is_same_dir(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The identity of a child that was started just now.
pub(super) fn of_child(pid: u32) -> Identity {
    let system = refreshed(ProcessesToUpdate::Some(&[Pid::from_u32(pid)]));
    let began = system.process(Pid::from_u32(pid)).map_or(0, Process::start_time);
    Identity { pid, birth: Birth::of(pid), began }
}

/// Whether a process stands still by SIGSTOP, until SIGCONT.
pub(in crate::runtime) fn is_paused(pid: u32) -> bool {
    let system = refreshed(ProcessesToUpdate::Some(&[Pid::from_u32(pid)]));
    system.process(Pid::from_u32(pid)).is_some_and(|process| process.status() == ProcessStatus::Stop)
}

/// Resident memory in bytes; None when the process is gone.
pub(in crate::runtime) fn memory(pid: u32) -> Option<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    system.process(pid).map(Process::memory)
}

fn refreshed(which: ProcessesToUpdate<'_>) -> System {
    let mut system = System::new();
    // Java has some sixty threads a process, and each would be read as a process is.
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(which, false, kind);
    system
}

fn runs(process: &Process, command: &[String]) -> bool {
    let same = process.cmd().iter().map(OsString::as_os_str).eq(command.iter().map(OsStr::new));
    !has_ended(process) && same
}

/// A zombie has ended: only its parent has not asked for its exit status yet.
fn has_ended(process: &Process) -> bool {
    matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

/// A process that ends loses its command line first and its ports last; its first thread may be done while others
/// still hold them.
fn is_ending(process: &Process) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{}/task", process.pid())).map_or(0, Iterator::count);
    if has_ended(process) { threads() > 1 } else { process.cmd().is_empty() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeper() -> (std::process::Child, Running) {
        let command = vec!["sleep".to_owned(), "300.25".to_owned()];
        let child = std::process::Command::new(&command[0]).args(&command[1..]).spawn().unwrap();
        let running = Running { identity: of_child(child.id()), command };
        let pid = Pid::from_u32(child.id());
        let deadline = Instant::now() + Duration::from_secs(5);
        // It is there before its command line is.
        while !refreshed(ProcessesToUpdate::Some(&[pid])).process(pid).is_some_and(|p| runs(p, &running.command)) {
            assert!(Instant::now() < deadline, "it does not run");
        }
        (child, running)
    }

    #[test]
    fn a_process_is_known_until_it_has_ended() {
        let (mut child, running) = sleeper();
        assert!(running.is_alive());
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        // Nobody waits for it, so it becomes a zombie as soon as the kernel has delivered the signal.
        while running.is_alive() {
            assert!(Instant::now() < deadline, "a zombie counts as alive");
        }
        child.wait().unwrap();
        assert!(!running.is_alive(), "gone");
    }

    #[test]
    fn a_moved_clock_moves_no_process() {
        let (mut child, running) = sleeper();
        let moved = |seconds| Running {
            identity: Identity { began: running.identity.began + seconds, ..running.identity.clone() },
            ..running.clone()
        };
        assert!(moved(3600).is_alive());
        let written_before =
            Running { identity: Identity { birth: None, ..moved(3600).identity }, command: running.command.clone() };
        assert!(written_before.is_alive(), "the command line tells");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_number_that_was_given_again_is_somebody_else() {
        let (mut child, running) = sleeper();
        let birth = running.identity.birth.clone().unwrap();
        let with = |birth: Option<Birth>, command: &[String]| Running {
            identity: Identity { birth, ..running.identity.clone() },
            command: command.to_vec(),
        };
        let later = Birth { ticks: birth.ticks + 1, ..birth.clone() };
        let another_boot = Birth { boot: "another".to_owned(), ..birth };
        assert!(!with(Some(later), &running.command).is_alive());
        assert!(!with(Some(another_boot), &running.command).is_alive());
        assert!(!with(None, &["sleep".to_owned(), "1".to_owned()]).is_alive(), "another command");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_an_earlier_sosstack_wrote_is_read_and_what_we_write_it_reads() {
        let old: Identity = serde_json::from_str(r#"{"pid": 812, "began": 1700000000}"#).unwrap();
        assert_eq!(old, Identity { pid: 812, birth: None, began: 1_700_000_000 });
        let (mut child, running) = sleeper();
        let written = serde_json::to_value(&running.identity).unwrap();
        assert!(written["began"].is_u64() && written["pid"].is_u64(), "{written}");
        assert_eq!(serde_json::from_value::<Identity>(written).unwrap(), running.identity);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
