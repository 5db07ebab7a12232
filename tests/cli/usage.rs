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

#[test]
fn a_stack_file_that_is_not_there_is_no_default() {
    insta::assert_snapshot!(refused(&["up", "--file", "other.yaml"]), @"
    error: other.yaml: there is no such file
    try: name another with --file, or leave it out for the built-in stack
    ");
}

#[test]
fn options_of_the_other_broker_are_refused() {
    insta::assert_snapshot!(refused(&["pub", "emergency.created", "{}", "--qos", "2"]), @r#"
    error: --qos is MQTT's, but "emergency.created" is a Kafka topic
    try: leave --qos out, or say which broker is meant: mqtt:TOPIC
    "#);
    insta::assert_snapshot!(refused(&["pub", "device/a/alert", "{}", "--key", "a"]), @r#"
    error: --key is Kafka's, but "device/a/alert" is a MQTT topic
    try: leave --key out, or say which broker is meant: kafka:TOPIC
    "#);
    insta::assert_snapshot!(refused(&["sub", "device/+/alert", "--until", "now"]), @"
    error: --until is Kafka's: MQTT keeps no past that could end
    try: end an MQTT subscription with --count or --timeout
    ");
}

#[test]
fn topics_that_cannot_be_are_refused() {
    insta::assert_snapshot!(refused(&["pub", "device/+/alert", "{}"]), @r#"
    error: "device/+/alert" is not a valid topic: a message goes to one topic, so it may hold no wildcard
    try: a Kafka topic is written emergency.created, an MQTT topic device/device-12345/alert
    "#);
    insta::assert_snapshot!(refused(&["tail", "a/#/b"]), @r#"
    error: "a/#/b" is not a valid topic: # stands alone, as the last level
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
