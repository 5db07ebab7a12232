//! `sosstack topic tree`

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;

use super::{Context, reach};
use crate::address::Address;
use crate::cli::TreeArgs;
use crate::cli::clients::ClusterArgs;
use crate::event::Event;
use crate::filter::{Filter, Wishes};
use crate::observe::mqtt_topics::{Census, Heard as Found, Topic};
use crate::reading::{Heard, Limits, Session, Sink, Watch};
use crate::ui::tree::{Leaf, draw};

pub(super) async fn run(context: &Context, cluster: &ClusterArgs, args: &TreeArgs) -> Result<()> {
    let address = Address::parse(&filter(args.prefix.as_deref()))?;
    let reach = reach::resolve(context, cluster, None).await?;
    let addresses = std::slice::from_ref(&address);
    let watch = Watch { for_people: true, qos: 0, ..Watch::of(addresses, None, reach.mqtt.as_ref()) };
    let census = Arc::new(Mutex::new(Census::default()));
    let counted = Arc::clone(&census);
    let sink: Sink = Box::new(move |heard| {
        if let Heard::Message(message) = heard {
            counted.lock().unwrap_or_else(PoisonError::into_inner).add(message);
        }
        Ok(())
    });
    let report = |event| context.ui.report(event);
    let limits = Limits { count: args.count, timeout: Some(args.listen), ..Limits::default() };
    let begun = Instant::now();
    let all = Filter::new(&Wishes::default())?;
    let session = Session::open(&watch, all, limits, sink, &report, &context.shutdown).await?;
    report(Event::Note(format!("listening to {} for {:?}", address.name(), args.listen)));
    session.until_end(&report, &context.shutdown).await?;
    let census = std::mem::take(&mut *census.lock().unwrap_or_else(PoisonError::into_inner));
    let found = census.end(address.name(), begun.elapsed().as_secs_f64());
    context.ui.show(&found, |found| text(found, args))?;
    if found.beyond > 0 {
        let words = format!("{} messages on further topics are counted but not listed", found.beyond);
        report(Event::Warning(words));
    }
    if found.topics.is_empty() {
        report(Event::Note("no message arrived, and none is retained".to_owned()));
    }
    Ok(())
}

/// What has wildcards is a filter; else everything at and below a topic.
fn filter(prefix: Option<&str>) -> String {
    match prefix.map(|prefix| prefix.trim_end_matches('/')) {
        None | Some("") => "#".to_owned(),
        Some(filter) if filter.contains(['#', '+']) => filter.to_owned(),
        Some(topic) => format!("{topic}/#"),
    }
}

fn text(found: &Found, args: &TreeArgs) -> String {
    if found.topics.is_empty() {
        return String::new();
    }
    let leaves = found.topics.iter().map(|Topic { topic, counted }| {
        let (messages, retained) = (counted.messages, u64::from(counted.retained));
        (topic.as_str(), Leaf { messages, retained, last: counted.last.clone() })
    });
    draw(&found.filter, leaves, args.depth.map_or(usize::MAX, usize::from), args.all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_stands_for_all_below_it() {
        let cases = [
            (None, "#"),
            (Some(""), "#"),
            (Some("device"), "device/#"),
            (Some("device/"), "device/#"),
            (Some("device/+/status"), "device/+/status"),
            (Some("$SYS"), "$SYS/#"),
        ];
        for (prefix, wanted) in cases {
            assert_eq!(filter(prefix), wanted);
        }
    }
}
