//! What to do where the disk refuses.

use std::io;
use std::path::Path;

use crate::about::Remedy;
use crate::failure::Failure;

/// Gives an error whose cause the user can mend a remedy that names the journal.
pub(super) fn explain(error: anyhow::Error, directory: &Path) -> anyhow::Error {
    let refusal = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match refusal.and_then(|refusal| remedy(refusal, directory)) {
        Some(remedy) => Failure::Failed { cause: format!("{error:#}"), remedy }.into(),
        None => error,
    }
}

/// None where nothing is known that helps.
pub(super) fn remedy(refusal: &io::Error, directory: &Path) -> Option<Remedy> {
    let directory = directory.display();
    let words = match refusal.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            format!("free space on the disk of {directory}, or choose another directory with --journal")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("make {directory} writable by you, or choose another directory with --journal")
        }
        _ => return None,
    };
    Some(Remedy::words(words))
}
