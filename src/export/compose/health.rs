//! Health checks, by programs that the official images have.
//!
//! Every ten seconds: Docker before 25 knows no shorter interval while a service starts, and a check is a process. No
//! service waits for them: topics are made as soon as brokers answer, and take longer than the first check.

use std::path::{Path, PathBuf};

use super::model::HealthCheck;
use crate::stack::image;
use crate::stack::ports::PortName;

pub(super) const MOSQUITTO_SCRIPT: &str = include_str!("scripts/mosquitto-healthy.sh");

/// Where it lies.
pub(super) fn mosquitto_script() -> PathBuf {
    Path::new(image::OWN_CONFIG).join("mosquitto-healthy.sh")
}

/// The node is part of a quorum: without one it answers, but names no mode.
pub(super) fn zookeeper() -> HealthCheck {
    let port = PortName::Zookeeper.number();
    check(&["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo srvr >&3 && grep -q ^Mode: <&3")])
}

/// The broker listens, which it does once it is registered.
pub(super) fn kafka() -> HealthCheck {
    check(&["bash", "-c", &format!("</dev/tcp/127.0.0.1/{}", PortName::Kafka.number())])
}

/// Mosquitto let the probe in and a stranger not, and listens.
pub(super) fn mosquitto() -> HealthCheck {
    check(&["sh", &mosquitto_script().display().to_string()])
}

/// A press as the probe gets through to Kafka.
pub(super) fn bridge(addresses: &[String]) -> HealthCheck {
    let addresses = addresses.iter().map(String::as_str);
    check(&["sosstack", "bridge", "probe", "--timeout", "4s"].into_iter().chain(addresses).collect::<Vec<_>>())
}

fn check(command: &[&str]) -> HealthCheck {
    HealthCheck {
        test: std::iter::once("CMD").chain(command.iter().copied()).map(str::to_owned).collect(),
        interval: "10s",
        timeout: "5s",
        // Until then a failed check means nothing: logs may have to be recovered.
        start_period: "120s",
        retries: 3,
    }
}
