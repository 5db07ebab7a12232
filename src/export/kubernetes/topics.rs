//! The Job that makes the topics: as often as it is run, and loudly when it cannot.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, PodTemplateSpec};

use super::container::{Size, config_volume, container, mount, mount_read_only, scratch_volume};
use super::{Component, Source, checksum, pods};
use crate::config::jvm;
use crate::export::{texts, topics};
use crate::stack::{Role, image, names};

const CONFIG: &str = "kafka-topics";
/// How long one attempt waits for brokers that have to be pulled, scheduled and given volumes. It ends before the Job's own
/// deadline, which would take the pod away, and with it the log.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    let files = [
        ("topics", topics::list(source.stack)),
        ("topics.sh", topics::SCRIPT.to_owned()),
        ("log4j.properties", jvm::log4j(None)),
    ];
    ConfigMap {
        metadata: Component::Topics.metadata(source.stack, CONFIG),
        data: Some(files.map(|(name, text)| (name.to_owned(), text)).into()),
        ..ConfigMap::default()
    }
}

/// A Job cannot be changed, so whatever it would do otherwise gives it another name; the old one goes after an hour.
pub(super) fn job(source: Source<'_>) -> Job {
    let template = template(source);
    let name = format!("{}-{}", Component::Topics.name(), &checksum(&template)[..8]);
    let spec = JobSpec {
        template,
        // A failed pod stays, and with it what it wrote.
        backoff_limit: Some(4),
        active_deadline_seconds: Some(1800),
        ttl_seconds_after_finished: Some(3600),
        ..JobSpec::default()
    };
    Job { metadata: Component::Topics.metadata(source.stack, name), spec: Some(spec), status: None }
}

fn template(source: Source<'_>) -> PodTemplateSpec {
    let spec = PodSpec {
        restart_policy: Some("Never".to_owned()),
        containers: vec![maker(source)],
        volumes: Some(vec![config_volume("config", CONFIG), scratch_volume("tmp", "64Mi", false)]),
        ..pods::pod(source, Component::Topics, image::user(Role::Kafka))
    };
    let metadata = pods::pod_metadata(source, Component::Topics, checksum(&config_map(source).data));
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn maker(source: Source<'_>) -> Container {
    let size = Size { cpu: ("100m", "1"), memory: ("128Mi".to_owned(), "512Mi".to_owned()) };
    let name = |broker| names::cluster_name(source.stack, broker);
    Container {
        command: Some(texts(&["/bin/bash", &format!("{}/topics.sh", image::OWN_CONFIG)])),
        args: Some(topics::arguments(source.stack, PATIENCE, name)),
        volume_mounts: Some(vec![mount_read_only("config", image::OWN_CONFIG), mount("tmp", "/tmp")]),
        ..container(source, Component::Topics, "topics", &size)
    }
}
