//! Logins to registries, as the docker command finds them: in the environment, as CI systems give them, or where
//! `docker login` left them, in its settings or with a credential helper.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::settings::{Surroundings, read_json};
use crate::secrets::Secret;

/// Logins in the form of the docker command's settings, which go before all others (docker 28 and later).
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";
/// By this name settings and helpers know Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The user name with which a helper says that its secret is a token.
const TOKEN: &str = "<token>";
/// How long a helper may take: it may ask its user to unlock a keychain.
const HELPER: Duration = Duration::from_secs(60);

/// Where logins are. Its settings may hold passwords, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Logins {
    environment: Value,
    config: Value,
}

/// What a helper prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

impl Logins {
    /// Those of the environment and of the docker command's settings, and why the environment's are of no use.
    pub(super) fn of_this_user() -> (Self, Option<String>) {
        let dir = Surroundings::of_this_process().docker_config;
        let config = dir.and_then(|dir| read_json(&dir.join("config.json"))).unwrap_or_default();
        let given = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        let (environment, problem) = given.as_deref().map(of_environment).unwrap_or_default();
        (Self { environment, config }, problem)
    }

    /// The login for the registry of an image; None where there is none.
    ///
    /// # Errors
    /// Why a credential helper did not answer, in words without a secret.
    pub(super) async fn of_image(&self, image: &str) -> Result<Option<DockerCredentials>, String> {
        let registry = registry_of(image);
        if let Some(login) = stored(&self.environment, &registry) {
            return Ok(Some(login));
        }
        let Some(helper) = self.helper(&registry) else { return Ok(stored(&self.config, &registry)) };
        let answer = ask(Path::new(&format!("docker-credential-{helper}")), &registry).await?;
        Ok(answer.map(|answer| of_helper(answer, registry)))
    }

    /// The helper that has a registry's login.
    fn helper(&self, registry: &str) -> Option<&str> {
        let of_registry = self.config.get("credHelpers").and_then(|helpers| helpers.get(registry));
        of_registry.or_else(|| self.config.get("credsStore"))?.as_str().filter(|name| !name.is_empty())
    }
}

/// The logins in the variable, and why there are none.
fn of_environment(text: &str) -> (Value, Option<String>) {
    match serde_json::from_str(text) {
        Ok(Value::Object(config)) => (Value::Object(config), None),
        // What it holds are secrets, so it is not quoted.
        _ => (Value::Null, Some(format!("{VARIABLE} is ignored: it is not a JSON object with \"auths\""))),
    }
}

/// A login that stands in the settings themselves. Older ones name registries with scheme and path.
fn stored(config: &Value, registry: &str) -> Option<DockerCredentials> {
    let auths = config.get("auths")?.as_object()?;
    let same = |name: &&String| host_of(name) == host_of(registry);
    let found = auths.get(registry).or_else(|| auths.get(auths.keys().find(same)?))?;
    let text = |field: &str| found.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let decoded = text("auth").and_then(|auth| String::from_utf8(BASE64_STANDARD.decode(auth).ok()?).ok());
    let pair = decoded.as_deref().and_then(|pair| pair.trim_end_matches('\0').split_once(':'));
    let username = pair.map(|(user, _)| user).or(text("username"));
    let password = pair.map(|(_, password)| password).or(text("password"));
    let identitytoken = text("identitytoken").map(str::to_owned);
    (username.is_some() || identitytoken.is_some()).then(|| DockerCredentials {
        username: username.map(str::to_owned),
        password: password.map(str::to_owned).filter(|_| identitytoken.is_none()),
        identitytoken,
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    })
}

fn of_helper(answer: Answer, registry: String) -> DockerCredentials {
    let address = Some(registry);
    let secret = Some(answer.secret.reveal().to_owned());
    if answer.username == TOKEN {
        return DockerCredentials { identitytoken: secret, serveraddress: address, ..Default::default() };
    }
    DockerCredentials {
        username: Some(answer.username),
        password: secret,
        serveraddress: address,
        ..Default::default()
    }
}

/// Asks a credential helper by its protocol: the registry on stdin, JSON on stdout. None where it knows no login.
async fn ask(program: &Path, registry: &str) -> Result<Option<Answer>, String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failed = |why: String| format!("{name} did not provide the login for {registry}: {why}");
    let mut helper = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut stdin = helper.stdin.take().ok_or_else(|| failed("it has no stdin".to_owned()))?;
    let asked = async {
        // One that does not read its question may answer all the same.
        let _ = stdin.write_all(registry.as_bytes()).await;
        drop(stdin);
        helper.wait_with_output().await
    };
    let output = match timeout(HELPER, asked).await {
        Err(_) => return Err(failed(format!("no answer within {} s", HELPER.as_secs()))),
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
    };
    if output.status.success() {
        // What it printed holds the secret, so it is not quoted.
        return serde_json::from_slice(&output.stdout)
            .map(Some)
            .map_err(|_| failed("its answer is not JSON".to_owned()));
    }
    let words = String::from_utf8_lossy(&output.stdout);
    if words.contains("credentials not found") {
        return Ok(None);
    }
    Err(failed(words.lines().next().unwrap_or("it failed").trim().to_owned()))
}

