//! The envelope, through the real brokers: what goes in comes out, to the byte.

use std::collections::BTreeMap;

use sosstack::message::envelope::Writer;
use sosstack::message::{Broker, Message, NO_TIME, Properties};

use crate::harness::Home;
use crate::messages::{Running, feed, lines, read_all};

/// Messages of each broker; enough that every kind of everything meets every other.
const COUNT: usize = 400;

pub fn what_sub_prints_pub_sends_byte_for_byte(home: &Home) {
    let seed = std::env::var("SOSSTACK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
    println!("envelope seed: {seed} (SOSSTACK_TEST_SEED)");
    through_kafka(home, &mut Dice(seed));
    a_time_that_cannot_be_sent_is_named(home);
    through_mqtt(home, &mut Dice(seed));
    what_mqtt_cannot_carry_is_named(home);
}

fn through_kafka(home: &Home, dice: &mut Dice) {
    let sent: Vec<Message> = (0..COUNT).map(|number| kafka_message(dice, number)).collect();
    let input = sent.iter().map(line).collect::<Vec<_>>().join("\n");
    let published = feed(home, &["pub", "--envelope"], input.as_bytes());
    assert_eq!(published.code, Some(0), "{published:?}");
    let first = lines(&read_all(home, "audit.access", &["-o", "json"]));
    compare(&sent, &first, "audit.access");
    // What was printed goes in again, to another topic.
    let again = feed(home, &["pub", "audit.changes", "--envelope"], (first.join("\n") + "\n").as_bytes());
    assert_eq!(again.code, Some(0), "{again:?}");
    compare(&sent, &lines(&read_all(home, "audit.changes", &["-o", "json"])), "audit.changes");
}

/// Each line is the sent message's, but for the place that the broker gave it.
fn compare(sent: &[Message], received: &[String], topic: &str) {
    assert_eq!(received.len(), sent.len());
    let by_number = by_number(received);
    for message in sent {
        let received = by_number[&number(message)];
        let place: serde_json::Value = serde_json::from_str(received).unwrap();
        let mut expected = Message { topic: topic.to_owned(), ..message.clone() };
        expected.partition = place["partition"].as_i64().map(|id| i32::try_from(id).unwrap());
        expected.offset = place["offset"].as_i64();
        assert_eq!(received, &line(&expected));
    }
}

/// Lines by the number in their first header: neither partitions nor QoS levels keep one order.
fn by_number(received: &[String]) -> BTreeMap<String, &String> {
    let mut lines = BTreeMap::new();
    for line in received {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = value["headers"][0]["value"].as_str().unwrap().to_owned();
        assert!(lines.insert(number, line).is_none(), "twice: {line}");
    }
    lines
}

fn number(message: &Message) -> String {
    String::from_utf8(message.headers[0].1.clone().unwrap()).unwrap()
}

fn a_time_that_cannot_be_sent_is_named(home: &Home) {
    let input = r#"{"topic":"audit.changes","time":"1970-01-01T00:00:00Z","value":"as of now would be a lie"}"#;
    let refused = feed(home, &["pub", "--envelope"], input.as_bytes());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("line 1: its time is 1970-01-01T00:00:00Z, which cannot be sent"), "{refused:?}");
}

fn through_mqtt(home: &Home, dice: &mut Dice) {
    let topic = "wearable/round-trip/activity";
    let sent: Vec<Message> = (0..COUNT).map(|number| mqtt_message(dice, topic, number)).collect();
    let count = COUNT.to_string();
    let subscriber = Running::listen(home, &["sub", topic, "--count", &count, "-o", "json", "--timeout", "60s"]);
    let input = sent.iter().map(line).collect::<Vec<_>>().join("\n");
    let published = feed(home, &["pub", "--envelope"], input.as_bytes());
    assert_eq!(published.code, Some(0), "{published:?}");
    let (received, code) = subscriber.finish();
    assert_eq!(code, Some(0));
    let received = lines(&received);
    assert_eq!(received.len(), sent.len());
    let by_number = by_number(&received);
    for message in &sent {
        let received = by_number[&number(message)];
        let mut expected = message.clone();
        let value: serde_json::Value = serde_json::from_str(received).unwrap();
        // When it was received, and how much of its life is left: the only things that may differ.
        expected.time = value["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        if let Some(left) = value["properties"]["expiry"].as_u64() {
            let properties = expected.properties.as_mut().unwrap();
            let given = u64::from(properties.expiry.unwrap());
            assert!(left <= given && given - left <= 60, "{left} of {given} seconds");
            properties.expiry = Some(u32::try_from(left).unwrap());
        }
        assert_eq!(received, &line(&expected));
    }
    home.ok(&["pub", topic, "", "--retain"]);
}

