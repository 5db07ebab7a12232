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
  2          usage error, or an invalid stack file or routes file
  3          no runtime can run the stack here
  4          not ready by the deadline
  130, 143   interrupted by Ctrl-C or SIGTERM";

/// Run the messaging layer of a personal-safety platform on this machine: real ZooKeeper ×3, Kafka ×3 and Mosquitto,
/// seeded and proven ready.
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
    /// The stack file [default: sosstack.yaml in this or a parent directory, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "SOSSTACK_FILE", help_heading = "Global options")]
    pub file: Option<PathBuf>,
    /// Print only errors on stderr
    #[arg(long, short = 'q', global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// How to print results on stdout
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
    /// Documented JSON: one document, or one per line
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
    /// Show the services' logs, merged by time
    Logs(LogsArgs),
    /// Print addresses and credentials for programs
    Env(EnvArgs),
    /// Send messages to a Kafka or MQTT topic and wait for each acknowledgement
    Pub(messages::PubArgs),
    /// Read messages for a program: unaltered, one per line
    Sub(messages::SubArgs),
    /// Watch Kafka and MQTT topics in one stream, for people
    Tail(messages::TailArgs),
    /// Manage Kafka topics; show MQTT topics as a tree
    Topic(TopicArgs),
    /// Inspect and reset Kafka consumer groups
    Group(clients::GroupArgs),
    /// Manage other clusters that pub, sub, tail, topic and group can use
    #[command(subcommand)]
    Context(clients::ContextCommand),
    /// Manage MQTT devices and their credentials
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Simulate devices that connect, walk, send heart rates, fall and press; they are removed afterwards
    Simulate(simulate::SimulateArgs),
    /// Check whether Kafka has what simulated devices sent
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Follow a press hop by hop: device, Mosquitto, bridge, Kafka, and the groups that committed it
    Trace(trace::TraceArgs),
    /// Create the stack's topics and devices; leaves what is already right unchanged
    Seed(SeedArgs),
    /// Print the effective stack as YAML
    Config(ConfigArgs),
    /// Write the stack as files, to run it elsewhere
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// Prove that an exported stack works where it runs
    #[command(subcommand)]
    Verify(export::VerifyCommand),
    /// Run and inspect the bridge, which brings the devices' MQTT messages to Kafka
    #[command(subcommand)]
    Bridge(bridge::BridgeCommand),
    /// Stop services without removing anything
    Stop(ServicesArgs),
    /// Start stopped services
    Start(StartArgs),
    /// Restart services and wait until they are proven ready
    Restart(StartArgs),
    /// Remove the stack's services; its data is kept unless --volumes is given
    Down(DownArgs),
    /// List all stacks on this machine
    List,
    /// List, save and load the stack's container images, for machines without a registry
    #[command(subcommand)]
    Images(ImagesCommand),
    /// Remove leftovers, such as caches of unused versions, but never logins or data; lists them and asks first
    Prune(PruneArgs),
    /// Make archives of classes, by which the next start is faster; `up` runs it in the background
    #[command(hide = true)]
    MakeArchives,
    /// Print shell completions
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Keep showing it, refreshed every second
    #[arg(long, short = 'w')]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// kafka, kafka-1, zookeeper, mosquitto, bridge, … [default: all]
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Keep printing new lines
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Only lines from the last 5m, 90s, 2h, 7d, …
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Only the last N lines of each service
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
    /// For a container on the stack's Docker network: the cluster's host names
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
    /// Show the MQTT topics in use as a tree, with message counts, retained messages and last payloads
    Tree(TreeArgs),
    /// Create a topic; returns once all its replicas are in sync
    Create(TopicSettings),
    /// Add partitions to a topic or change its settings
    Alter {
        #[command(flatten)]
        settings: TopicSettings,
        /// Reset a setting to its default; may be repeated
        #[arg(long, value_name = "KEY")]
        reset: Vec<String>,
    },
    /// Delete topics with all their messages; asks first
    #[command(visible_alias = "rm")]
    Delete {
        #[arg(value_name = "TOPIC", required = true)]
        names: Vec<String>,
        /// Do not ask for confirmation
        #[arg(long, short = 'y')]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct TreeArgs {
    /// Only this topic and all topics below it, or those that match an MQTT topic filter [default: all]
    #[arg(value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// How long to listen; Ctrl-C stops early and shows what has arrived
    #[arg(long = "for", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub listen: Duration,
    /// Stop after N messages
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// Show only this many levels; deeper ones are summed up
    #[arg(long, short = 'L', value_name = "LEVELS", value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: Option<u16>,
    /// Show all topics of a level, even if there are more than 10
    #[arg(long, short = 'a')]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct TopicSettings {
    #[arg(value_name = "TOPIC")]
    pub name: String,
    /// Total number of partitions [default for a new topic: 3; on another cluster, the brokers' default]
    #[arg(long, short = 'p', value_name = "N")]
    pub partitions: Option<u16>,
    /// A Kafka topic setting, such as retention.ms=3600000; may be repeated
    #[arg(long, short = 'c', value_name = "KEY=VALUE", value_parser = setting)]
    pub config: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List devices and their owners
    #[command(visible_alias = "ls")]
    List {
        /// Include passwords, for provisioning: as CSV (id,owner,password)
        #[arg(long)]
        passwords: bool,
    },
    /// Show a device's owner and the topics it can reach
    Show {
        #[arg(value_name = "ID")]
        id: String,
        /// Print only its password
        #[arg(long)]
        password: bool,
    },
    /// Enrol devices in the running Mosquitto, without disconnecting anybody
    Add(DeviceAddArgs),
    /// Remove devices: revoke their logins and close their connections
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Give devices, the backend (sos_service) or the bridge (sos_bridge) new passwords
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
    /// The user who owns it
    #[arg(long, value_name = "USER", requires = "id")]
    pub owner: Option<String>,
    /// Add many devices from a CSV file (id,owner) or a YAML list of {id, owner}; - reads CSV from stdin
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
    /// How long to wait for them to be proven ready
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// List the stack's images: whether they are on this machine, size, id and digest
    #[command(visible_alias = "ls")]
    List,
    /// Save the stack's images to one file, pulling missing ones first
    Save {
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
    /// Load the images in such a file into Docker
    Load {
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Only show what would be removed
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// Also remove the stack's data and credentials; asks first
    #[arg(long, short = 'v')]
    pub volumes: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y', requires = "volumes")]
    pub yes: bool,
    /// Also remove a stack that another user of the same Docker made
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
