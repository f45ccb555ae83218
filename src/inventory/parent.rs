//! The parent object of a slice: a ConfigMap that `kubectl apply --applyset` would read, with our record and inventory as data.
//!
//! Wire format: kubectl's code, not the text of KEP-3659, which differ (kubectl pkg/cmd/apply/applyset.go). The inventory is one line an
//! object, sorted; over [`PLAIN`] bytes it is gzipped, since an object of etcd holds about a MiB. Reading is strict: a parent that is not
//! understood is an error, never an empty inventory.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, ToSmolStr as _};

use super::{Item, SliceKey};
use crate::application::AppKey;
use crate::digest::Digest;
use crate::k8s::object::Gvk;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// Where parents lie where nothing says otherwise.
pub const NAMESPACE: &str = "fleetc-system";
/// Label of a parent: its id.
pub const ID_LABEL: &str = "applyset.kubernetes.io/id";
/// Label of a member: the id of its parent.
pub const PART_OF_LABEL: &str = "applyset.kubernetes.io/part-of";
/// Label of a parent of ours, with the fleet's name as value: how all slices of a fleet are listed.
pub const SLICE_LABEL: &str = "fleetc.dev/fleet";
/// Value of the annotation that says whose a parent is.
pub const TOOLING: &str = concat!("fleetc/v", env!("CARGO_PKG_VERSION"));

const TOOLING_ANNOTATION: &str = "applyset.kubernetes.io/tooling";
const KINDS_ANNOTATION: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";

/// Bytes of inventory up to which it is kept readable.
const PLAIN: usize = 256 << 10;
/// Bytes of inventory that are read at most: nobody's objects fill this, and a bomb would.
const MOST: u64 = 64 << 20;

/// The id of an ApplySet from what names its parent; an empty namespace for cluster-scoped parents.
pub fn applyset_id(name: &str, namespace: &str, kind: &str, group: &str) -> String {
    let hash = Sha256::digest(format!("{name}.{namespace}.{kind}.{group}"));
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(hash))
}

/// What names a parent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParentName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ParentName {
    /// The parent of a slice: `fleetc-`, what is readable of the application's name, and a hash of the whole key.
    pub fn of(key: &SliceKey, namespace: &str) -> Self {
        let app = &key.application;
        let parts = [&key.fleet, &app.instance, &app.namespace, &app.name].map(|part| part.as_bytes());
        let hash = Digest::of_parts(parts).hex();
        let mut readable: String = app.name.to_ascii_lowercase();
        readable.retain(|c| c.is_ascii_alphanumeric() || c == '-');
        readable.truncate(40);
        let readable = readable.trim_matches('-');
        let dash = if readable.is_empty() { "" } else { "-" };
        ParentName { namespace: namespace.to_owned(), name: format!("fleetc-{readable}{dash}{}", &hash[..16]) }
    }

    /// Its ApplySet id.
    pub fn id(&self) -> String {
        applyset_id(&self.name, &self.namespace, "ConfigMap", "")
    }
}

/// A parent as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Parent {
    /// What names it.
    pub name: ParentName,
    /// Whose inventory it is.
    pub key: SliceKey,
    /// Its UID; empty before it exists.
    pub uid: SmolStr,
    /// The version that was read; empty before it exists.
    pub resource_version: SmolStr,
    /// What a removed application would need, and what the last run left: a map. Keys are `plan`'s and `apply`'s.
    pub record: Node,
    /// What it owns, sorted.
    pub items: Vec<Item>,
}

