//! Which dead letters are meant.

use super::id::LetterId;
use super::letter::Letter;
use crate::bridge::routes::Routes;
use crate::mqtt::filters::matches;
use crate::place::{From, Until};

/// The dead letters that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By their ids.
    These(Vec<LetterId>),
    Those(Wish),
}

/// Dead letters of a kind; all of it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub from: From,
    pub until: Until,
    /// Part of the reason, in capital or small letters.
    pub reason: Option<String>,
    /// The device that the topic names, or the letter's key.
    pub device: Option<String>,
    /// An MQTT topic filter.
    pub topic: Option<String>,
    /// Only the newest so many.
    pub last: Option<usize>,
}

impl Wish {
    /// Whether a letter is meant, as far as it alone tells. Where reading begins is not asked.
    pub fn wants(&self, letter: &Letter, routes: &Routes) -> bool {
        let before = match self.until {
            Until::Never | Until::Now => true,
            Until::Time(end) => letter.message.time < end,
            Until::Offset(end) => letter.id.offset < end,
        };
        before
            && self.reason.as_ref().is_none_or(|part| holds(letter.reason().as_deref(), part))
            && self.topic.as_ref().is_none_or(|filter| letter.mqtt_topic().is_some_and(|topic| matches(filter, topic)))
            && self.device.as_ref().is_none_or(|device| is_of(letter, device, routes))
    }

    /// Whether it leaves letters out.
    pub fn is_narrow(&self) -> bool {
        let Self { from, until, reason, device, topic, last: _ } = self;
        let is_bounded = *from != From::Beginning || !matches!(until, Until::Never | Until::Now);
        is_bounded || reason.is_some() || device.is_some() || topic.is_some()
    }
}

fn holds(reason: Option<&str>, part: &str) -> bool {
    reason.is_some_and(|reason| reason.to_lowercase().contains(&part.to_lowercase()))
}

fn is_of(letter: &Letter, device: &str, routes: &Routes) -> bool {
    if letter.message.key.as_deref() == Some(device.as_bytes()) {
        return true;
    }
    let in_topic = || {
        let (_, route, parts) = routes.find(letter.mqtt_topic()?)?;
        Some(parts.get(route.device?))
    };
    in_topic() == Some(device)
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::letter;
    use super::*;
    use crate::stack::load::{Overrides, load_text};

    fn wish() -> Wish {
        Wish { from: From::Beginning, until: Until::Never, reason: None, device: None, topic: None, last: None }
    }

    #[test]
    fn every_wish_must_hold() {
        let stack = load_text("", None, &Overrides::default()).unwrap().stack;
        let routes = Routes::load_text("", None, &stack).unwrap();
        let press = letter("panic/panic-1/press", b"x", &[("route", "press"), ("reason", "it is not JSON: line 1")]);
        let wants = |wish: &Wish| wish.wants(&press, &routes);
        let some = |text: &str| Some(text.to_owned());
        assert!(wants(&wish()) && !wish().is_narrow());
        let (time, offset) = (press.message.time, press.id.offset);
        assert!(
            wants(&Wish { until: Until::Time(time + 1), ..wish() }) && wants(&Wish { until: Until::Now, ..wish() })
        );
        assert!(!wants(&Wish { until: Until::Time(time), ..wish() }));
        assert!(!wants(&Wish { until: Until::Offset(offset), ..wish() }));
        assert!(wants(&Wish { reason: some("NOT json"), ..wish() }));
        assert!(!wants(&Wish { reason: some("jq"), ..wish() }));
        assert!(wants(&Wish { device: some("panic-1"), ..wish() }), "as its route says");
        assert!(wants(&Wish { device: some("d-1"), ..wish() }), "as its key says");
        assert!(!wants(&Wish { device: some("press"), ..wish() }), "a level that names no device");
        assert!(wants(&Wish { topic: some("panic/+/press"), ..wish() }));
        let narrow = Wish { topic: some("device/#"), ..wish() };
        assert!(!wants(&narrow) && narrow.is_narrow());
        let nameless = super::super::letter::tests::foreign(b"x", &[]);
        assert!(!Wish { topic: some("#"), ..wish() }.wants(&nameless, &routes));
        assert!(!Wish { reason: some(""), ..wish() }.wants(&nameless, &routes));
    }
}
