//! The floors of the design, and what only some may use: data.

/// The rooms, the lowest floor first. A room uses rooms of lower floors and of its own, without a circle. Rooms that are
/// to come have their floor already.
pub const FLOORS: [&[&str]; 10] = [
    &["about", "duration", "failure", "memory", "pattern", "shutdown", "similar"],
    &[
        "address",
        "endpoints",
        "event",
        "filter",
        "memo",
        "message",
        "paths",
        "place",
        "secrets",
        "sending",
        "stack",
        "stream",
        "target",
    ],
    &["config", "kafka", "mqtt", "workload", "zookeeper"],
    &["alarm", "contexts", "publish", "reach", "reading", "runtime"],
    &["lifecycle", "observe"],
    &["bridge", "chaos", "doctor", "export", "exporter", "ledger", "simulate", "trace", "verify"],
    &["web"],
    &["cli", "ui"],
    &["commands"],
    &["main"],
];

/// What only some may use: a crate or modules of ours, and the modules that may, each with all below it.
pub struct Reserved {
    pub what: What,
    pub users: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    Crate(&'static str),
    /// And those below it.
    Module(&'static str),
}

pub const RESERVED: [Reserved; 10] = [
    Reserved { what: What::Crate("rdkafka"), users: &["kafka"] },
    Reserved { what: What::Crate("rumqttc"), users: &["mqtt"] },
    Reserved { what: What::Crate("bollard"), users: &["runtime::docker"] },
    Reserved { what: What::Crate("clap"), users: &["cli", "commands", "main"] },
    Reserved { what: What::Crate("clap_complete"), users: &["cli", "commands"] },
    Reserved { what: What::Crate("indicatif"), users: &["ui"] },
    Reserved { what: What::Crate("anstream"), users: &["ui"] },
    Reserved { what: What::Module("cli"), users: &["commands", "main"] },
    // Whoever works on stacks does so on either runtime alike.
    Reserved { what: What::Module("runtime::docker"), users: &["runtime", "doctor", "commands"] },
    Reserved { what: What::Module("runtime::process"), users: &["runtime", "doctor", "commands"] },
];