impl Parent {
    /// The ConfigMap as it is sent, in full: whoever writes it gives the resource version that he read, if there is one.
    ///
    /// # Errors
    /// A record that has no JSON.
    pub fn manifest(&self) -> Result<Node, String> {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort();
        let (mut kinds, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        let mut lines = String::new();
        for item in items {
            kinds.insert(format!("{}.{}", item.gvk.kind, item.gvk.group).trim_end_matches('.').to_owned());
            if !item.namespace.is_empty() && item.namespace != self.name.namespace.as_str() {
                namespaces.insert(item.namespace.as_str());
            }
            line(item, &mut lines);
        }
        let joined = |set: Vec<&str>| set.join(",");
        let kinds = joined(kinds.iter().map(String::as_str).collect());
        let text = |text: &str| Node::str(text);
        let map = |entries: Vec<(&str, Node)>| {
            let mut map = Map::with_capacity(entries.len());
            entries.into_iter().for_each(|(key, value)| map.insert(key, value));
            Node::map(map)
        };
        let mut metadata = vec![
            ("name", text(&self.name.name)),
            ("namespace", text(&self.name.namespace)),
            ("labels", map(vec![(ID_LABEL, text(&self.name.id())), (SLICE_LABEL, text(&self.key.fleet))])),
            (
                "annotations",
                map(vec![
                    (NAMESPACES_ANNOTATION, text(&joined(namespaces.into_iter().collect()))),
                    (KINDS_ANNOTATION, text(&kinds)),
                    (TOOLING_ANNOTATION, text(TOOLING)),
                ]),
            ),
        ];
        if !self.uid.is_empty() {
            metadata.push(("uid", text(&self.uid)));
        }
        if !self.resource_version.is_empty() {
            metadata.push(("resourceVersion", text(&self.resource_version)));
        }
        let app = &self.key.application;
        let slice = map(vec![
            ("fleet", text(&self.key.fleet)),
            ("instance", text(&app.instance)),
            ("namespace", text(&app.namespace)),
            ("name", text(&app.name)),
            ("record", self.record.clone()),
        ]);
        let slice = json::to_json(&slice).map_err(|errors| message(&errors))?;
        let mut manifest = vec![("apiVersion", text("v1")), ("kind", text("ConfigMap")), ("metadata", map(metadata))];
        if lines.len() <= PLAIN {
            manifest.push(("data", map(vec![("slice", text(&slice)), ("inventory", text(&lines))])));
        } else {
            let packed = STANDARD.encode(gzip(&lines)?);
            manifest.push(("data", map(vec![("slice", text(&slice))])));
            manifest.push(("binaryData", map(vec![("inventory.gz", text(&packed))])));
        }
        Ok(map(manifest))
    }

    /// Reads a live ConfigMap.
    ///
    /// # Errors
    /// Why it is no parent of ours, or not as we wrote it: one sentence.
    pub fn read(object: &Node) -> Result<Self, String> {
        let of = |path: &[&str]| object.at(path).and_then(Node::as_str).unwrap_or_default();
        let name =
            ParentName { namespace: of(&["metadata", "namespace"]).into(), name: of(&["metadata", "name"]).into() };
        let tooling = of(&["metadata", "annotations", TOOLING_ANNOTATION]);
        if tooling.split('/').next() != Some("fleetc") {
            return Err(format!("it is managed by `{tooling}`, not by fleetc"));
        }
        // Somebody who copies a parent must not get its members: the id is of the name.
        if of(&["metadata", "labels", ID_LABEL]) != name.id() {
            return Err(format!("its label `{ID_LABEL}` is not the id of its name"));
        }
        let slice = json::parse(FileId::NONE, of(&["data", "slice"]).as_bytes())
            .map_err(|errors| format!("its `slice` is no JSON: {}", message(&errors)))?;
        let part = |key: &str| slice.get(key).and_then(Node::as_str).map(str::to_owned);
        let (Some(fleet), Some(instance), Some(namespace), Some(app), Some(record)) =
            (part("fleet"), part("instance"), part("namespace"), part("name"), slice.get("record"))
        else {
            return Err("its `slice` lacks the fleet or the application".to_owned());
        };
        let key = SliceKey { fleet, application: AppKey { instance, namespace, name: app } };
        let lines = match object.at(&["data", "inventory"]).and_then(Node::as_str) {
            Some(lines) => lines.to_owned(),
            None => gunzip(of(&["binaryData", "inventory.gz"]))?,
        };
        let items = lines.lines().enumerate().map(|(at, line)| {
            read_line(line).ok_or_else(|| format!("line {} of its inventory is not understood", at + 1))
        });
        Ok(Parent {
            key,
            uid: of(&["metadata", "uid"]).into(),
            resource_version: of(&["metadata", "resourceVersion"]).into(),
            record: record.clone(),
            items: items.collect::<Result<_, _>>()?,
            name,
        })
    }

    /// The item of an object, whatever its version.
    pub fn item(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.gvk.is(group, kind) && item.namespace == namespace && item.name == name)
    }
}

/// `group/version Kind namespace name uid applied owned`, with `-` for what is empty: none of them holds a space.
fn line(item: &Item, out: &mut String) {
    let or = |text: &SmolStr| if text.is_empty() { SmolStr::new_static("-") } else { text.clone() };
    let digest = |digest: &Option<Digest>| digest.map_or_else(|| "-".to_owned(), |digest| digest.hex());
    let _ = writeln!(
        out,
        "{} {} {} {} {} {} {}",
        item.gvk.api_version(),
        item.gvk.kind,
        or(&item.namespace),
        item.name,
        or(&item.uid),
        digest(&item.applied),
        digest(&item.owned)
    );
}

