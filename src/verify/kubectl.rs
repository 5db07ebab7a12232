//! The user's kubectl, as a child process. No secret is ever among its arguments.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::answers::{Answer, Pod};
use super::checks::Check;
use crate::about::Remedy;
use crate::failure::Failure;

/// How long the API server may take to answer.
const REQUEST: Duration = Duration::from_secs(15);

/// Which cluster and namespace are meant.
#[derive(Debug, Clone)]
pub struct Kubectl {
    pub context: Option<String>,
    pub namespace: String,
}

impl Kubectl {
    fn command(&self) -> Command {
        let mut command = Command::new("kubectl");
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        command.args(["--namespace", &self.namespace]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// The namespace's pods that an export made.
    ///
    /// # Errors
    /// [`Failure::Failed`] when there is no kubectl, or it does not reach the cluster.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let mut command = self.command();
        command.args(["get", "pods", "--selector", "app.kubernetes.io/managed-by=sosstack", "--output", "json"]);
        command.arg(format!("--request-timeout={}s", REQUEST.as_secs())).stdin(Stdio::null());
        let output = match tokio::time::timeout(2 * REQUEST, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::Failed {
                    cause: "kubectl is not on PATH".to_owned(),
                    remedy: Remedy::words("install it: https://kubernetes.io/docs/tasks/tools/"),
                }
                .into());
            }
            Ok(Err(error)) => return Err(error).context("running kubectl"),
            Err(_) => return Err(unreachable("it did not answer in time")),
        };
        if !output.status.success() {
            return Err(unreachable(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let list: Value = serde_json::from_slice(&output.stdout).context("reading what kubectl get printed")?;
        Ok(list["items"].as_array().into_iter().flatten().map(pod).collect())
    }

    /// Runs a check's program in its container.
    pub async fn ask(&self, check: &Check, patience: Duration) -> Answer {
        let failed = |stderr: String| Answer { success: false, stdout: String::new(), stderr };
        match tokio::time::timeout(patience, self.exec(check)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => failed(format!("{error:#}")),
            Err(_) => failed(format!("no answer within {} s", patience.as_secs())),
        }
    }

    async fn exec(&self, check: &Check) -> Result<Answer> {
        let mut command = self.command();
        command.args(["exec", "--stdin", &check.pod, "--container", check.container, "--"]).args(&check.command);
        let mut child = command.stdin(Stdio::piped()).spawn().context("running kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended early says so by its status.
            let _ = stdin.write_all(check.stdin.reveal().as_bytes()).await;
        }
        let output = child.wait_with_output().await.context("running kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Answer {
            success: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr).trim().to_owned(),
        })
    }
}

fn unreachable(words: &str) -> anyhow::Error {
    Failure::Failed {
        cause: format!("kubectl cannot reach the cluster: {words}"),
        remedy: Remedy::words("kubectl config get-contexts shows where it looks; name another with --kube-context"),
    }
    .into()
}

fn pod(object: &Value) -> Pod {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.clone().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    // What a container waits for says more than "containers with unready status".
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|kind| object["status"][kind].as_array())
        .flatten();
    let waiting =
        containers.map(|container| text(&container["state"]["waiting"]["reason"])).find(|why| !why.is_empty());
    let unmet = conditions
        .filter(|condition| condition["status"] == "False")
        .map(|condition| text(&condition["message"]))
        .find(|message| !message.is_empty());
    let why = if ready { String::new() } else { waiting.or(unmet).unwrap_or_else(|| text(&object["status"]["phase"])) };
    Pod { name: text(&object["metadata"]["name"]), ready, why }
}
