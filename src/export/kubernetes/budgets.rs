//! How many pods may be taken away at once: one of each kind.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Component, Source};

pub(super) fn budget(source: Source<'_>, component: Component) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: component.metadata(source.stack, component.name()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(component.selector()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
