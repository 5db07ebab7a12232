//! What there is of a stack: what was written down about its services, and processes about which nothing was.

use std::path::Path;

use super::identity::{self, Identity, Living, Running};
use super::record::Record;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::runtime::{Instance, State};
use crate::stack::{Service, StackName};

/// All processes of one stack's services.
pub(super) fn living_of(stack_dir: &Path) -> Vec<Living> {
    let mut living = identity::living();
    living.retain(|process| identity::is_same_dir(&process.stack_dir, stack_dir));
    living
}

/// The stacks below a directory that have processes.
pub(super) fn living_in(stacks_dir: &Path) -> Vec<StackName> {
    let living = identity::living().into_iter().map(|process| process.stack_dir);
    let below = living.filter(|dir| dir.parent().is_some_and(|parent| identity::is_same_dir(parent, stacks_dir)));
    below.filter_map(|dir| dir.file_name()?.to_str()?.parse().ok()).collect()
}

/// The process of a service: the one that was written down, else whichever names the service's directory.
pub(super) fn process_of(service: Service, record: Option<&Record>, living: &[Living]) -> Option<Running> {
    let found = || living.iter().find(|process| process.service == service).map(|process| process.running.clone());
    record.and_then(|record| noted(record, living).or_else(|| record.running())).or_else(found)
}

/// The process that was written down, where it was just seen: it need not be looked for once more.
fn noted(record: &Record, living: &[Living]) -> Option<Running> {
    let identity = record.process.as_ref().filter(|identity| identity.birth.is_some())?;
    let is_it = |seen: &Identity| seen.pid == identity.pid && seen.birth == identity.birth;
    living.iter().map(|process| &process.running).find(|running| is_it(&running.identity)).cloned()
}

fn is_paused(pid: u32, living: &[Living]) -> bool {
    let seen = living.iter().find(|process| process.running.identity.pid == pid);
    seen.map_or_else(|| identity::is_paused(pid), |process| process.is_paused)
}

/// A service as it is.
pub(super) fn instance(service: Service, record: &Record, living: &[Living]) -> Instance {
    let running = process_of(service, Some(record), living);
    let is_paused = running.as_ref().is_some_and(|running| is_paused(running.identity.pid, living));
    let state = match (is_paused, &running) {
        (true, _) => State::Paused,
        (false, Some(_)) => State::Running,
        (false, None) => record.state_without_process(),
    };
    Instance {
        service,
        config_hash: record.config_hash.clone(),
        live_hash: record.live_hash.clone(),
        port_offset: record.port_offset,
        ports: record.workload.ports.clone(),
        state,
        started: record.started.filter(|_| running.is_some()),
        handle: running.map_or_else(String::new, |running| running.identity.pid.to_string()),
        restarts: 0,
    }
}

/// Processes whose services have no record: it was removed by hand. Nothing is known of how they were made, so that
/// `up` makes them anew.
pub(super) fn unrecorded(living: &[Living], recorded: &[Instance], port_offset: u16) -> Vec<Instance> {
    let is_recorded = |service| recorded.iter().any(|instance| instance.service == service);
    let lost = living.iter().filter(|process| !is_recorded(process.service));
    let mut instances: Vec<Instance> = lost.map(|process| without_record(process, port_offset)).collect();
    instances.dedup_by_key(|instance| instance.service);
    instances
}

fn without_record(process: &Living, port_offset: u16) -> Instance {
    let identity = &process.running.identity;
    let began = i64::try_from(identity.began).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    Instance {
        service: process.service,
        config_hash: String::new(),
        live_hash: String::new(),
        port_offset,
        ports: Vec::new(),
        state: if process.is_paused { State::Paused } else { State::Running },
        started: began,
        handle: identity.pid.to_string(),
        restarts: 0,
    }
}

/// The refusal to remove volumes that living processes have open. None where nobody does.
pub(super) fn held(stack: &StackName, volumes: &[String], living: &[Living]) -> Option<Failure> {
    let of = |process: &&Living| volumes.iter().any(|volume| volume.starts_with(&format!("{}-", process.service)));
    let holders: Vec<&Living> = living.iter().filter(of).collect();
    let words = |process: &&Living| format!("{} (pid {})", process.service, process.running.identity.pid);
    let pid = |process: &&Living| process.running.identity.pid.to_string();
    let list = |word: &dyn Fn(&&Living) -> String, by: &str| holders.iter().map(word).collect::<Vec<_>>().join(by);
    (!holders.is_empty()).then(|| Failure::Failed {
        cause: format!("data of stack {stack} was not removed, since it is in use by {}", list(&words, ", ")),
        remedy: Remedy::words(format!("end them and try again: kill {}", list(&pid, " "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn living(service: Service) -> Living {
        let identity = Identity { pid: 812, birth: None, began: 0 };
        Living {
            stack_dir: "/stacks/sos".into(),
            service,
            running: Running { identity, command: Vec::new() },
            is_paused: false,
        }
    }

    #[test]
    fn data_that_a_process_holds_is_named_with_its_holder() {
        let volumes = ["kafka-0-data".to_owned(), "kafka-1-data".to_owned()];
        let name = "sos".parse().unwrap();
        let held = |service| held(&name, &volumes, &[living(service)]);
        let refusal = held(Service::kafka(1)).unwrap();
        assert!(refusal.to_string().ends_with("in use by kafka-1 (pid 812)"), "{refusal}");
        assert!(refusal.remedy().unwrap().as_str().ends_with("kill 812"));
        assert!(held(Service::kafka(2)).is_none() && held(Service::kafka(10)).is_none());
    }

    #[test]
    fn a_process_without_a_record_is_an_instance_all_the_same() {
        let found = unrecorded(&[living(Service::kafka(1))], &[], 7);
        assert_eq!((found[0].service, found[0].handle.as_str(), found[0].port_offset), (Service::kafka(1), "812", 7));
        assert!(unrecorded(&[living(Service::kafka(1))], &found, 7).is_empty());
    }
}
