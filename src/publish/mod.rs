//! Publishing: from a payload, lines or envelopes to acknowledged messages, or to the numbers of those that are not.
//!
//! [`input`] makes [`crate::sending::Outgoing`] messages in batches, the publishers of [`crate::kafka::produce`] and
//! [`crate::mqtt::publish`] send them, and the [`crate::sending::Ledger`] knows what became of each.

pub mod input;
mod rate;

pub use rate::Rate;
