//! MQTT over WebSocket (RFC 6455), as far as the readiness probe goes: one login, and what it is told.
//!
//! Whoever speaks so is a browser. A library for clients would bring some twenty crates for this one exchange.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, BytesMut};
use rumqttc::v5::mqttbytes::Error as CodecError;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::access::{self, Access};
use super::hello::{Session, hello};
use super::link;
use crate::secrets::random;

/// What a server appends to a client's key before it answers with the hash.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of the server's answer to the upgrade, and of a packet that accepts a login, that are read at most.
const LONGEST_ANSWER: usize = 16 * 1024;
/// A last fragment of binary data, and the end of the connection.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
/// In place of a frame's length: two bytes follow that say it.
const TWO_BYTES: u8 = 0x7e;
/// The packet that ends a session in order.
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// Logs in with a session of its own, and leaves again.
///
/// # Errors
/// Why the server cannot be reached or refuses the login, or that it did not answer in time.
pub(super) async fn login(access: &Access, patience: Duration) -> Result<()> {
    let address = &access.address;
    let exchange = async {
        let mut stream = link::tcp(address).await?;
        ask(&mut stream, access).await.with_context(|| format!("connection to {address} by WebSocket"))
    };
    match timeout(patience, exchange)
        .await
        .with_context(|| format!("{address} did not answer within {patience:?}"))??
    {
        Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }) => Ok(()),
        Packet::ConnAck(refusal) => Err(access::refused(refusal.code, address, access.username())),
        packet => bail!("{address} does not speak MQTT 5: it answered {packet:?}"),
    }
}

/// What the server answers to a login.
async fn ask(stream: &mut TcpStream, access: &Access) -> Result<Packet> {
    upgrade(stream, &access.address.to_string()).await?;
    let mut packet = BytesMut::new();
    hello(access, &Session::fresh(), None).write(&mut packet, None)?;
    stream.write_all(&frame(BINARY, &packet)).await?;
    let answer = answer(stream).await?;
    // Whoever just hangs up is a line in the server's log.
    let _ = stream.write_all(&frame(BINARY, &DISCONNECT)).await;
    let _ = stream.write_all(&frame(CLOSE, &[])).await;
    Ok(answer)
}

/// Has the server take what follows for WebSocket.
async fn upgrade(stream: &mut TcpStream, host: &str) -> Result<()> {
    let key = BASE64_STANDARD.encode(random::<16>());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what comes behind the headers belongs to WebSocket.
    while !answer.ends_with(b"\r\n\r\n") {
        ensure!(answer.len() < LONGEST_ANSWER, "its answer has no end");
        answer.push(stream.read_u8().await.context("it hung up")?);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.lines().next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 101 "), "it answered {status:?}");
    let header = |name: &str| {
        let mut headers = answer.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    ensure!(header("Sec-WebSocket-Accept") == Some(&accept(&key)), "it accepts another connection than this one");
    ensure!(header("Sec-WebSocket-Protocol") == Some("mqtt"), "it does not speak MQTT there");
    Ok(())
}

fn accept(key: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{MAGIC}").as_bytes());
    BASE64_STANDARD.encode(digest)
}

/// A frame of a client, which must be masked: less than 64 KiB.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mask = random::<4>();
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = match u8::try_from(length).ok().filter(|length| *length < TWO_BYTES) {
        Some(short) => vec![kind, 0x80 | short],
        None => [&[kind, 0x80 | TWO_BYTES][..], &length.to_be_bytes()].concat(),
    };
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The first MQTT packet that the server sends, in as many frames as it likes.
async fn answer(stream: &mut TcpStream) -> Result<Packet> {
    let (mut input, mut packets) = (BytesMut::new(), BytesMut::new());
    loop {
        while let Some(payload) = unframe(&mut input)? {
            packets.extend_from_slice(&payload);
        }
        match Packet::read(&mut packets, None) {
            Ok(packet) => return Ok(packet),
            Err(CodecError::InsufficientBytes(_)) => {}
            Err(error) => return Err(anyhow!("the server violates MQTT 5: {error}")),
        }
        ensure!(stream.read_buf(&mut input).await? > 0, "the server closed the connection");
    }
}

/// The data of the frame that `input` begins with, once all of it is there; nothing of other frames than data.
fn unframe(input: &mut BytesMut) -> Result<Option<BytesMut>> {
    let [first, second, ..] = **input else { return Ok(None) };
    let (header, length) = match second & 0x7f {
        TWO_BYTES => match **input {
            [_, _, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            _ => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    ensure!(second < 127 && length <= LONGEST_ANSWER, "the server violates the WebSocket protocol");
    if input.len() < header + length {
        return Ok(None);
    }
    input.advance(header);
    let payload = input.split_to(length);
    match first & 0x0f {
        0..=2 => Ok(Some(payload)),
        8 => bail!("the server closed the connection"),
        _ => Ok(Some(BytesMut::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_as_the_rfc_does() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_frame_is_masked_and_says_how_long_it_is() {
        let short = frame(BINARY, b"ab");
        let [kind, length, mask @ .., a, b] = short.as_slice() else { panic!("{short:?}") };
        assert_eq!((*kind, *length, mask.len()), (BINARY, 0x82, 4));
        assert_eq!([a ^ mask[0], b ^ mask[1]], *b"ab");
        assert_eq!(frame(BINARY, &[0; 300])[..4], [BINARY, 0x80 | TWO_BYTES, 1, 44]);
    }

    #[test]
    fn data_is_taken_out_of_frames_when_all_of_it_is_there() {
        let mut input = BytesMut::from(&[0x89, 0, BINARY, 3, b'a', b'b'][..]);
        assert_eq!(unframe(&mut input).unwrap().unwrap().len(), 0, "a ping is not data");
        assert!(unframe(&mut input).unwrap().is_none());
        input.extend_from_slice(b"c");
        assert_eq!(&unframe(&mut input).unwrap().unwrap()[..], b"abc");
        let mut long = BytesMut::from(&[BINARY, TWO_BYTES, 0, 200][..]);
        assert!(unframe(&mut long).unwrap().is_none());
        long.extend_from_slice(&[7; 200]);
        assert_eq!(unframe(&mut long).unwrap().unwrap().len(), 200);
        assert!(unframe(&mut BytesMut::from(&[0x88, 0][..])).is_err(), "the end");
        assert!(unframe(&mut BytesMut::from(&[BINARY, 127][..])).is_err(), "longer than any answer");
    }
}
