//! The command line as types; nothing here does anything.

pub mod bridge;
pub mod bridge_dlq;
pub mod bridge_journal;
pub mod clients;
pub mod export;
pub mod ledger;
pub mod messages;
mod profile;
pub mod simulate;
pub mod trace;
mod up;
mod up_bridges;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration::parse as duration;
use crate::stack::StackName;

pub use profile::ProfileArg;
pub use up::{RuntimeArg, UpArgs};
pub use up_bridges::UpBridgesArgs;

/// Exit codes, shown at the end of every long help.
const EXIT_CODES: &str = "\
Exit codes:
  0          done
  1          the operation failed
  2          usage, or an invalid stack file or routes file
  3          no runtime can run the stack here
  4          not ready by the deadline
  130, 143   interrupted by Ctrl-C or SIGTERM";

/// The messaging layer of a personal-safety platform on this machine: ZooKeeper ×3, Kafka ×3 and
/// Mosquitto, real ones, seeded and proven ready.
#[derive(Debug, Parser)]
#[command(name = "sosstack", version, after_long_help = EXIT_CODES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that hold everywhere.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The stack's name [default: the stack file's, else "sos"]
    #[arg(
        long,
        short = 's',
        global = true,
        value_name = "NAME",
        env = "SOSSTACK_STACK",
        help_heading = "Global options"
    )]
    pub stack: Option<StackName>,
    /// The stack file [default: sosstack.yaml here or in a folder above, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "SOSSTACK_FILE", help_heading = "Global options")]
    pub file: Option<PathBuf>,
    /// Say nothing on stderr but errors
    #[arg(long, short = 'q', global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// How results are printed on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "SOSSTACK_OUTPUT",
        help_heading = "Global options"
    )]
    pub output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One documented JSON document, or one a line
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the stack up, seeded and proven ready
    Up(UpArgs),
    /// Show each service's state, health, ports, uptime and memory
    Status(StatusArgs),
    /// Check this machine and every layer of the stack; each finding comes with its remedy
    Doctor,
    /// Show what the services wrote, merged by time
    Logs(LogsArgs),
    /// Print addresses and credentials for programs
    Env(EnvArgs),
    /// Send messages to a Kafka topic or an MQTT topic, each acknowledged
    Pub(messages::PubArgs),
    /// Receive messages for a program: exact, one a line
    Sub(messages::SubArgs),
    /// Watch topics of both brokers in one stream, for people
    Tail(messages::TailArgs),
    /// Kafka topics
    Topic(TopicArgs),
    /// Kafka consumer groups
    Group(clients::GroupArgs),
    /// Other clusters that pub, sub, tail, topic and group may speak to
    #[command(subcommand)]
    Context(clients::ContextCommand),
    /// MQTT devices and their credentials
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Simulate devices: each connects, walks, sends its pulse, falls, presses; afterwards they are gone
    Simulate(simulate::SimulateArgs),
    /// What simulated devices sent, and whether Kafka has it
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Follow a press hop by hop: device, Mosquitto, bridge, Kafka, and the groups that have committed it
    Trace(trace::TraceArgs),
    /// Make the topics and devices that the stack names; changes nothing that is right already
    Seed(SeedArgs),
    /// Print the effective stack as YAML
    Config(ConfigArgs),
    /// Write the stack as files for those who run it elsewhere
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// Prove that an exported stack works where it runs
    #[command(subcommand)]
    Verify(export::VerifyCommand),
    /// The bridge, which brings the devices' MQTT messages to Kafka
    #[command(subcommand)]
    Bridge(bridge::BridgeCommand),
    /// Stop services, keeping everything
    Stop(ServicesArgs),
    /// Start stopped services
    Start(StartArgs),
    /// Stop services and start them again, proven ready
    Restart(StartArgs),
    /// Remove the stack's services; its data stays unless --volumes
    Down(DownArgs),
    /// List all stacks on this machine
    List,
    /// The stack's container images, also as a file for machines that reach no registry
    #[command(subcommand)]
    Images(ImagesCommand),
    /// Remove what nobody needs, such as caches of unused versions; never logins or data. Says what, and asks
    Prune(PruneArgs),
    /// Make archives of classes, by which the next start is faster; `up` runs it in the background
    #[command(hide = true)]
    MakeArchives,
    /// Print completions for a shell
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Go on showing it, every second
    #[arg(long, short = 'w')]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// kafka, kafka-1, zookeeper, mosquitto, bridge, … [default: all]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Go on with new lines
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Only lines of the last 5m, 90s, 2h, 7d, …
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Only the newest N lines of each service
    #[arg(long, short = 'n', value_name = "N")]
    pub tail: Option<usize>,
}

