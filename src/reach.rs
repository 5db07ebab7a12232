//! Whose brokers a client speaks to, and how they are reached.

use anyhow::{Context as _, Result};

use crate::about::{About, Remedy};
use crate::contexts::Cluster;
use crate::endpoints::Endpoints;
use crate::failure::Failure;
use crate::kafka::produce::Codec;
use crate::mqtt::access::Login;
use crate::paths::Paths;
use crate::secrets::Accounts;
use crate::stack::device::BRIDGE_USER;
use crate::stack::{Compression, Stack};
use crate::{kafka, mqtt};

/// As whom a client logs in to a local stack's MQTT server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    Backend,
    Bridge,
    Probe,
    /// By its id.
    Device(&'a str),
}

/// How brokers are reached; None where one is not named.
pub struct Reach {
    /// Whose brokers they are, for confirmations and remedies.
    pub about: About,
    pub kafka: Option<kafka::access::Access>,
    pub mqtt: Option<mqtt::access::Access>,
    /// What to send to Kafka with: snappy only where every message is stored so anyhow, as readers need the codec.
    pub codec: Codec,
}

impl Reach {
    /// The brokers of a running stack.
    ///
    /// # Errors
    /// When the stack has no accounts, or no such login.
    pub fn of_stack(stack: &Stack, endpoints: Endpoints, paths: &Paths, who: Who<'_>) -> Result<Self> {
        let mut mqtt = mqtt::access::Access::service(&endpoints);
        let accounts = || Accounts::read(&paths.stack(&stack.name))?.context("the stack has no accounts");
        match who {
            Who::Backend => {}
            Who::Bridge => {
                let password = accounts()?.bridge(&stack.name)?.password.clone();
                mqtt.login = Some(Login::new(BRIDGE_USER, password));
            }
            Who::Probe => mqtt = mqtt::access::Access::probe(&endpoints, &accounts()?.probe),
            Who::Device(device) => {
                let password = accounts()?.find(device, &stack.name)?.account.password.clone();
                mqtt.login = Some(Login::new(device, password));
            }
        }
        let kafka = Some(kafka::access::Access::of_stack(&endpoints));
        let codec = if stack.kafka.compression == Compression::Snappy { Codec::Snappy } else { Codec::None };
        Ok(Self { about: endpoints.about, kafka, mqtt: Some(mqtt), codec })
    }

    /// The brokers of another cluster; `context` is its name, where it has one.
    ///
    /// # Errors
    /// When a password is missing or lies open, or an address or a file of it is not valid.
    pub fn of_cluster(cluster: &Cluster, context: Option<&str>, about: About) -> Result<Self> {
        let (kafka, mqtt) = (cluster.kafka(context, &about)?, cluster.mqtt(context)?);
        Ok(Self { about, kafka, mqtt, codec: Codec::None })
    }

    /// As [`Reach::of_cluster`], its MQTT server as the bridge's probe.
    ///
    /// # Errors
    /// As for [`Reach::of_cluster`].
    pub fn of_probe(cluster: &Cluster, context: Option<&str>, about: About) -> Result<Self> {
        let (kafka, mqtt) = (cluster.kafka(context, &about)?, cluster.mqtt_probe(context)?);
        Ok(Self { about, kafka, mqtt, codec: Codec::None })
    }

    /// The failure of whoever needs Kafka where none is named.
    pub fn no_kafka() -> anyhow::Error {
        nowhere("Kafka cluster", "name one with --bootstrap HOST:PORT")
    }

    /// The failure of whoever needs MQTT where none is named.
    pub fn no_mqtt() -> anyhow::Error {
        nowhere("MQTT server", "name one with --mqtt mqtt://HOST:PORT")
    }
}

fn nowhere(what: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: format!("no {what} is given"), remedy: Remedy::words(remedy) }.into()
}
