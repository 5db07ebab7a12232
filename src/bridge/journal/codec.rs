//! A record as the body of an entry, and back.
//!
//! ```text
//! layout 1 · time 8 · topic · key · value? · number of headers 2 · (name · value?)…
//! ```
//! A text or byte string is its length (4) and its bytes; what may be absent has the length `0xffff_ffff` then.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::bridge::record::{Lane, Record};

const LAYOUT: u8 = 1;
const ABSENT: u32 = u32::MAX;

/// The time of a body, without reading the rest; 0 where there is none. Bodies of every kind have it after the layout.
pub(super) fn time(body: &[u8]) -> i64 {
    body.get(1..9).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().expect("eight bytes")))
}

/// How many bytes [`encode`] will append.
pub(super) fn encoded_len(record: &Record) -> usize {
    let optional = |value: &Option<Bytes>| 4 + value.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter().map(|(name, value)| 4 + name.len() + optional(value));
    1 + 8 + 4 + record.topic.len() + 4 + record.key.len() + optional(&record.value) + 2 + headers.sum::<usize>()
}

/// Appends the record's body to `out`.
pub(super) fn encode(out: &mut BytesMut, record: &Record) {
    out.put_u8(LAYOUT);
    out.put_i64_le(record.time);
    put(out, Some(record.topic.as_bytes()));
    put(out, Some(&record.key));
    put(out, record.value.as_deref());
    out.put_u16_le(u16::try_from(record.headers.len()).expect("routes make a handful of headers"));
    for (name, value) in &record.headers {
        put(out, Some(name.as_bytes()));
        put(out, value.as_deref());
    }
}

fn put(out: &mut BytesMut, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        return out.put_u32_le(ABSENT);
    };
    out.put_u32_le(u32::try_from(bytes.len()).expect("MQTT packets are shorter than 256 MiB"));
    out.put_slice(bytes);
}

/// Reads records; the few topics and header names that there are take memory once.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    names: HashSet<Arc<str>>,
}

/// Routes have far fewer header names: any more come from damage, or from payloads.
const MOST_NAMES: usize = 1_000;

impl Decoder {
    /// None where the body is not a record, or of a layout that this version does not know.
    pub(super) fn decode(&mut self, lane: Lane, mut body: Bytes) -> Option<Record> {
        let body = &mut body;
        if body.try_get_u8().ok()? != LAYOUT {
            return None;
        }
        let time = body.try_get_i64_le().ok()?;
        let topic = self.name(&get(body)??)?;
        let key = get(body)??;
        let value = get(body)?;
        let count = body.try_get_u16_le().ok()?;
        let mut headers = Vec::with_capacity(usize::from(count.min(64)));
        for _ in 0..count {
            headers.push((self.name(&get(body)??)?, get(body)?));
        }
        body.is_empty().then_some(Record { lane, topic, key, headers, value, time })
    }

    fn name(&mut self, bytes: &Bytes) -> Option<Arc<str>> {
        let text = std::str::from_utf8(bytes).ok()?;
        if let Some(known) = self.names.get(text) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = text.into();
        if self.names.len() < MOST_NAMES {
            self.names.insert(Arc::clone(&name));
        }
        Some(name)
    }
}

/// The outer option is None where bytes are missing, the inner one where the value is absent.
#[expect(clippy::option_option, reason = "the two are told apart: damage and a null")]
fn get(body: &mut Bytes) -> Option<Option<Bytes>> {
    let length = body.try_get_u32_le().ok()?;
    if length == ABSENT {
        return Some(None);
    }
    let length = length as usize;
    (length <= body.len()).then(|| Some(body.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            lane: Lane::Alerts,
            topic: "device.alerts".into(),
            key: Bytes::from_static(b"device-1"),
            headers: vec![
                ("event-id".into(), Some(Bytes::from_static(b"7"))),
                ("trace".into(), None),
                ("empty".into(), Some(Bytes::new())),
            ],
            value: Some(Bytes::from_static(b"{}")),
            time: -1,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_nothing_shorter_is_one() {
        for value in [None, Some(Bytes::new()), Some(Bytes::from_static(b"\0\xff"))] {
            let record = Record { value, ..record() };
            let mut out = BytesMut::new();
            encode(&mut out, &record);
            assert_eq!(out.len(), encoded_len(&record));
            let body = out.freeze();
            let mut decoder = Decoder::default();
            assert_eq!(decoder.decode(Lane::Alerts, body.clone()), Some(record));
            for length in 0..body.len() {
                assert_eq!(decoder.decode(Lane::Alerts, body.slice(..length)), None, "{length}");
            }
        }
    }
}
