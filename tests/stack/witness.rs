//! Somebody between the bridge and Mosquitto who hears what the bridge acknowledges, and changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Listens on a port of its own for as long as the process lives.
pub struct Witness {
    pub address: SocketAddr,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
}

impl Witness {
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let witness = Self { address: listener.local_addr().unwrap(), acknowledged: Arc::default() };
        let acknowledged = Arc::clone(&witness.acknowledged);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Without a server the client finds its connection closed.
                if let Ok(server) = TcpStream::connect(server) {
                    listen(client, server, &acknowledged);
                }
            }
        });
        witness
    }

    /// The event ids of messages for which a PUBACK or a PUBREC has left.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }
}

fn listen(client: TcpStream, server: TcpStream, acknowledged: &Arc<Mutex<BTreeSet<String>>>) {
    let sent: Arc<Mutex<HashMap<u16, String>>> = Arc::default();
    let (down, up) = ((server.try_clone().unwrap(), client.try_clone().unwrap()), (client, server));
    let (noted, acknowledged) = (Arc::clone(&sent), Arc::clone(acknowledged));
    std::thread::spawn(move || {
        pass(down.0, down.1, |head, body| {
            if let Some((packet, id)) = publish(head, body) {
                noted.lock().unwrap().insert(packet, id);
            }
        });
    });
    std::thread::spawn(move || {
        pass(up.0, up.1, |head, body| {
            // A PUBACK or PUBREC whose reason is no refusal.
            if matches!(head >> 4, 4 | 5) && body.get(2).is_none_or(|reason| *reason < 0x80) {
                let packet = u16::from_be_bytes([body[0], body[1]]);
                acknowledged.lock().unwrap().extend(sent.lock().unwrap().get(&packet).cloned());
            }
        });
    });
}

/// Passes bytes on; each packet is shown before its last byte leaves.
fn pass(mut from: TcpStream, mut to: TcpStream, mut show: impl FnMut(u8, &[u8])) {
    let (mut seen, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..length]);
        let mut rest = &seen[..];
        while let Some((head, body, after)) = packet(rest) {
            show(head, body);
            rest = after;
        }
        seen = rest.to_vec();
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The first byte, the body, and what follows; None where it is not complete.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (length, rest) = number(rest)?;
    (length <= rest.len()).then(|| (*head, &rest[..length], &rest[length..]))
}

/// A number of variable length (MQTT 5, 1.5.5).
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Packet id and event id of a PUBLISH at QoS 1 or 2.
fn publish(head: u8, body: &[u8]) -> Option<(u16, String)> {
    if head >> 4 != 3 || head & 0b110 == 0 {
        return None;
    }
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let rest = &body[2 + topic..];
    let packet = u16::from_be_bytes([rest[0], rest[1]]);
    let (properties, rest) = number(&rest[2..])?;
    let value: Value = serde_json::from_slice(&rest[properties..]).ok()?;
    Some((packet, value["eventId"].as_str()?.to_owned()))
}
