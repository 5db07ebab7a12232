//! The emitted objects, read back as a cluster would read them.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodTemplateSpec, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;
use sosstack::export::kubernetes::{Bridge, Settings, manifests, text};
use sosstack::stack::Stack;
use sosstack::stack::load::{Overrides, Place, load_text};

/// All objects of one export.
pub struct Objects {
    pub all: Vec<Value>,
}

/// The stack of a stack file, as a cluster runs it.
pub fn stack(file: &str) -> Stack {
    load_text(file, None, &Overrides { place: Place::Cluster, ..Overrides::default() }).unwrap().stack
}

impl Objects {
    pub fn of(stack: &Stack, settings: &Settings) -> Self {
        let text = text(&manifests(stack, settings));
        let all = serde_yaml::Deserializer::from_str(&text).map(|doc| Value::deserialize(doc).unwrap()).collect();
        Self { all }
    }

    pub fn default_export() -> Self {
        Self::of(&stack(""), &Settings::default())
    }

    /// With the bridge, too.
    pub fn whole_export() -> Self {
        let bridge = Bridge { wanted: true, ..Bridge::default() };
        Self::of(&stack(""), &Settings { bridge, ..Settings::default() })
    }

    /// All of one kind.
    pub fn kind<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let of_kind = self.all.iter().filter(|object| object["kind"] == kind);
        of_kind.map(|object| serde_yaml::from_value(object.clone()).unwrap()).collect()
    }

    pub fn stateful_sets(&self) -> Vec<StatefulSet> {
        self.kind("StatefulSet")
    }

    pub fn stateful_set(&self, name: &str) -> StatefulSet {
        self.stateful_sets().into_iter().find(|set| set.metadata.name.as_deref() == Some(name)).unwrap()
    }

    pub fn jobs(&self) -> Vec<Job> {
        self.kind("Job")
    }

    pub fn services(&self) -> Vec<Service> {
        self.kind("Service")
    }

    pub fn config_maps(&self) -> Vec<ConfigMap> {
        self.kind("ConfigMap")
    }

    pub fn budgets(&self) -> Vec<PodDisruptionBudget> {
        self.kind("PodDisruptionBudget")
    }

    pub fn policies(&self) -> Vec<NetworkPolicy> {
        self.kind("NetworkPolicy")
    }

    pub fn accounts(&self) -> Vec<ServiceAccount> {
        self.kind("ServiceAccount")
    }

    /// Every pod template with the name of what it belongs to.
    pub fn templates(&self) -> Vec<(String, PodTemplateSpec)> {
        let sets = self.stateful_sets().into_iter().map(|set| (set.metadata.name.unwrap(), set.spec.unwrap().template));
        let jobs = self.jobs().into_iter().map(|job| (job.metadata.name.unwrap(), job.spec.unwrap().template));
        sets.chain(jobs).collect()
    }
}

/// Containers of a template, those that run before the others included.
pub fn containers(template: &PodTemplateSpec) -> Vec<Container> {
    let spec = template.spec.clone().unwrap();
    spec.init_containers.into_iter().flatten().chain(spec.containers).collect()
}
