//! The Mosquitto of this machine, and whether it can keep messages as the stack asks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::about::Remedy;
use crate::failure::Failure;
use crate::stack::{Mosquitto, Persistence, SQLITE_PLUGIN, has_sqlite};

/// A server that was found and asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) program: PathBuf,
    /// Such as `2.0.22`.
    pub(super) version: String,
}

impl Server {
    /// The SQLite plugin, where the stack needs one.
    ///
    /// # Errors
    /// [`Failure::NoRuntime`] when the server is too old for what is asked, or its plugin is not there.
    pub(super) fn sqlite_plugin(&self, wanted: &Mosquitto) -> Result<Option<PathBuf>, Failure> {
        let Self { program, version } = self;
        if wanted.persistence_of(version) == Persistence::File {
            return Ok(None);
        }
        if !has_sqlite(version) {
            return Err(Failure::NoRuntime {
                cause: format!(
                    "{} is Mosquitto {version}, but mosquitto.persistence: sqlite needs 2.1 or later",
                    program.display()
                ),
                remedy: Remedy::words("install Mosquitto 2.1, or set mosquitto.persistence to file in the stack file"),
            });
        }
        let found = match &wanted.sqlite_plugin {
            Some(named) => Some(named.clone()).filter(|named| named.is_file()),
            None => places(program).into_iter().find(|place| place.is_file()),
        };
        found.map(Some).ok_or_else(|| Failure::NoRuntime {
            cause: match &wanted.sqlite_plugin {
                Some(named) => format!("{} does not exist (mosquitto.sqlite_plugin)", named.display()),
                None => format!("{} has no mosquitto_persist_sqlite.so beside it", program.display()),
            },
            remedy: Remedy::words(
                "in the stack file, name its path as mosquitto.sqlite_plugin, or do without it: mosquitto.persistence: \
                 file",
            ),
        })
    }
}

/// Where the plugin may be that was installed with the program: Debian has it in a folder of the architecture's,
/// others beside their libraries.
fn places(program: &Path) -> Vec<PathBuf> {
    let name = Path::new(SQLITE_PLUGIN).file_name().unwrap_or_default();
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let Some(prefix) = real.parent().and_then(Path::parent) else { return Vec::new() };
    let libraries = ["lib", "lib64"].map(|folder| prefix.join(folder));
    let is_ours = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(std::env::consts::ARCH)
    };
    let entries = libraries.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let folders = libraries.iter().cloned().chain(entries.filter(is_ours)).collect::<Vec<_>>();
    folders.iter().flat_map(|folder| [folder.join(name), folder.join("mosquitto").join(name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::load::{Overrides, load_text};

    fn wanted(text: &str) -> Mosquitto {
        load_text(text, None, &Overrides::default()).unwrap().stack.mosquitto
    }

    fn server(version: &str) -> (tempfile::TempDir, Server) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("sbin")).unwrap();
        let program = home.path().join("sbin/mosquitto");
        fs::write(&program, "").unwrap();
        (home, Server { program, version: version.to_owned() })
    }

    #[test]
    fn the_server_decides_whatever_version_the_stack_names() {
        let (home, old) = server("2.0.11");
        assert_eq!(old.sqlite_plugin(&wanted("mosquitto: {version: 2.1.2}")).unwrap(), None);
        let asked = wanted("mosquitto: {version: 2.1.2, persistence: sqlite}");
        let refused = old.sqlite_plugin(&asked).unwrap_err().to_string();
        assert!(refused.contains("is Mosquitto 2.0.11") && refused.contains("needs 2.1"), "{refused}");

        let new = Server { version: "2.1.2".to_owned(), ..old };
        assert_eq!(new.sqlite_plugin(&wanted("mosquitto: {persistence: file}")).unwrap(), None);
        let missing = new.sqlite_plugin(&asked).unwrap_err();
        assert!(missing.remedy().unwrap().as_str().contains("mosquitto.sqlite_plugin"), "{missing}");
        let folder = home.path().join(format!("lib/{}-linux-gnu/mosquitto", std::env::consts::ARCH));
        fs::create_dir_all(&folder).unwrap();
        let plugin = fs::canonicalize(&folder).unwrap().join("mosquitto_persist_sqlite.so");
        fs::write(&plugin, "").unwrap();
        assert_eq!(new.sqlite_plugin(&wanted("")).unwrap(), Some(plugin), "the default of a server that has it");
    }

    #[test]
    fn a_plugin_that_is_named_is_taken_or_missed() {
        let (home, new) = server("2.1.2");
        let file = home.path().join("elsewhere.so");
        let named = Mosquitto { sqlite_plugin: Some(file.clone()), ..wanted("") };
        let missing = new.sqlite_plugin(&named).unwrap_err().to_string();
        assert!(missing.contains("elsewhere.so does not exist"), "{missing}");
        fs::write(&file, "").unwrap();
        assert_eq!(new.sqlite_plugin(&named).unwrap(), Some(file));
    }
}
