//! Other clusters than the local stack, by name: where they are and who logs in, never a password.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::endpoints::Address;
use crate::failure::Failure;
use crate::kafka::access::{Mechanism, Tls};
use crate::mqtt::connection::{Login, Transport};
use crate::paths::{Paths, ensure_private_dir, write_atomic};
use crate::{kafka, mqtt};

/// The name that stands for the local stack.
pub const LOCAL: &str = "local";
/// Where passwords come from before any file.
pub const KAFKA_PASSWORD: &str = "SOSSTACK_KAFKA_PASSWORD";
pub const MQTT_PASSWORD: &str = "SOSSTACK_MQTT_PASSWORD";

/// Where a cluster is, and who logs in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// `host:port` of some brokers.
    pub bootstrap: Vec<String>,
    /// Who logs in by SASL.
    pub kafka_user: Option<String>,
    pub kafka_password_file: Option<PathBuf>,
    pub kafka_sasl: Mechanism,
    pub kafka_tls: bool,
    /// PEM files of our own certificate and its key.
    pub kafka_cert: Option<PathBuf>,
    pub kafka_key: Option<PathBuf>,
    /// `mqtt://` or `mqtts://`, with the user in it.
    pub mqtt: Option<String>,
    pub mqtt_password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the servers' certificates.
    pub ca: Option<PathBuf>,
}

/// All of them, and which one is used when none is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contexts {
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Cluster>,
}

impl Contexts {
    /// None are there before the first is added.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read(paths: &Paths) -> Result<Self> {
        let file = file(paths);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
        }
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, paths: &Paths) -> Result<()> {
        ensure_private_dir(&paths.data)?;
        write_atomic(&file(paths), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// The cluster of a name; None is the local stack.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none of that name.
    pub fn find(&self, name: &str) -> Result<Option<&Cluster>, Failure> {
        if name == LOCAL {
            return Ok(None);
        }
        self.contexts.get(name).map(Some).ok_or_else(|| {
            let meant = crate::similar::similar(name, self.contexts.keys().map(String::as_str));
            let hint = meant.map(|name| format!("did you mean {name}? ")).unwrap_or_default();
            Failure::Usage {
                cause: format!("there is no context {name:?}"),
                remedy: format!("{hint}sosstack context list shows all"),
            }
        })
    }
}

fn file(paths: &Paths) -> PathBuf {
    paths.data.join("contexts.json")
}

impl Cluster {
    /// # Errors
    /// When a password is missing or lies open.
    pub fn kafka(&self) -> Result<Option<kafka::access::Access>> {
        if self.bootstrap.is_empty() {
            return Ok(None);
        }
        let login = match &self.kafka_user {
            None => None,
            Some(username) => {
                let password = password(KAFKA_PASSWORD, self.kafka_password_file.as_deref(), username)?;
                Some(kafka::access::Login { username: username.clone(), password, mechanism: self.kafka_sasl })
            }
        };
        let tls = self
            .kafka_tls
            .then(|| Tls { ca_file: self.ca.clone(), identity: self.kafka_cert.clone().zip(self.kafka_key.clone()) });
        self.check_files()?;
        Ok(Some(kafka::access::Access { servers: self.bootstrap.clone(), login, tls }))
    }

    /// Kafka's library would say of a missing file only that it cannot be loaded.
    fn check_files(&self) -> Result<(), Failure> {
        for file in [&self.ca, &self.kafka_cert, &self.kafka_key].into_iter().flatten() {
            fs::File::open(file).map_err(|error| Failure::Usage {
                cause: format!("{} cannot be read: {error}", file.display()),
                remedy: "name a PEM file".to_owned(),
            })?;
        }
        Ok(())
    }

    /// # Errors
    /// When the URL is none, or a password is missing or lies open.
    pub fn mqtt(&self) -> Result<Option<mqtt::access::Access>> {
        let Some(text) = &self.mqtt else { return Ok(None) };
        let server = Server::parse(text)?;
        let transport = match (server.tls, &self.ca) {
            (false, _) => Transport::Tcp,
            (true, Some(ca_file)) => Transport::Tls { ca_file: ca_file.clone() },
            (true, None) => bail!(Failure::Usage {
                cause: format!("{text} needs the certificate of its authority"),
                remedy: "--ca FILE, which may be the system's: /etc/ssl/certs/ca-certificates.crt".to_owned(),
            }),
        };
        let login = match server.username {
            None => None,
            Some(username) => {
                let password = password(MQTT_PASSWORD, self.mqtt_password_file.as_deref(), &username)?;
                Some(Login { username, password })
            }
        };
        Ok(Some(mqtt::access::Access { address: server.address, transport, login }))
    }

    /// Whether its URL can be understood.
    ///
    /// # Errors
    /// [`Failure::Usage`] when not.
    pub fn check(&self) -> Result<(), Failure> {
        self.mqtt.as_deref().map_or(Ok(()), |text| Server::parse(text).map(drop))
    }
}

/// What the URL of an MQTT server says.
struct Server {
    address: Address,
    tls: bool,
    username: Option<String>,
}

impl Server {
    fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |cause: String| Failure::Usage {
            cause,
            remedy: "write mqtt://USER@HOST:1883 or mqtts://USER@HOST:8883".to_owned(),
        };
        let url = Url::parse(text).map_err(|error| refuse(format!("{text:?} is no URL: {error}")))?;
        if url.password().is_some() {
            // Not repeated here: it holds the password.
            let cause = "a password has no place in a URL, which others can see".to_owned();
            return Err(Failure::Usage { cause, remedy: format!("put it into {MQTT_PASSWORD}") });
        }
        let (tls, port) = match url.scheme() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => return Err(refuse(format!("{other}:// is no MQTT over TCP or TLS"))),
        };
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse(format!("{text:?} names no host")))?;
        let address = Address { host: host.trim_matches(['[', ']']).to_owned(), port: url.port().unwrap_or(port) };
        let username = Some(url.username()).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { address, tls, username })
    }
}

