//! One look at a running stack, and what follows from it: the one place that judges quorum and replicas.
//!
//! [`Snapshot`] asks; the judgements are pure functions of the answers, and of services, never of positions in a list.

pub mod quorum;
pub mod replicas;
mod snapshot;

pub use quorum::Quorum;
pub use replicas::Replicas;
pub use snapshot::Snapshot;
