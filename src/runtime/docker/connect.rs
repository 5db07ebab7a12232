//! Finds the daemon: `DOCKER_HOST`, the docker command's context, then the usual sockets.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::settings::{Chosen, Surroundings};
use super::{answers, reach};
use crate::about::Remedy;
use crate::failure::Failure;

/// How long a daemon may take to say its version; a busy one takes milliseconds.
const DIAL: Duration = Duration::from_secs(5);
/// The longest that any one answer may take to begin: creating a container on a busy disk.
const ANSWER_SECONDS: u64 = 180;
/// Docker 19.03, and Podman since 3.0.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 40 };

/// The authority, and the client's own certificate with its key.
const CERTIFICATES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

const OTHERWISE: &str = "or run without Docker: --runtime process";

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
    if let Some(chosen) = surroundings.chosen()? {
        if !reach::is_here(&chosen.host).await {
            return Err(on_another_machine(&chosen));
        }
        let dialled = dial(&chosen.host, chosen.certificates.as_deref()).await;
        return dialled.map_err(|refusal| unreachable(&chosen, &refusal));
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
    } else if let Some(dir) = certificates {
        // The client would go on without its own certificate, and be refused for another reason.
        for file in CERTIFICATES.map(|name| dir.join(name)) {
            let unreadable = |error| Refusal::Silent(format!("{} cannot be read: {error}", file.display()));
            File::open(&file).map(drop).map_err(unreadable)?;
        }
    }
    let silent = |error: bollard::errors::Error| Refusal::Silent(answers::words(&error));
    let docker = client(host, certificates).map_err(silent)?;
    let negotiated = timeout(DIAL, docker.negotiate_version()).await;
    let docker =
        negotiated.map_err(|_| Refusal::Silent(format!("no answer within {} s", DIAL.as_secs())))?.map_err(silent)?;
    let version = docker.client_version();
    if version < OLDEST {
        return Err(Refusal::Silent(format!("it speaks API {version}, but {OLDEST} or later is needed")));
    }
    Ok(docker)
}

fn client(host: &str, certificates: Option<&Path>) -> Result<Docker, bollard::errors::Error> {
    let (seconds, version) = (ANSWER_SECONDS, API_DEFAULT_VERSION);
    match (host.split_once("://").map_or("", |(scheme, _)| scheme), certificates) {
        ("unix", _) => Docker::connect_with_unix(host, seconds, version),
        ("tcp" | "https", Some(dir)) => {
            let [ca, cert, key] = CERTIFICATES.map(|name| dir.join(name));
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

/// Its containers' ports would be there, where neither this command nor its user's programs look for them.
fn on_another_machine(chosen: &Chosen) -> Failure {
    let Chosen { host, origin, .. } = chosen;
    Failure::NoRuntime {
        cause: format!(
            "the Docker daemon at {host}, which {origin} names, is on another machine: a stack there listens on that \
             machine's 127.0.0.1"
        ),
        remedy: Remedy::words(format!(
            "run sosstack on that machine, name a daemon of this one (DOCKER_HOST), {OTHERWISE}"
        )),
    }
}

fn unreachable(chosen: &Chosen, refusal: &Refusal) -> Failure {
    let Chosen { host, origin, .. } = chosen;
    let why = match refusal {
        Refusal::Absent => "there is no such socket",
        Refusal::Denied => "permission denied",
        Refusal::Silent(words) => words,
    };
    let cause = format!("no Docker daemon answers at {host}, which {origin} names: {why}");
    let remedy = match refusal {
        Refusal::Denied => format!("{}, {OTHERWISE}", ask_for_access()),
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

        for host in ["ssh://me@example.org", "tcp://192.0.2.7:2375"] {
            surroundings.docker_host = Some(host.to_owned());
            let away = failure(&surroundings).await;
            assert!(away.to_string().contains("is on another machine"), "{away}");
            assert_eq!(away.exit_code(), 3);
        }
    }

    #[tokio::test]
    async fn certificates_that_are_missing_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Some(dir.path().to_owned());
        let host = Some("tcp://127.0.0.1:1".to_owned());
        let missing = failure(&Surroundings { docker_host: host, certificates, ..Surroundings::default() }).await;
        let words = format!("{} cannot be read", dir.path().join("ca.pem").display());
        assert!(missing.to_string().contains(&words), "{missing}");
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
