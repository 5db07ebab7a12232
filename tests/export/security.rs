//! Pod Security "restricted" for every container, and no secret in any object.

use sosstack::export::kubernetes::{Settings, manifests, text};

use crate::objects::{Objects, containers, stack};

#[test]
fn every_pod_satisfies_pod_security_restricted() {
    for (name, template) in Objects::whole_export().templates() {
        let spec = template.spec.clone().unwrap();
        assert_eq!((spec.host_network, spec.host_pid, spec.host_ipc), (None, None, None), "{name}");
        let pod = spec.security_context.unwrap();
        assert_eq!(pod.run_as_non_root, Some(true), "{name}");
        assert!(pod.run_as_user.is_some_and(|user| user > 0), "{name}");
        assert_eq!(pod.seccomp_profile.unwrap().type_, "RuntimeDefault", "{name}");
        for volume in spec.volumes.into_iter().flatten() {
            let allowed = [
                volume.config_map.is_some(),
                volume.secret.is_some(),
                volume.empty_dir.is_some(),
                volume.projected.is_some(),
            ];
            assert_eq!(allowed.iter().filter(|is| **is).count(), 1, "{name}: {}", volume.name);
        }
        for container in containers(&template) {
            let name = format!("{name}: {}", container.name);
            let context = container.security_context.unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false), "{name}");
            assert_eq!(context.capabilities.clone().unwrap().drop.unwrap(), ["ALL"], "{name}");
            assert_eq!(context.capabilities.unwrap().add, None, "{name}");
            assert_eq!(context.read_only_root_filesystem, Some(true), "{name}");
            assert_eq!((context.privileged, context.run_as_user), (None, None), "{name}");
            assert!(container.ports.into_iter().flatten().all(|port| port.host_port.is_none()), "{name}");
        }
    }
}

#[test]
fn the_namespace_enforces_it_where_it_is_ours() {
    let settings = Settings { own_namespace: true, ..Settings::default() };
    let objects = Objects::of(&stack(""), &settings);
    assert_eq!(objects.all[0]["kind"], "Namespace", "before everything in it");
    let labels = &objects.all[0]["metadata"]["labels"];
    for mode in ["enforce", "warn", "audit"] {
        assert_eq!(labels[format!("pod-security.kubernetes.io/{mode}")], "restricted");
    }
    assert!(Objects::default_export().all.iter().all(|object| object["kind"] != "Namespace"));
}

#[test]
fn no_object_is_a_secret_or_holds_a_password() {
    let objects = Objects::whole_export();
    assert!(objects.all.iter().all(|object| object["kind"] != "Secret"));
    let text = text(&manifests(&stack(""), &Settings::default()));
    for trace in ["$7$", "device-12345", "BEGIN "] {
        assert!(!text.contains(trace), "{trace}");
    }
}

#[test]
fn only_the_backends_login_must_exist() {
    let objects = Objects::default_export();
    let volumes = objects.stateful_set("mqtt").spec.unwrap().template.spec.unwrap().volumes.unwrap();
    assert!(volumes.iter().all(|volume| volume.secret.is_none()), "all Secrets change together");
    let sources = volumes.into_iter().find_map(|volume| volume.projected).unwrap().sources.unwrap();
    let secrets: Vec<_> = sources.into_iter().map(|source| source.secret.unwrap()).collect();
    let required: Vec<&str> =
        secrets.iter().filter(|secret| secret.optional != Some(true)).map(|secret| secret.name.as_str()).collect();
    assert_eq!(required, ["mqtt-credentials"]);
    assert_eq!(secrets.len(), 5 + 16);
    let login: Vec<String> = secrets[0].items.clone().unwrap().into_iter().map(|item| item.key).collect();
    assert_eq!(login, ["mqtt-username", "mqtt-password"]);
}

/// A shell that cannot read a script would say so in a crash loop.
#[test]
fn scripts_are_shell() {
    for (map, script, shell) in [("mqtt-config", "accounts.sh", "sh"), ("kafka-topics", "topics.sh", "bash")] {
        let objects = Objects::default_export();
        let map = objects.config_maps().into_iter().find(|found| found.metadata.name.as_deref() == Some(map)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &map.data.unwrap()[script]).unwrap();
        let output = std::process::Command::new(shell).arg("-n").arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }
}
