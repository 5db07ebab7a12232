//! Words that cannot be meant: exit code 2, before anything is touched.

use crate::machine::Machine;

fn refused(arguments: &[&str]) -> String {
    let finished = Machine::bare().run(arguments);
    assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
    assert_eq!(finished.stdout, "");
    finished.stderr
}

#[test]
fn every_problem_of_a_stack_file_is_named_with_its_place() {
    let machine = Machine::bare().with_file(
        "sosstack.yaml",
        "kafka:\n  brokers: 2\ntopics:\n  - name: emergency created\n    partitons: 3\ndevices:\n  - id: sos_service\n",
    );
    for command in [&["up"][..], &["config"], &["status"], &["down"]] {
        let finished = machine.run(command);
        assert_eq!(finished.code, Some(2), "{command:?}: {finished:?}");
    }
    insta::assert_snapshot!(machine.run(&["up"]).stderr, @r#"
    error: the stack file is invalid (4 problems)
      ~/sosstack.yaml:2:3: kafka.brokers: 2 brokers are not supported; use 1, 3 or 5
      ~/sosstack.yaml:4:5: topics[0].name: "emergency created" is not a valid topic name: use only letters, digits, '.', '_' and '-'
      ~/sosstack.yaml:5:5: topics[0].partitons: unknown field; did you mean "partitions"?
      ~/sosstack.yaml:7:5: devices[0].id: "sos_service" is not a valid device id: it is reserved
    "#);
}

/// As people know them from Compose files, and with the mark that Windows' editors begin a file with.
#[test]
fn a_stack_file_has_variables_and_entries_of_its_own() {
    let text = "\u{feff}x-heap: &heap\n  heap: ${HEAP:-96M}\nzookeeper: {<<: *heap}\n\
                kafka:\n  <<: *heap\n  brokers: ${BROKERS}\n\
                topics: [{name: a.b, config: {cleanup.policy: 'compact, delete', retention.ms: '${RETENTION}'}}]\n\
                devices: [{id: '${DEVICE-7}'}]\n";
    let machine = Machine::bare().with_file("sosstack.yaml", text);
    let unset = machine.run(&["config"]);
    assert_eq!(unset.code, Some(2), "{unset:?}");
    insta::assert_snapshot!(unset.stderr, @r#"
    error: the stack file is invalid (2 problems)
      ~/sosstack.yaml:6:3: kafka.brokers: the variable BROKERS is not set; set it, or write ${BROKERS:-default}
      ~/sosstack.yaml:7:66: topics[0].config.retention.ms: the variable RETENTION is not set; set it, or write ${RETENTION:-default}
    "#);
    let set = machine.command(&["config"]).envs([("BROKERS", "1"), ("RETENTION", "5")]).output().unwrap();
    let effective = String::from_utf8(set.stdout).unwrap();
    for line in ["heap: 96M", "brokers: 1", "cleanup.policy: compact,delete", "retention.ms: '5'", "id: '7'"] {
        assert!(effective.contains(line), "{line}: {effective}");
    }
}

#[test]
fn a_stack_file_that_is_not_there_is_no_default() {
    insta::assert_snapshot!(refused(&["up", "--file", "other.yaml"]), @"
    error: other.yaml: there is no such file
    try: name another with --file, or omit it to use the built-in stack
    ");
}

#[test]
fn options_of_the_other_broker_are_refused() {
    insta::assert_snapshot!(refused(&["pub", "emergency.created", "{}", "--qos", "2"]), @r#"
    error: --qos is for MQTT, but "emergency.created" is a Kafka topic
    try: leave out --qos, or name the broker: mqtt:TOPIC
    "#);
    insta::assert_snapshot!(refused(&["pub", "device/a/alert", "{}", "--key", "a"]), @r#"
    error: --key is for Kafka, but "device/a/alert" is a MQTT topic
    try: leave out --key, or name the broker: kafka:TOPIC
    "#);
    insta::assert_snapshot!(refused(&["sub", "device/+/alert", "--until", "now"]), @"
    error: --until is for Kafka: MQTT keeps no history
    try: end an MQTT subscription with --count or --timeout
    ");
}

#[test]
fn nobody_elsewhere_is_alarmed_by_a_proof() {
    let elsewhere = ["--bootstrap", "kafka.example:9092", "--mqtt", "mqtt://u@broker.example"];
    let pressing = |words: &[&'static str]| refused(&[words, &elsewhere].concat());
    insta::assert_snapshot!(pressing(&["trace", "panic", "panic-0001"]), @"
    error: a panic button would be pressed on kafka.example:9092 and mqtt://u@broker.example, not on a stack of this machine
    try: --context local selects the local stack; --real-emergencies presses it there anyway
    ");
    insta::assert_snapshot!(pressing(&["simulate"]), @"
    error: simulated devices press panic buttons on kafka.example:9092 and mqtt://u@broker.example, not on a stack of this machine
    try: --context local selects the local stack; --real-emergencies simulates there anyway
    ");
}

#[test]
fn a_trace_needs_an_id_or_a_device_that_can_be() {
    assert!(refused(&["trace"]).contains("<ID>"));
    assert!(refused(&["trace", "panic"]).contains("<DEVICE>"));
    let elsewhere = ["--mqtt", "mqtt://u@broker.example", "--real-emergencies"];
    insta::assert_snapshot!(refused(&[&["trace", "panic", "panic/#"][..], &elsewhere].concat()), @r#"
    error: "panic/#" is not a valid device id: it must not contain blanks, control characters, or any of / + # : %
    try: sosstack device list shows a stack's devices
    "#);
    assert!(refused(&["trace", "e-1", "panic", "panic-0001"]).contains("trace panic presses now"));
}

#[test]
fn topics_that_cannot_be_are_refused() {
    insta::assert_snapshot!(refused(&["pub", "device/+/alert", "{}"]), @r#"
    error: "device/+/alert" is not a valid topic: a message goes to exactly one topic, so wildcards are not allowed
    try: a Kafka topic is written emergency.created, an MQTT topic device/device-12345/alert
    "#);
    insta::assert_snapshot!(refused(&["tail", "a/#/b"]), @r#"
    error: "a/#/b" is not a valid topic: # must be the whole last level
    try: a Kafka topic is written emergency.created, an MQTT topic device/device-12345/alert
    "#);
}

#[test]
fn a_port_offset_that_leads_beyond_the_last_port_is_refused() {
    insta::assert_snapshot!(refused(&["up", "--port-offset", "60000"]), @"
    error: the stack file is invalid (1 problem)
      --port-offset: 60000 moves a port to 69094, but ports end at 65535
    ");
}
