//! The dead letters that a user's words choose.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::super::Context;
use crate::bridge::letters::choice::{Choice, Wish};
use crate::bridge::letters::letter::Letter;
use crate::bridge::letters::read::{Source, letters};
use crate::bridge::routes::Routes;
use crate::cli::bridge_dlq::ChoiceArgs;
use crate::event::{Event, Report};
use crate::place::{From, Until};
use crate::reach::Reach;

pub(super) fn wish(args: &ChoiceArgs) -> Wish {
    let ChoiceArgs { from, until, reason, device, topic, last } = args.clone();
    let (from, until) = (from.unwrap_or(From::Beginning), until.unwrap_or(Until::Now));
    Wish { from, until, reason, device, topic, last }
}

/// Each of the chosen letters as `of` makes it, in the order of their time.
pub(super) async fn gather<T: Send + 'static>(
    context: &Context,
    reach: &Reach,
    routes: &Arc<Routes>,
    choice: &Choice,
    mut of: impl FnMut(Letter) -> Result<T> + Send + 'static,
) -> Result<Vec<T>> {
    let report: Report<'_> = &|event: Event| context.ui.report(event);
    let access = reach.kafka.as_ref().ok_or_else(Reach::no_kafka)?;
    let source = Source { access, routes, report };
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&gathered);
    let take = move |letter| {
        let made = of(letter)?;
        into.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok(())
    };
    context.shutdown.guard(letters(&source, choice, take)).await?;
    let gathered = std::mem::take(&mut *gathered.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(gathered)
}

/// Where no letter is to be told of.
pub(super) fn say_none(context: &Context, reach: &Reach, routes: &Routes, wish: &Wish) {
    let topic = routes.dead_letters();
    let words = if wish.is_narrow() { "no such dead letters" } else { "no dead letters" };
    context.ui.say(&format!("There are {words} in {topic} of {}.", reach.about));
}
