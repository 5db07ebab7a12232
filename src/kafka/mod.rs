//! Kafka's protocol: the only user of rdkafka.

pub mod access;
pub mod admin;
pub mod blocking;
pub mod cluster;
pub mod consume;
mod ends;
mod follow;
mod group;
pub mod groups;
mod limits;
mod member;
mod names;
mod native;
mod offsets;
mod passing;
mod past;
pub mod plan;
pub mod probe;
pub mod produce;
mod refusal;
pub mod sender;
mod topics;
mod troubles;

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

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
fn unreachable(error: &KafkaError, access: &access::Access, patience: Duration) -> Failure {
    let servers = access.servers.join(",");
    let cause = match error.rdkafka_error_code() {
        // The library's words for no broker that it could ask, also where somebody takes connections and says nothing.
        Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure) => {
            format!("Kafka at {servers} does not answer within {patience:?}")
        }
        Some(code) => format!("Kafka at {servers} does not answer: {code}"),
        None => format!("Kafka at {servers} does not answer: {error}"),
    };
    let remedy = if access.about.is_elsewhere() {
        Remedy::words("check the address, the network, and that the brokers run")
    } else {
        access.about.remedy("status")
    };
    Failure::Failed { cause, remedy }
}
