//! The user's routes over the built-in ones.

use super::spec::{RouteSpec, Spec};

/// A route as it is written, and where: in the user's file, or built in.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) spec: RouteSpec,
    /// The path of the user's entry, `routes[0]`.
    pub(super) path: Option<String>,
}

/// What the built-in routes and the user's say together, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) dead_letters: String,
    pub(super) routes: Vec<Written>,
}

/// Routes of the user's own come first, in their order; changed ones stay where they were.
pub(super) fn merge(seed: Spec, user: &Spec) -> Merged {
    let built_in = seed.routes.unwrap_or_default();
    let of_user = user.routes.as_deref().unwrap_or_default();
    let own = of_user.iter().enumerate().filter(|(_, route)| built_in.iter().all(|other| other.name != route.name));
    let mut routes: Vec<Written> =
        own.map(|(index, spec)| Written { spec: spec.clone(), path: Some(format!("routes[{index}]")) }).collect();
    routes.extend(built_in.iter().map(|lower| {
        match of_user.iter().enumerate().find(|(_, route)| route.name == lower.name) {
            Some((index, upper)) => Written { spec: upper.over(lower), path: Some(format!("routes[{index}]")) },
            None => Written { spec: lower.clone(), path: None },
        }
    }));
    let dead_letters = user.dead_letters.clone().or(seed.dead_letters).unwrap_or_default();
    Merged { dead_letters, routes }
}
