//! Cases of `fixtures/bundle`: a `case.yaml` with builds one after the other, and `expected.txt` with all that the last one leaves and says.
//! `UPDATE=1` writes the expectations. Every build of every case is also checked for what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::application::{Application, DEFAULT_NAMESPACE, Destination, Source};
use crate::cluster::{Cluster, ClusterOrigin, Facts};
use crate::diag::Severity;
use crate::expand::{AppOrigin, Unit};
use crate::lock::{BundlesLock, FleetLock};
use crate::project::{Rules, Target};
use crate::read::{Instance, OutputFiles, SharedObject, Tracking};
use crate::render::facts::FactsRead;
use crate::render::{Origin, Resource};
use crate::resolve::{ProjectRecord, ResolvedSource};
use crate::source::{SourceKind, SourceRequest};
use crate::span::{FileId, Span, Spanned};
use crate::yaml::{self, Dialect, Limits, Map, Node};

fn parse(text: &str) -> Vec<Node> {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none(), "{:?} in {text}", parsed.error);
    parsed.documents.into_iter().map(|document| document.root).filter(|root| !root.is_null()).collect()
}

fn text(node: &Node, field: &str) -> String {
    node.get(field).and_then(Node::text).unwrap_or_default().to_owned()
}

fn items<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

fn entries<'a>(node: &'a Node, path: &[&str]) -> Vec<(String, &'a Node)> {
    let map = node.at(path).and_then(Node::as_map).into_iter().flat_map(Map::iter);
    map.map(|(key, value)| (key.text().unwrap().to_owned(), value)).collect()
}

fn strings(node: &Node, path: &[&str]) -> BTreeMap<String, String> {
    entries(node, path).into_iter().map(|(key, value)| (key, value.text().unwrap().to_owned())).collect()
}

/// The fleet of a case.
fn fleet(case: &Node) -> Fleet {
    let mut fleet = Fleet::default();
    let output = |field: &str| case.at(&["output", field]).and_then(Node::text).map(str::to_owned);
    fleet.output.files = match output("files").as_deref() {
        Some("resource") => OutputFiles::Resource,
        _ => OutputFiles::App,
    };
    fleet.output.tracking = match output("tracking").as_deref() {
        Some("annotation") => Tracking::Annotation,
        Some("label") => Tracking::Label,
        Some("annotation+label") => Tracking::AnnotationAndLabel,
        _ => Tracking::None,
    };
    fleet.output.emit_applications = output("applications").is_some();
    fleet.output.path = output("path").map(Spanned::detached);
    fleet.secrets = match case.get("secrets").and_then(Node::text) {
        Some("allow") => crate::read::SecretPolicy::Allow,
        Some("omit") => crate::read::SecretPolicy::Omit,
        Some("refuse") => crate::read::SecretPolicy::Refuse,
        _ => crate::read::SecretPolicy::Warn,
    };
    for shared in items(case, "shared") {
        fleet.shared.push(SharedObject {
            group: text(shared, "group"),
            kind: text(shared, "kind"),
            name: text(shared, "name"),
            namespace: text(shared, "namespace"),
            span: Span::NONE,
        });
    }
    let mut instances = entries(case, &["instances"]);
    let none = Node::map(Map::new());
    if instances.is_empty() {
        instances.push((String::new(), &none));
    }
    for (name, node) in instances {
        let mut instance = Instance { name: name.clone(), namespace: "argocd".to_owned(), ..Instance::default() };
        instance.in_cluster = node.get("inCluster").and_then(Node::text).map(str::to_owned);
        let settings = strings(case, &["settings"]);
        instance.settings.data = settings.into_iter().map(|(key, value)| (key, Spanned::detached(value))).collect();
        fleet.instances.insert(name, instance);
    }
    for node in items(case, "clusters") {
        let scopes = strings(node, &["scopes"]).into_iter().map(|(kind, scope)| (kind, scope == "Namespaced"));
        fleet.clusters.push(Cluster {
            name: text(node, "name"),
            server: text(node, "server"),
            labels: strings(node, &["labels"]),
            annotations: BTreeMap::new(),
            project: String::new(),
            instance: text(node, "instance"),
            object: String::new(),
            facts: Facts { scopes: scopes.collect(), ..Facts::default() },
            origin: if node.get("implicit").is_some() { ClusterOrigin::Implicit } else { ClusterOrigin::Secret },
            span: Span::NONE,
        });
    }
    fleet
}

