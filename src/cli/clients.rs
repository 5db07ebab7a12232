//! Which cluster clients speak to, and arguments of group and context.

#![allow(clippy::doc_markdown, reason = "these are help texts, shown as they stand")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::kafka::access::Mechanism;
use crate::place::From;

/// Another cluster than the local stack.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Another cluster than the local stack")]
pub struct ClusterArgs {
    /// A cluster that sosstack context add has named; "local" is the local stack [default: what context use has set]
    #[arg(long, value_name = "NAME", global = true, env = "SOSSTACK_CONTEXT", conflicts_with_all = ["bootstrap", "mqtt"])]
    pub context: Option<String>,
    /// Kafka brokers
    #[arg(long, value_name = "HOST:PORT,…", global = true, value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The MQTT server: mqtt://USER@HOST:1883 or mqtts://USER@HOST:8883; the password comes from SOSSTACK_MQTT_PASSWORD
    #[arg(long, value_name = "URL", global = true)]
    pub mqtt: Option<String>,
    /// The authority's certificate for mqtts:// and --kafka-tls, as a PEM file
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
}

/// How Kafka's brokers are spoken to.
#[derive(Debug, Clone, Default, Args)]
pub struct KafkaArgs {
    /// Who logs in by SASL; the password comes from SOSSTACK_KAFKA_PASSWORD
    #[arg(long, value_name = "USER", global = true, requires = "bootstrap")]
    pub kafka_user: Option<String>,
    /// How the password is proven [default: plain]
    #[arg(long, value_name = "MECHANISM", global = true, requires = "kafka_user")]
    pub kafka_sasl: Option<MechanismArg>,
    /// Over TLS; without --ca, authorities that the system knows are trusted
    #[arg(long, global = true, requires = "bootstrap")]
    pub kafka_tls: bool,
    /// Our own certificate, where brokers ask for one, as a PEM file
    #[arg(long, value_name = "FILE", global = true, requires_all = ["kafka_tls", "kafka_key"])]
    pub kafka_cert: Option<PathBuf>,
    /// The key of that certificate, as a PEM file
    #[arg(long, value_name = "FILE", global = true, requires = "kafka_cert")]
    pub kafka_key: Option<PathBuf>,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MechanismArg {
    /// The password itself: in the clear without TLS
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
    /// Show one group: how far it is in each partition, and who reads it
    Describe {
        #[arg(value_name = "GROUP")]
        name: String,
    },
    /// Move a group that has no members; shows the plan first
    Reset(ResetArgs),
}

#[derive(Debug, Clone, Args)]
pub struct ResetArgs {
    #[arg(value_name = "GROUP")]
    pub name: String,
    /// beginning, now, how long ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset
    #[arg(long, value_name = "PLACE")]
    pub to: From,
    /// Only this topic; may be repeated [default: those in which the group has committed something]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Name another cluster, or name it anew
    Add(AddArgs),
    /// Let client commands speak to it from now on; "local" is the local stack
    Use {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List clusters; the one in use is marked
    #[command(visible_alias = "ls")]
    List,
    /// Forget a cluster
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
    /// Kafka brokers
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Holds its password, of mode 0600 [default: the variable SOSSTACK_KAFKA_PASSWORD_ and the context's name in capitals]
    #[arg(long, value_name = "FILE", requires = "kafka_user")]
    pub kafka_password_file: Option<PathBuf>,
    /// The MQTT server: mqtt://USER@HOST:1883 or mqtts://USER@HOST:8883
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
    /// Holds its password, of mode 0600 [default: the variable SOSSTACK_MQTT_PASSWORD_ and the context's name in capitals]
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    pub mqtt_password_file: Option<PathBuf>,
    /// The authority's certificate for mqtts:// and --kafka-tls, as a PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}
