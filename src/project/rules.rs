//! The rules of an AppProject as they are written, compiled: patterns with their places.
//!
//! Read strictly: what Argo CD's own validation refuses (`!*`, windows without a kind, service accounts that cannot be), and patterns that
//! it cannot compile. There a malformed pattern silently matches nothing, and a malformed denial therefore permits everything.

use std::hash::{Hash, Hasher};

use regex::Regex;

use super::url;
use super::windows::Window;
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::k8s::glob::Glob;
use crate::k8s::path_match::PathPattern;
use crate::span::Span;
use crate::yaml::Node;

/// An Argo CD minor version.
pub type Engine = (u32, u32);

/// A glob, or with `!` in front everything but that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    glob: Glob,
    /// Whether `!` stood in front: a denial.
    pub denies: bool,
    /// Where it was written.
    pub span: Span,
}

impl Pattern {
    /// Reads a pattern in which `!` is nothing special.
    pub(super) fn read(node: &Node, separators: &str) -> Checked<Self> {
        let text = node.text().unwrap_or_default();
        Pattern::compile(text, text, separators, node.span())
    }

    /// Reads a pattern that may deny.
    fn signed(node: &Node, separators: &str, normalize: fn(&str) -> String) -> Checked<Self> {
        let text = node.text().unwrap_or_default();
        if text == "!*" {
            let error = Diagnostic::error(
                "project/pattern",
                node.span(),
                "the pattern `!*` permits nothing and denies everything",
            );
            return Err(error.hint("leave the list empty to permit nothing").into());
        }
        let bare = text.strip_prefix('!');
        let pattern = Pattern::compile(text, &normalize(bare.unwrap_or(text)), separators, node.span())?;
        Ok(Pattern { denies: bare.is_some(), ..pattern })
    }

    /// The pattern of a field that is not there: it matches only what is empty.
    fn none(span: Span) -> Option<Self> {
        Some(Pattern { glob: Glob::new("", "")?, denies: false, span })
    }

    fn compile(written: &str, text: &str, separators: &str, span: Span) -> Checked<Self> {
        // A lone `*` is everything there before any glob is asked.
        let separators = if text == "*" { "" } else { separators };
        match Glob::new(text, separators) {
            Some(glob) => Ok(Pattern { glob, denies: false, span }),
            None => Err(malformed(written, "glob", span).into()),
        }
    }

    /// Whether it matches; a denial matches what its glob does not.
    pub fn matches(&self, text: &str) -> bool {
        self.glob.matches(text) != self.denies
    }
}

fn malformed(text: &str, what: &str, span: Span) -> Diagnostic {
    Diagnostic::error("project/pattern", span, format!("`{text}` is no {what} that can be read"))
        .hint("Argo CD would let it match nothing, without a word")
}

/// An entry of `destinations`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// `server`.
    pub server: Pattern,
    /// `name`.
    pub name: Pattern,
    /// `namespace`.
    pub namespace: Pattern,
    /// Where it was written.
    pub span: Span,
}

/// An entry of `sourceNamespaces`: a glob, and between slashes a regular expression too.
#[derive(Clone, Debug)]
pub struct NamespacePattern {
    text: String,
    glob: Option<Glob>,
    regex: Option<Regex>,
}

impl NamespacePattern {
    fn read(node: &Node) -> Checked<Self> {
        let text = node.text().unwrap_or_default();
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|inner| !inner.is_empty());
        let regex =
            inner.map(Regex::new).transpose().map_err(|_| malformed(text, "regular expression", node.span()))?;
        let glob = Glob::new(text, "");
        if glob.is_none() && regex.is_none() {
            return Err(malformed(text, "glob", node.span()).into());
        }
        Ok(NamespacePattern { text: text.to_owned(), glob, regex })
    }

    pub(super) fn matches(&self, namespace: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(namespace))
            || self.glob.as_ref().is_some_and(|glob| glob.matches(namespace))
    }
}

impl PartialEq for NamespacePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for NamespacePattern {}
impl Hash for NamespacePattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// An entry of a list of kinds.
#[derive(Clone, Debug)]
pub struct KindRule {
    group: PathPattern,
    kind: PathPattern,
    /// Cluster-scoped kinds only, from Argo CD 3.3 on.
    name: Option<PathPattern>,
    /// Where it was written.
    pub span: Span,
    node: Node,
}

impl KindRule {
    fn read(node: &Node, named: bool) -> Checked<Self> {
        let pattern = |key: &str| {
            let found = node.get(key);
            let text = found.and_then(Node::text).unwrap_or_default();
            let place = found.map_or(node.span(), Node::span).or(node.span());
            PathPattern::new(text).ok_or_else(|| Diagnostics::from(malformed(text, "pattern", place)))
        };
        let has_name = named && node.get("name").and_then(Node::text).is_some_and(|name| !name.is_empty());
        Ok(KindRule {
            group: pattern("group")?,
            kind: pattern("kind")?,
            name: if has_name { Some(pattern("name")?) } else { None },
            span: node.span(),
            node: node.clone(),
        })
    }

