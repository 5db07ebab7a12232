//! Finds the daemon: `DOCKER_HOST`, the docker command's context, then the usual sockets.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::answers;
use crate::about::Remedy;
use crate::failure::Failure;

/// How long a daemon may take to say its version; a busy one takes milliseconds.
const DIAL: Duration = Duration::from_secs(5);
/// The longest that any one answer may take to begin: creating a container on a busy disk.
const ANSWER_SECONDS: u64 = 180;
/// Docker 19.03, and Podman since 3.0.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 40 };

const OTHERWISE: &str = "or run without Docker: --runtime process";

/// What of the environment tells where the daemon is.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    docker_host: Option<String>,
    docker_context: Option<String>,
    /// Where the docker command keeps its settings.
    docker_config: Option<PathBuf>,
    home: Option<PathBuf>,
    runtime_dir: Option<PathBuf>,
    /// Directory of key.pem, cert.pem and ca.pem, when TLS is asked for.
    certificates: Option<PathBuf>,
}

impl Surroundings {
    fn of_this_process() -> Self {
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

    /// The address that the user chose, and how.
    fn chosen(&self) -> Option<(String, String)> {
        if let Some(host) = &self.docker_host {
            return Some((host.clone(), "DOCKER_HOST".to_owned()));
        }
        let context = self.docker_context.clone().or_else(|| self.current_context())?;
        let host = self.context_host(&context)?;
        Some((host, format!("Docker's context {context}")))
    }

    fn current_context(&self) -> Option<String> {
        let config = read_json(&self.docker_config.as_ref()?.join("config.json"))?;
        Some(config.get("currentContext")?.as_str()?.to_owned())
    }

    /// Contexts lie in directories named after digests, so look into each.
    fn context_host(&self, context: &str) -> Option<String> {
        let contexts = fs::read_dir(self.docker_config.as_ref()?.join("contexts/meta")).ok()?;
        contexts.flatten().find_map(|entry| {
            let meta = read_json(&entry.path().join("meta.json"))?;
            let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?;
            (meta.get("Name")?.as_str()? == context).then(|| host.to_owned())
        })
    }

    fn usual_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
        sockets.extend(self.home.iter().map(|home| home.join(".docker/run/docker.sock")));
        sockets.extend(self.runtime_dir.iter().map(|dir| dir.join("docker.sock")));
        sockets.extend(self.runtime_dir.iter().map(|dir| dir.join("podman/podman.sock")));
        sockets.push(PathBuf::from("/run/podman/podman.sock"));
        sockets
    }
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Why an address led to no daemon.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Absent,
    Denied,
    Silent(String),
}

/// A daemon that has answered, with the newest API that both sides speak.
///
/// # Errors
/// [`Failure::NoRuntime`].
pub(super) async fn connect() -> Result<Docker, Failure> {
    // Already installed by another part of the program is fine.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    connect_from(&Surroundings::of_this_process()).await
}

async fn connect_from(surroundings: &Surroundings) -> Result<Docker, Failure> {
    if let Some((host, origin)) = surroundings.chosen() {
        return dial(&host, surroundings.certificates.as_deref())
            .await
            .map_err(|refusal| unreachable(&host, &origin, &refusal));
    }
    let sockets = surroundings.usual_sockets();
    let mut refusals = Vec::new();
    for socket in &sockets {
        match dial(&format!("unix://{}", socket.display()), None).await {
            Ok(docker) => return Ok(docker),
            Err(refusal) => refusals.push((socket.as_path(), refusal)),
        }
    }
    Err(none_answers(&refusals))
}

async fn dial(host: &str, certificates: Option<&Path>) -> Result<Docker, Refusal> {
    if let Some(path) = host.strip_prefix("unix://") {
        knock(Path::new(path)).await?;
    }
    let silent = |error: bollard::errors::Error| Refusal::Silent(answers::words(&error));
    let docker = client(host, certificates).map_err(silent)?;
    let negotiated = timeout(DIAL, docker.negotiate_version()).await;
    let docker =
        negotiated.map_err(|_| Refusal::Silent(format!("no answer within {} s", DIAL.as_secs())))?.map_err(silent)?;
    let version = docker.client_version();
    if version < OLDEST {
        return Err(Refusal::Silent(format!("it speaks API {version}, and {OLDEST} is the oldest that will do")));
    }
    Ok(docker)
}

fn client(host: &str, certificates: Option<&Path>) -> Result<Docker, bollard::errors::Error> {
    let (seconds, version) = (ANSWER_SECONDS, API_DEFAULT_VERSION);
    match (host.split_once("://").map_or("", |(scheme, _)| scheme), certificates) {
        ("unix", _) => Docker::connect_with_unix(host, seconds, version),
        ("tcp" | "https", Some(dir)) => {
            let [key, cert, ca] = ["key.pem", "cert.pem", "ca.pem"].map(|name| dir.join(name));
            Docker::connect_with_ssl(host, &key, &cert, &ca, seconds, version)
        }
        ("tcp" | "http", None) => Docker::connect_with_http(host, seconds, version),
        _ => Err(bollard::errors::Error::UnsupportedURISchemeError { uri: host.to_owned() }),
    }
}

/// Whether a socket lets us in, which the HTTP client's errors do not tell apart.
async fn knock(socket: &Path) -> Result<(), Refusal> {
    match timeout(DIAL, UnixStream::connect(socket)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Refusal::Absent,
            ErrorKind::PermissionDenied => Refusal::Denied,
            _ => Refusal::Silent(error.to_string()),
        }),
        Err(_) => Err(Refusal::Silent(format!("no answer within {} s", DIAL.as_secs()))),
    }
}

