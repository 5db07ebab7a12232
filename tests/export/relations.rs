//! What one object says about another.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sosstack::export::kubernetes::Settings;

use crate::objects::{Objects, containers, stack};

pub fn labels(template: &PodTemplateSpec) -> BTreeMap<String, String> {
    template.metadata.clone().unwrap().labels.unwrap()
}

/// Whether a selector's labels are all among an object's.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[test]
fn a_stateful_set_selects_its_own_pods_and_names_its_headless_service() {
    let objects = Objects::whole_export();
    assert_eq!(objects.stateful_sets().len(), 4);
    for set in objects.stateful_sets() {
        let spec = set.spec.unwrap();
        let selector = spec.selector.match_labels.unwrap();
        let selected: Vec<String> = objects
            .templates()
            .into_iter()
            .filter(|(_, template)| selects(&selector, &labels(template)))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(selected, [set.metadata.name.unwrap()]);
        let service = spec.service_name.unwrap();
        let headless = objects.services().into_iter().find(|found| found.metadata.name.as_ref() == Some(&service));
        let headless = headless.unwrap_or_else(|| panic!("there is no service {service}")).spec.unwrap();
        assert_eq!(headless.cluster_ip.as_deref(), Some("None"));
        assert_eq!(headless.publish_not_ready_addresses, Some(true), "peers look for each other before they are ready");
        assert_eq!(headless.selector.unwrap(), selector);
    }
}

#[test]
fn a_service_leads_to_ports_of_one_kind_of_pods() {
    let objects = Objects::whole_export();
    assert_eq!(objects.services().len(), 7);
    for service in objects.services() {
        let name = service.metadata.name.unwrap();
        let spec = service.spec.unwrap();
        let selector = spec.selector.unwrap();
        let templates: Vec<_> =
            objects.templates().into_iter().filter(|(_, template)| selects(&selector, &labels(template))).collect();
        assert_eq!(templates.len(), 1, "{name}");
        let open: BTreeMap<String, i32> = containers(&templates[0].1)
            .into_iter()
            .flat_map(|container| container.ports.unwrap_or_default())
            .map(|port| (port.name.unwrap(), port.container_port))
            .collect();
        for port in spec.ports.unwrap() {
            let Some(IntOrString::String(target)) = port.target_port else { panic!("{name}: a port without a name") };
            assert_eq!(open.get(&target), Some(&port.port), "{name}: {target}");
        }
    }
}

#[test]
fn a_budget_takes_one_pod_of_those_that_must_stay() {
    let objects = Objects::whole_export();
    assert_eq!(objects.budgets().len(), 4);
    for budget in objects.budgets() {
        let spec = budget.spec.unwrap();
        let set = objects.stateful_set(&budget.metadata.name.clone().unwrap()).spec.unwrap();
        assert!(selects(&spec.selector.unwrap().match_labels.unwrap(), &labels(&set.template)));
        assert_eq!(spec.max_unavailable, Some(IntOrString::Int(1)));
        // A bridge that is moved is away for seconds; Mosquitto queues for it.
        assert!(set.replicas.unwrap() > 1 || budget.metadata.name.as_deref() == Some("bridge"));
    }
}

#[test]
fn pods_have_an_account_of_their_own_without_a_token() {
    let objects = Objects::whole_export();
    let accounts = objects.accounts();
    assert!(accounts.iter().all(|account| account.automount_service_account_token == Some(false)));
    let names: Vec<String> = accounts.into_iter().map(|account| account.metadata.name.unwrap()).collect();
    let used: Vec<String> = objects
        .templates()
        .into_iter()
        .map(|(_, template)| {
            let spec = template.spec.unwrap();
            assert_eq!(spec.automount_service_account_token, Some(false));
            assert_eq!(spec.enable_service_links, Some(false));
            spec.service_account_name.unwrap()
        })
        .collect();
    assert_eq!(used.len(), 5);
    assert!(used.iter().all(|account| names.contains(account)), "{used:?} of {names:?}");
}

#[test]
fn what_is_mounted_is_there() {
    let objects = Objects::whole_export();
    let config_maps: Vec<String> = objects.config_maps().into_iter().map(|map| map.metadata.name.unwrap()).collect();
    for (name, template) in objects.templates() {
        let spec = template.spec.clone().unwrap();
        let mut volumes: Vec<String> = spec.volumes.iter().flatten().map(|volume| volume.name.clone()).collect();
        for volume in spec.volumes.into_iter().flatten() {
            if let Some(config_map) = volume.config_map {
                assert!(config_maps.contains(&config_map.name), "{name}: no ConfigMap {}", config_map.name);
            }
        }
        volumes.push("data".to_owned());
        for mount in containers(&template).into_iter().flat_map(|container| container.volume_mounts.unwrap()) {
            assert!(volumes.contains(&mount.name), "{name}: no volume {}", mount.name);
        }
    }
}

#[test]
fn changed_configuration_replaces_pods_and_changed_devices_do_not() {
    let annotation = |file: &str, set: &str| {
        let template = Objects::of(&stack(file), &Settings::default()).stateful_set(set).spec.unwrap().template;
        template.metadata.unwrap().annotations.unwrap()["sosstack/config-checksum"].clone()
    };
    let changes = [
        ("kafka", "kafka: {config: {num.io.threads: 16}}"),
        ("mqtt", "mosquitto: {max_queued_messages: 5}"),
        ("zookeeper", "zookeeper: {nodes: 5}"),
    ];
    for (set, change) in changes {
        assert_ne!(annotation("", set), annotation(change, set), "{set}");
    }
    let with_device = "devices: [{id: new-1, owner: user-9}]";
    let (before, after) = (stack(""), stack(with_device));
    assert_ne!(before, after);
    assert_eq!(Objects::of(&before, &Settings::default()).all, Objects::of(&after, &Settings::default()).all);
}

#[test]
fn a_job_that_would_do_otherwise_has_another_name() {
    let name = |file: &str| Objects::of(&stack(file), &Settings::default()).jobs()[0].metadata.name.clone().unwrap();
    assert_eq!(name(""), name(""));
    assert_ne!(name(""), name("topics: [{name: orders.new}]"));
    assert_ne!(name(""), name("kafka: {image: other/kafka}"));
}

#[test]
fn a_client_is_told_names_that_resolve() {
    let objects = Objects::of(&stack("namespace: other\ndomain: example.org"), &Settings::default());
    let kafka = containers(&objects.stateful_set("kafka").spec.unwrap().template)[0].args.clone().unwrap().concat();
    assert!(kafka.contains("PLAINTEXT://$HOSTNAME.kafka-headless.other.svc.example.org:9092\n"), "{kafka}");
    let maps: BTreeMap<String, BTreeMap<String, String>> =
        objects.config_maps().into_iter().map(|map| (map.metadata.name.unwrap(), map.data.unwrap())).collect();
    let connect = "zookeeper.connect=zookeeper-0.zookeeper-headless.other.svc.example.org:2181,";
    assert!(maps["kafka-config"]["server.properties"].contains(connect));
    let peer = "server.3=zookeeper-2.zookeeper-headless.other.svc.example.org:2888:3888";
    assert!(maps["zookeeper-config"]["zoo.cfg"].contains(peer));
    assert!(maps["mqtt-config"]["bridge.conf"].contains("address mqtt-0.mqtt-headless.other.svc.example.org:1883"));
    assert!(objects.all.iter().all(|object| object["metadata"]["namespace"] == "other"));
}
