//! Whether an exported stack works where it runs: every question is asked inside the cluster, by kubectl.
//!
//! [`checks`] is what is asked and [`findings`] what the answers mean, both pure; [`kubectl`] carries it out.

pub mod answers;
pub mod checks;
pub mod findings;
pub mod kubectl;
mod run;
mod said;

pub use checks::DeviceLogin;
pub use findings::{Finding, Verified};
pub use run::verify;
