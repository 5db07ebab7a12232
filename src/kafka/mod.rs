//! Kafka's protocol: the only user of rdkafka.

pub mod access;
pub mod admin;
mod away;
pub mod blocking;
mod client;
mod cluster;
pub mod cluster_id;
pub mod consume;
mod ends;
mod follow;
mod group;
pub mod groups;
mod lanes;
mod limits;
mod member;
mod names;
mod native;
mod offsets;
mod passing;
mod past;
pub mod plan;
pub mod probe;
pub mod produce;
mod refusal;
pub mod relay;
mod reports;
pub mod sender;
mod topics;
mod troubles;
mod unknown;
mod unreachable;
mod views;

pub use unknown::unknown_topic;