/// What a step renders.
#[derive(Default)]
struct Step {
    units: Vec<ResolvedUnit>,
    renders: Vec<Result<Vec<Arc<Rendered>>, String>>,
    feeds_back: Vec<bool>,
    failed_sets: Vec<(String, String, String)>,
}

impl Step {
    fn new(step: &Node, fleet: &Fleet) -> Self {
        let mut out = Step::default();
        let mut shared: BTreeMap<String, Arc<Rendered>> = BTreeMap::new();
        for node in items(step, "applications") {
            for on in items(node, "on") {
                let cluster = fleet.clusters.iter().position(|cluster| Some(cluster.name.as_str()) == on.text());
                out.units.push(unit(node, cluster.expect("a cluster of the case")));
                let sources = items(node, "objects").iter().filter_map(Node::text);
                let renders = sources.map(|text| {
                    Arc::clone(shared.entry(text.to_owned()).or_insert_with(|| rendered(text, node.get("facts"))))
                });
                out.renders.push(match node.get("failed").and_then(Node::text) {
                    Some(why) => Err(why.to_owned()),
                    None => Ok(renders.collect()),
                });
                out.feeds_back.push(node.get("feedsBack").is_some());
            }
        }
        for set in items(step, "failedSets") {
            let (namespace, name) = set.text().unwrap().split_once('/').unwrap();
            out.failed_sets.push((String::new(), namespace.to_owned(), name.to_owned()));
        }
        out
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let with = self.units.iter().zip(&self.renders).zip(&self.feeds_back);
        with.map(|((unit, renders), back)| Part { unit, renders: renders.clone(), feeds_back: *back }).collect()
    }
}

fn rendered(text: &str, read: Option<&Node>) -> Arc<Rendered> {
    let origin = Origin { span: Span::NONE, edits: Vec::new(), steps: Vec::new() };
    let resources = parse(text).into_iter().map(|body| Resource { body, origin: origin.clone() });
    let mut facts = FactsRead::default();
    if let Some(read) = read {
        facts.kube_version = read.get("kubeVersion").and_then(Node::text).map(str::to_owned);
        let answers = read.get("apiVersions").and_then(Node::as_map).into_iter().flat_map(Map::iter);
        facts.api_versions =
            answers.map(|(key, node)| (key.text().unwrap().to_owned(), node.as_bool().unwrap())).collect();
        facts.all_api_versions = read.get("everything").is_some();
        facts.assumed = items(read, "assumed")
            .iter()
            .map(|word| if word.text() == Some("kubeVersion") { "kubeVersion" } else { "apiVersions" })
            .collect();
    }
    Arc::new(Rendered { resources: resources.collect(), facts, ..Rendered::default() })
}

fn key(text: &str) -> AppKey {
    let mut parts: Vec<&str> = text.split('/').collect();
    let name = parts.pop().unwrap().to_owned();
    let namespace = parts.pop().unwrap_or(DEFAULT_NAMESPACE).to_owned();
    AppKey { instance: parts.pop().unwrap_or_default().to_owned(), namespace, name }
}

fn unit(node: &Node, cluster: usize) -> ResolvedUnit {
    let source = Source {
        repo_url: "https://git.example.com/fleet.git".to_owned(),
        path: format!("apps/{}", text(node, "name")),
        target_revision: String::new(),
        tag_prefix: String::new(),
        chart: String::new(),
        reference: text(node, "ref"),
        name: String::new(),
        helm: None,
        kustomize: None,
        directory: None,
        plugin: None,
        span: Span::NONE,
    };
    let manifest = node.get("manifest").cloned().unwrap_or_else(|| Node::map(Map::new()));
    let application = Application {
        key: key(&text(node, "name")),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        finalizers: manifest
            .at(&["metadata", "finalizers"])
            .and_then(Node::as_seq)
            .unwrap_or_default()
            .iter()
            .filter_map(|item| Some(item.text()?.to_owned()))
            .collect(),
        project: "default".to_owned(),
        sources: vec![source.clone()],
        destinations: vec![Destination {
            server: String::new(),
            name: String::new(),
            namespace: text(node, "namespace"),
            overrides: None,
            span: Span::NONE,
        }],
        manifest,
        span: Span::NONE,
    };
    let origin = AppOrigin {
        application_set: node.get("set").and_then(Node::text).map(|name| (name.to_owned(), Span::NONE)),
        parent: node.get("parent").and_then(Node::text).map(key),
        step: node.get("rollingSync").and_then(crate::rollout::Step::from_node),
        ..AppOrigin::default()
    };
    let commit = text(node, "commit");
    let resolved = ResolvedSource {
        request: match text(node, "chart") {
            chart if chart.is_empty() => SourceRequest::git(source.repo_url, text(node, "revision")),
            chart => {
                SourceRequest { kind: SourceKind::Chart(chart), url: source.repo_url, revision: text(node, "revision") }
            }
        },
        path: source.path,
        working: commit.is_empty(),
        commit,
        job: None,
        span: Span::NONE,
        place: Span::NONE,
    };
    let unit = Unit { application: Arc::new(application), destination: 0, origin: Arc::new(origin) };
    let project = ProjectRecord {
        known: node.get("projectKnown").is_none(),
        impersonate: node.get("impersonate").and_then(Node::text).map(str::to_owned),
        windows: items(node, "windows").to_vec(),
        rules: node.get("appProject").map(|object| Arc::new(Rules::read(object, (3, 5)).0.unwrap())),
        target: Target { server: "https://a".to_owned(), name: "a".to_owned(), own: false },
    };
    ResolvedUnit { unit, cluster, project, sources: Ok(vec![resolved]) }
}

