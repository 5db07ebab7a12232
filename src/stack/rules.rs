//! What Kafka and DNS allow as names.

/// In bytes (org.apache.kafka.common.internals.Topic).
const LONGEST_TOPIC: usize = 249;
/// In bytes: RFC 1035, section 2.3.4.
const LONGEST_DNS_LABEL: usize = 63;
/// In bytes: what is left of RFC 1035's 255 octets in written form.
const LONGEST_DNS_NAME: usize = 253;

/// Why Kafka has no topic of this name, its own ones included; None where it may have.
pub fn topic_problem(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("Kafka reserves . and .."),
        name if name.len() > LONGEST_TOPIC => Some("a Kafka name has at most 249 characters"),
        name if !name.chars().all(allowed) => Some("use only letters, digits, '.', '_' and '-'"),
        _ => None,
    }
}

/// Why nobody should make a topic of this name; None where one may.
pub fn new_topic_problem(name: &str) -> Option<&'static str> {
    let reserved =
        name.starts_with("__").then_some("names beginning with __ are reserved for the brokers' internal topics");
    topic_problem(name).or(reserved)
}

/// Whether Kafka takes two topics for one in its metrics, and refuses the second.
pub fn topics_collide(a: &str, b: &str) -> bool {
    a != b && a.replace('.', "_") == b.replace('.', "_")
}

/// RFC 1123, section 2.1, in the lower case that Kubernetes asks for: a namespace, one part of a domain.
pub fn is_dns_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    (1..=LONGEST_DNS_LABEL).contains(&text.len()) && text.chars().all(inner) && ends
}

/// Labels joined by dots: a domain, or the name of most objects in Kubernetes.
pub fn is_dns_name(text: &str) -> bool {
    text.len() <= LONGEST_DNS_NAME && text.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_kubernetes_takes_them() {
        assert!(is_dns_label("sos-app") && is_dns_label("7") && is_dns_label(&"a".repeat(63)));
        assert!(!is_dns_label("-a") && !is_dns_label("a-") && !is_dns_label("a.b") && !is_dns_label(""));
        assert!(!is_dns_label(&"a".repeat(64)) && !is_dns_label("SOS"));
        assert!(is_dns_name("cluster.local") && !is_dns_name("cluster..local") && !is_dns_name("local."));
        assert!(!is_dns_name(&["a"; 128].join(".")), "255 bytes");
    }

    #[test]
    fn names_are_taken_as_kafka_takes_them() {
        assert_eq!(topic_problem("emergency.created"), None);
        assert_eq!(topic_problem(&"a".repeat(249)), None);
        for name in ["", ".", "..", "a b", "a/b", "é", &"a".repeat(250)] {
            assert!(topic_problem(name).is_some() && new_topic_problem(name).is_some(), "{name}");
        }
        assert_eq!(topic_problem("__consumer_offsets"), None);
        assert!(new_topic_problem("__consumer_offsets").is_some());
        assert!(topics_collide("a.b", "a_b") && !topics_collide("a.b", "a.b") && !topics_collide("a.b", "a-b"));
    }
}
