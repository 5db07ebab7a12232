//! What is left in the data directory of stacks that no runtime has any more, and which of it is worth keeping.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::lock::Lock;
use crate::memo::Memo;
use crate::paths::{Paths, SIMULATION_LOCK, children};
use crate::runtime::RuntimeKind;
use crate::runtime::bridges::Hosted;
use crate::secrets::{Accounts, ClusterSecrets};
use crate::stack::StackName;

/// Files that are of no use without logins or data.
const EXPENDABLE: [&str; 5] = ["authority.json", "server.json", "ca.pem", "stack.json", SIMULATION_LOCK];

/// What is left of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leavings {
    Nothing,
    /// Nobody needs this file or folder.
    Waste(PathBuf),
    /// Why it stays, in words.
    Kept(String),
}

/// The stacks that have a directory or a lock in the data directory.
pub(super) fn stacks(paths: &Paths) -> BTreeSet<StackName> {
    let name = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_suffix(".lock").unwrap_or(name).parse().ok()
    };
    children(&paths.data.join("stacks")).into_iter().filter_map(name).collect()
}

/// What is left of a stack that no runtime has; `daemon` is the id of the Docker that answers.
pub(super) fn of(paths: &Paths, name: &StackName, daemon: Option<&str>) -> Leavings {
    let (dir, lock) = (paths.stack(name), paths.lock(name));
    if let Some(holder) = Lock::holder(paths, name) {
        return Leavings::Kept(format!("stack {name}, on which {holder} is working"));
    }
    if !dir.exists() {
        return if lock.exists() { Leavings::Waste(lock) } else { Leavings::Nothing };
    }
    worth_keeping(paths, name, daemon).map_or(Leavings::Waste(dir), Leavings::Kept)
}

/// Why the directory of a stack that no runtime has is worth keeping; None where it is not.
pub(super) fn worth_keeping(paths: &Paths, name: &StackName, daemon: Option<&str>) -> Option<String> {
    let dir = &paths.stack(name);
    if Hosted::of(paths, name).count_running() > 0 {
        return Some(format!("stack {name}, whose bridges run; to end them: {}", name.about_another().command("down")));
    }
    let removable = format!("if nobody needs them, remove {}", dir.display());
    match Memo::read(dir) {
        Ok(memo)
            if memo.runtime == Some(RuntimeKind::Docker)
                && (memo.daemon.is_none() || memo.daemon.as_deref() != daemon) =>
        {
            return Some(format!("stack {name}, which may be on another Docker daemon than the one that answers"));
        }
        Ok(_) => {}
        Err(error) => return Some(format!("stack {name}: {error:#}")),
    }
    if ClusterSecrets::exist(dir) {
        return Some(format!("logins of stack {name}, which were exported to a cluster; {removable}"));
    }
    if !matches!(Accounts::read(dir), Ok(None)) {
        return Some(format!("logins of stack {name}, which are nowhere else; {removable}"));
    }
    if paths.bridge(name).exists() {
        return Some(format!("stack {name}, in whose bridge's journal messages may wait; {removable}"));
    }
    let is_expendable = |path: &PathBuf| {
        if *path == paths.bridges(name) {
            return true;
        }
        let file = path.file_name().and_then(|name| name.to_str());
        path.is_file() && file.is_some_and(|file| EXPENDABLE.contains(&file))
    };
    let other = children(dir).into_iter().find(|path| !is_expendable(path))?;
    Some(format!("stack {name}, whose directory holds {}, which sosstack does not know", other.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Home {
        _dir: tempfile::TempDir,
        paths: Paths,
        name: StackName,
    }

    impl Home {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let paths = Paths { data: dir.path().to_owned(), cache: dir.path().to_owned() };
            let name: StackName = "production".parse().unwrap();
            fs::create_dir_all(paths.stack(&name)).unwrap();
            Self { _dir: dir, paths, name }
        }

        fn dir(&self) -> PathBuf {
            self.paths.stack(&self.name)
        }

        fn kept(&self, daemon: Option<&str>) -> Option<String> {
            match of(&self.paths, &self.name, daemon) {
                Leavings::Kept(words) => Some(words),
                Leavings::Waste(path) => {
                    assert_eq!(path, self.dir());
                    None
                }
                Leavings::Nothing => panic!("nothing is left"),
            }
        }
    }

    #[test]
    fn logins_are_never_waste() {
        let home = Home::new();
        assert_eq!(home.kept(Some("a")), None, "an empty directory is");
        Accounts::ensure(&home.dir(), &[]).unwrap();
        assert!(home.kept(Some("a")).unwrap().contains("nowhere else"));
        ClusterSecrets::ensure(&home.dir()).unwrap();
        assert!(home.kept(Some("a")).unwrap().contains("exported to a cluster"));
        fs::remove_file(home.dir().join("accounts.json")).unwrap();
        assert!(home.kept(Some("a")).is_some());
        fs::remove_file(home.dir().join("cluster.json")).unwrap();
        fs::write(home.dir().join("accounts.json"), "damaged").unwrap();
        assert!(home.kept(Some("a")).is_some());
    }

    #[test]
    fn a_stack_of_another_daemon_is_not_gone() {
        let home = Home::new();
        let note = |daemon: Option<&str>| {
            let daemon = daemon.map(str::to_owned);
            Memo::update(&home.dir(), |memo| (memo.runtime, memo.daemon) = (Some(RuntimeKind::Docker), daemon))
                .unwrap();
        };
        note(Some("a"));
        assert_eq!(home.kept(Some("a")), None);
        assert!(home.kept(Some("b")).unwrap().contains("another Docker daemon"));
        note(None);
        assert!(home.kept(None).is_some(), "which daemon it was is not known");
    }

    #[test]
    fn what_sosstack_did_not_make_is_not_its_to_remove() {
        let home = Home::new();
        fs::write(home.dir().join("ca.pem"), "").unwrap();
        assert_eq!(home.kept(None), None);
        fs::write(home.dir().join("notes.txt"), "").unwrap();
        assert!(home.kept(None).unwrap().contains("notes.txt"));
    }

    #[test]
    fn what_somebody_works_on_stays() {
        let home = Home::new();
        let lock = Lock::at_once(&home.paths, &home.name, "up").unwrap().unwrap();
        assert!(home.kept(None).unwrap().contains("sosstack up (pid"));
        drop(lock);
        fs::remove_dir(home.dir()).unwrap();
        assert_eq!(of(&home.paths, &home.name, None), Leavings::Waste(home.paths.lock(&home.name)));
    }
}
