//! Who says what, when: the same for the same seed, whatever becomes of it on the way.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use super::scenario::{Kind, Scenario, Wave};
use super::wearer::{Run, Said, Wearer};
use crate::stack::Simulated;

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// When it is to be sent, from the beginning; None: as soon as there is a connection.
    pub(super) due: Option<Duration>,
    pub(super) topic: String,
    pub(super) qos: u8,
    pub(super) payload: String,
    pub(super) event_id: String,
    /// Of the device's messages to this topic, counted from 1.
    pub(super) sequence: u64,
}

/// What a device does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Send(Planned),
    /// Loses its connection, makes another one and says on it that it is online.
    Reconnect(Planned),
}

/// The plan of all devices, made as it is needed. Without end.
pub(super) struct Plan {
    wearers: Vec<Wearer>,
    mix: Vec<(Kind, u32)>,
    total: u32,
    /// Between two messages, in seconds.
    gap: f64,
    /// Of messages that keep the rate.
    number: u64,
    wave: Option<Wave>,
    /// When the next wave begins, in seconds.
    next_wave: f64,
    /// Who presses in this wave, and when.
    pressing: VecDeque<(f64, u32)>,
    rng: Rng,
    /// See [`Run`].
    mark: String,
    began: i64,
}

impl Plan {
    /// `gap` is the time between two messages of all devices, `began` the start in milliseconds since 1970.
    pub(super) fn new(simulated: &Simulated, scenario: &Scenario, gap: Duration, began: i64) -> Self {
        let mut rng = Rng::with_seed(simulated.seed);
        let wearers = simulated.devices().map(|device| Wearer::new(device, &mut rng)).collect();
        Self {
            wearers,
            mix: scenario.mix.iter().map(|(kind, share)| (*kind, *share)).collect(),
            total: scenario.mix.values().sum(),
            gap: gap.as_secs_f64(),
            number: 0,
            wave: scenario.wave,
            next_wave: scenario.wave.map_or(f64::INFINITY, |wave| wave.first),
            pressing: VecDeque::new(),
            rng,
            mark: base36(began.unsigned_abs()),
            began: began.div_euclid(1000),
        }
    }

    /// When the next act is due.
    pub(super) fn due(&mut self) -> Duration {
        self.next_due().1
    }

    /// How many messages that keep the rate are due by a moment, and were not handed out.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of messages, not negative")]
    pub(super) fn due_by(&self, moment: Duration) -> u64 {
        ((moment.as_secs_f64() / self.gap) as u64).saturating_sub(self.number)
    }

    /// Who acts next, and how.
    pub(super) fn next(&mut self) -> (u32, Vec<Act>) {
        let (in_wave, due) = self.next_due();
        let now = due.as_secs_f64();
        if in_wave && let Some((_, device)) = self.pressing.pop_front() {
            let reconnects = self.wave.is_some_and(|wave| wave.reconnect);
            let mut acts = Vec::new();
            if reconnects {
                acts.push(Act::Reconnect(self.status(device, "online", due)));
            }
            acts.push(Act::Send(self.say(device, Kind::Press, now, due)));
            return (device, acts);
        }
        self.number += 1;
        let device = self.rng.u32(..u32::try_from(self.wearers.len()).unwrap_or(u32::MAX));
        let kind = self.kind();
        (device, vec![Act::Send(self.say(device, kind, now, due))])
    }

    /// That a device is `online`, or `offline`.
    pub(super) fn status(&mut self, device: u32, status: &str, now: Duration) -> Planned {
        let run = Run { mark: &self.mark, began: self.began };
        let wearer = &mut self.wearers[device as usize];
        let said = wearer.status(status, now.as_secs_f64(), run);
        planned(wearer, said, None)
    }

    /// Whether the wave comes first, and when.
    fn next_due(&mut self) -> (bool, Duration) {
        #[expect(clippy::cast_precision_loss, reason = "exact for thousands of years")]
        let steady = self.number as f64 * self.gap;
        if let Some(wave) = self.wave
            && self.pressing.is_empty()
            && self.next_wave <= steady
        {
            self.begin(wave);
        }
        match self.pressing.front() {
            Some((due, _)) if *due <= steady => (true, Duration::from_secs_f64(*due)),
            _ => (false, Duration::from_secs_f64(steady)),
        }
    }

