//! The probe's press, from Mosquitto through a bridge to Kafka: whoever sees it come out knows that a real one would.
//!
//! It is published as the probe's device, goes the way of an emergency, and ends in a topic that nobody reads.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::address::Address;
use crate::mqtt::sender::{Answer, Sender};
use crate::reading::{Reading, Watch};
use crate::stack::device::{PROBE_PRESS, PROBE_PRESS_EXPIRY};
use crate::stack::topic::PROBE_TOPIC;
use crate::stream::{Tell, Told, Wanted};
use crate::{kafka, mqtt};

/// The header in which a bridge passes on the device's own event id.
const ID: &str = "device-event-id";
/// That of a press.
const QOS: u8 = 2;
/// How long Mosquitto may take to let us go.
const FAREWELL: Duration = Duration::from_millis(500);

/// Presses once, and waits for the record; how long it took from the press until the record was read. `mqtt` logs in as the
/// probe's device. Reaching each of the brokers may take `patience`, and so may the press.
///
/// # Errors
/// When a broker cannot be reached, refuses the login or has no such topic: then nothing was pressed. Else how far the press
/// came within `patience`.
pub async fn prove(mqtt: &mqtt::access::Access, kafka: &kafka::access::Access, patience: Duration) -> Result<Duration> {
    let mut press = Press::prepare(mqtt, kafka, patience).await?;
    let took = press.press(patience).await;
    press.close().await;
    took
}

/// Everything that a press needs, so that pressing takes no longer than a press.
pub struct Press {
    sender: Sender<String>,
    /// Ids of presses that came out, and when.
    heard: UnboundedReceiver<(String, Instant)>,
    /// Ends when it is dropped.
    _reading: Reading,
}

/// How far a press came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    /// Mosquitto has it.
    Published,
}

impl Press {
    /// Listens to Kafka, and logs in to Mosquitto.
    ///
    /// # Errors
    /// When one of them cannot be reached within `patience`, refuses the login, or has no such topic.
    pub async fn prepare(
        mqtt: &mqtt::access::Access,
        kafka: &kafka::access::Access,
        patience: Duration,
    ) -> Result<Self> {
        let (say, heard) = unbounded_channel();
        let wanted: Wanted = Arc::new(|message| message.header(ID).is_some());
        let tell: Tell = Arc::new(move |told| {
            let Told::Message(message) = told else { return ControlFlow::Continue(()) };
            let id = message.header(ID).map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default();
            if say.send((id, Instant::now())).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let topic = [Address::Kafka(PROBE_TOPIC.to_owned())];
        let watch = Watch { patience, ..Watch::of(&topic, Some(kafka), None) };
        let opened = tokio::try_join!(Reading::open(&watch, &wanted, &tell), Sender::open(mqtt, None, patience));
        let (reading, sender) = opened.context("nothing was pressed")?;
        Ok(Self { sender: sender.expiring(PROBE_PRESS_EXPIRY), heard, _reading: reading })
    }

    /// Presses, and waits until the record is read; how long that took.
    ///
    /// # Errors
    /// How far it came within `patience`, or why Mosquitto does not take it. What is prepared is not to be used again then.
    pub async fn press(&mut self, patience: Duration) -> Result<Duration> {
        let mut stage = Stage::Sent;
        let came = timeout(patience, self.follow(&mut stage)).await;
        came.unwrap_or_else(|_| Err(anyhow!(late(stage, patience))))
    }

    async fn follow(&mut self, stage: &mut Stage) -> Result<Duration> {
        let own = format!("{:032x}", u128::from_ne_bytes(crate::secrets::random()));
        let pressed = Instant::now();
        let payload = format!(r#"{{"eventId":"{own}"}}"#);
        self.sender.publish(PROBE_PRESS.to_owned(), QOS, payload, own.clone())?;
        loop {
            while let Some((id, answer)) = self.sender.answer()? {
                match answer {
                    Answer::Acknowledged if id == own => *stage = Stage::Published,
                    Answer::Acknowledged => {}
                    Answer::Refused(reason) => bail!("Mosquitto refuses the press: {reason}"),
                }
            }
            tokio::select! {
                moved = self.sender.exchange() => moved?,
                came = self.heard.recv() => {
                    let (id, at) = came.context("the Kafka reader has ended")?;
                    if id == own {
                        return Ok(at.saturating_duration_since(pressed));
                    }
                }
            }
        }
    }

    /// Leaves Mosquitto in order.
    pub async fn close(self) {
        // What came out was seen; how Mosquitto takes the farewell changes nothing.
        let _ = self.sender.close(FAREWELL).await;
    }
}

fn late(stage: Stage, patience: Duration) -> String {
    let seconds = patience.as_secs_f64();
    match stage {
        Stage::Sent => format!("Mosquitto has not acknowledged the press within {seconds} s"),
        Stage::Published => {
            format!("Mosquitto has the press, and no bridge has brought it to Kafka within {seconds} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_press_came_is_said() {
        let words = |stage| late(stage, Duration::from_millis(2500));
        assert_eq!(words(Stage::Sent), "Mosquitto has not acknowledged the press within 2.5 s");
        assert!(words(Stage::Published).ends_with("no bridge has brought it to Kafka within 2.5 s"));
    }
}
