//! Dead letters: read again, shown, and sent once more after what stopped them was mended.

pub mod choice;
pub mod found;
pub mod id;
pub mod letter;
pub mod list;
pub mod read;
pub mod replay;
pub mod show;
