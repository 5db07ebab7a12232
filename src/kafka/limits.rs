//! How large a message may be. Brokers are asked when there is a large one: most runs have none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use tokio_util::sync::CancellationToken;

use super::native::{Whose, setting};

/// Smaller ones are within the brokers' default, 1,048,588 bytes.
pub(super) const LARGE: usize = 900_000;
/// How long brokers may take to tell; without their answer they judge when they get the message.
const PATIENCE: Duration = Duration::from_secs(3);

/// What brokers said of their limits, in bytes.
#[derive(Default)]
pub(super) struct Limits {
    /// Of a batch as it is sent, compressed, in each topic that was asked for.
    topics: HashMap<Arc<str>, Option<u64>>,
    /// Of a whole request: on a larger one the broker hangs up without a word.
    request: Option<u64>,
    /// Brokers that did not answer once are not waited for again.
    gave_up: bool,
}

impl Limits {
    /// Asks once for each topic, by a client that is connected. Blocks its thread until `stop`.
    pub(super) fn learn<C: ClientContext>(&mut self, client: &Client<C>, topic: &Arc<str>, stop: &CancellationToken) {
        if !self.topics.contains_key(topic) {
            let most = self.ask(client, Whose::Topic(topic), "max.message.bytes", stop);
            self.topics.insert(Arc::clone(topic), most);
        }
    }

    /// As [`Limits::learn`], how large a request may be. `broker` is one of the cluster.
    pub(super) fn learn_request<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        broker: Option<i32>,
        stop: &CancellationToken,
    ) {
        if let (None, Some(id)) = (self.request, broker) {
            self.request = self.ask(client, Whose::Broker(id), "socket.request.max.bytes", stop);
        }
    }

    fn ask<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        whose: Whose<'_>,
        name: &str,
        stop: &CancellationToken,
    ) -> Option<u64> {
        if self.gave_up {
            return None;
        }
        let deadline = Instant::now() + PATIENCE;
        let answer = setting(client, whose, name, || stop.is_cancelled() || Instant::now() >= deadline);
        self.gave_up = answer.is_err();
        answer.ok()??.parse().ok()
    }

    /// How large a batch for this topic may be, where it is known.
    pub(super) fn of_batch(&self, topic: &str) -> Option<u64> {
        self.topics.get(topic).copied().flatten()
    }

    /// Why no broker can be sent a message of this size.
    pub(super) fn problem(&self, size: usize) -> Option<String> {
        let most = self.request.filter(|most| size as u64 > *most)?;
        Some(format!("it has {size} bytes, and a request to the brokers {most} at most (socket.request.max.bytes)"))
    }

    /// Why a topic did not take a message of this size.
    pub(super) fn refusal(&self, topic: &str, size: usize) -> String {
        let it = if size < LARGE && self.of_batch(topic).is_none() { "it, or its batch," } else { "it" };
        match self.of_batch(topic) {
            Some(most) => format!("{it} is larger than the topic allows (max.message.bytes {most})"),
            None => format!("{it} is larger than the topic allows (max.message.bytes)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_where_it_is_known() {
        let mut limits = Limits::default();
        assert_eq!(limits.problem(usize::MAX), None);
        assert_eq!(limits.refusal("a", LARGE), "it is larger than the topic allows (max.message.bytes)");
        assert_eq!(limits.refusal("a", 1), "it, or its batch, is larger than the topic allows (max.message.bytes)");
        limits.request = Some(104_857_600);
        limits.topics.insert(Arc::from("a"), Some(1_048_588));
        assert_eq!(limits.refusal("a", 1), "it is larger than the topic allows (max.message.bytes 1048588)");
        assert_eq!(limits.problem(104_857_600), None);
        assert!(limits.problem(104_857_601).unwrap().contains("socket.request.max.bytes"));
    }
}
