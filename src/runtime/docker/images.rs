//! Images as files: carried to a machine that reaches no registry.

use std::path::Path;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answers;
use crate::event::{Download, Event, Report};
use crate::shutdown::Shutdown;

/// Bytes read from a file at once.
const CHUNK: usize = 1 << 20;

/// An image as the daemon has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Image {
    pub name: String,
    /// Whether it is on this machine; the rest is known only then.
    pub present: bool,
    /// Of its configuration, which is the same wherever the image is.
    pub id: Option<String>,
    /// As a registry names it, where it came from one: `NAME@sha256:…`.
    pub digest: Option<String>,
    pub bytes: Option<u64>,
}

pub(super) async fn inspect(docker: &Docker, name: &str) -> Result<Image> {
    let found = answers::found(docker.inspect_image(name).await).with_context(|| format!("inspecting image {name}"))?;
    Ok(match found {
        None => Image { name: name.to_owned(), present: false, id: None, digest: None, bytes: None },
        Some(image) => Image {
            name: name.to_owned(),
            present: true,
            id: image.id,
            digest: image.repo_digests.and_then(|digests| digests.into_iter().next()),
            bytes: image.size.and_then(|size| u64::try_from(size).ok()),
        },
    })
}

/// Writes images into one archive, whole or not at all; its size in bytes.
pub(super) async fn save(
    docker: &Docker,
    names: &[String],
    file: &Path,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<u64> {
    let partial = beside(file);
    let saved = shutdown.guard(save_to(docker, names, &partial, report)).await;
    match saved {
        Ok(bytes) => {
            tokio::fs::rename(&partial, file).await.with_context(|| format!("writing {}", file.display()))?;
            Ok(bytes)
        }
        Err(error) => {
            let _ = tokio::fs::remove_file(&partial).await;
            Err(error)
        }
    }
}

async fn save_to(docker: &Docker, names: &[String], file: &Path, report: Report<'_>) -> Result<u64> {
    let writing = || format!("writing {}", file.display());
    let mut out = File::create(file).await.with_context(writing)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut pieces = std::pin::pin!(docker.export_images(&names));
    let what = Download::ImageArchive;
    let mut done = 0;
    while let Some(piece) = pieces.try_next().await.context("reading the images from Docker")? {
        out.write_all(&piece).await.with_context(writing)?;
        done += piece.len() as u64;
        report(Event::Fetched { what: what.clone(), done, total: 0 });
    }
    out.sync_all().await.with_context(writing)?;
    report(Event::FetchFinished { what });
    Ok(done)
}

/// Gives the daemon an archive of images; what it says that it loaded.
pub(super) async fn load(docker: &Docker, file: &Path) -> Result<Vec<String>> {
    let input = File::open(file).await.with_context(|| format!("opening {}", file.display()))?;
    let pieces = stream::try_unfold(input, async |mut input| {
        let mut piece = vec![0; CHUNK];
        let length = input.read(&mut piece).await?;
        piece.truncate(length);
        std::io::Result::Ok((length > 0).then(|| (piece.into(), input)))
    });
    let answers = docker.import_image_stream(ImportImageOptions::default(), pieces.boxed(), None);
    let said: Vec<String> = answers
        .try_filter_map(async |info| Ok(info.stream))
        .try_collect()
        .await
        .with_context(|| format!("loading {}; was it written by images save?", file.display()))?;
    let loaded = |line: &String| line.trim().strip_prefix("Loaded image: ").map(str::to_owned);
    Ok(said.iter().filter_map(loaded).collect())
}

fn beside(file: &Path) -> std::path::PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    file.with_file_name(name)
}
