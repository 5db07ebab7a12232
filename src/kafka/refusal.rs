//! Why a cluster does not let us in, in words.
//!
//! The library tells the reason to whoever listens for its events; who only waits for an answer sees it time out.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::access::Access;
use super::client::let_go;
use super::names::unknown;
use super::troubles::innermost;
use crate::about::Remedy;
use crate::failure::Failure;

/// How long reasons are listened for. A connection is refused within milliseconds.
const LISTEN: Duration = Duration::from_secs(2);

/// What stands between us and a cluster that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Login,
    Certificate,
    /// Ours is missing, or not one that it trusts.
    Identity,
    /// It hangs up on what we say.
    Language,
    /// A name of its own that this machine does not know.
    Name,
    /// A name that was given to us is not known.
    Address,
}

/// Why a cluster does not answer.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// No patience helps. A broker that only hangs up may be starting behind a proxy, as in Docker.
    pub(super) is_final: bool,
}

/// Keeps the first reason.
#[derive(Default)]
struct Listener {
    heard: Mutex<Option<(Obstacle, String)>>,
}

impl ClientContext for Listener {
    /// To the library it is not an error that a broker hangs up, as it may do so to whoever is idle.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, message: &str) {
        if message.contains("closed by peer") && message.contains("APIVERSION_QUERY") {
            self.hear(Obstacle::Language, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(obstacle) = obstacle(error.rdkafka_error_code(), reason) {
            self.hear(obstacle, reason);
        }
    }
}

impl ConsumerContext for Listener {}

impl Listener {
    fn hear(&self, obstacle: Obstacle, reason: &str) {
        if let Ok(mut heard) = self.heard.lock() {
            heard.get_or_insert((obstacle, reason.to_owned()));
        }
    }
}

fn obstacle(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Obstacle> {
    match code? {
        // TLS's alerts 42 and 116 (RFC 8446), which the other side sends.
        _ if reason.contains("alert bad certificate") || reason.contains("certificate required") => {
            Some(Obstacle::Identity)
        }
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => Some(Obstacle::Login),
        RDKafkaErrorCode::Resolve if reason.contains("/bootstrap: ") => Some(Obstacle::Address),
        RDKafkaErrorCode::Resolve => Some(Obstacle::Name),
        RDKafkaErrorCode::SSL if reason.contains("certificate") => Some(Obstacle::Certificate),
        RDKafkaErrorCode::SSL => Some(Obstacle::Language),
        // What the library guesses when a broker hangs up in the middle of the first exchange.
        _ if reason.contains("security.protocol") => Some(Obstacle::Language),
        _ => None,
    }
}

/// Why this cluster does not let us in; None where it gave no reason within `patience`.
pub(super) fn refusal(access: &Access, patience: Duration) -> Option<Refusal> {
    let consumer: BaseConsumer<Listener> = access
        .config()
        .set("group.id", "sosstack-reader")
        .set("log_level", "6")
        .set_log_level(RDKafkaLogLevel::Info)
        .create_with_context(Listener::default())
        .ok()?;
    let deadline = Instant::now() + LISTEN.min(patience);
    let mut heard = None;
    while heard.is_none() && Instant::now() < deadline {
        let _ = consumer.poll(Duration::from_millis(20));
        heard = consumer.context().heard.lock().ok().and_then(|heard| heard.clone());
    }
    let_go(consumer);
    heard.map(|(obstacle, reason)| Refusal {
        failure: failure(access, obstacle, &reason),
        is_final: !matches!(obstacle, Obstacle::Language | Obstacle::Address),
    })
}

fn failure(access: &Access, obstacle: Obstacle, reason: &str) -> Failure {
    let (servers, reason) = (access.servers.join(","), innermost(reason));
    match obstacle {
        Obstacle::Login => {
            let (user, mechanism, from) = access.login.as_ref().map_or(("nobody", "none", "--kafka-user"), |login| {
                (login.username.as_str(), login.mechanism.as_str(), login.password_from.as_str())
            });
            Failure::Failed {
                cause: format!("Kafka at {servers} refuses the login of {user} ({mechanism}): {reason}"),
                remedy: Remedy::words(format!("check the password in {from}, and --kafka-sasl")),
            }
        }
        Obstacle::Name => unknown(access, &[name(reason)], why(reason)),
        Obstacle::Address => Failure::Failed {
            cause: format!("Kafka at {servers} cannot be found: {reason}"),
            remedy: Remedy::words("check the address in --bootstrap, or in the context"),
        },
        Obstacle::Certificate => Failure::Failed {
            cause: format!("Kafka at {servers} presents an untrusted certificate: {reason}"),
            remedy: Remedy::words(
                "name the CA that signed it with --ca FILE; the certificate must contain the broker's name",
            ),
        },
        Obstacle::Identity => Failure::Failed {
            cause: format!("Kafka at {servers} requires a client certificate that it trusts: {reason}"),
            remedy: Remedy::words(
                "give one with --kafka-cert FILE and --kafka-key FILE, signed by a CA that the brokers trust",
            ),
        },
        Obstacle::Language => Failure::Failed {
            cause: format!("Kafka at {servers} closes the connection over {}: {reason}", access.protocol()),
            remedy: match (&access.tls, access.about.is_elsewhere()) {
                (None, true) => {
                    Remedy::words("if it uses TLS, add --kafka-tls; if it requires a login, add --kafka-user USER")
                }
                (None, false) => access.about.remedy("status").then(" shows whether it is starting"),
                (Some(_), _) => {
                    Remedy::words("if that port does not use TLS, leave out --kafka-tls or name the TLS port")
                }
            },
        },
    }
}

/// Of "Failed to resolve 'host:port': reason".
fn name(reason: &str) -> &str {
    reason.split('\'').nth(1).unwrap_or(reason)
}

fn why(reason: &str) -> &str {
    reason.rsplit_once("': ").map_or(reason, |(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_the_library_says_them() {
        let login = "sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed \
                     (after 12ms in state AUTH_REQ)";
        assert_eq!(obstacle(Some(RDKafkaErrorCode::Authentication), login), Some(Obstacle::Login));
        let unknown =
            "ssl://127.0.0.1:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate";
        assert_eq!(obstacle(Some(RDKafkaErrorCode::BrokerTransportFailure), unknown), Some(Obstacle::Identity));
        let resolved = "kafka-0.invalid:9092/0: Failed to resolve 'kafka-0.invalid:9092': Name or service not known";
        assert_eq!(obstacle(Some(RDKafkaErrorCode::Resolve), resolved), Some(Obstacle::Name));
        assert_eq!(name(innermost(resolved)), "kafka-0.invalid:9092");
        assert_eq!(why(innermost(resolved)), "Name or service not known");
        let given = "kafka.invalid:1/bootstrap: Failed to resolve 'kafka.invalid:1': Name or service not known";
        assert_eq!(obstacle(Some(RDKafkaErrorCode::Resolve), given), Some(Obstacle::Address));
        let refused = "localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        assert_eq!(obstacle(Some(RDKafkaErrorCode::BrokerTransportFailure), refused), None);
    }
}
