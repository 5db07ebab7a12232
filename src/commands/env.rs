//! `sosstack env`: names and values that scripts rely on.

use std::fmt::Write;

use anyhow::Result;

use super::Context;
use crate::cli::{EnvArgs, EnvFormat};
use crate::endpoints::Endpoints;
use crate::lifecycle::connect;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &EnvArgs) -> Result<()> {
    let (stack, outside) = context.endpoints().await?;
    let endpoints = if args.inside { connect::endpoints_inside(&stack, &outside) } else { outside };
    let default = if context.ui.is_json() { EnvFormat::Json } else { EnvFormat::Shell };
    let variables = variables(&endpoints);
    match args.format.unwrap_or(default) {
        EnvFormat::Shell => Ui::print(&lines(&variables, "export ", shell_quoted)),
        EnvFormat::Dotenv => Ui::print(&lines(&variables, "", ToOwned::to_owned)),
        EnvFormat::Json => {
            let object: serde_json::Map<String, serde_json::Value> =
                variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            Ui::print_json(&object)
        }
    }
}

fn variables(endpoints: &Endpoints) -> [(&'static str, String); 10] {
    [
        ("KAFKA_BROKERS", endpoints.kafka.join(",")),
        ("ZOOKEEPER_CONNECT", endpoints.zookeeper.join(",")),
        ("MQTT_URL", format!("mqtt://{}", endpoints.mqtt)),
        ("MQTTS_URL", format!("mqtts://{}", endpoints.mqtts)),
        ("MQTT_WS_URL", format!("ws://{}", endpoints.mqtt_ws)),
        ("MQTT_HOST", endpoints.mqtt.host.clone()),
        ("MQTT_PORT", endpoints.mqtt.port.to_string()),
        ("MQTT_USERNAME", endpoints.username.clone()),
        ("MQTT_PASSWORD", endpoints.password.reveal().to_owned()),
        ("MQTT_CA_FILE", endpoints.ca_file.display().to_string()),
    ]
}

fn lines(variables: &[(&str, String)], prefix: &str, quote: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        writeln!(text, "{prefix}{name}={}", quote(value)).expect("writing to a string succeeds");
    }
    text
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
