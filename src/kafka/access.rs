//! How a Kafka cluster is reached, and what every client of it is told.

use std::path::PathBuf;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use super::client::client_config;
use crate::about::About;
use crate::endpoints::Endpoints;
use crate::secrets::Secret;

/// Addresses of brokers, and how they are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `host:port` of some brokers; they name the others.
    pub servers: Vec<String>,
    /// A login where they ask for one.
    pub login: Option<Login>,
    /// None: in the clear.
    pub tls: Option<Tls>,
    /// How commands name this cluster.
    pub about: About,
}

/// Who logs in by SASL, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
    /// A variable or a file, for the message that it is wrong.
    pub password_from: String,
    pub mechanism: Mechanism,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The password itself: in the clear without TLS.
    #[default]
    Plain,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its name in the protocol (RFC 4422, RFC 7677).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Whom we trust, and who we are; all of them PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The authority that signed the brokers' certificates; None: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key, where brokers ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Access {
    /// A stack of this machine, whose listeners let everybody in.
    pub fn of_stack(endpoints: &Endpoints) -> Self {
        Self { servers: endpoints.kafka.clone(), login: None, tls: None, about: endpoints.about.clone() }
    }

    /// Settings of a client that begins with this broker.
    pub(super) fn of_one(&self, server: &str) -> ClientConfig {
        let mut config = self.config();
        config.set("bootstrap.servers", server);
        config
    }

    /// Settings of every client: connect again soon, and be quiet (events and errors tell).
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = client_config();
        config
            .set("bootstrap.servers", self.servers.join(","))
            .set("client.id", "sosstack")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.nagle.disable", "true")
            .set("log_level", "0")
            .set("security.protocol", self.protocol());
        if let Some(Login { username, password, mechanism, .. }) = &self.login {
            config
                .set("sasl.mechanism", mechanism.as_str())
                .set("sasl.username", username)
                .set("sasl.password", password.reveal());
        }
        if let Some(tls) = &self.tls {
            if let Some(file) = &tls.ca_file {
                config.set("ssl.ca.location", file.display().to_string());
            }
            if let Some((certificate, key)) = &tls.identity {
                config
                    .set("ssl.certificate.location", certificate.display().to_string())
                    .set("ssl.key.location", key.display().to_string());
            }
        }
        config
    }

    /// As Kafka names it.
    pub(super) fn protocol(&self) -> &'static str {
        match (&self.login, &self.tls) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        }
    }
}
