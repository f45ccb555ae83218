//! Which objects a ValidatingAdmissionPolicy or a binding is about. (apiserver pkg/admission/plugin/policy/matching, plugin/webhook/predicates)
//!
//! Only what is made is asked for. What depends on labels that no bundle has, or on another version of an object, is not known, and said so.

use std::cell::Cell;

use super::admission::GROUP;
use crate::k8s::gaps::Gaps;
use crate::k8s::object::Gvk;
use crate::k8s::selector::{Selector, Values};
use crate::validate::Admitted;
use crate::validate::apis::{Serving, serving};
use crate::validate::crd::Definition;
use crate::validate::table::Minor;
use crate::yaml::Node;

/// What is asked about an object, without its content.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) gvk: &'a Gvk,
    /// Name of its resource.
    pub(super) plural: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: Namespace<'a>,
    pub(super) definition: Option<&'a Definition>,
    pub(super) minor: Minor,
}

/// The namespace that an object is in.
#[derive(Clone, Copy)]
pub(super) enum Namespace<'a> {
    /// It is in none.
    None,
    /// It is one.
    Itself,
    Known(&'a Node),
    /// No bundle has it.
    Elsewhere(&'a str),
}

/// Whether a policy is about an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    Unknown(String),
}

impl Match {
    pub(super) fn and(self, other: impl FnOnce() -> Match) -> Match {
        match self {
            Match::Yes => other(),
            Match::No => Match::No,
            Match::Unknown(why) => match other() {
                Match::No => Match::No,
                _ => Match::Unknown(why),
            },
        }
    }
}

fn items<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

/// Whether the rules of a policy, or of a binding that may have none, let an object through.
pub(super) fn rules(node: &Node, asked: &Asked<'_>, needs_one: bool) -> Match {
    // Policies are not governed by policies; webhooks are.
    if asked.gvk.group == GROUP && asked.gvk.kind.contains("AdmissionPolicy") {
        return Match::No;
    }
    let exact = node.str_at(&["matchPolicy"]) == "Exact";
    let any = |field: &str| {
        let mut all = Match::No;
        for rule in items(node, field) {
            match fits(rule, asked, exact) {
                Match::Yes => return Match::Yes,
                Match::No => {}
                unknown @ Match::Unknown(_) => all = unknown,
            }
        }
        all
    };
    let taken = if !needs_one && items(node, "resourceRules").is_empty() { Match::Yes } else { any("resourceRules") };
    taken.and(|| match any("excludeResourceRules") {
        Match::Yes => Match::No,
        Match::No => Match::Yes,
        unknown @ Match::Unknown(_) => unknown,
    })
}

fn fits(rule: &Node, asked: &Asked<'_>, exact: bool) -> Match {
    let Asked { gvk, plural, namespace, .. } = *asked;
    let has = |field: &str, value: &str| {
        items(rule, field).iter().filter_map(Node::text).any(|known| known == "*" || known == value)
    };
    // Without its definition nobody says what the resource of a custom kind is called.
    let kind = gvk.kind.to_lowercase();
    let guessed = |name: &str| {
        asked.definition.is_none() && name.strip_prefix(&*kind).is_some_and(|end| ["", "s", "es"].contains(&end))
    };
    // A subresource of `*` takes the object itself as well.
    let resource = |known: &str| {
        let (name, below) = known.split_once('/').unwrap_or((known, ""));
        (name == "*" || name == plural || guessed(name)) && (below.is_empty() || below == "*")
    };
    let names = items(rule, "resourceNames");
    let is_named = names.is_empty() || names.iter().any(|name| name.text() == Some(asked.name));
    let is_in_scope = match rule.str_at(&["scope"]) {
        "Cluster" => matches!(namespace, Namespace::None | Namespace::Itself),
        "Namespaced" => matches!(namespace, Namespace::Known(_) | Namespace::Elsewhere(_)),
        _ => true,
    };
    if !(has("apiGroups", &gvk.group)
        && has("operations", "CREATE")
        && items(rule, "resources").iter().filter_map(Node::text).any(resource)
        && is_named
        && is_in_scope)
    {
        return Match::No;
    }
    if has("apiVersions", &gvk.version) {
        return Match::Yes;
    }
    let served = |version: &str| match asked.definition {
        Some(definition) => definition.served().contains(&version),
        None => {
            let other = Gvk { version: version.into(), ..gvk.clone() };
            !matches!(serving(&other, asked.minor), Serving::Removed(..) | Serving::Unknown(..))
        }
    };
    match items(rule, "apiVersions").iter().filter_map(Node::text).find(|version| !exact && served(version)) {
        Some(version) => {
            Match::Unknown(format!("it sees the object in version `{version}`, to which fleetc does not convert it"))
        }
        None => Match::No,
    }
}

/// Whether the selectors of a policy or a binding let an object through, which has its defaults.
pub(super) fn selectors(node: &Node, admitted: &Admitted, namespace: Namespace<'_>) -> Match {
    let object = &admitted.object;
    let marks = admitted.gaps.below("metadata").and_then(|gaps| gaps.below("labels"));
    match selected(node, "objectSelector", object.at(&["metadata", "labels"]), marks, None) {
        Match::Yes => {}
        other => return other,
    }
    match namespace {
        // Objects of the cluster itself are never left out by a selector of namespaces.
        Namespace::None => Match::Yes,
        Namespace::Itself => {
            let name = object.str_at(&["metadata", "name"]);
            selected(node, "namespaceSelector", object.at(&["metadata", "labels"]), marks, Some((name, true)))
        }
        Namespace::Known(given) => {
            let name = given.str_at(&["metadata", "name"]);
            selected(node, "namespaceSelector", given.at(&["metadata", "labels"]), None, Some((name, true)))
        }
        Namespace::Elsewhere(name) => selected(node, "namespaceSelector", None, None, Some((name, false))),
    }
}

/// Whether labels fit a selector. The server labels a namespace with its name; of one that no bundle has that is all that is known.
fn selected(
    node: &Node,
    field: &str,
    labels: Option<&Node>,
    marks: Option<&Gaps>,
    namespace: Option<(&str, bool)>,
) -> Match {
    let Some(node) = node.get(field).filter(|node| node.as_map().is_some_and(|map| !map.is_empty())) else {
        return Match::Yes;
    };
    let Ok(selector) = Selector::read(node, Values::Labels) else {
        return Match::Unknown(format!("its {field} cannot be read"));
    };
    let (missed, marked) = (Cell::new(false), Cell::new(false));
    let is = selector.matches(|key| match namespace {
        Some((name, _)) if key == "kubernetes.io/metadata.name" => Some(name.to_owned().into()),
        Some((_, false)) => {
            missed.set(true);
            None
        }
        _ => {
            marked.set(marked.get() || marks.and_then(|gaps| gaps.below(key)).is_some_and(|gap| gap.whole.is_some()));
            labels.and_then(|all| all.get(key)).and_then(Node::text).map(|text| text.to_owned().into())
        }
    });
    match (missed.get(), namespace) {
        (true, Some((name, _))) => {
            Match::Unknown(format!("no bundle of the cluster has the namespace `{name}`, whose labels it asks for"))
        }
        _ if marked.get() => Match::Unknown(format!("its {field} asks for a label that marks applications")),
        _ if is => Match::Yes,
        _ => Match::No,
    }
}
