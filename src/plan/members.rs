//! The live objects that belong to slices: one list per kind for all of them, and single objects where the lists do not tell.
//!
//! Only kinds that an inventory names are listed: an inventory grows before anything is created, so a kind that none names has no members.
//! What an inventory lists and the list does not is asked for by name, since somebody may have taken the label off.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::ground::{Ground, Listed, list};
use super::live;
use super::talk::{Talk, Trouble};
use crate::api::{Request, Resource};
use crate::bundle::ObjectRef;
use crate::inventory::{PART_OF_LABEL, Parent};
use crate::machine::all;
use crate::yaml::Node;

/// Parents up to which the selector names them; more make the query too long.
const NAMED: usize = 12;

/// Live objects by name.
#[derive(Debug, Default)]
pub(super) struct Members {
    found: BTreeMap<ObjectRef, Node>,
    /// Kinds that were listed in full: what is not found has not got the label.
    listed: BTreeSet<(SmolStr, SmolStr)>,
}

impl Members {
    /// Lists the members of some parents.
    pub(super) async fn load(talk: &Talk, ground: &Ground, parents: &[&Parent]) -> Result<Self, Trouble> {
        let mut kinds: BTreeMap<&Resource, BTreeSet<&SmolStr>> = BTreeMap::new();
        for item in parents.iter().flat_map(|parent| &parent.items) {
            if let Some(resource) = ground.kinds.any(&item.gvk) {
                kinds.entry(resource).or_default().insert(&item.namespace);
            }
        }
        let selector = match parents {
            parents if parents.len() <= NAMED => {
                let ids: Vec<String> = parents.iter().map(|parent| parent.name.id()).collect();
                format!("{PART_OF_LABEL} in ({})", ids.join(","))
            }
            _ => PART_OF_LABEL.to_owned(),
        };
        let wanted = kinds.iter().filter(|(resource, _)| resource.can("list"));
        let lists =
            all(talk.limit(), wanted.map(|(resource, namespaces)| of_kind(talk, resource, namespaces, &selector)))
                .await;
        let mut members = Members::default();
        for ((resource, _), objects) in kinds.iter().filter(|(resource, _)| resource.can("list")).zip(lists) {
            let Some(objects) = objects? else { continue };
            members.listed.insert((resource.gvk.group.clone(), resource.gvk.kind.clone()));
            for object in objects {
                let object = live::with_kind(&resource.gvk, object);
                members.found.insert(live::reference(&resource.gvk, &object), object);
            }
        }
        Ok(members)
    }

    /// A member that was listed.
    pub(super) fn get(&self, reference: &ObjectRef) -> Option<&Node> {
        self.found.get(reference)
    }

    /// The members of a parent, by its id.
    pub(super) fn of<'m>(&'m self, id: &'m str) -> impl Iterator<Item = (&'m ObjectRef, &'m Node)> {
        self.found.iter().filter(move |(_, object)| live::part_of(object) == id)
    }

    /// A live object, asked for by name where no list had it; `None` where there is none.
    pub(super) async fn find(
        &self,
        talk: &Talk,
        ground: &Ground,
        gvk: &crate::k8s::object::Gvk,
        reference: &ObjectRef,
    ) -> Result<Option<Node>, Trouble> {
        if let Some(object) = self.get(reference) {
            return Ok(Some(object.clone()));
        }
        let Some(resource) = ground.kinds.any(gvk) else { return Ok(None) };
        read(talk, resource, reference).await
    }
}

/// An object by name.
pub(super) async fn read(talk: &Talk, resource: &Resource, reference: &ObjectRef) -> Result<Option<Node>, Trouble> {
    let object = talk.read(Request::get(resource.object(&reference.namespace, &reference.name))).await?;
    Ok(object.map(|object| live::with_kind(&resource.gvk, object)))
}

/// The objects of a kind with a label; `None` where we may not list them anywhere.
async fn of_kind(
    talk: &Talk,
    resource: &Resource,
    namespaces: &BTreeSet<&SmolStr>,
    selector: &str,
) -> Result<Option<Vec<Node>>, Trouble> {
    if let Listed::Items(items) = list(talk, &resource.collection(""), selector).await? {
        return Ok(Some(items));
    }
    let mut found = Vec::new();
    for namespace in namespaces {
        match list(talk, &resource.collection(namespace), selector).await? {
            Listed::Items(items) => found.extend(items),
            Listed::Forbidden(_) => return Ok(None),
        }
    }
    Ok(Some(found))
}
