//! Rendered files into documents: split, told apart from hooks, sorted by kind, printed as `helm template` prints them.
//!
//! The two profiles split differently, which shows in blank lines and in documents that begin on the line of their `---`. (Helm:
//! releaseutil/manifest.go, manifest_sorter.go, kind_sorter.go; cmd/template.go.)

use std::sync::LazyLock;

use regex::Regex;

use crate::k8s::path_match::PathPattern;
use crate::span::FileId;
use crate::template::helm::Profile;
use crate::yaml::sigs::{Numbers, to_json_value};
use crate::yaml::{self, Dialect, Limits, Node};

/// One document of a chart's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The template that printed it: `chart/templates/x.yaml`.
    pub source: String,
    /// Its text.
    pub text: String,
    /// `kind`; empty where there is none.
    pub kind: String,
    /// The hook events that it names; `None` for what is no hook.
    pub hook: Option<Vec<&'static str>>,
}

impl Document {
    /// Whether it is a test (`--skip-tests`).
    pub fn is_test(&self) -> bool {
        self.hook.as_ref().is_some_and(|events| events.contains(&"test"))
    }
}

const HOOK: &str = "helm.sh/hook";

/// The events that hooks may name, with the old word for tests.
const EVENTS: [(&str, &str); 10] = [
    ("pre-install", "pre-install"),
    ("post-install", "post-install"),
    ("pre-delete", "pre-delete"),
    ("post-delete", "post-delete"),
    ("pre-upgrade", "pre-upgrade"),
    ("post-upgrade", "post-upgrade"),
    ("pre-rollback", "pre-rollback"),
    ("post-rollback", "post-rollback"),
    ("test", "test"),
    ("test-success", "test"),
];

/// The order in which kinds are installed; kinds that are not here come after, by name.
const INSTALL_ORDER: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// What Helm 4 adds to the end of it.
const WEBHOOKS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn rank(kind: &str, profile: Profile) -> usize {
    let known = INSTALL_ORDER.len();
    let listed = INSTALL_ORDER.iter().position(|listed| *listed == kind);
    let webhook = || WEBHOOKS.iter().position(|listed| *listed == kind).map(|at| known + at);
    listed.or_else(|| if profile == Profile::V4 { webhook() } else { None }).unwrap_or(usize::MAX)
}

static SEPARATOR_V3: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[\t\n\x0c\r ]*\n)---[\t\n\x0c\r ]*").ok());
static SEPARATOR_V4: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^---[ \t]*").ok());

/// The documents of a text.
pub(super) fn split(text: &str, profile: Profile) -> Vec<&str> {
    match profile {
        Profile::V3 => {
            let text = text.trim();
            let Some(separator) = SEPARATOR_V3.as_ref() else { return Vec::new() };
            separator.split(text).filter(|part| !part.is_empty()).map(str::trim).collect()
        }
        Profile::V4 => {
            let text = text.trim_start();
            let Some(separator) = SEPARATOR_V4.as_ref() else { return Vec::new() };
            separator.split(text).filter(|part| !part.trim().is_empty()).map(str::trim_start).collect()
        }
    }
}

/// What came out of sorting.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What is installed, in order.
    pub manifests: Vec<Document>,
    /// Hooks, in the same order.
    pub hooks: Vec<Document>,
    /// Documents left out because they name a hook that Helm does not know: their template and the name.
    pub unknown_hooks: Vec<(String, String)>,
}

/// Splits and sorts rendered files, given sorted by path.
///
/// # Errors
/// The file that is no YAML, or whose head is not as every object's, and why.
pub(super) fn sort(files: &[(String, String)], profile: Profile) -> Result<Sorted, (String, String)> {
    let mut sorted = Sorted::default();
    for (path, content) in files {
        let base = path.rsplit('/').next().unwrap_or(path);
        if base.starts_with('_') || content.trim().is_empty() {
            continue;
        }
        for text in split(content, profile) {
            let head = head(text, profile).map_err(|why| (path.clone(), why))?;
            let mut document = Document { source: path.clone(), text: text.to_owned(), kind: head.kind, hook: None };
            let Some(words) = head.hook else {
                sorted.manifests.push(document);
                continue;
            };
            let mut events = Vec::new();
            let unknown = words.split(',').map(|word| word.trim().to_lowercase()).find(|word| {
                match EVENTS.iter().find(|(known, _)| known == word) {
                    Some((_, event)) => events.push(*event),
                    None => return true,
                }
                false
            });
            if unknown.is_some() {
                sorted.unknown_hooks.push((path.clone(), words));
                continue;
            }
            document.hook = Some(events);
            sorted.hooks.push(document);
        }
    }
    for list in [&mut sorted.manifests, &mut sorted.hooks] {
        list.sort_by(|a, b| {
            let (first, second) = (rank(&a.kind, profile), rank(&b.kind, profile));
            let names =
                if first == usize::MAX && second == usize::MAX { a.kind.cmp(&b.kind) } else { first.cmp(&second) };
            first.cmp(&second).then(names)
        });
    }
    Ok(sorted)
}

