//! The bridge's side: asks the helper, and kills it by the deadline.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::{Program, frame};

/// How many deadlines a helper has to become ready.
const START: u32 = 10;
/// After so many deadlines passed, an expression that does not end gets a tenth of the time.
const MOST_WASTE: u32 = 10;
const RECOVERY: u32 = 10;
/// Variables of the environment that a program needs to start; expressions can read the environment.
const KEPT: [&str; 2] = ["HOME", "LD_LIBRARY_PATH"];

/// Applies one expression in a process of its own, which is started when it is first needed.
pub struct Helper {
    /// This very program.
    executable: PathBuf,
    program: Program,
    /// How long it may take for one payload.
    deadline: Duration,
    /// The most bytes of a value.
    largest: usize,
    running: Option<Running>,
    /// The time that was wasted on it, and when that was last counted.
    waste: (Duration, Instant),
}

struct Running {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    is_ready: bool,
}

/// Why an answer did not come.
enum Lost {
    Late,
    Died,
    TooLarge,
}

impl Helper {
    /// This program itself, wherever it was started from.
    pub fn own_program() -> PathBuf {
        let link = Path::new("/proc/self/exe");
        if link.exists() { link.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "sosstack".into()) }
    }

    /// Starts nothing yet.
    pub fn new(executable: PathBuf, program: Program, deadline: Duration, largest: usize) -> Self {
        let waste = (Duration::ZERO, Instant::now());
        Self { executable, program, deadline, largest, running: None, waste }
    }

    /// Starts the process, so that the first message need not wait for it.
    pub fn start(&mut self) {
        if self.running.is_none() {
            self.running = Running::start(&self.executable, &self.program).ok();
        }
    }

    /// The value that the expression makes of a payload. Blocks for the deadline at most, and for ten of them where the
    /// process has to start.
    ///
    /// # Errors
    /// Why there is none.
    pub fn value(&mut self, variables: &[u8], payload: &[u8]) -> Result<Vec<u8>, String> {
        let now = Instant::now();
        let deadline = self.deadline;
        let (waste, since) = &mut self.waste;
        *waste = waste.saturating_sub(now.duration_since(*since) / RECOVERY);
        *since = now;
        if *waste >= deadline * MOST_WASTE {
            return Err("it did not end in time again and again, and rests for a while".to_owned());
        }
        self.start();
        let Some(running) = &mut self.running else { return Err("its helper process cannot be started".to_owned()) };
        if !running.is_ready {
            if running.exchange(&[], Instant::now() + deadline * START, 64).is_err() {
                self.running = None;
                return Err("its helper process did not start in time".to_owned());
            }
            running.is_ready = true;
        }
        let request = frame::request(variables, payload);
        let lost = match running.exchange(&request, Instant::now() + deadline, self.largest) {
            Ok(answer) => return frame::parse_answer(&answer),
            Err(lost) => lost,
        };
        self.running = None;
        // Ready again by the next message, as far as that is possible.
        self.start();
        Err(match lost {
            Lost::Late => {
                self.waste.0 += deadline;
                format!("it did not end within {} ms", deadline.as_millis())
            }
            Lost::Died => {
                self.waste.0 += deadline;
                "it ran out of memory or of stack".to_owned()
            }
            Lost::TooLarge => format!("it gave more than {} bytes", self.largest),
        })
    }
}

impl Running {
    fn start(executable: &Path, program: &Program) -> std::io::Result<Self> {
        let kept = KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(executable)
            .args(["bridge", "evaluate"])
            .env_clear()
            .envs(kept)
            .current_dir("/")
            // Ctrl-C in a terminal is meant for the bridge, which has messages to bring to an end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the helper has no pipes"));
        };
        let mut running = Self { child, requests, answers, is_ready: false };
        // It is shorter than what a pipe holds, or the helper reads it at once.
        running.requests.write_all(&frame::whole(&serde_json::to_vec(program)?))?;
        rustix::fs::fcntl_setfl(running.requests.as_fd(), OFlags::NONBLOCK)?;
        rustix::fs::fcntl_setfl(running.answers.as_fd(), OFlags::NONBLOCK)?;
        Ok(running)
    }

    /// Sends a frame and awaits the answer's.
    fn exchange(&mut self, request: &[u8], deadline: Instant, largest: usize) -> Result<Vec<u8>, Lost> {
        let mut unsent = request;
        let mut answer = Vec::new();
        loop {
            let left = deadline.checked_duration_since(Instant::now()).ok_or(Lost::Late)?;
            let wanted = if unsent.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let mut pipes = [PollFd::new(&self.answers, PollFlags::IN), PollFd::new(&self.requests, wanted)];
            let timeout = Timespec::try_from(left).map_err(|_| Lost::Late)?;
            match poll(&mut pipes, Some(&timeout)) {
                Ok(0) => return Err(Lost::Late),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(Lost::Died),
            }
            let (readable, writable) = (!pipes[0].revents().is_empty(), !pipes[1].revents().is_empty());
            if writable && !unsent.is_empty() {
                let sent = would_block(self.requests.write(unsent)).map_err(|_| Lost::Died)?;
                unsent = &unsent[sent.unwrap_or(0)..];
            }
            if readable && self.read(&mut answer)? == End::Closed {
                return Err(Lost::Died);
            }
            if let Some(length) = frame::announced(&answer) {
                if length > largest.saturating_add(1024) {
                    return Err(Lost::TooLarge);
                }
                if answer.len() == frame::HEAD + length {
                    return Ok(answer.split_off(frame::HEAD));
                }
            }
        }
    }

    fn read(&mut self, answer: &mut Vec<u8>) -> Result<End, Lost> {
        let mut chunk = [0; 16 * 1024];
        match would_block(self.answers.read(&mut chunk)).map_err(|_| Lost::Died)? {
            None => Ok(End::Open),
            Some(0) => Ok(End::Closed),
            Some(read) => {
                answer.extend_from_slice(&chunk[..read]);
                Ok(End::Open)
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// None where nothing could be read or written at once.
fn would_block(result: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A process that nobody waits for would stay in the table of processes; killed, it ends at once.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
