//! One MQTT 5 connection that moves many messages: whole buffers at a time, in both directions at once.
//!
//! The packets are rumqttc's. Its own loop writes to the socket once for each message, and leaves what
//! the server refuses at QoS 2 in flight for ever; so the loop is ours.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Buf, BytesMut};
use rumqttc::v5::mqttbytes::Error as CodecError;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectProperties, DisconnectReasonCode,
    Login as Credential, Packet, PingReq,
};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::either::Either;
use tokio_util::io::poll_read_buf;

use super::access::{self, Access};
use super::connection::Transport;

/// The protocol's own limit; a smaller one makes Mosquitto drop what is larger without a word.
const LARGEST_PACKET: u32 = 268_435_455;
/// Asked of the socket at once.
const CHUNK: usize = 64 * 1024;
/// Messages that the server may send before the first is acknowledged.
const RECEIVE_MAXIMUM: u16 = 1000;
/// A reader that stands still, as behind a pager, is kept this long; Mosquitto's own limit is the same.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// Which session a connection takes up.
#[derive(Debug, Clone)]
pub struct Session {
    pub client_id: String,
    /// Forget what the server knows of an earlier connection with this id.
    pub clean: bool,
    /// How long the server keeps the session after the connection, in seconds.
    pub expiry: u32,
}

impl Session {
    /// One that ends with its connection.
    pub fn fresh() -> Self {
        let client_id = format!("sosstack-{:016x}", u64::from_ne_bytes(crate::secrets::random()));
        Self { client_id, clean: true, expiry: 0 }
    }
}

/// An accepted connection. Nothing moves on it unless [`Link::exchange`] is awaited.
pub struct Link {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    input: BytesMut,
    output: BytesMut,
    /// Packets that were read while something else was waited for.
    early: VecDeque<Packet>,
    keep_alive: Duration,
    last_written: Instant,
    /// Messages that the server takes before it has acknowledged the first.
    pub receive_maximum: u16,
    /// The largest packet that the server takes, in bytes.
    pub max_packet: Option<u32>,
    /// Whether the server knows the session from before.
    pub session_present: bool,
}

impl Link {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Why the server cannot be reached or refuses the login, or that it did not answer in time.
    pub async fn open(access: &Access, session: &Session, patience: Duration) -> Result<Self> {
        let address = &access.address;
        let opened = timeout(patience, Self::connect(access, session)).await;
        opened.with_context(|| format!("{address} did not answer within {patience:?}"))?
    }

