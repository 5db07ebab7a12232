//! One person with a device: walks, has a pulse, drains a battery.

use fastrand::Rng;

use super::leaf::{LEAVES, Leaf};
use super::payload::{Body, Payload, Position, Stamp};
use super::scenario::Kind;
use crate::stack::Device;

/// Where everybody sets out, in degrees; and how far apart, at most.
const TOWN: (f64, f64) = (52.52, 13.405);
const SPREAD: f64 = 0.05;
/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;
/// Metres a second.
const WALKING: f64 = 1.4;
/// What a battery loses in an hour, of 100.
const DRAIN: f64 = 4.0;
const EMERGENCIES: [&str; 4] = ["MEDICAL", "FIRE", "ASSAULT", "ACCIDENT"];
const ALERTS: [&str; 3] = ["LOW_BATTERY", "BUTTON", "NO_MOTION"];
const ZONES: [&str; 3] = ["home", "school", "work"];

/// A device and whoever carries it, at one moment of the simulation.
pub(super) struct Wearer {
    pub(super) device: Device,
    latitude: f64,
    longitude: f64,
    /// Radians.
    heading: f64,
    /// Beats a minute.
    pulse: f64,
    battery: f64,
    steps: f64,
    /// The fence within which it is.
    zone: Option<&'static str>,
    /// Seconds from the beginning.
    moved: f64,
    messages: u64,
    sequences: [u64; LEAVES],
}

/// What it publishes.
pub(super) struct Said {
    pub(super) leaf: Leaf,
    pub(super) payload: String,
    pub(super) event_id: String,
    pub(super) sequence: u64,
}

/// Of which run a message is, for its id and its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    /// Tells runs of the same seed apart: an id that comes again means a redelivery.
    pub(super) mark: &'a str,
    /// When the simulation began, in seconds since 1970.
    pub(super) began: i64,
}

impl Wearer {
    pub(super) fn new(device: Device, rng: &mut Rng) -> Self {
        let mut around = |centre: f64| centre + SPREAD * (rng.f64() * 2.0 - 1.0);
        let (latitude, longitude) = (around(TOWN.0), around(TOWN.1));
        Self {
            device,
            latitude,
            longitude,
            heading: rng.f64() * std::f64::consts::TAU,
            pulse: 60.0 + 40.0 * rng.f64(),
            battery: 40.0 + 60.0 * rng.f64(),
            steps: 0.0,
            zone: None,
            moved: 0.0,
            messages: 0,
            sequences: [0; LEAVES],
        }
    }

    /// What it says of a kind, `now` seconds after the beginning.
    pub(super) fn say(&mut self, kind: Kind, now: f64, run: Run<'_>, rng: &mut Rng) -> Said {
        self.walk(now, rng);
        let (leaf, body) = self.body(kind, rng);
        self.stamp(leaf, body, now, run)
    }

    /// That it is online, or no more.
    pub(super) fn status(&mut self, status: &str, now: f64, run: Run<'_>) -> Said {
        self.stamp(Leaf::Status, Body::Status { status }, now, run)
    }

    fn walk(&mut self, now: f64, rng: &mut Rng) {
        let seconds = (now - self.moved).max(0.0);
        self.moved = now;
        self.heading += (rng.f64() - 0.5) * 0.8;
        let metres = WALKING * seconds;
        self.latitude += metres * self.heading.cos() / DEGREE;
        self.longitude += metres * self.heading.sin() / (DEGREE * TOWN.0.to_radians().cos());
        self.steps += metres * 1.3;
        self.battery = (self.battery - DRAIN * seconds / 3600.0).max(1.0);
        // Back to rest, more slowly than chance takes it away.
        self.pulse = (self.pulse + (75.0 - self.pulse) * 0.05 + (rng.f64() - 0.5) * 8.0).clamp(45.0, 190.0);
    }

    fn body(&mut self, kind: Kind, rng: &mut Rng) -> (Leaf, Body<'static>) {
        let (heart_rate, battery, at) = (whole(self.pulse), whole(self.battery), self.here());
        match kind {
            Kind::Telemetry => (Leaf::Telemetry, Body::Telemetry { heart_rate, battery }),
            Kind::Location => (Leaf::Location, Body::Location { accuracy: 3 + rng.u32(..12), speed: WALKING, at }),
            Kind::Heartrate => (Leaf::Heartrate, Body::HeartRate { heart_rate }),
            Kind::Activity => (Leaf::Activity, Body::Activity { activity: "WALKING", steps: whole(self.steps) }),
            Kind::Battery => (Leaf::Battery, Body::Battery { battery }),
            Kind::Status => (Leaf::Status, Body::Status { status: "online" }),
            Kind::Alert => (Leaf::Alert, Body::Alert { r#type: choose(&ALERTS, rng), battery }),
            Kind::Fall => {
                self.pulse += 30.0;
                (Leaf::Fall, Body::Fall { r#type: "FALL", severity: 1 + rng.u32(..5), at })
            }
            Kind::Press => (Leaf::Press, Body::Press { r#type: choose(&EMERGENCIES, rng), at }),
            Kind::Trigger => {
                let user_id = self.device.owner.clone();
                (Leaf::Trigger, Body::Trigger { user_id, r#type: choose(&EMERGENCIES, rng), at })
            }
            Kind::Geofence => {
                let (leaf, zone) = match self.zone.take() {
                    Some(zone) => (Leaf::Exit, zone),
                    None => (Leaf::Enter, *self.zone.insert(choose(&ZONES, rng))),
                };
                (leaf, Body::Geofence { user_id: self.device.owner.clone(), zone, at })
            }
        }
    }

    /// To the decimetre.
    fn here(&self) -> Position {
        let rounded = |degrees: f64| (degrees * 1e6).round() / 1e6;
        Position { latitude: rounded(self.latitude), longitude: rounded(self.longitude) }
    }

    fn stamp(&mut self, leaf: Leaf, body: Body<'_>, now: f64, run: Run<'_>) -> Said {
        self.messages += 1;
        let sequence = &mut self.sequences[leaf as usize];
        *sequence += 1;
        let sequence = *sequence;
        let event_id = format!("{}-{}-{}", self.device.id, run.mark, self.messages);
        let stamp = Stamp { timestamp: run.began + whole(now), sequence, event_id: &event_id };
        let payload = Payload { device_id: &self.device.id, body, stamp: Some(stamp) }.to_json();
        Said { leaf, payload, event_id, sequence }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "pulses, percent, steps and seconds of a simulation are small")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

fn choose(words: &[&'static str], rng: &mut Rng) -> &'static str {
    words[rng.usize(..words.len())]
}
