//! The kustomization that holds the files together.

use serde::Serialize;

use super::{Component, Source};

pub(super) const FILE: &str = "kustomization.yaml";

/// Of `kustomize.config.k8s.io`, what the export uses.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kustomization {
    api_version: &'static str,
    kind: &'static str,
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patches: Vec<Patch>,
    /// Where an operator writes another tag, or the digest that pins it.
    images: Vec<Image>,
}

#[derive(Debug, Serialize)]
struct Patch {
    path: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Image {
    /// `name`, `name:tag` or `name@digest`; a colon before the last slash belongs to the registry's port.
    fn parse(image: &str) -> Self {
        if let Some((name, digest)) = image.split_once('@') {
            return Self { digest: Some(digest.to_owned()), new_tag: None, ..Self::parse(name) };
        }
        match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => {
                Self { name: name.to_owned(), new_tag: Some(tag.to_owned()), digest: None }
            }
            _ => Self { name: image.to_owned(), new_tag: Some("latest".to_owned()), digest: None },
        }
    }
}

/// Of the whole stack.
pub(super) fn of(source: Source<'_>, resources: Vec<String>, components: Vec<String>) -> Kustomization {
    Kustomization {
        api_version: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        resources,
        components,
        patches: Vec::new(),
        images: Component::STATEFUL.map(|component| Image::parse(&component.image(source))).into(),
    }
}

/// Of what is added to it: these patches are applied to what is there.
pub(super) fn component(source: Source<'_>, component: Component, resource: &str, patches: &[&str]) -> Kustomization {
    Kustomization {
        api_version: "kustomize.config.k8s.io/v1alpha1",
        kind: "Component",
        resources: vec![resource.to_owned()],
        components: Vec::new(),
        patches: patches.iter().map(|path| Patch { path: (*path).to_owned() }).collect(),
        images: vec![Image::parse(&component.image(source))],
    }
}

#[cfg(test)]
mod tests {
    use super::Image;

    #[test]
    fn an_image_is_split_where_its_tag_begins() {
        let parsed = |image| {
            let Image { name, new_tag, digest } = Image::parse(image);
            (name, new_tag.or(digest).unwrap())
        };
        let expected = |name: &str, rest: &str| (name.to_owned(), rest.to_owned());
        assert_eq!(parsed("zookeeper:3.9.4"), expected("zookeeper", "3.9.4"));
        assert_eq!(parsed("host:5000/apache/kafka:3.9.2"), expected("host:5000/apache/kafka", "3.9.2"));
        assert_eq!(parsed("host:5000/kafka"), expected("host:5000/kafka", "latest"));
        assert_eq!(parsed("kafka@sha256:ab"), expected("kafka", "sha256:ab"));
    }
}
