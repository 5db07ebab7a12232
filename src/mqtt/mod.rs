//! MQTT 5: the only user of rumqttc.

pub mod access;
mod backoff;
pub mod filters;
mod flight;
mod hung_up;
pub mod keep_alive;
pub mod link;
pub mod probe;
mod properties;
pub mod publish;
pub mod sender;
pub mod subscribe;
mod websocket;
