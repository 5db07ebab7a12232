//! MQTT 5: the only user of rumqttc.

pub mod connection;
pub mod probe;
pub mod publish;
pub mod subscribe;
