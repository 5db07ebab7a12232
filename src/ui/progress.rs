//! Events as bars on a terminal, as plain lines elsewhere, or as nothing. The only indicatif user.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::table::{DIM, ERROR, GOOD, WARNING};
use super::words::{self, Level};
use crate::event::{Download, Event, Step};

/// Where and how events are shown.
pub(super) struct Progress {
    mode: Mode,
}

enum Mode {
    Silent,
    Lines,
    Bars(Box<Bars>),
}

struct Bars {
    group: MultiProgress,
    running: Mutex<HashMap<Moving, ProgressBar>>,
    standing: OnceLock<ProgressBar>,
}

/// What a bar is about.
#[derive(PartialEq, Eq, Hash)]
enum Moving {
    Step(Step),
    Download(Download),
}

impl Progress {
    pub(super) fn silent() -> Self {
        Self { mode: Mode::Silent }
    }

    pub(super) fn lines() -> Self {
        Self { mode: Mode::Lines }
    }

    pub(super) fn bars() -> Self {
        let bars = Bars { group: MultiProgress::new(), running: Mutex::default(), standing: OnceLock::new() };
        Self { mode: Mode::Bars(Box::new(bars)) }
    }

    pub(super) fn on(&self, event: Event) {
        match &self.mode {
            Mode::Silent => {}
            Mode::Lines => {
                if let Some(line) = plain(&event) {
                    write_line(&line);
                }
            }
            Mode::Bars(bars) => bars.on(event),
        }
    }

    /// A line above whatever is moving.
    pub(super) fn line(&self, line: &str) {
        match &self.mode {
            Mode::Bars(bars) => bars.group.suspend(|| write_line(line)),
            Mode::Silent | Mode::Lines => write_line(line),
        }
    }

    pub(super) fn stand(&self, line: &str) {
        let Mode::Bars(bars) = &self.mode else { return };
        let bar = bars.standing.get_or_init(|| {
            let bar = bars.group.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner:.cyan} {wide_msg}"));
            bar
        });
        bar.set_message(line.to_owned());
        bar.tick();
    }

    /// Takes unfinished bars off the screen.
    pub(super) fn clear(&self) {
        if let Mode::Bars(bars) = &self.mode {
            if let Some(bar) = bars.standing.get() {
                bar.finish_and_clear();
            }
            for (_, bar) in bars.lock().drain() {
                bar.finish_and_clear();
            }
        }
    }
}

impl Bars {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Moving, ProgressBar>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn on(&self, event: Event) {
        match event {
            Event::Note(_) | Event::Warning(_) | Event::Noticed(_) => {
                if let Some(line) = plain(&event) {
                    self.group.suspend(|| write_line(&line));
                }
            }
            Event::StepStarted { step } => {
                let bar = self.group.add(ProgressBar::new_spinner());
                bar.set_style(style("{spinner:.cyan} {prefix:24} {wide_msg:.dim}"));
                bar.set_prefix(words::step(&step));
                bar.enable_steady_tick(Duration::from_millis(80));
                self.lock().insert(Moving::Step(step), bar);
            }
            Event::StepWaits { step, on } => {
                if let Some(bar) = self.lock().get(&Moving::Step(step)) {
                    bar.set_message(words::waiting(&on));
                }
            }
            Event::StepFinished { ref step, .. } | Event::StepFailed { ref step } => {
                self.end(&Moving::Step(step.clone()), &event);
            }
            Event::Fetched { what, done, total } => {
                let mut running = self.lock();
                let bar = running.entry(Moving::Download(what.clone())).or_insert_with(|| {
                    let bar = self.group.add(ProgressBar::no_length());
                    bar.set_style(style("{spinner:.cyan} {prefix:24} {bar:24.cyan/dim} {bytes}/{total_bytes} {eta}"));
                    bar.set_prefix(words::download(&what));
                    bar
                });
                if total > 0 {
                    bar.set_length(total);
                }
                bar.set_position(done);
            }
            Event::FetchFinished { ref what } => self.end(&Moving::Download(what.clone()), &event),
        }
    }

    /// Replaces a bar by its last line.
    fn end(&self, moving: &Moving, event: &Event) {
        if let Some(bar) = self.lock().remove(moving) {
            bar.finish_and_clear();
            self.group.remove(&bar);
        }
        if let Some(line) = plain(event) {
            self.group.suspend(|| write_line(&line));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates are constants")
}

/// The event as a line, if it deserves one.
fn plain(event: &Event) -> Option<String> {
    let line = |level, text: &str| match level {
        Level::Note => format!("{DIM}•{DIM:#} {text}"),
        Level::Warning => format!("{WARNING}warning:{WARNING:#} {text}"),
    };
    match event {
        Event::Note(text) => Some(line(Level::Note, text)),
        Event::Warning(text) => Some(line(Level::Warning, text)),
        Event::Noticed(notice) => {
            let (level, text) = words::notice(notice);
            Some(line(level, &text))
        }
        Event::StepFinished { step, outcome, took } => {
            let (step, outcome) = (words::step(step), words::outcome(outcome));
            Some(format!("{GOOD}✓{GOOD:#} {step:24} {outcome} {DIM}{:.1} s{DIM:#}", took.as_secs_f64()))
        }
        Event::StepFailed { step } => Some(format!("{ERROR}✗{ERROR:#} {}", words::step(step))),
        Event::FetchFinished { what } => Some(format!("{GOOD}✓{GOOD:#} {} fetched", words::download(what))),
        Event::StepStarted { .. } | Event::StepWaits { .. } | Event::Fetched { .. } => None,
    }
}

fn write_line(line: &str) {
    // Nobody reads stderr any more: there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
