//! Up, down, status, ready, seed. Speaks only to the runtime trait and to the three protocols.

mod all;
mod apply;
pub mod connect;
pub mod credentials;
pub mod devices;
pub mod down;
pub mod evidence;
mod kept;
mod leavings;
mod live;
pub mod lock;
pub mod lost;
pub mod plan;
mod poll;
pub mod ports;
pub mod prune;
pub mod ready;
mod request;
mod rescue;
pub mod seed;
pub mod start;
pub mod status;
pub mod topics;
pub mod up;
mod watch;
