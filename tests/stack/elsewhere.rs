//! Other clusters than the local stack: named by options, or once and for all by a context.

use crate::harness::{Finished, Home};
use crate::messages::Running;

pub fn other_clusters_are_reached(home: &Home) {
    let environment = home.environment();
    let kafka = environment["KAFKA_BROKERS"].as_str();
    let (host, port) = (&environment["MQTT_HOST"], &environment["MQTT_PORT"]);
    let user = &environment["MQTT_USERNAME"];
    let mqtt = format!("mqtt://{user}@{host}:{port}");
    // No stack is known by this name: everything comes from the arguments.
    let run = |arguments: &[&str], password: &str| {
        let mut command = home.command(arguments);
        command.env("SOSSTACK_STACK", "elsewhere").env("SOSSTACK_MQTT_PASSWORD", password);
        Finished::from(command.output().unwrap())
    };
    let password = &environment["MQTT_PASSWORD"];
    let ok = |arguments: &[&str]| {
        let finished = run(arguments, password);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    };
    ok(&["pub", "location.realtime", "elsewhere", "--bootstrap", kafka]);
    let read = ok(&["sub", "location.realtime", "--from", "beginning", "--until", "now", "--bootstrap", kafka]);
    assert!(read.lines().any(|line| line == "elsewhere"), "{read}");
    assert!(ok(&["topic", "--bootstrap", kafka, "list"]).contains("emergency.created"));
    assert!(ok(&["group", "list", "--bootstrap", kafka]).contains("watchers"));
    assert_eq!(run(&["pub", "a/b", "1", "--mqtt", &mqtt], password).code, Some(0));
    let wrong = run(&["pub", "a/b", "1", "--mqtt", &mqtt], "wrong");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("wrong user name or password"), "{wrong:?}");
    let missing = run(&["tail", "a/b", "--bootstrap", kafka], password);
    assert!(missing.stderr.contains("no MQTT server is given"), "{missing:?}");
    its_brokers_have_the_last_word(home, kafka);
    over_tls(home, &environment["MQTTS_URL"], &environment["MQTT_CA_FILE"], &ok);
    by_a_context(home, kafka, &mqtt, password, &ok);
}

/// What the stack file here says of one broker is nothing to a cluster of three.
fn its_brokers_have_the_last_word(home: &Home, kafka: &str) {
    let file = home.path().join("one-broker.yaml");
    std::fs::write(&file, "kafka: {brokers: 1}\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = home.command(&[arguments, &["--bootstrap", kafka]].concat());
        Finished::from(command.env("SOSSTACK_STACK", "elsewhere").env("SOSSTACK_FILE", &file).output().unwrap())
    };
    let made = run(&["topic", "create", "made.elsewhere"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(home.json(&["topic", "describe", "made.elsewhere"])["replication_factor"], 3, "{made:?}");
    let unasked = run(&["topic", "delete", "made.elsewhere"]);
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    // Whoever types what is advised means the same cluster again.
    let advised = format!("sosstack topic delete TOPIC --yes --bootstrap {kafka}");
    assert!(unasked.stderr.contains(&advised), "{unasked:?}");
    let unknown = run(&["topic", "describe", "made.elsewher"]);
    assert!(unknown.stderr.contains(&format!("topic list --bootstrap {kafka}")), "{unknown:?}");
    assert_eq!(run(&["topic", "delete", "made.elsewhere", "--yes"]).code, Some(0));
}

fn over_tls(home: &Home, url: &str, ca: &str, ok: &dyn Fn(&[&str]) -> String) {
    let address = url.rsplit(['@', '/']).next().unwrap();
    let url = format!("mqtts://sos_service@{address}");
    let subscriber = Running::listen(home, &["sub", "device/tls/telemetry", "--count", "1", "--timeout", "60s"]);
    ok(&["pub", "device/tls/telemetry", "secured", "--qos", "2", "--mqtt", &url, "--ca", ca]);
    assert_eq!(subscriber.finish().0, b"secured\n");
    let stranger = home.path().join("stranger.pem");
    let certified = std::fs::read_to_string(ca).unwrap();
    std::fs::write(&stranger, certified.replace("-----BEGIN", "no certificate\n-----BEGINX")).unwrap();
    let mut command = home.command(&["pub", "a/b", "1", "--mqtt", &url, "--ca", &stranger.display().to_string()]);
    let refused = Finished::from(command.env("SOSSTACK_MQTT_PASSWORD", "any").output().unwrap());
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("TLS") || refused.stderr.contains("certificate"), "{refused:?}");
}

fn by_a_context(home: &Home, kafka: &str, mqtt: &str, password: &str, ok: &dyn Fn(&[&str]) -> String) {
    use std::os::unix::fs::PermissionsExt;
    let file = home.path().join("mqtt-password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let argument = file.display().to_string();
    let add = ["context", "add", "staging", "--bootstrap", kafka, "--mqtt", mqtt, "--mqtt-password-file", &argument];
    ok(&add);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.run(&["pub", "a/b", "1", "--context", "staging"]);
    assert_eq!(open.code, Some(2), "{open:?}");
    assert!(open.stderr.contains("others can read the password"), "{open:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.ok(&["pub", "a/b", "1", "--context", "staging"]);
    home.ok(&["context", "use", "staging"]);
    assert!(home.ok(&["context", "list"]).contains("*  staging"));
    // Nothing but the context says where this goes.
    ok(&["pub", "location.realtime", "by context"]);
    let unknown = home.run(&["topic", "list", "--context", "stagin"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean staging?"), "{unknown:?}");
    home.ok(&["context", "add", "production", "--mqtt", mqtt]);
    let mut command = home.command(&["pub", "a/b", "1", "--context", "production"]);
    let stray = Finished::from(command.env("SOSSTACK_MQTT_PASSWORD", password).output().unwrap());
    assert_eq!(stray.code, Some(2), "a password in the environment went to another context: {stray:?}");
    assert!(stray.stderr.contains("SOSSTACK_MQTT_PASSWORD_PRODUCTION"), "{stray:?}");
    let mut command = home.command(&["pub", "a/b", "1", "--context", "production"]);
    let own = Finished::from(command.env("SOSSTACK_MQTT_PASSWORD_PRODUCTION", password).output().unwrap());
    assert_eq!(own.code, Some(0), "{own:?}");
    home.ok(&["context", "remove", "production"]);
    home.ok(&["context", "remove", "staging"]);
    assert!(!home.ok(&["context", "list"]).contains("staging"));
    let stored = home.path().join("data/sosstack/contexts.json");
    assert_eq!(std::fs::metadata(stored).unwrap().permissions().mode() & 0o777, 0o600);
    home.ok(&["pub", "location.realtime", "the local stack again"]);
}
