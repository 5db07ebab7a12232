//! What can go wrong, told apart by what the user must do about it.
//!
//! Everything else is an [`anyhow::Error`]: it failed, the chain of causes says why, and exit code 1
//! is all a script can make of it.

use std::time::Duration;

use crate::about::{About, Remedy};

/// An error with a remedy of its own. Its `Display` is the cause; [`Failure::remedy`] is what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments contradict each other or name what does not exist.
    #[error("{cause}")]
    Usage { cause: String, remedy: Remedy },

    /// The stack file is wrong; every problem is listed, one a line.
    #[error("{}", .problems.join("\n"))]
    InvalidStackFile { problems: Vec<String> },

    /// The bridge's routes are wrong; every problem is listed, one a line.
    #[error("{}", .problems.join("\n"))]
    InvalidRoutes { problems: Vec<String> },

    /// Neither Docker nor plain processes can run the stack here.
    #[error("{cause}")]
    NoRuntime { cause: String, remedy: Remedy },

    /// A port that the stack needs is in use.
    #[error("{cause}")]
    PortTaken { cause: String, remedy: Remedy },

    /// The stack, or the part of it that a command needs, is not running.
    #[error("{cause}")]
    NotRunning { cause: String, remedy: Remedy },

    /// The deadline passed, or a service died, before everything was proven ready.
    #[error("{cause}")]
    NotReady { cause: String, evidence: Vec<String>, remedy: Remedy, waited: Duration },

    /// Another sosstack holds the stack's lock.
    #[error("{cause}")]
    Busy { cause: String, remedy: Remedy },

    /// The operation was refused or failed, and there is a known way out.
    #[error("{cause}")]
    Failed { cause: String, remedy: Remedy },

    /// SIGINT or SIGTERM ended the work.
    #[error("interrupted")]
    Interrupted { signal: i32 },
}

/// What the user can do about an error: its own remedy, or what the system's refusal asks for.
pub fn remedy(error: &anyhow::Error) -> Option<Remedy> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.remedy().cloned();
    }
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    match refusal.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            let prune = About::this_machine().command("prune");
            Some(Remedy::words(format!(
                "free some space (df -h shows where it is short; {prune} removes unused caches)"
            )))
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Some(Remedy::words(
            "make it writable by you, or keep sosstack's files elsewhere: XDG_DATA_HOME, XDG_CACHE_HOME",
        )),
        _ => None,
    }
}

impl Failure {
    /// The process's exit status, as documented in `sosstack --help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::PortTaken { .. } | Self::NotRunning { .. } | Self::Busy { .. } | Self::Failed { .. } => 1,
            Self::Usage { .. } | Self::InvalidStackFile { .. } | Self::InvalidRoutes { .. } => 2,
            Self::NoRuntime { .. } => 3,
            Self::NotReady { .. } => 4,
            Self::Interrupted { signal } => u8::try_from(128 + signal).unwrap_or(130),
        }
    }

    /// A stable word for scripts (`--output json`).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::InvalidStackFile { .. } => "invalid_stack_file",
            Self::InvalidRoutes { .. } => "invalid_routes",
            Self::NoRuntime { .. } => "no_runtime",
            Self::PortTaken { .. } => "port_taken",
            Self::NotRunning { .. } => "not_running",
            Self::NotReady { .. } => "not_ready",
            Self::Busy { .. } => "busy",
            Self::Failed { .. } => "failed",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// What the user can do about it: a sentence or a command to type.
    pub fn remedy(&self) -> Option<&Remedy> {
        match self {
            Self::Usage { remedy, .. }
            | Self::NoRuntime { remedy, .. }
            | Self::PortTaken { remedy, .. }
            | Self::NotRunning { remedy, .. }
            | Self::NotReady { remedy, .. }
            | Self::Busy { remedy, .. }
            | Self::Failed { remedy, .. } => Some(remedy),
            Self::InvalidStackFile { .. } | Self::InvalidRoutes { .. } | Self::Interrupted { .. } => None,
        }
    }
}
