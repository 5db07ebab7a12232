//! A subscription that survives the loss of its connection, and says so.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAck, PubComp, PubRec, Publish, Subscribe, SubscribeReasonCode};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::access::{Access, MQTT_PASSWORD, is_refused_login};
use super::backoff::Backoff;
use super::hello::Session;
use super::link::Link;
use super::properties::of_publish;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::message::{Broker, Properties, View, now};
use crate::stream::{Tell, Told};

/// How long the server may take to end the connection when we leave.
const CLOSING: Duration = Duration::from_secs(2);
/// A connection that lasted so long is worth another one at once.
const LASTING: Duration = Duration::from_secs(5);

/// The server's word that a filter is not for us.
#[derive(Debug, thiserror::Error)]
#[error("the server refuses the subscription to {filter}: {code:?}")]
struct RefusedFilter {
    filter: String,
    code: SubscribeReasonCode,
}

/// How patient a subscription is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// With a server that is slow to let us in.
    pub slow: Duration,
    /// With one that let us in before and refuses us now, as after a change of the password.
    pub refusing: Duration,
}

/// Filters that were granted by the server.
pub struct Subscription {
    access: Access,
    link: Link,
    filters: Vec<Filter>,
}

impl Subscription {
    /// Connects, subscribes with at most this QoS (0, 1 or 2) and waits until the server has granted it.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the login or a filter.
    pub async fn open(access: &Access, filters: &[String], qos: u8, patience: Duration) -> Result<Self> {
        let qos = qos_of(qos);
        let filter = |path: &String| {
            // A live message says, too, whether it was published to be kept.
            Filter { preserve_retain: true, ..Filter::new(path.clone(), qos) }
        };
        let filters: Vec<Filter> = filters.iter().map(filter).collect();
        let link = subscribed(access, &filters, patience).await?;
        Ok(Self { access: access.clone(), link, filters })
    }

    /// Tells everything until it is told to break off or `stop` is cancelled, then disconnects.
    /// A lost connection is made again, for as long as it takes.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the server refuses the login or a filter for longer than is borne.
    pub async fn run(mut self, tell: &Tell, stop: &CancellationToken, patience: Patience) -> Result<()> {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let lost = match self.deliver(tell, stop).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if began.elapsed() >= LASTING {
                backoff.reset();
            }
            if tell(Told::Notice(format!("MQTT: {lost:#}; reconnecting"))).is_break() {
                return Ok(());
            }
            let resumed = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                resumed = self.resume(tell, patience, &mut backoff) => resumed?,
            };
            let words = "MQTT: reconnected; messages sent in between may have been missed";
            if resumed.is_break() || tell(Told::Notice(words.to_owned())).is_break() {
                break;
            }
        }
        // Everything was told; how the server takes the farewell changes nothing.
        let _ = self.link.close(CLOSING).await;
        Ok(())
    }

    /// The next message, which must come within `patience`.
    ///
    /// # Errors
    /// When it does not come, or the connection is lost.
    pub async fn one(mut self, patience: Duration) -> Result<Vec<u8>> {
        let next = async {
            loop {
                if let Packet::Publish(message) = self.link.next().await? {
                    return anyhow::Ok(message.payload.to_vec());
                }
            }
        };
        let payload = tokio::time::timeout(patience, next).await??;
        self.link.close(patience).await?;
        Ok(payload)
    }

    /// Ends well when told to; a lost connection is an error.
    async fn deliver(&mut self, tell: &Tell, stop: &CancellationToken) -> Result<()> {
        loop {
            while let Some(packet) = self.link.take()? {
                if let Packet::Publish(message) = &packet {
                    let told = tell(Told::Message(&view(message, &of_publish(message))));
                    self.acknowledge(message)?;
                    if told.is_break() {
                        return Ok(());
                    }
                } else if let Packet::PubRel(release) = packet {
                    self.link.queue(&Packet::PubComp(PubComp::new(release.pkid, None)))?;
                }
            }
            if tell(Told::Idle).is_break() {
                return Ok(());
            }
            let alive = self.link.keep_alive_due();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                moved = self.link.exchange() => moved?,
                () = sleep_until(alive) => self.link.keep_alive().await?,
            }
        }
    }

    fn acknowledge(&mut self, message: &Publish) -> Result<()> {
        match message.qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => self.link.queue(&Packet::PubAck(PubAck::new(message.pkid, None))),
            QoS::ExactlyOnce => self.link.queue(&Packet::PubRec(PubRec::new(message.pkid, None))),
        }
    }

    /// Breaks off when told to.
    async fn resume(&mut self, tell: &Tell, patience: Patience, backoff: &mut Backoff) -> Result<ControlFlow<()>> {
        let mut said = String::new();
        let mut refused_since = None;
        loop {
            sleep(backoff.pause()).await;
            let error = match subscribed(&self.access, &self.filters, patience.slow).await {
                Ok(link) => {
                    self.link = link;
                    return Ok(ControlFlow::Continue(()));
                }
                Err(error) => error,
            };
            let words = if is_refused_login(&error) || error.is::<RefusedFilter>() {
                if refused_since.get_or_insert_with(Instant::now).elapsed() >= patience.refusing {
                    return Err(refused(&error));
                }
                format!("MQTT: {error:#}; retrying for {:?}", patience.refusing)
            } else {
                refused_since = None;
                format!("MQTT: {error:#}; retrying")
            };
            if words != said && tell(Told::Notice(words.clone())).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            said = words;
        }
    }
}

