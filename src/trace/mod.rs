//! The way of one press, hop by hop: device, Mosquitto, bridge, Kafka, and each group that has committed it.
//!
//! [`live`] presses and listens, [`past`] searches Kafka for one that happened; [`judge`] and [`told`] make a
//! [`Trace`] of what they found, and [`missing`] says why a hop is missing. A group that has committed a record may have done anything with it: nothing here says
//! that an emergency was handled.

pub mod bars;
mod commits;
mod hop;
pub mod judge;
pub mod live;
pub mod missing;
pub mod past;
mod record;
pub mod told;
mod way;

pub use hop::{Hop, Kind, Missing, Trace};
pub use record::Found;
