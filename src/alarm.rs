//! Nobody is alarmed by a proof: whoever presses panic buttons does it on a local stack, or says that it is meant.

use crate::about::{About, Remedy};
use crate::contexts::LOCAL;
use crate::failure::Failure;

/// Refuses `what`, a whole clause such as "simulated devices press panic buttons", on another cluster than a stack of
/// this machine unless real emergencies are meant.
///
/// # Errors
/// [`Failure::Usage`] that says why.
pub fn ensure_meant(what: &str, elsewhere: Option<&About>, real_emergencies: bool) -> Result<(), Failure> {
    let Some(about) = elsewhere.filter(|_| !real_emergencies) else { return Ok(()) };
    Err(Failure::Usage {
        cause: format!("{what}: on {about} people would be alarmed, as that is not a stack of this machine"),
        remedy: Remedy::words(format!(
            "--context {LOCAL} speaks to the local stack; --real-emergencies goes ahead all the same"
        )),
    })
}
