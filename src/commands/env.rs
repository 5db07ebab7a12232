//! `sosstack env`: names and values that scripts rely on.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use crate::cli::{EnvArgs, EnvFormat};
use crate::endpoints::Endpoints;
use crate::lifecycle::connect;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &EnvArgs) -> Result<()> {
    let (stack, outside) = context.endpoints().await?;
    let endpoints = if args.inside { connect::endpoints_inside(&stack, &outside) } else { outside };
    let default = if context.ui.is_json() { EnvFormat::Json } else { EnvFormat::Shell };
    let variables = Variables::of(&endpoints);
    match args.format.unwrap_or(default) {
        EnvFormat::Shell => Ui::print(&lines(&variables, "export ", shell_quoted)?),
        EnvFormat::Dotenv => Ui::print(&lines(&variables, "", ToOwned::to_owned)?),
        EnvFormat::Json => Ui::print_json(&variables),
    }
}

/// The result of `env`; the names of its fields are the variables'.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Variables {
    kafka_brokers: String,
    zookeeper_connect: String,
    mqtt_url: String,
    mqtts_url: String,
    mqtt_ws_url: String,
    mqtt_host: String,
    mqtt_port: String,
    mqtt_username: String,
    mqtt_password: String,
    mqtt_ca_file: String,
}

impl Variables {
    fn of(endpoints: &Endpoints) -> Self {
        Self {
            kafka_brokers: endpoints.kafka.join(","),
            zookeeper_connect: endpoints.zookeeper.join(","),
            mqtt_url: format!("mqtt://{}", endpoints.mqtt),
            mqtts_url: format!("mqtts://{}", endpoints.mqtts),
            mqtt_ws_url: format!("ws://{}", endpoints.mqtt_ws),
            mqtt_host: endpoints.mqtt.host.clone(),
            mqtt_port: endpoints.mqtt.port.to_string(),
            mqtt_username: endpoints.username.clone(),
            mqtt_password: endpoints.password.reveal().to_owned(),
            mqtt_ca_file: endpoints.ca_file.display().to_string(),
        }
    }
}

fn lines(variables: &Variables, prefix: &str, quote: impl Fn(&str) -> String) -> Result<String> {
    let serde_json::Value::Object(named) = serde_json::to_value(variables)? else { return Ok(String::new()) };
    let line = |(name, value): (&String, &serde_json::Value)| {
        format!("{prefix}{name}={}\n", quote(value.as_str().unwrap_or_default()))
    };
    Ok(named.iter().map(line).collect())
}

fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn a_quote_in_a_value_does_not_end_it() {
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
    }
}
