//! The services that `sosstack up` needs none of: passwords and topics by one-shot services, and one that waits for
//! them, since `docker compose up --wait` fails on a one-shot service that nobody waits for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::configs::{self, Configs, HASH_LABEL};
use super::model::{ComposeService, Restart};
use super::parts::{completed, hardened, started};
use crate::config::jvm;
use crate::config::mosquitto::{self, Kind};
use crate::export::topics;
use crate::stack::device::{BRIDGE_USER, PROBE_USER, SERVICE_USER};
use crate::stack::{Role, Service, Stack, image};
use crate::target::Target;

pub(super) const CREDENTIALS: &str = "credentials";
pub(super) const TOPICS: &str = "topics";
pub(super) const READY: &str = "ready";

/// The volume with passwords, which no other service has.
pub(super) const PASSWORDS_VOLUME: &str = "credentials";
/// The volume with those of the bridge.
pub(super) const BRIDGE_PASSWORDS_VOLUME: &str = "bridge-credentials";
/// The volume with what Mosquitto needs of them, and where it lies.
pub(super) const CREDENTIALS_VOLUME: &str = "mosquitto-credentials";
pub(super) const SHARED_CREDENTIALS: &str = "/mosquitto/credentials";

const CREDENTIALS_SCRIPT: &str = include_str!("scripts/credentials.sh");
/// How long brokers may take to listen and replicas to be in sync.
const TOPICS_PATIENCE: Duration = Duration::from_secs(120);
/// Ends at once when it is told to.
const READY_SCRIPT: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// Everyone who may log in, one a line, the backend first.
pub(super) fn users_file(stack: &Stack) -> String {
    let devices = stack.devices.iter().map(|device| device.id.as_str());
    [SERVICE_USER, BRIDGE_USER, PROBE_USER]
        .into_iter()
        .chain(devices)
        .fold(String::new(), |text, user| text + user + "\n")
}

/// Who may do what.
pub(super) fn acl_file(stack: &Stack) -> String {
    mosquitto::acl_file(stack.devices.iter().map(|device| (device.id.as_str(), device.owner.as_deref())))
}

/// Makes the passwords, and for Mosquitto their hashes.
pub(super) fn credentials(stack: &Stack, configs: &mut Configs) -> ComposeService {
    let dir = Path::new(image::OWN_CONFIG);
    let script = dir.join("credentials.sh");
    let (users, acl) = (users_file(stack), acl_file(stack));
    let tls = mosquitto::listener(stack, &Target::Docker, Kind::Mqtts, Path::new(SHARED_CREDENTIALS));
    ComposeService {
        image: stack.mosquitto.image.clone(),
        entrypoint: vec!["sh".to_owned(), script.display().to_string()],
        // Root, to give Mosquitto's user what it may read.
        user: "0:0".to_owned(),
        network_mode: Some("none".to_owned()),
        volumes: vec![
            format!("{PASSWORDS_VOLUME}:/credentials"),
            format!("{CREDENTIALS_VOLUME}:{SHARED_CREDENTIALS}"),
            format!("{BRIDGE_PASSWORDS_VOLUME}:/bridge"),
        ],
        labels: hash_label([CREDENTIALS_SCRIPT, &users, &acl, &tls]),
        configs: vec![
            configs.mount("credentials.sh".to_owned(), &script, CREDENTIALS_SCRIPT),
            configs.mount("mosquitto-users".to_owned(), &dir.join("users"), &users),
            configs.mount("mosquitto-acl".to_owned(), &dir.join("acl"), &acl),
            configs.mount("mosquitto-tls.conf".to_owned(), &dir.join("tls.conf"), tls.trim_start()),
        ],
        tmpfs: without_volumes(Role::Mosquitto),
        mem_limit: "64m".to_owned(),
        cap_add: vec!["CHOWN".to_owned()],
        ..hardened()
    }
}

/// Makes the topics, as soon as all brokers answer.
pub(super) fn topics(stack: &Stack, configs: &mut Configs) -> ComposeService {
    let dir = Path::new(image::OWN_CONFIG);
    let script = dir.join("topics.sh");
    let brokers: Vec<Service> = (0..stack.kafka.brokers).map(Service::kafka).collect();
    let wanted = topics::list(stack);
    ComposeService {
        image: stack.kafka.image.clone(),
        entrypoint: vec!["bash".to_owned(), script.display().to_string()],
        command: topics::arguments(stack, TOPICS_PATIENCE, |broker| broker.to_string()),
        user: user_of(Role::Kafka),
        depends_on: started(brokers),
        labels: hash_label([topics::SCRIPT, wanted.as_str()]),
        configs: vec![
            configs.mount("topics.sh".to_owned(), &script, topics::SCRIPT),
            configs.mount("topics".to_owned(), &dir.join("topics"), &wanted),
            configs.mount("kafka-log4j.properties".to_owned(), &dir.join("log4j.properties"), &jvm::log4j(None)),
        ],
        tmpfs: without_volumes(Role::Kafka),
        mem_limit: "512m".to_owned(),
        ..hardened()
    }
}

/// Runs when the stack has its topics and its users; applications may wait for it.
pub(super) fn ready(stack: &Stack) -> ComposeService {
    ComposeService {
        image: stack.mosquitto.image.clone(),
        entrypoint: ["sh", "-c", READY_SCRIPT].map(str::to_owned).to_vec(),
        user: user_of(Role::Mosquitto),
        depends_on: started([Service::mosquitto()]).into_iter().chain([completed(TOPICS)]).collect(),
        restart: Some(Restart::UnlessStopped),
        network_mode: Some("none".to_owned()),
        mem_limit: "32m".to_owned(),
        tmpfs: without_volumes(Role::Mosquitto),
        ..hardened()
    }
}

/// As Compose writes a user and the group of the same number.
pub(super) fn user_of(role: Role) -> String {
    format!("{0}:{0}", image::user(role))
}

/// What would become anonymous volumes in a container that keeps nothing.
fn without_volumes(role: Role) -> Vec<String> {
    let data = match role {
        Role::Zookeeper => [image::ZOOKEEPER_DATA, image::ZOOKEEPER_LOG].as_slice(),
        Role::Kafka => &[image::KAFKA_DATA],
        Role::Mosquitto => &[image::MOSQUITTO_DATA],
    };
    let mut all: Vec<String> = [data, image::scratch(role)].concat().into_iter().map(str::to_owned).collect();
    all.sort_unstable();
    all
}

fn hash_label<const N: usize>(texts: [&str; N]) -> BTreeMap<String, String> {
    BTreeMap::from([(HASH_LABEL.to_owned(), configs::hash(texts))])
}
