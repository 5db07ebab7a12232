//! Configuration files as Compose's inline configs, each text once.

use std::path::Path;

use super::model::{ConfigMount, InlineConfig};
use crate::stack::Service;
use crate::workload::{ConfigFile, Workload, short_digest};

/// The label by which Compose notices a changed configuration: texts of configs do not count for it.
pub(super) const HASH_LABEL: &str = "sosstack.export.config-hash";

/// Inline configs by name, in the order in which services first used them.
#[derive(Debug, Default)]
pub(super) struct Configs {
    entries: Vec<(String, InlineConfig)>,
}

impl Configs {
    /// The file's mount in a container. A name stands for one text.
    pub(super) fn mount(&mut self, name: String, path: &Path, content: &str) -> ConfigMount {
        if !self.entries.iter().any(|(existing, _)| *existing == name) {
            self.entries.push((name.clone(), InlineConfig { content: content.to_owned() }));
        }
        ConfigMount { source: name, target: path.display().to_string() }
    }

    /// All files of a workload. A file that is the same for all of its kind is named after the kind.
    pub(super) fn mount_all(&mut self, workload: &Workload, all: &[Workload]) -> Vec<ConfigMount> {
        let mut mounts = Vec::new();
        for file in &workload.files {
            let base = file.path.file_name().unwrap_or_default().to_string_lossy();
            let owner = if is_shared(file, workload.service, all) {
                workload.service.role.as_str().to_owned()
            } else {
                workload.service.to_string()
            };
            mounts.push(self.mount(format!("{owner}-{base}"), &file.path, &file.contents));
        }
        mounts
    }

    pub(super) fn into_entries(self) -> Vec<(String, InlineConfig)> {
        self.entries
    }
}

fn is_shared(file: &ConfigFile, service: Service, all: &[Workload]) -> bool {
    all.iter().filter(|other| other.service.role == service.role).all(|other| other.files.contains(file))
}

/// Identifies the texts that a service was made with.
pub(super) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
        // No text holds it, so that two texts are not taken for one.
        bytes.push(0);
    }
    short_digest(&bytes)
}
