//! What `init` finds by looking at a repository: which fleet.yaml makes it a fleet, what that takes, and what is left out and why.
//!
//! A fleet.yaml is proposed, the fleet is compiled as if it were there, and what that run does not know is put into the next proposal: which
//! repoURL is this checkout, which clusters are meant, which of several overlays is an Argo CD. Nothing is fetched, nothing is asked of a
//! cluster, and nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args as _, FromArgMatches as _};
use fleetc::cluster::ClusterOrigin;
use fleetc::compile::{Compiled, parts};
use fleetc::diag::{Diagnostic, Diagnostics};
use fleetc::read::Fleet;
use fleetc::source::{SourceRequest, without_credentials};
use fleetc::world::{Lookup, World as _};
use fleetc::yaml::Node;

use super::args::{FleetOptions, Format};
use super::report::plural;
use super::session::Session;
use super::starter::{Mapped, Starter, Stub};

/// How often a proposal is made better.
const ROUNDS: usize = 10;
/// How many names a note lists.
const LISTED: usize = 4;

/// What was found.
pub(crate) struct Looked {
    pub(crate) text: String,
    /// Files of definitions with what they declare.
    pub(crate) taken: Vec<(String, Vec<String>)>,
    /// What was found and not taken, with the reason.
    pub(crate) left: Vec<(String, String)>,
    /// What people should know, one line each.
    pub(crate) notes: Vec<String>,
}

/// Looks.
///
/// # Errors
/// The exit code, after the reason was printed: the folder cannot be opened.
pub(crate) fn look(dir: &Path, name: &str, format: Format) -> Result<Looked, ExitCode> {
    let mut starter = Starter { name: name.to_owned(), ..Starter::default() };
    let mut options = options();
    options.format = format;
    let mut round = 0;
    loop {
        round += 1;
        options.trial = Some(starter.text());
        let session = Session::open_with(dir, &options, None, &|_| false)?;
        let compiled = session.compile();
        let found = Found { session: &session, compiled: &compiled.value, diagnostics: &compiled.diagnostics };
        let mut next = starter.clone();
        found.learn(&mut next);
        if next == starter || round == ROUNDS {
            return Ok(found.say(&starter));
        }
        starter = next;
    }
}

/// Those of a command that asks nothing of the network.
fn options() -> FleetOptions {
    let command = FleetOptions::augment_args(clap::Command::new("init").no_binary_name(true));
    let matches = command.try_get_matches_from(["--offline", "--quiet"]);
    let options = matches.and_then(|matches| FleetOptions::from_arg_matches(&matches));
    // Both options are declared above.
    options.unwrap_or_else(|error| error.exit())
}

/// A repository as Applications speak of it.
#[derive(Default)]
struct Used {
    /// Paths that say which folder is meant; whether each is whole, or what stands before a template in it.
    paths: BTreeSet<(String, bool)>,
}

impl Used {
    /// Why it is thought to be what a folder holds; `None` where it is not. `named`: the folder is called like it.
    fn lies_in(&self, folder: &Path, named: bool) -> Option<String> {
        let exists = |path: &str| folder.join(path).exists();
        let whole: Vec<&str> = self.paths.iter().filter(|path| path.1).map(|(path, _)| path.as_str()).collect();
        let here: Vec<&str> = whole.iter().copied().filter(|path| exists(path)).collect();
        let begun = self.paths.iter().filter(|path| !path.1).all(|(path, _)| exists(path));
        // An Application may point to what is gone by now. Of a repository that is called otherwise, most must be here.
        let enough = if named { whole.len() / 2 } else { whole.len() - whole.len() / 4 };
        match here.as_slice() {
            [] if named && whole.is_empty() && begun => Some("the folder is called like it".to_owned()),
            [path] if whole.len() == 1 => Some(format!("its {path} lies here")),
            [path, more @ ..] if here.len() >= enough.max(1) => {
                let rest = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                Some(format!("{path}{rest} of its {} lie here", plural(whole.len(), "path")))
            }
            _ => None,
        }
    }
}

struct Found<'a> {
    session: &'a Session,
    compiled: &'a Compiled,
    diagnostics: &'a Diagnostics,
}

