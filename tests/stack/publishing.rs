//! pub never lies: each line is acknowledged, or named. What peers lose without a word is not lost here.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::Home;
use crate::messages::{Running, feed, lines, read_all};

pub fn every_line_is_acknowledged_or_named(home: &Home) {
    a_hundred_thousand_lines_arrive(home);
    lines_are_bytes(home);
    long_lines_arrive_or_are_named(home);
    what_the_acl_refuses_is_named(home);
    a_batch_to_kafka_arrives(home);
    payloads_come_from_files_too(home);
    large_messages_arrive_or_are_named(home);
    a_topic_that_takes_little_takes_what_fits(home);
}

fn a_hundred_thousand_lines_arrive(home: &Home) {
    let topic = "device/many/telemetry";
    let mut text = String::new();
    for number in 1..=100_000 {
        writeln!(text, "{{\"number\":{number}}}").unwrap();
    }
    for qos in ["0", "1", "2"] {
        let subscriber = Running::listen(home, &["sub", topic, "--count", "100000", "--timeout", "300s"]);
        let sent = feed(home, &["pub", topic, "--lines", "--qos", qos], text.as_bytes());
        assert_eq!(sent.code, Some(0), "{sent:?}");
        assert!(sent.stderr.contains("100000 messages"), "{sent:?}");
        let (received, code) = subscriber.finish();
        assert_eq!(code, Some(0), "QoS {qos}");
        assert!(received == text.as_bytes(), "QoS {qos}: {} of {} bytes", received.len(), text.len());
    }
}

/// A NUL, an empty line, carriage returns, bytes that are not text, a last line without an end.
fn lines_are_bytes(home: &Home) {
    let input = b"a\0b\n\nwindows\r\n\xff\xfe\nlast";
    let expected = b"a\0b\n\nwindows\r\n\xff\xfe\nlast\n";
    let subscriber = Running::listen(home, &["sub", "device/bytes/telemetry", "--count", "5", "--timeout", "60s"]);
    let sent = feed(home, &["pub", "device/bytes/telemetry", "--lines"], input);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(subscriber.finish().0, expected);
    let sent = feed(home, &["pub", "location.geofence", "--lines", "--key", "one"], input);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(read_all(home, "location.geofence", &[]), expected);
}

fn long_lines_arrive_or_are_named(home: &Home) {
    // Letters that no compression makes small.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    let long: String = (0..3_000_000).map(|_| letter()).collect();
    let subscriber = Running::listen(home, &["sub", "device/long/telemetry", "--count", "2", "--timeout", "60s"]);
    let sent =
        feed(home, &["pub", "device/long/telemetry", "--lines", "--qos", "2"], format!("{long}\nshort\n").as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(subscriber.finish().0.len(), long.len() + "\nshort\n".len());
    // The brokers take a megabyte; what is larger is named, and the others arrive.
    let sent = feed(home, &["pub", "notification.sms", "--lines"], format!("first\n{long}\nthird\n").as_bytes());
    assert_eq!(sent.code, Some(1), "{}", sent.stderr.len());
    assert!(sent.stderr.contains("1 of 3") && sent.stderr.contains("line 2: it is larger"), "{}", sent.stderr);
    let mut arrived = lines(&read_all(home, "notification.sms", &[]));
    arrived.sort();
    assert_eq!(arrived, ["first", "third"]);
}

fn what_the_acl_refuses_is_named(home: &Home) {
    for qos in [1, 2] {
        let line = |device: &str| format!("{{\"topic\":\"device/{device}/telemetry\",\"value\":{{}},\"qos\":{qos}}}\n");
        let mut input = line("device-12345") + &line("esp32-001") + &line("device-12345");
        // More than may be in flight at a time: what is refused must make room.
        (0..3000).for_each(|_| input.push_str(&line("esp32-001")));
        input.push_str(&line("device-12345"));
        let sent = feed(home, &["pub", "--envelope", "--as", "device-12345"], input.as_bytes());
        assert_eq!(sent.code, Some(1), "{sent:?}");
        assert!(sent.stderr.contains("3001 of 3004 messages were not acknowledged"), "{sent:?}");
        let words = "lines 2, 4-3003: device-12345 may not publish to device/esp32-001/telemetry";
        assert!(sent.stderr.contains(words), "{sent:?}");
    }
}

fn a_batch_to_kafka_arrives(home: &Home) {
    let mut input = String::new();
    for number in 0..10_000 {
        writeln!(input, "{{\"deviceId\":\"d-{}\",\"number\":{number}}}", number % 7).unwrap();
    }
    let sent = feed(home, &["pub", "device.telemetry", "--lines", "--key-from", ".deviceId"], input.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let read = lines(&read_all(home, "device.telemetry", &["-o", "json"]));
    assert_eq!(read.len(), 10_000);
    for line in read.iter().step_by(997) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["key"], value["value"]["deviceId"]);
    }
    let sent = feed(
        home,
        &["pub", "device.telemetry", "--lines", "--key-from", ".deviceId"],
        b"{\"deviceId\":\"d\"}\n{}\nno json\n",
    );
    assert_eq!(sent.code, Some(1), "{sent:?}");
    assert!(
        sent.stderr.contains("line 2: .deviceId gives nothing") && sent.stderr.contains("line 3: not JSON"),
        "{sent:?}"
    );
    let wrong = feed(home, &["pub", "--envelope"], b"{\"topic\":\"device.telemetri\",\"value\":1}\n");
    assert_eq!(wrong.code, Some(1), "a typo makes no topic: {wrong:?}");
    assert!(wrong.stderr.contains("did you mean device.telemetry?"), "{wrong:?}");
}

