//! `sosstack bridge dlq`

use std::sync::Arc;

use anyhow::Result;

use super::super::{Context, bridges, reach};
use super::dlq_chosen::{gather, say_none, wish};
use super::dlq_replay::replay;
use super::dlq_text;
use crate::bridge::letters::choice::{Choice, Wish};
use crate::bridge::letters::id::LetterId;
use crate::bridge::letters::list::Row;
use crate::bridge::letters::show::Shown;
use crate::bridge::routes::Routes;
use crate::cli::bridge_dlq::{DlqArgs, DlqCommand};
use crate::event::Event;
use crate::reach::Reach;
use crate::stack::Stack;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &DlqArgs) -> Result<()> {
    let stack = context.load(None, None)?.stack;
    let routes = Arc::new(routes(context, args, &stack)?);
    let reach = context.shutdown.guard(reach::resolve(context, &args.cluster, None)).await?;
    match &args.command {
        DlqCommand::List(args) => list(context, &reach, &routes, wish(args)).await,
        DlqCommand::Show { id, raw } => show(context, &reach, &routes, *id, *raw).await,
        DlqCommand::Replay(args) => replay(context, &reach, &routes, &stack, args).await,
    }
}

/// Today's routes: those that are named, else those of the local stack's own bridges, else the built-in ones.
fn routes(context: &Context, args: &DlqArgs, stack: &Stack) -> Result<Routes> {
    if args.routes.is_some() || reach::named_elsewhere(context, &args.cluster)?.is_some() {
        return Routes::load(args.routes.as_deref(), stack);
    }
    let remembered = bridges::remembered(context, &stack.name)?.and_then(|bridging| bridging.routes);
    Routes::load(remembered.as_deref(), stack)
}

async fn list(context: &Context, reach: &Reach, routes: &Arc<Routes>, wish: Wish) -> Result<()> {
    let choice = Choice::Those(wish.clone());
    let rows = gather(context, reach, routes, &choice, |letter| Ok(Row::of(&letter))).await?;
    if rows.is_empty() {
        say_none(context, reach, routes, &wish);
        return if context.ui.is_json() { Ui::print_json(&rows) } else { Ok(()) };
    }
    context.ui.show(rows.as_slice(), dlq_text::list)
}

async fn show(context: &Context, reach: &Reach, routes: &Arc<Routes>, id: LetterId, raw: bool) -> Result<()> {
    let found = gather(context, reach, routes, &Choice::These(vec![id]), Ok).await?;
    let Some(letter) = found.into_iter().next() else { return Ok(()) };
    let shown = Shown::of(&letter);
    if shown.cut {
        context.ui.report(Event::Warning(dlq_text::cut(&shown, &letter)));
    }
    if raw {
        return Ui::print_bytes(letter.message.value.as_deref().unwrap_or_default());
    }
    context.ui.show(&shown, |_| dlq_text::letter(&letter))
}
