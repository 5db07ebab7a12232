//! Messages on stdout: exact for programs, readable for people.

mod counts;
mod people;
mod template;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;

use anyhow::Result;

use super::stdout_error;
use crate::message::View;
use crate::message::envelope::Writer;

pub use counts::{Counts, TopicRate};
pub use people::People;
pub(crate) use people::visible;
pub use template::Template;

/// How messages are printed.
pub enum Look {
    /// The payload and a line feed, byte for byte.
    Raw,
    /// One JSON object a line.
    Envelope(Writer),
    /// What the user's template says, and a line feed.
    Template(Template),
    /// Time, topic, key and payload.
    People(Box<People>),
}

/// Stdout with a buffer: flushed by whoever knows that nothing more is waiting.
pub struct Printer {
    out: BufWriter<io::Stdout>,
    look: Look,
    line: Vec<u8>,
}

impl Printer {
    pub fn new(look: Look) -> Self {
        Self { out: BufWriter::with_capacity(128 * 1024, io::stdout()), look, line: Vec::new() }
    }

    /// # Errors
    /// When stdout cannot be written to; [`ClosedStdout`](super::ClosedStdout) when its reader has gone.
    pub fn print(&mut self, message: &View<'_>) -> Result<()> {
        let line = &mut self.line;
        line.clear();
        match &mut self.look {
            Look::Raw => line.extend_from_slice(message.value.unwrap_or_default()),
            Look::Envelope(writer) => writer.write(message, line),
            Look::Template(template) => template.write(message, line),
            Look::People(people) => people.write(message, line),
        }
        line.push(b'\n');
        self.out.write_all(line).map_err(stdout_error)
    }

    /// # Errors
    /// As for [`Printer::print`].
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(stdout_error)
    }
}

/// Calls back when whoever read stdout has gone, which writing alone would find out only with the next
/// message. Nothing happens where stdout is not a pipe.
pub fn on_closed_stdout(then: Arc<dyn Fn() + Send + Sync>) {
    if io::stdout().is_terminal() {
        return;
    }
    let watch = move || {
        let stdout = io::stdout();
        let mut polled = [rustix::event::PollFd::new(&stdout, rustix::event::PollFlags::empty())];
        if rustix::event::poll(&mut polled, None).is_ok() {
            then();
        }
    };
    // A convenience: without the thread, the next message finds it out.
    let _ = std::thread::Builder::new().name("stdout".to_owned()).spawn(watch);
}