/// From the environment, else from a file that only its owner may read.
fn password(variable: &str, file: Option<&Path>, username: &str) -> Result<String> {
    if let Ok(password) = std::env::var(variable) {
        return Ok(password);
    }
    let Some(file) = file else {
        bail!(Failure::Usage {
            cause: format!("there is no password for {username}"),
            remedy: format!("put it into {variable}, or name a file of mode 0600 in the context"),
        })
    };
    let reading = || format!("reading the password of {username} from {}", file.display());
    let mode = fs::metadata(file).with_context(reading)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(Failure::Usage {
            cause: format!("others may read the password in {}", file.display()),
            remedy: format!("chmod 600 {}", file.display()),
        });
    }
    let text = fs::read_to_string(file).with_context(reading)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_from_its_url() {
        let server = Server::parse("mqtts://backend@broker.example:8884").unwrap();
        assert_eq!(server.address.to_string(), "broker.example:8884");
        assert_eq!((server.tls, server.username.as_deref()), (true, Some("backend")));
        let plain = Server::parse("mqtt://localhost").unwrap();
        assert_eq!((plain.address.port, plain.tls, plain.username), (1883, false, None));
        let words = |text: &str| Server::parse(text).err().unwrap().to_string();
        assert!(words("http://a").contains("http://"));
        assert!(words("nonsense").contains("no URL"));
        let secret = words("mqtt://user:secret@host");
        assert!(secret.contains("no place") && !secret.contains("secret@"), "{secret}");
    }

    #[test]
    fn a_password_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(password("SOSSTACK_NO_SUCH", Some(&path), "u").unwrap_err().to_string().contains("others may read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(password("SOSSTACK_NO_SUCH", Some(&path), "u").unwrap(), "secret");
        assert!(password("SOSSTACK_NO_SUCH", None, "u").is_err());
    }
}
