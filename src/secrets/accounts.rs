//! Everyone who may log in to Mosquitto: the backend, the bridge, the readiness probe and the devices.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{Secret, password, random, secret};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::paths::{ensure_private_dir, write_atomic};
use crate::stack::device::{BRIDGE_USER, PROBE_USER, SERVICE_USER};
use crate::stack::{Device, StackName};

const FILE: &str = "accounts.json";
/// Mosquitto's own default for `$7$` hashes. Passwords here are random, so dictionaries are not a threat.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(101).unwrap();

/// One login. The salt is kept so that the password file is the same each time it is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    #[serde(serialize_with = "secret::to_private_file")]
    pub password: Secret,
    salt: String,
}

impl Account {
    fn generate() -> Self {
        Self { password: password(), salt: BASE64_STANDARD.encode(random::<12>()) }
    }

    /// The password as Mosquitto stores it: `$7$iterations$salt$hash`, PBKDF2 with SHA-512.
    pub fn hash(&self) -> String {
        let salt = BASE64_STANDARD.decode(&self.salt).unwrap_or_default();
        let mut hash = [0; 64];
        let password = self.password.reveal().as_bytes();
        ring::pbkdf2::derive(ring::pbkdf2::PBKDF2_HMAC_SHA512, ITERATIONS, &salt, password, &mut hash);
        format!("$7${ITERATIONS}${}${}", self.salt, BASE64_STANDARD.encode(hash))
    }
}

/// A device that may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(flatten)]
    pub account: Account,
}

/// All logins of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    pub service: Account,
    /// None in a stack that was made before the bridge had a login of its own, until [`Accounts::ensure`] makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Account>,
    pub probe: Account,
    pub devices: BTreeMap<String, Enrolled>,
    /// Devices that somebody removed: a stack file that still names them does not bring them back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<String>,
}

impl Accounts {
    /// Reads the accounts of a stack; None when it has none yet.
    ///
    /// # Errors
    /// When the file cannot be read or is not what sosstack wrote.
    pub fn read(stack_dir: &Path) -> Result<Option<Self>> {
        let path = stack_dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is damaged", path.display()))
    }

    /// When the accounts were last written; None where there are none.
    pub fn changed(stack_dir: &Path) -> Option<SystemTime> {
        fs::metadata(stack_dir.join(FILE)).and_then(|meta| meta.modified()).ok()
    }

    /// Reads the accounts or makes those that are missing, and enrols every device that is not yet; deletes none, and
    /// brings none back that was removed.
    ///
    /// # Errors
    /// When the directory or file cannot be read or written.
    pub fn ensure(stack_dir: &Path, devices: &[Device]) -> Result<Self> {
        let existing = Self::read(stack_dir)?;
        let mut accounts = existing.clone().unwrap_or_else(|| Self {
            service: Account::generate(),
            bridge: None,
            probe: Account::generate(),
            devices: BTreeMap::new(),
            removed: BTreeSet::new(),
        });
        accounts.bridge.get_or_insert_with(Account::generate);
        for device in devices {
            if accounts.removed.contains(&device.id) {
                continue;
            }
            accounts.enrol(device);
            if let Some(enrolled) = accounts.devices.get_mut(&device.id) {
                enrolled.owner.clone_from(&device.owner);
            }
        }
        if existing.as_ref() != Some(&accounts) {
            accounts.write(stack_dir)?;
        }
        Ok(accounts)
    }

    /// An enrolled device.
    ///
    /// # Errors
    /// [`Failure::Failed`] that names a similar one, when there is none of this id.
    pub fn find(&self, id: &str, stack: &StackName) -> Result<&Enrolled, Failure> {
        self.devices.get(id).ok_or_else(|| {
            let similar = crate::similar::similar(id, self.devices.keys().map(String::as_str));
            let hint = similar.map(|similar| format!("did you mean {similar}? ")).unwrap_or_default();
            Failure::Failed {
                cause: format!("stack {stack} has no device {id:?}"),
                remedy: Remedy::words(format!("{hint}{} shows all", stack.about().command("device list"))),
            }
        })
    }

    /// The bridge's login.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the stack is from before there was one.
    pub fn bridge(&self, stack: &StackName) -> Result<&Account, Failure> {
        self.bridge.as_ref().ok_or_else(|| Failure::Failed {
            cause: format!("stack {stack} has no login {BRIDGE_USER} yet: it was made by an earlier version"),
            remedy: stack.about().remedy("up").then(" makes it"),
        })
    }

    /// Gives a device a login of its own; whether it had none.
    pub fn enrol(&mut self, device: &Device) -> bool {
        self.removed.remove(&device.id);
        let is_new = !self.devices.contains_key(&device.id);
        if is_new {
            let enrolled = Enrolled { owner: device.owner.clone(), account: Account::generate() };
            self.devices.insert(device.id.clone(), enrolled);
        }
        is_new
    }

    /// Takes a device's login away for good; whether it had one.
    pub fn remove(&mut self, id: &str) -> bool {
        let was_there = self.devices.remove(id).is_some();
        if was_there {
            self.removed.insert(id.to_owned());
        }
        was_there
    }

