//! One look at a running stack, and what follows from it: the one place that judges quorum and replicas.
//!
//! [`Snapshot`] asks; the judgements are pure functions of the answers, and of services, never of positions in a list.
//! [`topics`] and [`groups`] ask any cluster; [`bridges`] asks the processes beside a stack; [`press`] has a bridge prove
//! itself.

pub mod bridges;
pub mod groups;
pub mod mqtt_topics;
pub mod press;
pub mod quorum;
pub mod replicas;
mod said;
mod snapshot;
pub mod topics;

pub use bridges::Bridges;
pub use quorum::Quorum;
pub use replicas::Replicas;
pub use said::{Journal, Said};
pub use snapshot::Snapshot;
