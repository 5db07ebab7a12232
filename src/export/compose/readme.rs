//! The README beside the Compose file, for people who have never heard of sosstack.

use super::mark::MARK;
use crate::stack::names::{self, cluster_name};
use crate::stack::ports::PortName;
use crate::stack::{Bridge, Role, Service, Stack};

/// Markdown; every command in it can be typed as it stands.
pub(super) fn readme(stack: &Stack) -> String {
    let brokers: Vec<String> =
        (0..stack.kafka.brokers).map(|ordinal| format!("127.0.0.1:{}", stack.ports.kafka(ordinal))).collect();
    let nodes: Vec<String> =
        (0..stack.zookeeper.nodes).map(|ordinal| format!("127.0.0.1:{}", stack.ports.zookeeper(ordinal))).collect();
    let (brokers, nodes) = (brokers.join(","), nodes.join(","));
    let (mqtt, mqtts, mqtt_ws) = (stack.ports.mqtt(), stack.ports.mqtts(), stack.ports.mqtt_ws());
    let [kafka_clients, zookeeper_clients, mqtt_clients, mqtts_clients, ws_clients] = [
        (Role::Kafka, PortName::Kafka),
        (Role::Zookeeper, PortName::Zookeeper),
        (Role::Mosquitto, PortName::Mqtt),
        (Role::Mosquitto, PortName::Mqtts),
        (Role::Mosquitto, PortName::MqttWs),
    ]
    .map(|(role, port)| format!("{}:{}", names::clients(role), port.number()));
    let bridge = stack.ports.bridge(Bridge::ALL[0]);
    let kafka_port = PortName::Kafka.number();
    let (broker, name) = (cluster_name(stack, Service::kafka(0)), &stack.name);
    format!(
        "# The messaging layer with Docker Compose

{MARK}. ZooKeeper, Kafka and Mosquitto, with topics and logins, reachable from this machine only.
Needs Docker 20.10 and Compose 2.23.1, or later ones.

```sh
docker compose up --wait                                      # returns when everything is there
docker compose --profile bridge up --wait                     # and the bridge, once a press gets through it
docker compose run --rm -T credentials show sos_service       # the backend's MQTT password; without a name: all logins
docker compose down                                           # data and passwords stay; --volumes removes them too
```

| | from this machine | from a container on the network `{name}_default` |
|---|---|---|
| Kafka | `{brokers}` | `{kafka_clients}`, `{broker}:{kafka_port}`, … |
| ZooKeeper | `{nodes}` | `{zookeeper_clients}`, … |
| MQTT | `127.0.0.1:{mqtt}` | `{mqtt_clients}` |
| MQTT over TLS, once there is a certificate | `127.0.0.1:{mqtts}` | `{mqtts_clients}` |
| MQTT over WebSocket | `127.0.0.1:{mqtt_ws}` | `{ws_clients}` |

The user `sos_service` reaches all MQTT topics, and `sos_bridge`, for the bridge to Kafka, reads what devices write. A device's
user name is its id, and it reaches its own topics.

The bridge brings what devices publish to Kafka's topics, and loses nothing on the way: what Kafka does not take waits in the
volume `bridge-data`. Its image is not in a public registry: where the service `bridge` names one that you do not have, whoever
gave you this directory tells where it is. Metrics and health are on `127.0.0.1:{bridge}`. With the profile, every command needs
it: `docker compose --profile bridge down`.

- **Your services** go into a Compose file of their own that begins with `include: [compose.yaml]`; they wait with
  `depends_on: {{ready: {{condition: service_started}}}}`.
- **Another password**: `docker compose run --rm -T credentials rotate USER`, then
  `docker compose kill --signal HUP mosquitto`; for `sos_bridge`, `docker compose restart bridge` after it.
- **TLS**: `cat server.crt server.key | docker compose run --rm -T credentials tls`, then
  `docker compose restart mosquitto`.
- **Other ports, images, devices or topics**: change them in `compose.yaml`, then
  `docker compose up --wait --force-recreate`. A broker's port appears twice: below `ports` and in its
  `advertised.listeners`. A device is a line of `mosquitto-users`, and its owner's topics are lines of `mosquitto-acl`; the bridge knows owners by `bridge-owners`.
"
    )
}
