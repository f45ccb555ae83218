//! Where an object or a field came from: the question (`APP:Kind/name.field`), and the answer put together from a traced render and the
//! bundle. Prints nothing; values of Secrets are masked in all that it hands out.

mod changes;
mod field;
mod lines;
#[cfg(test)]
mod tests;

pub use changes::{Change, changes};
pub use field::{FieldPath, Part};
pub use lines::{Line, Via, lines};

use crate::bundle::{Bundled, ObjectRef, State};
use crate::compile::Compiled;
use crate::k8s::difference::is_secret_path;
use crate::k8s::object::Gvk;
use crate::render::{Resource, Step};
use crate::resolve::ResolvedUnit;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Map, Node, emit};

/// What stands for a value that nobody should see.
const MASK: &str = "(secret)";

/// An object as asked for: `Kind[.group]/[namespace/]name`, then perhaps a field path. Where the name ends and the path begins is known
/// only by the objects that there are, since names have dots, too.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    kind: &'a str,
    rest: &'a str,
}

impl<'a> Asked<'a> {
    /// Splits the text behind `APP:`.
    ///
    /// # Errors
    /// It has no kind or no name.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((kind, rest)) if !kind.is_empty() && !rest.is_empty() => Ok(Asked { kind, rest }),
            _ => Err(format!("`{text}` is no object: expected `Kind/name` or `Kind/namespace/name`")),
        }
    }

    /// The part that names an object of this id, and what follows it: the field path.
    fn split(&self, id: &ObjectRef, namespace: &str) -> Option<(usize, &'a str)> {
        let grouped = format!("{}.{}", id.kind, id.group);
        if !self.kind.eq_ignore_ascii_case(&id.kind) && !self.kind.eq_ignore_ascii_case(&grouped) {
            return None;
        }
        let spellings =
            [id.name.to_string(), format!("{}/{}", id.namespace, id.name), format!("{namespace}/{}", id.name)];
        let ends = |rest: &&str| rest.is_empty() || rest.starts_with(['.', '[']);
        let rest = spellings.iter().filter_map(|text| self.rest.strip_prefix(text.as_str()).filter(ends));
        rest.min_by_key(|rest| rest.len()).map(|rest| (self.rest.len() - rest.len(), rest))
    }
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.rest)
    }
}

/// The objects that are meant, each with the field path that follows its name; `namespace` is the destination's. By the name that they
/// end up with; only where no object has it by one that they had on the way (before prefixes and hashes). The longest name wins.
pub fn find<'r, 'a>(resources: &'r [Resource], asked: Asked<'a>, namespace: &str) -> Vec<(&'r Resource, &'a str)> {
    let best = |split: &dyn Fn(&Resource) -> Option<(usize, &'a str)>| {
        let found: Vec<(&'r Resource, (usize, &'a str))> =
            resources.iter().filter_map(|resource| Some((resource, split(resource)?))).collect();
        let longest = found.iter().map(|(_, (length, _))| *length).max();
        let meant = found.into_iter().filter(|(_, (length, _))| Some(*length) == longest);
        meant.map(|(resource, (_, path))| (resource, path)).collect::<Vec<_>>()
    };
    let now = best(&|resource| asked.split(&ObjectRef::of(&resource.body), namespace));
    if !now.is_empty() {
        return now;
    }
    best(&|resource| {
        let states = resource.origin.steps.iter().flat_map(|step| step.before.iter().chain([&step.after]));
        states.filter_map(|state| asked.split(&ObjectRef::of(state), namespace)).max_by_key(|(length, _)| *length)
    })
}

/// Whether an object of a bundle can be what one of a render became: bundling gives a namespace to those without, and takes it from those
/// that have none.
pub fn is_same(rendered: &ObjectRef, bundled: &ObjectRef) -> bool {
    let namespace =
        bundled.namespace == rendered.namespace || rendered.namespace.is_empty() || bundled.namespace.is_empty();
    bundled.group == rendered.group && bundled.kind == rendered.kind && bundled.name == rendered.name && namespace
}

/// An object as one would ask for it: `Deployment/web`, `Deployment/shop/web`.
pub fn spelled(object: &Node) -> String {
    let ObjectRef { kind, name, namespace, .. } = ObjectRef::of(object);
    if namespace.is_empty() { format!("{kind}/{name}") } else { format!("{kind}/{namespace}/{name}") }
}

/// What became of an object in the bundle of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Bundling {
    /// It is there, under this reference and with this content.
    There(ObjectRef, Node),
    /// It is not, for a reason.
    Not(String),
}

