//! What differs between two states of an object, field by field, without what every write changes.
//!
//! Items of lists find each other as the API server merges them, where their kind says how, else by `name`, else by place. Values of
//! Secrets are masked here, so that nobody after this sees them.

use std::collections::BTreeMap;

use super::object::Gvk;
use super::schema::{self, TypeRef};
use crate::yaml::{Map, Node, View};

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedField {
    /// `.spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// What it was; `None` for a new field. Values of Secrets are masked.
    pub before: Option<Node>,
    /// What it becomes; `None` for a field that goes.
    pub after: Option<Node>,
}

/// Fields of `metadata` that the server keeps.
const SERVERS: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// The annotation in which kubectl keeps what it last applied: a copy of the object, values of Secrets included.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object without what the server keeps (status, versions, times, managers) and without kubectl's copy of it.
pub fn without_noise(object: &Node) -> Node {
    let mut object = object.clone();
    if let Some(map) = object.map_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Node::map_mut) {
            metadata.retain(|key, _| !key.text().is_some_and(|key| SERVERS.contains(&key)));
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Node::map_mut) {
                annotations.remove(LAST_APPLIED);
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
    }
    object
}

/// The fields in which two objects of a kind differ, sorted by path.
pub fn between(gvk: &Gvk, before: &Node, after: &Node) -> Vec<ChangedField> {
    let (before, after) = (without_noise(before), without_noise(after));
    let mut walk = Walk { secret: gvk.is("", "Secret"), found: Vec::new() };
    let of = schema::root(&gvk.api_version(), &gvk.kind);
    walk.maps(&mut String::new(), of, before.as_map(), after.as_map());
    walk.found
}

/// The fields of `desired` that a live object has otherwise; what only the live object has is no difference. For objects that are made anew.
pub fn beyond(gvk: &Gvk, live: &Node, desired: &Node) -> Vec<ChangedField> {
    let mut found = between(gvk, live, desired);
    found.retain(|change| change.after.is_some());
    found
}

struct Walk {
    secret: bool,
    found: Vec<ChangedField>,
}

impl Walk {
    fn value(&mut self, path: &mut String, of: Option<TypeRef>, before: Option<&Node>, after: Option<&Node>) {
        match (before, after) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => match (a.view(), b.view()) {
                (View::Map(a), View::Map(b)) => self.maps(path, of, Some(a), Some(b)),
                (View::Seq(a), View::Seq(b)) => self.lists(path, of, a, b),
                _ => self.push(path, before, after),
            },
            (None, None) => {}
            _ => self.push(path, before, after),
        }
    }

    fn push(&mut self, path: &str, before: Option<&Node>, after: Option<&Node>) {
        let hidden = self.secret && is_secret_path(path);
        let show = |node: &Node, changed: bool| {
            if !hidden {
                node.clone()
            } else if changed {
                Node::str("*** (another value)")
            } else {
                Node::str("***")
            }
        };
        self.found.push(ChangedField {
            path: path.to_owned(),
            before: before.map(|node| show(node, false)),
            after: after.map(|node| show(node, before.is_some())),
        });
    }

    fn maps(&mut self, path: &mut String, of: Option<TypeRef>, before: Option<&Map>, after: Option<&Map>) {
        let keys =
            |map: Option<&Map>| -> Vec<String> { map.into_iter().flat_map(Map::keys).map(str::to_owned).collect() };
        let mut all = keys(before);
        all.extend(keys(after));
        all.sort();
        all.dedup();
        for key in all {
            let (a, b) = (before.and_then(|map| map.get(&key)), after.and_then(|map| map.get(&key)));
            let length = path.len();
            push_key(path, &key);
            self.value(path, of.and_then(|of| of.field(&key)), a, b);
            path.truncate(length);
        }
    }

    fn lists(&mut self, path: &mut String, of: Option<TypeRef>, before: &[Node], after: &[Node]) {
        let items = of.and_then(TypeRef::items);
        let keys: Option<&[&str]> =
            of.and_then(TypeRef::list_merge).map(|merge| merge.keys).filter(|keys| !keys.is_empty());
        for keys in [keys, Some(&["name"][..])].into_iter().flatten() {
            if let (Some(a), Some(b)) = (keyed(before, keys), keyed(after, keys)) {
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort();
                names.dedup();
                for name in names {
                    let length = path.len();
                    path.push_str(name);
                    self.value(path, items, a.get(name).copied(), b.get(name).copied());
                    path.truncate(length);
                }
                if a.len() == b.len() && a.keys().eq(b.keys()) && self.is_reordered(before, after, keys) {
                    self.push(&format!("{path}[order]"), Some(&order(before, keys)), Some(&order(after, keys)));
                }
                return;
            }
        }
        let plain = |list: &[Node]| list.iter().all(Node::is_scalar);
        if plain(before) && plain(after) {
            let whole = |list: &[Node]| Node::seq(list.to_vec());
            self.push(path, Some(&whole(before)), Some(&whole(after)));
            return;
        }
        for at in 0..before.len().max(after.len()) {
            let length = path.len();
            path.push_str(&format!("[{at}]"));
            self.value(path, items, before.get(at), after.get(at));
            path.truncate(length);
        }
    }

    fn is_reordered(&self, before: &[Node], after: &[Node], keys: &[&str]) -> bool {
        order(before, keys) != order(after, keys)
    }
}

