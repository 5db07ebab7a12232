//! MQTT 5: the only user of rumqttc.

pub mod access;
pub mod connection;
pub mod keep_alive;
pub mod link;
pub mod probe;
pub mod publish;
pub mod subscribe;
