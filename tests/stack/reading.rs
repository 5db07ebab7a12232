//! sub and tail: what is found, in which order, and what is said.

use std::fmt::Write as _;
use std::io::BufRead;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use rustix::process::Signal;

use crate::harness::{Home, eventually, interrupt};
use crate::messages::{PATIENCE, Running, feed, lines, read_all};

/// Before any stack is there: nothing is reached.
pub fn expressions_are_refused_before_anything_is_reached(home: &Home) {
    for (arguments, words) in [
        (["sub", "a.b", "--where", ".value |"], "--where: term is missing at the end\n  .value |\n          ^"),
        (["tail", "a.b", "--grep", "fall("], "fall(\n        ^"),
        (["sub", "a.b", "--format", "{time"], "--format: this brace is not closed\n  {time\n  ^"),
        (["pub", "a.b", "--lines", "--key-from=.a."], "--key-from:"),
    ] {
        let refused = home.run(&arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
        assert!(refused.stderr.contains('^'), "{refused:?}");
    }
}

pub fn messages_are_found_and_told(home: &Home) {
    the_past_is_merged_by_time(home);
    places_begin_and_end_reading(home);
    nothing_older_than_a_time_to_come_is_shown(home);
    filters_choose(home);
    transactions_do_not_hide_the_end(home);
    sub_ends_as_it_was_told(home);
    a_closed_pipe_ends_quietly(home);
    tail_merges_both_brokers(home);
    statistics_are_shown(home);
}

/// Sixty messages of two topics, written in no order of time.
fn the_past_is_merged_by_time(home: &Home) {
    let start = jiff::Timestamp::now().as_millisecond() - 3_600_000;
    let mut input = String::new();
    for number in 0..60 {
        let step = (number * 37) % 60;
        let time = jiff::Timestamp::from_millisecond(start + i64::from(step) * 1000).unwrap();
        let topic = if step % 2 == 0 { "emergency.updated" } else { "emergency.resolved" };
        writeln!(input, r#"{{"topic":"{topic}","key":"k{}","time":"{time}","value":{{"step":{step}}}}}"#, step % 7)
            .unwrap();
    }
    // A partition is read in its own order, as a service would write it.
    let mut in_order: Vec<&str> = input.lines().collect();
    in_order.sort_by_key(|line| line.split("\"time\"").nth(1).unwrap().to_owned());
    assert_eq!(feed(home, &["pub", "--envelope"], in_order.join("\n").as_bytes()).code, Some(0));
    let steps = |more: &[&str], count: usize| {
        let arguments =
            [&["tail", "emergency.updated", "emergency.resolved", "--format", "{value.step}"], more].concat();
        let mut tail = Running::listen(home, &arguments);
        let read = tail.stdout().lines().take(count).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(interrupt(&mut tail.child, Signal::INT), Some(0), "Ctrl-C is how a tail ends");
        read
    };
    let numbers = |range: std::ops::Range<i32>| range.map(|step| step.to_string()).collect::<Vec<_>>();
    assert_eq!(steps(&["--since", "2h"], 60), numbers(0..60));
    assert_eq!(steps(&["--from", "beginning", "--last", "7"], 7), numbers(53..60));
    assert_eq!(steps(&["--last", "60"], 60), numbers(0..60));
    assert_eq!(steps(&["--last", "3", "--where", ".value.step % 10 == 0"], 3), ["30", "40", "50"]);
    assert_eq!(steps(&["--since", "2h", "--last", "2", "--key", "k0"], 2), ["49", "56"]);
}

fn places_begin_and_end_reading(home: &Home) {
    let topic = "notification.email";
    for number in 0..6 {
        home.ok(&["pub", topic, &number.to_string(), "--key", "one"]);
    }
    let placed = lines(&read_all(home, topic, &["-o", "json"]));
    let place =
        |index: usize, field: &str| serde_json::from_str::<serde_json::Value>(&placed[index]).unwrap()[field].clone();
    let partition = place(0, "partition").to_string();
    let read = |more: &[&str]| lines(home.ok(&[&["sub", topic, "--partition", &partition], more].concat()).as_bytes());
    assert_eq!(read(&["--from", "2", "--until", "5"]), ["2", "3", "4"]);
    assert_eq!(read(&["--from", "4", "--until", "now"]), ["4", "5"]);
    assert_eq!(read(&["--from", "beginning", "--until", "0"]), Vec::<String>::new());
    // Times are the records' own.
    let time = place(3, "time").as_str().unwrap().to_owned();
    assert_eq!(read(&["--from", &time, "--until", "now"]).last().unwrap(), "5");
    assert!(read(&["--from", &time, "--until", "now"]).contains(&"3".to_owned()));
    assert!(!read(&["--from", "beginning", "--until", &time]).contains(&"3".to_owned()));
    // Epoch milliseconds are a time, as other tools print them; so they are to a group.
    let millis = time.parse::<jiff::Timestamp>().unwrap().as_millisecond().to_string();
    let since = read(&["--from", &millis, "--until", "now"]);
    assert!(since.contains(&"3".to_owned()) && !since.contains(&"0".to_owned()), "{since:?}");
    assert_eq!(read(&["--from", "offset:4", "--until", "offset:5"]), ["4"]);
    // A time that is still to come is waited for.
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3)).to_string();
    assert_eq!(read(&["--from", "beginning", "--until", &soon]).len(), 6);
    let none = home.run(&["sub", topic, "--partition", "9"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    let template = home.ok(&[
        "sub",
        topic,
        "--from",
        "beginning",
        "--until",
        "now",
        "-o",
        "template",
        "--format",
        "{topic}/{partition} {value}",
    ]);
    assert_eq!(template.lines().next().unwrap(), format!("{topic}/{partition} 0"));
}

/// Neither what is there, retained or not, nor what comes before that time.
fn nothing_older_than_a_time_to_come_is_shown(home: &Home) {
    let retained = "device/device-12345/status";
    home.ok(&["pub", retained, "old", "--retain"]);
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let targets = ["sub", "notification.email", retained, "--from", &start.to_string(), "--count", "2"];
    let reader = Running::listen(home, &[&targets[..], &["--timeout", "60s"]].concat());
    home.ok(&["pub", "notification.email", "early"]);
    eventually("the time has come", PATIENCE, || jiff::Timestamp::now() > start);
    home.ok(&["pub", "notification.email", "in time"]);
    home.ok(&["pub", retained, "in time"]);
    assert_eq!(reader.finish(), (b"in time\nin time\n".to_vec(), Some(0)));
    home.ok(&["pub", retained, "", "--retain"]);
}

fn filters_choose(home: &Home) {
    let input = r#"{"value":{"type":"FALL"},"key":"d-1","headers":[{"name":"source","value":"bridge"}]}
{"value":{"type":"BUTTON"},"key":"d-2"}
{"value":"a fall in words","encoding":"text"}
{"value":null,"encoding":"null","key":"d-3"}
"#;
    assert_eq!(feed(home, &["pub", "test.filters", "--envelope"], input.as_bytes()).code, Some(0));
    let count = |more: &[&str]| lines(&read_all(home, "test.filters", more)).len();
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--where", r#".value.type? == "FALL""#]), 1);
    assert_eq!(count(&["--grep", "fall"]), 1);
    assert_eq!(count(&["--grep", "fall", "-i"]), 2);
    assert_eq!(count(&["--key", "d-*"]), 3);
    assert_eq!(count(&["--header", "source"]), 1);
    assert_eq!(count(&["--header", "source=bri*", "--key", "d-2"]), 0);
    let said = home.run(&["sub", "test.filters", "--from", "beginning", "--until", "now", "--where", ".value.type"]);
    assert_eq!(said.stdout.lines().count(), 2, "{said:?}");
    assert!(said.stderr.contains("--where cannot be applied to some messages"), "{said:?}");
}

/// A committed and an aborted transaction: their markers take offsets that no message has.
fn transactions_do_not_hide_the_end(home: &Home) {
    let environment = home.environment();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &environment["KAFKA_BROKERS"])
        .set("transactional.id", "test")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for (value, commit) in [("committed", true), ("aborted", false)] {
        producer.begin_transaction().unwrap();
        let record: BaseRecord<'_, (), str> = BaseRecord::to("test.transactions").payload(value).partition(0);
        producer.send(record).unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.flush(PATIENCE).unwrap();
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    assert_eq!(read_all(home, "test.transactions", &[]), b"committed\n");
    let mut tail = Running::listen(home, &["tail", "test.transactions", "--last", "5", "--format", "{value}"]);
    let mut shown = tail.stdout().lines().map(Result::unwrap);
    assert_eq!(shown.next().unwrap(), "committed");
    home.ok(&["pub", "test.transactions", "present"]);
    assert_eq!(shown.next().unwrap(), "present", "the present follows the past");
}

fn sub_ends_as_it_was_told(home: &Home) {
    let late = home.run(&["sub", "location.realtime", "--count", "5", "--timeout", "3s"]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("0 of 5 messages"), "{late:?}");
    assert_eq!(home.run(&["sub", "location.realtime", "--timeout", "3s"]).code, Some(0));
    let unknown = home.run(&["tail", "location.realtim"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean location.realtime?"), "{unknown:?}");
    let foreign = home.run(&["sub", "device/+/alert", "--until", "now"]);
    assert_eq!(foreign.code, Some(2), "{foreign:?}");
}

fn a_closed_pipe_ends_quietly(home: &Home) {
    for target in ["location.realtime", "device/pipe/telemetry"] {
        let mut sub = Running::listen(home, &["sub", target]);
        home.ok(&["pub", target, "one"]);
        let mut stdout = sub.stdout();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        // No further message is needed for it to notice.
        drop(stdout);
        assert_eq!(sub.code(), Some(0), "{target}");
    }
}

fn tail_merges_both_brokers(home: &Home) {
    let mut tail = Running::listen(home, &["tail", "--all", "--since", "1m", "--grep", "both-\\d"]);
    home.ok(&["pub", "emergency.created", r#"{"both-1":1}"#, "-k", "e-1"]);
    home.ok(&["pub", "panic/panic-0001/press", r#"{"both-2":2}"#, "--as", "panic-0001", "--qos", "2"]);
    let shown: Vec<String> = tail.stdout().lines().map(Result::unwrap).take(2).collect();
    assert!(shown.iter().any(|line| line.contains("emergency.created  e-1  {\"both-1\":1}")), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("panic/panic-0001/press  {\"both-2\":2}")), "{shown:?}");
}

fn statistics_are_shown(home: &Home) {
    let mut tail = Running::listen(home, &["tail", "device/stats/telemetry", "--stats"]);
    for _ in 0..3 {
        home.ok(&["pub", "device/stats/telemetry", "{}"]);
    }
    let mut shown = tail.stdout().lines().map(Result::unwrap);
    let found = shown.find(|line| line.starts_with("device/stats/telemetry") && line.ends_with("  3"));
    assert!(found.is_some());
    std::thread::spawn(move || shown.for_each(drop));
    assert_eq!(interrupt(&mut tail.child, Signal::INT), Some(0));
    assert!(PATIENCE > Duration::ZERO);
}