/// The registry of an image, as settings and helpers call it.
fn registry_of(image: &str) -> String {
    match image.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => DOCKER_HUB.to_owned(),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first.to_owned(),
        _ => DOCKER_HUB.to_owned(),
    }
}

/// Of a registry's name, which may be a URL.
fn host_of(registry: &str) -> &str {
    let address = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    address.split('/').next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn fake(dir: &Path, script: &str) -> PathBuf {
        let file = dir.join("docker-credential-fake");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn logins(config: &str) -> Logins {
        Logins { config: serde_json::from_str(config).unwrap(), ..Logins::default() }
    }

    fn pair(login: Option<DockerCredentials>) -> Option<(String, String)> {
        login.map(|login| (login.username.unwrap(), login.password.unwrap()))
    }

    #[test]
    fn images_belong_to_registries() {
        for (image, registry) in [
            ("zookeeper:3.9.4", DOCKER_HUB),
            ("apache/kafka:3.9.2", DOCKER_HUB),
            ("docker.io/apache/kafka", DOCKER_HUB),
            ("registry.example.org/mirror/kafka:1", "registry.example.org"),
            ("localhost:5000/kafka", "localhost:5000"),
            ("localhost/kafka", "localhost"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    #[tokio::test]
    async fn a_login_in_the_settings_is_for_its_registry_only() {
        // me:a:secret, and a registry by the name that older versions gave it
        let logins = logins(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6YTpzZWNyZXQ="},
                "https://old.example.org/v2/": {"username": "you", "password": "p"},
                "token.example.org": {"auth": "bWU6", "identitytoken": "t"}}}"#,
        );
        let of = async |image| logins.of_image(image).await.unwrap();
        assert_eq!(pair(of("apache/kafka:3").await), Some(("me".to_owned(), "a:secret".to_owned())));
        assert_eq!(pair(of("old.example.org/kafka").await), Some(("you".to_owned(), "p".to_owned())));
        let token = of("token.example.org/kafka").await.unwrap();
        assert_eq!((token.identitytoken.as_deref(), token.password), (Some("t"), None));
        assert!(of("other.example.org/kafka").await.is_none());
    }

    /// As GitLab's runners give it to jobs.
    #[tokio::test]
    async fn logins_of_the_environment_go_before_all_others() {
        // env:a, and file:b
        let (environment, problem) = of_environment(r#"{"auths": {"both.example.org": {"auth": "ZW52OmE="}}}"#);
        assert_eq!(problem, None);
        let config = r#"{"auths": {"both.example.org": {"auth": "ZmlsZTpi"}, "file.example.org": {"auth": "ZmlsZTpi"}},
            "credHelpers": {"both.example.org": "absent"}}"#;
        let logins = Logins { environment, ..logins(config) };
        let of = async |image| pair(logins.of_image(image).await.unwrap());
        assert_eq!(of("both.example.org/kafka").await, Some(("env".to_owned(), "a".to_owned())));
        assert_eq!(of("file.example.org/kafka").await, Some(("file".to_owned(), "b".to_owned())));
        assert_eq!(of("kafka").await, None);

        let (nothing, problem) = of_environment("env:hunter2");
        let problem = problem.unwrap();
        assert!(nothing.is_null() && problem.contains(VARIABLE) && !problem.contains("hunter2"), "{problem}");
    }

    #[test]
    fn a_registrys_own_helper_goes_before_the_store() {
        let logins = logins(r#"{"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"}}"#);
        assert_eq!((logins.helper("gcr.io"), logins.helper(DOCKER_HUB)), (Some("gcloud"), Some("desktop")));
    }

    #[tokio::test]
    async fn a_helper_is_asked_by_its_protocol() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            r#"[ "$1" = get ] && read -r r; echo "{\"ServerURL\":\"$r\",\"Username\":\"u\",\"Secret\":\"for $r\"}""#;
        let answer = ask(&fake(dir.path(), script), "gcr.io").await.unwrap().unwrap();
        assert_eq!((answer.username.as_str(), answer.secret.reveal()), ("u", "for gcr.io"));
        assert_eq!(of_helper(Answer { username: TOKEN.to_owned(), ..answer }, "gcr.io".to_owned()).username, None);

        let unknown = fake(dir.path(), "echo credentials not found in native keychain; exit 1");
        assert!(ask(&unknown, "gcr.io").await.unwrap().is_none());
        let locked = ask(&fake(dir.path(), "echo the keychain is locked; exit 1"), "gcr.io").await.err().unwrap();
        assert_eq!(locked, "docker-credential-fake did not provide the login for gcr.io: the keychain is locked");
        let garbled = ask(&fake(dir.path(), "echo hunter2"), "gcr.io").await.err().unwrap();
        assert!(!garbled.contains("hunter2"), "{garbled}");
        let absent = ask(Path::new("docker-credential-absent"), "gcr.io").await.err().unwrap();
        assert!(absent.contains("No such file"), "{absent}");
    }
}
