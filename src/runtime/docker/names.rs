//! Names of Docker's things, made from the stack's. All begin with `sosstack-`.

use crate::stack::{Service, StackName};

/// At the end of the name of a container that was set aside.
pub(super) const FORMER: &str = "-former";

pub(super) fn container(stack: &StackName, service: Service) -> String {
    format!("sosstack-{stack}-{service}")
}

/// A container that was set aside while another one takes its place.
pub(super) fn former(stack: &StackName, service: Service) -> String {
    format!("{}{FORMER}", container(stack, service))
}

pub(super) fn volume(stack: &StackName, volume: &str) -> String {
    format!("sosstack-{stack}-{volume}")
}

/// Of an archive of classes, which all stacks share.
pub(super) fn archive(key: &str) -> String {
    format!("sosstack-classes-{key}")
}

pub(super) fn network(stack: &StackName) -> String {
    format!("sosstack-{stack}")
}