fn refused(error: &anyhow::Error) -> anyhow::Error {
    let cause = format!("MQTT: {error:#}");
    let remedy = Remedy::words(format!(
        "run it again with the current password: that of a local stack is used automatically, any other comes from \
         {MQTT_PASSWORD}"
    ));
    Failure::Failed { cause, remedy }.into()
}

/// A connection whose server has granted these filters, within `patience`.
async fn subscribed(access: &Access, filters: &[Filter], patience: Duration) -> Result<Link> {
    let open = async {
        let mut link = Link::open(access, &Session::fresh(), patience).await?;
        subscribe(&mut link, filters).await?;
        anyhow::Ok(link)
    };
    let opened = timeout(patience, open).await;
    opened.with_context(|| format!("{} did not answer within {patience:?}", access.address))?
}

/// The protocol's own value.
pub(super) fn qos_of(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// Subscribes, and waits until the server has granted each filter.
///
/// # Errors
/// When it refuses one, or the connection is lost.
pub(super) async fn subscribe(link: &mut Link, filters: &[Filter]) -> Result<()> {
    let subscribe = Subscribe { pkid: 1, ..Subscribe::new_many(filters.to_vec(), None) };
    link.queue(&Packet::Subscribe(subscribe))?;
    let mut early = Vec::new();
    let codes = loop {
        match link.next().await? {
            Packet::SubAck(ack) => break ack.return_codes,
            // Retained messages may overtake the acknowledgement.
            packet => early.push(packet),
        }
    };
    for packet in early {
        link.put_back(packet);
    }
    ensure!(codes.len() == filters.len(), "the server answers {} of {} filters", codes.len(), filters.len());
    codes.into_iter().zip(filters).try_for_each(|(code, filter)| granted(&filter.path, Some(code)))
}

/// # Errors
/// When this is not the server's word that it grants the filter; see [`is_refused_filter`].
pub(super) fn granted(filter: &str, code: Option<SubscribeReasonCode>) -> Result<()> {
    match code {
        Some(SubscribeReasonCode::Success(_)) => Ok(()),
        Some(code) => Err(RefusedFilter { filter: filter.to_owned(), code }.into()),
        None => bail!("the server does not say whether it grants {filter}"),
    }
}

/// Whether an error is the server's word that it refuses a filter.
pub fn is_refused_filter(error: &anyhow::Error) -> bool {
    error.is::<RefusedFilter>()
}

fn view<'a>(message: &'a Publish, properties: &'a Properties) -> View<'a> {
    let pairs = message.properties.iter().flat_map(|properties| &properties.user_properties);
    View {
        broker: Broker::Mqtt,
        topic: String::from_utf8_lossy(&message.topic),
        partition: None,
        offset: None,
        qos: Some(message.qos as u8),
        retained: Some(message.retain),
        key: None,
        headers: pairs.map(|(name, value)| (Cow::Borrowed(name.as_bytes()), Some(value.as_bytes()))).collect(),
        properties: (!properties.is_empty()).then_some(properties),
        time: now(),
        value: Some(&message.payload),
    }
}
