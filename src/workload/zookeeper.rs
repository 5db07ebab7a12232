//! A node of the ensemble.

use std::path::PathBuf;

use super::Workload;
use super::parts::{self, file_url, public};
use crate::config::{jvm, zookeeper};
use crate::stack::{Service, Stack, image};
use crate::target::Target;

/// One node; in a cluster, where no setting depends on it, all of them.
pub fn workload(stack: &Stack, service: Service, target: &Target) -> Workload {
    let config = match target {
        Target::Kubernetes => PathBuf::from(image::ZOOKEEPER_CONFIG),
        Target::Docker | Target::Process(_) => parts::config_dir(target, service),
    };
    let data = parts::volume(target, service, "data", image::ZOOKEEPER_DATA);
    let log = parts::volume(target, service, "datalog", image::ZOOKEEPER_LOG);
    let zoo_cfg = config.join("zoo.cfg");
    let mut files = vec![public(zoo_cfg.clone(), zookeeper::zoo_cfg(stack, service, target, &data.path, &log.path))];
    if *target != Target::Kubernetes {
        files.push(public(data.path.join("myid"), format!("{}\n", zookeeper::myid(service))));
    }
    let java = |java: String, class_path: &str, property: (&str, &str)| {
        let properties = [zookeeper::SMALL_LOGS, property];
        let mut command = jvm::java(&java, stack.profile, stack.zookeeper.heap, class_path, &properties);
        command.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned());
        command.push(zoo_cfg.display().to_string());
        command
    };
    let command = match target {
        Target::Docker => {
            // Named instead of found on the class path: an archive of classes cannot be mapped for one with folders.
            let logback = format!("{}/logback.xml", image::ZOOKEEPER_CONFIG);
            // Relative to the image's working directory, which carries the version in its name.
            java("java".to_owned(), "lib/*", ("logback.configurationFile", &logback))
        }
        Target::Kubernetes => {
            files.push(public(config.join("logback.xml"), zookeeper::logback()));
            parts::shell(start(stack))
        }
        Target::Process(layout) => {
            let log4j = config.join("log4j.properties");
            files.push(public(log4j.clone(), jvm::log4j(Some(&config.join("service.log")))));
            java(layout.java.display().to_string(), &layout.class_path, ("log4j.configuration", &file_url(&log4j)))
        }
    };
    Workload { command, files, volumes: vec![data, log], ..parts::workload(stack, service, target) }
}

/// How a pod starts: by the image's own scripts, with the number that the pod's name says. The image would take 1 for the
/// id of every node, and remember it.
fn start(stack: &Stack) -> String {
    let (key, value) = zookeeper::SMALL_LOGS;
    let property = format!("-D{key}={value}");
    let flags = [&jvm::options(stack.profile)[..], &[&property], &jvm::SHORT_LIVED_NAMES].concat().join(" ");
    format!(
        "export ZOO_MY_ID=$((${{HOSTNAME##*-}} + 1)) ZK_SERVER_HEAP={} SERVER_JVMFLAGS='{flags}'\n\
         exec /docker-entrypoint.sh zkServer.sh start-foreground\n",
        stack.zookeeper.heap.mebibytes
    )
}
