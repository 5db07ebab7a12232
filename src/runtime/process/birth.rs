//! When a process began, in what no clock can move.

use std::fs;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The boot, and the kernel's ticks between it and the process's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Birth {
    /// `/proc/sys/kernel/random/boot_id`.
    pub(super) boot: String,
    /// Field 22 of `/proc/PID/stat`, in `sysconf(_SC_CLK_TCK)` a second.
    pub(super) ticks: u64,
}

impl Birth {
    /// None where there is no such process, and on systems without `/proc`.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let boot = boot()?;
        let ticks = ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self { boot, ticks })
    }
}

/// Read once: it stays while this process is there.
fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned());
    BOOT.get_or_init(read).clone()
}

/// The program's name, in brackets, may hold blanks and brackets itself; field 3 follows the last one.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_found_behind_any_program_name() {
        let stat = "812 (a) b (c) S 1 812 812 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 64 0 987654 1 2 3\n";
        assert_eq!(ticks(stat), Some(987_654));
        assert_eq!(ticks(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_stays_what_it_is() {
        let me = std::process::id();
        assert_eq!(Birth::of(me).unwrap(), Birth::of(me).unwrap());
        assert_eq!(Birth::of(u32::MAX), None);
    }
}
