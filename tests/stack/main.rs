//! The real stack, on every runtime that this machine has.
//!
//! Each test has its own data directory, stack name and port offset, and removes what it made. They
//! run one after another (`RUST_TEST_THREADS=1`): a laptop's two cores carry one stack at a time.

mod clients;
mod faults;
mod harness;
mod lifecycle;
mod side_by_side;
