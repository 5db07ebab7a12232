//! How long the bridge takes to map a message, without jq: `cargo bench --bench mapping`.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::time::Instant;

use bytes::Bytes;
use sosstack::bridge::map::{Limits, Mapper};
use sosstack::bridge::record::Received;
use sosstack::bridge::routes::Routes;
use sosstack::stack::load::{Overrides, load_text};

const MESSAGES: u32 = 200_000;
const AT: i64 = 1_795_536_000_000;

fn main() {
    let stack = load_text("", None, &Overrides::default()).expect("the built-in stack").stack;
    let routes = Routes::load_text("", None, &stack).expect("the built-in routes");
    let owners = [("panic-1", Some("user-1"))].into_iter().collect();
    let mapper = Mapper::new(routes, owners, Limits::default());
    let telemetry =
        format!(r#"{{"deviceId":"d-1","heartRate":71,"timestamp":{},"pad":"{}"}}"#, AT / 1000, "x".repeat(120));
    for (topic, payload) in
        [("device/d-1/telemetry", telemetry.as_str()), ("device/d-1/telemetry", "{}"), ("panic/panic-1/press", "{}")]
    {
        let message = received(topic, payload);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            assert!(!mapper.take(&message).records.is_empty(), "each becomes a record");
        }
        println!("{topic}, {} bytes: {:?} each", payload.len(), began.elapsed() / MESSAGES);
    }
}

fn received(topic: &str, payload: &str) -> Received {
    Received {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: 2,
        retained: false,
        duplicate: false,
        at: AT,
        properties: Vec::new(),
    }
}
