//! What `export k8s` emits, without a cluster: equality with the checked-in `k8s/`, and the relations between objects
//! that no schema sees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod accounts;
mod bridge;
mod golden;
mod objects;
mod placement;
mod policies;
mod relations;
mod security;
mod sizes;
