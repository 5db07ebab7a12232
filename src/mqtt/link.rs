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
    ConnAck, ConnectReturnCode, Disconnect, DisconnectProperties, DisconnectReasonCode, LastWill, Packet, PingReq,
};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::either::Either;
use tokio_util::io::poll_read_buf;

use super::access::{self, Access, Transport};
use super::hello::{LARGEST_PACKET, Session, hello};
use super::hung_up::HungUp;
use crate::endpoints::Address;

/// Asked of the socket at once.
const CHUNK: usize = 64 * 1024;
/// A server that says nothing for so long is asked for a sign of life, and given half as long again to answer: far
/// more often than it needs to hear of us, as nothing else tells that it stands still.
const QUIET: Duration = Duration::from_secs(30);
/// What was read meanwhile by the kernel only: we may be the ones who stood still.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// DISCONNECT as servers may shorten it, which rumqttc does not read (MQTT 5, 3.14.2.1).
const BARE_DISCONNECT: [u8; 2] = [0xE0, 0];

/// An accepted connection. Nothing moves on it unless [`Link::exchange`] is awaited.
pub struct Link {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    input: BytesMut,
    output: BytesMut,
    /// Packets that were read while something else was waited for.
    early: VecDeque<Packet>,
    /// How long the server may be silent, or hear nothing from us, before it is asked for a sign of life.
    quiet: Duration,
    last_written: Instant,
    last_read: Instant,
    /// When it was asked, and has not answered.
    asked: Option<Instant>,
    /// PINGREQs without their PINGRESP.
    pings: u32,
    /// Messages that the server takes before it has acknowledged the first.
    pub receive_maximum: u16,
    /// The largest packet that the server takes, in bytes.
    pub max_packet: Option<u32>,
    /// The highest QoS that the server takes.
    pub max_qos: u8,
    /// Whether the server keeps messages for future subscribers.
    pub retains: bool,
    /// Whether the server knows the session from before.
    pub session_present: bool,
    /// Whether a message tells for which subscriptions it was sent, by the ids that they have.
    pub tells_subscriptions: bool,
}

impl Link {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Why the server cannot be reached or refuses the login, or that it did not answer in time.
    pub async fn open(access: &Access, session: &Session, patience: Duration) -> Result<Self> {
        Self::open_with_will(access, session, None, patience).await
    }

    /// As [`Link::open`]; the server publishes the will should the connection end without a DISCONNECT.
    ///
    /// # Errors
    /// As for [`Link::open`].
    pub async fn open_with_will(
        access: &Access,
        session: &Session,
        will: Option<LastWill>,
        patience: Duration,
    ) -> Result<Self> {
        let address = &access.address;
        let opened = timeout(patience, Self::connect(access, session, will)).await;
        opened.with_context(|| format!("{address} did not answer within {patience:?}"))?
    }

