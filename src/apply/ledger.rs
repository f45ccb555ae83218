//! The parent of a slice while it is worked on: what is true of the slice is written here first, and forgotten here last.
//!
//! Every write carries the resource version of the one before, so that nobody's change is lost: a parent that somebody else wrote stops the
//! slice. A write whose answer got lost is looked up, never guessed. The namespace of the parents is made when it is missing and never removed.

use std::collections::BTreeMap;

use super::client::{Client, Problem, deletion, node};
use super::lease::Watch;
use crate::api::{Content, Method, Request, encode};
use crate::bundle::ObjectRef;
use crate::inventory::{Item, Parent, ParentName};
use crate::plan::item_reference;
use crate::yaml::{Node, json};

/// A parent that we hold the lease of.
#[derive(Debug)]
pub(super) struct Ledger {
    client: Client,
    watch: Watch,
    /// As it stands on the cluster; the inventory is beside it.
    parent: Parent,
    /// What it owns, as it will stand after the next [`write`](Self::write).
    pub(super) items: BTreeMap<ObjectRef, Item>,
    /// What was last written.
    stands: Option<Node>,
}

/// Makes the namespace of parents, if it is missing.
///
/// # Errors
/// The cluster refuses it.
pub(super) async fn ensure_namespace(client: &Client, namespace: &str) -> Result<(), Problem> {
    if client.read(&format!("/api/v1/namespaces/{}", encode(namespace))).await?.is_some() {
        return Ok(());
    }
    let mut name = String::new();
    json::quote(namespace, &mut name);
    let body = format!("{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":{name}}}}}");
    let request = Request::new(Method::Post, "/api/v1/namespaces").body(Content::Json, body);
    match client.call(request).await.outcome {
        Ok(_) => Ok(()),
        Err(problem) if problem.status() == 409 => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// The parent as it stands; `None` where there is none.
///
/// # Errors
/// The cluster refuses, or what lies there is no parent of ours.
pub(super) async fn read(client: &Client, name: &ParentName) -> Result<Option<Parent>, Problem> {
    let Some(live) = client.read(&path(name)).await? else { return Ok(None) };
    let wrong =
        |why| Problem::Stopped(format!("ConfigMap {}/{} is no parent of ours: {why}", name.namespace, name.name));
    Parent::read(&live).map(Some).map_err(wrong)
}

impl Ledger {
    pub(super) fn new(client: &Client, watch: &Watch, mut parent: Parent) -> Self {
        let items = std::mem::take(&mut parent.items);
        let items = items.into_iter().map(|item| (item_reference(&item), item)).collect();
        Ledger { client: client.clone(), watch: watch.clone(), parent, items, stands: None }
    }

    /// What the parent carries beside the inventory, from the next write on.
    pub(super) fn record(&mut self, record: Node) {
        self.parent.record = record;
    }

    /// Writes the parent, unless it stands so already.
    ///
    /// # Errors
    /// Somebody else wrote it, or the cluster refuses.
    pub(super) async fn write(&mut self) -> Result<(), Problem> {
        self.parent.items = self.items.values().cloned().collect();
        let manifest = self.parent.manifest().map_err(Problem::Stopped)?;
        if self.stands.as_ref() == Some(&manifest) {
            return Ok(());
        }
        self.watch.check()?;
        let body = json::to_json(&manifest).map_err(|_| Problem::Stopped("the parent has no JSON".to_owned()))?;
        let name = &self.parent.name;
        let request = if self.parent.resource_version.is_empty() {
            Request::new(Method::Post, format!("/api/v1/namespaces/{}/configmaps", encode(&name.namespace)))
        } else {
            Request::new(Method::Put, path(name))
        };
        let request = request.with("fieldManager", crate::inventory::FIELD_MANAGER).body(Content::Json, body);
        let called = self.client.call(request).await;
        let live = match called.outcome {
            Ok(response) => node(&response)?,
            // What an earlier try did may be why this one is refused: then our words stand there.
            Err(problem) if problem.status() == 409 && called.uncertain => {
                let live = self.client.read(&path(&self.parent.name)).await?;
                let ours = |live: &Node| ["data", "binaryData"].iter().all(|key| live.get(key) == manifest.get(key));
                match live.filter(ours) {
                    Some(live) => live,
                    None => return Err(moved(problem)),
                }
            }
            Err(problem) if problem.status() == 409 => return Err(moved(problem)),
            Err(problem) => return Err(problem),
        };
        self.parent.uid = live.str_at(&["metadata", "uid"]).into();
        self.parent.resource_version = live.str_at(&["metadata", "resourceVersion"]).into();
        self.stands = self.parent.manifest().ok();
        Ok(())
    }

    /// Removes the parent, which owns nothing any more.
    ///
    /// # Errors
    /// It still owns something, somebody else wrote it, or the cluster refuses.
    pub(super) async fn remove(&mut self) -> Result<(), Problem> {
        if !self.items.is_empty() {
            return Err(Problem::Stopped("it still owns objects".to_owned()));
        }
        self.watch.check()?;
        let body = deletion("", &self.parent.uid, &self.parent.resource_version);
        let request = Request::new(Method::Delete, path(&self.parent.name)).body(Content::Json, body);
        match self.client.call(request).await.outcome {
            Ok(_) => Ok(()),
            Err(problem) if problem.status() == 404 => Ok(()),
            Err(problem) if problem.status() == 409 => Err(moved(problem)),
            Err(problem) => Err(problem),
        }
    }
}

fn moved(problem: Problem) -> Problem {
    Problem::Stopped(format!("somebody else wrote the parent of this application meanwhile ({problem})"))
}

fn path(name: &ParentName) -> String {
    format!("/api/v1/namespaces/{}/configmaps/{}", encode(&name.namespace), encode(&name.name))
}
