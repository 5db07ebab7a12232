//! Whose process it is: a service of a stack of plain processes is known by where it lies, in any data directory.

use std::path::{Path, PathBuf};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use crate::about::Remedy;
use crate::runtime::PortOwner;
use crate::stack::StackName;

/// A stack with processes, of this user or another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    stack: StackName,
    /// Its services may be elsewhere.
    is_bridge: bool,
    /// The data directory, such as `~/.local/share/sosstack`.
    data: PathBuf,
}

/// Who listens on a port, where that is a service of a stack of plain processes, or a bridge of any stack; `data` is this user's data directory.
pub(super) fn of_port(port: u16, data: &Path) -> Option<PortOwner> {
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some(describe(&of_process(process.pid)?, data))
}

fn of_process(pid: u32) -> Option<Owner> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_cwd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let process = system.process(pid)?;
    // The working directory may not be told; the configuration file is named in any case.
    process.cwd().into_iter().chain(process.cmd().iter().map(Path::new)).find_map(owner_of)
}

/// From `DATA/stacks/NAME/services/…` or `…/bridges/…`, the way in which a stack's directory is laid out.
fn owner_of(path: &Path) -> Option<Owner> {
    let mut below = path;
    loop {
        let services = below.parent()?;
        let dir = services.parent()?;
        let data = dir.parent().filter(|stacks| stacks.ends_with("stacks")).and_then(Path::parent);
        let is_bridge = services.ends_with("bridges");
        if let (true, true, Some(data)) = (path.is_absolute(), is_bridge || services.ends_with("services"), data) {
            let stack = dir.file_name()?.to_str()?.parse().ok()?;
            return Some(Owner { stack, is_bridge, data: data.to_owned() });
        }
        below = services;
    }
}

fn describe(owner: &Owner, data: &Path) -> PortOwner {
    let Owner { stack, is_bridge, data: theirs } = owner;
    let down = stack.about_another().remedy("down");
    let described = |stack: String| match is_bridge {
        true => format!("the bridge of stack {stack}"),
        false => format!("stack {stack}, which runs as processes"),
    };
    if theirs == data {
        return PortOwner { description: described(stack.to_string()), remedy: Some(down) };
    }
    PortOwner {
        description: described(format!("{stack} of {}", theirs.display())),
        remedy: Some(Remedy::words(format!("{} {down}", environment(theirs)))),
    }
}

/// What makes a command use a data directory.
fn environment(data: &Path) -> String {
    let above = data.parent().unwrap_or(data);
    let (name, value) = match above.to_str().and_then(|text| text.strip_suffix("/Library/Application Support")) {
        Some(home) if cfg!(target_os = "macos") => ("HOME", home.to_owned()),
        _ => ("XDG_DATA_HOME", above.display().to_string()),
    };
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c));
    if is_plain { format!("{name}={value}") } else { format!("{name}='{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_where_it_lies() {
        let owner =
            Owner { stack: "sos".parse().unwrap(), is_bridge: false, data: "/home/a/.local/share/sosstack".into() };
        let bridge = owner_of(&owner.data.join("stacks/sos/bridges/bridge-0/console.log"));
        assert_eq!(bridge, Some(Owner { is_bridge: true, ..owner.clone() }));
        for path in ["stacks/sos/services/kafka-0", "stacks/sos/services/kafka-0/server.properties"] {
            assert_eq!(owner_of(&owner.data.join(path)), Some(owner.clone()), "{path}");
        }
        for path in ["/usr/sbin/mosquitto", "-Xmx256m", "stacks/sos/services/kafka-0", "/stacks/sos/volumes/data", "/"]
        {
            assert_eq!(owner_of(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn the_remedy_is_for_the_data_directory_that_has_the_stack() {
        let owner = |data: &str| Owner { stack: "sos".parse().unwrap(), is_bridge: false, data: data.into() };
        let remedy = |data: &str| describe(&owner(data), Path::new("/mine/sosstack")).remedy.unwrap().to_string();
        assert_eq!(remedy("/mine/sosstack"), "sosstack down --stack sos");
        assert_eq!(remedy("/ci/sosstack"), "XDG_DATA_HOME=/ci sosstack down --stack sos");
        assert_eq!(remedy("/a b/sosstack"), "XDG_DATA_HOME='/a b' sosstack down --stack sos");
        assert!(describe(&owner("/ci/sosstack"), Path::new("/mine")).description.contains("of /ci/sosstack"));
        let bridge = Owner { is_bridge: true, ..owner("/mine/sosstack") };
        assert_eq!(describe(&bridge, Path::new("/mine/sosstack")).description, "the bridge of stack sos");
    }
}
