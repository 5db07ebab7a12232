//! How much memory a service may take, and how long it may take to end.

use std::time::Duration;

use super::place::Place;
use super::{Role, Stack};

/// What one Mosquitto in a cluster takes at least, in bytes.
pub const MOSQUITTO_REQUEST: u64 = 128 << 20;

/// The most that one service may take, in bytes.
///
/// A JVM takes its heap, as much again for buffers outside it, and something for itself: idle brokers with 256 MiB of heap
/// take 290 MiB, loaded ones up to 600. In a cluster, where heaps are larger, that something is in the doubled heap, as
/// the platform's own figures have it: 1 GiB of heap, 2 GiB at most.
///
/// A Mosquitto on a laptop keeps 100,000 messages of a few kilobytes for a client that is away, one in a cluster a
/// thousand; one that is killed for its size loses them.
pub fn memory(stack: &Stack, role: Role, place: Place) -> u64 {
    let jvm = |heap: u64| match place {
        Place::Laptop => 2 * heap + 384,
        Place::Cluster => (2 * heap).max(heap + 384),
    };
    let mebibytes = match (role, place) {
        (Role::Zookeeper, _) => jvm(stack.zookeeper.heap.mebibytes.into()),
        (Role::Kafka, _) => jvm(stack.kafka.heap.mebibytes.into()),
        (Role::Mosquitto, Place::Laptop) => 1024,
        (Role::Mosquitto, Place::Cluster) => 512,
    };
    mebibytes << 20
}

/// How long a service may take to end by itself before it is killed.
///
/// A broker hands over its partitions and writes out what it holds; on a laptop, one with nowhere to move its leaders to
/// gives up after three tries. A log that is not closed in order costs a recovery at the next start.
pub const fn stop_grace(role: Role, place: Place) -> Duration {
    let seconds = match (role, place) {
        (Role::Kafka, Place::Laptop) => 30,
        (Role::Kafka, Place::Cluster) => 300,
        (Role::Zookeeper | Role::Mosquitto, Place::Laptop) => 10,
        (Role::Zookeeper | Role::Mosquitto, Place::Cluster) => 60,
    };
    Duration::from_secs(seconds)
}

/// As [`stop_grace`], of a bridge: it waits a moment for Kafka, and writes what is left to its journal.
pub const BRIDGE_GRACE: Duration = Duration::from_secs(10);
