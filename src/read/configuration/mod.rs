//! `fleet.yaml`: what a repository of Argo CD objects cannot say itself.
//!
//! Read strictly: unknown fields, wrong types and duplicate keys are errors at their place. Nothing is looked up here but files of facts:
//! whether a definition exists or a selector matches is found out by those who use it.

mod apply;
mod environments;
mod facts;
mod json_schema;
mod keys;
mod lint;
mod rollout;
mod table;

pub use json_schema::{facts_json_schema, json_schema};
pub use keys::KeyPlace;

use std::collections::BTreeMap;

use super::environments::Environment;
use super::fleet::{
    ApplicationRule, Apply, Engines, Nondeterminism, Output, OutputFiles, PluginRule, Publish, Repository,
    SecretPolicy, SharedObject, Tracking,
};
use super::judged::{LintSettings, PolicyRule};
use crate::argo::{self, cluster_name_problem, dns_label_problem};
use crate::cluster::Facts;
use crate::diag::{Diagnostic, Diagnostics, Severity, Warned};
use crate::k8s::glob::Glob;
use crate::k8s::selector::{Selector, Values};
use crate::path::{FilePath, TreePath};
use crate::rollout::Rule;
use crate::source::without_credentials;
use crate::span::{Span, Spanned};
use crate::world::World;
use crate::yaml::{self, Dialect, Limits, Node};

/// The names under which the file is looked for in the fleet's folder.
pub const FLEET_FILES: [&str; 2] = ["fleet.yaml", "fleet.yml"];

/// What `fleet.yaml` says; [`Configuration::default`] where there is none.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Whether there is a file.
    pub found: bool,
    /// `metadata.name`.
    pub name: Option<String>,
    /// `definitions`; `None` where they are to be found by looking.
    pub definitions: Option<Vec<Spanned<String>>>,
    /// `repositories`.
    pub repositories: Vec<Repository>,
    /// `instances`.
    pub instances: Vec<InstanceEntry>,
    /// `clusters`, in their order.
    pub clusters: Vec<ClusterEntry>,
    /// `contexts`: a cluster's name and the kubeconfig context that reaches it, in their order.
    pub contexts: Vec<(Spanned<String>, Spanned<String>)>,
    /// `engines`, each where given.
    pub engines: EngineChoice,
    /// `output`.
    pub output: Output,
    /// `applications`, in their order.
    pub applications: Vec<ApplicationRule>,
    /// `shared`.
    pub shared: Vec<SharedObject>,
    /// `apply`.
    pub apply: Apply,
    /// `publish`.
    pub publish: Publish,
    /// `environments`, in their order.
    pub environments: Vec<Environment>,
    /// `rollout`, in their order.
    pub rollout: Vec<Rule>,
    /// `secrets`.
    pub secrets: SecretPolicy,
    /// `digestKey`.
    pub digest_key: Option<KeyPlace>,
    /// `plugins`.
    pub plugins: Vec<PluginRule>,
    /// `lint`.
    pub lint: LintSettings,
    /// `policies`.
    pub policies: Vec<PolicyRule>,
    /// What the files `clusters/<name>.facts.yaml` say, by the name of the cluster.
    pub facts: BTreeMap<String, Spanned<Facts>>,
    /// The files that facts were read from.
    pub fact_files: Vec<TreePath>,
}

/// Engine versions where somebody chose them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineChoice {
    /// Argo CD.
    pub argocd: Option<(u32, u32)>,
    /// kustomize.
    pub kustomize: Option<(u32, u32)>,
    /// Helm.
    pub helm: Option<(u32, u32)>,
}

impl EngineChoice {
    /// These choices, and those of `other` where there is none.
    #[must_use]
    pub fn or(self, other: EngineChoice) -> EngineChoice {
        EngineChoice {
            argocd: self.argocd.or(other.argocd),
            kustomize: self.kustomize.or(other.kustomize),
            helm: self.helm.or(other.helm),
        }
    }

    /// The engines: what is chosen, and the defaults. Helm follows Argo CD: 3 up to Argo CD 3.4, 4 from 3.5 (`hack/tool-versions.sh`).
    pub fn engines(self) -> Engines {
        let default = Engines::default();
        let argocd = self.argocd.unwrap_or(default.argocd);
        let helm = if argocd < (3, 5) { (3, 22) } else { (4, 3) };
        Engines { argocd, kustomize: self.kustomize.unwrap_or(default.kustomize), helm: self.helm.unwrap_or(helm) }
    }
}

