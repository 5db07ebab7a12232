//! Other clusters than the local stack, by name: where they are and who logs in, never a password.

mod password;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::about::{About, Remedy};
use crate::endpoints::Address;
use crate::failure::Failure;
use crate::kafka::access::{Mechanism, Tls};
use crate::mqtt::access::{Login, Transport};
use crate::paths::{Paths, ensure_private_dir, write_atomic};
use crate::stack::device::{PROBE_PRESS, PROBE_USER};
use crate::stack::ports::PortName;
use crate::stack::topic::PROBE_TOPIC;
use crate::{kafka, mqtt};

use password::Password;

pub use crate::mqtt::access::MQTT_PASSWORD;

/// The name that stands for the local stack.
pub const LOCAL: &str = "local";
/// Where the password of brokers comes from that arguments name, as [`MQTT_PASSWORD`] for MQTT. A context has variables
/// of its own, which end in its name: a password must not go to whichever context happens to be in use.
pub const KAFKA_PASSWORD: &str = "SOSSTACK_KAFKA_PASSWORD";
/// As [`KAFKA_PASSWORD`], of the bridge's probe.
const PROBE_PASSWORD: &str = "SOSSTACK_PROBE_PASSWORD";

/// Where a cluster is, and who logs in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// `host:port` of some brokers.
    pub bootstrap: Vec<String>,
    /// Who logs in by SASL.
    pub kafka_user: Option<String>,
    pub kafka_password_file: Option<PathBuf>,
    #[schemars(with = "String")]
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

    /// Adds a cluster, or puts it in place of the one that had the name.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the name is the local stack's, or its URL is not valid.
    pub fn add(&mut self, name: &str, cluster: Cluster) -> Result<&Cluster, Failure> {
        if name == LOCAL {
            return Err(reserved());
        }
        cluster.check()?;
        self.contexts.insert(name.to_owned(), cluster);
        Ok(&self.contexts[name])
    }

    /// Makes a cluster, or the local stack, the one that is used when none is named.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none of that name.
    pub fn choose(&mut self, name: &str) -> Result<(), Failure> {
        self.find(name)?;
        self.current = (name != LOCAL).then(|| name.to_owned());
        Ok(())
    }

    /// Forgets a cluster; where it was used when none is named, the local stack is.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there is none of that name, or it is the local stack.
    pub fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.find(name)?.ok_or_else(reserved)?;
        self.contexts.remove(name);
        self.current.take_if(|current| current == name);
        Ok(())
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
                remedy: Remedy::words(format!("{hint}{} shows all", About::this_machine().command("context list"))),
            }
        })
    }
}

fn reserved() -> Failure {
    let cause = format!("{LOCAL:?} is the local stack, and always there");
    Failure::Usage { cause, remedy: Remedy::words("choose another name") }
}

fn file(paths: &Paths) -> PathBuf {
    paths.data.join("contexts.json")
}

impl Cluster {
    /// How its Kafka is reached; `context` is its name, where it has one.
    ///
    /// # Errors
    /// When a password is missing or lies open.
    pub fn kafka(&self, context: Option<&str>, about: &About) -> Result<Option<kafka::access::Access>> {
        if self.bootstrap.is_empty() {
            return Ok(None);
        }
        let login = match &self.kafka_user {
            None => None,
            Some(username) => {
                let Password { password, from } =
                    password::of(KAFKA_PASSWORD, context, self.kafka_password_file.as_deref(), username)?;
                let (username, mechanism) = (username.clone(), self.kafka_sasl);
                Some(kafka::access::Login { username, password, password_from: from, mechanism })
            }
        };
        let tls = self
            .kafka_tls
            .then(|| Tls { ca_file: self.ca.clone(), identity: self.kafka_cert.clone().zip(self.kafka_key.clone()) });
        self.check_files()?;
        Ok(Some(kafka::access::Access { servers: self.bootstrap.clone(), login, tls, about: about.clone() }))
    }