    /// Takes away a login that was made for a while, as if it had never been there; whether it was.
    pub fn forget(&mut self, id: &str) -> bool {
        self.devices.remove(id).is_some()
    }

    /// Gives a device, the backend or the bridge another password; whether there is such a login.
    pub fn rotate(&mut self, user: &str) -> bool {
        let account = match user {
            SERVICE_USER => Some(&mut self.service),
            BRIDGE_USER => Some(self.bridge.get_or_insert_with(Account::generate)),
            device => self.devices.get_mut(device).map(|enrolled| &mut enrolled.account),
        };
        account.map(|account| *account = Account::generate()).is_some()
    }

    /// Keeps the accounts, at once or not at all.
    ///
    /// # Errors
    /// When the directory or file cannot be written.
    pub fn write(&self, stack_dir: &Path) -> Result<()> {
        ensure_private_dir(stack_dir)?;
        let text = serde_json::to_vec_pretty(self).context("accounts are plain data")?;
        write_atomic(&stack_dir.join(FILE), &text, 0o600)
    }

    /// Every MQTT user with its account, the backend first.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Account)> {
        let bridge = self.bridge.as_ref().map(|account| (BRIDGE_USER, account));
        let fixed = [(SERVICE_USER, &self.service)].into_iter().chain(bridge).chain([(PROBE_USER, &self.probe)]);
        fixed.chain(self.devices.iter().map(|(id, enrolled)| (id.as_str(), &enrolled.account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_mosquitto_passwd_makes() {
        // Made by: mosquitto_passwd -c -b FILE user secret
        let account = Account { password: Secret::new("secret"), salt: "etrv2nc6qpeq7oHR".to_owned() };
        assert_eq!(
            account.hash(),
            "$7$101$etrv2nc6qpeq7oHR$rdHjgCdTiU89pxYGIaxKm1XLk2OPuvE1nltSwgc5sj+ltpEowG4OTF78Gjy9bNWWeAsk7PK/jQTf3dQ0yOmBng=="
        );
    }

    #[test]
    fn enrolling_again_keeps_passwords_and_forgets_no_device() {
        let dir = tempfile::tempdir().unwrap();
        let device = |id: &str, owner: &str| Device { id: id.to_owned(), owner: Some(owner.to_owned()) };
        let first = Accounts::ensure(dir.path(), &[device("a", "u1"), device("b", "u1")]).unwrap();
        let second = Accounts::ensure(dir.path(), &[device("a", "u2")]).unwrap();
        assert_eq!(first.service.password, second.service.password);
        assert_eq!(first.devices["a"].account.password, second.devices["a"].account.password);
        assert_eq!(second.devices["a"].owner.as_deref(), Some("u2"));
        assert!(second.devices.contains_key("b"));
    }

    #[test]
    fn a_removed_device_stays_away_until_it_is_enrolled_again() {
        let dir = tempfile::tempdir().unwrap();
        let device = Device { id: "a".to_owned(), owner: None };
        let mut accounts = Accounts::ensure(dir.path(), std::slice::from_ref(&device)).unwrap();
        let first = accounts.devices["a"].account.password.clone();
        assert!(accounts.remove("a") && !accounts.remove("a"));
        accounts.write(dir.path()).unwrap();
        let mut accounts = Accounts::ensure(dir.path(), std::slice::from_ref(&device)).unwrap();
        assert!(!accounts.devices.contains_key("a"));
        assert!(accounts.enrol(&device) && !accounts.enrol(&device));
        assert_ne!(accounts.devices["a"].account.password, first);
        assert!(accounts.rotate("a") && accounts.rotate(SERVICE_USER) && !accounts.rotate("b"));
    }

    #[test]
    fn a_stack_of_an_earlier_version_is_given_the_bridges_login_and_keeps_all_others() {
        let dir = tempfile::tempdir().unwrap();
        let device = Device { id: "a".to_owned(), owner: None };
        let mut first = Accounts::ensure(dir.path(), std::slice::from_ref(&device)).unwrap();
        first.bridge = None;
        first.write(dir.path()).unwrap();
        let read = Accounts::read(dir.path()).unwrap().unwrap();
        let refusal = read.bridge(&"sos".parse().unwrap()).unwrap_err();
        assert!(crate::failure::remedy(&refusal.into()).unwrap().as_str().starts_with("sosstack up"));
        assert!(read.users().all(|(user, _)| user != BRIDGE_USER));
        let ensured = Accounts::ensure(dir.path(), &[]).unwrap();
        assert!(ensured.users().any(|(user, _)| user == BRIDGE_USER));
        assert_eq!(Accounts::ensure(dir.path(), &[]).unwrap(), ensured, "it is made once");
        assert_eq!(Accounts { bridge: None, ..ensured }, first);
        let mut rotated = first.clone();
        assert!(rotated.rotate(BRIDGE_USER) && rotated.bridge.is_some());
        assert_eq!(rotated.service, first.service);
    }

    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Accounts::ensure(dir.path(), &[]).unwrap();
        let mode = fs::metadata(dir.path().join("accounts.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
