//! `sosstack topic`

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;

use super::{Context, confirm, reach, topic_tree};
use crate::cli::{TopicArgs, TopicCommand, TopicSettings};
use crate::kafka::admin::Admin;
use crate::lifecycle::topic_change::{self, Target, Wish};
use crate::observe::topics::{self, Description, Summary};
use crate::reach::Reach;
use crate::stack::Stack;
use crate::ui::Table;

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, args: &TopicArgs) -> Result<()> {
    if let TopicCommand::Tree(tree) = &args.command {
        return topic_tree::run(context, &args.cluster, tree).await;
    }
    let Reach { about, kafka, .. } = reach::resolve(context, &args.cluster, None).await?;
    let access = kafka.ok_or_else(Reach::no_kafka)?;
    let admin = Admin::with(&access)?;
    let cluster = admin.known_cluster(named(&args.command), PATIENCE).await?;
    if !matches!(args.command, TopicCommand::List) {
        admin.ensure_reachable(&cluster).await?;
    }
    let stack = context.load(None, None)?.stack;
    let target = Target { about: &about, stack: &stack, admin: &admin, cluster: &cluster };
    let report = |event| context.ui.report(event);
    match &args.command {
        TopicCommand::Create(settings) => {
            let created = topic_change::create(&target, &wish(settings)).await?;
            context.ui.conclude(&created, |created| created.words.clone())
        }
        TopicCommand::Alter { settings, reset } => {
            let changed = topic_change::alter(&target, &wish(settings), reset, &report).await?;
            context.ui.conclude(&changed, |changed| changed.words.clone())
        }
        TopicCommand::Delete { names, yes } => {
            let topics = topic_change::deletable(&target, names)?;
            if !yes {
                let question = format!("Delete {} of {about} with all messages?", topics.join(", "));
                confirm(context, &question, "nothing was deleted", &about, "topic delete TOPIC --yes").await?;
            }
            let deleted = topic_change::delete(&target, topics, &report).await?;
            context.ui.conclude(&deleted, |deleted| format!("{} deleted", deleted.deleted.join(", ")))
        }
        // It asks MQTT alone, and was run above.
        TopicCommand::Tree(_) => Ok(()),
        TopicCommand::List => context.ui.show(topics::list(&cluster).as_slice(), |topics| list(topics, &stack)),
        TopicCommand::Describe { name } => {
            context.ui.show(&topics::describe(&access, &admin, &cluster, name, PATIENCE).await?, describe)
        }
    }
}

/// The topics that should be there already.
fn named(command: &TopicCommand) -> &[String] {
    match command {
        TopicCommand::List | TopicCommand::Tree(_) | TopicCommand::Create(_) => &[],
        TopicCommand::Alter { settings, .. } => std::slice::from_ref(&settings.name),
        TopicCommand::Delete { names, .. } => names,
        TopicCommand::Describe { name } => std::slice::from_ref(name),
    }
}

fn wish(settings: &TopicSettings) -> Wish<'_> {
    Wish { name: &settings.name, partitions: settings.partitions, config: &settings.config }
}

fn list(topics: &[Summary], stack: &Stack) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "IN SYNC", "PURPOSE"]);
    for topic in topics {
        let description = stack.topics.iter().find(|known| known.name == topic.topic).map(|known| &known.description);
        table.row(vec![
            topic.topic.clone().into(),
            topic.partitions.to_string().into(),
            topic.replication_factor.to_string().into(),
            if topic.fully_replicated { "all" } else { "not all" }.into(),
            description.cloned().unwrap_or_default().into(),
        ]);
    }
    table.render()
}

fn describe(topic: &Description) -> String {
    let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "ISR", "FIRST", "NEXT", "MESSAGES"]);
    for partition in &topic.detail {
        table.row(vec![
            partition.partition.to_string().into(),
            partition.leader.map_or("none".to_owned(), |leader| leader.to_string()).into(),
            ids(&partition.replicas).into(),
            ids(&partition.isr).into(),
            partition.first_offset.to_string().into(),
            partition.next_offset.to_string().into(),
            (partition.next_offset - partition.first_offset).to_string().into(),
        ]);
    }
    let mut text = table.render();
    for (key, value) in &topic.config {
        let _ = writeln!(text, "{key}={value}");
    }
    if !topic.groups.is_empty() {
        let mut table = Table::new(&["GROUP", "STATE", "MEMBERS", "LAG"]);
        for group in &topic.groups {
            table.row(vec![
                group.group.clone().into(),
                group.state.clone().into(),
                group.members.to_string().into(),
                group.lag.to_string().into(),
            ]);
        }
        let _ = write!(text, "\n{}", table.render());
    }
    text
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
