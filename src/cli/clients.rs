//! Which cluster clients speak to, and arguments of group and context.

#![allow(clippy::doc_markdown, reason = "these are help texts, shown as they stand")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::kafka::access::Mechanism;
use crate::place::From;

/// Another cluster than the local stack.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Other clusters than the local stack")]
pub struct ClusterArgs {
    /// A cluster added with sosstack context add; "local" is the local stack [default: the one set with context use]
    #[arg(long, value_name = "NAME", global = true, env = "SOSSTACK_CONTEXT", conflicts_with_all = ["bootstrap", "mqtt"])]
    pub context: Option<String>,
    /// Kafka bootstrap servers
    #[arg(long, value_name = "HOST:PORT,…", global = true, value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// MQTT server: mqtt://USER@HOST:1883 or mqtts://USER@HOST:8883; the password is read from SOSSTACK_MQTT_PASSWORD
    #[arg(long, value_name = "URL", global = true)]
    pub mqtt: Option<String>,
    /// CA certificate for mqtts:// and --kafka-tls, as a PEM file
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
}

/// How Kafka's brokers are spoken to.
#[derive(Debug, Clone, Default, Args)]
pub struct KafkaArgs {
    /// SASL user; the password is read from SOSSTACK_KAFKA_PASSWORD
    #[arg(long, value_name = "USER", global = true, requires = "bootstrap")]
    pub kafka_user: Option<String>,
    /// SASL mechanism [default: plain]
    #[arg(long, value_name = "MECHANISM", global = true, requires = "kafka_user")]
    pub kafka_sasl: Option<MechanismArg>,
    /// Connect over TLS; without --ca, the system's CA certificates are trusted
    #[arg(long, global = true, requires = "bootstrap")]
    pub kafka_tls: bool,
    /// Client certificate, if the brokers require one, as a PEM file
    #[arg(long, value_name = "FILE", global = true, requires_all = ["kafka_tls", "kafka_key"])]
    pub kafka_cert: Option<PathBuf>,
    /// Private key of the client certificate, as a PEM file
    #[arg(long, value_name = "FILE", global = true, requires = "kafka_cert")]
    pub kafka_key: Option<PathBuf>,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MechanismArg {
    /// The password itself, in clear text without TLS
    Plain,
    #[value(name = "scram-sha-256")]
    ScramSha256,
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

impl std::convert::From<MechanismArg> for Mechanism {
    fn from(argument: MechanismArg) -> Self {
        match argument {
            MechanismArg::Plain => Self::Plain,
            MechanismArg::ScramSha256 => Self::ScramSha256,
            MechanismArg::ScramSha512 => Self::ScramSha512,
        }
    }
}

#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(subcommand)]
    pub command: GroupCommand,
}

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List consumer groups with members and lag
    #[command(visible_alias = "ls")]
    List,
    /// Show a group's members, and its offset and lag in each partition
    Describe {
        #[arg(value_name = "GROUP")]
        name: String,
    },
    /// Reset the offsets of a group that has no members; shows the plan first
    Reset(ResetArgs),
}

#[derive(Debug, Clone, Args)]
pub struct ResetArgs {
    #[arg(value_name = "GROUP")]
    pub name: String,
    /// Where to: beginning, now, a duration ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset
    #[arg(long, value_name = "PLACE")]
    pub to: From,
    /// Only this topic; may be repeated [default: all topics in which the group has committed offsets]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Add a cluster under a name, or change it
    Add(AddArgs),
    /// Make client commands use this cluster from now on; "local" is the local stack
    Use {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List clusters, marking the one in use
    #[command(visible_alias = "ls")]
    List,
    /// Remove a cluster from the list
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("brokers").required(true).multiple(true).args(["bootstrap", "mqtt"]))]
pub struct AddArgs {
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Kafka bootstrap servers
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// File that holds the password, with mode 0600 [default: the variable SOSSTACK_KAFKA_PASSWORD_ followed by the
    /// context's name in capitals]
    #[arg(long, value_name = "FILE", requires = "kafka_user")]
    pub kafka_password_file: Option<PathBuf>,
    /// MQTT server: mqtt://USER@HOST:1883 or mqtts://USER@HOST:8883
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
    /// File that holds the password, with mode 0600 [default: the variable SOSSTACK_MQTT_PASSWORD_ followed by the
    /// context's name in capitals]
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    pub mqtt_password_file: Option<PathBuf>,
    /// CA certificate for mqtts:// and --kafka-tls, as a PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}
