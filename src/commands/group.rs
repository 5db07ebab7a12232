//! `sosstack group`

use anyhow::Result;
use serde_json::{Value, json};

use super::{Context, reach};
use crate::about::{About, Remedy};
use crate::cli::clients::{GroupArgs, GroupCommand, ResetArgs};
use crate::failure::Failure;
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Group, Groups, Progress};
use crate::kafka::unknown_topic;
use crate::reach::Reach;
use crate::similar::similar;
use crate::stream::PATIENCE;
use crate::ui::{Table, Ui};

pub(super) async fn run(context: &Context, args: &GroupArgs) -> Result<()> {
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let access = reach.kafka.ok_or_else(Reach::no_kafka)?;
    let is_json = context.ui.is_json();
    // What the brokers say is printed when all of it is known.
    let asked = blocking(move |abandoned| {
        let groups = Groups::connect(&access, PATIENCE)?;
        let of = |group: Group| groups.progress(&group).map(|progress| (group, progress));
        let wanted = groups.list()?.into_iter().take_while(|_| !abandoned.is_cancelled());
        let known: Vec<_> = wanted.map(of).collect::<Result<_>>()?;
        Ok((groups, known))
    });
    let (groups, known) = asked.await?;
    match &args.command {
        GroupCommand::List => list(is_json, &known),
        GroupCommand::Describe { name } => {
            let (group, progress) = find(groups.about(), &known, name)?;
            describe(is_json, group, progress)
        }
        GroupCommand::Reset(args) => {
            let (group, progress) = find(groups.about(), &known, &args.name)?;
            let (group, progress, args) = (group.clone(), progress.clone(), args.clone());
            let (groups, plan) = blocking(move |_| plan(groups, &group, &progress, &args)).await?;
            carry_out(context, groups, plan).await
        }
    }
}

fn find<'a>(about: &About, known: &'a [(Group, Vec<Progress>)], name: &str) -> Result<(&'a Group, &'a Vec<Progress>)> {
    if let Some((group, progress)) = known.iter().find(|(group, _)| group.name == name) {
        return Ok((group, progress));
    }
    let meant = similar(name, known.iter().map(|(group, _)| group.name.as_str()));
    let hint = meant.map(|name| format!("did you mean {name}? ")).unwrap_or_default();
    Err(Failure::Failed {
        cause: format!("there is no consumer group {name:?}"),
        remedy: Remedy::words(format!("{hint}{} shows all", about.command("group list"))),
    }
    .into())
}

fn total_lag(progress: &[Progress]) -> i64 {
    progress.iter().filter_map(Progress::lag).sum()
}

fn list(is_json: bool, known: &[(Group, Vec<Progress>)]) -> Result<()> {
    if is_json {
        return Ui::print_json(&known.iter().map(|(group, progress)| body(group, progress)).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["GROUP", "STATE", "MEMBERS", "LAG", "TOPICS"]);
    for (group, progress) in known {
        let mut topics: Vec<&str> = progress.iter().map(|one| one.topic.as_str()).collect();
        topics.dedup();
        table.row(vec![
            group.name.clone().into(),
            group.state.clone().into(),
            group.members.len().to_string().into(),
            total_lag(progress).to_string().into(),
            topics.join(", ").into(),
        ]);
    }
    Ui::print(&table.render())
}

fn body(group: &Group, progress: &[Progress]) -> Value {
    let member = |member: &crate::kafka::groups::Member| json!({ "client_id": member.client_id, "host": member.host, "partitions": member.partitions });
    let one = |progress: &Progress| {
        json!({
            "topic": progress.topic, "partition": progress.partition, "committed": progress.committed,
            "next_offset": progress.next, "lag": progress.lag(),
        })
    };
    json!({
        "group": group.name,
        "state": group.state,
        "lag": total_lag(progress),
        "members": group.members.iter().map(member).collect::<Vec<_>>(),
        "partitions": progress.iter().map(one).collect::<Vec<_>>(),
    })
}

fn describe(is_json: bool, group: &Group, progress: &[Progress]) -> Result<()> {
    if is_json {
        return Ui::print_json(&body(group, progress));
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "NEXT", "LAG", "MEMBER", "HOST"]);
    for one in progress {
        let reads = |member: &&crate::kafka::groups::Member| {
            member.partitions.get(&one.topic).is_some_and(|ids| ids.contains(&one.partition))
        };
        let member = group.members.iter().find(reads);
        table.row(vec![
            one.topic.clone().into(),
            one.partition.to_string().into(),
            number(one.committed).into(),
            one.next.to_string().into(),
            number(one.lag()).into(),
            member.map(|member| member.client_id.clone()).unwrap_or_default().into(),
            member.map(|member| member.host.clone()).unwrap_or_default().into(),
        ]);
    }
    Ui::print(&format!("{} is {}\n{}", group.name, group.state, table.render()))
}

