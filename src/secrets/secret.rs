//! A text that shows itself only to whoever asks for it by name.

use std::fmt;

use serde::{Deserialize, Serializer};

/// A password or a private key. It has no `Display` and no `Serialize`, and its `Debug` tells nothing: whoever sends,
/// writes or prints it says [`Secret::reveal`].
///
/// Its memory is not wiped: the buffers of serde, of the clients' libraries and of the terminal hold copies that nobody
/// would wipe.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// For `serialize_with`, in what is written to a file of mode 0600 and nowhere else.
pub(super) fn to_private_file<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}
