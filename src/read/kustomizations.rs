//! Kustomizations around definitions: which files are inputs of one, and which kustomizations are the outermost.
//!
//! A kustomization is looked into only if it names something that a definition could hide behind; thousands of others are passed over by
//! comparing words. Nothing is built here.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use super::walk::Text;
use crate::path::TreePath;
use crate::span::{Span, Spanned};
use crate::yaml::{self, Dialect, Limits, Node};

/// A kustomization that reaches definitions.
#[derive(Debug)]
pub(super) struct Kustomization {
    pub(super) directory: TreePath,
    /// The whole file's place.
    pub(super) span: Span,
    /// Candidate files that it reaches, itself or through others.
    pub(super) reaches: BTreeSet<TreePath>,
    /// Whether another kustomization includes it, or should (a component is nothing by itself).
    pub(super) included: bool,
    /// A resource that is not in the tree, itself or through others.
    pub(super) remote: Option<Spanned<String>>,
    /// Whether building it changes nothing of the definitions but their namespace.
    pub(super) transparent: bool,
    /// The outermost `namespace` on the way.
    pub(super) namespace: Option<String>,
}

/// All that is known of kustomizations and definitions.
#[derive(Default)]
pub(super) struct Graph {
    /// Candidates that are inputs of a kustomization, as resource, patch, or anything else.
    pub(super) inputs: BTreeSet<TreePath>,
    /// The kustomizations that reach a candidate as a resource, by directory.
    pub(super) reaching: BTreeMap<TreePath, Kustomization>,
}

struct Links {
    span: Span,
    resources: Vec<TreePath>,
    others: Vec<TreePath>,
    remote: Option<Spanned<String>>,
    transforms: bool,
    component: bool,
    namespace: Option<String>,
}

/// Connects kustomizations with the candidates. A candidate that is no resource (a patch of an Application looks like one) is an input only.
pub(super) fn connect(kustomizations: &[Text], candidates: &[TreePath]) -> Graph {
    let mut graph = Graph::default();
    if candidates.is_empty() {
        return graph;
    }
    let known: BTreeSet<&TreePath> = candidates.iter().collect();
    let links = links_around(kustomizations, candidates);
    for links in links.values() {
        for path in links.resources.iter().chain(&links.others) {
            if known.contains(path) {
                graph.inputs.insert(path.clone());
            }
        }
    }
    let included: BTreeSet<&TreePath> =
        links.iter().flat_map(|(from, links)| links.resources.iter().filter(move |to| *to != from)).collect();
    for (directory, own) in &links {
        let mut seen = BTreeSet::new();
        let mut found = Kustomization {
            directory: directory.clone(),
            span: own.span,
            reaches: BTreeSet::new(),
            included: own.component || included.contains(directory),
            remote: None,
            transparent: true,
            namespace: own.namespace.clone(),
        };
        let mut todo = vec![directory.clone()];
        while let Some(at) = todo.pop() {
            let Some(links) = links.get(&at) else { continue };
            if !seen.insert(at) {
                continue;
            }
            found.reaches.extend(links.resources.iter().filter(|path| known.contains(path)).cloned());
            found.transparent &= !links.transforms && !links.others.iter().any(|path| known.contains(path));
            found.remote = found.remote.or_else(|| links.remote.clone());
            found.namespace = found.namespace.or_else(|| links.namespace.clone());
            todo.extend(links.resources.iter().cloned());
        }
        if !found.reaches.is_empty() {
            graph.reaching.insert(directory.clone(), found);
        }
    }
    graph
}

/// The kustomizations that have to do with the candidates: those that name one or a kustomization that does, and those that these include.
fn links_around(kustomizations: &[Text], candidates: &[TreePath]) -> BTreeMap<TreePath, Links> {
    let texts: BTreeMap<TreePath, &Text> =
        kustomizations.iter().filter_map(|text| Some((text.path.parent()?, text))).collect();
    let mut paths: BTreeSet<TreePath> = candidates.iter().cloned().collect();
    let mut names: FxHashSet<Vec<u8>> = paths.iter().map(|path| path.name().as_bytes().to_vec()).collect();
    let mut links: BTreeMap<TreePath, Links> = BTreeMap::new();
    loop {
        let before = links.len();
        for (directory, text) in &texts {
            if !links.contains_key(directory) && names_one_of(&text.file.bytes, directory, &names, &paths) {
                links.insert(directory.clone(), read_links(text, directory));
                names.insert(directory.name().as_bytes().to_vec());
                paths.insert(directory.clone());
            }
        }
        if links.len() == before {
            break;
        }
    }
    let mut todo: Vec<TreePath> = links.values().flat_map(|links| links.resources.clone()).collect();
    while let Some(directory) = todo.pop() {
        if let Some(text) = texts.get(&directory)
            && !links.contains_key(&directory)
        {
            let found = read_links(text, &directory);
            todo.extend(found.resources.iter().cloned());
            links.insert(directory, found);
        }
    }
    links
}