/// An entry of `instances`.
#[derive(Clone, Debug)]
pub struct InstanceEntry {
    /// `name`.
    pub name: String,
    /// `definitions`.
    pub definitions: Option<Vec<Spanned<String>>>,
    /// `namespace`.
    pub namespace: Option<String>,
    /// `inCluster`.
    pub in_cluster: Option<String>,
    /// Where it is written.
    pub span: Span,
}

/// An entry of `clusters`.
#[derive(Clone, Debug)]
pub struct ClusterEntry {
    /// Which clusters it is about.
    pub whom: Whom,
    /// `server`, where it declares a cluster.
    pub server: Option<String>,
    /// `secret`: the stub that it completes.
    pub secret: Option<Spanned<String>>,
    /// `labels`.
    pub labels: BTreeMap<String, String>,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `project`.
    pub project: Option<String>,
    /// `instance`; all where not given.
    pub instance: Option<Spanned<String>>,
    /// `kubeVersion`, `apiVersions`, `scopes`, and what the file says that `facts` names.
    pub facts: Facts,
    /// Where it is written.
    pub span: Span,
}

/// Which clusters an entry of `clusters` is about.
#[derive(Clone, Debug)]
pub enum Whom {
    /// The one of this name.
    Name(Spanned<String>),
    /// Those whose labels match.
    Selector(Selector),
}

/// Reads the `fleet.yaml` of a folder; a folder without one has the default.
pub fn configuration(world: &dyn World, root: &FilePath) -> Warned<Configuration> {
    let mut diagnostics = Diagnostics::new();
    let mut value = Configuration::default();
    facts::Files { world, root }.collect(&mut value, &mut diagnostics);
    let found: Vec<FilePath> = FLEET_FILES
        .iter()
        .filter_map(|name| root.join(name).ok())
        .filter(|path| world.stat(path).is_some_and(|kind| kind.is_file()))
        .collect();
    let Some(path) = found.first() else { return Warned { value, diagnostics } };
    value.found = true;
    if let Some(other) = found.get(1) {
        let message = format!("there is both `{}` and `{}`", path.path.name(), other.path.name());
        diagnostics.push(Diagnostic::error("read/fleet", Span::NONE, message).hint("keep one of them"));
    }
    let Some(file) = diagnostics.take(world.read(path)) else { return Warned { value, diagnostics } };
    let parsed = yaml::parse_strict(file.id, &file.bytes, Dialect::V2, &Limits::default());
    let Some(documents) = diagnostics.take(parsed) else { return Warned { value, diagnostics } };
    let mut documents = documents.into_iter().filter(|document| !document.is_null());
    let place = Span::new(file.id, 0, 0);
    let Some(document) = documents.next() else {
        diagnostics.push(Diagnostic::error("read/fleet", place, format!("`{}` is empty", path.path)));
        return Warned { value, diagnostics };
    };
    if let Some(second) = documents.next() {
        let message = format!("`{}` holds more than one document", path.path);
        diagnostics.push(Diagnostic::error("read/fleet", second.span(), message));
    }
    newer_format(&document, &mut diagnostics);
    if !diagnostics.has_errors() {
        diagnostics.extend(argo::check(&document, &table::FLEET, (u32::MAX, 0), Severity::Error));
    }
    let files = facts::Files { world, root };
    lower(&document, &files, &mut value, &mut diagnostics);
    Warned { value, diagnostics }
}

/// A newer format has fields that this fleetc does not know; saying so beats a list of unknown fields.
fn newer_format(document: &Node, found: &mut Diagnostics) {
    let Some(node) = document.get("apiVersion") else { return };
    let Some(version) = node.as_str() else { return };
    if version != table::API_VERSION && version.starts_with("fleetc.dev/") {
        let message = format!("`{version}` is not a format that this fleetc reads");
        let hint = format!("it reads `{}`; a newer fleetc may read yours", table::API_VERSION);
        found.push(Diagnostic::error("read/format", node.span(), message).hint(hint));
    }
}

