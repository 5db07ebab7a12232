//! Where the passwords of other clusters come from: the environment, or files for their owner alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::about::Remedy;
use crate::failure::Failure;
use crate::secrets::Secret;

/// A password and where it came from, for the message that it is wrong.
pub(super) struct Password {
    pub password: Secret,
    pub from: String,
}

/// The variable of a context: its name in capitals, with `_` for whatever a variable's name cannot hold.
pub(super) fn variable_of(variable: &str, context: Option<&str>) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    context.map_or_else(
        || variable.to_owned(),
        |name| format!("{variable}_{}", name.chars().map(letter).collect::<String>()),
    )
}

/// As [`find`].
///
/// # Errors
/// [`Failure::Usage`] where there is none; as for [`find`].
pub(super) fn of(variable: &str, context: Option<&str>, file: Option<&Path>, username: &str) -> Result<Password> {
    if let Some(found) = find(variable, context, file, username)? {
        return Ok(found);
    }
    let variable = variable_of(variable, context);
    bail!(Failure::Usage {
        cause: format!("there is no password for {username}"),
        remedy: Remedy::words(format!(
            "put it into {variable}, or name a file of mode 0600 in {variable}_FILE or in the context"
        )),
    })
}

/// From the environment, else from a file that only its owner may read: the one that the variable of the same name with
/// `_FILE` says, else the context's.
///
/// # Errors
/// When a file cannot be read, or others may read it.
pub(super) fn find(
    variable: &str,
    context: Option<&str>,
    file: Option<&Path>,
    username: &str,
) -> Result<Option<Password>> {
    let variable = variable_of(variable, context);
    if let Ok(password) = std::env::var(&variable) {
        return Ok(Some(Password { password: Secret::new(password), from: variable }));
    }
    let named = std::env::var_os(format!("{variable}_FILE")).map(PathBuf::from);
    named.as_deref().or(file).map(|file| read(file, username)).transpose()
}

fn read(file: &Path, username: &str) -> Result<Password> {
    let reading = || format!("reading the password of {username} from {}", file.display());
    let mode = fs::metadata(file).with_context(reading)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(Failure::Usage {
            cause: format!("others can read the password in {}", file.display()),
            remedy: Remedy::words(format!("chmod 600 {}", file.display())),
        });
    }
    let text = fs::read_to_string(file).with_context(reading)?;
    Ok(Password { password: Secret::new(text.trim_end_matches(['\r', '\n'])), from: file.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let read = |file| of("SOSSTACK_NO_SUCH", None, file, "u");
        assert!(read(Some(&path)).err().unwrap().to_string().contains("others can read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(Some(&path)).unwrap().password, Secret::new("secret"));
        assert!(read(None).is_err());
    }

    #[test]
    fn a_context_has_a_variable_of_its_own() {
        const VARIABLE: &str = "SOSSTACK_KAFKA_PASSWORD";
        assert_eq!(variable_of(VARIABLE, Some("prod-eu.1")), "SOSSTACK_KAFKA_PASSWORD_PROD_EU_1");
        assert_eq!(variable_of(VARIABLE, None), VARIABLE);
    }
}
