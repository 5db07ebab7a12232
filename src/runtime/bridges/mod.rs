//! A stack's bridges as processes of this machine, whichever runtime has its services.
//!
//! ```text
//! STACK/bridges/stack.yaml · bridge-0/ · bridge-1/
//! bridge-0/      bridge.json  console.log
//! ```
//!
//! As for services of plain processes, there is no supervisor, and a process is known by what no clock can move.

mod host;
mod instance;
mod record;

pub use host::{Hosted, LOG_FILE, bound_log, memory};
pub use instance::{Instance, Launch};