    fn begin(&mut self, wave: Wave) {
        let count = u32::try_from(self.wearers.len()).unwrap_or(u32::MAX);
        let mut pressing: Vec<u32> = (0..count).filter(|_| self.rng.f64() < wave.share).collect();
        self.rng.shuffle(&mut pressing);
        #[expect(clippy::cast_precision_loss, reason = "no so many devices")]
        let apart = wave.within / pressing.len().max(1) as f64;
        let due = |index: u32| self.next_wave + apart * f64::from(index);
        self.pressing = pressing.into_iter().zip(0..).map(|(device, index)| (due(index), device)).collect();
        self.next_wave += wave.every;
    }

    fn kind(&mut self) -> Kind {
        let mut left = self.rng.u32(..self.total);
        for (kind, share) in &self.mix {
            match left.checked_sub(*share) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::Telemetry
    }

    fn say(&mut self, device: u32, kind: Kind, now: f64, due: Duration) -> Planned {
        let run = Run { mark: &self.mark, began: self.began };
        let wearer = &mut self.wearers[device as usize];
        let said = wearer.say(kind, now, run, &mut self.rng);
        planned(wearer, said, Some(due))
    }
}

fn planned(wearer: &Wearer, said: Said, due: Option<Duration>) -> Planned {
    let Said { leaf, payload, event_id, sequence } = said;
    Planned { due, topic: leaf.topic(&wearer.device), qos: leaf.qos(), payload, event_id, sequence }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn plan(seed: u64, scenario: &str) -> Plan {
        let simulated = Simulated { seed, devices: 20 };
        Plan::new(&simulated, &Scenario::of(scenario).unwrap(), Duration::from_millis(10), 1_795_536_000_123)
    }

    fn acts(plan: &mut Plan, count: usize) -> Vec<(u32, Act)> {
        let next = || {
            let (device, acts) = plan.next();
            acts.into_iter().map(move |act| (device, act))
        };
        std::iter::repeat_with(next).take(count).flatten().collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_messages_in_the_same_order() {
        let of = |seed| acts(&mut plan(seed, "storm"), 2000);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn messages_are_told_apart_and_counted_by_topic() {
        let mut ids = BTreeSet::new();
        let mut last: BTreeMap<(u32, String), u64> = BTreeMap::new();
        for (device, act) in acts(&mut plan(7, "burst"), 5000) {
            let Act::Send(message) = act else { continue };
            let body: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
            assert_eq!(
                (&body["eventId"], &body["sequence"]),
                (&message.event_id.clone().into(), &message.sequence.into())
            );
            assert!(message.payload.len() < 256, "no small client could send {}", message.payload);
            let before = last.insert((device, message.topic.clone()), message.sequence).unwrap_or(0);
            assert_eq!(message.sequence, before + 1, "{}", message.topic);
            assert!(ids.insert(message.event_id));
        }
    }

    #[test]
    fn the_rate_is_kept_and_a_wave_comes_on_top() {
        let mut storm = plan(7, "storm");
        let all = acts(&mut storm, 1020);
        let dues: Vec<Duration> =
            all.iter().filter_map(|(_, act)| if let Act::Send(message) = act { message.due } else { None }).collect();
        assert!(dues.is_sorted());
        let (second, wave) = (Duration::from_secs(1), Duration::from_secs(5)..Duration::from_secs(7));
        assert_eq!(dues.iter().filter(|due| **due < second).count(), 100);
        let reconnects = all.iter().filter(|(_, act)| matches!(act, Act::Reconnect(_))).count();
        assert_eq!((reconnects, dues.iter().filter(|due| wave.contains(*due)).count()), (20, 220), "each once");
        assert!(storm.due() >= *dues.last().unwrap());
    }

    #[test]
    fn telemetry_and_presses_are_as_the_platform_knows_them() {
        let all = acts(&mut plan(7, "city"), 3000);
        let body = |end: &str| {
            let fits = |(_, act): &(u32, Act)| match act {
                Act::Send(message) if message.topic.ends_with(end) => serde_json::from_str(&message.payload).ok(),
                _ => None,
            };
            all.iter().find_map(fits).unwrap_or(serde_json::Value::Null)
        };
        let has = |end: &str, fields: &[&str]| {
            let body = body(end);
            fields.iter().all(|field| body.get(field).is_some_and(|value| !value.is_null()))
        };
        assert!(has("/telemetry", &["deviceId", "heartRate", "battery", "timestamp"]));
        assert!(has("/press", &["deviceId", "type", "latitude", "longitude", "timestamp"]));
        assert!(has("/enter", &["userId", "zone"]) && has("/exit", &["userId", "zone"]));
        assert!(has("/trigger", &["userId", "type", "latitude", "longitude"]));
    }
}
