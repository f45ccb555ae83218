//! As what the cluster serves the kinds that a plan is about: group by group, only those that are asked for.
//!
//! What is not served is absent, never guessed from the name of a kind. A kind that its version does not have is looked up in all versions
//! of its group, since an inventory may name an old one.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::talk::{Talk, Trouble};
use crate::api::{Request, Resource};
use crate::k8s::object::Gvk;
use crate::machine::all;
use crate::yaml::Node;

/// What a server serves, as far as it was asked.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    /// By `group/version`; empty where it is not served.
    versions: BTreeMap<SmolStr, Vec<Resource>>,
}

impl Kinds {
    /// Asks for the groups and versions of these kinds.
    ///
    /// # Errors
    /// The server does not say.
    pub(super) async fn load<'a>(talk: &Talk, wanted: impl Iterator<Item = &'a Gvk>) -> Result<Self, Trouble> {
        let mut kinds = Kinds::default();
        let wanted: BTreeSet<&Gvk> = wanted.collect();
        kinds.load_versions(talk, wanted.iter().map(|gvk| (*gvk).clone()).collect()).await?;
        // Kinds that their version does not have (any more): whichever versions the group has now. That other kinds have the version says
        // nothing about this one.
        let missing: BTreeSet<&SmolStr> = wanted
            .iter()
            .filter(|gvk| !gvk.group.is_empty() && kinds.exact(gvk).is_none())
            .map(|gvk| &gvk.group)
            .collect();
        let groups = all(talk.limit(), missing.into_iter().map(|group| versions(talk, group))).await;
        let mut more = Vec::new();
        for found in groups {
            more.extend(found?);
        }
        kinds.load_versions(talk, more).await?;
        Ok(kinds)
    }

    async fn load_versions(&mut self, talk: &Talk, wanted: Vec<Gvk>) -> Result<(), Trouble> {
        let mut versions: Vec<Gvk> = wanted;
        versions.sort_by_key(Gvk::api_version);
        versions.dedup_by_key(|gvk| gvk.api_version());
        versions.retain(|gvk| !self.versions.contains_key(&gvk.api_version()));
        let lists = all(talk.limit(), versions.iter().map(|gvk| list(talk, gvk))).await;
        for (gvk, list) in versions.iter().zip(lists) {
            self.versions.insert(gvk.api_version(), list?);
        }
        Ok(())
    }

    /// The resource of a kind in its own version.
    pub fn exact(&self, gvk: &Gvk) -> Option<&Resource> {
        self.versions.get(&gvk.api_version())?.iter().find(|resource| resource.gvk.kind == gvk.kind)
    }

    /// Whether a group and version is served at all.
    pub fn serves(&self, gvk: &Gvk) -> bool {
        self.versions.get(&gvk.api_version()).is_some_and(|list| !list.is_empty())
    }

    /// The resource of a kind in its own version, or in another one of its group.
    pub fn any(&self, gvk: &Gvk) -> Option<&Resource> {
        let other = || self.versions.values().flatten().find(|resource| resource.gvk.is(&gvk.group, &gvk.kind));
        self.exact(gvk).or_else(other)
    }
}

async fn list(talk: &Talk, of: &Gvk) -> Result<Vec<Resource>, Trouble> {
    let root = if of.group.is_empty() { "/api" } else { "/apis" };
    let answer = talk.read(Request::get(format!("{root}/{}", of.api_version()))).await?;
    Ok(answer.as_ref().map(|list| Resource::list(list, &of.group, &of.version)).unwrap_or_default())
}

/// The versions that the server has for a group; none where it has no such group.
async fn versions(talk: &Talk, group: &str) -> Result<Vec<Gvk>, Trouble> {
    let answer = talk.read(Request::get(format!("/apis/{group}"))).await?.unwrap_or_else(Node::null);
    let list = answer.get("versions").and_then(Node::as_seq).unwrap_or_default();
    let versions = list.iter().filter_map(|item| item.get("version").and_then(Node::smol));
    Ok(versions.map(|version| Gvk { group: group.into(), version, kind: SmolStr::default() }).collect())
}

/// Every kind that the server serves in the versions that it prefers: for questions about everything in a namespace.
pub(super) async fn everything(talk: &Talk) -> Result<Vec<Resource>, Trouble> {
    let mut versions = vec![Gvk { group: SmolStr::default(), version: "v1".into(), kind: SmolStr::default() }];
    let groups = talk.read(Request::get("/apis")).await?.unwrap_or_else(Node::null);
    for group in groups.get("groups").and_then(Node::as_seq).unwrap_or_default() {
        let text = |path: &[&str]| group.at(path).and_then(Node::smol).unwrap_or_default();
        versions.push(Gvk {
            group: text(&["name"]),
            version: text(&["preferredVersion", "version"]),
            kind: SmolStr::default(),
        });
    }
    let mut found = Vec::new();
    for list in all(talk.limit(), versions.iter().map(|gvk| list(talk, gvk))).await {
        found.extend(list?);
    }
    Ok(found)
}