    async fn connect(access: &Access, session: &Session, will: Option<LastWill>) -> Result<Self> {
        let address = &access.address;
        let tcp = tcp(address).await?;
        let stream = match &access.transport {
            Transport::Tcp => Either::Left(tcp),
            Transport::Tls { ca_file } => {
                let name = ServerName::try_from(address.host.clone()).context("the host is not a valid server name")?;
                let connector = TlsConnector::from(access::tls(ca_file)?);
                let secured = connector.connect(name, tcp).await;
                Either::Right(Box::new(secured.map_err(|error| anyhow!("TLS with {address} failed: {error}"))?))
            }
        };
        let mut link = Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            early: VecDeque::new(),
            quiet: QUIET,
            last_written: Instant::now(),
            last_read: Instant::now(),
            asked: None,
            pings: 0,
            receive_maximum: u16::MAX,
            max_packet: None,
            max_qos: 2,
            retains: true,
            session_present: false,
            tells_subscriptions: true,
        };
        link.queue(&hello(access, session, will))?;
        match link.next().await.with_context(|| format!("connection to {address}"))? {
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, session_present, properties }) => {
                link.session_present = session_present;
                if let Some(properties) = properties {
                    link.receive_maximum = properties.receive_max.unwrap_or(u16::MAX);
                    link.max_packet = properties.max_packet_size;
                    link.max_qos = properties.max_qos.unwrap_or(2);
                    link.retains = properties.retain_available != Some(0);
                    link.tells_subscriptions = properties.subscription_identifiers_available != Some(0);
                    link.quiet = quiet(properties.server_keep_alive);
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
    /// When the packet is larger than the server takes. Then nothing is sent.
    pub fn queue(&mut self, packet: &Packet) -> Result<()> {
        let before = self.output.len();
        packet.write(&mut self.output, self.max_packet).map(drop).map_err(|error| {
            // What it wrote of the packet would be the beginning of the next one.
            self.output.truncate(before);
            match error {
                CodecError::OutgoingPacketTooLarge { pkt_size, max } => {
                    anyhow!(
                        "it needs a packet of {pkt_size} bytes, and the server accepts at most {max} (max_packet_size)"
                    )
                }
                CodecError::PayloadTooLong => anyhow!("an MQTT packet has at most {LARGEST_PACKET} bytes"),
                error => anyhow!("it does not fit MQTT: {error}"),
            }
        })
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
            io::ErrorKind::UnexpectedEof => HungUp::Closed.into(),
            _ => HungUp::Broken(error.to_string()).into(),
        })
    }

    /// Until some bytes were written; what the server sends stays unread.
    ///
    /// # Errors
    /// When the connection is lost. Dropping the future loses nothing.
    pub async fn write(&mut self) -> Result<()> {
        let written = poll_fn(|context| match self.poll_write(context) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        });
        written.await.map_err(|error| HungUp::Broken(error.to_string()).into())
    }

    fn poll_exchange(&mut self, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let wrote = self.poll_write(context);
        self.input.reserve(CHUNK);
        match poll_read_buf(Pin::new(&mut self.stream), context, &mut self.input)? {
            Poll::Ready(0) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            // It may say why nothing can be written any more.
            Poll::Ready(_) => {
                self.last_read = Instant::now();
                self.asked = None;
                Poll::Ready(Ok(()))
            }
            Poll::Pending if wrote? => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether some bytes were written.
    fn poll_write(&mut self, context: &mut TaskContext<'_>) -> io::Result<bool> {
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
            // Whoever takes what was before the question is alive, and cannot have answered yet.
            self.asked = self.asked.map(|_| self.last_written);
        }
        let _ = Pin::new(&mut self.stream).poll_flush(context)?;
        Ok(moved)
    }

    /// The next packet that was read already.
    ///
    /// # Errors
    /// When the server says that it ends the connection, or does not keep to the protocol.
    pub fn take(&mut self) -> Result<Option<Packet>> {
        if let Some(packet) = self.early.pop_front() {
            return Ok(Some(packet));
        }
        if self.input.starts_with(&BARE_DISCONNECT) {
            bail!(HungUp::Told(DisconnectReasonCode::NormalDisconnection));
        }
        match Packet::read(&mut self.input, Some(LARGEST_PACKET)) {
            Ok(Packet::Disconnect(Disconnect { reason_code, .. })) => {
                bail!(HungUp::Told(reason_code))
            }
            Ok(packet) => {
                self.pings -= u32::from(matches!(packet, Packet::PingResp(_)) && self.pings > 0);
                Ok(Some(packet))
            }
            Err(CodecError::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(anyhow!("the server violates MQTT 5: {error}")),
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
        match self.asked {
            Some(asked) => (asked + self.quiet / 2).into(),
            None => (self.last_written.min(self.last_read) + self.quiet).into(),
        }
    }

    /// Tells the server that this end is alive, and asks the same of the server.
    ///
    /// # Errors
    /// When it was asked before, and has not answered.
    pub async fn keep_alive(&mut self) -> Result<()> {
        if self.asked.is_some() {
            let looked = timeout(LAST_LOOK, self.exchange()).await;
            return looked.unwrap_or_else(|_| bail!("the server has been silent for {:.0?}", self.last_read.elapsed()));
        }
        let now = Instant::now();
        (self.last_written, self.asked) = (now, Some(now));
        self.ping()
    }

    /// Tells the server that this end is alive, and expects no answer soon: what it sends is not read just now.
    ///
    /// # Errors
    /// As for [`Link::queue`].
    pub fn sign_of_life(&mut self) -> Result<()> {
        (self.last_written, self.last_read, self.asked) = (Instant::now(), Instant::now(), None);
        self.ping()
    }

    fn ping(&mut self) -> Result<()> {
        self.pings += 1;
        self.queue(&Packet::PingReq(PingReq))
    }

    /// Until the server has read everything that was sent: it answers in order.
    ///
    /// # Errors
    /// When the connection ends before.
    pub async fn all_read(&mut self) -> Result<()> {
        self.ping()?;
        while self.pings > 0 {
            self.next().await?;
        }
        Ok(())
    }

    /// Sends DISCONNECT after all that was sent before, which ends the session whatever was agreed on, and waits until
    /// the server has closed.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub async fn close(self, patience: Duration) -> Result<()> {
        let ended = DisconnectProperties {
            session_expiry_interval: Some(0),
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        };
        self.disconnect(Some(ended), patience).await
    }

    /// As [`Link::close`], but the session stays for as long as was agreed on.
    ///
    /// # Errors
    /// As for [`Link::close`].
    pub async fn leave(self, patience: Duration) -> Result<()> {
        self.disconnect(None, patience).await
    }

    async fn disconnect(mut self, properties: Option<DisconnectProperties>, patience: Duration) -> Result<()> {
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        self.queue(&Packet::Disconnect(Disconnect { reason_code, properties }))?;
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

/// A connection on which nothing was said yet.
///
/// # Errors
/// Why the server cannot be reached.
pub(super) async fn tcp(address: &Address) -> Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => anyhow!("nothing listens on {address}"),
        _ => anyhow!("connection to {address}: {error}"),
    })?;
    stream.set_nodelay(true).with_context(|| format!("connection to {address}"))?;
    Ok(stream)
}

/// How long silence may last. The server's own keep alive, in seconds, is kept to with time to spare; 0 is none.
fn quiet(server_keep_alive: Option<u16>) -> Duration {
    match server_keep_alive {
        None | Some(0) => QUIET,
        Some(seconds) => QUIET.min(Duration::from_secs(seconds.into()) * 3 / 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_no_longer_than_both_sides_bear() {
        assert_eq!(quiet(None), Duration::from_secs(30));
        assert_eq!(
            quiet(Some(0)),
            Duration::from_secs(30),
            "without a keep alive, asking all the time is not right either"
        );
        assert_eq!(quiet(Some(10)), Duration::from_millis(7500));
        assert_eq!(quiet(Some(300)), Duration::from_secs(30));
    }
}
