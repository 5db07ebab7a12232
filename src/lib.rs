//! sosstack: the messaging layer of a personal-safety platform, on a laptop.
//!
//! ```text
//! stack file ─┐
//! seed-data ──┴─► Stack ─► config files ─► Workloads ─┬─► runtime (docker | process) ─► ready ─► seed
//!                                                     ├─► export compose
//!                                                     └─► export k8s ─► kubectl apply ─► verify k8s
//! addresses + credentials ─► kafka / mqtt clients ─► pub · sub · tail
//! running stack ─► observe ─► ready · status · doctor
//! ```
//!
//! | room | what lives there |
//! |---|---|
//! | [`stack`] | the model: seed data, the user's file, validation |
//! | [`config`] | `Stack` → text of configuration files; pure |
//! | [`workload`], [`target`] | what to run, as plain data, and where |
//! | [`runtime`] | the trait that two real ones have: Docker (only bollard user) and plain processes |
//! | [`observe`] | one look at a running stack, and what follows from it: quorum, replicas, health |
//! | [`lifecycle`] | up, down, status, ready, seed; knows no runtime |
//! | [`doctor`] | what is wrong with this machine or a stack, and its remedy |
//! | [`secrets`] | accounts, the local certificate authority; the type that does not print |
//! | [`kafka`], [`mqtt`], [`zookeeper`] | the three protocols; the only rdkafka and rumqttc users |
//! | [`message`], [`stream`], [`place`], [`pattern`], [`duration`] | the envelope; what readers tell, and to whom; places, patterns and durations, as people write them |
//! | [`publish`], [`reading`], [`filter`], [`reach`] | the engines of pub, sub and tail: sending with a ledger, the merged stream; what is wanted; whose brokers |
//! | [`bridge`] | what becomes of an MQTT message in Kafka |
//! | [`export`], [`verify`] | the same stack as files for others, pure but for the directory; whether what came of them works |
//! | [`event`], [`ui`] | what work reports, and the only code that prints |
//! | [`failure`], [`about`], [`shutdown`], [`memory`], [`paths`], [`memo`], [`endpoints`], [`contexts`] | exit codes; remedies, and whom a command is about; signals; the allocator; files; what a stack remembers; addresses |
//! | [`cli`], [`commands`] | clap types; one file a verb |

pub mod about;
pub mod address;
pub mod bridge;
pub mod cli;
pub mod commands;
pub mod config;
pub mod contexts;
pub mod doctor;
pub mod duration;
pub mod endpoints;
pub mod event;
pub mod export;
pub mod failure;
pub mod filter;
pub mod kafka;
pub mod lifecycle;
pub mod memo;
pub mod memory;
pub mod message;
pub mod mqtt;
pub mod observe;
pub mod paths;
pub mod pattern;
pub mod place;
pub mod publish;
pub mod reach;
pub mod reading;
pub mod runtime;
pub mod secrets;
pub mod sending;
pub mod shutdown;
pub mod similar;
pub mod stack;
pub mod stream;
pub mod target;
pub mod ui;
pub mod verify;
pub mod workload;
pub mod zookeeper;
