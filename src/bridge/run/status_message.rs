//! What a record becomes. Pure.

use serde_json::Value;

use crate::stack::leaf::EMERGENCY_STATUS;

/// The longest topic that MQTT knows, in bytes (1.5.4).
const LONGEST: usize = 65_535;

/// A message to one user's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    /// As it is in Kafka.
    pub payload: String,
}

/// The message that a record becomes.
///
/// # Errors
/// Why it is for nobody.
pub fn message(value: Option<Vec<u8>>) -> Result<Message, &'static str> {
    let value = value.filter(|value| !value.is_empty()).ok_or("it is empty")?;
    let payload = String::from_utf8(value).map_err(|_| "it is not JSON")?;
    let json: Value = serde_json::from_str(&payload).map_err(|_| "it is not JSON")?;
    let user = match &json["userId"] {
        Value::String(user) => user.clone(),
        Value::Number(user) => user.to_string(),
        _ => return Err("it has no userId"),
    };
    // Else it would be another topic, or none.
    if user.is_empty() || user.contains(['/', '+', '#', '\0']) || user.contains(char::is_control) {
        return Err("its userId cannot be part of an MQTT topic");
    }
    let topic = EMERGENCY_STATUS.topic(&user);
    if topic.len() > LONGEST {
        return Err("its userId cannot be part of an MQTT topic");
    }
    Ok(Message { topic, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Message, &'static str> {
        message(Some(value.as_bytes().to_vec()))
    }

    #[test]
    fn it_goes_to_the_user_whom_it_names_and_stays_as_it_is() {
        let value = r#"{ "userId":"user-1001", "status":"HELP_ON_THE_WAY" }"#;
        let topic = "emergency/user-1001/status".to_owned();
        assert_eq!(of(value), Ok(Message { topic, payload: value.to_owned() }));
        assert_eq!(of(r#"{"userId":7}"#).unwrap().topic, "emergency/7/status");
    }

    #[test]
    fn what_names_nobody_is_for_nobody() {
        for (value, reason) in [
            ("", "it is empty"),
            ("nonsense", "it is not JSON"),
            ("[]", "it has no userId"),
            (r#"{"userId":null}"#, "it has no userId"),
            (r#"{"userId":""}"#, "its userId cannot be part of an MQTT topic"),
            (r#"{"userId":"+"}"#, "its userId cannot be part of an MQTT topic"),
            (r#"{"userId":"a/status"}"#, "its userId cannot be part of an MQTT topic"),
        ] {
            assert_eq!(of(value), Err(reason), "{value}");
        }
        assert_eq!(message(None), Err("it is empty"));
        assert_eq!(message(Some(vec![0xff])), Err("it is not JSON"));
    }
}
