//! A cluster that does not answer.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::access::Access;
use crate::about::Remedy;
use crate::failure::Failure;

/// No broker answers.
pub(super) fn unreachable(error: &KafkaError, access: &Access, patience: Duration) -> Failure {
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