impl Found<'_> {
    fn fleet(&self) -> &Fleet {
        &self.compiled.fleet
    }

    fn learn(&self, starter: &mut Starter) {
        let known = starter.repositories.len();
        self.learn_repositories(starter);
        if starter.repositories.len() > known {
            // What an Application of this very checkout deploys is no root any more: which overlays are left is seen anew.
            starter.instances.clear();
            starter.clusters.clear();
            return;
        }
        self.learn_instances(starter);
        self.learn_clusters(starter);
    }

    /// Overlays that hold the same definitions.
    fn learn_instances(&self, starter: &mut Starter) {
        if !starter.instances.is_empty() {
            return;
        }
        let several: Vec<&Diagnostic> =
            self.diagnostics.iter().filter(|found| found.code == "read/overlays" && found.is_error()).collect();
        let spans = several.iter().flat_map(|found| {
            std::iter::once(found.span).chain(found.labels.iter().map(|(span, _)| *span)).collect::<Vec<_>>()
        });
        let base = self.session.world.fleet().path.clone();
        let folders: BTreeSet<String> = spans
            .filter_map(|span| self.session.world.sources().get(span.file)?.path.parent())
            .map(|folder| folder.below(&base).filter(|below| !below.is_empty()).unwrap_or(".").to_owned())
            .collect();
        let last = |folder: &str| folder.rsplit('/').next().unwrap_or(folder).to_owned();
        for folder in &folders {
            let alone = folders.iter().filter(|other| last(other) == last(folder)).count() == 1;
            let name = if alone { last(folder) } else { folder.replace('/', "-") };
            let name = if name == "." { starter.name.clone() } else { name };
            starter.instances.insert(name, folder.clone());
        }
    }

    /// What all Applications and ApplicationSets say of repositories.
    fn repositories(&self) -> BTreeMap<String, Used> {
        let mut used = BTreeMap::new();
        let fleet = self.fleet();
        let units = self.compiled.units.iter().map(|unit| &unit.unit).chain(&self.compiled.unplaced);
        let applications = fleet.applications.iter().map(|application| &application.manifest);
        let made = units.map(|unit| &unit.application.manifest);
        let sets = fleet.application_sets.iter().map(|set| &set.manifest);
        applications.chain(made).chain(sets).for_each(|manifest| collect(manifest, &mut used));
        used
    }

    fn is_here(&self, url: &str) -> bool {
        let answer = self.session.world.tree(&SourceRequest::git(url, ""));
        matches!(answer, Lookup::Here(tree) if tree.id == self.session.world.fleet().tree)
    }

    fn learn_repositories(&self, starter: &mut Starter) {
        let depth = self.session.world.fleet().path.segments().count();
        let root = self.session.root();
        let mut places = vec![(if depth == 0 { ".".to_owned() } else { vec![".."; depth].join("/") }, root)];
        if depth > 0 {
            // Of a repository that was copied into another one, paths begin at the fleet's folder.
            places.push((".".to_owned(), self.session.world.folder().to_owned()));
        }
        let remotes = self.session.world.remotes();
        for (url, used) in self.repositories() {
            if self.is_here(&url) {
                continue;
            }
            for (path, folder) in &places {
                let called = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let mut names =
                    remotes.iter().filter(|_| depth == 0 || path != ".").map(String::as_str).chain([&*called]);
                let named = names.any(|name| repository_name(name) == repository_name(&url));
                if let Some(why) = used.lies_in(folder, named) {
                    starter.repositories.insert(without_credentials(&url), Mapped { path: path.clone(), why });
                    break;
                }
            }
        }
    }

    /// Destinations that no cluster answers to.
    fn learn_clusters(&self, starter: &mut Starter) {
        for unit in &self.compiled.unplaced {
            let Some(destination) = unit.application.destinations.get(unit.destination) else { continue };
            if destination.name.contains("{{") || destination.server.contains("{{") {
                continue;
            }
            let (name, stub) = if destination.name.is_empty() {
                let host = destination.server.split("://").last().unwrap_or_default();
                let host = host.split(['/', ':']).next().unwrap_or_default();
                let why = "the name is made from it: write what people call the cluster";
                (host.replace('.', "-"), Stub { server: destination.server.clone(), why, secret: None })
            } else {
                (destination.name.clone(), nowhere(&destination.name))
            };
            if !name.is_empty() {
                starter.clusters.entry(name).or_insert(stub);
            }
        }
        // What declares a cluster without saying which: the name of one that Applications go to may be part of its own.
        for cluster in self.fleet().clusters.iter().filter(|cluster| cluster.origin == ClusterOrigin::Stub) {
            if !cluster.name.is_empty() && !cluster.server.is_empty() {
                continue;
            }
            let object = cluster.object.as_str();
            let named = starter.clusters.keys().filter(|name| object.ends_with(name.as_str()));
            let name = named.max_by_key(|name| name.len()).cloned().unwrap_or_else(|| object.to_owned());
            starter.clusters.entry(name.clone()).or_insert_with(|| nowhere(&name)).secret = Some(object.to_owned());
        }
        starter.wanted = self.wanted();
    }

    /// What ApplicationSets that make nothing look for in clusters.
    fn wanted(&self) -> Vec<String> {
        let made: BTreeSet<&str> = self
            .compiled
            .units
            .iter()
            .map(|unit| &unit.unit)
            .chain(&self.compiled.unplaced)
            .filter_map(|unit| Some(unit.origin.application_set.as_ref()?.0.as_str()))
            .collect();
        let mut lines: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for set in &self.fleet().application_sets {
            if made.contains(format!("{}/{}", set.namespace, set.name).as_str()) {
                continue;
            }
            let mut labels = BTreeSet::new();
            selectors(&set.manifest, &mut labels);
            for label in labels {
                lines.entry(label).or_default().insert(&set.name);
            }
        }
        let line = |(label, sets): (String, BTreeSet<&str>)| {
            let all: Vec<&str> = sets.into_iter().collect();
            format!("{label}: ApplicationSet {}", listed(&all))
        };
        lines.into_iter().map(line).collect()
    }

    // ------------------------------------------------------------------------------------------------------------- what people are told

    fn say(&self, starter: &Starter) -> Looked {
        let fleet = self.fleet();
        let mut notes = Vec::new();
        let urls: BTreeSet<String> = self
            .repositories()
            .into_keys()
            .filter(|url| self.is_here(url))
            .map(|url| without_credentials(&url))
            .collect();
        for url in urls.iter().filter(|url| !starter.repositories.contains_key(*url)) {
            notes.push(format!("{url} is this checkout: a remote of it says so"));
        }
        for (url, Mapped { path, why }) in &starter.repositories {
            let folder = if path == "." { "this folder" } else { "this checkout" };
            notes.push(format!("{url} is taken to be {folder}: {why}"));
        }
        for (name, folder) in &starter.instances {
            notes.push(format!("{folder} is taken to be an Argo CD of its own, `{name}`"));
        }
        for (name, stub) in &starter.clusters {
            notes.push(format!("the cluster `{name}` ({}) is declared nowhere: {}", stub.server, stub.why));
        }
        self.say_clusters(&mut notes);
        self.say_applications(&mut notes);
        let left: Vec<(String, String)> =
            fleet.skipped.iter().map(|one| (one.path.to_string(), one.reason.clone())).collect();
        self.say_left(&left, &mut notes);
        let taken = fleet.taken.iter().map(|one| (one.path.to_string(), one.objects.clone())).collect();
        Looked { text: starter.text(), taken, left, notes }
    }

    fn say_clusters(&self, notes: &mut Vec<String>) {
        let used: BTreeSet<usize> = self.compiled.units.iter().map(|unit| unit.cluster).collect();
        let known = |at: &usize| self.fleet().clusters.get(*at);
        let silent = used.iter().filter_map(known).filter(|cluster| cluster.facts.kube_version.is_none());
        let silent: BTreeSet<&str> = silent.map(|cluster| cluster.name.as_str()).collect();
        let silent: Vec<&str> = silent.into_iter().collect();
        if !silent.is_empty() {
            notes.push(format!(
                "the Kubernetes version of {} is not known, and charts get a default: `fleetc cluster facts NAME -o clusters/NAME.facts.yaml` asks the \
                 cluster, `clusters: [{{name: {}, kubeVersion: \"1.34\"}}]` in fleet.yaml says it",
                listed(&silent),
                silent.first().unwrap_or(&"NAME")
            ));
        }
        if self.fleet().clusters.iter().all(|cluster| cluster.origin == ClusterOrigin::Implicit)
            && !self.fleet().application_sets.is_empty()
        {
            notes.push(
                "no cluster Secret is in the repository: clusters that generators are to find go into `clusters:`"
                    .to_owned(),
            );
        }
    }

    /// What would be compiled, and what not.
    fn say_applications(&self, notes: &mut Vec<String>) {
        let parts = parts(self.compiled, self.session.world.sources());
        let failed: Vec<&Diagnostic> = parts.diagnostics.iter().filter(|found| found.is_error()).collect();
        let held = parts.value.iter().filter(|part| part.renders.is_err()).count();
        let all = self.compiled.units.len();
        if all > 0 {
            let clusters: BTreeSet<usize> = self.compiled.units.iter().map(|unit| unit.cluster).collect();
            notes.push(format!(
                "with it `fleetc build` compiles {} on {}{}",
                plural(all, "application"),
                plural(clusters.len(), "cluster"),
                match held {
                    0 => String::new(),
                    _ if held == all => "; none of them without what is said below".to_owned(),
                    _ => format!("; {held} of them not without what is said below"),
                }
            ));
        }
        let elsewhere: BTreeSet<String> =
            self.compiled.wants.iter().map(|source| without_credentials(&source.url)).collect();
        if !elsewhere.is_empty() {
            let names: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
            notes.push(format!(
                "{} fetched by the first build: {}",
                if names.len() == 1 { "1 source is" } else { "these sources are" },
                listed(&names)
            ));
        }
        // What a build with a network will say, too.
        let mut codes: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        let errors = self.diagnostics.iter().filter(|found| found.is_error());
        for found in errors.chain(failed) {
            if found.code.ends_with("/source") || found.code == "read/nothing" || found.code == "resolve/destination" {
                continue;
            }
            let entry = codes.entry(found.code).or_insert_with(|| (0, found.message.clone()));
            entry.0 += 1;
        }
        for (code, (count, message)) in codes {
            notes.push(format!("{} of `{code}`, such as: {message}", plural(count, "error")));
        }
    }

    /// What lies here and is no part of the fleet.
    fn say_left(&self, left: &[(String, String)], notes: &mut Vec<String>) {
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, reason) in left {
            reasons.entry(reason).or_default().push(path);
        }
        for (reason, paths) in reasons.iter().take(LISTED) {
            notes.push(format!("left out, {reason}: {}", listed(paths)));
        }
        if reasons.len() > LISTED {
            notes.push(format!(
                "left out for {}: `fleetc build -v` lists all",
                plural(reasons.len() - LISTED, "more reason")
            ));
        }
        let tree = Tree::walk(&self.session.root());
        let used = |folder: &str| {
            let below = format!("{folder}/");
            self.compiled.inputs.keys().any(|file| file.as_str().starts_with(&below) || folder.is_empty())
        };
        let unused = |folders: &[String]| folders.iter().filter(|folder| !used(folder)).cloned().collect::<Vec<_>>();
        let nothing = self.compiled.units.is_empty() && self.fleet().application_sets.is_empty();
        for (what, folders) in [("kustomization", &tree.kustomizations), ("chart", &tree.charts)] {
            let idle = unused(folders);
            if !idle.is_empty() {
                let names: Vec<&str> = idle.iter().map(String::as_str).collect();
                let why = if nothing { "no Application deploys them" } else { "no Application here uses them" };
                notes.push(format!(
                    "{} of {} left out, {why}: {}",
                    idle.len(),
                    plural(folders.len(), what),
                    listed(&names)
                ));
            }
        }
        if tree.flux > 0 {
            notes.push(format!(
                "{} of Flux left out: fleetc reads what Argo CD reads, and `fleetc adopt --from flux` takes over what Flux runs",
                plural(tree.flux, "file")
            ));
        }
        if !tree.makers.is_empty() {
            let names: Vec<&str> = tree.makers.iter().map(String::as_str).collect();
            notes.push(format!(
                "charts whose templates make Applications: {}; an Application that deploys such a chart brings them into the fleet",
                listed(&names)
            ));
        }
        if nothing {
            let overlay = tree.kustomizations.iter().find(|folder| folder.contains("overlays/"));
            let first = tree.makers.first().or(overlay).or(tree.kustomizations.first()).or(tree.charts.first());
            let first = first.map_or("path/to/manifests", String::as_str);
            notes.push(format!(
                "there is no Application and no ApplicationSet here, so there is nothing to compile yet. One file makes a fleet of it, for example \
                 applications/first.yaml: {{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: first}}, spec: {{project: default, \
                 source: {{repoURL: {}, path: {first}}}, destination: {{server: https://kubernetes.default.svc, namespace: default}}}}}}",
                self.origin()
            ));
        }
    }

    fn origin(&self) -> String {
        let checkout = self.session.world.remotes();
        checkout.first().cloned().unwrap_or_else(|| "https://git.example.com/this/repository.git".to_owned())
    }
}