    /// Kafka's library would say of a missing file only that it cannot be loaded.
    fn check_files(&self) -> Result<(), Failure> {
        for file in [&self.ca, &self.kafka_cert, &self.kafka_key].into_iter().flatten() {
            fs::File::open(file).map_err(|error| Failure::Usage {
                cause: format!("{} cannot be read: {error}", file.display()),
                remedy: Remedy::words("name a PEM file"),
            })?;
        }
        Ok(())
    }

    /// How its MQTT server is reached; `context` is its name, where it has one.
    ///
    /// # Errors
    /// When the URL is not valid, or a password is missing or lies open.
    pub fn mqtt(&self, context: Option<&str>) -> Result<Option<mqtt::access::Access>> {
        let Some(text) = &self.mqtt else { return Ok(None) };
        let server = Server::parse(text)?;
        let transport = match (server.tls, &self.ca) {
            (false, _) => Transport::Tcp,
            (true, Some(ca_file)) => Transport::Tls { ca_file: ca_file.clone() },
            (true, None) => bail!(Failure::Usage {
                cause: format!("{text} needs a CA certificate"),
                remedy: Remedy::words(
                    "name one with --ca FILE, such as the system's: /etc/ssl/certs/ca-certificates.crt"
                ),
            }),
        };
        let login = match server.username {
            None => None,
            Some(username) => {
                let password =
                    password::of(MQTT_PASSWORD, context, self.mqtt_password_file.as_deref(), &username)?.password;
                Some(Login::new(username, password))
            }
        };
        Ok(Some(mqtt::access::Access { address: server.address, transport, login }))
    }

    /// As [`Cluster::mqtt`], as the bridge's probe, whose password is in the environment alone.
    ///
    /// # Errors
    /// As for [`Cluster::mqtt`].
    pub fn mqtt_probe(&self, context: Option<&str>) -> Result<Option<mqtt::access::Access>> {
        let Some(access) = self.mqtt(context)? else { return Ok(None) };
        let Some(found) = password::find(PROBE_PASSWORD, context, None, PROBE_USER)? else {
            let variable = password::variable_of(PROBE_PASSWORD, context);
            bail!(Failure::Usage {
                cause: format!("there is no password for {PROBE_USER}, as which the probe presses"),
                remedy: Remedy::words(format!(
                    "put it into {variable}; that login writes {PROBE_PRESS}, the bridge's own reads it, and Kafka has the \
                     topic {PROBE_TOPIC}"
                )),
            })
        };
        let login = Some(Login::new(PROBE_USER, found.password));
        Ok(Some(mqtt::access::Access { login, ..access }))
    }

    /// Where it is, for people.
    pub fn addresses(&self) -> String {
        let kafka = (!self.bootstrap.is_empty()).then(|| self.bootstrap.join(","));
        [kafka, self.mqtt.clone()].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// Whose passwords anyone on the way could read, each in a sentence with its remedy.
    pub fn exposed_passwords(&self) -> Vec<String> {
        let mut words = Vec::new();
        let host_of = |server: &String| server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host).to_owned();
        let in_clear = !self.kafka_tls && self.kafka_sasl == Mechanism::Plain;
        let away = self.bootstrap.iter().map(host_of).find(|host| !is_this_machine(host));
        if let (true, Some(user), Some(host)) = (in_clear, &self.kafka_user, away) {
            words.push(format!(
                "the password of {user} crosses the network to {host} in clear text: use --kafka-tls, or --kafka-sasl \
                 scram-sha-512, which does not send it"
            ));
        }
        let server = self.mqtt.as_deref().and_then(|text| Server::parse(text).ok()).filter(|server| !server.tls);
        if let Some(Server { address, username: Some(user), .. }) = server
            && !is_this_machine(&address.host)
        {
            words.push(format!(
                "the password of {user} crosses the network to {} in clear text: use mqtts://",
                address.host
            ));
        }
        words
    }

