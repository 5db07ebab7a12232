//! `sosstack images`

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::about::{About, Remedy};
use crate::cli::ImagesCommand;
use crate::failure::Failure;
use crate::runtime::docker::Docker;
use crate::ui::{Table, Ui, table};

pub(super) async fn run(context: &Context, command: &ImagesCommand) -> Result<()> {
    let stack = context.load(None, None)?.stack;
    let images = vec![stack.zookeeper.image, stack.kafka.image, stack.mosquitto.image];
    let docker = context.shutdown.guard(Docker::connect()).await?;
    match command {
        ImagesCommand::List => context.shutdown.guard(list(context, &docker, &images)).await,
        ImagesCommand::Save { archive: file } => {
            let report: crate::event::Report<'_> = &|event| context.ui.report(event);
            context.shutdown.guard(docker.pull_missing(&images, report)).await?;
            let bytes = docker.save_images(&images, file, report, &context.shutdown).await?;
            if context.ui.is_json() {
                return Ui::print_json(&json!({ "file": file, "images": images, "bytes": bytes }));
            }
            context.ui.say(&format!(
                "{} images, {}, in {}. On the other machine: {}",
                images.len(),
                table::bytes(bytes),
                file.display(),
                About::this_machine().command(&format!("images load {}", file.display()))
            ));
            Ok(())
        }
        ImagesCommand::Load { archive: file } => {
            let loaded = context.shutdown.guard(docker.load_images(file)).await?;
            let missing = context.shutdown.guard(docker.missing_images(&images)).await?;
            if context.ui.is_json() {
                return Ui::print_json(&json!({ "loaded": loaded, "missing": missing }));
            }
            context.ui.say(&format!("loaded: {}", loaded.join(", ")));
            if missing.is_empty() {
                return Ok(());
            }
            Err(Failure::Failed {
                cause: format!("the stack needs other images too: {}", missing.join(", ")),
                remedy: Remedy::words(format!(
                    "save them with the same stack file as here: {}",
                    About::this_machine().command("images save FILE")
                )),
            }
            .into())
        }
    }
}

async fn list(context: &Context, docker: &Docker, names: &[String]) -> Result<()> {
    let mut images = Vec::new();
    for name in names {
        images.push(docker.image(name).await?);
    }
    if context.ui.is_json() {
        return Ui::print_json(&images);
    }
    let mut table = Table::new(&["IMAGE", "HERE", "SIZE", "ID", "DIGEST"]);
    for image in images {
        let id = image.id.unwrap_or_default();
        table.row(vec![
            image.name.into(),
            if image.present { "yes" } else { "no" }.into(),
            image.bytes.map_or("-".to_owned(), table::bytes).into(),
            id.strip_prefix("sha256:").unwrap_or(&id).chars().take(12).collect::<String>().into(),
            image.digest.unwrap_or_default().into(),
        ]);
    }
    Ui::print(&table.render())
}