fn unreachable(host: &str, origin: &str, refusal: &Refusal) -> Failure {
    let why = match refusal {
        Refusal::Absent => "there is no such socket",
        Refusal::Denied => "permission denied",
        Refusal::Silent(words) => words,
    };
    let cause = format!("no Docker daemon answers at {host}, which {origin} names: {why}");
    let remedy = match refusal {
        Refusal::Denied => format!("{}, {OTHERWISE}", ask_for_access()),
        _ if host.starts_with("ssh://") => {
            format!(
                "forward its socket (ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST) and name it: DOCKER_HOST=unix:///tmp/docker.sock, {OTHERWISE}"
            )
        }
        _ if origin == "DOCKER_HOST" => format!("start that daemon, correct or unset DOCKER_HOST, {OTHERWISE}"),
        _ => format!("start that daemon, choose another with `docker context use`, {OTHERWISE}"),
    };
    Failure::NoRuntime { cause, remedy: Remedy::words(remedy) }
}

/// A socket that refuses us is closer to working than one where nobody listens; both than none.
fn none_answers(refusals: &[(&Path, Refusal)]) -> Failure {
    if let Some((socket, _)) = refusals.iter().find(|(_, refusal)| *refusal == Refusal::Denied) {
        return Failure::NoRuntime {
            cause: format!("this user may not use Docker: permission denied on {}", socket.display()),
            remedy: Remedy::words(format!("{}, {OTHERWISE}", ask_for_access())),
        };
    }
    let silent = refusals.iter().find_map(|(socket, refusal)| match refusal {
        Refusal::Silent(words) => Some((socket, words)),
        _ => None,
    });
    if let Some((socket, words)) = silent {
        return Failure::NoRuntime {
            cause: format!("Docker is installed but does not answer on {}: {words}", socket.display()),
            remedy: Remedy::words(format!("start it (`sudo systemctl start docker`, or Docker Desktop), {OTHERWISE}")),
        };
    }
    let looked: Vec<_> = refusals.iter().map(|(socket, _)| socket.display().to_string()).collect();
    Failure::NoRuntime {
        cause: format!("Docker is not installed or not running: there is no socket at {}", looked.join(", ")),
        remedy: Remedy::words(format!(
            "install and start Docker or Podman, name a daemon with DOCKER_HOST, {OTHERWISE}"
        )),
    }
}

fn ask_for_access() -> &'static str {
    "join the socket's group (`sudo usermod -aG docker $USER`) and log in again"
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    async fn failure(surroundings: &Surroundings) -> Failure {
        connect_from(surroundings).await.map(drop).unwrap_err()
    }

    fn context(dir: &Path, host: &str) -> Surroundings {
        let meta = dir.join("contexts/meta/0f1e");
        fs::create_dir_all(&meta).unwrap();
        fs::write(dir.join("config.json"), r#"{"auths": {}, "currentContext": "colima"}"#).unwrap();
        let text = format!(r#"{{"Name": "colima", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#);
        fs::write(meta.join("meta.json"), text).unwrap();
        Surroundings { docker_config: Some(dir.to_owned()), ..Surroundings::default() }
    }

    #[test]
    fn the_host_goes_before_the_context() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = context(dir.path(), "unix:///run/colima.sock");
        assert_eq!(surroundings.chosen().unwrap().0, "unix:///run/colima.sock");
        surroundings.docker_host = Some("tcp://127.0.0.1:2375".to_owned());
        assert_eq!(surroundings.chosen().unwrap().0, "tcp://127.0.0.1:2375");
    }

    #[test]
    fn the_default_context_is_no_choice() {
        let dir = tempfile::tempdir().unwrap();
        let mut surroundings = context(dir.path(), "unix:///run/colima.sock");
        surroundings.docker_context = Some("default".to_owned());
        assert_eq!(surroundings.chosen(), None);
    }

    #[tokio::test]
    async fn a_named_daemon_that_is_gone_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let host = format!("unix://{}", socket.display());
        let mut surroundings = Surroundings { docker_host: Some(host.clone()), ..Surroundings::default() };
        let gone = failure(&surroundings).await;
        assert_eq!(
            gone.to_string(),
            format!("no Docker daemon answers at {host}, which DOCKER_HOST names: there is no such socket")
        );
        assert!(gone.remedy().unwrap().as_str().contains("unset DOCKER_HOST"));

        // A socket file that a dead daemon left behind.
        drop(UnixListener::bind(&socket).unwrap());
        let dead = failure(&surroundings).await;
        assert!(dead.to_string().ends_with("Connection refused (os error 111)"), "{dead}");

        surroundings.docker_host = Some("ssh://me@example.org".to_owned());
        assert!(failure(&surroundings).await.remedy().unwrap().as_str().contains("ssh -NL"));
    }

    #[test]
    fn the_nearest_to_working_explains() {
        let absent = (Path::new("/a.sock"), Refusal::Absent);
        let silent = (Path::new("/b.sock"), Refusal::Silent("connection refused".to_owned()));
        let denied = (Path::new("/c.sock"), Refusal::Denied);
        let nothing = none_answers(std::slice::from_ref(&absent));
        assert_eq!(nothing.to_string(), "Docker is not installed or not running: there is no socket at /a.sock");
        let refusals = [absent, silent, denied];
        assert!(none_answers(&refusals[..2]).to_string().contains("does not answer on /b.sock: connection refused"));
        assert!(none_answers(&refusals).to_string().contains("permission denied on /c.sock"));
    }
}
