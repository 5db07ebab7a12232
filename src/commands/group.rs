//! `sosstack group`

use anyhow::Result;

use super::{Context, reach};
use crate::about::Remedy;
use crate::cli::clients::{GroupArgs, GroupCommand, ResetArgs};
use crate::failure::Failure;
use crate::kafka::groups::{Group, Groups, Progress};
use crate::lifecycle::group_reset::{self, Reset};
use crate::observe::groups::{self, Description};
use crate::reach::Reach;
use crate::stream::PATIENCE;
use crate::ui::{Table, Ui};

pub(super) async fn run(context: &Context, args: &GroupArgs) -> Result<()> {
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let access = reach.kafka.ok_or_else(Reach::no_kafka)?;
    let (groups, known) = groups::ask(access, PATIENCE).await?;
    match &args.command {
        GroupCommand::List => {
            let all: Vec<Description> =
                known.iter().map(|(group, progress)| Description::of(group, progress)).collect();
            context.ui.show(all.as_slice(), list)
        }
        GroupCommand::Describe { name } => {
            let (group, progress) = groups::find(groups.about(), &known, name)?;
            context.ui.show(&Description::of(group, progress), describe)
        }
        GroupCommand::Reset(args) => {
            let (group, progress) = groups::find(groups.about(), &known, &args.name)?.clone();
            reset(context, groups, group, progress, args).await
        }
    }
}

fn list(groups: &[Description]) -> String {
    let mut table = Table::new(&["GROUP", "STATE", "MEMBERS", "LAG", "TOPICS"]);
    for group in groups {
        let mut topics: Vec<&str> = group.partitions.iter().map(|one| one.topic.as_str()).collect();
        topics.dedup();
        table.row(vec![
            group.group.clone().into(),
            group.state.clone().into(),
            group.members.len().to_string().into(),
            group.lag.to_string().into(),
            topics.join(", ").into(),
        ]);
    }
    table.render()
}

fn describe(group: &Description) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "NEXT", "LAG", "MEMBER", "HOST"]);
    for one in &group.partitions {
        let member = group.reader_of(one);
        table.row(vec![
            one.topic.clone().into(),
            one.partition.to_string().into(),
            number(one.committed).into(),
            one.next_offset.to_string().into(),
            number(one.lag).into(),
            member.map(|member| member.client_id.clone()).unwrap_or_default().into(),
            member.map(|member| member.host.clone()).unwrap_or_default().into(),
        ]);
    }
    format!("{} is {}\n{}", group.group, group.state, table.render())
}

/// An offset that may not be there.
fn number(offset: Option<i64>) -> String {
    offset.map_or("-".to_owned(), |offset| offset.to_string())
}

async fn reset(
    context: &Context,
    groups: Groups,
    group: Group,
    progress: Vec<Progress>,
    args: &ResetArgs,
) -> Result<()> {
    let (groups, plan) = group_reset::plan(groups, group, progress, args.topics.clone(), args.to).await?;
    if !context.ui.is_json() {
        Ui::print(&planned(&plan))?;
    }
    let question = format!("Reset group {} of {}?", plan.group, groups.about());
    if !args.yes && Ui::confirm(&question, &context.shutdown).await? != Some(true) {
        if context.ui.is_json() {
            Ui::print_json(&plan)?;
        }
        return Err(Failure::Usage {
            cause: "nothing was changed".to_owned(),
            remedy: Remedy::words("--yes carries out the plan"),
        }
        .into());
    }
    let done = group_reset::carry_out(groups, plan).await?;
    context.ui.conclude(&done, |done| format!("group {} was reset", done.group))
}

fn planned(plan: &Reset) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITION", "NOW", "THEN", "LAG THEN"]);
    for step in &plan.partitions {
        table.row(vec![
            step.topic.clone().into(),
            step.partition.to_string().into(),
            number(step.before).into(),
            step.after.to_string().into(),
            (step.next - step.after).to_string().into(),
        ]);
    }
    table.render()
}