fn lower(document: &Node, files: &facts::Files<'_>, value: &mut Configuration, found: &mut Diagnostics) {
    value.name = document.at(&["metadata", "name"]).and_then(text);
    value.definitions = document.get("definitions").and_then(strings_at);
    for node in items(document, "repositories") {
        let Some(url) = node.get("url").and_then(text) else { continue };
        let path = node.get("path").and_then(text);
        let follow = node.get("pin").and_then(Node::as_str) == Some("follow");
        let submodules = node.get("submodules").and_then(Node::as_bool).unwrap_or(true);
        let lfs = node.get("lfs").and_then(Node::as_bool).unwrap_or(false);
        let wrong = match (&path, follow) {
            (None, false) if submodules && !lfs => {
                Some(("says neither where it is nor how it is pinned", "give `path: FOLDER`, or `pin: follow`"))
            }
            (Some(_), true) => Some(("is a folder, which is followed anyhow", "remove `path` or `pin`")),
            (Some(_), _) if !submodules => {
                Some(("is a folder, whose submodules are as they lie there", "remove `path` or `submodules`"))
            }
            (Some(_), _) if lfs => Some(("is a folder, whose files are as they lie there", "remove `path` or `lfs`")),
            _ => None,
        };
        if let Some((what, hint)) = wrong {
            let message = format!("the repository `{}` {what}", without_credentials(&url));
            found.push(Diagnostic::error("read/repository", node.span(), message).hint(hint));
            continue;
        }
        value.repositories.push(Repository { url, path, follow, submodules, lfs, span: node.span() });
    }
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    for node in items(document, "instances") {
        let Some(name) = node.get("name").and_then(text) else { continue };
        name_problem("instance", &name, node.get("name"), dns_label_problem(&name), found);
        if let Some(first) = names.insert(name.clone(), node.span()) {
            let message = format!("two instances are called `{name}`");
            found.push(Diagnostic::error("read/duplicate", node.span(), message).label(first, "the first one"));
            continue;
        }
        let in_cluster = node.get("inCluster").and_then(text);
        if let Some(name) = &in_cluster {
            name_problem("cluster", name, node.get("inCluster"), cluster_name_problem(name), found);
        }
        value.instances.push(InstanceEntry {
            name,
            definitions: node.get("definitions").and_then(strings_at),
            namespace: node.get("namespace").and_then(text),
            in_cluster,
            span: node.span(),
        });
    }
    instances_have_definitions(document, value, found);
    for node in items(document, "clusters") {
        let entry = cluster(node, files, value, found);
        value.clusters.extend(entry);
    }
    let contexts = document.get("contexts").and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
    value.contexts = contexts.filter_map(|(key, value)| Some((spanned(key)?, spanned(value)?))).collect();
    for (field, slot) in [
        ("argocd", &mut value.engines.argocd),
        ("kustomize", &mut value.engines.kustomize),
        ("helm", &mut value.engines.helm),
    ] {
        if let Some(node) = document.at(&["engines", field])
            && let Some(version) = node.as_str()
        {
            match Engines::parse(field, version) {
                Ok(parsed) => *slot = Some(parsed),
                Err(message) => found.push(Diagnostic::error("read/engine", node.span(), message)),
            }
        }
    }
    if let Some(name) = &value.name {
        // It is the value of a label on the clusters.
        name_problem("fleet", name, document.at(&["metadata", "name"]), dns_label_problem(name), found);
    }
    if let Some(node) = document.get("apply") {
        value.apply = apply::lower(node, found);
    }
    if let Some(node) = document.get("publish") {
        let field = |name: &str| node.get(name).and_then(text).filter(|text| !text.is_empty());
        let of = |name: &str| field(name).unwrap_or_default();
        value.publish = Publish {
            to: field("to"),
            path: of("path"),
            layout: of("layout"),
            url: of("url"),
            author: field("author"),
            encrypt: node
                .at(&["encrypt", "age"])
                .and_then(Node::as_seq)
                .map(|keys| keys.iter().filter_map(text).collect()),
        };
    }
    value.lint = document.get("lint").map(|node| lint::lower(node, found)).unwrap_or_default();
    value.policies = lint::policies(document, found);
    value.environments = environments::lower(document, found);
    value.rollout = rollout::lower(document, found);
    value.output = output(document);
    value.secrets = match document.get("secrets").and_then(Node::as_str) {
        Some("allow") => SecretPolicy::Allow,
        Some("omit") => SecretPolicy::Omit,
        Some("refuse") => SecretPolicy::Refuse,
        _ => SecretPolicy::Warn,
    };
    value.digest_key = keys::lower(document.get("digestKey"), found);
    for node in items(document, "applications") {
        value.applications.extend(application_rule(node, found));
    }
    for node in items(document, "plugins") {
        value.plugins.extend(plugin_rule(node, &value.plugins, found));
    }
    for node in items(document, "shared") {
        let field = |name: &str, default: &str| node.get(name).and_then(text).unwrap_or_else(|| default.to_owned());
        value.shared.push(SharedObject {
            group: field("group", ""),
            kind: field("kind", "*"),
            name: field("name", "*"),
            namespace: field("namespace", ""),
            span: node.span(),
        });
    }
}

