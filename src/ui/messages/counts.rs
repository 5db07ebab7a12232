//! How many messages come in each topic, shown again and again.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::super::{Table, stdout_error};

/// Messages of each topic, in all and since they were last shown.
pub struct Counts {
    topics: BTreeMap<String, Count>,
    shown: Instant,
    is_json: bool,
    /// Lines of the table that stands on the terminal.
    drawn: usize,
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
        let text = if self.is_json { self.json(seconds) } else { self.table(seconds) };
        self.topics.values_mut().for_each(|count| count.new = 0);
        let lines = text.lines().count();
        let drawn = std::mem::replace(&mut self.drawn, lines);
        draw(&text, if self.is_json { 0 } else { drawn }).map_err(stdout_error)
    }

    fn table(&self, seconds: f64) -> String {
        let mut table = Table::new(&["TOPIC", "MESSAGES/S", "MESSAGES"]);
        for (topic, Count { total, new }) in &self.topics {
            table.row(vec![topic.clone().into(), rate(*new, seconds).into(), total.to_string().into()]);
        }
        table.render()
    }

    fn json(&self, seconds: f64) -> String {
        let of = |(topic, count): (&String, &Count)| {
            let rate: f64 = rate(count.new, seconds).parse().unwrap_or(0.0);
            json!({ "topic": topic, "messages_per_second": rate, "messages": count.total })
        };
        format!("{}\n", json!(self.topics.iter().map(of).collect::<Vec<_>>()))
    }
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
fn rate(count: u64, seconds: f64) -> String {
    format!("{:.1}", count as f64 / seconds)
}
