//! ZooKeeper, Kafka and Mosquitto: from workloads to Compose services.

use std::collections::BTreeMap;
use std::path::Path;

use super::configs::{self, Configs, HASH_LABEL};
use super::health;
use super::helpers::{CREDENTIALS, CREDENTIALS_VOLUME, SHARED_CREDENTIALS, acl_file, users_file};
use super::model::{ComposeService, ConfigMount, NetworkAttachment, Restart};
use super::parts::{completed, hardened, started};
use crate::config::mosquitto::{self, Kind};
use crate::stack::{Role, Service, Stack, image};
use crate::target::Target;
use crate::workload::build::mosquitto_workload;
use crate::workload::{PublishedPort, Workload, kafka, zookeeper};

const BROKER_SCRIPT: &str = include_str!("scripts/broker.sh");

/// What `sosstack up` runs in Docker, without what only this machine knows.
pub(super) fn workloads(stack: &Stack) -> Vec<Workload> {
    let build = |service: Service| match service.role {
        Role::Zookeeper => zookeeper::workload(stack, service, &Target::Docker),
        Role::Kafka => kafka::workload(stack, service, &Target::Docker),
        Role::Mosquitto => mosquitto_workload(stack, &Target::Docker),
    };
    stack.services().into_iter().map(build).collect()
}

/// One server as a Compose service.
pub(super) fn server(stack: &Stack, workload: &Workload, all: &[Workload], configs: &mut Configs) -> ComposeService {
    let mut service = base(workload);
    service.configs = configs.mount_all(workload, all);
    let mut texts: Vec<&str> = workload.files.iter().map(|file| file.contents.as_str()).collect();
    match workload.service.role {
        Role::Zookeeper => service.healthcheck = Some(health::zookeeper()),
        Role::Kafka => {
            service.healthcheck = Some(health::kafka());
            service.depends_on = started((0..stack.zookeeper.nodes).map(Service::zookeeper));
            let script = Path::new(image::OWN_CONFIG).join("broker.sh");
            service.configs.push(configs.mount("broker.sh".to_owned(), &script, BROKER_SCRIPT));
            service.entrypoint = vec!["bash".to_owned(), script.display().to_string()];
            service.command.clone_from(&workload.command);
            texts.push(BROKER_SCRIPT);
        }
        Role::Mosquitto => {
            let data = Path::new(image::MOSQUITTO_DATA);
            let (path, conf) = (Path::new(image::MOSQUITTO_CONFIG).join("mosquitto.conf"), mosquitto_conf(stack, data));
            service.entrypoint = mosquitto::guarded_command(stack, &Target::Docker, &path, data);
            service.configs = mosquitto_mounts(configs, &path, &conf);
            service.healthcheck = Some(health::mosquitto());
            service.depends_on = vec![completed(CREDENTIALS)];
            service.volumes.push(format!("{CREDENTIALS_VOLUME}:{SHARED_CREDENTIALS}:ro"));
            // Users and rules are in the volume, and still it takes a new start to make them hold.
            let (users, acl) = (users_file(stack), acl_file(stack));
            service.labels = label([conf.as_str(), health::MOSQUITTO_SCRIPT, users.as_str(), acl.as_str()]);
            return service;
        }
    }
    service.labels = label(texts);
    service
}

fn base(workload: &Workload) -> ComposeService {
    let port = |port: &PublishedPort| format!("127.0.0.1:{}:{}", port.host, port.container);
    ComposeService {
        image: workload.image.clone(),
        hostname: workload.service.to_string(),
        entrypoint: workload.command.clone(),
        user: format!("{0}:{0}", workload.user),
        restart: Some(Restart::UnlessStopped),
        stop_grace_period: Some(format!("{}s", workload.stop_grace.as_secs())),
        ports: workload.ports.iter().map(port).collect(),
        networks: BTreeMap::from([("default".to_owned(), NetworkAttachment { aliases: workload.aliases.clone() })]),
        volumes: workload.volumes.iter().map(|volume| format!("{}:{}", volume.name, volume.path.display())).collect(),
        tmpfs: workload.scratch.iter().map(|path| format!("{}:mode=1777", path.display())).collect(),
        mem_limit: format!("{}m", workload.memory >> 20),
        ..hardened()
    }
}

/// Who may log in and do what, and the listener with TLS where there is a certificate, are in the volume that the
/// credentials service fills.
fn mosquitto_conf(stack: &Stack, data: &Path) -> String {
    let shared = Path::new(SHARED_CREDENTIALS);
    let mut conf = mosquitto::general(stack, &Target::Docker, &shared.join("passwd"), &shared.join("acl"), data);
    for kind in [Kind::Mqtt, Kind::MqttWs] {
        conf.push_str(&mosquitto::listener(stack, &Target::Docker, kind, shared));
    }
    conf.push_str("\ninclude_dir ");
    conf.push_str(SHARED_CREDENTIALS);
    conf.push('\n');
    conf
}

fn mosquitto_mounts(configs: &mut Configs, path: &Path, conf: &str) -> Vec<ConfigMount> {
    let script = health::mosquitto_script();
    vec![
        configs.mount("mosquitto.conf".to_owned(), path, conf),
        configs.mount("mosquitto-healthy.sh".to_owned(), &script, health::MOSQUITTO_SCRIPT),
    ]
}

fn label<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    BTreeMap::from([(HASH_LABEL.to_owned(), configs::hash(texts))])
}
