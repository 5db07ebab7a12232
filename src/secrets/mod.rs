//! What only the user may see: accounts with their passwords, the local certificate authority, passwords within a cluster.
//!
//! They are made once per stack from the system's random source and kept 0600 in its directory.

pub mod accounts;
pub mod authority;
pub mod cluster;
mod secret;

pub use accounts::{Account, Accounts};
pub use authority::{Authority, ServerCertificate};
pub use cluster::ClusterSecrets;
pub use secret::Secret;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

/// `N` bytes from the system's random source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system's random source works or nothing is secret");
    bytes
}

/// A password with 144 random bits, 24 characters that need no quoting in a shell or URL.
fn password() -> Secret {
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random::<18>()))
}
