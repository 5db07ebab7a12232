//! Puts files into containers, running or not: one tar a container, so nothing is mounted from this
//! machine and remote daemons work alike.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures_util::TryStreamExt;
use tar::{Builder, EntryType, Header};

use super::answers;
use crate::stack::image;
use crate::workload::{ConfigFile, Workload};

/// Where a container keeps the hash of the live files that its service last loaded. A file, as labels
/// cannot change after a container is made.
fn live_hash_path() -> String {
    format!("{}/live-hash", image::OWN_CONFIG)
}

/// Everything that a new container needs: its files, its live hash, and its volumes' roots, which
/// would belong to root where the image does not have the directory.
pub(super) fn of_workload(workload: &Workload) -> Result<Vec<u8>> {
    let mut tar = Archive::new(workload.user);
    for volume in &workload.volumes {
        tar.directory(&volume.path)?;
    }
    for file in &workload.files {
        tar.file(file)?;
    }
    tar.file(&live_hash_file(&workload.live_hash()))?;
    tar.finish()
}

/// Some files alone.
pub(super) fn of_files(files: &[ConfigFile], user: u32) -> Result<Vec<u8>> {
    let mut tar = Archive::new(user);
    for file in files {
        tar.file(file)?;
    }
    tar.finish()
}

/// A directory that belongs to the user, and some files.
pub(super) fn of_directory_and_files(directory: &Path, files: &[ConfigFile], user: u32) -> Result<Vec<u8>> {
    let mut tar = Archive::new(user);
    tar.directory(directory)?;
    for file in files {
        tar.file(file)?;
    }
    tar.finish()
}

pub(super) fn live_hash_file(hash: &str) -> ConfigFile {
    ConfigFile { path: live_hash_path().into(), contents: hash.to_owned(), secret: false, live: true }
}

/// Unpacks a tar into a container at `/`.
pub(super) async fn send(docker: &Docker, container: &str, tar: Vec<u8>) -> Result<()> {
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    docker
        .upload_to_container(container, Some(options), bollard::body_full(tar.into()))
        .await
        .with_context(|| format!("uploading files to container {container}"))
}

/// The live hash that a container keeps; None when it has none.
pub(super) async fn read_live_hash(docker: &Docker, container: &str) -> Result<Option<String>> {
    let bytes = read_file(docker, container, &live_hash_path()).await?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// One file of a container; None when it has none.
pub(super) async fn read_file(docker: &Docker, container: &str, path: &str) -> Result<Option<Vec<u8>>> {
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let download = docker.download_from_container(container, Some(options));
    let whole = download.try_fold(Vec::new(), |mut bytes, chunk| async move {
        bytes.extend_from_slice(&chunk);
        Ok(bytes)
    });
    let describe = || format!("reading {path} of container {container}");
    let Some(bytes) = answers::found(whole.await).with_context(describe)? else { return Ok(None) };
    let mut archive = tar::Archive::new(bytes.as_slice());
    let Some(entry) = archive.entries().with_context(describe)?.next() else { return Ok(None) };
    let mut contents = Vec::new();
    entry.with_context(describe)?.read_to_end(&mut contents).with_context(describe)?;
    Ok(Some(contents))
}

/// A tar in memory whose entries all belong to one user.
struct Archive {
    builder: Builder<Vec<u8>>,
    user: u32,
    seconds: u64,
}

impl Archive {
    fn new(user: u32) -> Self {
        let seconds = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
        Self { builder: Builder::new(Vec::new()), user, seconds }
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        self.entry(path, EntryType::Directory, 0o755, &[])
    }

    fn file(&mut self, file: &ConfigFile) -> Result<()> {
        let mode = if file.secret { 0o600 } else { 0o644 };
        self.entry(&file.path, EntryType::Regular, mode, file.contents.as_bytes())
    }

    fn entry(&mut self, path: &Path, kind: EntryType, mode: u32, contents: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.user.into());
        header.set_gid(self.user.into());
        header.set_mtime(self.seconds);
        header.set_size(contents.len() as u64);
        // Paths in a tar are relative, here to the container's root.
        let relative = path.strip_prefix("/").unwrap_or(path);
        self.builder
            .append_data(&mut header, relative, contents)
            .with_context(|| format!("packing {} for a container", path.display()))
    }

    fn finish(self) -> Result<Vec<u8>> {
        self.builder.into_inner().context("packing files for a container")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stack::Service;
    use crate::workload::Volume;

    fn file(path: &str, secret: bool) -> ConfigFile {
        ConfigFile { path: path.into(), contents: format!("contents of {path}"), secret, live: secret }
    }

    #[test]
    fn files_belong_to_the_user_who_reads_them() {
        let workload = Workload {
            service: Service::zookeeper(0),
            image: "zookeeper".to_owned(),
            command: vec!["java".to_owned()],
            user: 1000,
            files: vec![file("/data/myid", false), file("/etc/sosstack/passwords", true)],
            volumes: vec![Volume { name: "zookeeper-0-data".to_owned(), path: "/data".into() }],
            scratch: vec![],
            ports: vec![],
            aliases: vec![],
            memory: 0,
            stop_grace: Duration::from_secs(10),
        };
        let bytes = of_workload(&workload).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let header = entry.header();
                let owner = (header.uid().unwrap(), header.gid().unwrap());
                let (mode, kind) = (header.mode().unwrap(), header.entry_type());
                (path, owner, mode, kind, std::io::read_to_string(&mut entry).unwrap())
            })
            .collect();

        let regular = EntryType::Regular;
        let expected = [
            ("data", 0o755, EntryType::Directory, String::new()),
            ("data/myid", 0o644, regular, "contents of /data/myid".to_owned()),
            ("etc/sosstack/passwords", 0o600, regular, "contents of /etc/sosstack/passwords".to_owned()),
            ("etc/sosstack/live-hash", 0o644, regular, workload.live_hash()),
        ];
        let expected = expected.map(|(path, mode, kind, text)| (path.to_owned(), (1000, 1000), mode, kind, text));
        assert_eq!(entries, expected);
    }
}