/// A cluster of which only the name is known.
fn nowhere(name: &str) -> Stub {
    // RFC 2606: nothing is ever found there.
    let label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let why = "not known here: write the URL of its API server";
    Stub { server: format!("https://{label}.invalid"), why, secret: None }
}

/// `repoURL` with the paths beside it, wherever a manifest has them.
fn collect(node: &Node, used: &mut BTreeMap<String, Used>) {
    if let Some(url) = node.get("repoURL").and_then(Node::as_str)
        && !url.contains("{{")
        // Some write a word that a kustomization replaces.
        && (url.contains("://") || url.contains('@'))
        && node.get("chart").is_none()
    {
        let found = used.entry(url.to_owned()).or_default();
        let lists = ["directories", "files"].into_iter().filter_map(|key| node.get(key)?.as_seq());
        let listed = lists.flatten().filter(|item| item.get("exclude").and_then(Node::as_bool) != Some(true));
        let paths = std::iter::once(node).chain(listed).filter_map(|item| item.get("path")?.as_str());
        for path in paths {
            let fixed = path.split("{{").next().unwrap_or_default();
            let fixed = fixed.split(['*', '?', '[', '{']).next().unwrap_or_default();
            let whole = fixed.len() == path.len();
            let folder = if whole { fixed } else { fixed.rsplit_once('/').map_or("", |(folder, _)| folder) };
            let folder = folder.trim_matches('/').trim_start_matches("./");
            if !folder.is_empty() && folder != "." {
                found.paths.insert((folder.to_owned(), whole));
            }
        }
    }
    for value in node
        .as_map()
        .iter()
        .flat_map(|map| map.iter())
        .map(|(_, value)| value)
        .chain(node.as_seq().into_iter().flatten())
    {
        collect(value, used);
    }
}

