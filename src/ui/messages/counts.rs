//! How many messages come in each topic, shown again and again.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{Table, stdout_error};

/// Messages of each topic, in all and since they were last shown.
pub struct Counts {
    topics: BTreeMap<String, Count>,
    shown: Instant,
    is_json: bool,
    /// Lines of the table that stands on the terminal.
    drawn: usize,
}

/// One element of a line of `sosstack tail --stats --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TopicRate {
    pub topic: String,
    /// Since the line before, to a tenth.
    pub messages_per_second: f64,
    pub messages: u64,
}

#[derive(Default)]
struct Count {
    total: u64,
    new: u64,
}

impl Counts {
    pub fn new(is_json: bool) -> Self {
        Self { topics: BTreeMap::new(), shown: Instant::now(), is_json, drawn: 0 }
    }

    /// One more message of a topic.
    pub fn add(&mut self, topic: &str) {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), Count::default());
        }
        if let Some(count) = self.topics.get_mut(topic) {
            count.total += 1;
            count.new += 1;
        }
    }

    /// Shows the rates since it was last called; a table takes the place of the one before.
    ///
    /// # Errors
    /// When stdout cannot be written to; [`ClosedStdout`](crate::ui::ClosedStdout) when its reader has gone.
    pub fn show(&mut self) -> Result<()> {
        let seconds = self.shown.elapsed().as_secs_f64().max(0.001);
        self.shown = Instant::now();
        let rates = self.rates(seconds);
        let text = if self.is_json { serde_json::to_string(&rates)? + "\n" } else { table(&rates) };
        self.topics.values_mut().for_each(|count| count.new = 0);
        let lines = text.lines().count();
        let drawn = std::mem::replace(&mut self.drawn, lines);
        draw(&text, if self.is_json { 0 } else { drawn }).map_err(stdout_error)
    }

    fn rates(&self, seconds: f64) -> Vec<TopicRate> {
        let rate_of = |(topic, Count { total, new }): (&String, &Count)| TopicRate {
            topic: topic.clone(),
            messages_per_second: rate(*new, seconds),
            messages: *total,
        };
        self.topics.iter().map(rate_of).collect()
    }
}

fn table(rates: &[TopicRate]) -> String {
    let mut table = Table::new(&["TOPIC", "MESSAGES/S", "MESSAGES"]);
    for TopicRate { topic, messages_per_second, messages } in rates {
        table.row(vec![topic.clone().into(), format!("{messages_per_second:.1}").into(), messages.to_string().into()]);
    }
    table.render()
}

/// Writes over as many lines of a terminal as `drawn` says.
fn draw(text: &str, drawn: usize) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    if io::stdout().is_terminal() && drawn > 0 {
        write!(stdout, "\x1b[{drawn}A\x1b[J")?;
    }
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[expect(clippy::cast_precision_loss, reason = "a rate is read by people")]
fn rate(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds * 10.0).round() / 10.0
}
