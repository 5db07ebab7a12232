//! What the library reports of each message, and into which ledger it goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;

use super::limits::Limits;
use crate::sending::Ledger;

/// What becomes of messages that were not handed to the library.
pub(super) const NOT_SENT: &str = "interrupted before it was sent";

/// Enters each delivery into the ledger.
#[derive(Clone)]
pub(super) struct Reports {
    pub(super) ledger: Arc<Ledger>,
    /// Bytes that wait for their acknowledgement.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) limits: Arc<Mutex<Limits>>,
}

// What the library logs goes to the crate `log`, which nobody listens to.
impl ClientContext for Reports {}

impl ProducerContext for Reports {
    /// The line's number; it fits wherever that many lines could be held.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let (Ok(message) | Err((_, message))) = result;
        let size = message.payload_len() + message.key_len();
        self.waiting.fetch_sub(size, Ordering::Relaxed);
        match result {
            Ok(message) => self.ledger.accept_at(message.partition(), message.offset()),
            Err((error, message)) => {
                let words = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::MessageSizeTooLarge) => self.limits().refusal(message.topic(), size),
                    _ => reason(error),
                };
                self.ledger.refuse(number as u64, &words);
            }
        }
    }
}

impl Reports {
    pub(super) fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message was not delivered, for people.
pub(super) fn reason(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageTimedOut) => "no acknowledgement came in time".to_owned(),
        Some(RDKafkaErrorCode::PurgeQueue) => NOT_SENT.to_owned(),
        Some(RDKafkaErrorCode::PurgeInflight) => "interrupted before it was acknowledged".to_owned(),
        Some(RDKafkaErrorCode::QueueFull) => "those before it were not acknowledged in time".to_owned(),
        Some(RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend) => {
            "not enough replicas are in sync".to_owned()
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}
