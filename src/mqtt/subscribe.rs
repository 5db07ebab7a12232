//! A subscription that survives the loss of its connection, and says so.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use rumqttc::v5::Event as MqttEvent;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};

use tokio_util::sync::CancellationToken;

use super::connection::{Connection, is_connack};
use crate::message::{Broker, Message, Received, Sink};

/// How long the server may take to end the connection when we leave.
const CLOSING: Duration = Duration::from_secs(2);
/// Between attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Filters that were granted by the server.
pub struct Subscription {
    connection: Connection,
    filters: Vec<Filter>,
    /// Retained messages that overtook the acknowledgement of the subscription.
    early: VecDeque<Publish>,
    lost: bool,
}

impl Subscription {
    /// Subscribes with at most this QoS (0, 1 or 2) and waits until the server has granted it.
    ///
    /// # Errors
    /// When a filter is refused or the connection is lost.
    pub async fn new(connection: Connection, filters: &[String], qos: u8) -> Result<Self> {
        let qos = match qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let filters = filters.iter().map(|filter| Filter::new(filter.clone(), qos)).collect();
        let mut subscription = Self { connection, filters, early: VecDeque::new(), lost: false };
        subscription.subscribe().await?;
        Ok(subscription)
    }

    /// The next message, or that the connection was lost. It is made again when this is awaited again,
    /// for as long as it takes.
    ///
    /// # Errors
    /// When the server refuses to take the subscription again.
    pub async fn next(&mut self) -> Result<Received> {
        if let Some(message) = self.early.pop_front() {
            return Ok(Received::Message(envelope(message)));
        }
        if std::mem::take(&mut self.lost) {
            self.reconnect().await?;
            let words = "MQTT: connected again; messages sent in between may have been missed";
            return Ok(Received::Notice(words.to_owned()));
        }
        loop {
            match self.connection.next().await {
                Ok(MqttEvent::Incoming(Packet::Publish(message))) => return Ok(Received::Message(envelope(message))),
                Ok(_) => {}
                Err(error) => {
                    self.lost = true;
                    return Ok(Received::Notice(format!("MQTT: {error}; connecting again")));
                }
            }
        }
    }

    /// Sends everything into `sink` until `stop` is cancelled or nobody listens, then disconnects.
    pub async fn pump(mut self, sink: Sink, stop: CancellationToken) {
        loop {
            // The connection's loop must not be dropped half-way while it goes on: it is when it ends.
            let received = tokio::select! {
                () = stop.cancelled() => break,
                received = self.next() => received,
            };
            let failed = received.is_err();
            if sink.send(received).await.is_err() || failed {
                break;
            }
        }
        let _ = self.close(CLOSING).await;
    }

    /// Disconnects in order.
    ///
    /// # Errors
    /// When the server does not end the connection within `patience`.
    pub async fn close(self, patience: Duration) -> Result<()> {
        self.connection.close(patience).await
    }

    async fn reconnect(&mut self) -> Result<()> {
        while self.connection.wait_for(is_connack).await.is_err() {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
        self.subscribe().await
    }

    async fn subscribe(&mut self) -> Result<()> {
        self.connection.client.subscribe_many(self.filters.clone()).await.context("subscribing")?;
        loop {
            match self.connection.next().await.context("subscribing")? {
                MqttEvent::Incoming(Packet::SubAck(ack)) => {
                    let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                    let refused = ack.return_codes.iter().zip(&self.filters).find(|(code, _)| !granted(code));
                    return match refused {
                        None => Ok(()),
                        Some((code, filter)) => {
                            bail!("the server refuses the subscription to {}: {code:?}", filter.path)
                        }
                    };
                }
                // Retained messages may overtake the acknowledgement.
                MqttEvent::Incoming(Packet::Publish(message)) => self.early.push_back(message),
                _ => {}
            }
        }
    }
}

fn envelope(message: Publish) -> Message {
    let headers = message.properties.map(|properties| properties.user_properties).unwrap_or_default();
    Message {
        broker: Broker::Mqtt,
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        partition: None,
        offset: None,
        qos: Some(message.qos as u8),
        retained: Some(message.retain),
        key: None,
        headers: headers.into_iter().map(|(name, value)| (name, Some(value.into_bytes()))).collect(),
        time: Timestamp::now(),
        value: Some(message.payload.to_vec()),
    }
}