    pub(super) fn matches(&self, group: &str, kind: &str, name: &str) -> bool {
        self.kind.matches(kind)
            && self.group.matches(group)
            && self.name.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

impl PartialEq for KindRule {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node && self.name.is_some() == other.name.is_some()
    }
}

/// An entry of `destinationServiceAccounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    pub(super) server: Glob,
    pub(super) namespace: Glob,
    pub(super) name: String,
}

/// The rules of a project; of a global project those that others inherit are a part of theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Name of the project.
    pub name: String,
    /// The namespace that the AppProject is written for, which is the control plane's; empty where it says none.
    pub namespace: String,
    /// Where the AppProject is written.
    pub span: Span,
    /// `sourceRepos`, normalized.
    pub sources: Vec<Pattern>,
    /// `destinations`.
    pub destinations: Vec<Destination>,
    /// `sourceNamespaces`.
    pub source_namespaces: Vec<NamespacePattern>,
    /// `clusterResourceWhitelist`.
    pub cluster_kinds: Vec<KindRule>,
    /// `clusterResourceBlacklist`.
    pub no_cluster_kinds: Vec<KindRule>,
    /// `namespaceResourceWhitelist`; without it all kinds are permitted, with an empty one none.
    pub namespaced_kinds: Option<Vec<KindRule>>,
    /// `namespaceResourceBlacklist`.
    pub no_namespaced_kinds: Vec<KindRule>,
    /// `permitOnlyProjectScopedClusters`.
    pub only_own_clusters: bool,
    /// `destinationServiceAccounts`.
    pub accounts: Vec<ServiceAccount>,
    /// `syncWindows`.
    pub windows: Vec<Window>,
    /// Where lists stand, for refusals by lists that nothing of matches.
    pub(super) places: Vec<(&'static str, Span)>,
}

/// What a service account's name must not hold.
const NOT_IN_ACCOUNTS: [char; 8] = ['!', '*', '[', ']', '{', '}', '\\', '/'];

impl Rules {
    /// Reads an AppProject. Warnings stand beside the rules.
    ///
    /// # Errors
    /// What Argo CD's validation of projects refuses, and malformed patterns.
    pub fn read(manifest: &Node, engine: Engine) -> (Checked<Self>, Diagnostics) {
        let (mut found, mut doubts) = (Diagnostics::new(), Diagnostics::new());
        let empty = Node::null();
        let spec = manifest.get("spec").unwrap_or(&empty);
        let metadata =
            |key: &str| manifest.at(&["metadata", key]).and_then(Node::as_str).unwrap_or_default().to_owned();
        let items = |key: &str| spec.get(key).and_then(Node::as_seq).unwrap_or_default();
        let mut places = Vec::new();
        for key in LISTS {
            places.extend(
                spec.as_map()
                    .and_then(|map| map.get_entry(key))
                    .map(|(key_node, list)| (key, key_node.span().or(list.span()))),
            );
        }
        let kinds = |key: &str, named: bool, found: &mut Diagnostics| -> Vec<KindRule> {
            items(key).iter().filter_map(|item| found.take(KindRule::read(item, named))).collect()
        };
        let named = engine >= (3, 3);
        let namespaced = spec.get("namespaceResourceWhitelist").filter(|list| !list.is_null());
        let mut rules = Rules {
            name: metadata("name"),
            namespace: metadata("namespace"),
            span: manifest.at(&["metadata", "name"]).map_or(Span::NONE, Node::span).or(manifest.span()),
            sources: Vec::new(),
            destinations: Vec::new(),
            source_namespaces: Vec::new(),
            cluster_kinds: kinds("clusterResourceWhitelist", named, &mut found),
            no_cluster_kinds: kinds("clusterResourceBlacklist", named, &mut found),
            namespaced_kinds: namespaced.map(|_| kinds("namespaceResourceWhitelist", false, &mut found)),
            no_namespaced_kinds: kinds("namespaceResourceBlacklist", false, &mut found),
            only_own_clusters: spec.get("permitOnlyProjectScopedClusters").and_then(Node::as_bool).unwrap_or(false),
            accounts: Vec::new(),
            windows: Vec::new(),
            places,
        };
        for item in items("sourceRepos") {
            rules.sources.extend(found.take(Pattern::signed(item, "/", url::normalize)));
        }
        for item in items("destinations") {
            rules.destinations.extend(found.take(destination(item)));
        }
        for item in items("sourceNamespaces") {
            rules.source_namespaces.extend(found.take(NamespacePattern::read(item)));
        }
        for item in items("destinationServiceAccounts") {
            rules.accounts.extend(found.take(account(item)));
        }
        for item in items("syncWindows").iter().filter(|item| !item.is_null()) {
            if let Some(window) = found.take(Window::read(item, engine)) {
                doubts.extend(window.doubts());
                rules.windows.push(window);
            }
        }
        (if found.has_errors() { Err(found) } else { Ok(rules) }, doubts)
    }

