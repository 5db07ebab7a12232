//! A disk that fills while everything runs: brokers end, and nothing that was acknowledged is gone.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Finished, Home, On};

/// A file system in memory, as small as a test wants it.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount one.
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes what room is left: a broker that ends gives some back.
    pub fn fill(&self) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        for size in [65_536, 512, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives back what [`SmallDisk::fill`] took.
    pub fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn grow(&self, size: &str) {
        let grown = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).output().unwrap();
        assert!(grown.status.success(), "{grown:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The stack's directory is on it: whoever still runs there would keep it busy.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_loses_nothing_that_was_acknowledged() {
    if !On::Process.is_here() {
        return;
    }
    // Declared first, so that it is dropped last: the stack is removed from it.
    let disk;
    let home = Home::new(On::Process, 20_800);
    disk = SmallDisk::mount(&home.path().join("data"), "60M");
    let Some(disk) = disk.as_ref() else {
        println!("SKIPPED: only root may mount a small disk");
        return;
    };
    home.up();
    let sent = send_more_than_fits(&home);
    assert_eq!(sent.code, Some(1), "{sent:?}");
    let acknowledged = acknowledged(&sent);

    assert_eq!(home.run(&["status"]).code, Some(1));
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("a broker exits when its disk is full"), "{doctor:?}");
    disk.fill();
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("No space left on device"), "{refused:?}");
    assert!(refused.stderr.contains("try: free some space"), "{refused:?}");

    disk.grow("600M");
    home.ok(&["up"]);
    let described = home.json(&["topic", "describe", "device.telemetry"]);
    let kept: u64 =
        described["detail"].as_array().unwrap().iter().map(|part| part["next_offset"].as_u64().unwrap()).sum();
    assert!(kept >= acknowledged, "{acknowledged} were acknowledged, {kept} are there");

    // Who has no room must be able to make some.
    disk.fill();
    home.ok(&["down", "--volumes", "--yes"]);
}

/// Lines that do not compress, twice as many as three replicas have room for.
fn send_more_than_fits(home: &Home) -> Finished {
    let mut text = String::new();
    let mut state = 1_u64;
    for _ in 0..40_000 {
        for _ in 0..60 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(text, "{state:016x}").unwrap();
        }
        text.push('\n');
    }
    let file = home.path().join("lines");
    std::fs::write(&file, text).unwrap();
    let mut command = home.command(&["pub", "device.telemetry", "--lines", "--timeout", "10s"]);
    Finished::from(command.stdin(File::open(file).unwrap()).output().unwrap())
}

/// How many messages were acknowledged, as "M of N messages were not" says.
fn acknowledged(sent: &Finished) -> u64 {
    let words: Vec<&str> = sent.stderr.split_whitespace().collect();
    let of = words.windows(4).find(|words| words[1] == "of" && words[3] == "messages");
    let of = of.unwrap_or_else(|| panic!("it says no numbers: {sent:?}"));
    let number = |word: &str| word.parse::<u64>().unwrap();
    number(of[2]) - number(of[0])
}