fn what_mqtt_cannot_carry_is_named(home: &Home) {
    let input = "{\"topic\":\"a/b\",\"value\":1,\"key\":\"k\"}\n{\"topic\":\"a/b\",\"value\":null,\"encoding\":\"null\"}\n{\"topic\":\"a/b\",\"value\":3}\nnonsense\n";
    let refused = feed(home, &["pub", "--envelope"], input.as_bytes());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in
        ["3 of 4", "line 1: MQTT messages have no key", "line 2: MQTT has no null values", "line 4: not an envelope"]
    {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
}

fn line(message: &Message) -> String {
    Writer::default().line(&message.view())
}

fn kafka_message(dice: &mut Dice, number: usize) -> Message {
    let mut headers = vec![(b"number".to_vec(), Some(number.to_string().into_bytes()))];
    for _ in 0..dice.below(4) {
        let names: [&[u8]; 6] = [b"twice", b"twice", b"", "schlüssel".as_bytes(), b"quote\"", b"\xff no text \xc3"];
        headers.push((names[dice.below(6)].to_vec(), bytes(dice)));
    }
    Message {
        broker: Broker::Kafka,
        topic: "audit.access".to_owned(),
        partition: None,
        offset: None,
        qos: None,
        retained: None,
        key: bytes(dice),
        headers,
        properties: None,
        // Within a week, or the broker may delete it before it is read; some producers count other units, or not at all.
        time: match dice.below(10) {
            0 => jiff::Timestamp::now().as_microsecond(),
            1 => i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap(),
            2 => NO_TIME,
            _ => jiff::Timestamp::now().as_millisecond() - i64::try_from(dice.below(3_600_000)).unwrap(),
        },
        value: bytes(dice),
    }
}

fn mqtt_message(dice: &mut Dice, topic: &str, number: usize) -> Message {
    let value = bytes(dice).unwrap_or_default();
    let is_text = str::from_utf8(&value).is_ok();
    let mut text = |one_in: usize| (dice.below(one_in) == 0).then(|| unicode(dice).replace('\0', ""));
    let properties = Properties {
        content_type: text(2),
        response_topic: text(3).map(|text| format!("answer/{}", text.replace(['#', '+'], ""))),
        correlation_data: text(3).map(|text| if text.len() % 2 == 0 { text.into_bytes() } else { vec![0, 255, 1] }),
        payload_format: text(2).map(|_| u8::from(is_text)),
        expiry: text(2).map(|text| 3600 + u32::try_from(text.len()).unwrap()),
    };
    let mut headers = vec![(b"number".to_vec(), Some(number.to_string().into_bytes()))];
    for _ in 0..dice.below(4) {
        headers.push((b"twice".to_vec(), Some(unicode(dice).replace('\0', "").into_bytes())));
    }
    Message {
        broker: Broker::Mqtt,
        topic: topic.to_owned(),
        partition: None,
        offset: None,
        qos: Some(u8::try_from(dice.below(3)).unwrap()),
        // The first of them is still retained when the last one comes.
        retained: Some(dice.below(3) == 0),
        key: None,
        headers,
        properties: (properties != Properties::default()).then_some(properties),
        time: 0,
        value: Some(value),
    }
}

fn bytes(dice: &mut Dice) -> Option<Vec<u8>> {
    Some(match dice.below(8) {
        0 => return None,
        1 => Vec::new(),
        2 => (0..dice.below(300)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect(),
        3 => unicode(dice).into_bytes(),
        4 => EDGES[dice.below(EDGES.len())].as_bytes().to_vec(),
        _ => json(dice, 0).into_bytes(),
    })
}

const EDGES: [&str; 14] = [
    "null",
    " null",
    "\"\"",
    "0",
    "-0",
    "1E400",
    "12345678901234567890",
    "0.10000000000000000000000001",
    "{}",
    "[ ]",
    "{\"a\":1,\"a\":2}",
    "{broken",
    "\u{feff}{}",
    "\r\n",
];

fn unicode(dice: &mut Dice) -> String {
    let ranges: [(usize, usize); 5] = [(0x20, 0x7f), (0, 0x20), (0xa0, 0x250), (0x2000, 0x2100), (0x1f600, 0x1f650)];
    let mut text = String::new();
    for _ in 0..dice.below(20) {
        let (start, end) = ranges[dice.below(ranges.len())];
        text.extend(char::from_u32(u32::try_from(start + dice.below(end - start)).unwrap()));
    }
    // MQTT's strings hold no control characters that Mosquitto would take.
    text.chars()
        .filter(|c| !c.is_control() || dice.below(2) == 0)
        .filter(|c| !('\u{7f}'..='\u{9f}').contains(c))
        .filter(|c| *c >= ' ')
        .collect()
}

/// JSON as people and programs write it: with and without blanks and line breaks, long numbers, escapes.
fn json(dice: &mut Dice, depth: usize) -> String {
    let blank = |dice: &mut Dice| ["", "", " ", "\n  ", "\t", "\r\n"][dice.below(6)];
    match if depth > 3 { 3 + dice.below(4) } else { dice.below(7) } {
        0..=1 => {
            let members = (0..dice.below(4)).map(|_| {
                let value = json(dice, depth + 1);
                format!(
                    "{}\"{}\"{}:{}{value}",
                    blank(dice),
                    ["a", "b \\\"", "ü", ""][dice.below(4)],
                    blank(dice),
                    blank(dice)
                )
            });
            format!("{{{}{}}}", members.collect::<Vec<_>>().join(","), blank(dice))
        }
        2 => {
            let items = (0..dice.below(4)).map(|_| json(dice, depth + 1));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        3 => (0..=dice.below(40)).map(|_| char::from(b'1' + u8::try_from(dice.below(9)).unwrap())).collect(),
        4 => format!("-0.{}e{}", dice.below(1_000_000), dice.below(500)),
        5 => ["true", "false", "null"][dice.below(3)].to_owned(),
        _ => format!("\"{}\\n\\u00e9\\ud83d\\ude00 \\\\ \"", dice.below(1000)),
    }
}

/// A small generator: the same seed makes the same messages.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
