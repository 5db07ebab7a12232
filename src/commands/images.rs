//! `sosstack images`

use std::path::{Path, PathBuf};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use crate::about::{About, Remedy};
use crate::cli::ImagesCommand;
use crate::event::Report;
use crate::failure::Failure;
use crate::runtime::docker::Docker;
use crate::runtime::docker::images::Image;
use crate::ui::{Table, table};

/// The result of `images save`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Saved {
    file: PathBuf,
    images: Vec<String>,
    bytes: u64,
}

/// The result of `images load`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Loaded {
    loaded: Vec<String>,
    /// Images of the stack that the file did not hold, and that are not here.
    missing: Vec<String>,
}

pub(super) async fn run(context: &Context, command: &ImagesCommand) -> Result<()> {
    let stack = context.load(None, None)?.stack;
    let images = vec![stack.zookeeper.image, stack.kafka.image, stack.mosquitto.image];
    let docker = context.shutdown.guard(Docker::connect()).await?;
    match command {
        ImagesCommand::List => {
            let images = context.shutdown.guard(docker.images(&images)).await?;
            context.ui.show(images.as_slice(), list)
        }
        ImagesCommand::Save { archive } => save(context, &docker, images, archive).await,
        ImagesCommand::Load { archive } => load(context, &docker, &images, archive).await,
    }
}

async fn save(context: &Context, docker: &Docker, images: Vec<String>, file: &Path) -> Result<()> {
    let report: Report<'_> = &|event| context.ui.report(event);
    context.shutdown.guard(docker.pull_missing(&images, report)).await?;
    let bytes = docker.save_images(&images, file, report, &context.shutdown).await?;
    context.ui.conclude(&Saved { file: file.to_owned(), images, bytes }, |saved| {
        let (count, size, file) = (saved.images.len(), table::bytes(saved.bytes), saved.file.display());
        let command = About::this_machine().command(&format!("images load {file}"));
        format!("{count} images, {size}, in {file}. On the other machine: {command}")
    })
}

async fn load(context: &Context, docker: &Docker, images: &[String], file: &Path) -> Result<()> {
    let loaded = context.shutdown.guard(docker.load_images(file)).await?;
    let missing = context.shutdown.guard(docker.missing_images(images)).await?;
    let result = Loaded { loaded, missing };
    context.ui.conclude(&result, |result| format!("loaded: {}", result.loaded.join(", ")))?;
    if result.missing.is_empty() || context.ui.is_json() {
        return Ok(());
    }
    Err(Failure::Failed {
        cause: format!("the stack needs other images too: {}", result.missing.join(", ")),
        remedy: Remedy::words(format!(
            "save them with the same stack file as here: {}",
            About::this_machine().command("images save FILE")
        )),
    }
    .into())
}

fn list(images: &[Image]) -> String {
    let mut table = Table::new(&["IMAGE", "HERE", "SIZE", "ID", "DIGEST"]);
    for image in images {
        let id = image.id.clone().unwrap_or_default();
        table.row(vec![
            image.name.clone().into(),
            if image.present { "yes" } else { "no" }.into(),
            image.bytes.map_or("-".to_owned(), table::bytes).into(),
            id.strip_prefix("sha256:").unwrap_or(&id).chars().take(12).collect::<String>().into(),
            image.digest.clone().unwrap_or_default().into(),
        ]);
    }
    table.render()
}
