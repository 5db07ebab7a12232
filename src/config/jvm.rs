//! How the two JVM systems are started, and where they log.

use std::path::Path;

use super::properties::Properties;
use crate::stack::{Heap, Profile};

/// What the heap has at first, to grow only when it is needed.
pub const FIRST_HEAP: &str = "32M";

/// A replaced pod has another address. The JVM would hold on to the old one for half a minute, in which a ZooKeeper node
/// whose leader was replaced elects the same unreachable one again and again.
pub const SHORT_LIVED_NAMES: [&str; 2] = ["-Dsun.net.inetaddr.ttl=2", "-Dsun.net.inetaddr.negative.ttl=1"];

/// `java` with its options, up to and without the main class.
///
/// On a laptop: serial collection and the first compiler tier, which start fastest and use the least memory. For
/// load: concurrent collection and all tiers. Either way the heap grows to `heap` only when it is needed.
pub fn java(
    java: &str,
    profile: Profile,
    heap: Heap,
    class_path: &str,
    system_properties: &[(&str, &str)],
) -> Vec<String> {
    let mut command = vec![java.to_owned(), format!("-Xmx{heap}"), format!("-Xms{FIRST_HEAP}")];
    command.extend(options(profile).into_iter().map(str::to_owned));
    command.extend(system_properties.iter().map(|(key, value)| format!("-D{key}={value}")));
    command.extend(["-cp".to_owned(), class_path.to_owned()]);
    command
}

/// What the JVM is told apart from its heap.
pub fn options(profile: Profile) -> Vec<&'static str> {
    let collection = match profile {
        Profile::Laptop => ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].as_slice(),
        Profile::Full => ["-XX:+UseG1GC"].as_slice(),
    };
    [collection, &["-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]].concat()
}

/// `log4j.properties` for Kafka, and for ZooKeeper as a plain process: to the console in a container
/// (None), else to a file that is rotated at 10 MB and kept three times.
pub fn log4j(file: Option<&Path>) -> String {
    let pattern = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %m (%c{1})%n";
    let mut properties = Properties::default();
    properties.set("log4j.rootLogger", "INFO, out");
    match file {
        None => properties.set("log4j.appender.out", "org.apache.log4j.ConsoleAppender"),
        Some(file) => properties
            .set("log4j.appender.out", "org.apache.log4j.RollingFileAppender")
            .set("log4j.appender.out.File", file.display())
            .set("log4j.appender.out.MaxFileSize", "10MB")
            .set("log4j.appender.out.MaxBackupIndex", 3),
    };
    properties
        .set("log4j.appender.out.layout", "org.apache.log4j.PatternLayout")
        .set("log4j.appender.out.layout.ConversionPattern", pattern)
        // These three write hundreds of lines at each start that say nothing in a healthy stack.
        .set("log4j.logger.kafka.log.LogCleaner", "WARN")
        .set("log4j.logger.org.apache.zookeeper", "WARN")
        .set("log4j.logger.kafka.server.KafkaConfig", "WARN");
    properties.render()
}
