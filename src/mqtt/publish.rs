//! One message to MQTT, and the server's verdict.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumqttc::Outgoing;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PubCompReason, PubRecReason, PublishProperties};
use tokio::time::timeout;

use super::connection::Connection;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub topic: String,
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
    /// MQTT 5 user properties, in order.
    pub headers: Vec<(String, String)>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledged as its QoS asks; at QoS 0: written.
    Accepted,
    /// The access control list forbids it.
    NotAuthorized,
    /// Refused for another reason, in the protocol's words.
    Refused(String),
}

/// Publishes one message and waits for the handshake of its QoS.
///
/// # Errors
/// When the connection is lost, or the handshake is not complete within `patience`.
pub async fn publish(connection: &mut Connection, message: Publication, patience: Duration) -> Result<Verdict> {
    let (qos, topic) = (qos(message.qos)?, message.topic.clone());
    let properties = PublishProperties { user_properties: message.headers, ..PublishProperties::default() };
    connection
        .client
        .publish_with_properties(message.topic, qos, message.retain, message.payload, properties)
        .await
        .context("handing the message to the connection")?;
    let handshake = async {
        loop {
            if let Some(verdict) = verdict(qos, &connection.next().await?) {
                return anyhow::Ok(verdict);
            }
        }
    };
    timeout(patience, handshake)
        .await
        .with_context(|| format!("the message to {topic} was not acknowledged within {patience:?}"))?
        .with_context(|| format!("the message to {topic} was not acknowledged"))
}

fn qos(level: u8) -> Result<QoS> {
    Ok(match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        2 => QoS::ExactlyOnce,
        other => bail!("there is no QoS {other}"),
    })
}

/// The verdict that an event holds, once the handshake has come to its end.
fn verdict(qos: QoS, event: &Event) -> Option<Verdict> {
    match (qos, event) {
        (QoS::AtMostOnce, Event::Outgoing(Outgoing::Publish(_))) => Some(Verdict::Accepted),
        (QoS::AtLeastOnce, Event::Incoming(Packet::PubAck(ack))) => Some(match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Verdict::Accepted,
            PubAckReason::NotAuthorized => Verdict::NotAuthorized,
            reason => Verdict::Refused(format!("{reason:?}")),
        }),
        (QoS::ExactlyOnce, Event::Incoming(Packet::PubRec(received))) => match received.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => None,
            PubRecReason::NotAuthorized => Some(Verdict::NotAuthorized),
            reason => Some(Verdict::Refused(format!("{reason:?}"))),
        },
        (QoS::ExactlyOnce, Event::Incoming(Packet::PubComp(complete))) => Some(match complete.reason {
            PubCompReason::Success => Verdict::Accepted,
            reason @ PubCompReason::PacketIdentifierNotFound => Verdict::Refused(format!("{reason:?}")),
        }),
        _ => None,
    }
}
