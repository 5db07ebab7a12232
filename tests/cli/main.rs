//! The command line without a broker: exact output, exit codes, and machines on which something is missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the test runner shows it where it matters")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod bridge;
mod closed;
mod docker_choice;
mod export;
mod export_compose;
mod help;
mod interrupted;
mod machine;
mod missing;
mod mqtt;
mod output;
mod peer;
mod prune;
#[path = "../shared/pty.rs"]
mod pty;
mod usage;
mod verify;
