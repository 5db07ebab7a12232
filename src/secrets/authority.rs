//! A certificate authority of the stack's own, and the certificate of the MQTT listener with TLS.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Secret, secret};
use crate::paths::{ensure_private_dir, write_atomic};
use crate::stack::StackName;

const FILE: &str = "authority.json";

/// The file that clients are told to trust.
pub fn ca_file(stack_dir: &Path) -> PathBuf {
    stack_dir.join("ca.pem")
}

/// The authority: a self-signed certificate and its key, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Authority {
    pub certificate: String,
    #[serde(serialize_with = "secret::to_private_file")]
    key: Secret,
}

/// What Mosquitto presents on 8883, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerCertificate {
    pub certificate: String,
    #[serde(serialize_with = "secret::to_private_file")]
    pub key: Secret,
    /// The names and addresses it is valid for.
    names: Vec<String>,
    expires: Timestamp,
}

impl Authority {
    /// Whether the stack has one.
    pub fn exists(stack_dir: &Path) -> bool {
        stack_dir.join(FILE).exists()
    }

    /// Reads the stack's authority or makes one that is valid for ten years, and keeps `ca.pem` beside it.
    ///
    /// # Errors
    /// When its file cannot be read, or the directory not be written.
    pub fn ensure(stack_dir: &Path, name: &StackName) -> Result<Self> {
        ensure_private_dir(stack_dir)?;
        let path = stack_dir.join(FILE);
        let authority = if let Some(authority) = read(&path)? {
            authority
        } else {
            let authority = Self::generate(name)?;
            write_atomic(&path, &serde_json::to_vec_pretty(&authority)?, 0o600)?;
            authority
        };
        let public = ca_file(stack_dir);
        if fs::read_to_string(&public).ok().as_ref() != Some(&authority.certificate) {
            write_atomic(&public, authority.certificate.as_bytes(), 0o644)?;
        }
        Ok(authority)
    }

    fn generate(name: &StackName) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("sosstack {name} local authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid_until(&mut params, Timestamp::now() + (24 * 3650).hours());
        let key = KeyPair::generate().context("making the authority's key")?;
        let certificate = params.self_signed(&key).context("signing the authority's certificate")?;
        Ok(Self { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
    }

    fn issue(&self, names: &[String]) -> Result<ServerCertificate> {
        // 825 days is the longest that Apple's clients accept of a server's certificate.
        let expires = Timestamp::now() + (24 * 824).hours();
        let mut params = CertificateParams::new(names).context("naming the server's certificate")?;
        params.distinguished_name = common_name(names.first().map_or("localhost", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_until(&mut params, expires);
        let authority_key = KeyPair::from_pem(self.key.reveal()).context("reading the authority's key")?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, authority_key).context("reading the authority")?;
        let key = KeyPair::generate().context("making the server's key")?;
        let certificate = params.signed_by(&key, &issuer).context("signing the server's certificate")?;
        Ok(ServerCertificate {
            certificate: certificate.pem(),
            key: Secret::new(key.serialize_pem()),
            names: names.to_vec(),
            expires,
        })
    }
}

impl ServerCertificate {
    /// Reads the server's certificate; None when the stack has none yet.
    ///
    /// # Errors
    /// When its file cannot be read or is damaged.
    pub fn read(stack_dir: &Path) -> Result<Option<Self>> {
        read(&stack_dir.join("server.json"))
    }

    /// Until when it is valid.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Reads the server's certificate, or has `authority` issue one when there is none, it is for
    /// other names, or it ends within 30 days.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn ensure(stack_dir: &Path, authority: &Authority, names: &[String]) -> Result<Self> {
        let path = stack_dir.join("server.json");
        if let Some(existing) = read::<Self>(&path)? {
            let lasts = existing.expires > Timestamp::now() + (24 * 30).hours();
            if lasts && existing.names == names {
                return Ok(existing);
            }
        }
        let issued = authority.issue(names)?;
        write_atomic(&path, &serde_json::to_vec_pretty(&issued)?, 0o600)?;
        Ok(issued)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From yesterday, as clocks differ, until the day of `end`.
fn valid_until(params: &mut CertificateParams, end: Timestamp) {
    let day = |at: Timestamp| {
        let date = jiff::tz::TimeZone::UTC.to_datetime(at).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(Timestamp::now() - 24.hours());
    params.not_after = day(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_its_names_change() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(dir.path(), &"sos".parse().unwrap()).unwrap();
        let first = ServerCertificate::ensure(dir.path(), &authority, &names(&["localhost", "127.0.0.1"])).unwrap();
        let again = ServerCertificate::ensure(dir.path(), &authority, &names(&["localhost", "127.0.0.1"])).unwrap();
        let other = ServerCertificate::ensure(dir.path(), &authority, &names(&["localhost"])).unwrap();
        assert_eq!(first.certificate, again.certificate);
        assert_ne!(first.certificate, other.certificate);
    }

    #[test]
    fn the_authority_outlives_the_run_that_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let name = "sos".parse().unwrap();
        let first = Authority::ensure(dir.path(), &name).unwrap();
        fs::remove_file(ca_file(dir.path())).unwrap();
        assert_eq!(Authority::ensure(dir.path(), &name).unwrap().certificate, first.certificate);
        assert_eq!(fs::read_to_string(ca_file(dir.path())).unwrap(), first.certificate);
    }
}
