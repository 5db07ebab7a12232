//! Pressing a button, and listening on the way: whoever listens has begun to before the press.

use std::future::pending;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep_until;

use super::commits::{Commit, prepare};
use super::record::{Found, mentions};
use crate::address::Address;
use crate::bridge::event_id::Id;
use crate::event::{Event, Report};
use crate::kafka;
use crate::kafka::admin::Admin;
use crate::message::{Broker, now};
use crate::mqtt;
use crate::mqtt::sender::{Answer, Sender};
use crate::mqtt::subscribe::is_refused_filter;
use crate::reading::{Reading, Watch};
use crate::simulate;
use crate::stack::leaf::PRESS;
use crate::stream::{PATIENCE, Tell, Told, Wanted};

/// How long brokers may take to let us go.
const FAREWELL: Duration = Duration::from_millis(500);

/// What is to be pressed, and who listens.
pub struct Press<'a> {
    pub device: &'a str,
    /// Of Kafka: where the press is awaited.
    pub topic: &'a str,
    /// Of Kafka: where else it may be.
    pub dead_letters: &'a str,
    /// From the press on.
    pub timeout: Duration,
    pub kafka: &'a kafka::access::Access,
    /// As whom the device logs in, and as whom a subscriber does.
    pub sender: &'a mqtt::access::Access,
    pub subscriber: &'a mqtt::access::Access,
}

/// What was heard of a press.
#[derive(Debug, Default)]
pub struct Heard {
    /// When it was sent, in milliseconds since 1970, and by a clock that nobody sets.
    pub sent: i64,
    pub began: Option<Instant>,
    pub mqtt_topic: String,
    pub device_event_id: String,
    pub answer: Option<(Answer, Instant)>,
    /// Why Mosquitto can answer no more.
    pub lost: Option<String>,
    /// Why no subscriber listens.
    pub unheard: Option<String>,
    pub seen: Option<Instant>,
    /// Emergencies and dead letters, in the order in which they came.
    pub records: Vec<(Found, Instant)>,
    pub commits: Vec<Commit>,
    /// Groups that read the topic and have committed nothing there.
    pub uncommitted: Vec<String>,
}

enum Came {
    Seen(Instant),
    Record(Box<Found>, Instant),
    Notice(String),
}

impl Heard {
    /// Where the press is in Kafka.
    pub fn record(&self, topic: &str) -> Option<&(Found, Instant)> {
        self.records.iter().find(|(found, _)| found.topic == topic)
    }

    fn hear(&mut self, came: Came, report: Report<'_>) {
        match came {
            Came::Seen(at) => drop(self.seen.get_or_insert(at)),
            Came::Record(found, at) => self.records.push((*found, at)),
            Came::Notice(words) => report(Event::Warning(words)),
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.answer, Some((Answer::Refused(_), _)))
    }

    /// Whether there is nothing more to wait for but groups.
    fn is_complete(&self, topic: &str) -> bool {
        let acknowledged = self.answer.is_some() || self.lost.is_some();
        acknowledged && (self.seen.is_some() || self.unheard.is_some()) && self.record(topic).is_some()
    }
}

/// Presses, and waits for each hop until all have come or the time is over.
///
/// # Errors
/// When a broker cannot be reached, refuses a login or has no such topic: then nothing was pressed.
pub async fn press(press: &Press<'_>, report: Report<'_>) -> Result<Heard> {
    let patience = press.timeout.min(PATIENCE);
    let mut heard =
        Heard { mqtt_topic: PRESS.topic(press.device), device_event_id: Id::random().to_string(), ..Heard::default() };
    let (say, came) = unbounded_channel();
    let ready = async {
        let (readings, unheard) = listen(press, &heard, say, patience).await?;
        let watchers = prepare(press.kafka, press.topic, patience).await?;
        anyhow::Ok((readings, unheard, watchers, Sender::open(press.sender, None, patience).await?))
    };
    let (readings, unheard, mut watchers, mut sender) = ready.await.context("nothing was pressed")?;
    (heard.unheard, heard.uncommitted) = (unheard, std::mem::take(&mut watchers.uncommitted));

    heard.sent = now();
    let began = Instant::now();
    heard.began = Some(began);
    let payload = simulate::press(press.device, &heard.device_event_id, heard.sent);
    sender.publish(heard.mqtt_topic.clone(), PRESS.qos, payload, ())?;
    let wait = |record: Found| -> Waiting { Box::pin(watchers.wait(record, began + press.timeout)) };
    follow(press, &mut heard, &mut sender, came, wait, report).await?;

    // Everything was heard; how brokers take the farewell changes nothing.
    let _ = sender.close(FAREWELL).await;
    for reading in readings {
        reading.close(FAREWELL).await;
    }
    Ok(heard)
}

