//! Nobody is alarmed by a proof: on a stack of this machine emergencies harm nobody, elsewhere somebody may act on them.

use crate::about::{About, Remedy};
use crate::contexts::LOCAL;
use crate::failure::Failure;

/// Lets what opens emergencies happen on a stack of this machine, and elsewhere where `--real-emergencies` was said.
/// `what` would open them, as a clause; `does` is what the option makes happen all the same, as a verb.
///
/// # Errors
/// [`Failure::Usage`] that says so.
pub fn ensure_meant(about: &About, real_emergencies: bool, what: &str, does: &str) -> Result<(), Failure> {
    if real_emergencies || !about.is_elsewhere() {
        return Ok(());
    }
    Err(Failure::Usage {
        cause: format!("{what} on {about}, not on a stack of this machine"),
        remedy: Remedy::words(format!(
            "--context {LOCAL} selects the local stack; --real-emergencies {does} there anyway"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_elsewhere_it_has_to_be_meant() {
        let here = About::stack("stack sos".to_owned(), String::new());
        let there = About::elsewhere("context prod".to_owned(), " --context prod".to_owned());
        let ask = |about: &About, real| ensure_meant(about, real, "buttons are pressed", "presses");
        assert!(ask(&here, false).is_ok() && ask(&here, true).is_ok() && ask(&there, true).is_ok());
        let refused = ask(&there, false).unwrap_err();
        assert_eq!(refused.to_string(), "buttons are pressed on context prod, not on a stack of this machine");
        assert!(refused.remedy().unwrap().as_str().ends_with("--real-emergencies presses there anyway"));
        assert_eq!(refused.exit_code(), 2);
    }
}
