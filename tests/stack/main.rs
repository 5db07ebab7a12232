//! The real stack, on every runtime that this machine has.
//!
//! Each test has its own data directory, stack name and port offset, and removes what it made. They
//! run one after another (`RUST_TEST_THREADS=1`): a laptop's two cores carry one stack at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the test runner shows it where it matters")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod bridge;
mod bridge_login;
mod bridge_outages;
mod bridge_probe;
mod bridge_routes;
mod bridge_status;
mod bridged;
mod changes;
mod clients;
mod crashes;
mod daemon;
mod devices;
mod disk;
mod elsewhere;
mod engines;
mod envelope;
mod faults;
mod frozen;
mod groups;
mod guarded;
mod harness;
mod healing;
mod image;
mod letters;
mod lifecycle;
mod messages;
mod outages;
mod persistence;
#[path = "../shared/pty.rs"]
mod pty;
mod publishing;
mod reading;
mod side_by_side;
mod simulate;
mod terminal;
mod trace;
mod walkthrough;
mod whose;
mod witness;
