//! What of a press is told when.

use std::sync::Mutex;

use super::*;

fn ear() -> (watch::Sender<Bytes>, UnboundedReceiver<Heard>, Ear) {
    let (press, pressed) = watch::channel(Bytes::new());
    let (say, heard) = unbounded_channel();
    (press, heard, Ear::of(pressed, say))
}

#[test]
fn of_its_own_presses_only_the_one_that_is_under_way_goes_on() {
    let (press, mut heard, mut ear) = ear();
    let (first, second) = (Press::new().payload, Press::new().payload);
    press.send_replace(first.clone());
    assert!(ear.received(&first, true) && matches!(heard.try_recv(), Ok(Heard::Received)));
    assert!(!ear.received(&first, true), "twice");
    // The first one waits for Kafka: no other is put behind it.
    press.send_replace(second.clone());
    assert!(!ear.received(&second, true));
    while heard.try_recv().is_ok() {}
    ear.delivered(Some(&second));
    ear.delivered(None);
    assert!(heard.try_recv().is_err(), "that is not where it was");
    ear.delivered(Some(&first));
    assert!(matches!(heard.try_recv(), Ok(Heard::Delivered(payload)) if payload == first));
    assert!(ear.received(&second, true));
    ear.may_be_lost();
    assert!(ear.received(&second, true));
}

#[test]
fn a_few_presses_of_others_go_on_where_there_is_a_topic_for_them() {
    let mut ear = Ear::alone();
    let presses: Vec<Bytes> = (0..=OTHERS).map(|_| Press::new().payload).collect();
    assert!(!ear.received(&presses[0], false), "it would have emergencies wait");
    let taken: Vec<bool> = presses.iter().map(|press| ear.received(press, true)).collect();
    assert_eq!(taken.iter().filter(|taken| **taken).count(), OTHERS, "they wait for Kafka");
    ear.delivered(Some(&presses[3]));
    assert!(ear.received(&presses[OTHERS], true) && !ear.received(&presses[3], true));
    ear.may_be_lost();
    assert!(ear.received(&presses[3], true));
}

#[test]
fn a_failure_and_its_end_are_told_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let metrics = Arc::new(Metrics::default());
    let hear = Arc::clone(&told);
    let tell = Arc::new(move |happening: Happening| hear.lock().unwrap().push(happening.to_string()));
    let mut report = Report::new(Arc::clone(&metrics), Readiness::default(), tell);
    report.begin();
    let took = Duration::from_millis(12);
    report.delivered(took);
    for _ in 0..3 {
        report.failed(Press { stage: Stage::Received, ..Press::new() }.late());
    }
    report.delivered(took);
    report.delivered(took);
    assert_eq!(
        *told.lock().unwrap(),
        ["the probe fails: Kafka has not acknowledged it within 10 s", "the probe gets through again, in 12 ms"]
    );
    let text = metrics.text().unwrap();
    for line in [
        "sosstack_bridge_probes_total{result=\"delivered\"} 3",
        "sosstack_bridge_probes_total{result=\"failed\"} 3",
        "sosstack_bridge_probe_seconds_count 3",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}