fn order(list: &[Node], keys: &[&str]) -> Node {
    Node::seq(list.iter().filter_map(|item| item_key(item, keys)).map(Node::str).collect())
}

/// `[name=web]`, `[containerPort=80,protocol=TCP]`.
fn item_key(item: &Node, keys: &[&str]) -> Option<String> {
    let parts: Vec<String> = keys.iter().filter_map(|key| Some(format!("{key}={}", item.get(key)?.text()?))).collect();
    (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")))
}

/// The items by their keys; `None` where one has none or two have the same.
fn keyed<'n>(list: &'n [Node], keys: &[&str]) -> Option<BTreeMap<String, &'n Node>> {
    let mut found = BTreeMap::new();
    for item in list {
        if found.insert(item_key(item, keys)?, item).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Adds a key of a map to a path.
pub fn push_key(path: &mut String, key: &str) {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain {
        path.push('.');
        path.push_str(key);
    } else {
        path.push_str(&format!("[{key:?}]"));
    }
}

/// Whether a path of a Secret may hold a value: everything but what names and describes it.
pub fn is_secret_path(path: &str) -> bool {
    const SHOWN: [&str; 4] = [".type", ".immutable", ".apiVersion", ".kind"];
    if path.contains(LAST_APPLIED) || path == ".metadata" || path == ".metadata.annotations" {
        return true;
    }
    !(path.starts_with(".metadata") || SHOWN.contains(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;
    use crate::yaml::json;

    fn found(kind: (&str, &str), before: &str, after: &str) -> Vec<String> {
        let node = |text: &str| json::parse(FileId::NONE, text.as_bytes()).expect("JSON");
        let show =
            |node: &Option<Node>| node.as_ref().map_or("-".to_owned(), |node| json::to_json(node).expect("JSON"));
        let gvk = Gvk::new(kind.0, kind.1);
        let all = between(&gvk, &node(before), &node(after));
        all.iter().map(|c| format!("{} {} {}", c.path, show(&c.before), show(&c.after))).collect()
    }

    #[test]
    fn noise_does_not_count_and_fields_do() {
        let before = r#"{"metadata":{"name":"a","resourceVersion":"1","managedFields":[]},"status":{"x":1},"data":{"a":"1","b":"2"}}"#;
        let after = r#"{"metadata":{"name":"a","resourceVersion":"2","generation":3},"data":{"b":"3","c.d":"4"}}"#;
        assert_eq!(
            found(("v1", "ConfigMap"), before, after),
            [r#".data.a "1" -"#, r#".data.b "2" "3""#, r#".data["c.d"] - "4""#]
        );
    }

    #[test]
    fn items_find_each_other_by_their_keys() {
        let of = |containers: &str| format!(r#"{{"spec":{{"template":{{"spec":{{"containers":{containers}}}}}}}}}"#);
        let before = of(r#"[{"name":"a","image":"x:1"},{"name":"b","image":"y"}]"#);
        let after = of(r#"[{"name":"new","image":"z"},{"name":"a","image":"x:2"},{"name":"b","image":"y"}]"#);
        assert_eq!(
            found(("apps/v1", "Deployment"), &before, &after),
            [
                r#".spec.template.spec.containers[name=a].image "x:1" "x:2""#,
                r#".spec.template.spec.containers[name=new] - {"image":"z","name":"new"}"#
            ]
        );
        let args = |list: &str| of(&format!(r#"[{{"name":"a","args":{list}}}]"#));
        assert_eq!(
            found(("apps/v1", "Deployment"), &args(r#"["-v"]"#), &args(r#"["-v","-x"]"#)),
            [r#".spec.template.spec.containers[name=a].args ["-v"] ["-v","-x"]"#]
        );
    }

    #[test]
    fn values_of_secrets_are_never_shown() {
        let before = r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter1"}},"type":"Opaque","data":{"p":"hunter1","gone":"hunter1"}}"#;
        let after = r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2","a":"b"}},"type":"x","data":{"p":"hunter2"},"stringData":{"q":"hunter2"}}"#;
        let all = found(("v1", "Secret"), before, after).join("\n");
        assert!(!all.contains("hunter"), "{all}");
        assert!(
            all.contains(r#".data.p "***" "*** (another value)""#) && all.contains(r#".type "Opaque" "x""#),
            "{all}"
        );
        let whole = found(
            ("v1", "Secret"),
            r#"{"metadata":{}}"#,
            r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2"}},"data":{"a":"hunter2"}}"#,
        );
        assert!(!whole.join("\n").contains("hunter"), "{whole:?}");
    }
}
