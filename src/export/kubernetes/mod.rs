//! The stack for a Kubernetes cluster: typed objects, written as YAML.
//!
//! Every object is a struct of the Kubernetes API, so a misspelt field does not compile; the few relations that no type
//! sees are tested (`tests/export`). One [`Manifest`] is one file. What not every stack has is a component of the
//! kustomization, in a directory of its own.

pub mod bridge;
mod budgets;
mod component;
mod container;
mod kafka;
mod kustomization;
pub mod mqtt;
mod network;
mod pods;
mod services;
pub mod settings;
mod source;
mod topics;
mod yaml;
mod zookeeper;

use serde_yaml::Value;

use super::ExportedFile;
use crate::stack::Stack;

pub use component::Component;
pub use settings::{Bridge, Settings};
use source::Source;
use yaml::{checksum, object, yaml};

/// The first line of every file: it tells an export which files are its own.
pub const HEADER: &str = "# Made by sosstack export k8s from the stack file; export again rather than edit.\n";

/// The one file that holds everything under `--single-file`. Not `sosstack.yaml`: that is what stack files are called.
const SINGLE_FILE: &str = "all.yaml";

/// A file of objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub file: &'static str,
    pub objects: Vec<Value>,
}

/// The directory of the bridge to Kafka.
const BRIDGE: &str = "components/bridge";
const BRIDGE_FILE: &str = "bridge.yaml";

/// All objects by file, in the order in which they are applied; the bridge's where it is wanted.
pub fn manifests(stack: &Stack, settings: &Settings) -> Vec<Manifest> {
    let source = Source { stack, settings };
    let manifest = |file, objects| Manifest { file, objects };
    let mut all = Vec::new();
    if settings.own_namespace {
        all.push(manifest("namespace.yaml", vec![object(&network::namespace(source))]));
    }
    let accounts = Component::ALL.map(|component| object(&pods::service_account(source, component)));
    all.push(manifest("serviceaccounts.yaml", accounts.into()));
    let policies = Component::ALL.map(|component| object(&network::policy(source, component)));
    all.push(manifest("networkpolicies.yaml", policies.into()));
    let budgets = Component::STATEFUL.map(|component| object(&budgets::budget(source, component)));
    all.push(manifest("poddisruptionbudgets.yaml", budgets.into()));
    let services =
        |component| vec![object(&services::headless(source, component)), object(&services::clients(source, component))];
    all.extend([
        manifest("zookeeper-configmap.yaml", vec![object(&zookeeper::config_map(source))]),
        manifest("zookeeper-services.yaml", services(Component::Zookeeper)),
        manifest("zookeeper-statefulset.yaml", vec![object(&zookeeper::stateful_set(source))]),
        manifest("kafka-configmap.yaml", vec![object(&kafka::config_map(source))]),
        manifest("kafka-services.yaml", services(Component::Kafka)),
        manifest("kafka-statefulset.yaml", vec![object(&kafka::stateful_set(source))]),
        manifest("kafka-topics-job.yaml", vec![object(&topics::config_map(source)), object(&topics::job(source))]),
        manifest("mqtt-configmap.yaml", vec![object(&mqtt::config_map(source))]),
        manifest("mqtt-services.yaml", services(Component::Mqtt)),
        manifest("mqtt-statefulset.yaml", vec![object(&mqtt::stateful_set(source))]),
    ]);
    if settings.bridge.wanted {
        all.push(manifest(BRIDGE_FILE, bridge::objects(source)));
    }
    all
}

/// The files of the export's directory: the stack, the kustomization, and the bridge as its component.
pub fn files(stack: &Stack, settings: &Settings) -> Vec<ExportedFile> {
    let source = Source { stack, settings };
    let manifests = manifests(stack, &settings.with_bridge(false));
    let mut files: Vec<ExportedFile> = if settings.single_file {
        vec![ExportedFile { name: SINGLE_FILE.to_owned(), contents: text(&manifests) }]
    } else {
        manifests.iter().map(file).collect()
    };
    let components = settings.bridge.wanted.then(|| BRIDGE.to_owned()).into_iter().collect();
    let kustomization = kustomization::of(source, files.iter().map(|file| file.name.clone()).collect(), components);
    files.push(ExportedFile { name: kustomization::FILE.to_owned(), contents: headed(&yaml(&kustomization)) });
    files.extend(bridge_files(stack, settings));
    files
}

fn bridge_files(stack: &Stack, settings: &Settings) -> Vec<ExportedFile> {
    let wanted = settings.with_bridge(true);
    let source = Source { stack, settings: &wanted };
    let all = [
        Manifest { file: BRIDGE_FILE, objects: bridge::objects(source) },
        Manifest { file: "mqtt-configmap-patch.yaml", objects: vec![object(&mqtt::config_patch(source))] },
        Manifest { file: "mqtt-statefulset-patch.yaml", objects: vec![object(&mqtt::pods_patch(source))] },
    ];
    let [bridge, patches @ ..] = all.each_ref().map(|manifest| manifest.file);
    let kustomization = kustomization::component(source, Component::Bridge, bridge, &patches);
    let kustomization = ExportedFile { name: kustomization::FILE.to_owned(), contents: headed(&yaml(&kustomization)) };
    let within = |file: ExportedFile| ExportedFile { name: format!("{BRIDGE}/{}", file.name), ..file };
    all.iter().map(file).chain([kustomization]).map(within).collect()
}

fn file(manifest: &Manifest) -> ExportedFile {
    ExportedFile { name: manifest.file.to_owned(), contents: text(std::slice::from_ref(manifest)) }
}

fn headed(text: &str) -> String {
    format!("{HEADER}{text}")
}

/// Manifests as one stream of YAML documents.
pub fn text(manifests: &[Manifest]) -> String {
    let documents: Vec<String> = manifests.iter().flat_map(|manifest| &manifest.objects).map(yaml).collect();
    headed(&documents.join("---\n"))
}
