//! Which path a kind is served under, asked of the server group by group and remembered for the run; forgotten again when a definition came.
//!
//! Only kinds that are worked on are asked for. What a server does not serve is `None`, never a guess from the kind's name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use smol_str::SmolStr;

use super::client::{Client, Problem, node};
use crate::api::{Request, Resource};
use crate::k8s::object::Gvk;

/// What a server serves, as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<BTreeMap<SmolStr, Vec<Resource>>>);

impl Kinds {
    /// The resource of a kind; `None` where the server does not serve it.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn find(&self, client: &Client, gvk: &Gvk) -> Result<Option<Resource>, Problem> {
        let version = gvk.api_version();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).map(|list| pick(list, gvk));
        if let Some(known) = known {
            return Ok(known);
        }
        let root = if gvk.group.is_empty() { "/api" } else { "/apis" };
        let list = match client.call(Request::get(format!("{root}/{version}"))).await.outcome {
            Ok(response) => Resource::list(&node(&response)?, &gvk.group, &gvk.version),
            Err(problem) if problem.status() == 404 => Vec::new(),
            Err(problem) => return Err(problem),
        };
        let found = pick(&list, gvk);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(version, list);
        Ok(found)
    }

    /// The resource of a kind, as far as it was asked for.
    pub(super) fn known(&self, gvk: &Gvk) -> Option<Resource> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&gvk.api_version()).and_then(|list| pick(list, gvk))
    }

    /// Forgets what is known of a group: a definition in it came or changed.
    pub(super) fn forget(&self, group: &str) {
        let of = |version: &str| version.rsplit_once('/').map_or("", |(group, _)| group) == group;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|version, _| !of(version));
    }
}

fn pick(list: &[Resource], gvk: &Gvk) -> Option<Resource> {
    list.iter().find(|resource| resource.gvk.kind == gvk.kind).cloned()
}
