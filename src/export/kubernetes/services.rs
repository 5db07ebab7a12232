//! How pods are found: each by its own name, and any ready one by the service's.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::component::Port;
use super::{Component, Source};
use crate::stack::names;

/// Gives each pod a name of its own.
pub(super) fn headless(source: Source<'_>, component: Component) -> Service {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        // Peers look for each other before any of them is ready.
        publish_not_ready_addresses: Some(true),
        ..spec(component, |_| true)
    };
    service(source, component, component.headless(), spec)
}

/// Leads to whichever pod is ready.
pub(super) fn clients(source: Source<'_>, component: Component) -> Service {
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        // A client that reconnects should find its session, which lies on one of the two only.
        session_affinity: (component == Component::Mqtt).then(|| "ClientIP".to_owned()),
        ..spec(component, |port| !port.peers_only)
    };
    service(source, component, names::clients_of(component.name()), spec)
}

fn service(source: Source<'_>, component: Component, name: String, spec: ServiceSpec) -> Service {
    Service { metadata: component.metadata(source.stack, name), spec: Some(spec), status: None }
}

fn spec(component: Component, wanted: impl Fn(&Port) -> bool) -> ServiceSpec {
    let port = |port: &Port| ServicePort {
        name: Some(port.name.to_owned()),
        port: port.number.into(),
        target_port: Some(IntOrString::String(port.name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    ServiceSpec {
        selector: Some(component.selector_labels()),
        ports: Some(component.ports().iter().filter(|port| wanted(port)).map(port).collect()),
        ..ServiceSpec::default()
    }
}
