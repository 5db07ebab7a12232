//! `sosstack topic`

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::topic_change::{self, Target};
use super::{Context, reach};
use crate::cli::{TopicArgs, TopicCommand};
use crate::kafka::access::Access;
use crate::kafka::admin::{Admin, Cluster, TopicState};
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Group, Groups, Progress};
use crate::kafka::unknown_topic;
use crate::reach::Reach;
use crate::stack::Stack;
use crate::ui::{Table, Ui};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, args: &TopicArgs) -> Result<()> {
    let Reach { about, kafka, .. } = reach::resolve(context, &args.cluster, None).await?;
    let access = kafka.ok_or_else(Reach::no_kafka)?;
    let admin = Admin::with(&access)?;
    let cluster = admin.known_cluster(named(&args.command), PATIENCE).await?;
    if !matches!(args.command, TopicCommand::List) {
        admin.ensure_reachable(&cluster).await?;
    }
    let stack = context.load(None, None)?.stack;
    let target = Target { about: &about, stack: &stack, admin: &admin, cluster: &cluster };
    match &args.command {
        TopicCommand::Create(settings) => topic_change::create(context, &target, settings).await,
        TopicCommand::Alter { settings, reset } => topic_change::alter(context, &target, settings, reset).await,
        TopicCommand::Delete { names, yes } => topic_change::delete(context, &target, names, *yes).await,
        TopicCommand::List => list(context, &stack, &cluster),
        TopicCommand::Describe { name } => describe(context, &access, &admin, &cluster, name).await,
    }
}

/// The topics that should be there already.
fn named(command: &TopicCommand) -> &[String] {
    match command {
        TopicCommand::List | TopicCommand::Create(_) => &[],
        TopicCommand::Alter { settings, .. } => std::slice::from_ref(&settings.name),
        TopicCommand::Delete { names, .. } => names,
        TopicCommand::Describe { name } => std::slice::from_ref(name),
    }
}

fn list(context: &Context, stack: &Stack, cluster: &Cluster) -> Result<()> {
    // Topics of the brokers themselves, and the readiness probe's.
    let topics = || cluster.topics.iter().filter(|topic| !topic.name.starts_with("__"));
    if context.ui.is_json() {
        return Ui::print_json(&topics().map(summary).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "IN SYNC", "WHAT FOR"]);
    for topic in topics() {
        let description = stack.topics.iter().find(|known| known.name == topic.name).map(|known| &known.description);
        table.row(vec![
            topic.name.clone().into(),
            topic.partitions.len().to_string().into(),
            topic.replication_factor().to_string().into(),
            if topic.is_fully_replicated() { "all" } else { "not all" }.into(),
            description.cloned().unwrap_or_default().into(),
        ]);
    }
    Ui::print(&table.render())
}

async fn describe(context: &Context, access: &Access, admin: &Admin, cluster: &Cluster, name: &str) -> Result<()> {
    let Some(topic) = cluster.topic(name) else {
        return Err(unknown_topic(&access.about, name, cluster.topics.iter().map(|topic| topic.name.as_str())).into());
    };
    let watermarks = admin.watermarks(topic, PATIENCE).await?;
    let config = admin.topic_config(name, PATIENCE).await?;
    let groups = readers(access.clone(), name.to_owned()).await?;
    if context.ui.is_json() {
        let partitions = topic.partitions.iter().zip(&watermarks).map(|(partition, (first, next))| {
            json!({
                "partition": partition.id, "leader": partition.leader, "replicas": partition.replicas,
                "isr": partition.isr, "first_offset": first, "next_offset": next,
            })
        });
        let mut body = summary(topic);
        body["config"] = json!(config);
        body["detail"] = json!(partitions.collect::<Vec<_>>());
        let reader = |(group, lag): &(Group, i64)| json!({ "group": group.name, "state": group.state, "members": group.members.len(), "lag": lag });
        body["groups"] = json!(groups.iter().map(reader).collect::<Vec<_>>());
        return Ui::print_json(&body);
    }
    let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "ISR", "FIRST", "NEXT", "MESSAGES"]);
    for (partition, (first, next)) in topic.partitions.iter().zip(&watermarks) {
        table.row(vec![
            partition.id.to_string().into(),
            partition.leader.map_or("none".to_owned(), |leader| leader.to_string()).into(),
            ids(&partition.replicas).into(),
            ids(&partition.isr).into(),
            first.to_string().into(),
            next.to_string().into(),
            (next - first).to_string().into(),
        ]);
    }
    let mut text = table.render();
    for (key, value) in &config {
        let _ = writeln!(text, "{key}={value}");
    }
    if !groups.is_empty() {
        let mut table = Table::new(&["GROUP", "STATE", "MEMBERS", "LAG"]);
        for (group, lag) in &groups {
            table.row(vec![
                group.name.clone().into(),
                group.state.clone().into(),
                group.members.len().to_string().into(),
                lag.to_string().into(),
            ]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    Ui::print(&text)
}

/// The groups that read a topic, each with how far it is behind.
async fn readers(access: Access, topic: String) -> Result<Vec<(Group, i64)>> {
    blocking(move |abandoned| {
        let groups = Groups::connect(&access, PATIENCE)?;
        let mut readers = Vec::new();
        for group in groups.list()?.into_iter().take_while(|_| !abandoned.is_cancelled()) {
            let progress = groups.progress_in(&group.name, std::slice::from_ref(&topic))?;
            if progress.iter().any(|one| one.committed.is_some()) {
                readers.push((group, progress.iter().filter_map(Progress::lag).sum()));
            }
        }
        Ok(readers)
    })
    .await
}

fn summary(topic: &TopicState) -> serde_json::Value {
    json!({
        "topic": topic.name,
        "partitions": topic.partitions.len(),
        "replication_factor": topic.replication_factor(),
        "fully_replicated": topic.is_fully_replicated(),
    })
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
