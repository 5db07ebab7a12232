//! What MQTT 5 lets a message say. A server hangs up on what breaks these rules, without a word about which message it
//! was: it is refused before it is sent.

use super::{Headers, Properties};

/// Strings and binary data carry their length in two bytes (MQTT 5, 1.5.4 and 1.5.6).
const LONGEST: usize = 65_535;
/// Separators in a topic, at most: Mosquitto's own limit, and no other server is known to take more.
const SEPARATORS: usize = 200;

/// Why no server takes this as a topic or as a topic filter.
pub fn topic_problem(topic: &str) -> Option<&'static str> {
    if topic.is_empty() {
        Some("it is empty")
    } else if topic.len() > LONGEST {
        Some("an MQTT topic has at most 65,535 bytes")
    } else if topic.bytes().filter(|byte| *byte == b'/').count() > SEPARATORS {
        Some("an MQTT topic has at most 201 levels")
    } else if let Some(problem) = character_problem(topic) {
        Some(problem)
    } else {
        shared_problem(topic)
    }
}

/// Why no server takes what a message carries beside its topic and payload.
pub fn message_problem(headers: &Headers<'_>, properties: Option<&Properties>) -> Option<String> {
    let header = headers.iter().find_map(|(name, value)| {
        let is_text =
            |bytes: &[u8]| str::from_utf8(bytes).map_or(Some("a user property of MQTT is text"), text_problem);
        let problem = is_text(name).or_else(|| value.map_or(Some("a user property of MQTT is text"), is_text))?;
        Some(format!("header {:?}: {problem}", String::from_utf8_lossy(name)))
    });
    header.or_else(|| property_problem(properties?))
}

fn property_problem(properties: &Properties) -> Option<String> {
    let content_type = properties.content_type.as_deref().and_then(text_problem);
    let response_topic = properties.response_topic.as_deref().and_then(|topic| {
        let wildcard = topic.contains(['#', '+']).then_some("it must not contain wildcards");
        topic_problem(topic).or(wildcard)
    });
    let correlation_data = properties.correlation_data.as_ref().filter(|data| data.len() > LONGEST);
    let payload_format = properties.payload_format.filter(|format| *format > 1);
    let problems = [
        ("content_type", content_type),
        ("response_topic", response_topic),
        ("correlation_data", correlation_data.map(|_| "it may have at most 65,535 bytes")),
        ("payload_format", payload_format.map(|_| "it is 0 (bytes) or 1 (UTF-8)")),
    ];
    problems.into_iter().find_map(|(name, problem)| Some(format!("{name}: {}", problem?)))
}

fn text_problem(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST { Some("MQTT strings have at most 65,535 bytes") } else { character_problem(text) }
}

/// MQTT 5, 1.5.4: NUL must not occur; at the others a server may hang up, and Mosquitto does.
fn character_problem(text: &str) -> Option<&'static str> {
    let is_noncharacter = |c: char| matches!(u32::from(c), 0xFDD0..=0xFDEF) || u32::from(c) & 0xFFFE == 0xFFFE;
    if text.chars().any(char::is_control) {
        Some("MQTT strings must not contain control characters, such as line breaks")
    } else if text.chars().any(is_noncharacter) {
        Some("MQTT strings must not contain code points that Unicode calls noncharacters")
    } else {
        None
    }
}

/// `$share/GROUP/FILTER`
fn shared_problem(topic: &str) -> Option<&'static str> {
    let rest = topic.strip_prefix("$share/")?;
    match rest.split_once('/') {
        Some((group, filter)) if !group.is_empty() && !group.contains(['#', '+']) && !filter.is_empty() => None,
        _ => Some("a shared subscription is written $share/GROUP/FILTER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn topics_are_as_long_and_deep_as_servers_take_them() {
        let levels = |count: usize| vec!["a"; count].join("/");
        assert_eq!(topic_problem(&levels(201)), None);
        assert!(topic_problem(&levels(202)).unwrap().contains("201 levels"));
        assert_eq!(topic_problem(&"a".repeat(65_535)), None);
        assert!(topic_problem(&"é".repeat(32_768)).unwrap().contains("65,535 bytes"));
        assert!(topic_problem("").unwrap().contains("empty"));
    }

    #[test]
    fn what_servers_hang_up_on_is_refused() {
        for c in ['\0', '\u{1}', '\n', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}'] {
            assert!(topic_problem(&format!("a/{c}")).unwrap().contains("control"), "{c:?}");
        }
        for c in ['\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{1ffff}', '\u{10fffe}'] {
            assert!(topic_problem(&format!("a/{c}")).unwrap().contains("noncharacters"), "{c:?}");
        }
        for fine in ["a/ b", "ü/€/😀", "\u{a0}", "\u{fffd}", "/", "$SYS/x", "$share/g/a/+"] {
            assert_eq!(topic_problem(fine), None, "{fine:?}");
        }
        for broken in ["$share/g", "$share//a", "$share/+/a", "$share/g/"] {
            assert!(topic_problem(broken).unwrap().contains("$share/GROUP/FILTER"), "{broken}");
        }
    }

    #[test]
    fn headers_are_text_of_bounded_length() {
        let problem = |name: &str, value: Option<&[u8]>| {
            message_problem(&vec![(Cow::Borrowed(name.as_bytes()), value)], None).unwrap_or_default()
        };
        assert_eq!(problem("source", Some(b"panic button")), "");
        assert_eq!(problem("", Some(b"")), "");
        assert!(problem("a", Some(b"two\nlines")).starts_with("header \"a\": MQTT strings must not contain control"));
        assert!(problem("a\r", Some(b"")).starts_with("header \"a\\r\": "));
        assert!(problem("a", Some(&[0xff])).contains("is text"));
        assert!(problem("a", None).contains("is text"));
        assert!(problem("a", Some(&vec![b'x'; 65_536])).contains("65,535"));
    }

    #[test]
    fn properties_are_what_the_protocol_makes_of_them() {
        let problem = |properties: Properties| message_problem(&Vec::new(), Some(&properties)).unwrap_or_default();
        let of = Properties::default;
        let fine = Properties {
            content_type: Some("application/json".to_owned()),
            response_topic: Some("a/b".to_owned()),
            correlation_data: Some(vec![0; 65_535]),
            payload_format: Some(1),
            expiry: Some(0),
        };
        assert_eq!(problem(fine), "");
        assert!(problem(Properties { content_type: Some("a\0".to_owned()), ..of() }).starts_with("content_type: "));
        assert!(
            problem(Properties { response_topic: Some("a/#".to_owned()), ..of() })
                .contains("must not contain wildcards")
        );
        assert!(problem(Properties { response_topic: Some(String::new()), ..of() }).contains("empty"));
        assert!(problem(Properties { correlation_data: Some(vec![0; 65_536]), ..of() }).contains("65,535"));
        assert!(problem(Properties { payload_format: Some(2), ..of() }).starts_with("payload_format: "));
    }
}
