//! The engines of pub, sub and tail as a library: what a bridge or a page calls, without a command line.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use sosstack::about::About;
use sosstack::address::Address;
use sosstack::endpoints;
use sosstack::filter::{Filter, Wishes};
use sosstack::kafka::{self, produce::Codec};
use sosstack::mqtt::{self, access::Login, access::Transport};
use sosstack::publish::{Supply, Terms, send};
use sosstack::reach::Reach;
use sosstack::reading::{Heard, Limits, Session, Watch};
use sosstack::secrets::Secret;
use sosstack::sending::Outgoing;
use sosstack::shutdown::Shutdown;

use crate::harness::Home;
use crate::messages::PATIENCE;

fn reach(home: &Home) -> Reach {
    let environment = home.environment();
    let about = About::this_machine();
    let password = Secret::new(environment["MQTT_PASSWORD"].clone());
    let login = Login::new(&environment["MQTT_USERNAME"], password);
    let address =
        endpoints::Address { host: environment["MQTT_HOST"].clone(), port: environment["MQTT_PORT"].parse().unwrap() };
    let servers = environment["KAFKA_BROKERS"].split(',').map(str::to_owned).collect();
    Reach {
        kafka: Some(kafka::access::Access { servers, login: None, tls: None, about: about.clone() }),
        mqtt: Some(mqtt::access::Access { address, transport: Transport::Tcp, login: Some(login) }),
        codec: Codec::None,
        about,
    }
}

fn outgoing(number: u64, topic: &str, value: &'static str) -> Outgoing {
    Outgoing {
        number,
        topic: topic.into(),
        key: None,
        headers: Arc::default(),
        properties: None,
        qos: 1,
        retain: false,
        time: None,
        value: Some(value.into()),
    }
}

pub fn others_can_call_them(home: &Home) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(messages_are_sent_and_heard(&reach(home)));
    runtime.shutdown_background();
}

/// Of both brokers in one stream, filtered, up to a number; what is refused is named by its number.
async fn messages_are_sent_and_heard(reach: &Reach) {
    let (report, shutdown) = (|_| {}, Shutdown::default());
    let addresses = [Address::Kafka("test.engines".to_owned()), Address::Mqtt("device/engine/telemetry".to_owned())];
    let watch = Watch {
        strict: true,
        qos: 1,
        patience: PATIENCE,
        ..Watch::of(&addresses, reach.kafka.as_ref(), reach.mqtt.as_ref())
    };
    let filter = Filter::new(&Wishes { grep: Some("wanted"), ..Wishes::default() }).unwrap();
    let (take, taken) = channel();
    let sink = Box::new(move |heard: Heard<'_>| {
        if let Heard::Message(message) = heard {
            take.send((message.topic.to_string(), message.value.unwrap().to_vec()))?;
        }
        Ok(())
    });
    let limits = Limits { count: Some(3), timeout: Some(PATIENCE), ..Limits::default() };
    let session = Session::open(&watch, filter, limits, sink, &report, &shutdown).await.unwrap();
    assert_eq!(session.names(), ["test.engines", "device/engine/telemetry"]);
    let supply = Supply::Messages {
        kafka: vec![
            outgoing(1, "test.engines", "wanted 1"),
            outgoing(2, "no.such.topic", "wanted 2"),
            outgoing(3, "test.engines", "something else"),
        ],
        mqtt: vec![
            outgoing(4, "device/engine/telemetry", "wanted 4"),
            outgoing(5, "device/engine/telemetry", "wanted 5"),
        ],
    };
    let terms = Terms { patience: PATIENCE, linger: Duration::ZERO };
    let sent = send(reach, supply, terms, &report, &shutdown).await.unwrap();
    assert_eq!((sent.total, sent.accepted, sent.lost(), sent.interrupted), (5, 4, 1, false));
    assert_eq!(sent.refused.len(), 1);
    assert_eq!(sent.refused[0].1.numbers().collect::<Vec<_>>(), [2]);
    let ended = session.until_end(&report, &shutdown).await.unwrap();
    assert_eq!((ended.messages, ended.timed_out), (3, false));
    let mut heard: Vec<(String, Vec<u8>)> = taken.iter().collect();
    heard.sort();
    let expected = [
        ("device/engine/telemetry", "wanted 4"),
        ("device/engine/telemetry", "wanted 5"),
        ("test.engines", "wanted 1"),
    ];
    assert_eq!(heard, expected.map(|(topic, value)| (topic.to_owned(), value.as_bytes().to_vec())));
}