struct Head {
    kind: String,
    hook: Option<String>,
}

/// What Helm looks at of a document.
fn head(text: &str, profile: Profile) -> Result<Head, String> {
    let go_type = match profile {
        Profile::V3 => "releaseutil.SimpleHead",
        Profile::V4 => "util.SimpleHead",
    };
    let converting = |words: &str| format!("error converting YAML to JSON: {words}");
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    let root = match (parsed.documents.first(), parsed.error) {
        (Some(document), _) => document.root.clone(),
        (None, Some(error)) => return Err(converting(&yaml::go_words(text.as_bytes(), &error))),
        (None, None) => Node::null(),
    };
    to_json_value(&root, Numbers::Float64)
        .map_err(|errors| converting(&errors.iter().next().map(yaml::go_json_words).unwrap_or_default()))?;
    let value = root;
    let wrong = |node: &Node, field: &str, wanted: &str| {
        let into = if field.is_empty() {
            format!("Go value of type {wanted}")
        } else {
            format!("Go struct field {field} of type {wanted}")
        };
        format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into {into}", json_kind(node))
    };
    let none = Head { kind: String::new(), hook: None };
    if value.is_null() {
        return Ok(none);
    }
    if value.as_map().is_none() {
        return Err(wrong(&value, "", go_type));
    }
    // Numbers and booleans are printed for a Go string; only lists and maps do not fit.
    let string = |node: Option<&Node>, field: &str| -> Result<String, String> {
        let Some(node) = node else { return Ok(String::new()) };
        super::chart::string(node).ok_or_else(|| wrong(node, &format!("SimpleHead.{field}"), "string"))
    };
    string(value.get("apiVersion"), "apiVersion")?;
    let kind = string(value.get("kind"), "kind")?;
    let Some(metadata) = value.get("metadata").filter(|node| !node.is_null()) else {
        return Ok(Head { kind, hook: None });
    };
    if metadata.as_map().is_none() {
        return Err(wrong(
            metadata,
            "SimpleHead.metadata",
            "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }",
        ));
    }
    string(metadata.get("name"), "metadata.name")?;
    let Some(annotations) = metadata.get("annotations").filter(|node| !node.is_null()) else {
        return Ok(Head { kind, hook: None });
    };
    let Some(map) = annotations.as_map() else {
        return Err(wrong(annotations, "SimpleHead.metadata.annotations", "map[string]string"));
    };
    for (_, value) in map.iter() {
        string(Some(value), "metadata.annotations")?;
    }
    let hook = annotations.get(HOOK).and_then(super::chart::string);
    Ok(Head { kind, hook })
}

fn json_kind(node: &Node) -> &'static str {
    use yaml::{Tag, View};
    match node.view() {
        View::Seq(_) => "array",
        View::Map(_) => "object",
        View::Scalar(Tag::Bool, _) => "bool",
        View::Scalar(Tag::Int | Tag::Float, _) => "number",
        View::Scalar(..) => "string",
    }
}

/// One document as it is printed.
pub(super) fn print(source: &str, text: &str, out: &mut String) {
    out.push_str("---\n# Source: ");
    out.push_str(source);
    out.push('\n');
    out.push_str(text);
    out.push('\n');
}

/// The documents of an output that some templates made (`--show-only`): patterns of Go's `filepath.Match` on paths below the chart.
///
/// # Errors
/// A pattern that nothing matches.
pub fn show_only(output: &str, patterns: &[String], profile: Profile) -> Result<String, String> {
    let documents = split(output, profile);
    let source = |document: &str| -> Option<String> {
        let after = document.split("# Source: ").nth(1)?;
        let line = after.lines().next().unwrap_or_default();
        line.split_once('/').map(|(_, path)| path.to_owned())
    };
    let mut out = String::new();
    for pattern in patterns {
        let compiled = PathPattern::new(pattern);
        let mut found = false;
        for document in &documents {
            let Some(path) = source(document) else { continue };
            if compiled.as_ref().is_some_and(|pattern| pattern.matches(&path)) {
                found = true;
                out.push_str(&format!("---\n{document}\n"));
            }
        }
        if !found {
            return Err(format!("could not find template {pattern} in chart"));
        }
    }
    Ok(out)
}