/// An offset that may not be there.
pub(super) fn number(offset: Option<i64>) -> String {
    offset.map_or("-".to_owned(), |offset| offset.to_string())
}

/// What a reset would do.
struct Plan {
    group: String,
    steps: Vec<(Progress, i64)>,
    yes: bool,
}

fn plan(mut groups: Groups, group: &Group, progress: &[Progress], args: &ResetArgs) -> Result<(Groups, Plan)> {
    if !group.members.is_empty() {
        let members: Vec<&str> = group.members.iter().map(|member| member.client_id.as_str()).collect();
        return Err(Failure::Failed {
            cause: format!("group {} has live members: {}", group.name, members.join(", ")),
            remedy: Remedy::words("stop them first: they would commit their own offsets again"),
        }
        .into());
    }
    groups.learn(&args.topics);
    let progress =
        if args.topics.is_empty() { progress.to_vec() } else { groups.progress_in(&group.name, &args.topics)? };
    let names = || groups.cluster().topics.iter().map(|topic| topic.name.as_str());
    if let Some(unknown) = args.topics.iter().find(|topic| names().all(|name| name != topic.as_str())) {
        return Err(unknown_topic(groups.about(), unknown, names()).into());
    }
    let offsets = groups.resolve(args.to, &progress)?;
    let steps = progress.into_iter().zip(offsets).collect();
    Ok((groups, Plan { group: group.name.clone(), steps, yes: args.yes }))
}

async fn carry_out(context: &Context, groups: Groups, plan: Plan) -> Result<()> {
    let mut table = Table::new(&["TOPIC", "PARTITION", "NOW", "THEN", "LAG THEN"]);
    for (progress, offset) in &plan.steps {
        table.row(vec![
            progress.topic.clone().into(),
            progress.partition.to_string().into(),
            number(progress.committed).into(),
            offset.to_string().into(),
            (progress.next - offset).to_string().into(),
        ]);
    }
    let body = |done: bool| {
        let step = |(progress, offset): &(Progress, i64)| {
            json!({
                "topic": progress.topic, "partition": progress.partition, "before": progress.committed, "after": offset,
            })
        };
        json!({ "group": plan.group, "done": done, "partitions": plan.steps.iter().map(step).collect::<Vec<_>>() })
    };
    if !context.ui.is_json() {
        Ui::print(&table.render())?;
    }
    let question = format!("Move group {} of {}?", plan.group, groups.about());
    if !plan.yes && Ui::confirm(&question, &context.shutdown).await? != Some(true) {
        if context.ui.is_json() {
            Ui::print_json(&body(false))?;
        }
        return Err(Failure::Usage {
            cause: "nothing was changed".to_owned(),
            remedy: Remedy::words("--yes carries the plan out"),
        }
        .into());
    }
    let offsets: Vec<(String, i32, i64)> =
        plan.steps.iter().map(|(progress, offset)| (progress.topic.clone(), progress.partition, *offset)).collect();
    let group = plan.group.clone();
    blocking(move |_| groups.commit(&group, &offsets)).await?;
    if context.ui.is_json() {
        return Ui::print_json(&body(true));
    }
    context.ui.say(&format!("group {} was moved", plan.group));
    Ok(())
}
