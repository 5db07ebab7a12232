//! The connection to Mosquitto, made again for as long as it takes.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::BoxFuture;
use tokio::time::sleep_until;

use crate::mqtt::access::Access;
use crate::mqtt::backoff::Backoff;
use crate::mqtt::hello::Session;
use crate::mqtt::inbox::{Change, Inbox};

/// How long a session outlives its connection, in seconds: 7 days.
const EXPIRY: u32 = 7 * 24 * 60 * 60;
/// Messages that the server may send before the first is acknowledged: many, as a press is sent only after all that came
/// before it; and far fewer than there are packet ids, as Mosquitto gives them away again without looking.
const RECEIVE_MAXIMUM: u16 = 5_000;
/// How long Mosquitto may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that lasted so long is worth another one at once.
const LASTING: Duration = Duration::from_secs(5);
/// How long the server may take to end the connection when we leave.
const CLOSING: Duration = Duration::from_millis(500);

enum State {
    Up { inbox: Box<Inbox>, since: Instant },
    Opening(BoxFuture<'static, Result<Box<Inbox>>>),
    Down { until: Instant },
}

/// What became of a connection.
pub enum Moved {
    /// One was made, or could not be made.
    Opened(Result<Box<Inbox>>),
    /// Some bytes were read or written, or it is lost.
    Exchanged(Result<()>),
    /// It is time for another one.
    Due,
}

/// See the module.
pub struct Uplink {
    access: Access,
    state: State,
    number: u64,
    backoff: Backoff,
    trouble: String,
}

impl Uplink {
    /// Not connected, and due to be at once.
    pub fn new(access: Access) -> Self {
        let state = State::Down { until: Instant::now() };
        Self { access, state, number: 0, backoff: Backoff::default(), trouble: String::new() }
    }

    /// Counts connections: what is owed to one is not paid to another.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Why there is no connection; empty where there is one, or none was tried.
    pub fn trouble(&self) -> &str {
        &self.trouble
    }

    /// None while there is no connection.
    pub fn inbox(&mut self) -> Option<&mut Inbox> {
        match &mut self.state {
            State::Up { inbox, .. } => Some(inbox),
            _ => None,
        }
    }

    /// Whether a connection should be made now.
    pub fn is_due(&self) -> bool {
        matches!(self.state, State::Down { until } if until <= Instant::now())
    }

    /// Begins to make a connection in place of any that there is, which the server ends.
    pub fn connect(&mut self, client_id: &str, change: Change) {
        let access = self.access.clone();
        let session =
            Session { client_id: client_id.to_owned(), clean: false, expiry: EXPIRY, receive_maximum: RECEIVE_MAXIMUM };
        let open = async move { Inbox::open(&access, &session, &change, PATIENCE).await.map(Box::new) };
        self.state = State::Opening(Box::pin(open));
    }

    /// Uses a connection that was made.
    pub fn up(&mut self, inbox: Box<Inbox>) {
        self.number += 1;
        self.state = State::Up { inbox, since: Instant::now() };
        self.trouble.clear();
    }

    /// Goes without; whether there was a connection, and the cause where it is news.
    pub fn lost(&mut self, error: &anyhow::Error) -> (bool, Option<String>) {
        let lasted = match &self.state {
            State::Up { since, .. } => Some(since.elapsed()),
            _ => None,
        };
        if lasted.is_some_and(|lasted| lasted >= LASTING) {
            self.backoff.reset();
        }
        self.state = State::Down { until: Instant::now() + self.backoff.pause() };
        let cause = format!("{error:#}");
        let is_news = cause != self.trouble;
        self.trouble.clone_from(&cause);
        (lasted.is_some(), is_news.then_some(cause))
    }

    /// Until something moves. While nothing is to be read, only written. Dropping the future loses nothing.
    pub async fn moved(&mut self, reads: bool) -> Moved {
        match &mut self.state {
            State::Up { inbox, .. } if reads => {
                let due = inbox.keep_alive_due();
                tokio::select! {
                    moved = inbox.exchange() => Moved::Exchanged(moved),
                    () = sleep_until(due) => Moved::Exchanged(inbox.keep_alive().await),
                }
            }
            State::Up { inbox, .. } if inbox.waiting() > 0 => Moved::Exchanged(inbox.write().await),
            State::Up { .. } => std::future::pending().await,
            State::Opening(opening) => Moved::Opened(opening.await),
            State::Down { until } => {
                sleep_until((*until).into()).await;
                Moved::Due
            }
        }
    }

    /// Ends the connection; the session stays, and gathers messages.
    pub async fn leave(self) {
        if let State::Up { inbox, .. } = self.state {
            // How the server takes the farewell changes nothing: what it did not hear of it sends again.
            let _ = inbox.leave(CLOSING).await;
        }
    }
}
