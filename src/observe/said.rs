//! What a bridge says of itself over HTTP, on the address of its metrics.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What all of its metrics begin with.
const PREFIX: &str = "sosstack_bridge_";

/// A bridge by its own words. What it counts begins with its start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// It has the journal; otherwise it waits for it.
    pub active: bool,
    /// Subscribed at Mosquitto.
    pub connected: bool,
    /// It brings presses of the probe to Kafka.
    pub provable: bool,
    /// Why it takes no messages; None where it does.
    pub problem: Option<String>,
    pub journal: Journal,
    pub dead_letters: u64,
    /// For want of room.
    pub dropped: u64,
    pub sessions_lost: u64,
    /// Parts of the journal that could not be read.
    pub damaged: u64,
}

/// What waits on disk, as the active bridge knows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Journal {
    pub messages: u64,
    pub bytes: u64,
    /// The most that it may hold; 0 where that is not known yet.
    pub limit: u64,
    /// How long the oldest message has waited, in whole seconds.
    pub age: u64,
}

impl Journal {
    /// How full it is, in whole percents.
    pub fn percent(&self) -> u64 {
        let percent = (u128::from(self.bytes) * 100).checked_div(self.limit.into()).unwrap_or(0);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

impl Said {
    /// Asks the bridge on a port of this machine.
    ///
    /// # Errors
    /// When it does not answer in time, or something else does.
    pub async fn ask(port: u16, patience: Duration) -> Result<Self> {
        let asked = async { tokio::try_join!(get(port, "/metrics"), get(port, "/readyz")) };
        let answered = timeout(patience, asked).await;
        let (metrics, ready) = answered.with_context(|| format!("no answer on port {port} within {patience:?}"))??;
        ensure!(metrics.status == 200, "port {port} answers {} instead of metrics", metrics.status);
        let problem = (ready.status != 200).then(|| ready.body.trim().to_owned());
        Ok(Self { problem, ..Self::of_metrics(&metrics.body) })
    }

    /// From the text that Prometheus reads.
    pub fn of_metrics(text: &str) -> Self {
        let total = |name: &str| total(text, name);
        Self {
            active: total("active") > 0,
            connected: total("connected") > 0,
            provable: total("provable") > 0,
            problem: None,
            journal: Journal {
                messages: total("journal_messages"),
                bytes: total("journal_bytes"),
                limit: total("journal_limit_bytes"),
                age: largest(text, "journal_age_seconds"),
            },
            dead_letters: total("dead_letters_total"),
            dropped: total("dropped_total"),
            sessions_lost: total("sessions_lost_total"),
            damaged: total("journal_damaged_total"),
        }
    }
}

/// Over all labels.
fn total(text: &str, name: &str) -> u64 {
    values(text, name).sum()
}

/// Of all labels.
fn largest(text: &str, name: &str) -> u64 {
    values(text, name).max().unwrap_or(0)
}

fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = u64> + 'a {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(PREFIX)?.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.split_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        // Whole numbers are exact below 2^53, which is beyond any disk.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and ages are not negative")]
        value.split(' ').next()?.parse::<f64>().ok().map(|value| value.max(0.0) as u64)
    })
}

struct Answer {
    status: u16,
    body: String,
}

/// HTTP/1.0 is all that it takes: the server answers and ends the connection.
async fn get(port: u16, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("what answers on port {port} is not a bridge"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# HELP sosstack_bridge_active 1\nsosstack_bridge_active 1\nsosstack_bridge_connected 0\n\
                    sosstack_bridge_journal_messages{lane=\"alerts\"} 2\nsosstack_bridge_journal_messages{lane=\"rest\"} 40\n\
                    sosstack_bridge_journal_age_seconds{lane=\"rest\"} 7.9\nsosstack_bridge_journal_bytes 900\n\
                    sosstack_bridge_journal_limit_bytes 1000\nsosstack_bridge_dropped_total{qos=\"0\"} 3\n# EOF\n";
        let journal = Journal { messages: 42, bytes: 900, limit: 1000, age: 7 };
        assert_eq!(Said::of_metrics(text), Said { active: true, journal, dropped: 3, ..Said::default() });
        assert_eq!((journal.percent(), Journal::default().percent()), (90, 0));
    }

    #[tokio::test]
    async fn what_is_no_bridge_is_not_taken_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n\r\n").await;
            }
        });
        let error = Said::ask(port, Duration::from_secs(5)).await.unwrap_err();
        assert!(format!("{error:#}").contains("is not a bridge"), "{error:#}");
        answer.abort();
    }
}