/// A folder in memory.
#[derive(Clone, Default, PartialEq, Debug)]
struct Disk(BTreeMap<String, Arc<str>>);

impl Disk {
    fn previous(&self) -> Previous {
        let mut previous = Previous::default();
        for (path, text) in &self.0 {
            match path.as_str() {
                "../fleet.lock" => previous.fleet_lock = Some(Arc::clone(text)),
                BUNDLES_LOCK => previous.bundles_lock = Some(Arc::clone(text)),
                _ => {
                    previous.files.insert(path.clone(), OldFile::File(Digest::of(text.as_bytes())));
                    if let Some((directory, INDEX)) = path.split_once('/') {
                        previous.bundles.insert(directory.to_owned(), OldBundle::new(Arc::clone(text)));
                    }
                }
            }
        }
        previous
    }

    fn apply(&mut self, output: &Output, changes: &Changes) {
        for change in &changes.files {
            let new = output.files.iter().find(|file| file.path == change.path).and_then(|file| file.text.clone());
            match (change.what, new) {
                (What::Missing | What::Stale | What::Edited, Some(text)) => {
                    self.0.insert(change.path.clone(), text);
                }
                (What::Extra, None) => drop(self.0.remove(&change.path)),
                _ => {}
            }
        }
        let lock = output.files.iter().find(|file| file.stage == Stage::Lock).unwrap();
        self.0.insert(lock.path.clone(), lock.text.clone().unwrap());
        self.0.insert("../fleet.lock".to_owned(), Arc::clone(&output.fleet_lock));
    }
}

#[cfg(feature = "host")]
fn on_threads(count: usize, work: &(dyn Fn(usize) + Sync)) {
    use rayon::prelude::*;
    (0..count).into_par_iter().for_each(work);
}

#[cfg(not(feature = "host"))]
fn on_threads(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).rev().for_each(work);
}

fn build(step: &Step, fleet: &Fleet, disk: &Disk, turned: bool) -> (Warned<Bundled>, Output, Warned<Changes>) {
    let mut previous = disk.previous();
    let mut parts = step.parts();
    if turned {
        parts.reverse();
    }
    let wanted =
        held_files(&Input { fleet, parts: &parts, previous: &previous, failed_sets: &step.failed_sets, key: None });
    for path in wanted {
        previous.texts.insert(path.clone(), Arc::clone(&disk.0[&path]));
    }
    let input = Input { fleet, parts: &parts, previous: &previous, failed_sets: &step.failed_sets, key: None };
    let done = if turned { bundle(&input, &on_threads) } else { bundle(&input, &in_order) };
    let pins = FleetLock::default();
    let digests = done.value.bundles.iter().map(|bundle| (bundle.cluster.clone(), bundle.locked()));
    let lock = BundlesLock::new(BTreeMap::new(), &pins.to_text(), Digest::of(b"inputs"), BTreeMap::new(), digests);
    let output = output(&done.value.bundles, &pins, &lock);
    let changes = changes(&done.value.bundles, &output, &previous);
    (done, output, changes)
}

