//! `sosstack context`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::reach::kafka_cluster;
use crate::about::About;
use crate::cli::clients::{AddArgs, ContextCommand};
use crate::contexts::{Cluster, Contexts, LOCAL};
use crate::event::Event;
use crate::ui::Table;

pub(super) fn run(context: &Context, command: &ContextCommand) -> Result<()> {
    let mut contexts = Contexts::read(&context.paths)?;
    match command {
        ContextCommand::Add(args) => {
            let exposed = contexts.add(&args.name, cluster(args)?)?.exposed_passwords();
            contexts.write(&context.paths)?;
            for words in exposed {
                context.ui.report(Event::Warning(words));
            }
            let command = About::this_machine().command(&format!("context use {}", args.name));
            context.ui.say(&format!("{command} makes client commands use it"));
        }
        ContextCommand::Use { name } => {
            contexts.choose(name)?;
            contexts.write(&context.paths)?;
        }
        ContextCommand::List => list(context, contexts)?,
        ContextCommand::Remove { name } => {
            contexts.remove(name)?;
            contexts.write(&context.paths)?;
        }
    }
    Ok(())
}

fn cluster(args: &AddArgs) -> Result<Cluster> {
    Ok(Cluster {
        kafka_password_file: absolute(args.kafka_password_file.as_deref())?,
        kafka_cert: absolute(args.kafka.kafka_cert.as_deref())?,
        kafka_key: absolute(args.kafka.kafka_key.as_deref())?,
        mqtt: args.mqtt.clone(),
        mqtt_password_file: absolute(args.mqtt_password_file.as_deref())?,
        ca: absolute(args.ca.as_deref())?,
        ..kafka_cluster(&args.bootstrap, &args.kafka)
    })
}

/// The context is used in other directories than this one.
fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>> {
    path.map(|path| std::path::absolute(path).with_context(|| format!("finding {}", path.display()))).transpose()
}

/// The result of `context list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Known {
    /// The one that client commands speak to where none is named.
    current: String,
    /// Besides the local stack, by name.
    contexts: BTreeMap<String, Cluster>,
}

fn list(context: &Context, contexts: Contexts) -> Result<()> {
    let current = contexts.current.unwrap_or_else(|| LOCAL.to_owned());
    context.ui.show(&Known { current, contexts: contexts.contexts }, table)
}

fn table(known: &Known) -> String {
    let mut table = Table::new(&["", "CONTEXT", "KAFKA", "MQTT"]);
    let mark = |name: &str| if name == known.current { "*" } else { "" };
    table.row(vec![mark(LOCAL).into(), LOCAL.into(), "the local stack".into(), "the local stack".into()]);
    for (name, cluster) in &known.contexts {
        table.row(vec![
            mark(name).into(),
            name.clone().into(),
            cluster.bootstrap.join(",").into(),
            cluster.mqtt.clone().unwrap_or_default().into(),
        ]);
    }
    table.render()
}
