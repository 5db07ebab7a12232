//! What `up` is asked for.

use std::time::Duration;

use crate::paths::Paths;
use crate::runtime::Runtime;
use crate::stack::Stack;

/// What is to be brought up, where, and how patiently.
pub struct Up<'a> {
    pub stack: &'a Stack,
    pub runtime: &'a dyn Runtime,
    pub paths: &'a Paths,
    /// From the first start of a service until everything must be proven ready.
    pub timeout: Duration,
    /// Keep what this run made although it was interrupted.
    pub retain: bool,
    /// Go on without data: with empty volumes where it was removed by hand, with an empty database where Mosquitto is to
    /// keep its messages in another way.
    pub accept_data_loss: bool,
    /// Give the stack this data directory's credentials in place of those that it was made with.
    pub replace_credentials: bool,
}

impl<'a> Up<'a> {
    /// What a change to a stack that is up asks for: nothing is undone, and nothing of anybody's is replaced.
    pub fn of_running(stack: &'a Stack, runtime: &'a dyn Runtime, paths: &'a Paths, timeout: Duration) -> Self {
        Self { stack, runtime, paths, timeout, retain: true, accept_data_loss: false, replace_credentials: false }
    }
}