    /// The project `default` that Argo CD makes where nobody declares it: everything is permitted.
    pub fn default_project() -> Self {
        let all = |keys: &[&str]| Node::map(keys.iter().map(|key| (Node::str(*key), Node::str("*"))).collect());
        let spec = [
            ("sourceRepos", Node::str("*")),
            ("destinations", all(&["server", "namespace"])),
            ("clusterResourceWhitelist", all(&["group", "kind"])),
        ];
        let spec = spec.map(|(key, item)| (Node::str(key), Node::seq(vec![item])));
        let metadata = Node::map([(Node::str("name"), Node::str(super::DEFAULT))].into_iter().collect());
        let manifest = [(Node::str("metadata"), metadata), (Node::str("spec"), Node::map(spec.into_iter().collect()))];
        let (rules, _) = Rules::read(&Node::map(manifest.into_iter().collect()), (u32::MAX, 0));
        rules.unwrap_or_else(|_| Rules::nothing())
    }

    /// Rules that permit nothing.
    fn nothing() -> Self {
        Rules {
            name: String::new(),
            namespace: String::new(),
            span: Span::NONE,
            sources: Vec::new(),
            destinations: Vec::new(),
            source_namespaces: Vec::new(),
            cluster_kinds: Vec::new(),
            no_cluster_kinds: Vec::new(),
            namespaced_kinds: None,
            no_namespaced_kinds: Vec::new(),
            only_own_clusters: false,
            accounts: Vec::new(),
            windows: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Adds the lists of a global project behind its own (Argo CD `mergeVirtualProject`; the namespaces of sources are not inherited).
    pub fn inherit(&mut self, global: &Rules) {
        self.cluster_kinds.extend(global.cluster_kinds.iter().cloned());
        self.no_cluster_kinds.extend(global.no_cluster_kinds.iter().cloned());
        // Appending an empty list to none leaves none.
        if let Some(list) = global.namespaced_kinds.as_ref().filter(|list| !list.is_empty()) {
            self.namespaced_kinds.get_or_insert_default().extend(list.iter().cloned());
        }
        self.no_namespaced_kinds.extend(global.no_namespaced_kinds.iter().cloned());
        self.windows.extend(global.windows.iter().cloned());
        self.sources.extend(global.sources.iter().cloned());
        self.destinations.extend(global.destinations.iter().cloned());
        self.accounts.extend(global.accounts.iter().cloned());
        for place in &global.places {
            if self.places.iter().all(|own| own.0 != place.0) {
                self.places.push(*place);
            }
        }
    }
}

/// The lists that refusals speak of.
const LISTS: [&str; 7] = [
    "sourceRepos",
    "destinations",
    "sourceNamespaces",
    "clusterResourceWhitelist",
    "namespaceResourceWhitelist",
    "permitOnlyProjectScopedClusters",
    "destinationServiceAccounts",
];

fn destination(node: &Node) -> Checked<Destination> {
    let same = |text: &str| text.to_owned();
    let pattern = |key: &str| match node.get(key).filter(|value| !value.is_null()) {
        Some(value) => Pattern::signed(value, "", same).map(Some),
        None => Ok(Pattern::none(node.span())),
    };
    match (pattern("server")?, pattern("name")?, pattern("namespace")?) {
        (Some(server), Some(name), Some(namespace)) => Ok(Destination { server, name, namespace, span: node.span() }),
        _ => Err(malformed("", "glob", node.span()).into()),
    }
}

fn account(node: &Node) -> Checked<ServiceAccount> {
    let field = |key: &str| {
        let found = node.get(key);
        (found.and_then(Node::text).unwrap_or_default(), found.map_or(node.span(), Node::span).or(node.span()))
    };
    let glob = |key: &str| {
        let (text, span) = field(key);
        Glob::new(text, "")
            .filter(|_| !text.contains('!'))
            .ok_or_else(|| Diagnostics::from(malformed(text, "glob", span)))
    };
    let (name, span) = field("defaultServiceAccount");
    if name.trim_matches(' ').is_empty() || name.contains(NOT_IN_ACCOUNTS) {
        let message = format!("`{name}` cannot be a service account");
        return Err(Diagnostic::error("project/service-account", span, message)
            .hint("it is written `name` or `namespace:name`")
            .into());
    }
    Ok(ServiceAccount { server: glob("server")?, namespace: glob("namespace")?, name: name.to_owned() })
}
