//! `--profile`

use clap::ValueEnum;

use crate::stack::Profile;

/// What the services are sized for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// Small heaps, and code that starts fast
    Laptop,
    /// Large heaps, and code that runs fast once it is warm
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
