//! What a connection begins with: who we are, which session it takes up, and what we take.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{Connect, ConnectProperties, LastWill, Login as Credential, Packet};

use super::access::Access;

/// The protocol's own limit; a smaller one makes Mosquitto drop what is larger without a word.
pub(super) const LARGEST_PACKET: u32 = 268_435_455;
/// Messages that the server may send to a reader before the first is acknowledged.
const RECEIVE_MAXIMUM: u16 = 1000;
/// A reader that stands still, as behind a pager, is kept this long. Less than the limit of most servers: Mosquitto 2.0.21
/// throws out a client that asks for exactly `max_keepalive` and sends something, within a second.
const KEEP_ALIVE: Duration = Duration::from_secs(240);

/// Which session a connection takes up.
#[derive(Debug, Clone)]
pub struct Session {
    pub client_id: String,
    /// Forget what the server knows of an earlier connection with this id.
    pub clean: bool,
    /// How long the server keeps the session after the connection, in seconds.
    pub expiry: u32,
    /// Messages at QoS 1 and 2 that the server may send before the first is acknowledged; from 1.
    pub receive_maximum: u16,
}

impl Session {
    /// One that ends with its connection.
    pub fn fresh() -> Self {
        let client_id = format!("sosstack-{:016x}", u64::from_ne_bytes(crate::secrets::random()));
        Self { client_id, clean: true, expiry: 0, receive_maximum: RECEIVE_MAXIMUM }
    }
}

/// CONNECT.
pub(super) fn hello(access: &Access, session: &Session, will: Option<LastWill>) -> Packet {
    let properties = ConnectProperties {
        session_expiry_interval: Some(session.expiry),
        receive_maximum: Some(session.receive_maximum),
        max_packet_size: Some(LARGEST_PACKET),
        ..ConnectProperties::new()
    };
    let connect = Connect {
        keep_alive: u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX),
        client_id: session.client_id.clone(),
        clean_start: session.clean,
        properties: Some(properties),
    };
    let login = access.login.as_ref();
    let credential = login.map(|login| Credential::new(&login.username, login.password().reveal()));
    Packet::Connect(connect, will, credential)
}
