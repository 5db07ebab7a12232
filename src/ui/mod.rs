//! The only code that prints: results on stdout, everything else on stderr.

pub mod messages;
mod progress;
pub mod table;
pub mod tree;
mod words;

use std::io::{IsTerminal, Write};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::about::Remedy;
use crate::event::Event;
use crate::failure::{self, Failure};
use crate::shutdown::Shutdown;
use progress::Progress;

pub use table::Table;

/// Whoever read our stdout has gone: they have seen enough, and nothing has failed.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads stdout any more")]
pub struct ClosedStdout;

/// The error of writing to stdout: [`ClosedStdout`] where its reader has gone.
pub fn stdout_error(error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::BrokenPipe { ClosedStdout.into() } else { error.into() }
}

/// What the user asked of the way we talk.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Nothing on stderr but errors.
    pub quiet: bool,
    /// Results, and the error that ends the run, as JSON.
    pub json: bool,
}

/// How this run talks to its user.
pub struct Ui {
    manner: Manner,
    progress: Progress,
}

impl Ui {
    pub fn new(manner: Manner) -> Self {
        let progress = if manner.quiet {
            Progress::silent()
        } else if std::io::stderr().is_terminal() && !manner.json {
            Progress::bars()
        } else {
            Progress::lines()
        };
        Self { manner, progress }
    }

    /// Whether results are wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// Whether a person watches stdout.
    pub fn stdout_is_terminal() -> bool {
        std::io::stdout().is_terminal()
    }

    /// Columns of the terminal that shows stdout; None where there is none.
    pub fn columns() -> Option<usize> {
        let columns = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        if Self::stdout_is_terminal() { columns().filter(|columns| *columns > 0) } else { None }
    }

    /// Receives what work reports.
    pub fn report(&self, event: Event) {
        self.progress.on(event);
    }

    /// A line for the user on stderr; nothing under `--quiet`.
    pub fn say(&self, line: &str) {
        if !self.manner.quiet {
            self.progress.line(line);
        }
    }

    /// A line that stands below all others until the next one takes its place; nothing where no terminal shows it.
    pub fn stand(&self, line: &str) {
        self.progress.stand(line);
    }

    /// Data on stdout, as it is.
    ///
    /// # Errors
    /// When stdout cannot be written to; [`ClosedStdout`] when its reader has gone.
    pub fn print(text: &str) -> Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(stdout_error)
    }

    /// Bytes on stdout, unchanged.
    ///
    /// # Errors
    /// As for [`Ui::print`].
    pub fn print_bytes(bytes: &[u8]) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(stdout_error)
    }

    /// A result that is data, on stdout: as JSON where that is wanted, else as `text` makes it.
    ///
    /// # Errors
    /// As for [`Ui::print`].
    pub fn show<T: Serialize + ?Sized>(&self, result: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        if self.is_json() { Self::print_json(&result) } else { Self::print(&text(result)) }
    }

    /// A result that is worth a word, on stderr; where JSON is wanted, it is data.
    ///
    /// # Errors
    /// As for [`Ui::print`].
    pub fn conclude<T: Serialize + ?Sized>(&self, result: &T, words: impl FnOnce(&T) -> String) -> Result<()> {
        if self.is_json() {
            return Self::print_json(&result);
        }
        self.say(&words(result));
        Ok(())
    }

    /// One JSON document on stdout.
    ///
    /// # Errors
    /// As for [`Ui::print`].
    pub fn print_json(value: &impl Serialize) -> Result<()> {
        Self::print(&format!("{}\n", serde_json::to_string_pretty(value)?))
    }

    /// Asks a yes-or-no question on the terminal; None where nobody can answer.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] when a signal comes instead of an answer.
    pub async fn confirm(question: &str, shutdown: &Shutdown) -> Result<Option<bool>> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let mut line = QuestionLine { is_open: write_stderr(&format!("{question} [y/N] ")).is_ok() };
        if !line.is_open {
            return Ok(None);
        }
        let read = || {
            let mut answer = String::new();
            Ok(std::io::stdin().read_line(&mut answer).ok().map(|_| answer))
        };
        let answer = shutdown.guard_blocking(read).await?;
        line.is_open = false;
        Ok(answer.map(|answer| matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// The error that ends the run: cause, evidence and remedy; as JSON on stderr where JSON is wanted.
    pub fn fail(&self, error: &anyhow::Error) {
        self.progress.clear();
        let failure = error.downcast_ref::<Failure>();
        let text = if self.is_json() { json_error(error, failure) } else { text_error(error, failure) };
        // Nobody reads stderr any more: there is nobody to tell.
        let _ = write_stderr(&text);
    }
}

/// The line of a question, which its answer ends: what follows a question without one does not belong there.
struct QuestionLine {
    is_open: bool,
}

impl Drop for QuestionLine {
    fn drop(&mut self) {
        if self.is_open {
            let _ = write_stderr("\n");
        }
    }
}

fn write_stderr(text: &str) -> std::io::Result<()> {
    let mut stderr = anstream::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

fn text_error(error: &anyhow::Error, failure: Option<&Failure>) -> String {
    use std::fmt::Write;
    let (red, bold, dim) = (table::ERROR, table::BOLD, table::DIM);
    let mut text = format!("{red}error:{red:#} {error:#}\n");
    let invalid = match failure {
        Some(Failure::InvalidStackFile { problems }) => Some(("the stack file is", problems)),
        Some(Failure::InvalidRoutes { problems }) => Some(("the routes are", problems)),
        _ => None,
    };
    if let Some((what, problems)) = invalid {
        let count = if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) };
        text = format!("{red}error:{red:#} {what} invalid ({count})\n");
        for problem in problems {
            let _ = writeln!(text, "  {problem}");
        }
    }
    if let Some(Failure::NotReady { evidence, .. }) = failure {
        for line in evidence {
            let _ = writeln!(text, "  {dim}{line}{dim:#}");
        }
    }
    if let Some(remedy) = failure::remedy(error) {
        let _ = writeln!(text, "{bold}try:{bold:#} {remedy}");
    }
    text
}

/// What stands on stderr where JSON is wanted and the command failed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDocument<'a> {
    error: ErrorBody<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ErrorBody<'a> {
    code: &'static str,
    message: String,
    remedy: Option<Remedy>,
    /// Of an invalid stack file.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [String]>,
    /// The last log lines of the services to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a [String]>,
}

fn json_error(error: &anyhow::Error, failure: Option<&Failure>) -> String {
    let (problems, evidence) = match failure {
        Some(Failure::InvalidStackFile { problems } | Failure::InvalidRoutes { problems }) => {
            (Some(problems.as_slice()), None)
        }
        Some(Failure::NotReady { evidence, .. }) => (None, Some(evidence.as_slice())),
        _ => (None, None),
    };
    let code = failure.map_or("failed", Failure::code);
    let (message, remedy) = (format!("{error:#}"), failure::remedy(error));
    let document = ErrorDocument { error: ErrorBody { code, message, remedy, problems, evidence } };
    serde_json::to_string(&document).map_or_else(|error| error.to_string(), |json| json + "\n")
}
