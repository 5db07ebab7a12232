//! MQTT 5: the only user of rumqttc.

pub mod access;
pub mod backoff;
pub mod filters;
mod flight;
pub mod hello;
mod hung_up;
pub mod inbox;
pub mod keep_alive;
pub mod link;
pub mod probe;
mod properties;
pub mod publish;
pub mod sender;
pub mod subscribe;
mod websocket;
