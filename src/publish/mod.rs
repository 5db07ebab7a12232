//! Publishing: from a payload, lines or envelopes to acknowledged messages, or to the numbers of those that are not.
//!
//! [`input`] makes [`crate::sending::Outgoing`] messages in batches, the publishers of [`crate::kafka::produce`] and
//! [`crate::mqtt::publish`] send them, and the [`crate::sending::Ledger`] knows what became of each. [`send()`] is the whole
//! way: the engine of `pub`, and of whoever else has messages.

pub mod input;
mod rate;
mod send;

pub use rate::Rate;
pub use send::{Sent, Supply, Terms, send};
