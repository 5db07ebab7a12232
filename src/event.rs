//! What work reports while it runs: which step, which service, what came of it. The `ui` listens and has the words;
//! nothing else prints.

use std::path::PathBuf;
use std::time::Duration;

use crate::stack::{Bridge, Service, StackName};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line of a command's own that the user should know, such as why a runtime was chosen.
    Note(String),
    /// Something is off, in a command's own words, but the work goes on.
    Warning(String),
    /// As the two above, of work.
    Noticed(Notice),
    /// A step began; at most one `StepFinished` or `StepFailed` of the same step follows.
    StepStarted {
        step: Step,
    },
    /// What a running step waits for just now.
    StepWaits {
        step: Step,
        on: Waiting,
    },
    StepFinished {
        step: Step,
        outcome: Outcome,
        took: Duration,
    },
    /// The step did not succeed; the error itself travels as a `Result`.
    StepFailed {
        step: Step,
    },
    /// Bytes of one download; `total` is 0 while unknown.
    Fetched {
        what: Download,
        done: u64,
        total: u64,
    },
    /// A download is complete.
    FetchFinished {
        what: Download,
    },
}

/// A piece of work with a beginning and an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Jars of Kafka and ZooKeeper, for the version of Kafka.
    FetchJars {
        kafka: String,
    },
    StartServices,
    StopServices,
    /// Stops what is about to be replaced or removed.
    StopChanged,
    RemoveData,
    /// Has brokers lead that have their data, before the emptied ones come.
    ElectBrokers,
    ProveZookeeper {
        nodes: usize,
    },
    ProveKafka {
        brokers: usize,
    },
    ProveTopics,
    ProveMosquitto,
    StartBridges,
    /// One subscribed, the other waiting.
    ProveBridges,
    /// Before the brokers, so that what is in flight gets there.
    StopBridges,
    /// Has a running Mosquitto act on changed accounts.
    ReloadLogins,
    /// Devices send messages.
    Simulate,
    /// Messages of a ledger are looked for in Kafka.
    SearchKafka,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Jars {
        count: usize,
        dir: PathBuf,
    },
    /// Services that had to be started, of all that were to run.
    Started {
        count: usize,
        of: usize,
    },
    Stopped {
        count: usize,
    },
    StoppedChanged(Vec<Service>),
    RemovedVolumes {
        count: usize,
    },
    /// Topics had no leader, and have one now.
    Elected {
        topics: usize,
    },
    Quorum {
        nodes: usize,
    },
    BrokersRegistered,
    /// All partitions of the stack's topics, and a message went through a consumer group.
    InSync {
        partitions: usize,
    },
    LoginsProven,
    Bridged {
        active: Bridge,
        standby: Bridge,
        /// From a press of the probe until its record was read.
        took: Duration,
    },
    /// Whether a Mosquitto runs and acts on them; else it will from its next start on.
    LoginsReloaded {
        live: bool,
    },
    Sent {
        messages: u64,
    },
    /// To the ends of these topics.
    Read {
        topics: Vec<&'static str>,
    },
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Another answer than this one.
    Answer(String),
    /// A message that goes through a consumer group.
    RoundTrip,
    /// More jars; `last` came just now.
    Jars { fetched: usize, last: String },
    /// That all devices of so many are connected.
    Connections { made: usize, of: usize },
    /// The end of the simulation.
    Simulation(Counters),
    /// The last acknowledgements of the simulation.
    Acknowledgements,
    /// Messages that were not found yet.
    Missing { messages: u64 },
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    pub sent: u64,
    /// Messages a second, so far.
    pub rate: u64,
    /// At QoS 1 and 2.
    pub acknowledged: u64,
    pub of: u64,
    /// Due, and not sent yet.
    pub waiting: u64,
}

/// What is fetched or written, as far as its bytes are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Download {
    Image(String),
    /// The archive of all images that `images save` writes.
    ImageArchive,
}

/// What happened beside the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It was found paused while others wait for it.
    Resuming(Service),
    /// It was found paused before anything was asked of it.
    Resumed(Service),
    /// It ran, and had ended when it was looked at.
    StartingAgain(Service),
    /// A broker that was killed cannot start until ZooKeeper forgets it.
    WaitsForSession(Service),
    /// `up` ended early: a stack that ran before runs, old or new.
    GoesOn {
        stack: StackName,
    },
    /// `up` ended early: what it made of a stack that did not run goes.
    Undoing,
    /// A stop was interrupted.
    StartingWhatRan,
    /// They were exported to a cluster, and so outlive the stack.
    LoginsKept {
        dir: PathBuf,
    },
    /// Logins changed that only a cluster can use.
    RunsElsewhere {
        stack: StackName,
    },
    /// Somebody else works on the stack; this waits.
    Waits {
        holder: String,
        stack: StackName,
    },
    /// Somebody else works on the stack; this passes it by.
    LeftAlone {
        holder: String,
        stack: StackName,
    },
    /// Kafka takes no partitions away.
    MorePartitions {
        topic: String,
        has: usize,
        wants: usize,
    },
    /// Questions that a cluster is asked.
    Asking {
        questions: usize,
        namespace: String,
    },
    /// The connection to the MQTT server is gone, and is being made again.
    MqttLost {
        why: String,
    },
    MqttAgain,
    /// They were there for a simulation only.
    Dismissed {
        devices: usize,
    },
}

/// Where work sends its events.
pub type Report<'a> = &'a (dyn Fn(Event) + Sync);

/// Runs one step and reports its beginning, its end and how long it took.
///
/// # Errors
/// Those of `work`.
pub async fn step<T, E>(
    report: Report<'_>,
    step: Step,
    work: impl Future<Output = Result<(T, Outcome), E>>,
) -> Result<T, E> {
    let started = std::time::Instant::now();
    report(Event::StepStarted { step: step.clone() });
    match work.await {
        Ok((value, outcome)) => {
            report(Event::StepFinished { step, outcome, took: started.elapsed() });
            Ok(value)
        }
        Err(error) => {
            report(Event::StepFailed { step });
            Err(error)
        }
    }
}
