//! Kafka's protocol: the only user of rdkafka.

pub mod access;
pub mod admin;
pub mod blocking;
pub mod consume;
mod follow;
pub mod group;
pub mod groups;
mod leaders;
mod limits;
pub mod offsets;
mod past;
pub mod probe;
pub mod produce;
mod refusal;

use crate::about::{About, Remedy};
use crate::failure::Failure;

/// The beginning of every client's settings.
///
/// OpenSSL is made ready here, before the library does it: its own way tears OpenSSL down when the process exits, under
/// threads of clients that were let go of, and one that logs in just then would crash.
fn client_config() -> rdkafka::ClientConfig {
    openssl_sys::init();
    rdkafka::ClientConfig::new()
}

/// Lets go of a client without waiting: each of the library's threads may take 100 ms to notice.
fn let_go(client: impl Send + 'static) {
    // Without a thread it is let go of here, and waited for.
    let _ = std::thread::Builder::new().name("leaving".to_owned()).spawn(move || drop(client));
}

/// A topic that does not exist, and the one that was probably meant.
pub fn unknown_topic<'a>(about: &About, name: &str, existing: impl Iterator<Item = &'a str>) -> Failure {
    let visible = existing.filter(|topic| !topic.starts_with("__"));
    let hint = crate::similar::similar(name, visible).map(|topic| format!("did you mean {topic}? "));
    Failure::Failed {
        cause: format!("there is no topic {name:?}"),
        remedy: Remedy::words(format!("{}{} shows all", hint.unwrap_or_default(), about.command("topic list"))),
    }
}

/// No broker answers.
fn unreachable(error: &anyhow::Error, access: &access::Access) -> Failure {
    Failure::Failed {
        cause: format!("Kafka does not answer at {}: {}", access.servers.join(","), error.root_cause()),
        remedy: if access.about.is_elsewhere() {
            Remedy::words("check the address, the network, and that the brokers run")
        } else {
            access.about.remedy("status")
        },
    }
}