fn run(case: &Node, schemas: &mut Schemas) -> String {
    let fleet = fleet(case);
    let mut disk = Disk::default();
    let mut report = String::new();
    for step in items(case, "builds") {
        for (path, node) in entries(step, &["touch"]) {
            match node.text().filter(|_| !node.is_null()) {
                Some(text) => drop(disk.0.insert(path, text.into())),
                None => drop(disk.0.remove(&path)),
            }
        }
        let step = Step::new(step, &fleet);
        let (done, new, changes) = build(&step, &fleet, &disk, false);
        let (again, same, _) = build(&step, &fleet, &disk, true);
        assert_eq!(new.files, same.files, "the order of the parts and threads decide nothing");
        let sorted = |found: &Diagnostics| {
            let mut lines: Vec<String> = found.iter().map(|d| d.message.clone()).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&done.diagnostics), sorted(&again.diagnostics));

        report = String::new();
        for found in done.diagnostics.iter().chain(changes.diagnostics.iter()) {
            let severity = if found.severity == Severity::Error { "error" } else { "warning" };
            report.push_str(&format!("{severity} [{}] {}\n", found.code, found.message));
        }
        for change in &changes.value.files {
            report.push_str(&format!("{:?} {}\n", change.what, change.path));
        }
        for change in &changes.value.applications {
            report.push_str(&format!("{:?} {} on {}\n", change.what, change.key, change.cluster));
        }
        let found = &changes.value;
        if found.lock_only {
            report.push_str(&format!("only the lock was compared: {:?}\n", found.drift));
        }
        report.push_str(&format!("fleet.lock {:?}, bundles.lock {:?}", found.fleet_lock, found.bundles_lock));
        report.push_str(if found.is_current() { ": up to date\n" } else { "\n" });
        let forbidden = done.value.refused || changes.diagnostics.has_errors();
        if forbidden {
            report.push_str("nothing may be written\n");
            continue;
        }
        disk.apply(&new, &changes.value);
        for file in &new.files {
            let there = disk.0.get(&file.path).map(|text| Digest::of(text.as_bytes()));
            assert!(there.is_some(), "{} is listed and not there", file.path);
            assert!(file.text.is_none() || there == Some(file.digest), "{} is not as listed", file.path);
        }
        for bundle in &done.value.bundles {
            let read = Index::parse(bundle.text()).map(|index| index.to_text());
            assert_eq!(read.as_deref(), Ok(&**bundle.text()), "bundle.yaml reads as it was written");
        }
        for (path, text) in &disk.0 {
            match path.rsplit('/').next().unwrap() {
                INDEX => schemas.check("bundle", text),
                BUNDLES_LOCK => schemas.check("bundles-lock", text),
                "fleet.lock" => schemas.check("fleet-lock", text),
                _ => {}
            }
        }
        let (_, _, after) = build(&step, &fleet, &disk, true);
        let open = after.value.files.iter().filter(|change| change.what != What::Edited).count();
        assert_eq!(open, 0, "a second build has nothing to do: {:?}", after.value.files);
    }
    let shown: Vec<String> = items(case, "show").iter().map(|item| item.text().unwrap().to_owned()).collect();
    for (path, text) in &disk.0 {
        if shown.is_empty() || shown.iter().any(|show| path.ends_with(show.as_str())) {
            report.push_str(&format!("=== {path}\n{text}"));
        } else {
            report.push_str(&format!("=== {path} (not shown)\n"));
        }
    }
    report
}

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundle");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.retain(|folder| folder.join("case.yaml").exists());
    assert!(folders.len() >= 10, "the cases are there");
    let mut wrong = Vec::new();
    let mut schemas = Schemas::default();
    for folder in folders {
        let case = parse(&fs::read_to_string(folder.join("case.yaml")).unwrap()).remove(0);
        assert!(case.get("why").is_some(), "{}: says why it exists", folder.display());
        let found = run(&case, &mut schemas);
        let expected = folder.join("expected.txt");
        if std::env::var("UPDATE").is_ok() {
            fs::write(&expected, &found).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if found != wanted {
            let diff = similar::TextDiff::from_lines(&wanted, &found);
            wrong.push(format!("{}\n{}", folder.display(), diff.unified_diff().header("expected", "found")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for lock in ["fleet.lock", "bundles.lock"] {
        let text = fs::read_to_string(root.with_file_name("lock/good").join(lock)).unwrap();
        schemas.check(if lock == "fleet.lock" { "fleet-lock" } else { "bundles-lock" }, &text);
    }
    schemas.all_is_used();
}

/// The schemas of our files, and which of their fields some file had.
#[derive(Default)]
struct Schemas {
    roots: BTreeMap<&'static str, serde_json::Value>,
    used: BTreeSet<String>,
}

impl Schemas {
    /// Checks a file; knows as much of JSON Schema as our schemas use.
    fn check(&mut self, name: &'static str, text: &str) {
        let root = self.roots.entry(name).or_insert_with(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.schema.json"));
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
        });
        let root = root.clone();
        let file = parse(text).remove(0);
        self.node(&root, &root, &file, name);
    }

    fn node(&mut self, root: &serde_json::Value, schema: &serde_json::Value, node: &Node, at: &str) {
        self.used.insert(at.to_owned());
        let schema = match schema["$ref"].as_str() {
            Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        if let Some(words) = schema["enum"].as_array() {
            assert!(words.iter().any(|word| word.as_str() == node.as_str()), "{at}: {node:?}");
        }
        match schema["type"].as_str() {
            Some("string") => {
                let text = node.as_str().unwrap_or_else(|| panic!("{at}: {node:?} is no string"));
                let pattern = schema["pattern"].as_str().unwrap_or("");
                assert!(regex::Regex::new(pattern).unwrap().is_match(text), "{at}: {text}");
            }
            Some("integer") => assert_eq!(node.tag(), Some(yaml::Tag::Int), "{at}"),
            Some("array") => {
                for item in node.as_seq().unwrap_or_else(|| panic!("{at}: {node:?} is no list")) {
                    self.node(root, &schema["items"], item, at);
                }
            }
            Some("object") => {
                let map = node.as_map().unwrap_or_else(|| panic!("{at}: {node:?} is no mapping"));
                for field in schema["required"].as_array().into_iter().flatten() {
                    assert!(map.contains(field.as_str().unwrap()), "{at}: {field} is missing in {node:?}");
                }
                for (key, value) in map.iter() {
                    let key = key.text().unwrap();
                    match (schema["properties"].get(key), &schema["additionalProperties"]) {
                        (Some(field), _) => self.node(root, field, value, &format!("{at}.{key}")),
                        (None, serde_json::Value::Bool(false)) => panic!("{at}: unknown field {key}"),
                        (None, serde_json::Value::Null) => {}
                        (None, any) => self.node(root, any, value, &format!("{at}.*")),
                    }
                }
            }
            _ => {}
        }
    }

    /// No field of a schema that nobody writes.
    fn all_is_used(&self) {
        let mut unused = Vec::new();
        for (name, root) in &self.roots {
            self.unused(root, root, name, &mut unused);
        }
        assert!(unused.is_empty(), "fields of schemas that no case has: {unused:?}");
    }

    fn unused(&self, root: &serde_json::Value, schema: &serde_json::Value, at: &str, out: &mut Vec<String>) {
        if !self.used.contains(at) {
            out.push(at.to_owned());
            return;
        }
        let schema = schema["$ref"].as_str().and_then(|to| root.pointer(to.trim_start_matches('#'))).unwrap_or(schema);
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            self.unused(root, field, &format!("{at}.{name}"), out);
        }
        if schema["items"].is_object() {
            self.unused(root, &schema["items"], at, out);
        }
        if schema["additionalProperties"].is_object() {
            self.unused(root, &schema["additionalProperties"], &format!("{at}.*"), out);
        }
    }
}

#[test]
fn names_are_portable_and_differ() {
    for (name, want) in [
        ("prod-eu", "prod-eu"),
        (
            "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
            "arn%3Aaws%3Aeks%3Aeu-west-1%3A123456789012%3Acluster%2Fprod",
        ),
        ("..", "%2E%2E"),
        (".", "%2E"),
        (".git", "%2Egit"),
        ("-o", "%2Do"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        ("con", "%63on"),
        ("NUL.txt", "%4EUL.txt"),
        ("console", "console"),
        ("dot.", "dot%2E"),
        ("", "%"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ] {
        assert_eq!(encode_name(name), want, "{name}");
    }
    let long = "x".repeat(253);
    assert!(encode_name(&long).len() <= layout::LONGEST);
    assert_ne!(encode_name(&long), encode_name(&format!("{long}y")));
}

#[test]
fn object_references_read_back() {
    for text in ["Deployment.apps shop/web", "Namespace shop", "ClusterRole.rbac.authorization.k8s.io system:a"] {
        let parsed = ObjectRef::parse(text).unwrap();
        assert_eq!(parsed.to_string(), text);
    }
    assert_eq!(ObjectRef::parse("Namespace"), None);
}