/// How variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// export NAME='value' lines for eval
    Shell,
    /// NAME=value lines for .env files
    Dotenv,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub struct EnvArgs {
    #[arg(long, value_enum)]
    pub format: Option<EnvFormat>,
    /// For a container on the stack's Docker network: the cluster's own names
    #[arg(long)]
    pub inside: bool,
}

#[derive(Debug, Args)]
pub struct TopicArgs {
    #[command(flatten)]
    pub cluster: clients::ClusterArgs,
    #[command(subcommand)]
    pub command: TopicCommand,
}

#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// List topics with partitions and replicas
    #[command(visible_alias = "ls")]
    List,
    /// Show partitions, leaders, replicas, offsets, and consumer groups with their lag
    Describe {
        #[arg(value_name = "TOPIC")]
        name: String,
    },
    /// Show the MQTT topics in use as a tree: messages while it listens, what is retained, the last payload
    Tree(TreeArgs),
    /// Make a topic; all its replicas are in sync when this returns
    Create(TopicSettings),
    /// Add partitions to a topic or change its settings
    Alter {
        #[command(flatten)]
        settings: TopicSettings,
        /// Take a setting back to its default; may be repeated
        #[arg(long, value_name = "KEY")]
        reset: Vec<String>,
    },
    /// Delete topics with all their messages; asks first
    #[command(visible_alias = "rm")]
    Delete {
        #[arg(value_name = "TOPIC", required = true)]
        names: Vec<String>,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct TreeArgs {
    /// Only this topic and all below it, or what an MQTT topic filter matches [default: all]
    #[arg(value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// How long to listen; Ctrl-C ends sooner and shows what came
    #[arg(long = "for", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub listen: Duration,
    /// End after N messages
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// Only so many levels; what is below is summed up
    #[arg(long, short = 'L', value_name = "LEVELS", value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: Option<u16>,
    /// All topics of a level, also where it has more than 10
    #[arg(long, short = 'a')]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct TopicSettings {
    #[arg(value_name = "TOPIC")]
    pub name: String,
    /// How many partitions it has in all [default for a new topic: 3; elsewhere what the brokers say]
    #[arg(long, short = 'p', value_name = "N")]
    pub partitions: Option<u16>,
    /// A setting by Kafka's own name, such as retention.ms=3600000; may be repeated
    #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = setting)]
    pub config: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List devices and their owners
    #[command(visible_alias = "ls")]
    List {
        /// Also their passwords, for provisioning: as CSV (id,owner,password)
        #[arg(long)]
        passwords: bool,
    },
    /// Show one device: owner and the topics it reaches
    Show {
        #[arg(value_name = "ID")]
        id: String,
        /// Print its password, alone
        #[arg(long)]
        password: bool,
    },
    /// Enrol devices in the running broker; nobody else is disconnected
    Add(DeviceAddArgs),
    /// End devices' logins, connections included
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Give devices, the backend's user sos_service or the bridge's sos_bridge new passwords
    Rotate {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct DeviceAddArgs {
    /// The device's id, which is also its MQTT user name
    #[arg(value_name = "ID", required_unless_present = "from")]
    pub id: Option<String>,
    /// The user to whom it belongs
    #[arg(long, value_name = "USER", requires = "id")]
    pub owner: Option<String>,
    /// Many devices: a CSV file (id,owner) or a YAML list of {id, owner}; - reads CSV from stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "owner"])]
    pub from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How long to wait for the brokers
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print the stack file's JSON Schema instead
    #[arg(long)]
    pub schema: bool,
}

#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// kafka, kafka-1, zookeeper, mosquitto, bridge, … [default: all]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    pub services: ServicesArgs,
    /// How long to wait until they are proven ready
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// List the stack's images: whether they are here, size, id and digest
    #[command(visible_alias = "ls")]
    List,
    /// Write the stack's images into one file; those that are missing are pulled first
    Save {
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
    /// Give Docker the images of such a file
    Load {
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Only say what would be removed
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// Also remove the stack's data and credentials; asks first
    #[arg(long, short = 'v')]
    pub volumes: bool,
    /// Do not ask
    #[arg(long, short = 'y', requires = "volumes")]
    pub yes: bool,
    /// Also a stack that another user of the same Docker made
    #[arg(long)]
    pub not_mine: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
