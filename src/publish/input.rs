//! Where messages come from: one payload, or stdin's lines, as payloads or as envelopes.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::rate::Pace;
use super::rate::Rate;
use crate::address::Address;
use crate::filter::Query;
use crate::message::parse::Envelope;
use crate::message::{Broker, mqtt};
use crate::sending::{Batch, Ledger, Outgoing, OwnedHeaders};

/// Read at once; smaller than what the allocator would ask the kernel for each time.
const CHUNK: usize = 64 * 1024;
/// Messages handed over at once, at most.
const BATCH: usize = 1024;

/// What the input's lines are.
pub enum Source {
    /// Not stdin at all: this payload.
    Payload(Bytes),
    /// Each line is a payload.
    Lines,
    /// Each line is an envelope.
    Envelopes,
}

/// What the arguments say about all messages.
pub struct Template {
    /// Where they go; None leaves it to each envelope.
    pub target: Option<Address>,
    pub key: Option<Bytes>,
    /// Takes each message's key out of its payload.
    pub key_from: Option<Query>,
    pub headers: Arc<OwnedHeaders>,
    /// Over what an envelope says.
    pub qos: Option<u8>,
    pub retain: bool,
}

/// Where batches go.
pub struct Routes {
    pub kafka: Sender<Batch>,
    pub mqtt: Sender<Batch>,
}

/// Reads messages until the end of the input.
pub struct Input {
    pub source: Source,
    pub template: Template,
    pub rate: Option<Rate>,
    /// How often the whole input is sent.
    pub repeat: u64,
}

/// Whoever has read enough: nobody takes messages any more.
struct Gone;

struct Run<'a> {
    template: Template,
    topic: Option<(Broker, Arc<str>)>,
    pace: Option<Pace>,
    routes: Routes,
    kafka: Batch,
    mqtt: Batch,
    ledger: &'a Ledger,
    stop: &'a CancellationToken,
    number: u64,
}

impl Input {
    /// Blocks its thread until everything is handed over, nobody wants it, or `stop` is cancelled.
    /// Returns how many messages there were.
    ///
    /// # Errors
    /// When stdin cannot be read.
    pub fn run(self, routes: Routes, ledger: &Ledger, stop: &CancellationToken) -> Result<u64> {
        let topic = self.template.target.as_ref().map(|target| match target {
            Address::Kafka(topic) => (Broker::Kafka, Arc::from(topic.as_str())),
            Address::Mqtt(topic) => (Broker::Mqtt, Arc::from(topic.as_str())),
        });
        let mut run = Run {
            template: self.template,
            topic,
            pace: self.rate.map(Pace::new),
            routes,
            kafka: Batch::new(),
            mqtt: Batch::new(),
            ledger,
            stop,
            number: 0,
        };
        let keep = self.repeat > 1;
        let mut kept = Vec::new();
        match self.source {
            Source::Payload(payload) => {
                kept.push(payload);
                run.repeat(&kept, self.repeat, false);
            }
            source => {
                let is_envelope = matches!(source, Source::Envelopes);
                let mut each = |run: &mut Run<'_>, line: Bytes| {
                    if keep {
                        kept.push(line.clone());
                    }
                    run.take(line, is_envelope)
                };
                lines(&mut std::io::stdin().lock(), &mut run, &mut each)?;
                run.repeat(&kept, self.repeat - 1, is_envelope);
            }
        }
        Ok(run.number)
    }
}