/// Looks an object up in the bundles.
pub fn bundled(resource: &Resource, unit: &ResolvedUnit, compiled: &Compiled, bundled: &Bundled) -> Bundling {
    let key = &unit.unit.application.key;
    let cluster = compiled.fleet.clusters.get(unit.cluster).map(|cluster| cluster.name.as_str());
    let Some(bundle) = bundled.bundles.iter().find(|bundle| Some(bundle.cluster.as_str()) == cluster) else {
        return Bundling::Not("there are no bundles after errors".to_owned());
    };
    let rendered = ObjectRef::of(&resource.body);
    let same = |other: &ObjectRef| is_same(&rendered, other);
    for file in bundle.files.iter().filter(|file| file.application == *key) {
        let Some(text) = &file.text else { continue };
        let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        if let Some(document) = parsed.documents.into_iter().find(|document| same(&ObjectRef::of(&document.root))) {
            return Bundling::There(ObjectRef::of(&document.root), document.root);
        }
    }
    let Some(entry) = bundle.index.applications.iter().find(|entry| entry.key == *key) else {
        return Bundling::Not("its application is in no bundle".to_owned());
    };
    if entry.state != State::Ok {
        return Bundling::Not(format!("its application is held: {}", entry.why));
    }
    if entry.excluded.iter().any(same) {
        return Bundling::Not("Argo CD leaves its kind alone (resource.exclusions)".to_owned());
    }
    if entry.declares.iter().any(same) {
        return Bundling::Not("it is a declaration of this fleet, listed in bundle.yaml".to_owned());
    }
    match entry.yields.iter().find(|(other, _)| same(other)) {
        Some((_, owner)) => Bundling::Not(format!("it is bundled with application {owner}")),
        None => Bundling::Not("it is in no file of the bundle".to_owned()),
    }
}

/// The value as it reads in a bundle: comparing it with what is there shows what bundling changed.
pub fn as_printed(object: &Node) -> Node {
    let text = emit::to_yaml(object);
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    parsed.documents.into_iter().next().map_or_else(|| object.clone(), |document| document.root)
}

/// What kind of step of bundling changes a field.
pub fn bundle_step(path: &FieldPath) -> &'static str {
    match path.keys().as_slice() {
        ["metadata", "namespace"] => "destination namespace",
        ["metadata", "annotations" | "labels", ..] => "tracking mark",
        _ => "bundling",
    }
}

/// The place in the text where a value was written; none for one that was built.
pub fn written(object: &Node, path: &FieldPath) -> Span {
    path.get(object).map_or(Span::NONE, Node::span)
}

/// An object whose secret values cannot be read: those of a Secret's `data` and `stringData` and whatever else it has beside what names
/// and describes it, and the copy that kubectl keeps.
pub fn masked(object: &Node) -> Node {
    if !Gvk::of(object).is("", "Secret") {
        return object.clone();
    }
    let mask = |node: &Node| Node::str(MASK).with_span(node.span());
    let mut object = object.clone();
    let fields: Vec<String> = object.as_map().into_iter().flat_map(Map::keys).map(str::to_owned).collect();
    for field in fields.iter().filter(|field| is_hidden(field)) {
        if let Some(slot) = object.get_mut(field) {
            let hidden = match slot.as_map() {
                Some(map) => Node::map(map.iter().map(|(key, value)| (key.clone(), mask(value))).collect::<Map>()),
                None => mask(slot),
            };
            *slot = hidden.with_span(slot.span());
        }
    }
    let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(copy) = annotations.and_then(|all| all.get_mut("kubectl.kubernetes.io/last-applied-configuration")) {
        *copy = mask(copy);
    }
    object
}

/// Whether a field of a Secret may hold values; `metadata` does so only in kubectl's copy.
fn is_hidden(field: &str) -> bool {
    field != "metadata" && is_secret_path(&format!(".{field}"))
}

/// A change with its values masked, taken from the masked states.
pub fn hide(change: Change, before: Option<&Node>, after: &Node) -> Change {
    let at = |object: &Node| change.path.get(&masked(object)).cloned();
    Change { before: before.and_then(at), after: at(after), path: change.path }
}

/// The states that an object went through: the first one, as it was read, then one after each step.
pub fn first_state(resource: &Resource) -> Option<&Node> {
    match resource.origin.steps.first() {
        Some(Step { before, .. }) => before.as_ref(),
        None => Some(&resource.body),
    }
}