fn instances_have_definitions(document: &Node, value: &Configuration, found: &mut Diagnostics) {
    let shared = document.get("definitions").filter(|_| value.definitions.is_some());
    match (shared, value.instances.as_slice()) {
        (_, []) => {}
        (_, [one]) if one.definitions.is_none() => {}
        (Some(node), _) => {
            let message = "with `instances`, definitions belong to one of them";
            found.push(Diagnostic::error("read/instances", node.span(), message).hint("move them into the instances"));
        }
        (None, [_]) => {}
        (None, several) => {
            for instance in several.iter().filter(|instance| instance.definitions.is_none()) {
                let message = format!("the instance `{}` has no `definitions`", instance.name);
                let hint = "with several instances each lists its own, since a file does not say whose it is";
                found.push(Diagnostic::error("read/instances", instance.span, message).hint(hint));
            }
        }
    }
}

fn cluster(
    node: &Node,
    files: &facts::Files<'_>,
    value: &mut Configuration,
    found: &mut Diagnostics,
) -> Option<ClusterEntry> {
    let error = |message: &str| Diagnostic::error("read/cluster", node.span(), message);
    let name = node.get("name").and_then(spanned);
    let selector = node.get("selector");
    let whom = match (name, selector) {
        (Some(name), None) => {
            name_problem("cluster", &name, node.get("name"), cluster_name_problem(&name), found);
            Whom::Name(name)
        }
        (None, Some(selector)) => {
            Whom::Selector(found.take(Selector::read(selector, Values::Labels).map_err(|one| (*one).into()))?)
        }
        (Some(_), Some(_)) => {
            found.push(error("this entry has both `name` and `selector`"));
            return None;
        }
        (None, None) => {
            found.push(error("this entry has neither `name` nor `selector`"));
            return None;
        }
    };
    if matches!(whom, Whom::Selector(_)) {
        for field in ["server", "secret", "labels", "annotations", "project"] {
            if let Some(wrong) = node.get(field) {
                let message = format!("`{field}` does not go with `selector`, which only gives facts");
                found.push(Diagnostic::error("read/cluster", wrong.span(), message));
            }
        }
    }
    let instance = node.get("instance").and_then(spanned);
    if let Some(instance) = &instance
        && !value.instances.iter().any(|known| known.name == **instance)
    {
        let mut unknown =
            Diagnostic::error("read/instances", instance.span, format!("there is no instance `{}`", **instance));
        unknown.hints.extend(crate::diag::did_you_mean(instance, value.instances.iter().map(|i| i.name.as_str())));
        found.push(unknown);
    }
    let named = node.get("facts").and_then(spanned);
    value.fact_files.extend(named.as_ref().and_then(|file| Some(files.root.join(file).ok()?.path)));
    let mut facts = named.map(|file| files.read(&file, found)).unwrap_or_default();
    facts.extend(facts::lower(node, found));
    Some(ClusterEntry {
        whom,
        server: node.get("server").and_then(text).filter(|server| !server.is_empty()),
        secret: node.get("secret").and_then(spanned),
        labels: pairs(node.get("labels")),
        annotations: pairs(node.get("annotations")),
        project: node.get("project").and_then(text),
        instance,
        facts,
        span: node.span(),
    })
}

fn plugin_rule(node: &Node, known: &[PluginRule], found: &mut Diagnostics) -> Option<PluginRule> {
    let list = |field: &str| -> Vec<String> { items(node, field).iter().filter_map(text).collect() };
    let name = node.get("name").and_then(text)?;
    let mut wrong = |field: &str, message: &str| {
        let span = node.get(field).map_or(node.span(), Node::span);
        found.push(Diagnostic::error("read/plugins", span, message.to_owned()));
    };
    if known.iter().any(|rule| rule.name == name) {
        wrong("name", "two plugins have this name");
    }
    let command = list("command");
    if command.first().is_none_or(String::is_empty) {
        wrong("command", "a plugin needs a program");
    }
    let seconds = match node.get("timeoutSeconds").map(|node| node.text().and_then(|text| text.parse().ok())) {
        None => 60,
        Some(Some(seconds @ 1..=3600)) => seconds,
        Some(_) => {
            wrong("timeoutSeconds", "the time must be between 1 and 3600 seconds");
            60
        }
    };
    let repository = node.get("files").and_then(Node::as_str) == Some("repository");
    Some(PluginRule { name, command, passed: list("environment"), seconds, repository })
}

