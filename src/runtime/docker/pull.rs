//! Fetches images, all at once, with progress.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::answers;
use super::login::Logins;
use crate::about::Remedy;
use crate::event::{Download, Event, Report};
use crate::failure::Failure;

/// Those of the images that are not on this machine, each once, sorted.
pub(super) async fn missing(docker: &Docker, images: impl IntoIterator<Item = &str>) -> Result<Vec<String>> {
    let distinct: BTreeSet<_> = images.into_iter().collect();
    let looks = distinct.into_iter().map(|image| async move {
        let found =
            answers::found(docker.inspect_image(image).await).with_context(|| format!("looking for image {image}"))?;
        anyhow::Ok(found.is_none().then(|| image.to_owned()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Pulls images side by side; the first that fails ends the others' pulls too.
///
/// # Errors
/// [`Failure::NoRuntime`] with the daemon's own words.
pub(super) async fn pull_all(docker: &Docker, images: &[String], report: Report<'_>) -> Result<(), Failure> {
    let (logins, problem) = Logins::of_this_user();
    if let Some(problem) = problem {
        report(Event::Warning(problem));
    }
    try_join_all(images.iter().map(|image| pull_logged_in(docker, &logins, image, report))).await.map(drop)
}

/// Without the login that a helper keeps to itself, an image that everybody may pull is to be had all the same.
async fn pull_logged_in(docker: &Docker, logins: &Logins, image: &str, report: Report<'_>) -> Result<(), Failure> {
    let (login, unasked) = match logins.of_image(image).await {
        Ok(login) => (login, None),
        Err(words) => (None, Some(words)),
    };
    let pulled = pull(docker, image, login, report).await;
    pulled.map_err(|error| not_to_be_had(image, &error, unasked.as_deref()))
}

async fn pull(docker: &Docker, image: &str, login: Option<DockerCredentials>, report: Report<'_>) -> Result<(), Error> {
    let (name, tag) = name_and_tag(image);
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
    let mut layers = Layers::default();
    let mut messages = std::pin::pin!(docker.create_image(Some(options), None, login));
    let what = Download::Image(image.to_owned());
    report(Event::Fetched { what: what.clone(), done: 0, total: 0 });
    while let Some(message) = messages.try_next().await? {
        if layers.note(&message) {
            let (done, total) = layers.sum();
            report(Event::Fetched { what: what.clone(), done, total });
        }
    }
    // Some failures come with status 200, and Podman's without an error among the messages.
    docker.inspect_image(image).await?;
    report(Event::FetchFinished { what });
    Ok(())
}

/// Without a tag the daemon would pull all of them. A digest stays with the name.
fn name_and_tag(image: &str) -> (&str, &str) {
    if image.contains('@') {
        return (image, "");
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

fn not_to_be_had(image: &str, error: &Error, unasked: Option<&str>) -> Failure {
    let login = unasked.map(|words| format!("; {words}")).unwrap_or_default();
    Failure::NoRuntime {
        cause: format!("image {image} is not on this machine and cannot be pulled: {}{login}", answers::words(error)),
        remedy: Remedy::words(
            "check the network, log in to the registry (docker login) or set up a mirror; or name another image in the \
             stack file (zookeeper.image, kafka.image, mosquitto.image); or run without Docker: --runtime process",
        ),
    }
}

/// Bytes of one image's layers: those downloaded, and the size where it is known.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// Whether the sums have changed. Unpacking reports bytes too, which are not downloaded.
    fn note(&mut self, message: &CreateImageInfo) -> bool {
        let (Some(id), Some(status)) = (&message.id, message.status.as_deref()) else { return false };
        match status {
            "Downloading" => {
                let detail = message.progress_detail.clone().unwrap_or_default();
                let bytes = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                self.0.insert(id.clone(), (bytes(detail.current), bytes(detail.total)));
                true
            }
            "Download complete" => {
                if let Some((done, total)) = self.0.get_mut(id) {
                    *done = (*done).max(*total);
                }
                true
            }
            _ => false,
        }
    }

    fn sum(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |(done, total), (d, t)| (done + d, total + t))
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn images_are_named_in_many_ways() {
        assert_eq!(name_and_tag("apache/kafka:3.9.1"), ("apache/kafka", "3.9.1"));
        assert_eq!(name_and_tag("localhost:5000/kafka"), ("localhost:5000/kafka", "latest"));
        assert_eq!(name_and_tag("localhost:5000/kafka:1"), ("localhost:5000/kafka", "1"));
        assert_eq!(name_and_tag("kafka@sha256:0123"), ("kafka@sha256:0123", ""));
    }

    #[test]
    fn layers_add_up_to_one_download() {
        let message = |id: &str, status: &str, current, total| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        assert!(layers.note(&message("a", "Downloading", 10, 100)));
        assert!(layers.note(&message("b", "Downloading", 5, 50)));
        assert!(!layers.note(&message("b", "Extracting", 1, 999)));
        assert_eq!(layers.sum(), (15, 150));
        assert!(layers.note(&message("a", "Download complete", 0, 0)));
        assert_eq!(layers.sum(), (105, 150));
    }
}
