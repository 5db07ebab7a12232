//! Messages of both brokers in one stream.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::endpoints::Endpoints;
use crate::kafka::consume::{self, From, Reading};
use crate::message::Received;
use crate::mqtt::connection::{Connection, Login, Transport};
use crate::mqtt::subscribe::Subscription;

/// How long MQTT may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages between the readers and whoever prints them.
const QUEUE: usize = 4096;

/// What is to be watched.
pub struct Watch<'a> {
    pub addresses: &'a [Address],
    pub endpoints: &'a Endpoints,
    pub login: &'a Login,
    /// For Kafka; MQTT has retained messages only, and they come first.
    pub from: From,
    pub until_now: bool,
    /// The most that MQTT may deliver with: 0, 1 or 2.
    pub qos: u8,
}

/// A stream that has begun: what is sent from now on will be in it.
pub struct Messages {
    received: mpsc::Receiver<Result<Received>>,
    stop: CancellationToken,
    mqtt: Option<JoinHandle<()>>,
}

impl Messages {
    /// Opens both brokers' sides, as far as addresses need them.
    ///
    /// # Errors
    /// When a broker does not answer, refuses the login, or has no such topic.
    pub async fn open(watch: &Watch<'_>) -> Result<Self> {
        let (sink, received) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let mut topics = Vec::new();
        let mut filters = Vec::new();
        for address in watch.addresses {
            match address {
                Address::Kafka(topic) => topics.push(topic.clone()),
                Address::Mqtt(filter) => filters.push(filter.clone()),
            }
        }
        let kafka = async {
            if topics.is_empty() {
                return Ok(());
            }
            let reading = Reading { topics, from: watch.from, until_now: watch.until_now };
            consume::read(&watch.endpoints.kafka, reading, sink.clone(), stop.clone()).await
        };
        let mqtt = async {
            if filters.is_empty() {
                return Ok(None);
            }
            let address = &watch.endpoints.mqtt;
            let connection = Connection::open(address, &Transport::Tcp, watch.login, PATIENCE).await?;
            let subscription = Subscription::new(connection, &filters, watch.qos).await?;
            anyhow::Ok(Some(tokio::spawn(subscription.pump(sink.clone(), stop.clone()))))
        };
        let opened = tokio::try_join!(kafka, mqtt);
        match opened {
            Ok(((), mqtt)) => Ok(Self { received, stop, mqtt }),
            Err(error) => {
                stop.cancel();
                Err(error)
            }
        }
    }

    /// What comes next; None when everything that was to be read has been.
    pub async fn next(&mut self) -> Option<Result<Received>> {
        self.received.recv().await
    }

    /// What is there already, without waiting.
    pub fn ready(&mut self) -> Option<Result<Received>> {
        self.received.try_recv().ok()
    }

    /// Ends reading and leaves the MQTT server in order.
    pub async fn close(mut self) {
        self.stop.cancel();
        self.received.close();
        if let Some(mqtt) = self.mqtt {
            let _ = mqtt.await;
        }
    }
}
