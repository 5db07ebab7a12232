//! A message's properties and headers, as MQTT 5 carries them.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};

use crate::message::Properties;
use crate::sending::Outgoing;

/// What the packet of a message to be sent carries beside it.
pub(super) fn of_outgoing(message: &Outgoing) -> Option<PublishProperties> {
    if message.headers.is_empty() && message.properties.is_none() {
        return None;
    }
    let Properties { content_type, response_topic, correlation_data, payload_format, expiry } =
        message.properties.as_deref().cloned().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pair = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| (text(name), text(value.as_deref().unwrap_or_default()));
    Some(PublishProperties {
        payload_format_indicator: payload_format,
        message_expiry_interval: expiry,
        response_topic,
        correlation_data: correlation_data.map(Bytes::from),
        user_properties: message.headers.iter().map(pair).collect(),
        content_type,
        ..PublishProperties::default()
    })
}

/// What a message that came tells of itself.
pub(super) fn of_publish(message: &Publish) -> Properties {
    let Some(PublishProperties {
        content_type,
        response_topic,
        correlation_data,
        payload_format_indicator,
        message_expiry_interval,
        ..
    }) = &message.properties
    else {
        return Properties::default();
    };
    Properties {
        content_type: content_type.clone(),
        response_topic: response_topic.clone(),
        correlation_data: correlation_data.as_ref().map(|data| data.to_vec()),
        payload_format: *payload_format_indicator,
        expiry: *message_expiry_interval,
    }
}