/// The labels that generators over clusters look for, as people write them.
fn selectors(node: &Node, found: &mut BTreeSet<String>) {
    if let Some(clusters) = node.get("clusters") {
        let labels = clusters.at(&["selector", "matchLabels"]).and_then(Node::as_map);
        let equal = labels.into_iter().flat_map(|map| map.iter());
        let equal = equal.filter_map(|(key, value)| Some(format!("{}={}", key.as_str()?, value.as_str()?)));
        let conditions = clusters.at(&["selector", "matchExpressions"]).and_then(Node::as_seq).into_iter().flatten();
        let conditions = conditions.map(|one| {
            let values: Vec<&str> =
                one.get("values").and_then(Node::as_seq).into_iter().flatten().filter_map(Node::as_str).collect();
            format!("{} {} {}", one.str_at(&["key"]), one.str_at(&["operator"]), values.join("|")).trim_end().to_owned()
        });
        let all: Vec<String> = equal.chain(conditions).collect();
        found.insert(if all.is_empty() { "any cluster".to_owned() } else { all.join(", ") });
    }
    for value in node
        .as_map()
        .iter()
        .flat_map(|map| map.iter())
        .map(|(_, value)| value)
        .chain(node.as_seq().into_iter().flatten())
    {
        selectors(value, found);
    }
}