fn payloads_come_from_files_too(home: &Home) {
    let file = home.path().join("payload.bin");
    std::fs::write(&file, b"line\nline\0").unwrap();
    let argument = format!("@{}", file.display());
    let subscriber = Running::listen(home, &["sub", "device/file/telemetry", "--count", "3", "--timeout", "60s"]);
    home.ok(&["pub", "device/file/telemetry", &argument, "--repeat", "2"]);
    assert_eq!(feed(home, &["pub", "device/file/telemetry", "-"], b"from\nstdin").code, Some(0));
    assert_eq!(subscriber.finish().0, b"line\nline\0\nline\nline\0\nfrom\nstdin\n");
}

/// Larger than what the library and we keep waiting, and than what one fetch asks for.
fn large_messages_arrive_or_are_named(home: &Home) {
    const SIZE: usize = 36_000_000;
    // Bytes that no compression makes small.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let bytes: Vec<u8> = (0..3 * SIZE).map(|_| next()).collect();
    let files = [("large", SIZE), ("larger", 2 * SIZE), ("too-large", 3 * SIZE)].map(|(name, size)| {
        let file = home.path().join(name);
        std::fs::write(&file, &bytes[..size]).unwrap();
        format!("@{}", file.display())
    });
    home.ok(&["topic", "create", "test.large", "--partitions", "1", "--config", "max.message.bytes=60000000"]);
    home.ok(&["pub", "test.large", &files[0]]);
    let read = read_all(home, "test.large", &[]);
    assert!(read.len() == SIZE + 1 && read[..SIZE] == bytes[..SIZE], "{} bytes", read.len());
    for (file, words) in [
        (&files[1], "it is larger than the topic allows (max.message.bytes 60000000)"),
        (&files[2], "it has 108000000 bytes, and a request to the brokers 104857600 at most"),
    ] {
        let refused = home.run(&["pub", "test.large", file, "--timeout", "60s"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    home.ok(&["topic", "delete", "test.large", "--yes"]);
}

/// Brokers refuse batches as a whole: no message may be refused for the company that it is in.
fn a_topic_that_takes_little_takes_what_fits(home: &Home) {
    // Letters that no compression makes small.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    let mut line = |length: usize| (0..length).map(|_| letter()).collect::<String>();
    let mut sent: Vec<String> = (0..500).map(|_| line(1000)).collect();
    home.ok(&["topic", "create", "test.small", "--partitions", "1", "--config", "max.message.bytes=10000"]);
    sent.insert(300, line(20_000));
    let refused = feed(home, &["pub", "test.small", "--lines"], sent.join("\n").as_bytes());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let words = "1 of 501 messages were not acknowledged\n  line 301: it is larger than the topic allows \
                 (max.message.bytes 10000)";
    assert!(refused.stderr.contains(words), "{refused:?}");
    sent.remove(300);
    assert!(lines(&read_all(home, "test.small", &[])) == sent, "all others arrive, in their order");
    home.ok(&["topic", "delete", "test.small", "--yes"]);
}
