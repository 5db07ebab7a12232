//! `--profile`

use clap::ValueEnum;

use crate::stack::Profile;

/// What the services are sized for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// Small heaps, fast start
    Laptop,
    /// Large heaps, fast once warm
    Full,
}

impl From<ProfileArg> for Profile {
    fn from(argument: ProfileArg) -> Self {
        match argument {
            ProfileArg::Laptop => Self::Laptop,
            ProfileArg::Full => Self::Full,
        }
    }
}