/// What a repository is called: the last part of its URL or path.
fn repository_name(url: &str) -> String {
    let plain = url.trim_end_matches('/').trim_end_matches(".git");
    plain.rsplit(['/', ':']).next().unwrap_or(plain).to_lowercase()
}

/// The first of some names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

/// What lies in a folder that is for deployers, by the names of files; hidden folders are not entered.
#[derive(Default)]
struct Tree {
    kustomizations: Vec<String>,
    charts: Vec<String>,
    /// Files with kinds of Flux.
    flux: usize,
    /// Charts with kinds of Argo CD in their templates.
    makers: Vec<String>,
}

impl Tree {
    fn walk(root: &Path) -> Tree {
        let mut tree = Tree::default();
        let hidden = |name: &str| name.starts_with('.') || ["node_modules", "target", "bundles"].contains(&name);
        let entries = walkdir::WalkDir::new(root)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !hidden(&entry.file_name().to_string_lossy()));
        for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
            let name = entry.file_name().to_string_lossy();
            let folder = entry.path().parent().and_then(|folder| folder.strip_prefix(root).ok());
            let folder = folder.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
            if ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&&*name) {
                tree.kustomizations.push(if folder.is_empty() { ".".to_owned() } else { folder.clone() });
            }
            if name == "Chart.yaml" {
                tree.charts.push(if folder.is_empty() { ".".to_owned() } else { folder.clone() });
            }
            let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
            if !is_yaml || entry.metadata().is_ok_and(|file| file.len() > 1 << 20) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            if text.contains("toolkit.fluxcd.io/") {
                tree.flux += 1;
            }
            let chart = folder.split_once("/templates").map(|(chart, _)| chart.to_owned());
            if let Some(chart) =
                chart.filter(|_| text.contains("argoproj.io/v1alpha1") && text.contains("kind: Application"))
                && !tree.makers.contains(&chart)
            {
                tree.makers.push(chart);
            }
        }
        tree
    }
}