/// Calls `each` for every line, and hands over whenever nothing more is there at once.
fn lines(
    input: &mut impl Read,
    run: &mut Run<'_>,
    each: &mut dyn FnMut(&mut Run<'_>, Bytes) -> Result<(), Gone>,
) -> Result<()> {
    let mut buffer = BytesMut::new();
    let mut searched = 0;
    loop {
        while let Some(found) = memchr::memchr(b'\n', &buffer[searched..]) {
            let mut line = buffer.split_to(searched + found + 1);
            searched = 0;
            line.truncate(line.len() - 1);
            if each(run, line.freeze()).is_err() {
                return Ok(());
            }
        }
        searched = buffer.len();
        if run.hand_over().is_err() {
            return Ok(());
        }
        let length = buffer.len();
        // Zeroed once for each chunk, as reading into uninitialised memory takes unsafe code.
        buffer.resize(length + CHUNK, 0);
        let read = input.read(&mut buffer[length..]).context("reading messages from stdin")?;
        buffer.truncate(length + read);
        if read == 0 {
            break;
        }
    }
    // A last line without an end is a line all the same.
    if buffer.has_remaining() && each(run, buffer.freeze()).is_ok() {
        let _ = run.hand_over();
    }
    Ok(())
}

impl Run<'_> {
    fn repeat(&mut self, kept: &[Bytes], times: u64, is_envelope: bool) {
        for _ in 0..times {
            for line in kept {
                if self.take(line.clone(), is_envelope).is_err() {
                    return;
                }
            }
        }
        let _ = self.hand_over();
    }

    fn take(&mut self, line: Bytes, is_envelope: bool) -> Result<(), Gone> {
        self.number += 1;
        if let Some(pace) = &mut self.pace {
            let wait = pace.wait();
            if !wait.is_zero() {
                self.hand_over()?;
                // Waiting is this thread's work here, and nobody waits for it.
                std::thread::sleep(wait);
            }
        }
        if self.stop.is_cancelled() {
            self.number -= 1;
            return Err(Gone);
        }
        let outgoing = if is_envelope { self.of_envelope(&line) } else { self.of_payload(line) };
        match outgoing {
            Err(problem) => self.ledger.refuse(self.number, &problem),
            Ok((broker, message)) => {
                let batch = if broker == Broker::Kafka { &mut self.kafka } else { &mut self.mqtt };
                batch.push(message);
                if batch.len() >= BATCH {
                    self.hand_over()?;
                }
            }
        }
        Ok(())
    }

    fn of_payload(&self, payload: Bytes) -> Result<(Broker, Outgoing), String> {
        let (broker, topic) = self.topic.clone().ok_or("there is no topic")?;
        let key = match &self.template.key_from {
            None => self.template.key.clone(),
            Some(query) => Some(query.text(&payload)?.into()),
        };
        let outgoing = Outgoing {
            number: self.number,
            topic,
            key,
            headers: Arc::clone(&self.template.headers),
            properties: None,
            qos: self.template.qos.unwrap_or(1),
            retain: self.template.retain,
            time: None,
            value: Some(payload),
        };
        Ok((broker, outgoing))
    }

    fn of_envelope(&self, line: &[u8]) -> Result<(Broker, Outgoing), String> {
        let envelope = Envelope::parse(line).map_err(|error| error.to_string())?;
        let (broker, topic) = match &self.topic {
            Some(known) => known.clone(),
            None => address(&envelope)?,
        };
        let properties = (!envelope.properties.is_empty()).then(|| Arc::new(envelope.properties));
        let mut headers = envelope.headers;
        headers.extend(self.template.headers.iter().cloned());
        let outgoing = Outgoing {
            number: self.number,
            topic,
            key: envelope.key.map(Bytes::from),
            headers: Arc::new(headers),
            properties,
            qos: self.template.qos.or(envelope.qos).unwrap_or(1),
            retain: self.template.retain || envelope.retained.unwrap_or(false),
            time: envelope.time,
            value: envelope.value.map(Bytes::from),
        };
        if broker == Broker::Mqtt {
            fits_mqtt(&outgoing)?;
        }
        Ok((broker, outgoing))
    }

    fn hand_over(&mut self) -> Result<(), Gone> {
        for (batch, route) in [(&mut self.kafka, &self.routes.kafka), (&mut self.mqtt, &self.routes.mqtt)] {
            if !batch.is_empty() && route.blocking_send(std::mem::take(batch)).is_err() {
                return Err(Gone);
            }
        }
        Ok(())
    }
}

fn address(envelope: &Envelope) -> Result<(Broker, Arc<str>), String> {
    let topic = envelope.topic.as_deref().ok_or("the envelope has no topic, and no target was given")?;
    let text = match envelope.broker {
        Some(Broker::Kafka) => format!("kafka:{topic}"),
        Some(Broker::Mqtt) => format!("mqtt:{topic}"),
        None => topic.to_owned(),
    };
    match Address::parse_single(&text).map_err(|failure| failure.to_string())? {
        Address::Kafka(topic) => Ok((Broker::Kafka, topic.into())),
        Address::Mqtt(topic) => Ok((Broker::Mqtt, topic.into())),
    }
}

/// What MQTT has no place for must not be dropped without a word, nor sent to a server that hangs up on it.
fn fits_mqtt(message: &Outgoing) -> Result<(), String> {
    if message.key.is_some() {
        return Err("MQTT messages have no key".to_owned());
    }
    if message.value.is_none() {
        return Err("MQTT has no null values".to_owned());
    }
    if message.headers.is_empty() && message.properties.is_none() {
        return Ok(());
    }
    let headers = message.headers.iter().map(|(name, value)| (name.as_slice().into(), value.as_deref())).collect();
    mqtt::message_problem(&headers, message.properties.as_deref()).map_or(Ok(()), Err)
}
