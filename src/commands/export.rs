//! `sosstack export`

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::export_written::say_written;
use super::{Context, export_compose};
use crate::about::Remedy;
use crate::cli::export::{ExportCommand, K8sArgs, SecretsArgs};
use crate::event::Event;
use crate::export::directory;
use crate::export::kubernetes::settings::{Settings, Storage, namespace_problem};
use crate::export::{kubernetes, secrets};
use crate::failure::Failure;
use crate::lifecycle::credentials;
use crate::paths::write_atomic;
use crate::runtime::choose;
use crate::secrets::{Accounts, ClusterSecrets};
use crate::stack::Stack;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, command: &ExportCommand) -> Result<()> {
    match command {
        ExportCommand::K8s(args) => manifests(context, args),
        ExportCommand::Compose(args) => export_compose::run(context, args),
        ExportCommand::Secrets(args) => write_secrets(context, args).await,
    }
}

fn manifests(context: &Context, args: &K8sArgs) -> Result<()> {
    let mut stack = context.load_for_cluster(args.profile.map(Into::into))?;
    stack.namespace = args.place.namespace.clone().unwrap_or(stack.namespace);
    stack.domain = args.place.domain.clone().unwrap_or(stack.domain);
    let settings = settings(args);
    settings.check(&stack)?;
    if args.out == Path::new("-") {
        return Ui::print(&kubernetes::text(&kubernetes::manifests(&stack, &settings)));
    }
    let written = directory::write(&args.out, &kubernetes::files(&stack, &settings), kubernetes::HEADER)?;
    if say_written(context, &args.out, &written)? {
        return Ok(());
    }
    let out = args.out.display();
    context.ui.say(&format!(
        "Next: {}   ·   kubectl apply -k {out}   ·   {}",
        stack.name.about().command("export secrets --commands"),
        stack.name.about().command("verify k8s")
    ));
    Ok(())
}

fn settings(args: &K8sArgs) -> Settings {
    Settings {
        storage_class: args.storage_class.clone(),
        storage: Storage {
            zookeeper: args.zookeeper_storage.clone(),
            kafka: args.kafka_storage.clone(),
            mqtt: args.mqtt_storage.clone(),
        },
        image_prefix: args.image_prefix.clone(),
        pull_secret: args.pull_secret.clone(),
        own_namespace: args.own_namespace,
        single_file: args.single_file,
    }
}

async fn write_secrets(context: &Context, args: &SecretsArgs) -> Result<()> {
    let mut stack = context.load_for_cluster(None)?;
    set_namespace(&mut stack, args.namespace.as_ref())?;
    let _lock = context.lock(&stack.name, "export secrets").await?;
    let dir = context.paths.stack(&stack.name);
    if Accounts::read(&dir)?.is_none()
        && let Some(found) = choose::find(&context.paths, None, &stack.name).await?
    {
        credentials::ensure_there(&context.paths, &stack.name, &found.inventory)?;
    }
    // The accounts of the local stack, made now where there are none: each export is the same.
    let accounts = Accounts::ensure(&dir, &stack.devices)?;
    let mut secrets = secrets::secrets(&stack, &accounts, &ClusterSecrets::ensure(&dir)?)?;
    let names: Vec<String> = secrets.iter().filter_map(|secret| secret.metadata.name.clone()).collect();
    if args.commands {
        return Ui::print(&commands(&stack, &names));
    }
    if let Some(unknown) = args.only.iter().find(|name| !names.contains(name)) {
        return Err(Failure::Usage {
            cause: format!("this stack has no Secret {unknown:?}"),
            remedy: Remedy::words(format!("name one of {}", names.join(", "))),
        }
        .into());
    }
    if !args.only.is_empty() {
        secrets.retain(|secret| secret.metadata.name.as_ref().is_some_and(|name| args.only.contains(name)));
    }
    let text = secrets::text(&secrets);
    if args.out == Path::new("-") {
        return Ui::print(&text);
    }
    let before = write_private(&args.out, &text)?;
    let count = secrets.len();
    let out = args.out.display();
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "out": args.out, "secrets": count, "replaced": before == Before::Other }));
    }
    match before {
        Before::Nothing => context.ui.say(&format!("{out}: {count} Secrets, readable for you only")),
        Before::Same => context.ui.say(&format!("{out}: {count} Secrets, unchanged")),
        Before::Other => {
            context.ui.report(Event::Warning(format!("{out} held other Secrets and was replaced: {count} Secrets")));
        }
    }
    context.ui.say(&format!("Next: kubectl apply --server-side -f {out} && rm {out}"));
    Ok(())
}

/// The stack in the namespace that a flag names.
pub(super) fn set_namespace(stack: &mut Stack, namespace: Option<&String>) -> Result<(), Failure> {
    if let Some(namespace) = namespace {
        stack.namespace.clone_from(namespace);
    }
    match namespace_problem(&stack.namespace) {
        None => Ok(()),
        Some(cause) => Err(Failure::Usage { cause, remedy: Remedy::words("name another with --namespace") }),
    }
}

/// What was in the file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Same,
    Other,
}

/// Writes a file for its owner only; over an earlier export, never over anything else.
fn write_private(path: &Path, text: &str) -> Result<Before> {
    let before = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Before::Nothing,
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        Ok(old) if old == text.as_bytes() => Before::Same,
        Ok(old) if old.starts_with(secrets::HEADER.as_bytes()) => Before::Other,
        Ok(_) => {
            return Err(Failure::Usage {
                cause: format!("{} is there, and was not made by export secrets", path.display()),
                remedy: Remedy::words("name another file with --out; nothing was written"),
            }
            .into());
        }
    };
    // Also where nothing changed: the file may have been opened to others since.
    write_atomic(path, text.as_bytes(), 0o600)?;
    Ok(before)
}

/// Commands without a secret in them: each takes its Secret from a pipe.
fn commands(stack: &Stack, names: &[String]) -> String {
    let Stack { name, namespace, .. } = stack;
    names.iter().fold(String::new(), |text, secret| {
        let export = format!("export secrets --namespace {namespace} --only {secret} --out -");
        text + &format!("{} | kubectl apply --server-side --filename -\n", name.about().command(&export))
    })
}