fn read_line(line: &str) -> Option<Item> {
    let words: Vec<&str> = line.split(' ').collect();
    let [api_version, kind, namespace, name, uid, applied, owned] = words.as_slice() else { return None };
    let or = |text: &str| if text == "-" { SmolStr::default() } else { text.to_smolstr() };
    let digest = |text: &str| match text {
        "-" => Some(None),
        hex => Digest::parse(&format!("sha256:{hex}")).map(Some),
    };
    Some(Item {
        gvk: Gvk::new(api_version, kind),
        namespace: or(namespace),
        name: (!name.is_empty()).then(|| name.to_smolstr())?,
        uid: or(uid),
        applied: digest(applied)?,
        owned: digest(owned)?,
    })
}

fn gzip(text: &str) -> Result<Vec<u8>, String> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).and_then(|()| packer.finish()).map_err(|error| error.to_string())
}

fn gunzip(packed: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(packed).map_err(|_| "its inventory is no base64".to_owned())?;
    if bytes.is_empty() {
        return Err("it has no inventory".to_owned());
    }
    let mut text = String::new();
    let read = flate2::read::GzDecoder::new(bytes.as_slice()).take(MOST).read_to_string(&mut text);
    read.map_err(|error| format!("its inventory cannot be unpacked: {error}"))?;
    if text.len() as u64 == MOST { Err("its inventory is too large".to_owned()) } else { Ok(text) }
}

fn message(errors: &crate::diag::Diagnostics) -> String {
    errors.iter().next().map(|error| error.message.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SliceKey {
        let application = AppKey { instance: String::new(), namespace: "argocd".into(), name: "Web.Shop_1".into() };
        SliceKey { fleet: "platform".into(), application }
    }

    fn parent(count: usize) -> Parent {
        let item = |at: usize| Item {
            gvk: Gvk::new(
                if at.is_multiple_of(2) { "v1" } else { "apps/v1" },
                if at.is_multiple_of(2) { "ConfigMap" } else { "Deployment" },
            ),
            namespace: if at.is_multiple_of(3) { "".into() } else { "shop".into() },
            name: format!("object-{at:06}").into(),
            uid: if at.is_multiple_of(5) { "".into() } else { format!("uid-{at}").into() },
            applied: (at.is_multiple_of(2)).then(|| Digest::of(&at.to_le_bytes())),
            owned: (at.is_multiple_of(4)).then(|| Digest::of(b"fields")),
        };
        let mut items: Vec<Item> = (0..count).map(item).collect();
        items.sort();
        let mut record = Map::default();
        record.insert("project", Node::str("default"));
        Parent {
            name: ParentName::of(&key(), NAMESPACE),
            key: key(),
            uid: "u".into(),
            resource_version: "7".into(),
            record: Node::map(record),
            items,
        }
    }

    #[test]
    fn ids_are_kubectls() {
        assert_eq!(
            applyset_id("my-set", "prod", "Secret", ""),
            "applyset-33jb7s1fLYA5Aiyr0Q3erXIf_pqlOUTv9GxRUYFRzNA-v1"
        );
        let id = applyset_id("platform", "", "Fleet", "example.com");
        assert_eq!(id, "applyset-FuMmCzqPUparbB42H3wvZdVLLgLIfd37ofGe2xIymx8-v1");
    }

    #[test]
    fn what_is_written_is_read() {
        for count in [0, 1, 7, 4_000] {
            let parent = parent(count);
            let manifest = parent.manifest().unwrap();
            assert_eq!(Parent::read(&manifest), Ok(parent), "{count} objects");
            assert_eq!(manifest.get("binaryData").is_some(), count == 4_000);
        }
    }

    #[test]
    fn names_are_valid_and_differ() {
        let name = ParentName::of(&key(), NAMESPACE).name;
        assert!(name.starts_with("fleetc-webshop1-") && name.len() <= 63, "{name}");
        let mut other = key();
        other.application.namespace = "team".into();
        assert_ne!(ParentName::of(&other, NAMESPACE).name, name);
        other.fleet = "second".into();
        other.application.namespace = "argocd".into();
        assert_ne!(ParentName::of(&other, NAMESPACE).name, name);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let manifest = parent(3).manifest().unwrap();
        let with = |path: [&str; 3], value: &str| {
            let mut manifest = manifest.clone();
            let part = manifest.get_mut(path[0]).and_then(|node| node.get_mut(path[1])).unwrap();
            if path[2].is_empty() {
                *part = Node::str(value);
            } else {
                *part.get_mut(path[2]).unwrap() = Node::str(value);
            }
            Parent::read(&manifest).unwrap_err()
        };
        assert!(with(["metadata", "annotations", TOOLING_ANNOTATION], "kubectl/v1.34").contains("kubectl"));
        assert!(with(["metadata", "name", ""], "copied").contains("id"));
        assert!(with(["data", "inventory", ""], "v1 ConfigMap x").contains("line 1"));
        assert!(with(["data", "slice", ""], "{}").contains("lacks"));
    }
}