    /// Whether its URL can be understood.
    ///
    /// # Errors
    /// [`Failure::Usage`] when not.
    fn check(&self) -> Result<(), Failure> {
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
            remedy: Remedy::words(format!(
                "write mqtt://USER@HOST:{} or mqtts://USER@HOST:{}",
                PortName::Mqtt.number(),
                PortName::Mqtts.number()
            )),
        };
        let url = Url::parse(text).map_err(|error| refuse(format!("{text:?} is not a URL: {error}")))?;
        if url.password().is_some() {
            // Not repeated here: it holds the password.
            let cause = "a password must not be in a URL, where others can see it".to_owned();
            return Err(Failure::Usage { cause, remedy: Remedy::words(format!("put it into {MQTT_PASSWORD}")) });
        }
        let (tls, port) = match url.scheme() {
            "mqtt" => (false, PortName::Mqtt.number()),
            "mqtts" => (true, PortName::Mqtts.number()),
            other => return Err(refuse(format!("{other}:// is not MQTT over TCP or TLS"))),
        };
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse(format!("{text:?} has no host")))?;
        let address = Address { host: host.trim_matches(['[', ']']).to_owned(), port: url.port().unwrap_or(port) };
        let username = percent_decode_str(url.username()).decode_utf8();
        let username = username.map_err(|_| refuse(format!("the user in {text:?} is not UTF-8")))?.into_owned();
        Ok(Self { address, tls, username: Some(username).filter(|name| !name.is_empty()) })
    }
}

/// Whether nothing that is said to this host leaves this machine.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_from_its_url() {
        let server = Server::parse("mqtts://backend@broker.example:8884").unwrap();
        assert_eq!(server.address.to_string(), "broker.example:8884");
        assert_eq!((server.tls, server.username.as_deref()), (true, Some("backend")));
        let encoded = Server::parse("mqtt://sos%40city%2Fnorth@broker.example").unwrap();
        assert_eq!(encoded.username.as_deref(), Some("sos@city/north"));
        let plain = Server::parse("mqtt://localhost").unwrap();
        assert_eq!((plain.address.port, plain.tls, plain.username), (1883, false, None));
        let words = |text: &str| Server::parse(text).err().unwrap().to_string();
        assert!(words("http://a").contains("http://"));
        assert!(words("mqtt://%ff@host").contains("not UTF-8"));
        assert!(words("nonsense").contains("not a URL"));
        let secret = words("mqtt://user:secret@host");
        assert!(secret.contains("must not be in a URL") && !secret.contains("secret@"), "{secret}");
    }

    #[test]
    fn what_is_removed_is_not_used_any_more() {
        let mut contexts = Contexts::default();
        contexts.add("prod", Cluster::default()).unwrap();
        contexts.choose("prod").unwrap();
        assert!(contexts.add(LOCAL, Cluster::default()).is_err() && contexts.remove(LOCAL).is_err());
        contexts.remove("prod").unwrap();
        assert_eq!(contexts, Contexts::default());
        assert!(contexts.remove("prod").is_err() && contexts.choose("prod").is_err());
    }

    #[test]
    fn a_password_that_leaves_this_machine_in_clear_is_named() {
        let kafka = |server: &str, kafka_tls, kafka_sasl| Cluster {
            bootstrap: vec![server.to_owned()],
            kafka_user: Some("backend".to_owned()),
            kafka_tls,
            kafka_sasl,
            ..Cluster::default()
        };
        let exposed = kafka("kafka.example.org:9092", false, Mechanism::Plain).exposed_passwords();
        assert!(exposed[0].contains("backend") && exposed[0].contains("kafka.example.org"), "{exposed:?}");
        for safe in [
            kafka("127.0.0.1:9092", false, Mechanism::Plain),
            kafka("[::1]:9092", false, Mechanism::Plain),
            kafka("kafka.example.org:9092", true, Mechanism::Plain),
            kafka("kafka.example.org:9092", false, Mechanism::ScramSha512),
        ] {
            assert!(safe.exposed_passwords().is_empty(), "{}", safe.addresses());
        }
        let mqtt = |url: &str| Cluster { mqtt: Some(url.to_owned()), ..Cluster::default() }.exposed_passwords().len();
        assert_eq!((mqtt("mqtt://u@broker.example"), mqtt("mqtts://u@broker.example")), (1, 0));
        assert_eq!((mqtt("mqtt://broker.example"), mqtt("mqtt://u@localhost")), (0, 0));
    }
}
