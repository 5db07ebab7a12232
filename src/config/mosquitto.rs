//! `mosquitto.conf`, the password file and the access control list.

use std::fmt::Write;
use std::path::Path;

use crate::secrets::{Account, Accounts};
use crate::stack::device::{BRIDGE_USER, PEER_USER, PROBE_PRESS, PROBE_USER, SERVICE_USER};
use crate::stack::leaf::{self, Direction, Leaf, Under};
use crate::stack::ports::PortName;
use crate::stack::{Mosquitto, Persistence, Stack};
use crate::target::Target;

/// The server's whole configuration. `config` holds the files it names, `data` its database.
pub fn mosquitto_conf(stack: &Stack, target: &Target, config: &Path, data: &Path) -> String {
    let mut text = general(stack, target, &config.join("passwd"), &config.join("acl"), data);
    let kinds = if *target == Target::Kubernetes {
        // What depends on the pod and on optional Secrets: the peer link and the listener with TLS.
        writeln!(text, "include_dir {}/conf.d", config.display()).expect("writing to a string succeeds");
        [Kind::Mqtt, Kind::MqttWs].as_slice()
    } else {
        &[Kind::Mqtt, Kind::Mqtts, Kind::MqttWs]
    };
    for kind in kinds {
        text.push_str(&listener(stack, target, *kind, config));
    }
    text
}

/// Everything but the listeners: the files that say who may do what, and the database's folder.
///
/// Standard error, since standard output is buffered and shows log lines when 4 KiB are full. Packets as large as MQTT
/// has them, as with 2.0: 2.1 takes 2,000,000 bytes by default.
pub fn general(stack: &Stack, target: &Target, passwords: &Path, acl: &Path, data: &Path) -> String {
    let Mosquitto { max_queued_messages, max_inflight_messages, .. } = stack.mosquitto;
    let persistence = persistence(stack, target, data);
    // Not all versions accept 0, while none at all means no limit to each of them.
    let limit = stack.mosquitto.keep_alive_limit();
    let keepalive = limit.map(|limit| format!("max_keepalive {limit}\n")).unwrap_or_default();
    let mut text = format!(
        "allow_anonymous false
password_file {}
acl_file {}

{persistence}persistent_client_expiration 7d

max_queued_messages {max_queued_messages}
max_inflight_messages {max_inflight_messages}
max_packet_size 268435455
{keepalive}set_tcp_nodelay true
sys_interval 1

log_dest stderr
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S%z
",
        passwords.display(),
        acl.display(),
    );
    if let Target::Process(layout) = target {
        // Root's Mosquitto would become another user, who may not read files that are root's own.
        writeln!(text, "user {}", layout.user).expect("writing to a string succeeds");
    }
    text
}

/// The file is saved every second, so a server that is killed loses at most what it acknowledged in its last second.
/// Saving on every change (`autosave_on_changes` with 1) loses nothing, and took 5.8 s instead of 0.2 s for 5,000 queued
/// messages, more with every message queued before.
///
/// SQLite is told not to gather writes, by default for 5 s: it commits once in each turn of the server's loop, just after
/// that turn's acknowledgements. `persistence true` would mean the file, beside which the plugin refuses to load.
fn persistence(stack: &Stack, target: &Target, data: &Path) -> String {
    let data = data.display();
    match target.persistence(stack) {
        Persistence::File => {
            format!(
                "persistence true\npersistence_location {data}\npersistence_file mosquitto.db\nautosave_interval 1\n"
            )
        }
        Persistence::Sqlite => {
            let plugin = target.sqlite_plugin(stack);
            format!(
                "persistence_location {data}\nglobal_plugin {}\nplugin_opt_flush_period 0\nplugin_opt_sync full\n",
                plugin.display()
            )
        }
    }
}

/// Fails where a file holds what a server with SQLite would not read, instead of beginning with nothing; removing the
/// file is how its owner says that it may go. Folder and configuration are its arguments.
const GUARD: &str = r#"if [ -s "$1/mosquitto.db" ] && [ ! -e "$1/mosquitto.sqlite3" ]; then
    echo "$1/mosquitto.db holds sessions, retained and queued messages, which SQLite persistence does not read: export with mosquitto.persistence: file, or remove that file" >&2
    exit 1
fi
exec mosquitto -c "$2"
"#;

/// The command of a container that nobody looks after who knows what its data was written by.
pub fn guarded_command(stack: &Stack, target: &Target, config: &Path, data: &Path) -> Vec<String> {
    let (config, data) = (config.display().to_string(), data.display().to_string());
    match target.persistence(stack) {
        Persistence::File => vec!["mosquitto".to_owned(), "-c".to_owned(), config],
        Persistence::Sqlite => {
            ["sh", "-c", GUARD, "mosquitto"].map(str::to_owned).into_iter().chain([data, config]).collect()
        }
    }
}

/// The listener with TLS of a pod that has a certificate.
pub fn tls_conf(stack: &Stack, config: &Path) -> String {
    let (port, max_connections, config) = (PortName::Mqtts.number(), stack.mosquitto.max_connections, config.display());
    format!(
        "listener {port}\nmax_connections {max_connections}\ncertfile {config}/tls.crt\nkeyfile {config}/tls.key\ntls_version tlsv1.2\n"
    )
}

