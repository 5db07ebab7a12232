//! The bridge at work: from Mosquitto's session through lanes to Kafka, or to the journal while Kafka is away.

pub mod acks;
pub mod health;
mod counts;
pub mod engine;
pub mod happening;
mod identity;
pub mod lane;
pub mod metrics;
pub mod watchdog;
