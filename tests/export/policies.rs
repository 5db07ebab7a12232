//! Network policies let through what is listened on, on both sides, and select nobody else's pods.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::objects::{Objects, containers};
use crate::relations::{labels, selects};

fn numbers(ports: Option<Vec<NetworkPolicyPort>>) -> Vec<i32> {
    ports
        .unwrap()
        .into_iter()
        .map(|port| match port.port {
            Some(IntOrString::Int(number)) => number,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn pod_labels(peer: &NetworkPolicyPeer) -> BTreeMap<String, String> {
    peer.pod_selector.clone().and_then(|selector| selector.match_labels).unwrap_or_default()
}

fn is_whole_namespace(peer: &NetworkPolicyPeer) -> bool {
    peer.namespace_selector.is_none() && peer.pod_selector.is_some() && pod_labels(peer).is_empty()
}

#[test]
fn every_pod_is_selected_by_one_policy_for_both_directions() {
    let objects = Objects::whole_export();
    for (name, template) in objects.templates() {
        let selecting: Vec<_> = objects
            .policies()
            .into_iter()
            .map(|policy| policy.spec.unwrap())
            .filter(|spec| selects(&spec.pod_selector.clone().unwrap().match_labels.unwrap(), &labels(&template)))
            .collect();
        assert_eq!(selecting.len(), 1, "{name}");
        assert_eq!(selecting[0].policy_types.clone().unwrap(), ["Ingress", "Egress"]);
    }
}

#[test]
fn what_is_listened_on_may_be_reached_and_nothing_else() {
    let objects = Objects::whole_export();
    for policy in objects.policies() {
        let name = policy.metadata.name.unwrap();
        let spec = policy.spec.unwrap();
        let selector = spec.pod_selector.unwrap().match_labels.unwrap();
        let (_, template) =
            objects.templates().into_iter().find(|(_, template)| selects(&selector, &labels(template))).unwrap();
        let mut listened: Vec<i32> = containers(&template)
            .into_iter()
            .flat_map(|container| container.ports.unwrap_or_default())
            .map(|port| port.container_port)
            .collect();
        let mut allowed: Vec<i32> = spec.ingress.unwrap().into_iter().flat_map(|rule| numbers(rule.ports)).collect();
        listened.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(allowed, listened, "{name}");
    }
}

#[test]
fn clients_are_this_namespace_and_labelled_ones_and_peers_are_peers() {
    let objects = Objects::whole_export();
    let client_ports = [2181, 9092, 1883, 8883, 9001, 9101];
    for policy in objects.policies() {
        let name = policy.metadata.name.unwrap();
        let spec = policy.spec.unwrap();
        let own = spec.pod_selector.unwrap().match_labels.unwrap();
        for rule in spec.ingress.unwrap() {
            let ports = numbers(rule.ports);
            let from = rule.from.unwrap();
            if ports.iter().all(|port| client_ports.contains(port)) {
                assert_eq!(from.len(), 2, "{name}");
                assert!(is_whole_namespace(&from[0]), "{name}");
                let elsewhere = from[1].namespace_selector.clone().unwrap().match_labels.unwrap();
                assert_eq!(elsewhere, BTreeMap::from([("sosstack/client".to_owned(), "true".to_owned())]));
            } else {
                assert!(ports.iter().all(|port| !client_ports.contains(port)), "{name}: {ports:?}");
                assert_eq!(from.iter().map(pod_labels).collect::<Vec<_>>(), std::slice::from_ref(&own), "{name}");
            }
        }
    }
}

#[test]
fn what_may_be_sent_may_be_received() {
    let objects = Objects::whole_export();
    for policy in objects.policies() {
        let name = policy.metadata.name.unwrap();
        let spec = policy.spec.unwrap();
        let own = spec.pod_selector.unwrap().match_labels.unwrap();
        for rule in spec.egress.unwrap() {
            let ports = numbers(rule.ports);
            let Some(to) = rule.to else {
                assert_eq!(ports, [53, 53], "{name}: only names are asked for anywhere");
                continue;
            };
            let target = pod_labels(&to[0]);
            for port in ports {
                let received = objects.policies().into_iter().map(|policy| policy.spec.unwrap()).any(|spec| {
                    spec.pod_selector.unwrap().match_labels.unwrap() == target
                        && spec.ingress.unwrap().into_iter().any(|rule| {
                            let from = rule.from.unwrap();
                            numbers(rule.ports).contains(&port)
                                && from.iter().any(|peer| is_whole_namespace(peer) || pod_labels(peer) == own)
                        })
                });
                assert!(received, "{name} may send to {target:?} on {port}, which refuses");
            }
        }
    }
}