/// Readers of both brokers, and why there is none of Mosquitto.
async fn listen(
    press: &Press<'_>,
    heard: &Heard,
    say: UnboundedSender<Came>,
    patience: Duration,
) -> Result<(Vec<Reading>, Option<String>)> {
    let wanted: Wanted = {
        let id = heard.device_event_id.clone();
        Arc::new(move |message| mentions(message, &id))
    };
    let tell: Tell = Arc::new(move |told| {
        let at = Instant::now();
        let came = match told {
            Told::Message(message) if message.broker == Broker::Mqtt => Some(Came::Seen(at)),
            Told::Message(message) => Found::of(message).map(|found| Came::Record(Box::new(found), at)),
            Told::Notice(words) => Some(Came::Notice(words)),
            Told::Idle => None,
        };
        if came.is_none_or(|came| say.send(came).is_ok()) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let wishes = [press.topic.to_owned(), press.dead_letters.to_owned()];
    let known = Admin::with(press.kafka)?.known_cluster(&wishes, patience).await?;
    let [topic, letters] = wishes;
    let is_known = known.topic(&letters).is_some() && letters != topic;
    let topics: Vec<Address> =
        [Some(topic), is_known.then_some(letters)].into_iter().flatten().map(Address::Kafka).collect();
    let filter = [Address::Mqtt(heard.mqtt_topic.clone())];
    let kafka = Reading::open(&watch(press, &topics, patience), &wanted, &tell).await?;
    match Reading::open(&watch(press, &filter, patience), &wanted, &tell).await {
        Ok(mqtt) => Ok((vec![kafka, mqtt], None)),
        Err(error) if is_refused_filter(&error) => Ok((vec![kafka], Some(format!("{error:#}")))),
        Err(error) => Err(error),
    }
}

fn watch<'a>(press: &'a Press<'_>, addresses: &'a [Address], patience: Duration) -> Watch<'a> {
    Watch { qos: PRESS.qos, patience, ..Watch::of(addresses, Some(press.kafka), Some(press.subscriber)) }
}

type Waiting = Pin<Box<dyn Future<Output = Result<Vec<Commit>>>>>;

/// Until all hops have come, or the time is over.
async fn follow(
    press: &Press<'_>,
    heard: &mut Heard,
    sender: &mut Sender<()>,
    mut came: UnboundedReceiver<Came>,
    wait: impl FnOnce(Found) -> Waiting,
    report: Report<'_>,
) -> Result<()> {
    let deadline = heard.began.unwrap_or_else(Instant::now) + press.timeout;
    let mut wait = Some(wait);
    let mut commits: Option<Waiting> = None;
    loop {
        if let Some((record, _)) = heard.record(press.topic)
            && let Some(wait) = wait.take()
        {
            commits = Some(wait(record.clone()));
        }
        let is_over = heard.is_complete(press.topic) || heard.is_refused() || Instant::now() >= deadline;
        if is_over && commits.is_none() {
            return Ok(());
        }
        let answers = heard.answer.is_none() && heard.lost.is_none();
        tokio::select! {
            moved = sender.exchange(), if answers => {
                match moved.and_then(|()| sender.answer()) {
                    Ok(Some(((), answer))) => heard.answer = Some((answer, Instant::now())),
                    Ok(None) => {}
                    Err(error) => heard.lost = Some(format!("{error:#}")),
                }
            }
            Some(came) = came.recv() => heard.hear(came, report),
            done = of(&mut commits) => {
                heard.commits = done.context("asking what groups have committed")?;
                commits = None;
            }
            () = sleep_until(deadline.into()), if !is_over => {}
        }
    }
}

async fn of(waiting: &mut Option<Waiting>) -> Result<Vec<Commit>> {
    match waiting {
        Some(waiting) => waiting.await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_complete_when_nothing_more_can_come() {
        let at = Instant::now();
        let found = Found { topic: "emergency.created".to_owned(), ..Found::default() };
        let mut heard = Heard { answer: Some((Answer::Acknowledged, at)), seen: Some(at), ..Heard::default() };
        assert!(!heard.is_complete("emergency.created"));
        heard.records.push((Found { topic: "dlq.failed-messages".to_owned(), ..Found::default() }, at));
        assert!(!heard.is_complete("emergency.created"), "a copy with the dead letters is not the emergency");
        heard.records.push((found, at));
        assert!(heard.is_complete("emergency.created"));
        heard.seen = None;
        assert!(!heard.is_complete("emergency.created"));
        heard.unheard = Some("may not subscribe".to_owned());
        assert!(heard.is_complete("emergency.created"));
    }
}