/// The link to the first pod, for the second one only: from both sides it would multiply every message. The pod adds
/// `remote_password`.
///
/// The session stays (`cleansession false`), so that what is published while the peer is away arrives later;
/// `try_private` keeps messages from coming back to the broker that sent them.
pub fn peer_conf(peer: &str) -> String {
    let port = PortName::Mqtt.number();
    format!(
        "connection peer
address {peer}:{port}
topic # both 1
remote_clientid mqtt-1
remote_username {PEER_USER}
cleansession false
try_private true
notifications_local_only true
bridge_attempt_unsubscribe false
restart_timeout 2 30
"
    )
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Mqtt,
    /// Over TLS.
    Mqtts,
    /// Over WebSocket.
    MqttWs,
}

/// One listener. `certificates` holds `server.crt` and `server.key`.
pub fn listener(stack: &Stack, target: &Target, kind: Kind, certificates: &Path) -> String {
    let (name, host) = match kind {
        Kind::Mqtt => (PortName::Mqtt, stack.ports.mqtt()),
        Kind::Mqtts => (PortName::Mqtts, stack.ports.mqtts()),
        Kind::MqttWs => (PortName::MqttWs, stack.ports.mqtt_ws()),
    };
    let address = match target {
        Target::Docker | Target::Kubernetes => name.number().to_string(),
        Target::Process(_) => format!("{host} 127.0.0.1"),
    };
    let mut text = format!("\nlistener {address}\nmax_connections {}\n", stack.mosquitto.max_connections);
    match kind {
        Kind::Mqtt => {}
        // Without the domain, libwebsockets listens on all addresses whatever the listener says.
        Kind::MqttWs if matches!(target, Target::Process(_)) => {
            text.push_str("protocol websockets\nsocket_domain ipv4\n");
        }
        Kind::MqttWs => text.push_str("protocol websockets\n"),
        Kind::Mqtts => {
            let folder = certificates.display();
            write!(text, "certfile {folder}/server.crt\nkeyfile {folder}/server.key\ntls_version tlsv1.2\n")
                .expect("writing to a string succeeds");
        }
    }
    text
}

/// `user:hash` lines.
pub fn password_file(accounts: &Accounts) -> String {
    let line = |(user, account): (&str, &Account)| format!("{user}:{}\n", account.hash());
    accounts.users().map(line).collect()
}

/// Who may do what. A device reaches its own leaves, in one direction each; `%u` is its user name.
/// `devices` are ids, each with its owner.
pub fn acl_file<'a>(devices: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    // `user` lines come first: a `pattern` applies to everybody wherever it stands, but reads best last.
    let mut text = format!(
        "user {SERVICE_USER}\ntopic readwrite #\ntopic read $SYS/#\n\nuser {PROBE_USER}\ntopic readwrite sosstack/probe/#\n\n"
    );
    text.push_str(&bridge_acl());
    for (id, owner) in devices {
        text.push_str(&owner_acl(id, owner));
    }
    text.push('\n');
    text.push_str(&pattern_acl());
    text
}

/// What the bridge may do: read what devices write and its probe's press, and tell people of their emergencies. Routes that
/// would need more are refused, by the same table of topics.
///
/// Patterns hold for every user, so for this one, too, as if it were a device: what they grant it is denied by name.
pub fn bridge_acl() -> String {
    let mut text = format!("user {BRIDGE_USER}\n");
    for leaf in leaf::under(Under::Device) {
        writeln!(text, "topic deny {}", leaf.topic(BRIDGE_USER)).expect("writing to a string succeeds");
    }
    for filter in leaf::filters(Direction::Up) {
        writeln!(text, "topic read {filter}").expect("as above");
    }
    writeln!(text, "topic write {}", leaf::EMERGENCY_STATUS.filter()).expect("as above");
    writeln!(text, "topic read {PROBE_PRESS}").expect("as above");
    text
}

/// What one device may do for its owner; nothing where it has none.
pub fn owner_acl(id: &str, owner: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(owner) = owner {
        writeln!(text, "\nuser {id}").expect("writing to a string succeeds");
        for leaf in leaf::under(Under::Owner) {
            writeln!(text, "topic {} {}", access(leaf), leaf.topic(owner)).expect("as above");
        }
    }
    text
}

/// What every device may do under its own id, which is its user name.
pub fn pattern_acl() -> String {
    let mut text = String::new();
    for leaf in leaf::under(Under::Device) {
        writeln!(text, "pattern {} {}", access(leaf), leaf.topic("%u")).expect("writing to a string succeeds");
    }
    text
}

/// What a device may do with a topic of its own or its owner's.
fn access(leaf: Leaf) -> &'static str {
    match leaf.direction {
        Direction::Up => "write",
        Direction::Down => "read",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;
    use crate::stack::load::{Overrides, load_text};

    #[test]
    fn a_container_does_not_begin_with_nothing_where_a_file_holds_something() {
        let stack = load_text("mosquitto: {version: 2.1.2}", None, &Overrides::default()).unwrap().stack;
        let home = tempfile::tempdir().unwrap();
        let (data, program) = (home.path().join("data"), home.path().join("mosquitto"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(&program, "#!/bin/sh\necho \"started $*\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
        let command = guarded_command(&stack, &Target::Kubernetes, Path::new("/etc/m.conf"), &data);
        let run = || {
            let output = Command::new(&command[0]).args(&command[1..]).env("PATH", &path).output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        let started = (Some(0), "started -c /etc/m.conf\n".to_owned(), String::new());
        assert_eq!(run(), started, "there is nothing yet");
        std::fs::write(data.join("mosquitto.db"), "messages").unwrap();
        let (code, _, words) = run();
        assert!(code == Some(1) && words.contains("mosquitto.persistence: file"), "{words}");
        std::fs::write(data.join("mosquitto.sqlite3"), "").unwrap();
        assert_eq!(run(), started, "the change was made long ago");
    }
}
