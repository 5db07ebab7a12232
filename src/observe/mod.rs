//! One look at a running stack, and what follows from it: the one place that judges quorum and replicas.
//!
//! [`Snapshot`] asks; the judgements are pure functions of the answers, and of services, never of positions in a list.
//! [`topics`] and [`groups`] ask any cluster.

pub mod groups;
pub mod quorum;
pub mod replicas;
mod snapshot;
pub mod topics;

pub use quorum::Quorum;
pub use replicas::Replicas;
pub use snapshot::Snapshot;
