//! Runs the `sosstack` binary as a user would, in a home of its own.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// What runs the services of a test's stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Docker,
    Process,
}

impl On {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }

    /// Whether this machine can; `SOSSTACK_TEST_RUNTIMES=docker,process` insists, as `make test` does.
    pub fn is_here(self) -> bool {
        if let Ok(insisted) = std::env::var("SOSSTACK_TEST_RUNTIMES") {
            return insisted.split(',').any(|name| name == self.as_str());
        }
        let here = match self {
            Self::Docker => succeeds(Command::new("docker").arg("info")),
            Self::Process => {
                succeeds(Command::new("java").arg("-version")) && succeeds(Command::new("mvn").arg("-version"))
            }
        };
        if !here {
            println!("SKIPPED: this machine has no {} runtime", self.as_str());
        }
        here
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A user's home with one stack in it.
pub struct Home {
    dir: TempDir,
    pub on: On,
    pub stack: String,
    pub offset: u16,
}

impl Home {
    /// `offset` is unique among the tests, so that a stack left by one cannot disturb another.
    pub fn new(on: On, offset: u16) -> Self {
        // From 32,768 on, Linux gives ports to outgoing connections: one of them may have ours just now.
        assert!(9_192 + offset < 32_768, "offset {offset}: ports would be taken by luck");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stack = format!("t{}-{offset}", std::process::id());
        Self { dir, on, stack, offset }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn stack_dir(&self) -> PathBuf {
        self.path().join("data/sosstack/stacks").join(&self.stack)
    }

    /// A command with this home's environment; jars are shared between tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sosstack"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
            .env("SOSSTACK_STACK", &self.stack)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        if let Some(file) = self.stack_file() {
            command.env("SOSSTACK_FILE", file);
        }
        command
    }

    /// Stand-in images where no registry can be reached (`make test` decides).
    fn stack_file(&self) -> Option<PathBuf> {
        let own = self.path().join("sosstack.yaml");
        if own.is_file() {
            return Some(own);
        }
        std::env::var_os("SOSSTACK_TEST_STACK_FILE").map(PathBuf::from)
    }

    /// Writes a stack file for this home: `text` over the stand-in images.
    pub fn write_stack_file(&self, text: &str) {
        let images = std::env::var_os("SOSSTACK_TEST_STACK_FILE");
        let images = images.map(|file| std::fs::read_to_string(file).unwrap()).unwrap_or_default();
        let parse = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
        let merged = merge(parse(&images), parse(text));
        std::fs::write(self.path().join("sosstack.yaml"), serde_json::to_string(&merged).unwrap()).unwrap();
    }

    pub fn up_arguments(&self) -> Vec<String> {
        let offset = self.offset.to_string();
        ["up", "--runtime", self.on.as_str(), "--port-offset", &offset].map(str::to_owned).to_vec()
    }

    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::from(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs a command that must succeed; its stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!((finished.code, finished.signal), (Some(0), None), "sosstack {arguments:?}:\n{finished}");
        finished.stdout
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} printed {text:?}: {error}"))
    }

    /// Under the loosest umask that there is: what must be private is made so on purpose.
    pub fn up(&self) -> Finished {
        let arguments = self.up_arguments();
        let plain = self.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let mut command = Command::new("sh");
        command.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let finished = Finished::from(command.current_dir(self.path()).stdin(Stdio::null()).output().unwrap());
        assert_eq!(finished.code, Some(0), "up: {finished:?}");
        finished
    }

    /// Starts a command and leaves it running, its stderr readable.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }

    /// What `sosstack env` gives to programs.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let object = self.json(&["env"]);
        let pairs = object.as_object().unwrap().iter();
        pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    /// Names of containers, volumes and networks that carry this stack's label.
    pub fn docker_leftovers(&self) -> Vec<String> {
        let filter = format!("label=sosstack.stack={}", self.stack);
        let listings: [&[&str]; 3] = [
            &["ps", "-a", "--format", "{{.Names}}"],
            &["volume", "ls", "--format", "{{.Name}}"],
            &["network", "ls", "--format", "{{.Name}}"],
        ];
        let list = |arguments: &[&str]| {
            let output = Command::new("docker").args(arguments).args(["--filter", &filter]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        listings.iter().flat_map(|a| list(a).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Asserts that nothing of the stack is on this machine.
    pub fn assert_nothing_left(&self) {
        let left: Vec<_> = walk(&self.path().join("data/sosstack/stacks"));
        assert!(left.is_empty(), "left in the data directory: {left:?}");
        if self.on == On::Docker {
            assert_eq!(self.docker_leftovers(), Vec::<String>::new());
        }
        let ours = processes_mentioning(&self.stack_dir().display().to_string());
        assert!(ours.is_empty(), "processes left: {ours:?}");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let removed = self.run(&["down", "--volumes", "--yes"]);
        if !std::thread::panicking() {
            assert_eq!(removed.code, Some(0), "{removed:?}");
        }
    }
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    /// What ended it when there is no code: a crash shows here.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let (code, signal) = (output.status.code(), output.status.signal());
        Self { code, signal, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// In lines that a log shows whole, the last ones of each stream.
impl Display for Finished {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const LINES: usize = 20;
        const CHARACTERS: usize = 400;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                writeln!(f, "{name}: {}", line.chars().take(CHARACTERS).collect::<String>())?;
            }
        }
        Ok(())
    }
}

/// The upper document over the lower one.
fn merge(lower: Value, upper: Value) -> Value {
    match (lower, upper) {
        (Value::Object(mut lower), Value::Object(upper)) => {
            for (key, value) in upper {
                let below = lower.remove(&key).unwrap_or_default();
                lower.insert(key, merge(below, value));
            }
            Value::Object(lower)
        }
        (lower, Value::Null) => lower,
        (_, upper) => upper,
    }
}

/// Waits for a condition; panics with its name when it does not come true.
pub fn eventually(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Command lines of processes that hold a text.
pub fn processes_mentioning(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let command_line = |entry: std::fs::DirEntry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    };
    entries.filter_map(command_line).filter(|line| line.contains(text)).collect()
}

/// Within this time an interrupted command has ended, on a busy machine too, unless it has something to undo.
pub const AT_ONCE: Duration = Duration::from_secs(3);

/// Sends a signal to a command, which must end at once; its exit code.
pub fn interrupt(child: &mut Child, signal: Signal) -> Option<i32> {
    send_signal(child.id(), signal);
    ends_within(child, AT_ONCE).code()
}

/// Waits for the end of a command, which must come in time; how it ended.
pub fn ends_within(child: &mut Child, patience: Duration) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("the command did not end within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal by the system call: not every machine has a `kill` program.
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// What a directory holds; nothing where there is none.
pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
