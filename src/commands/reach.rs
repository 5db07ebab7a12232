//! Which brokers a client command speaks to.

use anyhow::{Context as _, Result};

use super::Context;
use crate::cli::clients::{ClusterArgs, KafkaArgs};
use crate::contexts::{Cluster, Contexts, MQTT_PASSWORD};
use crate::failure::Failure;
use crate::kafka::produce::Codec;
use crate::mqtt::connection::Login;
use crate::secrets::Accounts;
use crate::stack::Compression;
use crate::{kafka, mqtt};

/// How the brokers are reached; None where none is named.
pub(super) struct Reach {
    pub(super) kafka: Option<kafka::access::Access>,
    pub(super) mqtt: Option<mqtt::access::Access>,
    /// What to send to Kafka with: snappy only where every message is stored so anyhow, as readers need the codec.
    pub(super) codec: Codec,
}

impl Reach {
    /// The brokers that the arguments name, else those of the context in use, else the local stack's:
    /// MQTT as the backend or as a device.
    pub(super) async fn resolve(context: &Context, args: &ClusterArgs, device: Option<&str>) -> Result<Self> {
        if let Some(cluster) = elsewhere(context, args)? {
            if let Some(device) = device {
                let cause = format!("--as {device} is for devices of the local stack");
                let remedy = format!("log in by --mqtt mqtt://{device}@HOST, with its password in {MQTT_PASSWORD}");
                return Err(Failure::Usage { cause, remedy }.into());
            }
            return Ok(Self { kafka: cluster.kafka()?, mqtt: cluster.mqtt()?, codec: Codec::None });
        }
        let (stack, endpoints) = context.endpoints().await?;
        let mut mqtt = mqtt::access::Access::service(&endpoints);
        if let Some(device) = device {
            let accounts = Accounts::read(&context.paths.stack(&stack.name))?.context("the stack has no accounts")?;
            let enrolled = accounts.find(device, &stack.name)?;
            let password = enrolled.account.password.clone();
            mqtt.login = Some(Login { username: device.to_owned(), password });
        }
        let codec = if stack.kafka.compression == Compression::Snappy { Codec::Snappy } else { Codec::None };
        Ok(Self { kafka: Some(kafka::access::Access::open(&endpoints.kafka)), mqtt: Some(mqtt), codec })
    }

    /// The failure of whoever needs Kafka where none is named.
    pub(super) fn no_kafka() -> anyhow::Error {
        nowhere("Kafka cluster", "--bootstrap HOST:PORT names one")
    }

    /// The failure of whoever needs MQTT where none is named.
    pub(super) fn no_mqtt() -> anyhow::Error {
        nowhere("MQTT server", "--mqtt mqtt://HOST:PORT names one")
    }
}

/// A cluster of Kafka alone, as arguments name it.
pub(super) fn kafka_cluster(bootstrap: &[String], args: &KafkaArgs) -> Cluster {
    Cluster {
        bootstrap: bootstrap.to_vec(),
        kafka_user: args.kafka_user.clone(),
        kafka_sasl: args.kafka_sasl.unwrap_or_default(),
        kafka_tls: args.kafka_tls,
        kafka_cert: args.kafka_cert.clone(),
        kafka_key: args.kafka_key.clone(),
        ..Cluster::default()
    }
}

/// The cluster that is meant instead of the local stack.
fn elsewhere(context: &Context, args: &ClusterArgs) -> Result<Option<Cluster>> {
    if !args.bootstrap.is_empty() || args.mqtt.is_some() {
        return Ok(Some(Cluster {
            mqtt: args.mqtt.clone(),
            ca: args.ca.clone(),
            ..kafka_cluster(&args.bootstrap, &args.kafka)
        }));
    }
    let contexts = Contexts::read(&context.paths)?;
    let Some(name) = args.context.as_ref().or(contexts.current.as_ref()) else { return Ok(None) };
    Ok(contexts.find(name)?.cloned())
}

fn nowhere(what: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: format!("no {what} is named"), remedy: remedy.to_owned() }.into()
}
