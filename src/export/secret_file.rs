//! The file that holds Secrets: for its owner only, and never over anything but an earlier export.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use schemars::JsonSchema;
use serde::Serialize;

use super::secrets::{HEADER, text};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::paths::write_atomic;
use crate::stack::Stack;

/// What writing came to; `sosstack export secrets --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Written {
    pub out: PathBuf,
    /// How many.
    pub secrets: usize,
    /// Whether the file held others.
    pub replaced: bool,
    #[serde(skip)]
    pub before: Before,
}

/// What was in the file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// The same Secrets.
    Same,
    /// Other Secrets.
    Other,
}

/// Keeps the Secrets of these names; all of them where none is given.
///
/// # Errors
/// [`Failure::Usage`] when there is none of a name.
pub fn only(mut secrets: Vec<Secret>, wanted: &[String]) -> Result<Vec<Secret>, Failure> {
    let names = names(&secrets);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(Failure::Usage {
            cause: format!("this stack has no Secret {unknown:?}"),
            remedy: Remedy::words(format!("name one of {}", names.join(", "))),
        });
    }
    if !wanted.is_empty() {
        secrets.retain(|secret| secret.metadata.name.as_ref().is_some_and(|name| wanted.contains(name)));
    }
    Ok(secrets)
}

fn names(secrets: &[Secret]) -> Vec<String> {
    secrets.iter().filter_map(|secret| secret.metadata.name.clone()).collect()
}

/// Writes Secrets for the file's owner only.
///
/// # Errors
/// [`Failure::Usage`] when something else is in its place, which stays; others when it cannot be written.
pub fn write(path: &Path, secrets: &[Secret]) -> Result<Written> {
    let text = text(secrets);
    let before = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Before::Nothing,
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        Ok(old) if old == text.as_bytes() => Before::Same,
        Ok(old) if old.starts_with(HEADER.as_bytes()) => Before::Other,
        Ok(_) => {
            return Err(Failure::Usage {
                cause: format!("{} is there, and was not made by export secrets", path.display()),
                remedy: Remedy::words("name another file with --out; nothing was written"),
            }
            .into());
        }
    };
    // Also where nothing changed: the file may have been opened to others since.
    write_atomic(path, text.as_bytes(), 0o600)?;
    Ok(Written { out: path.to_owned(), secrets: secrets.len(), replaced: before == Before::Other, before })
}

/// Commands without a secret in them: each takes its Secret from a pipe.
pub fn commands(stack: &Stack, secrets: &[Secret]) -> String {
    let Stack { name, namespace, .. } = stack;
    names(secrets).iter().fold(String::new(), |text, secret| {
        let export = format!("export secrets --namespace {namespace} --only {secret} --out -");
        text + &format!("{} | kubectl apply --server-side --filename -\n", name.about().command(&export))
    })
}
