//! A broker.

use super::Workload;
use super::parts::{self, file_url, public};
use crate::config::{jvm, kafka};
use crate::stack::names;
use crate::stack::ports::PortName;
use crate::stack::{Profile, Role, Service, Stack, image};
use crate::target::Target;

/// One broker; in a cluster all of them: what depends on the ordinal is said by the pods' command.
pub fn workload(stack: &Stack, service: Service, target: &Target) -> Workload {
    let config = parts::config_dir(target, service);
    let data = parts::volume(target, service, "data", image::KAFKA_DATA);
    let log_dirs = data.path.join(image::KAFKA_LOGS);
    let (properties, log4j) = (config.join("server.properties"), config.join("log4j.properties"));
    let java = |java: String, class_path: &str| {
        let log4j = [("log4j.configuration", &*file_url(&log4j))];
        let mut command = jvm::java(&java, stack.profile, stack.kafka.heap, class_path, &log4j);
        command.push("kafka.Kafka".to_owned());
        command.push(properties.display().to_string());
        command
    };
    let (command, log_file) = match target {
        Target::Docker => (java("java".to_owned(), &format!("{}/libs/*", image::KAFKA_HOME)), None),
        Target::Kubernetes => (parts::shell(start(stack)), None),
        Target::Process(layout) => {
            (java(layout.java.display().to_string(), &layout.class_path), Some(config.join("service.log")))
        }
    };
    Workload {
        command,
        files: vec![
            public(properties.clone(), kafka::server_properties(stack, service, target, &log_dirs)),
            public(log4j.clone(), jvm::log4j(log_file.as_deref())),
        ],
        volumes: vec![data],
        ..parts::workload(stack, service, target)
    }
}

/// How a pod starts. The image's own entrypoint knows KRaft only, so its script is called. Variables are set here rather
/// than in the container's environment, where tools that somebody runs in the pod would take them for theirs.
fn start(stack: &Stack) -> String {
    let (heap, config, home) = (stack.kafka.heap, image::OWN_CONFIG, image::KAFKA_HOME);
    // For load the heap is taken at once; elsewhere it grows.
    let first = if stack.profile == Profile::Full { heap.to_string() } else { jvm::FIRST_HEAP.to_owned() };
    format!(
        "export KAFKA_HEAP_OPTS='-Xms{first} -Xmx{heap}' KAFKA_JVM_PERFORMANCE_OPTS='{}'\n\
         export KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:{config}/log4j.properties\n\
         export LOG_DIR=/tmp/logs EXTRA_ARGS='-name kafkaServer'\n\
         exec {home}/bin/kafka-server-start.sh {config}/server.properties \\\n  \
         --override broker.id=${{HOSTNAME##*-}} \\\n  \
         --override advertised.listeners=PLAINTEXT://$HOSTNAME.{}:{}\n",
        [&jvm::options(stack.profile)[..], &jvm::SHORT_LIVED_NAMES].concat().join(" "),
        names::pods_domain(stack, Role::Kafka),
        PortName::Kafka.number(),
    )
}
