//! What the operator's options change, and how pods are spread and replaced.

use sosstack::export::kubernetes::Settings;

use crate::objects::{Objects, containers, stack};
use crate::relations::{labels, selects};

#[test]
fn options_reach_every_pod() {
    let settings = Settings {
        storage_class: Some("fast".to_owned()),
        image_prefix: Some("registry.example.org:5000/mirror/".to_owned()),
        pull_secret: Some("puller".to_owned()),
        ..Settings::default()
    };
    let objects = Objects::of(&stack(""), &settings);
    for (name, template) in objects.templates() {
        let secrets = template.spec.clone().unwrap().image_pull_secrets.unwrap();
        assert_eq!(secrets[0].name, "puller", "{name}");
        for container in containers(&template) {
            let image = container.image.unwrap();
            assert!(image.starts_with("registry.example.org:5000/mirror/"), "{name}: {image}");
            assert!(!image.contains("//"), "{name}: {image}");
        }
    }
    for set in objects.stateful_sets() {
        let claim = set.spec.unwrap().volume_claim_templates.unwrap().swap_remove(0);
        assert_eq!(claim.spec.unwrap().storage_class_name.as_deref(), Some("fast"));
    }
}

#[test]
fn pods_of_a_kind_are_never_on_one_node() {
    for set in Objects::default_export().stateful_sets() {
        let template = set.spec.unwrap().template;
        let spec = template.spec.clone().unwrap();
        let anti = spec.affinity.unwrap().pod_anti_affinity.unwrap();
        let term = anti.required_during_scheduling_ignored_during_execution.unwrap().swap_remove(0);
        assert_eq!(term.topology_key, "kubernetes.io/hostname");
        assert!(selects(&term.label_selector.unwrap().match_labels.unwrap(), &labels(&template)));
        let spread = spec.topology_spread_constraints.unwrap().swap_remove(0);
        assert_eq!(spread.when_unsatisfiable, "ScheduleAnyway");
        assert!(selects(&spread.label_selector.unwrap().match_labels.unwrap(), &labels(&template)));
    }
}

#[test]
fn data_outlives_everything_and_pods_are_replaced_slowly() {
    for set in Objects::default_export().stateful_sets() {
        let name = set.metadata.name.unwrap();
        let spec = set.spec.unwrap();
        let policy = spec.persistent_volume_claim_retention_policy.unwrap();
        assert_eq!((policy.when_deleted.unwrap(), policy.when_scaled.unwrap()), ("Retain".into(), "Retain".into()));
        assert_eq!(spec.pod_management_policy.as_deref(), Some("Parallel"), "{name}");
        assert!((60..=120).contains(&spec.min_ready_seconds.unwrap()), "{name}");
        let grace = spec.template.spec.unwrap().termination_grace_period_seconds;
        assert_eq!(grace, Some(if name == "kafka" { 300 } else { 60 }));
    }
}

/// A broker that recovers its log is left alone for 20 minutes, and no probe that kills asks another pod.
#[test]
fn no_probe_kills_a_pod_for_another_ones_fault() {
    for set in Objects::default_export().stateful_sets() {
        let name = set.metadata.name.unwrap();
        let main = set.spec.unwrap().template.spec.unwrap().containers.swap_remove(0);
        let startup = main.startup_probe.unwrap();
        let patience = startup.period_seconds.unwrap() * startup.failure_threshold.unwrap();
        assert!(patience >= if name == "kafka" { 1200 } else { 300 }, "{name}: {patience}");
        for probe in [startup, main.liveness_probe.unwrap()] {
            let local = probe.tcp_socket.is_some_and(|socket| socket.host.is_none())
                || probe.exec.is_some_and(|exec| exec.command.unwrap().concat().contains("127.0.0.1"));
            assert!(local, "{name}");
        }
        assert!(main.readiness_probe.is_some(), "{name}");
    }
}
