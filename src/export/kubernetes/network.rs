//! Who may speak to whom. The policies select our pods only: the namespace also holds applications.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::component::Port;
use super::{Component, Source};

/// The label of other namespaces whose pods are clients, too.
pub(super) const CLIENT_LABEL: (&str, &str) = ("sosstack/client", "true");

/// The namespace, which then enforces Pod Security "restricted" on everything in it.
pub(super) fn namespace(source: Source<'_>) -> Namespace {
    let modes = ["enforce", "audit", "warn"];
    let labels = modes.map(|mode| (format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned()));
    Namespace {
        metadata: ObjectMeta {
            name: Some(source.stack.namespace.clone()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// Everything that pods of a kind may receive and send; all else is refused.
pub(super) fn policy(source: Source<'_>, component: Component) -> NetworkPolicy {
    NetworkPolicy {
        metadata: component.metadata(source.stack, component.name()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(component.selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress(component)),
            egress: Some(egress(component)),
        }),
    }
}

fn ingress(component: Component) -> Vec<NetworkPolicyIngressRule> {
    let (peers, clients): (Vec<Port>, Vec<Port>) = component.ports().iter().partition(|port| port.peers_only);
    let rule = |ports: &[Port], from| NetworkPolicyIngressRule { ports: Some(tcp(ports)), from: Some(from) };
    let mut rules = Vec::new();
    if !clients.is_empty() {
        rules.push(rule(&clients, vec![this_namespace(), labelled_namespaces()]));
    }
    if !peers.is_empty() {
        rules.push(rule(&peers, vec![pods(component)]));
    }
    rules
}

fn egress(component: Component) -> Vec<NetworkPolicyEgressRule> {
    let to = |target: Component, wanted: fn(&Port) -> bool| NetworkPolicyEgressRule {
        ports: Some(tcp(&target.ports().iter().copied().filter(wanted).collect::<Vec<_>>())),
        to: Some(vec![pods(target)]),
    };
    let mut rules = match component {
        Component::Zookeeper => vec![to(Component::Zookeeper, |port| port.peers_only)],
        Component::Kafka => vec![to(Component::Zookeeper, |port| !port.peers_only), to(Component::Kafka, |_| true)],
        Component::Mqtt => vec![to(Component::Mqtt, |port| port.name == "mqtt")],
        Component::Topics => vec![to(Component::Kafka, |_| true)],
        Component::Bridge => {
            vec![to(Component::Mqtt, |port| port.name == "mqtt"), to(Component::Kafka, |_| true)]
        }
    };
    rules.push(names());
    rules
}

/// Wherever the cluster's DNS is: in `kube-system`, or on the node where its answers are cached.
fn names() -> NetworkPolicyEgressRule {
    let port = |protocol: &str| NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(53)),
        end_port: None,
    };
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP"), port("TCP")]), to: None }
}

/// By number: a name means the container's port, and the rules are read against these.
fn tcp(ports: &[Port]) -> Vec<NetworkPolicyPort> {
    let port = |port: &Port| NetworkPolicyPort {
        protocol: Some("TCP".to_owned()),
        port: Some(IntOrString::Int(port.number.into())),
        end_port: None,
    };
    ports.iter().map(port).collect()
}

fn pods(component: Component) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(component.selector()), ..NetworkPolicyPeer::default() }
}

fn this_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() }
}

fn labelled_namespaces() -> NetworkPolicyPeer {
    let (key, value) = CLIENT_LABEL;
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }),
        ..NetworkPolicyPeer::default()
    }
}
