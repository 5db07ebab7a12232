//! Peers that misbehave: a Docker daemon that stops to answer, or hangs up in the middle of a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::machine::Machine;

const VERSION: &str = r#"{"Version":"24.0.0","ApiVersion":"1.43","MinAPIVersion":"1.24"}"#;

/// What a daemon does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// It accepts connections and says nothing.
    Mute,
    /// It says its version, and then nothing more.
    Stuck,
    /// It says its version, and hangs up on everything else.
    HangsUp,
}

impl Daemon {
    /// Listens on the machine's socket for as long as the test goes on; tells when it falls silent.
    pub fn listen(self, machine: &Machine) -> Receiver<()> {
        let listener = UnixListener::bind(machine.socket()).unwrap();
        let (say, reached) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let say = say.clone();
                std::thread::spawn(move || self.serve(&connection, &say));
            }
        });
        reached
    }

    fn serve(self, mut connection: &UnixStream, say: &Sender<()>) -> Option<()> {
        let mut requests = BufReader::new(connection);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if requests.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            match self {
                Self::Stuck | Self::HangsUp if head.starts_with("GET") && head.contains("/version ") => {
                    let length = VERSION.len();
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
                    write!(connection, "{head}: {length}\r\n\r\n{VERSION}").ok()?;
                }
                Self::HangsUp => return None,
                Self::Mute | Self::Stuck => {
                    say.send(()).ok()?;
                    // Held until the other side goes.
                    requests.read_to_end(&mut Vec::new()).ok()?;
                    return None;
                }
            }
        }
    }
}
