//! What the environment and the docker command's settings say of the daemon: `DOCKER_HOST`, contexts, TLS.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::about::Remedy;
use crate::failure::Failure;
use crate::similar::similar;

/// The context that means the usual sockets.
const DEFAULT_CONTEXT: &str = "default";

/// What of the environment tells where the daemon is.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    pub(super) docker_host: Option<String>,
    pub(super) docker_context: Option<String>,
    /// Where the docker command keeps its settings.
    pub(super) docker_config: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
    pub(super) runtime_dir: Option<PathBuf>,
    /// Directory of key.pem, cert.pem and ca.pem, when TLS is asked for.
    pub(super) certificates: Option<PathBuf>,
}

/// The daemon that the user chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) host: String,
    /// Who names it: `DOCKER_HOST`, or a context.
    pub(super) origin: String,
    /// Directory of key.pem, cert.pem and ca.pem.
    pub(super) certificates: Option<PathBuf>,
}

/// A context as the docker command wrote it down.
struct Stored {
    name: String,
    meta: Value,
    /// Of its directories below `meta` and `tls`.
    id: OsString,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let home = text("HOME").map(PathBuf::from);
        let docker_config = text("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".docker")));
        let certificates = text("DOCKER_TLS_VERIFY")
            .and_then(|_| text("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| docker_config.clone()));
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config,
            home,
            runtime_dir: text("XDG_RUNTIME_DIR").map(PathBuf::from),
            certificates,
        }
    }

    /// The daemon that the user chose; None where the usual sockets are meant.
    ///
    /// # Errors
    /// [`Failure::Usage`] when a context is named that is not there, or asks for what cannot be done: to take another
    /// daemon instead would act on the wrong one.
    pub(super) fn chosen(&self) -> Result<Option<Chosen>, Failure> {
        if let Some(host) = &self.docker_host {
            let (host, origin) = (host.clone(), "DOCKER_HOST".to_owned());
            return Ok(Some(Chosen { host, origin, certificates: self.certificates.clone() }));
        }
        let named = self.docker_context.clone().map(|name| (name, "DOCKER_CONTEXT"));
        match named.or_else(|| Some((self.current_context()?, "currentContext of the docker command's settings"))) {
            None => Ok(None),
            Some((name, _)) if name == DEFAULT_CONTEXT => Ok(None),
            Some((name, named_by)) => self.context(&name, named_by).map(Some),
        }
    }

    fn context(&self, name: &str, named_by: &str) -> Result<Chosen, Failure> {
        let stored = self.contexts();
        let Some(context) = stored.iter().find(|context| context.name == name) else {
            return Err(no_such_context(name, named_by, &stored));
        };
        let refuse = |problem: &str| Failure::Usage {
            cause: format!("Docker's context {name}, which {named_by} names, {problem}"),
            remedy: Remedy::words("correct it (docker context update), or choose another: docker context use NAME"),
        };
        let endpoint = context.meta.pointer("/Endpoints/docker").ok_or_else(|| refuse("has no Docker endpoint"))?;
        if endpoint.get("SkipTLSVerify").and_then(Value::as_bool) == Some(true) {
            return Err(refuse("skips the verification of TLS certificates, which sosstack never does"));
        }
        let host = endpoint.get("Host").and_then(Value::as_str).ok_or_else(|| refuse("names no host"))?.to_owned();
        let tls = self.docker_config.as_ref().map(|dir| dir.join("contexts/tls").join(&context.id).join("docker"));
        let origin = format!("Docker's context {name}");
        Ok(Chosen { host, origin, certificates: tls.filter(|dir| dir.is_dir()) })
    }

    fn current_context(&self) -> Option<String> {
        let config = read_json(&self.docker_config.as_ref()?.join("config.json"))?;
        config.get("currentContext")?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// Contexts lie in directories named after digests, so look into each.
    fn contexts(&self) -> Vec<Stored> {
        let dir = self.docker_config.as_ref().map(|dir| dir.join("contexts/meta"));
        let entries = dir.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
        let stored = entries.filter_map(|entry| {
            let meta = read_json(&entry.path().join("meta.json"))?;
            Some(Stored { name: meta.get("Name")?.as_str()?.to_owned(), meta, id: entry.file_name() })
        });
        stored.collect()
    }

    pub(super) fn usual_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
        sockets.extend(self.home.iter().map(|home| home.join(".docker/run/docker.sock")));
        sockets.extend(self.runtime_dir.iter().map(|dir| dir.join("docker.sock")));
        sockets.extend(self.runtime_dir.iter().map(|dir| dir.join("podman/podman.sock")));
        sockets.push(PathBuf::from("/run/podman/podman.sock"));
        sockets
    }
}

fn no_such_context(name: &str, named_by: &str, stored: &[Stored]) -> Failure {
    let names = || stored.iter().map(|context| context.name.as_str()).chain([DEFAULT_CONTEXT]);
    let hint = similar(name, names()).map(|similar| format!("did you mean {similar}? ")).unwrap_or_default();
    Failure::Usage {
        cause: format!("there is no Docker context {name:?}, which {named_by} names"),
        remedy: Remedy::words(format!("{hint}choose one of: {}", names().collect::<Vec<_>>().join(", "))),
    }
}

pub(super) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path, endpoint: &str) -> Surroundings {
        let meta = dir.join("contexts/meta/0f1e");
        fs::create_dir_all(&meta).unwrap();
        fs::write(dir.join("config.json"), r#"{"auths": {}, "currentContext": "colima"}"#).unwrap();
        let text = format!(r#"{{"Name": "colima", "Endpoints": {{"docker": {endpoint}}}}}"#);
        fs::write(meta.join("meta.json"), text).unwrap();
        Surroundings { docker_config: Some(dir.to_owned()), ..Surroundings::default() }
    }

    const COLIMA: &str = r#"{"Host": "unix:///run/colima.sock"}"#;

    #[test]
    fn the_host_goes_before_the_context() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = settings(dir.path(), COLIMA);
        surroundings.certificates = Some("/env/certificates".into());
        let chosen = surroundings.chosen().unwrap().unwrap();
        assert_eq!((chosen.host.as_str(), chosen.certificates), ("unix:///run/colima.sock", None));
        surroundings.docker_host = Some("tcp://127.0.0.1:2375".to_owned());
        let chosen = surroundings.chosen().unwrap().unwrap();
        assert_eq!((chosen.host.as_str(), chosen.certificates), ("tcp://127.0.0.1:2375", surroundings.certificates));
    }

    #[test]
    fn the_default_context_is_no_choice() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = settings(dir.path(), COLIMA);
        surroundings.docker_context = Some("default".to_owned());
        assert_eq!(surroundings.chosen().unwrap(), None);
    }

    #[test]
    fn a_context_that_is_not_there_is_refused_whoever_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = settings(dir.path(), COLIMA);
        surroundings.docker_context = Some("colma".to_owned());
        let typo = surroundings.chosen().unwrap_err();
        assert_eq!(typo.to_string(), "there is no Docker context \"colma\", which DOCKER_CONTEXT names");
        assert_eq!(typo.remedy().unwrap().as_str(), "did you mean colima? choose one of: colima, default");
        assert_eq!(typo.exit_code(), 2);

        surroundings.docker_context = None;
        fs::remove_dir_all(dir.path().join("contexts")).unwrap();
        let stale = surroundings.chosen().unwrap_err().to_string();
        assert!(stale.contains("\"colima\", which currentContext of the docker command's settings names"), "{stale}");
    }

    #[test]
    fn a_context_brings_its_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let surroundings = settings(dir.path(), r#"{"Host": "tcp://127.0.0.1:2376", "SkipTLSVerify": false}"#);
        let tls = dir.path().join("contexts/tls/0f1e/docker");
        fs::create_dir_all(&tls).unwrap();
        assert_eq!(surroundings.chosen().unwrap().unwrap().certificates, Some(tls));
        let surroundings = settings(dir.path(), r#"{"Host": "tcp://127.0.0.1:2376", "SkipTLSVerify": true}"#);
        assert!(surroundings.chosen().unwrap_err().to_string().contains("skips the verification"));
    }
}
