//! Dead letters: the original bytes and why nothing else came of them.

use std::sync::Arc;

use bytes::Bytes;
use ring::digest::{SHA256, digest};

use super::{HEADER_OVERHEAD, Lane, Mapper, Passing, RECORD_OVERHEAD, Record, size_of_headers};
use crate::bridge::event_id::push_hex;
use crate::bridge::headers::Header;

/// What the headers about a beginning take, at most.
const ABOUT_BEGINNING: usize = 2 * HEADER_OVERHEAD + 28 + 20 + 64;

impl Mapper {
    /// The message as a dead letter.
    pub(super) fn dead_letter(&self, passing: &Passing<'_>, reason: &str) -> Record {
        let mut headers = self.common_headers(passing, 4);
        headers.push((Arc::clone(&self.names.route), Some(Bytes::copy_from_slice(passing.route.name.as_bytes()))));
        headers.push((Arc::clone(&self.names.reason), Some(Bytes::copy_from_slice(reason.as_bytes()))));
        let key = letter_key(passing);
        let taken = key.len() + RECORD_OVERHEAD + size_of_headers(&headers);
        let value = self.original(passing, taken, &mut headers);
        Record {
            // Whoever waits for an emergency does not wait for the dead letters' topic.
            lane: Lane::Rest,
            topic: Arc::clone(self.routes.dead_letters()),
            key,
            headers,
            value: Some(value),
            time: passing.received.at,
        }
    }

    /// The dead letter of a record that Kafka refuses for good.
    pub fn refused(&self, record: Record, reason: &str) -> Record {
        let Record { topic, key, mut headers, value, time, .. } = record;
        headers.push((Arc::clone(&self.names.topic), Some(Bytes::copy_from_slice(topic.as_bytes()))));
        headers.push((Arc::clone(&self.names.reason), Some(Bytes::copy_from_slice(reason.as_bytes()))));
        let taken = key.len() + RECORD_OVERHEAD + size_of_headers(&headers);
        let value = value.map(|value| self.bounded_original(&value, taken, &mut headers));
        Record { lane: Lane::Rest, topic: Arc::clone(self.routes.dead_letters()), key, headers, value, time }
    }

    /// The original bytes where a record has room for them beside what is `taken`; else their beginning, with headers that
    /// tell the size and the digest of all of them.
    pub(super) fn original(&self, passing: &Passing<'_>, taken: usize, headers: &mut Vec<Header>) -> Bytes {
        self.bounded_original(&passing.received.payload, taken, headers)
    }

    fn bounded_original(&self, payload: &Bytes, taken: usize, headers: &mut Vec<Header>) -> Bytes {
        let room = self.limits.record.saturating_sub(taken);
        if payload.len() <= room {
            return payload.clone();
        }
        let mut hex = Vec::with_capacity(64);
        push_hex(digest(&SHA256, payload).as_ref(), &mut hex);
        headers.push((Arc::clone(&self.names.size), Some(Bytes::from(payload.len().to_string()))));
        headers.push((Arc::clone(&self.names.digest), Some(Bytes::from(hex))));
        payload.slice(..room.saturating_sub(ABOUT_BEGINNING).min(payload.len()))
    }
}

/// Device or user, so that one's letters stay in order; an emergency's id would part them.
fn letter_key(passing: &Passing<'_>) -> Bytes {
    let part = passing.route.device.or(passing.route.user);
    let key = part.map_or(passing.received.topic.as_str(), |index| passing.parts.get(index));
    Bytes::copy_from_slice(key.as_bytes())
}
