//! Kafka's protocol: the only user of rdkafka.

pub mod admin;
pub mod probe;
