//! Which session of Mosquitto's is ours, as it has to be known again after a kill.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::subscriptions::Subscriptions;
use crate::bridge::routes::Routes;
use crate::mqtt::inbox::Change;
use crate::paths::write_atomic;

const FILE: &str = "session.json";

/// Kept beside the journal, of mode 0600: who knows the client id can take the session over, with its queue.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    client_id: String,
    /// Of the session, as packet ids mean nothing in another one; empty before there was any.
    session: String,
    /// When the server was last known to have it, in milliseconds since 1970.
    seen: i64,
    /// What the session brings.
    #[serde(default)]
    subscriptions: Subscriptions,
}

/// See the module.
pub struct Identity {
    path: PathBuf,
    kept: Kept,
}

impl Identity {
    /// Reads it, or makes a new one.
    ///
    /// # Errors
    /// When the file is damaged, or cannot be read or written.
    pub fn ensure(journal: &Path) -> Result<Self> {
        let path = journal.join(FILE);
        let kept = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let client_id = format!("sosstack-bridge-{:032x}", u128::from_ne_bytes(crate::secrets::random()));
                Kept { client_id, session: String::new(), seen: 0, subscriptions: Subscriptions::default() }
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let identity = Self { path, kept };
        identity.write()?;
        Ok(identity)
    }

    pub fn client_id(&self) -> &str {
        &self.kept.client_id
    }

    /// The session that packet ids belong to.
    pub fn session(&self) -> &str {
        &self.kept.session
    }

    /// Whether a session was made before, and when the server was last known to have it.
    pub fn expected(&self) -> Option<i64> {
        (!self.kept.session.is_empty()).then_some(self.kept.seen)
    }

    /// The server has begun another session. A full disk may keep it from being noted; after a kill meanwhile, the next
    /// bridge could take a message for one of the last session's with the same packet id and payload.
    pub fn begin(&mut self, now: i64) {
        self.kept.session = format!("{:016x}", u64::from_ne_bytes(crate::secrets::random()));
        self.seen(now);
    }

    /// The server has the session at this time. What a full disk keeps from being noted is noted the next time.
    pub fn seen(&mut self, now: i64) {
        self.kept.seen = now;
        let _ = self.write();
    }

    pub fn subscriptions(&self) -> &Subscriptions {
        &self.kept.subscriptions
    }

    /// As [`Subscriptions::change`]; noted before anything is asked.
    pub fn subscribe(&mut self, routes: &Routes, share: Option<&str>, probes: bool) -> Change {
        let mut change = self.kept.subscriptions.change(routes, share, probes);
        if self.write().is_err() {
            // After a kill they would be given away a second time. Without them, all copies of a message count.
            change.subscribe.iter_mut().for_each(|wanted| wanted.id = None);
        }
        change
    }

    /// The server has done what it was asked.
    pub fn subscribed(&mut self) {
        self.kept.subscriptions.granted();
        let _ = self.write();
    }

    /// The server has refused a filter.
    pub fn refused(&mut self) {
        self.kept.subscriptions.refused();
        let _ = self.write();
    }

    fn write(&self) -> Result<()> {
        write_atomic(&self.path, &serde_json::to_vec_pretty(&self.kept)?, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_again_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mut first = Identity::ensure(dir.path()).unwrap();
        assert_eq!(first.expected(), None);
        first.begin(5);
        let again = Identity::ensure(dir.path()).unwrap();
        assert_eq!((again.client_id(), again.session()), (first.client_id(), first.session()));
        assert_eq!(again.expected(), Some(5));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
