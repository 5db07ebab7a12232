//! What Compose services have in common.

use super::model::{ComposeService, Condition, Dependency};
use crate::stack::Service;

/// A service that may do nothing it does not need.
pub(super) fn hardened() -> ComposeService {
    ComposeService {
        cap_drop: vec!["ALL".to_owned()],
        security_opt: vec!["no-new-privileges:true".to_owned()],
        ..ComposeService::default()
    }
}

/// To be begun after these have begun.
pub(super) fn started(services: impl IntoIterator<Item = Service>) -> Vec<(String, Dependency)> {
    let dependency = Dependency { condition: Condition::ServiceStarted };
    services.into_iter().map(|service| (service.to_string(), dependency)).collect()
}

/// To be begun after this one has ended well.
pub(super) fn completed(service: &str) -> (String, Dependency) {
    (service.to_owned(), Dependency { condition: Condition::ServiceCompletedSuccessfully })
}
