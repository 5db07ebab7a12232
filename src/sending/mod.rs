//! Messages on their way, and what became of each: what whoever makes them shares with the publishers of
//! [`crate::kafka::produce`] and [`crate::mqtt::publish`].

pub mod ledger;
mod outgoing;

pub use ledger::Ledger;
pub use outgoing::{Batch, Batches, Outgoing, OwnedHeaders, next_batch};
