//! How an MQTT server is reached, and what its refusals mean.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, PoisonError, RwLock};

use anyhow::{Context, Result, anyhow};
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::endpoints::{Address, Endpoints};
use crate::secrets::{Account, Secret};
use crate::stack::device::PROBE_USER;

/// Where the password of a server comes from that arguments name.
pub const MQTT_PASSWORD: &str = "SOSSTACK_MQTT_PASSWORD";

/// Where the server is, and who logs in.
#[derive(Debug, Clone)]
pub struct Access {
    pub address: Address,
    /// TCP or TLS.
    pub transport: Transport,
    /// None where the server lets everybody in.
    pub login: Option<Login>,
}

impl Access {
    /// The backend's way to a local stack.
    pub fn service(endpoints: &Endpoints) -> Self {
        Self { address: endpoints.mqtt.clone(), transport: Transport::Tcp, login: Some(Login::service(endpoints)) }
    }

    /// The probe's way there.
    pub fn probe(endpoints: &Endpoints, probe: &Account) -> Self {
        Self { login: Some(Login::new(PROBE_USER, probe.password.clone())), ..Self::service(endpoints) }
    }

    /// Who logs in, for people.
    pub fn username(&self) -> &str {
        self.login.as_ref().map_or("anonymous", |login| login.username.as_str())
    }
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Login {
    pub username: String,
    /// Shared by all clones.
    password: Arc<RwLock<Secret>>,
}

impl Login {
    pub fn new(username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password: Arc::new(RwLock::new(password)) }
    }

    /// The backend's.
    pub fn service(endpoints: &Endpoints) -> Self {
        Self::new(&endpoints.username, endpoints.password.clone())
    }

    /// What the next connection logs in with.
    pub fn password(&self) -> Secret {
        self.password.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has all later connections with this login and its clones take another password; whether it is another one.
    pub fn renew(&self, password: Secret) -> bool {
        let mut present = self.password.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = *present != password;
        *present = password;
        is_news
    }
}

/// How the connection is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    /// The server's certificate must be signed by an authority of this PEM file.
    Tls {
        ca_file: PathBuf,
    },
}

/// The trust that a PEM file of authorities gives.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(super) fn tls(ca_file: &Path) -> Result<Arc<ClientConfig>> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Docker's client may have installed the same one before.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    });
    let reading = || format!("reading the authority's certificate {}", ca_file.display());
    let pem = fs::read(ca_file).with_context(reading)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.with_context(reading)?).with_context(reading)?;
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

const REFUSED_LOGIN: &str = "wrong user name or password";

/// Whether an error is the server's word that user name or password are wrong.
pub fn is_refused_login(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| tells_of_refused_login(&cause.to_string()))
}

/// As [`is_refused_login`], by the error's words.
pub fn tells_of_refused_login(words: &str) -> bool {
    words.contains(REFUSED_LOGIN)
}

/// Why a server did not let us in.
pub(super) fn refused(code: ConnectReturnCode, address: &Address, username: &str) -> anyhow::Error {
    match code {
        ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword => {
            anyhow!("{address} refuses the login of {username}: {REFUSED_LOGIN}")
        }
        code => anyhow!("{address} refuses the connection: {code:?}"),
    }
}
