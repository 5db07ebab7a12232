//! What all containers have in common, and short words for what they are given.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, ExecAction, HTTPGetAction,
    Probe, ResourceRequirements, SecurityContext, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Component, Source};
use crate::export::texts;
use crate::stack::Heap;
use crate::workload::{ConfigFile, Workload};

/// What a container asks for and may take at most.
#[derive(Debug, Clone)]
pub(super) struct Size {
    pub cpu: (&'static str, &'static str),
    pub memory: (String, String),
}

impl Size {
    /// Of a server, by what its workload may take at most.
    pub(super) fn of(cpu: (&'static str, &'static str), least: u64, workload: &Workload) -> Self {
        Self { cpu, memory: (quantity(least), quantity(workload.memory)) }
    }

    /// Of a JVM: at least its heap.
    pub(super) fn jvm(cpu: (&'static str, &'static str), heap: Heap, workload: &Workload) -> Self {
        Self::of(cpu, u64::from(heap.mebibytes) << 20, workload)
    }

    fn requirements(&self) -> ResourceRequirements {
        let quantities = |cpu: &str, memory: &str, scratch: &str| {
            let entry = |name: &str, value: &str| (name.to_owned(), Quantity(value.to_owned()));
            BTreeMap::from([entry("cpu", cpu), entry("memory", memory), entry("ephemeral-storage", scratch)])
        };
        ResourceRequirements {
            // Logs and /tmp; the data has volumes of its own.
            requests: Some(quantities(self.cpu.0, &self.memory.0, "64Mi")),
            limits: Some(quantities(self.cpu.1, &self.memory.1, "1Gi")),
            claims: None,
        }
    }
}

/// Whole MiB, as Kubernetes writes them.
pub(super) fn quantity(bytes: u64) -> String {
    let mebibytes = bytes >> 20;
    if mebibytes.is_multiple_of(1024) { format!("{}Gi", mebibytes / 1024) } else { format!("{mebibytes}Mi") }
}

/// A workload's files as those of a ConfigMap.
pub(super) fn files(workload: &Workload) -> BTreeMap<String, String> {
    let name = |file: &ConfigFile| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    workload.files.iter().map(|file| (name(file), file.contents.clone())).collect()
}

/// What runs in a container of a workload: its shell, and the script as what is given to it.
pub(super) fn shell(workload: &Workload) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let (shell, script) = workload.command.split_at(2);
    (Some(shell.to_vec()), Some(script.to_vec()))
}

/// A container that may do nothing but its work.
pub(super) fn container(source: Source<'_>, component: Component, name: &str, size: &Size) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(component.image(source)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        resources: Some(size.requirements()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// The ports by which services and policies name what a container listens on.
pub(super) fn ports(component: Component) -> Vec<ContainerPort> {
    let port = |port: &super::component::Port| ContainerPort {
        name: Some(port.name.to_owned()),
        container_port: port.number.into(),
        ..ContainerPort::default()
    };
    component.ports().iter().map(port).collect()
}

/// How often something is asked, and how often in a row it may fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// Seconds.
    pub period: i32,
    /// Seconds.
    pub timeout: i32,
    pub failures: i32,
}

impl Rhythm {
    fn probe(self) -> Probe {
        Probe {
            period_seconds: Some(self.period),
            timeout_seconds: Some(self.timeout),
            failure_threshold: Some(self.failures),
            ..Probe::default()
        }
    }

    /// Whether a port is open.
    pub(super) fn tcp(self, port: u16) -> Probe {
        let tcp_socket = TCPSocketAction { port: IntOrString::Int(port.into()), host: None };
        Probe { tcp_socket: Some(tcp_socket), ..self.probe() }
    }

    /// Whether a page is served well.
    pub(super) fn http(self, port: u16, path: &str) -> Probe {
        let port = IntOrString::Int(port.into());
        let http_get = HTTPGetAction { port, path: Some(path.to_owned()), ..HTTPGetAction::default() };
        Probe { http_get: Some(http_get), ..self.probe() }
    }

    /// Whether a command in the container succeeds.
    pub(super) fn exec(self, command: &[&str]) -> Probe {
        Probe { exec: Some(ExecAction { command: Some(texts(command)) }), ..self.probe() }
    }
}

/// A volume at a path.
pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// A volume that is only read.
pub(super) fn mount_read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..mount(volume, path) }
}

/// Files of a ConfigMap.
pub(super) fn config_volume(volume: &str, config_map: &str) -> Volume {
    let config_map = ConfigMapVolumeSource { name: config_map.to_owned(), ..ConfigMapVolumeSource::default() };
    Volume { name: volume.to_owned(), config_map: Some(config_map), ..Volume::default() }
}

/// Of files from Secrets: `r--r-----`, for the pod's group only.
pub(super) const SECRET_MODE: i32 = 0o440;

/// A directory for the pod's life; in memory where secrets lie in it.
pub(super) fn scratch_volume(volume: &str, limit: &str, in_memory: bool) -> Volume {
    let empty_dir = EmptyDirVolumeSource {
        medium: in_memory.then(|| "Memory".to_owned()),
        size_limit: Some(Quantity(limit.to_owned())),
    };
    Volume { name: volume.to_owned(), empty_dir: Some(empty_dir), ..Volume::default() }
}
