//! A subscription that survives the loss of its connection, and says so.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumqttc::v5::Event as MqttEvent;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, SubscribeReasonCode};

use super::connection::{Connection, is_connack};
use crate::event::{Event, Report};

/// Between attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Filters that were granted by the server.
pub struct Subscription {
    connection: Connection,
    filters: Vec<Filter>,
    early: Vec<Publish>,
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
        let mut subscription = Self { connection, filters, early: Vec::new() };
        subscription.subscribe().await?;
        Ok(subscription)
    }

    /// The next message. A lost connection is reported and made again, for as long as it takes.
    ///
    /// # Errors
    /// When the server refuses to take the subscription again.
    pub async fn next(&mut self, report: Report<'_>) -> Result<Publish> {
        if !self.early.is_empty() {
            return Ok(self.early.remove(0));
        }
        loop {
            match self.connection.next().await {
                Ok(MqttEvent::Incoming(Packet::Publish(message))) => return Ok(message),
                Ok(_) => {}
                Err(error) => self.reconnect(&error, report).await?,
            }
        }
    }

    /// Disconnects in order.
    ///
    /// # Errors
    /// When the server does not end the connection within `patience`.
    pub async fn close(self, patience: Duration) -> Result<()> {
        self.connection.close(patience).await
    }

    async fn reconnect(&mut self, lost: &anyhow::Error, report: Report<'_>) -> Result<()> {
        report(Event::Warning(format!("MQTT: {lost}; connecting again")));
        loop {
            match self.connection.wait_for(is_connack).await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
        self.subscribe().await?;
        report(Event::Warning("MQTT: connected again; messages sent in between may have been missed".to_owned()));
        Ok(())
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
                MqttEvent::Incoming(Packet::Publish(message)) => self.early.push(message),
                _ => {}
            }
        }
    }
}
