//! A trace for people: a row for each hop, with a bar from when it began to when it came.

use std::fmt::Write;

use crate::trace::bars::bar;
use crate::trace::{Hop, Missing, Trace};
use crate::ui::Ui;
use crate::ui::table::{self, Cell, DIM, GOOD, Table, WARNING};

/// Columns where no terminal says how many it has.
const COLUMNS: usize = 100;
/// The fewest of a bar, however narrow the terminal is, and the most.
const NARROWEST: usize = 10;
const WIDEST: usize = 60;
/// Of a time.
const TIME: usize = 9;

/// `remedies`: also what to look at where a hop is missing.
pub(super) fn text(trace: &Trace, remedies: bool) -> String {
    let mut text = heading(trace);
    text.push_str(&picture(trace, Ui::columns().unwrap_or(COLUMNS)));
    let reasons = trace.hops.iter().filter_map(|hop| Some((hop, hop.reason.as_deref()?)));
    let mut below = String::new();
    for (hop, reason) in reasons {
        let _ = writeln!(below, "{}: {reason}", hop.words());
    }
    for note in &trace.notes {
        let _ = writeln!(below, "{note}");
    }
    for missing in trace.missing.iter().filter(|_| remedies) {
        let _ = writeln!(below, "{}\n  try: {}", missing.cause, missing.remedy);
    }
    if !below.is_empty() {
        text.push('\n');
    }
    text + &below
}

fn heading(trace: &Trace) -> String {
    let named = [
        ("emergency", &trace.emergency_id),
        ("event", &trace.event_id),
        ("the device's event id", &trace.device_event_id),
        ("topic", &trace.mqtt_topic),
        ("began", &trace.began),
    ];
    let known = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let width = known.clone().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in known {
        let _ = writeln!(text, "{DIM}{name:width$}{DIM:#}  {value}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The table of hops, on so many columns.
fn picture(trace: &Trace, columns: usize) -> String {
    let names = trace.hops.iter().map(Hop::words).chain(trace.missing.iter().map(Missing::words));
    let widest = names.map(|name| name.chars().count()).max().unwrap_or_default();
    let room = columns.saturating_sub(widest + 2 * (TIME + 2) + 2).clamp(NARROWEST, WIDEST);
    let total = trace.hops.iter().filter_map(|hop| hop.after_ms).fold(0.0, f64::max);
    let (after, took) = (format!("{:>TIME$}", "AFTER"), format!("{:>TIME$}", "TOOK"));
    let mut table = Table::new(&["HOP", &after, &took, ""]);
    for hop in &trace.hops {
        let drawn = hop.after_ms.map(|end| bar(end - hop.took_ms.unwrap_or_default(), end, total, room));
        table.row(vec![
            hop.words().into(),
            span(hop.after_ms).into(),
            span(hop.took_ms).into(),
            Cell::styled(drawn.unwrap_or_default(), GOOD),
        ]);
    }
    for missing in &trace.missing {
        table.row(vec![Cell::styled(missing.words(), WARNING), span(None).into()]);
    }
    table.render()
}

/// Milliseconds, or what people say of longer times; aligned to the right.
fn span(millis: Option<f64>) -> String {
    let words = match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 10_000.0 => format!("{millis:.1} ms"),
        #[expect(clippy::cast_possible_truncation, reason = "seconds that a calendar has")]
        Some(millis) => table::duration((millis / 1000.0) as i64),
    };
    format!("{words:>TIME$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::Remedy;
    use crate::trace::Kind;

    fn hop(hop: Kind, after_ms: f64, took_ms: Option<f64>) -> Hop {
        Hop { hop, after_ms: Some(after_ms), took_ms, ..Hop::default() }
    }

    #[test]
    fn hops_are_rows_with_a_bar_each() {
        let place =
            |hop| Hop { topic: Some("emergency.created".to_owned()), partition: Some(1), offset: Some(42), ..hop };
        let missing = Missing {
            hop: Kind::Committed,
            group: Some("alarm".to_owned()),
            lag: Some(3),
            cause: "alarm has not committed it yet, lag 3".to_owned(),
            remedy: Remedy::words("look at it"),
        };
        let trace = Trace {
            event_id: Some("e-1".to_owned()),
            hops: vec![
                hop(Kind::Sent, 0.0, None),
                hop(Kind::Acknowledged, 1.5, Some(1.5)),
                hop(Kind::Received, 4.0, Some(4.0)),
                place(hop(Kind::InKafka, 20.0, Some(16.0))),
                Hop { group: Some("people".to_owned()), after_ms: None, ..hop(Kind::Committed, 0.0, None) },
            ],
            missing: vec![missing],
            ..Trace::default()
        };
        let plain = anstream::adapter::strip_str(&text(&trace, true)).to_string();
        insta::assert_snapshot!(plain, @"
        event  e-1

        HOP                                    AFTER       TOOK
        sent by the device                    0.0 ms          -  ▏
        acknowledged by Mosquitto             1.5 ms     1.5 ms  ███
        received by the bridge                4.0 ms     4.0 ms  █████████
        in Kafka: emergency.created[1]@42    20.0 ms    16.0 ms           ██████████████████████████████████
        committed by people                        -          -
        not committed by alarm                     -

        alarm has not committed it yet, lag 3
          try: look at it
        ");
        let longer = anstream::adapter::strip_str(&picture(&trace, 40)).to_string();
        assert!(longer.lines().any(|line| line.ends_with("  ████████")), "ten columns are the least: {longer}");
        assert_eq!((span(Some(65_000.0)), span(None)), ("    1m 5s".to_owned(), "        -".to_owned()));
    }
}
