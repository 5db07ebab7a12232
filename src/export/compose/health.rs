//! Health checks, by programs that the official images have.
//!
//! Every ten seconds: Docker before 25 knows no shorter interval while a service starts, and a check is a process. No
//! service waits for them: topics are made as soon as brokers answer, and take longer than the first check.

use super::model::HealthCheck;
use crate::config::kafka::INTERNAL_PORT;

pub(super) const MOSQUITTO_SCRIPT: &str = include_str!("scripts/mosquitto-healthy.sh");
pub(super) const MOSQUITTO_SCRIPT_PATH: &str = "/etc/sosstack/mosquitto-healthy.sh";

/// The node is part of a quorum: without one it answers, but names no mode.
pub(super) fn zookeeper() -> HealthCheck {
    check(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && grep -q ^Mode: <&3"])
}

/// The broker listens, which it does once it is registered.
pub(super) fn kafka() -> HealthCheck {
    check(&["bash", "-c", &format!("</dev/tcp/127.0.0.1/{INTERNAL_PORT}")])
}

/// Mosquitto let the probe in and a stranger not, and listens.
pub(super) fn mosquitto() -> HealthCheck {
    check(&["sh", MOSQUITTO_SCRIPT_PATH])
}

fn check(command: &[&str]) -> HealthCheck {
    HealthCheck {
        test: std::iter::once("CMD").chain(command.iter().copied()).map(str::to_owned).collect(),
        interval: "10s",
        timeout: "5s",
        // Until then a failed check is no sign of anything: logs may have to be recovered.
        start_period: "120s",
        retries: 3,
    }
}
