//! From MQTT to Kafka: what becomes of a message, and how it gets there without being lost.

pub mod check;
pub mod event_id;
mod glance;
mod headers;
pub mod journal;
pub mod jq;
pub mod letters;
pub mod map;
pub mod owners;
pub mod record;
pub mod routes;
pub mod run;

pub use glance::plausible_time;
