//! What `up` has to do, as data: the difference between what is wanted and what is there.

use crate::runtime::{Instance, Inventory, State};
use crate::stack::Service;
use crate::workload::Workload;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Create(Workload),
    /// Its configuration changed, or it was never completely made: a new instance on the same data.
    Replace(Workload),
    Start(Service),
    /// Only live files changed.
    Reload(Workload),
    Keep(Service),
    /// The stack has it no longer; its data stays.
    Remove(Service),
}

impl Step {
    pub fn service(&self) -> Service {
        match self {
            Self::Create(workload) | Self::Replace(workload) | Self::Reload(workload) => workload.service,
            Self::Start(service) | Self::Keep(service) | Self::Remove(service) => *service,
        }
    }

    /// Whether nothing has to be done.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

/// The steps for all services, wanted ones first and in their order.
pub fn plan(wanted: &[Workload], actual: &Inventory) -> Vec<Step> {
    let instance_of = |service| actual.instances.iter().find(|instance| instance.service == service);
    let mut steps: Vec<Step> =
        wanted.iter().map(|workload| step_for(workload, instance_of(workload.service))).collect();
    let is_wanted = |service| wanted.iter().any(|workload| workload.service == service);
    let surplus = actual.instances.iter().map(|instance| instance.service).filter(|service| !is_wanted(*service));
    steps.extend(surplus.map(Step::Remove));
    steps
}

fn step_for(workload: &Workload, instance: Option<&Instance>) -> Step {
    let Some(instance) = instance else { return Step::Create(workload.clone()) };
    if instance.config_hash != workload.config_hash() || instance.state == State::Created {
        return Step::Replace(workload.clone());
    }
    let reloaded = instance.live_hash == workload.live_hash();
    match instance.state {
        State::Running | State::Paused | State::Restarting if reloaded => Step::Keep(workload.service),
        State::Running | State::Paused => Step::Reload(workload.clone()),
        State::Stopped | State::Exited { .. } if reloaded => Step::Start(workload.service),
        // Files of something that does not run cannot be reloaded; a new instance costs as little.
        _ => Step::Replace(workload.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::ConfigFile;

    fn workload(service: Service, text: &str, live: &str) -> Workload {
        let file = |path: &str, contents: &str, live| ConfigFile {
            path: path.into(),
            contents: contents.to_owned(),
            secret: false,
            live,
        };
        Workload::of_files(service, vec![file("/fixed", text, false), file("/live", live, true)])
    }

    fn instance(of: &Workload, state: State) -> Inventory {
        let instance = Instance {
            service: of.service,
            config_hash: of.config_hash(),
            live_hash: of.live_hash(),
            restarts: 0,
            port_offset: 0,
            ports: Vec::new(),
            state,
            started: None,
            handle: String::new(),
        };
        Inventory { instances: vec![instance], ..Inventory::default() }
    }

    #[test]
    fn what_runs_as_wanted_is_left_alone() {
        let wanted = workload(Service::kafka(0), "a", "x");
        let steps = plan(std::slice::from_ref(&wanted), &instance(&wanted, State::Running));
        assert_eq!(steps, [Step::Keep(Service::kafka(0))]);
    }

    #[test]
    fn changed_live_files_are_reloaded_and_other_changes_replace() {
        let old = workload(Service::mosquitto(), "a", "x");
        let live = workload(Service::mosquitto(), "a", "y");
        let fixed = workload(Service::mosquitto(), "b", "x");
        assert_eq!(plan(std::slice::from_ref(&live), &instance(&old, State::Running)), [Step::Reload(live.clone())]);
        assert_eq!(plan(std::slice::from_ref(&live), &instance(&old, State::Stopped)), [Step::Replace(live)]);
        assert_eq!(plan(std::slice::from_ref(&fixed), &instance(&old, State::Running)), [Step::Replace(fixed)]);
    }

    #[test]
    fn what_was_never_completely_made_is_replaced_and_what_ended_is_started() {
        let wanted = workload(Service::zookeeper(0), "a", "x");
        let steps = |state| plan(std::slice::from_ref(&wanted), &instance(&wanted, state));
        assert_eq!(steps(State::Created), [Step::Replace(wanted.clone())]);
        assert_eq!(steps(State::Exited { code: None }), [Step::Start(Service::zookeeper(0))]);
    }

    #[test]
    fn what_the_stack_has_no_longer_is_removed() {
        let gone = workload(Service::kafka(2), "a", "x");
        assert_eq!(plan(&[], &instance(&gone, State::Running)), [Step::Remove(Service::kafka(2))]);
    }
}
