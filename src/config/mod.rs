//! Configuration files as text: pure functions of the stack and of where it runs.

pub mod jvm;
pub mod kafka;
pub mod mosquitto;
pub mod properties;
pub mod zookeeper;
