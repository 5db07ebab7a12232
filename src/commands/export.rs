//! `sosstack export`

use std::path::Path;

use anyhow::Result;

use super::{Context, export_bridge, export_compose};
use crate::about::Remedy;
use crate::cli::export::{ExportCommand, K8sArgs, SecretsArgs};
use crate::event::Event;
use crate::export::kubernetes::settings::{Bridge, Settings, Storage, namespace_problem};
use crate::export::secret_file::{self, Before};
use crate::export::{directory, kubernetes, secrets};
use crate::failure::Failure;
use crate::lifecycle::{credentials, leftover};
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
    let settings = settings(args, &stack)?;
    settings.check(&stack)?;
    if args.out == Path::new("-") {
        return Ui::print(&kubernetes::text(&kubernetes::manifests(&stack, &settings)));
    }
    let written = directory::write(&args.out, &kubernetes::files(&stack, &settings), kubernetes::HEADER)?;
    context.ui.conclude(&written, |written| {
        let (out, about) = (written.out.display(), stack.name.about());
        let (secrets, verify) = (about.command("export secrets --commands"), about.command("verify k8s"));
        format!("{out}: {}\nNext: {secrets}   ·   kubectl apply -k {out}   ·   {verify}", written.in_words())
    })
}

fn settings(args: &K8sArgs, stack: &Stack) -> Result<Settings> {
    Ok(Settings {
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
        bridge: bridge(args, stack)?,
    })
}

fn bridge(args: &K8sArgs, stack: &Stack) -> Result<Bridge> {
    let behaviour = export_bridge::behaviour(&args.bridge_as, stack)?;
    Ok(Bridge { wanted: args.bridge, storage: args.bridge_storage.clone(), behaviour })
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
    let accounts = leftover::without(&context.paths, &stack.name, accounts)?;
    let all = secrets::secrets(&stack, &accounts, &ClusterSecrets::ensure(&dir)?)?;
    if args.commands {
        return Ui::print(&secret_file::commands(&stack, &all));
    }
    let secrets = secret_file::only(all, &args.only)?;
    if args.out == Path::new("-") {
        return Ui::print(&secrets::text(&secrets));
    }
    let written = secret_file::write(&args.out, &secrets)?;
    let (out, count) = (args.out.display(), written.secrets);
    if written.replaced && !context.ui.is_json() {
        context.ui.report(Event::Warning(format!("{out} held other Secrets and was replaced: {count} Secrets")));
    }
    context.ui.conclude(&written, |written| {
        let next = format!("Next: kubectl apply --server-side -f {out} && rm {out}");
        match written.before {
            Before::Nothing => format!("{out}: {count} Secrets, readable only by you\n{next}"),
            Before::Same => format!("{out}: {count} Secrets, unchanged\n{next}"),
            Before::Other => next,
        }
    })
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
