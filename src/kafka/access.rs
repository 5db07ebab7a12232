//! How a Kafka cluster is reached, and what every client of it is told.

use rdkafka::ClientConfig;

/// Addresses of brokers, and a login where they ask for one.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// `host:port` of some brokers; they name the others.
    pub servers: Vec<String>,
    pub login: Option<Login>,
}

/// SASL PLAIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: String,
}

impl Access {
    /// A cluster that lets everybody in, as the local stack's listeners do.
    pub fn open(servers: &[String]) -> Self {
        Self { servers: servers.to_vec(), login: None }
    }

    /// Settings of every client: connect again soon, and be quiet (events and errors tell).
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.servers.join(","))
            .set("client.id", "sosstack")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.nagle.disable", "true")
            .set("log_level", "0");
        if let Some(Login { username, password }) = &self.login {
            config
                .set("security.protocol", "sasl_plaintext")
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", username)
                .set("sasl.password", password);
        }
        config
    }
}
