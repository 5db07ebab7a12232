//! What a cluster is told beyond the stack, and whether Kubernetes takes it.

use crate::about::Remedy;
use crate::export::bridge::Behaviour;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::stack::rules::{is_dns_label, is_dns_name};

/// Choices of the cluster's operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// None takes the cluster's default class.
    pub storage_class: Option<String>,
    pub storage: Storage,
    /// What stands before every image's name, such as a mirror's host.
    pub image_prefix: Option<String>,
    /// The Secret by which images are pulled.
    pub pull_secret: Option<String>,
    /// Whether the namespace, with Pod Security enforced, is among the objects.
    pub own_namespace: bool,
    /// One file beside the kustomization instead of one a kind.
    pub single_file: bool,
    pub bridge: Bridge,
}

/// The bridge to Kafka, which every export holds as a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Whether the component is part of what is applied.
    pub wanted: bool,
    /// The size of its volume, as [`Storage`].
    pub storage: String,
    pub behaviour: Behaviour,
}

impl Default for Bridge {
    fn default() -> Self {
        Self { wanted: false, storage: "10Gi".to_owned(), behaviour: Behaviour::default() }
    }
}

/// The size of each pod's volume, as Kubernetes writes quantities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub zookeeper: String,
    pub kafka: String,
    pub mqtt: String,
}

impl Default for Settings {
    fn default() -> Self {
        let size = |text: &str| text.to_owned();
        Self {
            storage_class: None,
            storage: Storage { zookeeper: size("10Gi"), kafka: size("100Gi"), mqtt: size("10Gi") },
            image_prefix: None,
            pull_secret: None,
            own_namespace: false,
            single_file: false,
            bridge: Bridge::default(),
        }
    }
}

impl Settings {
    /// The same, with the bridge among what is applied or not.
    pub(super) fn with_bridge(&self, wanted: bool) -> Self {
        Self { bridge: Bridge { wanted, ..self.bridge.clone() }, ..self.clone() }
    }

    /// Whether Kubernetes takes all of it.
    ///
    /// # Errors
    /// [`Failure::Usage`] with every problem, one a line.
    pub fn check(&self, stack: &Stack) -> Result<(), Failure> {
        let mut problems = namespace_problem(&stack.namespace).into_iter().collect::<Vec<_>>();
        let mut name = |option: &str, text: Option<&String>, what: &str| {
            if let Some(text) = text.filter(|text| !is_dns_name(text)) {
                problems.push(format!("{option} {text:?} is not a valid {what}: {SUBDOMAIN}"));
            }
        };
        name("--domain", Some(&stack.domain), "DNS domain");
        name("--storage-class", self.storage_class.as_ref(), "StorageClass name");
        name("--pull-secret", self.pull_secret.as_ref(), "Secret name");
        let sizes = [
            ("--zookeeper-storage", &self.storage.zookeeper),
            ("--kafka-storage", &self.storage.kafka),
            ("--mqtt-storage", &self.storage.mqtt),
            ("--bridge-storage", &self.bridge.storage),
        ];
        let wrong = sizes.into_iter().filter(|(_, size)| !is_size(size));
        problems.extend(wrong.map(|(option, size)| {
            format!("{option} {size:?} is not a volume size: write a whole number with Mi, Gi or Ti, such as 10Gi")
        }));
        if let Some(prefix) = self.image_prefix.as_ref().filter(|prefix| !is_image_prefix(prefix)) {
            problems.push(format!(
                "--image-prefix {prefix:?} does not begin an image's name: write it like registry.example.org:5000/mirror"
            ));
        }
        if problems.is_empty() {
            return Ok(());
        }
        let remedy = Remedy::words("each option is explained by --help; nothing was written");
        Err(Failure::Usage { cause: problems.join("\n  "), remedy })
    }
}

/// Why a text cannot be the namespace; None where it can.
pub fn namespace_problem(namespace: &str) -> Option<String> {
    if !is_dns_label(namespace) {
        return Some(format!(
            "--namespace {namespace:?} is not a valid namespace: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends"
        ));
    }
    let reserved = namespace.starts_with("kube-") || namespace == "default";
    reserved.then(|| format!("--namespace {namespace:?} is reserved: Kubernetes keeps default and kube-… for itself"))
}

const SUBDOMAIN: &str = "use parts of a-z, 0-9 and '-' joined by dots, each with a letter or digit at both ends";

/// A whole number of at least one MiB, in a unit that volumes come in.
fn is_size(text: &str) -> bool {
    let number = ["Mi", "Gi", "Ti"].iter().find_map(|unit| text.strip_suffix(unit));
    let digits = |number: &str| number.chars().all(|c| c.is_ascii_digit()) && !number.starts_with('0');
    number.is_some_and(|number| (1..=9).contains(&number.len()) && digits(number))
}

/// A registry's host, with or without a port, and a path.
fn is_image_prefix(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let mut parts = text.trim_end_matches('/').split('/');
    let host = parts.next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let part = |part: &str| !part.is_empty() && part.chars().all(allowed) && part.starts_with(char::is_alphanumeric);
    part(name) && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) && parts.all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_prefixes_are_taken_as_kubernetes_takes_them() {
        assert!(is_size("10Gi") && is_size("512Mi") && is_size("1Ti"));
        assert!(!is_size("10") && !is_size("0Gi") && !is_size("10GB") && !is_size("-1Gi") && !is_size("1.5Gi"));
        assert!(is_image_prefix("host:5000/a/b") && is_image_prefix("host") && is_image_prefix("host/a/"));
        assert!(!is_image_prefix("") && !is_image_prefix("host:/a") && !is_image_prefix("https://host"));
    }

    #[test]
    fn what_kubernetes_keeps_for_itself_is_no_namespace() {
        assert!(namespace_problem("sos-app").is_none());
        assert!(namespace_problem("kube-system").is_some_and(|problem| problem.contains("reserved")));
        assert!(namespace_problem("default").is_some());
    }
}
