//! The names under which applications reach services: in a cluster, and the same ones on a stack's Docker network.

use super::{Role, Service, Stack};

/// What a system is called in a cluster; its StatefulSet's name, and the beginning of every other.
pub fn kind(role: Role) -> &'static str {
    match role {
        Role::Zookeeper => "zookeeper",
        Role::Kafka => "kafka",
        Role::Mosquitto => "mqtt",
    }
}

/// The service that gives each pod a name of its own.
pub fn headless(role: Role) -> String {
    headless_of(kind(role))
}

/// As [`headless`], of pods that are called so.
pub fn headless_of(pods: &str) -> String {
    format!("{pods}-headless")
}

/// The service that clients use: whichever pod is ready.
pub fn clients(role: Role) -> String {
    clients_of(kind(role))
}

/// As [`clients`], of pods that are called so.
pub fn clients_of(pods: &str) -> String {
    format!("{pods}-service")
}

/// Under which a system's pods have their names: `kafka-headless.sos-app.svc.cluster.local`.
pub fn pods_domain(stack: &Stack, role: Role) -> String {
    format!("{}.{}.svc.{}", headless(role), stack.namespace, stack.domain)
}

/// The pod of a service.
pub fn pod(service: Service) -> String {
    format!("{}-{}", kind(service.role), service.ordinal)
}

/// All names under which a service is known, the fully qualified one first.
pub fn cluster_names(stack: &Stack, service: Service) -> Vec<String> {
    let (headless, pod) = (headless(service.role), pod(service));
    let Stack { namespace, domain, .. } = stack;
    let suffixes =
        [format!(".{namespace}.svc.{domain}"), format!(".{namespace}.svc"), format!(".{namespace}"), String::new()];
    let bases = [format!("{pod}.{headless}"), clients(service.role), headless];
    let qualified = bases.iter().flat_map(|base| suffixes.iter().map(move |suffix| format!("{base}{suffix}")));
    let mut names: Vec<String> = qualified.chain([pod]).collect();
    if service.role == Role::Mosquitto {
        names.push(service.to_string());
    }
    names
}

/// The name that others are told: the pod's fully qualified one.
pub fn cluster_name(stack: &Stack, service: Service) -> String {
    format!("{}.{}", pod(service), pods_domain(stack, service.role))
}
