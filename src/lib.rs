//! sosstack: the messaging layer of a personal-safety platform, on a laptop.
//!
//! ```text
//! stack file ─┐
//! seed-data ──┴─► Stack ─► config files ─► Workloads ─┬─► runtime (docker | process) ─► ready ─► seed
//!                                                     ├─► export compose
//!                                                     └─► export k8s ─► kubectl apply ─► verify k8s
//! addresses + credentials ─► kafka / mqtt clients ─► pub · sub · tail · trace
//! running stack ─► observe ─► ready · status · doctor
//! ```
//!
//! Rooms by floors, from the top down: each uses lower floors and its own, and none uses one that uses it
//! (`tests/floors` holds that, for rooms and for files).
//!
//! | rooms | what lives there |
//! |---|---|
//! | [`commands`] | one file a verb: from arguments to a call |
//! | [`cli`], [`ui`] | clap types; the only code that prints |
//! | [`doctor`] | what is wrong with this machine or a stack, and its remedy |
//! | [`export`], [`verify`] | the same stack as files for others, pure but for the directory; whether what came of them works |
//! | [`bridge`] | what becomes of an MQTT message in Kafka, and how it gets there without being lost |
//! | [`simulate`], [`ledger`] | believable devices; what was acknowledged to them, and whether Kafka has it |
//! | [`trace`] | the way of one press, hop by hop, and which hop did not come |
//! | [`lifecycle`] | up, down, status, ready, seed; knows no runtime |
//! | [`observe`] | one look at a running stack, and what follows from it: quorum, replicas, health |
//! | [`runtime`] | the trait that two real ones have: Docker (only bollard user) and plain processes; bridges beside either |
//! | [`publish`], [`reading`] | from lines to acknowledged messages; from both brokers into one stream |
//! | [`contexts`], [`reach`], [`alarm`] | other clusters by name; whose brokers a client speaks to; where emergencies have to be meant |
//! | [`config`] | `Stack` → text of configuration files; pure |
//! | [`workload`] | what to run, as plain data |
//! | [`kafka`], [`mqtt`], [`zookeeper`] | the three protocols; the only rdkafka and rumqttc users |
//! | [`stack`] | the model: seed data, the user's file, validation; each fact once: ports, names, images, sizes, naming rules, MQTT topics |
//! | [`target`], [`paths`], [`memo`], [`secrets`] | where a stack runs; this user's files; what a stack remembers; accounts, the local certificate authority; the type that does not print |
//! | [`message`], [`filter`] | the envelope; which messages are wanted |
//! | [`stream`], [`sending`] | what readers tell, and to whom; messages on their way to publishers, and what became of each |
//! | [`address`], [`place`] | topics and filters, places in a topic, as people write them |
//! | [`event`], [`endpoints`] | what work reports; how a stack is reached |
//! | [`failure`], [`about`], [`shutdown`] | exit codes; remedies, and whom a command is about; signals |
//! | [`duration`], [`pattern`], [`similar`], [`memory`] | durations, patterns and slips, as people type them; the allocator |

pub mod about;
pub mod address;
pub mod alarm;
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
pub mod ledger;
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
pub mod simulate;
pub mod stack;
pub mod stream;
pub mod target;
pub mod trace;
pub mod ui;
pub mod verify;
pub mod workload;
pub mod zookeeper;
