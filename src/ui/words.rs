//! Events in words.

use crate::event::{Counters, Download, Notice, Outcome, Step, Waiting};
use crate::stack::{Role, Service};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Note,
    Warning,
}

pub(super) fn step(step: &Step) -> String {
    match step {
        Step::FetchJars { kafka } => format!("Fetching Kafka {kafka} jars"),
        Step::StartServices => "Starting services".to_owned(),
        Step::StopServices => "Stopping services".to_owned(),
        Step::StopChanged => "Stopping what changed".to_owned(),
        Step::RemoveData => "Removing data".to_owned(),
        Step::ElectBrokers => "Brokers with data".to_owned(),
        Step::ProveZookeeper { nodes } => format!("ZooKeeper ×{nodes}"),
        Step::ProveKafka { brokers } => format!("Kafka ×{brokers}"),
        Step::ProveTopics => "Topics".to_owned(),
        Step::StartBridges => "Starting bridges".to_owned(),
        Step::ProveBridges => "Bridges".to_owned(),
        Step::StopBridges => "Stopping bridges".to_owned(),
        Step::Simulate => "Simulating".to_owned(),
        Step::SearchKafka => "Reading Kafka".to_owned(),
        Step::ProveMosquitto | Step::ReloadLogins => "Mosquitto".to_owned(),
    }
}

pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Jars { count, dir } => format!("{count} jars, kept in {}", dir.display()),
        Outcome::Started { count, of } => format!("{count} of {of}"),
        Outcome::Stopped { count } => format!("{count} stopped"),
        Outcome::StoppedChanged(services) => roles(services),
        Outcome::RemovedVolumes { count } => format!("{count} volumes"),
        Outcome::Elected { topics } => format!("they lead now; {topics} topics had no leader"),
        Outcome::Quorum { nodes } => format!("quorum of {nodes}"),
        Outcome::BrokersRegistered => "all brokers registered".to_owned(),
        Outcome::InSync { partitions } => format!("{partitions} partitions in sync, test message round-tripped"),
        Outcome::LoginsProven => "logins accepted, strangers refused".to_owned(),
        Outcome::Bridged { active, standby, took } => {
            let millis = took.as_millis();
            format!("{active} is subscribed, {standby} is its standby; a press got to Kafka in {millis} ms")
        }
        Outcome::LoginsReloaded { live: true } => "updated".to_owned(),
        Outcome::LoginsReloaded { live: false } => "not running; takes effect when it starts".to_owned(),
        Outcome::Sent { messages } => format!("{messages} messages sent"),
        Outcome::Read { topics } => topics.join(", "),
    }
}

pub(super) fn waiting(on: &Waiting) -> String {
    match on {
        Waiting::Answer(words) => words.clone(),
        Waiting::RoundTrip => "a round trip through a consumer group".to_owned(),
        Waiting::Jars { fetched, last } => format!("{fetched} fetched, just now {last}"),
        Waiting::Connections { made, of } => format!("{made} of {of} devices connected"),
        Waiting::Simulation(Counters { sent, rate, acknowledged, of, waiting }) => {
            format!("{sent} sent, {rate}/s; {acknowledged} of {of} at QoS 1 and 2 acknowledged; {waiting} waiting")
        }
        Waiting::Acknowledgements => "the last acknowledgements".to_owned(),
        Waiting::Missing { messages } => format!("{messages} messages not found yet"),
    }
}

pub(super) fn download(what: &Download) -> String {
    match what {
        Download::Image(name) => name.clone(),
        Download::ImageArchive => "Images".to_owned(),
    }
}

pub(super) fn notice(notice: &Notice) -> (Level, String) {
    let words = match notice {
        Notice::Resuming(service) => format!("{service} is paused: resuming it"),
        Notice::Resumed(service) => format!("{service} was paused; it has been resumed"),
        Notice::StartingAgain(service) => format!("{service} had just exited: restarting it"),
        Notice::WaitsForSession(service) => format!("{service} waits for its earlier session in ZooKeeper to end"),
        Notice::GoesOn { stack } => {
            let command = stack.about().command("up");
            format!("the stack keeps running, partly changed; {command} completes the change")
        }
        Notice::Undoing => "undoing what this run created".to_owned(),
        Notice::StartingWhatRan => "restarting what was running".to_owned(),
        Notice::LoginsKept { dir } => {
            let dir = dir.display();
            format!("logins are kept because they were exported to a cluster; if nobody needs them, remove {dir}")
        }
        Notice::RunsElsewhere { stack } => {
            format!(
                "the stack is not running here; to update a cluster, run {}",
                stack.about().command("export secrets")
            )
        }
        Notice::Waits { holder, stack } => format!("{holder} is working on stack {stack}; waiting for it to end"),
        Notice::LeftAlone { holder, stack } => format!("stack {stack} is left alone: {holder} is working on it"),
        Notice::Asking { questions, namespace } => format!("asking {questions} questions in namespace {namespace}"),
        Notice::MqttAgain => "MQTT: reconnected".to_owned(),
        Notice::Dismissed { devices: 1 } => "1 simulated device removed".to_owned(),
        Notice::Dismissed { devices } => format!("{devices} simulated devices removed"),
        Notice::MorePartitions { topic, has, wants } => {
            return (
                Level::Warning,
                format!(
                    "topic {topic} has {has} partitions, the stack file asks for {wants}; Kafka cannot remove \
                     partitions, so they stay"
                ),
            );
        }
        Notice::MqttLost { why } => return (Level::Warning, format!("MQTT: {why}; reconnecting")),
    };
    (Level::Note, words)
}

/// How many of each role.
fn roles(services: &[Service]) -> String {
    let of = |role| services.iter().filter(|service| service.role == role).count();
    let roles = [Role::Zookeeper, Role::Kafka, Role::Mosquitto];
    let words = roles.into_iter().filter(|role| of(*role) > 0).map(|role| format!("{} ×{}", role.as_str(), of(role)));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_work_tells_by_ids_is_said_in_words() {
        let services = [Service::kafka(0), Service::kafka(1), Service::mosquitto()];
        assert_eq!(outcome(&Outcome::StoppedChanged(services.to_vec())), "kafka ×2, mosquitto ×1");
        let stack = "other".parse().unwrap();
        let (level, words) = notice(&Notice::GoesOn { stack });
        assert_eq!(level, Level::Note);
        assert!(words.contains("sosstack up --stack other"), "{words}");
        let more = Notice::MorePartitions { topic: "emergency.created".to_owned(), has: 6, wants: 3 };
        assert_eq!(notice(&more).0, Level::Warning);
    }
}
