//! Which brokers a client command speaks to.

use anyhow::{Context as _, Result};

use super::Context;
use crate::failure::Failure;
use crate::mqtt::connection::Login;
use crate::secrets::Accounts;
use crate::{kafka, mqtt};

/// How the brokers are reached; None where none is named.
pub(super) struct Reach {
    pub(super) kafka: Option<kafka::access::Access>,
    pub(super) mqtt: Option<mqtt::access::Access>,
}

impl Reach {
    /// The local stack's brokers, MQTT as the backend or as a device.
    pub(super) async fn resolve(context: &Context, device: Option<&str>) -> Result<Self> {
        let (stack, endpoints) = context.endpoints().await?;
        let mut mqtt = mqtt::access::Access::service(&endpoints);
        if let Some(device) = device {
            let accounts = Accounts::read(&context.paths.stack(&stack.name))?.context("the stack has no accounts")?;
            let enrolled = super::device::find(&accounts, &stack.name, device)?;
            let password = enrolled.account.password.clone();
            mqtt.login = Some(Login { username: device.to_owned(), password });
        }
        Ok(Self { kafka: Some(kafka::access::Access::open(&endpoints.kafka)), mqtt: Some(mqtt) })
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

fn nowhere(what: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: format!("no {what} is named"), remedy: remedy.to_owned() }.into()
}