fn application_rule(node: &Node, found: &mut Diagnostics) -> Option<ApplicationRule> {
    let name = node.get("name")?;
    let Some(glob) = Glob::new(name.as_str()?, "") else {
        found.push(Diagnostic::error("read/applications", name.span(), "this pattern is malformed"));
        return None;
    };
    let since = node.get("since");
    let nondeterminism = match node.get("nondeterminism").and_then(Node::as_str) {
        None => {
            if let Some(since) = since {
                let message = "`since` goes with `nondeterminism: derive`";
                found.push(Diagnostic::error("read/applications", since.span(), message));
            }
            None
        }
        Some("allow") => {
            if let Some(since) = since {
                let message = "`since` goes with `derive`; with `allow` templates read the clock";
                found.push(Diagnostic::error("read/applications", since.span(), message));
            }
            Some(Nondeterminism::Allow)
        }
        Some("derive") => {
            let day = since.map(|node| (node, node.as_str().and_then(day)));
            if let Some((node, None)) = day {
                let message = format!("`{}` is no day", node.text().unwrap_or_default());
                let error = Diagnostic::error("read/applications", node.span(), message);
                found.push(error.hint("write it as \"2026-01-31\""));
            }
            Some(Nondeterminism::Derive { since: day.and_then(|(_, day)| day) })
        }
        // Said by the check of the format.
        Some(_) => return None,
    };
    let values = node.get("values");
    let templates = match (node.get("templates"), values) {
        (Some(_), values) => Some(values.cloned().unwrap_or_else(|| Node::map(yaml::Map::new()))),
        (None, Some(values)) => {
            let message = "`values` goes with `templates: minijinja`";
            found.push(Diagnostic::error("read/applications", values.span(), message));
            None
        }
        (None, None) => None,
    };
    Some(ApplicationRule { name: glob, nondeterminism, templates, span: name.span() })
}

/// Nanoseconds from the Unix epoch to a day, written `YYYY-MM-DD`.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok().filter(|_| part.len() >= 2));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month - 1).ok()?)?;
    let length = lengths.get(before.len())?;
    if parts.next().is_some() || !(1970..2200).contains(&year) || !(1..=*length).contains(&day) {
        return None;
    }
    let leaps = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let days = (year - 1970) * 365 + leaps(year) - leaps(1970) + before.iter().sum::<i64>() + day - 1;
    Some(days * 86_400_000_000_000)
}

fn output(document: &Node) -> Output {
    let field = |name: &str| document.at(&["output", name]);
    let word = |name: &str| field(name).and_then(Node::as_str);
    Output {
        files: if word("files") == Some("resource") { OutputFiles::Resource } else { OutputFiles::App },
        path: field("path").and_then(spanned),
        tracking: match word("tracking") {
            Some("annotation") => Tracking::Annotation,
            Some("label") => Tracking::Label,
            Some("annotation+label") => Tracking::AnnotationAndLabel,
            _ => Tracking::None,
        },
        emit_applications: word("applications") == Some("emit"),
    }
}

fn name_problem(what: &str, name: &str, node: Option<&Node>, problem: Option<&str>, found: &mut Diagnostics) {
    if let Some(problem) = problem {
        let span = node.map_or(Span::NONE, Node::span);
        found.push(Diagnostic::error("read/name", span, format!("the {what} name `{name}` {problem}")));
    }
}

fn items<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

fn text(node: &Node) -> Option<String> {
    node.as_str().map(str::to_owned)
}

fn spanned(node: &Node) -> Option<Spanned<String>> {
    Some(Spanned::new(node.as_str()?.to_owned(), node.span()))
}

fn strings_at(node: &Node) -> Option<Vec<Spanned<String>>> {
    Some(node.as_seq()?.iter().filter_map(spanned).collect())
}

fn pairs(node: Option<&Node>) -> BTreeMap<String, String> {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(|map| map.iter());
    entries.filter_map(|(key, value)| Some((key.text()?.to_owned(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_are_days_of_the_calendar() {
        const DAY: i64 = 86_400_000_000_000;
        for (text, want) in [
            ("1970-01-01", Some(0)),
            ("1970-12-31", Some(364 * DAY)),
            ("2000-03-01", Some(951_868_800_000_000_000)),
            ("2024-02-29", Some(1_709_164_800_000_000_000)),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-00-01", None),
            ("2026-1-1", None),
            ("2026-01-01-01", None),
            ("soon", None),
        ] {
            assert_eq!(day(text), want, "{text}");
        }
    }
}