    async fn connect(access: &Access, session: &Session) -> Result<Self> {
        let address = &access.address;
        let tcp =
            TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => anyhow!("nothing listens on {address}"),
                _ => anyhow!("connection to {address}: {error}"),
            })?;
        tcp.set_nodelay(true).with_context(|| format!("connection to {address}"))?;
        let stream = match &access.transport {
            Transport::Tcp => Either::Left(tcp),
            Transport::Tls { ca_file } => {
                let name = ServerName::try_from(address.host.clone()).context("the host is no name of a server")?;
                let connector = TlsConnector::from(access::tls(ca_file)?);
                let secured = connector.connect(name, tcp).await;
                Either::Right(Box::new(secured.map_err(|error| anyhow!("TLS with {address} failed: {error}"))?))
            }
            Transport::WebSocket => bail!("MQTT over WebSocket is for browsers: use mqtt:// or mqtts://"),
        };
        let mut link = Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            early: VecDeque::new(),
            keep_alive: KEEP_ALIVE,
            last_written: Instant::now(),
            receive_maximum: u16::MAX,
            max_packet: None,
            session_present: false,
        };
        link.queue(&hello(access, session))?;
        match link.next().await.with_context(|| format!("connection to {address}"))? {
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, session_present, properties }) => {
                link.session_present = session_present;
                if let Some(properties) = properties {
                    link.receive_maximum = properties.receive_max.unwrap_or(u16::MAX);
                    link.max_packet = properties.max_packet_size;
                    let seconds = properties.server_keep_alive.map(u64::from);
                    link.keep_alive = seconds.map_or(KEEP_ALIVE, Duration::from_secs);
                }
                Ok(link)
            }
            Packet::ConnAck(refusal) => Err(access::refused(refusal.code, address, access.username())),
            packet => bail!("{address} does not speak MQTT 5: it answered {packet:?}"),
        }
    }

    /// Puts a packet where the next [`Link::exchange`] finds it.
    ///
    /// # Errors
    /// When the packet is larger than the server takes.
    pub fn queue(&mut self, packet: &Packet) -> Result<()> {
        packet.write(&mut self.output, self.max_packet).context("writing an MQTT packet")?;
        Ok(())
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.output.len()
    }

    /// Until some bytes were written or read.
    ///
    /// # Errors
    /// When the connection is lost. Dropping the future loses nothing.
    pub async fn exchange(&mut self) -> Result<()> {
        poll_fn(|context| self.poll_exchange(context)).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => anyhow!("the server ended the connection"),
            _ => anyhow::Error::new(error).context("the connection was lost"),
        })
    }

    fn poll_exchange(&mut self, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let mut moved = false;
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output)? {
                Poll::Ready(written) => {
                    self.output.advance(written);
                    moved = true;
                }
                Poll::Pending => break,
            }
        }
        if moved {
            self.last_written = Instant::now();
        }
        let _ = Pin::new(&mut self.stream).poll_flush(context)?;
        self.input.reserve(CHUNK);
        match poll_read_buf(Pin::new(&mut self.stream), context, &mut self.input)? {
            Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(_) => moved = true,
            Poll::Pending => {}
        }
        if moved { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// The next packet that was read already.
    ///
    /// # Errors
    /// When the server says that it ends the connection, or does not keep to the protocol.
    pub fn take(&mut self) -> Result<Option<Packet>> {
        if let Some(packet) = self.early.pop_front() {
            return Ok(Some(packet));
        }
        match Packet::read(&mut self.input, Some(LARGEST_PACKET)) {
            Ok(Packet::Disconnect(Disconnect { reason_code, .. })) => {
                bail!("the server ended the connection: {reason_code:?}")
            }
            Ok(packet) => Ok(Some(packet)),
            Err(CodecError::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(anyhow!("the server does not keep to MQTT 5: {error}")),
        }
    }

    /// Sees a packet again at the next [`Link::take`].
    pub fn put_back(&mut self, packet: Packet) {
        self.early.push_back(packet);
    }

    /// The next packet.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn next(&mut self) -> Result<Packet> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            self.exchange().await?;
        }
    }

    /// When the next call of [`Link::keep_alive`] is due.
    pub fn keep_alive_due(&self) -> tokio::time::Instant {
        (self.last_written + self.keep_alive / 2).into()
    }

    /// Tells the server that this end is alive.
    ///
    /// # Errors
    /// None that is known.
    pub fn keep_alive(&mut self) -> Result<()> {
        self.last_written = Instant::now();
        self.queue(&Packet::PingReq(PingReq))
    }

    /// Sends DISCONNECT after all that was sent before, and waits until the server has read it all
    /// and closed.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub async fn close(mut self, patience: Duration) -> Result<()> {
        // Whatever was agreed on before, the session ends here.
        let properties = DisconnectProperties {
            session_expiry_interval: Some(0),
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        };
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        self.queue(&Packet::Disconnect(Disconnect { reason_code, properties: Some(properties) }))?;
        let closing = async {
            while !self.output.is_empty() {
                match self.exchange().await {
                    // The last bytes and the server's end, which is its answer to them, may come in one go.
                    Err(_) if self.output.is_empty() => return Ok(()),
                    moved => moved?,
                }
            }
            // The end of the connection is what is waited for.
            while self.exchange().await.is_ok() {
                self.input.clear();
            }
            anyhow::Ok(())
        };
        timeout(patience, closing).await.context("the MQTT server did not end the connection in time")?
    }
}

fn hello(access: &Access, session: &Session) -> Packet {
    let properties = ConnectProperties {
        session_expiry_interval: Some(session.expiry),
        receive_maximum: Some(RECEIVE_MAXIMUM),
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
    Packet::Connect(connect, None, login.map(|login| Credential::new(login.username.clone(), login.password.clone())))
}
