//! From MQTT to Kafka: what becomes of a message, and how it gets there without being lost.

pub mod record;
pub mod run;