/// Whether a text holds something that, as a path from its folder, is one of these. `names` are their last parts, to pass over most words.
fn names_one_of(bytes: &[u8], directory: &TreePath, names: &FxHashSet<Vec<u8>>, paths: &BTreeSet<TreePath>) -> bool {
    let ends_word = |byte: &u8| {
        matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'[' | b']' | b'{' | b'}' | b':' | b'=')
    };
    bytes.split(ends_word).any(|word| {
        let word = word.strip_suffix(b"/").unwrap_or(word);
        let last = word.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        (last == b".." || names.contains(last))
            && std::str::from_utf8(word).is_ok_and(|word| directory.join(word).is_ok_and(|path| paths.contains(&path)))
    })
}

fn read_links(text: &Text, directory: &TreePath) -> Links {
    let span = Span::new(text.file.id, 0, 0);
    let (resources, others) = (Vec::new(), Vec::new());
    let mut links =
        Links { span, resources, others, remote: None, transforms: false, component: false, namespace: None };
    let parsed = yaml::parse(text.file.id, &text.file.bytes, Dialect::V2, &Limits::default());
    for document in parsed.documents {
        collect(&document.root, directory, &mut links);
    }
    links
}

/// Fields that hold resources and other kustomizations.
const RESOURCES: [&str; 3] = ["resources", "bases", "components"];
/// Fields whose items, or the `path` of whose items, are files that are no resources.
const FILES: [&str; 11] = [
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "replacements",
    "generators",
    "transformers",
    "validators",
    "crds",
    "configurations",
    "openapi",
    "helmCharts",
];
/// Fields that change the resources, beside patches.
const TRANSFORMS: [&str; 8] =
    ["namePrefix", "nameSuffix", "commonLabels", "labels", "commonAnnotations", "transformers", "replacements", "vars"];
/// Fields with generators of ConfigMaps and Secrets.
const GENERATORS: [&str; 2] = ["configMapGenerator", "secretGenerator"];

fn collect(root: &Node, directory: &TreePath, links: &mut Links) {
    let join = |text: &str| directory.join(text).ok();
    for field in RESOURCES {
        for item in root.get(field).and_then(Node::as_seq).unwrap_or_default() {
            let Some(text) = item.as_str() else { continue };
            if is_remote(text) {
                links.remote.get_or_insert_with(|| Spanned::new(text.to_owned(), item.span()));
            } else {
                links.resources.extend(join(text));
            }
        }
    }
    links.component |= root.get("kind").and_then(Node::as_str) == Some("Component");
    links.transforms |= TRANSFORMS.iter().any(|field| root.get(field).is_some_and(|value| !value.is_null()))
        || root.get("components").is_some()
        || speaks_of_definitions(root);
    if links.namespace.is_none() {
        links.namespace = root.get("namespace").and_then(Node::as_str).map(str::to_owned);
    }
    for field in FILES {
        let Some(value) = root.get(field) else { continue };
        for item in value.as_seq().unwrap_or(std::slice::from_ref(value)) {
            let direct = item.as_str().into_iter();
            let fields = ["path", "valuesFile"].into_iter().filter_map(|field| item.get(field).and_then(Node::as_str));
            links.others.extend(direct.chain(fields).filter_map(join));
        }
    }
    for field in GENERATORS {
        for item in root.get(field).and_then(Node::as_seq).unwrap_or_default() {
            for list in ["files", "envs"] {
                for file in item.get(list).and_then(Node::as_seq).unwrap_or_default() {
                    let Some(text) = file.as_str() else { continue };
                    links.others.extend(join(text.split_once('=').map_or(text, |(_, path)| path)));
                }
            }
        }
    }
}

/// Whether a resource is a URL: with a scheme, a query of a revision, or a host of Git repositories in front.
fn is_remote(text: &str) -> bool {
    text.contains("://")
        || text.contains("?ref=")
        || ["github.com/", "gitlab.com/", "bitbucket.org/", "git@"].iter().any(|host| text.starts_with(host))
}

/// Whether an inline patch, or the target of one, may concern a definition.
fn speaks_of_definitions(root: &Node) -> bool {
    let fields = ["patches", "patchesStrategicMerge", "patchesJson6902"];
    fields.iter().filter_map(|field| root.get(field)?.as_seq()).flatten().any(|patch| {
        let inline = patch.as_str().or_else(|| patch.get("patch").and_then(Node::as_str)).unwrap_or_default();
        let target = patch.at(&["target", "kind"]).and_then(Node::as_str);
        let any_target = patch.get("target").is_some() && target.is_none();
        inline.contains("argoproj.io/v1alpha1")
            || any_target
            || target.is_some_and(|kind| {
                matches!(kind, "Application" | "ApplicationSet" | "AppProject" | "Secret")
                    || kind.contains(['.', '*', '|'])
            })
    })
}
