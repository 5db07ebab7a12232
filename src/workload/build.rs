//! From the stack to its workloads.

use std::path::{Path, PathBuf};

use super::parts::{self, public, reloaded};
use super::{ConfigFile, Workload};
use crate::config::mosquitto;
use crate::secrets::{Accounts, ServerCertificate};
use crate::stack::names::{cluster_name, cluster_names};
use crate::stack::{Role, Service, Stack, image};
use crate::target::Target;

/// What only this machine knows and Mosquitto needs.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub accounts: Accounts,
    pub certificate: ServerCertificate,
}

/// The names that the certificate on 8883 is for.
pub fn certificate_names(stack: &Stack) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1", "host.docker.internal"].map(str::to_owned);
    local.into_iter().chain(cluster_names(stack, Service::mosquitto())).collect()
}

/// One workload for each service of the stack, in the order of [`Stack::services`].
pub fn workloads(stack: &Stack, target: &Target, secrets: &Secrets) -> Vec<Workload> {
    let build = |service: Service| match service.role {
        Role::Zookeeper => super::zookeeper::workload(stack, service, target),
        Role::Kafka => super::kafka::workload(stack, service, target),
        Role::Mosquitto => {
            let mut workload = mosquitto_workload(stack, target);
            workload.files = mosquitto_files(stack, target, secrets);
            workload
        }
    };
    stack.services().into_iter().map(build).collect()
}

/// The MQTT server without the files that hold secrets; in a cluster, where they are put together in the pod, that is all.
pub fn mosquitto_workload(stack: &Stack, target: &Target) -> Workload {
    let service = Service::mosquitto();
    let config = mosquitto_config_dir(target);
    let conf = config.join("mosquitto.conf");
    let data = parts::volume(target, service, "data", image::MOSQUITTO_DATA);
    let plain = |program: String| vec![program, "-c".to_owned(), conf.display().to_string()];
    let (command, files) = match target {
        Target::Docker => (plain("mosquitto".to_owned()), Vec::new()),
        Target::Process(layout) => (plain(layout.mosquitto.display().to_string()), Vec::new()),
        Target::Kubernetes => {
            (mosquitto::guarded_command(stack, target, &conf, &data.path), pod_files(stack, &config, &data.path))
        }
    };
    Workload { command, files, volumes: vec![data], ..parts::workload(stack, service, target) }
}

/// What all pods of Mosquitto have, and what some take: the listener with TLS, and the link to the first of them.
fn pod_files(stack: &Stack, config: &Path, data: &Path) -> Vec<ConfigFile> {
    let run = Path::new(image::OWN_RUN);
    let first = cluster_name(stack, Service::mosquitto());
    vec![
        public(config.join("mosquitto.conf"), mosquitto::mosquitto_conf(stack, &Target::Kubernetes, run, data)),
        public(config.join("tls.conf"), mosquitto::tls_conf(stack, run)),
        public(config.join("bridge.conf"), mosquitto::peer_conf(&first)),
    ]
}

fn mosquitto_files(stack: &Stack, target: &Target, secrets: &Secrets) -> Vec<ConfigFile> {
    let config = mosquitto_config_dir(target);
    let data = parts::volume(target, Service::mosquitto(), "data", image::MOSQUITTO_DATA).path;
    let fixed = public(config.join("mosquitto.conf"), mosquitto::mosquitto_conf(stack, target, &config, &data));
    std::iter::once(fixed).chain(mosquitto_live_files(target, secrets)).collect()
}

/// What Mosquitto loads while it runs: who may log in, and the certificate. Depends on nothing of the stack file.
pub fn mosquitto_live_files(target: &Target, secrets: &Secrets) -> Vec<ConfigFile> {
    let config = mosquitto_config_dir(target);
    let devices = &secrets.accounts.devices;
    let owners = devices.iter().map(|(id, enrolled)| (id.as_str(), enrolled.owner.as_deref()));
    vec![
        reloaded(config.join("passwd"), mosquitto::password_file(&secrets.accounts)),
        reloaded(config.join("acl"), mosquitto::acl_file(owners)),
        reloaded(config.join("server.crt"), secrets.certificate.certificate.clone()),
        reloaded(config.join("server.key"), secrets.certificate.key.reveal().to_owned()),
    ]
}

fn mosquitto_config_dir(target: &Target) -> PathBuf {
    match target {
        Target::Docker => PathBuf::from(image::MOSQUITTO_CONFIG),
        Target::Kubernetes | Target::Process(_) => parts::config_dir(target, Service::mosquitto()),
    }
}
