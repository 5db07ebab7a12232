//! A machine as a test wants it: its programs, its home, no Docker.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A home and a PATH that hold what the test puts there.
pub struct Machine {
    dir: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Machine {
    /// With no programs at all.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A program that this very machine has, under its own name; whether it has it.
    pub fn with_own(self, program: &str) -> Option<Self> {
        let dirs = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&dirs).chain([PathBuf::from("/usr/sbin")]);
        let Some(file) = places.map(|dir| dir.join(program)).find(|file| file.is_file()) else {
            println!("SKIPPED: this machine has no {program}");
            return None;
        };
        symlink(file, self.path().join("bin").join(program)).unwrap();
        Some(self)
    }

    /// A program that does nothing but print and end.
    pub fn with_fake(self, program: &str, script: &str) -> Self {
        let file = self.path().join("bin").join(program);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn with_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sosstack"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", self.path().join("bin"))
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command
    }

    /// Where this machine's Docker daemon would listen.
    pub fn socket(&self) -> PathBuf {
        self.path().join("docker.sock")
    }

    /// The lock of the default stack, as another sosstack would hold it.
    pub fn hold_lock(&self) -> File {
        let file = self.path().join(".local/share/sosstack/stacks/sos.lock");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let file = File::create(file).unwrap();
        file.lock().unwrap();
        file
    }

    pub fn run(&self, arguments: &[&str]) -> Finished {
        finish(&mut self.command(arguments), self.path())
    }
}

/// Runs a command; the machine's own directory is called `~` in what it wrote.
pub fn finish(command: &mut Command, home: &Path) -> Finished {
    collect(command.output().unwrap(), home)
}

/// As [`finish`], of a command that was started by itself.
pub fn collect(output: Output, home: &Path) -> Finished {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&home.display().to_string(), "~");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
