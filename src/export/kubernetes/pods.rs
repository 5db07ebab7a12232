//! Pods that keep data: their StatefulSet, and where they are scheduled.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, LocalObjectReference, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodAffinityTerm,
    PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, ServiceAccount,
    TopologySpreadConstraint, Volume, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Component, Source};

/// The annotation whose change replaces pods.
pub(super) const CHECKSUM: &str = "sosstack/config-checksum";
/// The volume with the pod's data.
pub(super) const DATA: &str = "data";

/// What differs between the components.
pub(super) struct Pods<'a> {
    pub component: Component,
    /// The image's user, and the group of the same number.
    pub user: u32,
    /// How long they may take to end by themselves.
    pub stop_grace: Duration,
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    pub volumes: Vec<Volume>,
    /// Seconds that a pod must have been ready before the next one is replaced.
    pub min_ready: i32,
    pub storage: &'a str,
    pub share_processes: bool,
    /// Of everything that the pods read at their start only.
    pub checksum: String,
}

/// The StatefulSet of a component.
pub(super) fn stateful_set(source: Source<'_>, pods: Pods<'_>) -> StatefulSet {
    let (component, stack) = (pods.component, source.stack);
    let spec = StatefulSetSpec {
        service_name: Some(component.headless()),
        replicas: Some(component.replicas(stack).into()),
        selector: component.selector(),
        // Peers need each other before any of them is ready.
        pod_management_policy: Some("Parallel".to_owned()),
        update_strategy: Some(StatefulSetUpdateStrategy {
            type_: Some("RollingUpdate".to_owned()),
            rolling_update: None,
        }),
        min_ready_seconds: Some(pods.min_ready),
        revision_history_limit: Some(5),
        persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
            when_deleted: Some("Retain".to_owned()),
            when_scaled: Some("Retain".to_owned()),
        }),
        volume_claim_templates: Some(vec![claim(source, component, pods.storage)]),
        template: template(source, pods),
        ordinals: None,
    };
    StatefulSet { metadata: component.metadata(stack, component.name()), spec: Some(spec), status: None }
}

fn template(source: Source<'_>, pods: Pods<'_>) -> PodTemplateSpec {
    let component = pods.component;
    let spec = PodSpec {
        affinity: Some(apart(component)),
        topology_spread_constraints: Some(vec![across_zones(component)]),
        init_containers: Some(pods.init_containers).filter(|containers| !containers.is_empty()),
        containers: pods.containers,
        volumes: Some(pods.volumes),
        termination_grace_period_seconds: i64::try_from(pods.stop_grace.as_secs()).ok(),
        share_process_namespace: pods.share_processes.then_some(true),
        ..pod(source, component, pods.user)
    };
    PodTemplateSpec { metadata: Some(pod_metadata(source, component, pods.checksum)), spec: Some(spec) }
}

pub(super) fn pod_metadata(source: Source<'_>, component: Component, checksum: String) -> ObjectMeta {
    ObjectMeta {
        labels: Some(component.labels(source.stack)),
        annotations: Some(BTreeMap::from([(CHECKSUM.to_owned(), checksum)])),
        ..ObjectMeta::default()
    }
}

/// What every pod has: Pod Security "restricted", and nothing of the API.
/// `user` is the image's, and its group has the same number.
pub(super) fn pod(source: Source<'_>, component: Component, user: u32) -> PodSpec {
    let user = i64::from(user);
    let pull_secret = |name: &String| vec![LocalObjectReference { name: name.clone() }];
    PodSpec {
        service_account_name: Some(component.name().to_owned()),
        automount_service_account_token: Some(false),
        // Variables such as KAFKA_PORT would be taken for settings by some images.
        enable_service_links: Some(false),
        image_pull_secrets: source.settings.pull_secret.as_ref().map(pull_secret),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(user),
            run_as_group: Some(user),
            fs_group: Some(user),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

/// Never two on one node: its loss must cost one of them only.
fn apart(component: Component) -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(component.selector()),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    let anti = PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: Some(vec![term]),
        preferred_during_scheduling_ignored_during_execution: None,
    };
    Affinity { pod_anti_affinity: Some(anti), ..Affinity::default() }
}

/// Across zones where there are some.
fn across_zones(component: Component) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "topology.kubernetes.io/zone".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(component.selector()),
        ..TopologySpreadConstraint::default()
    }
}

fn claim(source: Source<'_>, component: Component, storage: &str) -> PersistentVolumeClaim {
    let size = Quantity(storage.to_owned());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA.to_owned()),
            // Claim templates can never be changed, so no label here may.
            labels: Some(component.selector_labels()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: source.settings.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// An account of its own for each kind, without a token: none of them speaks to the API.
pub(super) fn service_account(source: Source<'_>, component: Component) -> ServiceAccount {
    ServiceAccount {
        metadata: component.metadata(source.stack, component.name()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
