//! The files of an instance, kept until the one that takes its place has started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::record::{FILE, Record};
use crate::paths::write_atomic;

/// Configuration and record of an instance that has ended.
pub(super) struct Former(Vec<Kept>);

struct Kept {
    path: PathBuf,
    contents: Vec<u8>,
    mode: u32,
}

impl Former {
    /// The record comes last, as when it was made.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(service_dir: &Path, record: &Record) -> Result<Self> {
        let files = record.workload.files.iter().map(|file| file.path.clone());
        let paths = files.chain([service_dir.join(FILE)]).filter(|path| path.exists());
        let read = |path: PathBuf| -> Result<Kept> {
            let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
            Ok(Kept { contents: fs::read(&path)?, mode, path })
        };
        paths.map(read).collect::<Result<_>>().map(Self)
    }

    /// Writes them as they were.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn put_back(&self) -> Result<()> {
        self.0.iter().try_for_each(|kept| write_atomic(&kept.path, &kept.contents, kept.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Service;
    use crate::workload::{ConfigFile, Workload};

    #[test]
    fn an_instance_is_put_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (config, name) = (dir.path().join("server.properties"), "sos".parse().unwrap());
        let file = ConfigFile { path: config.clone(), contents: String::new(), secret: true, live: false };
        let workload = |command: &str| Workload {
            command: vec![command.to_owned()],
            ..Workload::of_files(Service::kafka(0), vec![file.clone()])
        };
        write_atomic(&config, b"earlier", 0o600).unwrap();
        Record::new(&workload("earlier"), 0).write(dir.path()).unwrap();
        let former = Former::read(dir.path(), &Record::read(&name, dir.path()).unwrap().unwrap()).unwrap();

        write_atomic(&config, b"later", 0o644).unwrap();
        Record::new(&workload("later"), 0).write(dir.path()).unwrap();
        former.put_back().unwrap();
        assert_eq!(fs::read(&config).unwrap(), b"earlier");
        assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Record::read(&name, dir.path()).unwrap().unwrap().workload.command, ["earlier"]);
    }
}
