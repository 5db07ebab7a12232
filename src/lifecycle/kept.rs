//! What Mosquitto has kept so far, where it is to keep it in another way: refused, never silently left behind.

use crate::about::Remedy;
use crate::failure::Failure;
use crate::memo::Memo;
use crate::runtime::{Instance, Inventory};
use crate::stack::{Persistence, Role, Stack};
use crate::workload::Workload;

/// The refusal that lays the choice before the user. None where Mosquitto reads what it has, or has nothing.
pub(super) fn refusal(
    stack: &Stack,
    wanted: Persistence,
    workloads: &[Workload],
    memo: &Memo,
    actual: &Inventory,
) -> Option<Failure> {
    let mosquitto = workloads.iter().find(|workload| workload.service.role == Role::Mosquitto)?;
    let has_data = mosquitto.volumes.iter().any(|volume| actual.volumes.contains(&volume.name));
    // A run that was killed had noted what it did not come to.
    let is_made_so =
        |instance: &Instance| instance.service == mosquitto.service && instance.config_hash == mosquitto.config_hash();
    let has_data = has_data && !actual.instances.iter().any(is_made_so);
    // Before it was noted down there was the file alone.
    let kept = memo.persistence.unwrap_or(Persistence::File);
    if !has_data || kept == wanted {
        return None;
    }
    let (named, reader) = match kept {
        Persistence::File => ("a file", "SQLite persistence cannot read"),
        Persistence::Sqlite => ("SQLite", "this Mosquitto, or mosquitto.persistence: file, cannot read"),
    };
    let needs = if kept == Persistence::Sqlite { ", which needs Mosquitto 2.1 or later" } else { "" };
    let name = &stack.name;
    Some(Failure::Failed {
        cause: format!(
            "Mosquitto of stack {name} keeps its sessions, retained and queued messages in {named}, which {reader}"
        ),
        remedy: Remedy::words(format!(
            "keep them with mosquitto.persistence: {} in the stack file{needs}; or continue without them: {}",
            kept.as_str(),
            name.about().command("up --accept-data-loss")
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::load::{Overrides, load};
    use crate::target::Target;
    use crate::workload::build::mosquitto_workload;

    #[test]
    fn another_way_is_refused_only_where_there_is_something_to_lose() {
        let stack = load(None, &Overrides::default()).unwrap().stack;
        let workloads = [mosquitto_workload(&stack, &Target::Docker)];
        let with_data = Inventory { volumes: vec!["mosquitto-data".to_owned()], ..Inventory::default() };
        let ask = |wanted, kept, actual: &Inventory| {
            let memo = Memo { persistence: kept, ..Memo::default() };
            refusal(&stack, wanted, &workloads, &memo, actual).map(|failure| failure.remedy().unwrap().to_string())
        };
        let (file, sqlite) = (Persistence::File, Persistence::Sqlite);
        assert_eq!(ask(sqlite, None, &Inventory::default()), None, "a new stack");
        assert_eq!((ask(sqlite, Some(sqlite), &with_data), ask(file, None, &with_data)), (None, None));
        let upgrade = ask(sqlite, None, &with_data).expect("a stack of before knows the file alone");
        assert!(upgrade.contains("mosquitto.persistence: file in the stack file; or"), "{upgrade}");
        let downgrade = ask(file, Some(sqlite), &with_data).unwrap();
        assert!(downgrade.contains("mosquitto.persistence: sqlite in the stack file, which needs"), "{downgrade}");
    }
}
