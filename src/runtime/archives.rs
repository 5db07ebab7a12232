//! Archives of classes, which a runtime keeps beside its stacks: they only decide how fast the next start is.

use anyhow::Result;
use async_trait::async_trait;

use crate::stack::{Role, Stack, StackName};

/// Whoever keeps archives of classes.
#[async_trait]
pub trait Archives: Send + Sync {
    /// The roles whose next start would be faster with an archive, and for which one can be made now.
    async fn missing_archives(&self, stack: &StackName) -> Result<Vec<Role>>;

    /// Makes a role's archive; takes seconds of one processor. Idempotent.
    async fn make_archive(&self, stack: &StackName, role: Role) -> Result<()>;

    /// Those that no stack maps, and that the next `up` of this one would not either.
    async fn unused_archives(&self, stack: &Stack) -> Result<Vec<UnusedArchive>>;

    /// Removes one by name. Fine if it is gone.
    async fn remove_archive(&self, name: &str) -> Result<()>;
}

/// Makes all of a stack's archives that are missing, one after the other.
///
/// # Errors
/// When the runtime does not answer, or one cannot be made.
pub async fn make_missing(archives: &dyn Archives, stack: &StackName) -> Result<()> {
    for role in archives.missing_archives(stack).await? {
        archives.make_archive(stack, role).await?;
    }
    Ok(())
}

/// An archive of classes that nobody maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedArchive {
    /// Its volume, or its directory in the cache.
    pub name: String,
    /// None where it was not noted down.
    pub bytes: Option<u64>,
}
