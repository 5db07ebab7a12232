//! The bridge at work: from Mosquitto's session through lanes to Kafka, or to the journal while Kafka is away.

pub mod acks;
pub mod attend;
pub mod counts;
pub mod doubts;
pub mod effect;
pub mod engine;
pub mod flying;
pub mod happening;
pub mod health;
pub mod identity;
pub mod lane;
pub mod line;
pub mod mapping;
pub mod metrics;
pub mod notes;
pub mod parts;
pub mod probe;
pub mod service;
pub mod session;
pub mod status;
pub mod status_message;
pub mod status_progress;
pub mod subscriptions;
pub mod upkeep;
pub mod uplink;
pub mod watchdog;
