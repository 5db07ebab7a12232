//! One MQTT 5 connection, over TCP, TLS or WebSocket, as the readiness probe tries them all.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration};
use tokio::time::timeout;

use super::access::{self, Login, Transport};
use crate::endpoints::Address;

/// The protocol's own limit; a smaller one makes Mosquitto drop what is larger without a word.
const LARGEST_PACKET: u32 = 268_435_455;
/// Requests that may wait for the connection's loop.
const QUEUE: usize = 64;

/// An accepted connection. Nothing moves on it unless [`Connection::next`] is awaited.
pub struct Connection {
    pub client: AsyncClient,
    events: EventLoop,
    address: Address,
    username: String,
}

impl Connection {
    /// Connects and logs in with a new session and a random client id.
    ///
    /// # Errors
    /// Why the server cannot be reached or refuses the login, or that it did not answer in time.
    pub async fn open(address: &Address, transport: &Transport, login: &Login, patience: Duration) -> Result<Self> {
        let options = options(address, transport, login, patience)?;
        let (client, events) = AsyncClient::new(options, QUEUE);
        let mut connection = Self { client, events, address: address.clone(), username: login.username.clone() };
        let connected = timeout(patience, connection.wait_for(is_connack)).await;
        connected.with_context(|| format!("{address} did not answer within {patience:?}"))??;
        Ok(connection)
    }

    /// What happened next; connects again after an error.
    ///
    /// # Errors
    /// Why the connection was lost or could not be made again, in words.
    pub async fn next(&mut self) -> Result<Event> {
        self.events.poll().await.map_err(|error| words(error, &self.address, &self.username))
    }

    /// Events until the one that is wanted.
    ///
    /// # Errors
    /// As for [`Connection::next`].
    pub async fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        loop {
            let event = self.next().await?;
            if wanted(&event) {
                return Ok(event);
            }
        }
    }

    /// Sends DISCONNECT after all that was sent before, and waits until the server has read it all
    /// and closed.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub async fn close(mut self, patience: Duration) -> Result<()> {
        let closing = async {
            self.client.disconnect().await.context("closing the MQTT connection")?;
            self.wait_for(|event| matches!(event, Event::Outgoing(Outgoing::Disconnect))).await?;
            // The loop would connect again after the end of this connection: the first error is the end.
            while self.events.poll().await.is_ok() {}
            Ok(())
        };
        timeout(patience, closing).await.context("the MQTT server did not end the connection in time")?
    }
}

/// Whether the server has just accepted a connection, the first one or one made again.
pub fn is_connack(event: &Event) -> bool {
    matches!(event, Event::Incoming(Packet::ConnAck(_)))
}

fn options(address: &Address, transport: &Transport, login: &Login, patience: Duration) -> Result<MqttOptions> {
    let id = format!("sosstack-{:016x}", u64::from_ne_bytes(crate::secrets::random()));
    let host = match transport {
        Transport::WebSocket => format!("ws://{address}/"),
        _ => address.host.clone(),
    };
    let mut options = MqttOptions::new(id, host, address.port);
    options
        .set_credentials(&login.username, login.password.reveal())
        .set_keep_alive(Duration::from_secs(30))
        .set_connection_timeout(patience.as_secs().max(1))
        .set_max_packet_size(Some(LARGEST_PACKET))
        .set_transport(match transport {
            Transport::Tcp => rumqttc::Transport::Tcp,
            Transport::WebSocket => rumqttc::Transport::Ws,
            Transport::Tls { ca_file } => rumqttc::Transport::Tls(TlsConfiguration::Rustls(access::tls(ca_file)?)),
        });
    Ok(options)
}

/// The error as a user can use it.
fn words(error: ConnectionError, address: &Address, username: &str) -> anyhow::Error {
    match error {
        ConnectionError::ConnectionRefused(code) => access::refused(code, address, username),
        ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            anyhow!("nothing listens on {address}")
        }
        ConnectionError::Tls(error) => anyhow!("TLS with {address} failed: {error}"),
        ConnectionError::Timeout(_) => anyhow!("{address} did not answer in time"),
        error => anyhow!("connection to {address}: {error}"),
    }
}
