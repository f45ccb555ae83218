//! One cluster on the way to its bundle: which applications go there, what is known about its kinds, where their files lie.
//!
//! A site is a folder below the output folder. Clusters of one name in several Argo CD instances are one site if they have one API server;
//! the cluster that an instance runs in goes by the name that `inCluster` gives it. Slots are sorted by application.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::claims::Claim;
use super::finish::{Finish, KindFacts, Task, Text};
use super::hold;
use super::index::{Entry, Index, Known, ObjectRef, ScopeRecord, State};
use super::layout::{self, Layout};
use super::permission;
use super::previous::Previous;
use super::record;
use super::scope::{Declared, GroupKind, Knowledge};
use super::tally::Tally;
use super::tracking;
use super::{Bundle, BundleFile, Finishes, Input, RenderSets, Tasks};
use crate::application::AppKey;
use crate::cluster::{Cluster, Facts, IN_CLUSTER_SERVER};
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::k8s::exclusion::{Entry as FilterEntry, Filter};
use crate::k8s::scope::Scope;
use crate::read::Fleet;
use crate::resolve::ResolvedUnit;
use crate::span::{FileId, Span};
use crate::yaml::{self, Dialect, Limits, Node};

/// A cluster and the applications on it.
pub(super) struct Site<'a> {
    pub(super) name: String,
    pub(super) directory: String,
    server: String,
    /// `None` for a cluster that only the last build knew.
    cluster: Option<&'a Cluster>,
    facts: Facts,
    pub(super) slots: Vec<Slot<'a>>,
    /// Custom kinds of its applications and what is known of them.
    pub(super) scopes: BTreeMap<GroupKind, (Scope, Known)>,
}

/// One application on the cluster.
pub(super) struct Slot<'a> {
    pub(super) key: AppKey,
    pub(super) unit: Option<&'a ResolvedUnit>,
    pub(super) content: Content,
    /// Objects that it leaves to another application.
    pub(super) yields: Vec<(ObjectRef, AppKey)>,
    /// Its files, when it is placed.
    files: Vec<BundleFile>,
}

/// What is to lie there of an application.
pub(super) enum Content {
    /// What its part (an index of the input) rendered.
    Part(usize),
    /// The same, when its task is known.
    Fresh { task: usize },
    /// What the last build left; its entry is what that build recorded.
    Held { entry: Box<Entry>, edited: Vec<String>, lost: Vec<String> },
    /// Nothing, and nothing did before.
    Absent { why: String },
}

impl<'a> Slot<'a> {
    pub(super) fn new(key: AppKey, unit: Option<&'a ResolvedUnit>, content: Content) -> Self {
        Slot { key, unit, content, yields: Vec::new(), files: Vec::new() }
    }

    /// Holds the application at what the last build left of it, or marks it absent.
    pub(super) fn fail(&mut self, why: String, directory: &str, previous: &Previous) {
        self.content = hold::last_good(&self.key, why, directory, previous);
        self.yields.clear();
        self.files.clear();
    }

    fn span(&self) -> Span {
        self.unit.map_or(Span::NONE, |unit| unit.unit.application.span)
    }
}

/// What each instance's Argo CD leaves alone, by name of the instance.
///
/// # Errors
/// `resource.exclusions` or `resource.inclusions` of argocd-cm is no list of entries.
pub(super) fn filters(fleet: &Fleet) -> Checked<BTreeMap<&str, Filter>> {
    let mut filters = BTreeMap::new();
    let mut found = Diagnostics::new();
    for (name, instance) in &fleet.instances {
        let mut filter = Filter::default();
        for (key, list) in
            [("resource.exclusions", &mut filter.exclusions), ("resource.inclusions", &mut filter.inclusions)]
        {
            let Some(text) = instance.settings.data.get(key) else { continue };
            let read = yaml::parse_strict(FileId::NONE, text.value.as_bytes(), Dialect::V2, &Limits::default());
            let root = read.ok().and_then(|documents| documents.into_iter().next()).unwrap_or_else(Node::null);
            let entries: Option<Vec<FilterEntry>> = match root.as_seq() {
                Some(items) => items.iter().map(FilterEntry::of).collect(),
                None => text.value.trim().is_empty().then(Vec::new),
            };
            match entries {
                Some(entries) => *list = entries,
                None => found.push(
                    Diagnostic::error("bundle/exclusions", text.span, format!("`{key}` of argocd-cm is no list of resource filters"))
                        .hint("each entry is `{apiGroups: […], kinds: […], clusters: […]}`; without it nobody knows which objects count"),
                ),
            }
        }
        filters.insert(name.as_str(), filter);
    }
    if found.is_empty() { Ok(filters) } else { Err(found) }
}

/// The sites of a fleet with their parts; every cluster that was declared has one, the implicit one if something goes there.
pub(super) fn sites<'a>(input: &Input<'a>, diagnostics: &mut Diagnostics) -> Vec<Site<'a>> {
    let fleet = input.fleet;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, cluster) in fleet.clusters.iter().enumerate() {
        groups.entry(name_of(cluster, fleet)).or_default().push(at);
    }
    let mut sites = Vec::with_capacity(groups.len());
    let mut site_of: FxHashMap<usize, usize> = FxHashMap::default();
    for (name, members) in groups {
        let clusters: Vec<&'a Cluster> = members.iter().filter_map(|at| fleet.clusters.get(*at)).collect();
        let Some(first) = clusters.first().copied() else { continue };
        let mut servers = clusters.iter().filter_map(|cluster| Some((server_of(cluster, fleet)?, cluster.span)));
        if let Some((one, span)) = servers.next()
            && let Some((_, second)) = servers.find(|(other, _)| *other != one)
        {
            diagnostics.push(
                Diagnostic::error("bundle/same-name", second, format!("two clusters are named `{name}` and would share one folder"))
                    .label(span, "the other one is here")
                    .hint("rename one of them; for the cluster that an Argo CD runs in, `inCluster` of its instance in fleet.yaml gives the name"),
            );
        }
        let known = clusters.iter().find(|cluster| cluster.facts != Facts::default()).unwrap_or(&first);
        site_of.extend(members.iter().map(|at| (*at, sites.len())));
        sites.push(Site {
            directory: layout::encode(&name),
            name,
            server: first.server.clone(),
            cluster: Some(first),
            facts: known.facts.clone(),
            slots: Vec::new(),
            scopes: BTreeMap::new(),
        });
    }
    for (at, part) in input.parts.iter().enumerate() {
        let Some(site) = site_of.get(&part.unit.cluster).and_then(|at| sites.get_mut(*at)) else { continue };
        let key = part.unit.unit.application.key.clone();
        let mut slot = Slot::new(key, Some(part.unit), Content::Part(at));
        if let Err(why) = &part.renders {
            slot.fail(one_line(why), &site.directory, input.previous);
        }
        site.slots.push(slot);
    }
    for site in &mut sites {
        site.slots.sort_by(|a, b| {
            (&a.key, a.unit.map(|u| u.unit.destination)).cmp(&(&b.key, b.unit.map(|u| u.unit.destination)))
        });
        site.one_slot_each(input, diagnostics);
    }
    sites.retain(|site| {
        !site.slots.is_empty() || site.cluster.is_some_and(|c| c.origin != crate::cluster::ClusterOrigin::Implicit)
    });
    let mut folders: BTreeMap<String, &Site<'_>> = BTreeMap::new();
    for site in &sites {
        if let Some(other) = folders.insert(layout::fold(&site.directory), site) {
            let message =
                format!("clusters `{}` and `{}` differ only in case and would share one folder", other.name, site.name);
            let span = site.cluster.map_or(Span::NONE, |cluster| cluster.span);
            diagnostics.push(Diagnostic::error("bundle/same-name", span, message).hint("rename one of them"));
        }
    }
    sites
}

/// The name under which a cluster is known in the whole fleet, and its bundle.
pub fn name_of(cluster: &Cluster, fleet: &Fleet) -> String {
    let own = fleet.instances.get(&cluster.instance).and_then(|instance| instance.in_cluster.clone());
    own.filter(|_| cluster.server_key() == IN_CLUSTER_SERVER).unwrap_or_else(|| cluster.name.clone())
}

/// What tells clusters of one name apart; `None` where the name was given for just that.
fn server_of(cluster: &Cluster, fleet: &Fleet) -> Option<String> {
    if cluster.server_key() != IN_CLUSTER_SERVER {
        return Some(cluster.server_key().to_owned());
    }
    let named = fleet.instances.get(&cluster.instance).is_some_and(|instance| instance.in_cluster.is_some());
    (!named).then(|| format!("{IN_CLUSTER_SERVER} of {}", cluster.instance))
}

/// Reasons are one line: they are compared, and stand in a file.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Kinds that are declarations of a fleet.
const DECLARATIONS: [&str; 3] = ["Application", "ApplicationSet", "AppProject"];

impl<'a> Site<'a> {
    /// A site for what the last build left of a cluster that the fleet does not have any more.
    pub(super) fn gone(directory: &str, index: &Index) -> Self {
        Site {
            name: index.cluster.clone(),
            directory: directory.to_owned(),
            server: index.server.clone(),
            cluster: None,
            facts: Facts::default(),
            slots: Vec::new(),
            scopes: BTreeMap::new(),
        }
    }

    /// An application may go to a cluster once only.
    fn one_slot_each(&mut self, input: &Input<'_>, diagnostics: &mut Diagnostics) {
        let (name, directory) = (&self.name, &self.directory);
        self.slots.dedup_by(|second, first| {
            if second.key != first.key {
                return false;
            }
            let message = format!("application `{}` goes to cluster `{name}` twice", first.key);
            diagnostics.push(
                Diagnostic::error("bundle/same-destination", second.span(), message)
                    .hint("remove one of `destination.servers`"),
            );
            first.fail("bundle: it goes to this cluster twice".to_owned(), directory, input.previous);
            true
        });
    }

    /// What the CRDs in the last good files of held applications declare.
    pub(super) fn held_declared(&self, input: &Input<'_>) -> Declared {
        let mut declared = Declared::default();
        let held = self.held_objects(input);
        held.values().flat_map(|held| &held.objects).for_each(|(_, object)| declared.add(object));
        declared
    }

    /// Gives every rendered application its task, and records which custom kinds they have. `declared` is what CRDs of held applications
    /// of this cluster, and what those of the whole fleet say.
    pub(super) fn plan(
        &mut self,
        input: &Input<'a>,
        sets: &RenderSets,
        (mut own, fleet_scopes): (Declared, &Declared),
        filters: &BTreeMap<&str, Filter>,
        tasks: &mut Tasks,
    ) {
        let fleet = input.fleet;
        let set_of = |part: usize| sets.of_part.get(part).copied().flatten();
        for slot in &self.slots {
            let Content::Part(part) = slot.content else { continue };
            set_of(part).and_then(|set| sets.declared.get(set)).inspect(|declared| own.extend(declared));
        }
        let knowledge = Knowledge { own: &own, facts: &self.facts, fleet: fleet_scopes };
        let mut memo: FxHashMap<(&str, &GroupKind), (KindFacts, Option<Known>)> = FxHashMap::default();
        for slot in &mut self.slots {
            let (Content::Part(at), Some(unit)) = (&slot.content, slot.unit) else { continue };
            let (Some(part), Some(set_at)) = (input.parts.get(*at), set_of(*at)) else { continue };
            let Some(set) = sets.list.get(set_at) else { continue };
            let application = &unit.unit.application;
            let instance = application.key.instance.as_str();
            let mut kinds = Vec::with_capacity(set.kinds.len());
            for kind in &set.kinds {
                let (mut facts, known) = *memo.entry((instance, kind)).or_insert_with(|| {
                    let (scope, known) = knowledge.scope(kind);
                    let excluded =
                        filters.get(instance).is_some_and(|filter| filter.excludes(&kind.0, &kind.1, &self.server));
                    let assumed = known == Some(Known::Assumed);
                    (KindFacts { scope, assumed, excluded, declares: false }, known)
                });
                facts.declares = part.feeds_back
                    && !fleet.output.emit_applications
                    && kind.0 == "argoproj.io"
                    && DECLARATIONS.contains(&kind.1.as_str());
                if let Some(known) = known.filter(|_| !facts.excluded && !facts.declares) {
                    self.scopes.insert(kind.clone(), (facts.scope, known));
                }
                kinds.push(facts);
            }
            let destination = application.destinations.get(unit.unit.destination);
            let task = Task {
                set: set_at,
                namespace: destination.map(|destination| destination.namespace.clone()).unwrap_or_default(),
                kinds,
                identity: tracking::identity(&application.key, fleet),
                yields: Vec::new(),
                per_object: fleet.output.files == crate::read::OutputFiles::Resource,
                secrets: fleet.secrets,
            };
            slot.content = Content::Fresh { task: tasks.add(task) };
        }
    }

    /// Says what finishing found, and holds the applications in which it found errors.
    pub(super) fn drop_failures(&mut self, input: &Input<'_>, finished: &Finishes, tally: &mut Tally) {
        for slot in &mut self.slots {
            let Content::Fresh { task } = slot.content else { continue };
            let Some(finish) = finished.get(task) else { continue };
            for finding in finish.diagnostics.iter() {
                tally.add(finding.clone(), format!("application `{}`", slot.key));
            }
            let refusals = slot.unit.map(|unit| permission::refusals(&unit.project, finish)).unwrap_or_default();
            for refusal in &refusals {
                tally.add(refusal.clone(), format!("application `{}`", slot.key));
            }
            if let Some(error) = finish.diagnostics.iter().chain(&refusals).find(|finding| finding.is_error()) {
                slot.fail(one_line(&format!("bundle: {}", error.message)), &self.directory, input.previous);
            }
        }
    }

    /// The objects in the last good files of held applications, by slot.
    pub(super) fn held_objects(&self, input: &Input<'_>) -> BTreeMap<usize, HeldObjects> {
        let mut found = BTreeMap::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let Content::Held { entry, .. } = &slot.content else { continue };
            let mut objects = Vec::new();
            for path in entry.files.keys() {
                let Some(text) = input.previous.texts.get(&format!("{}/{path}", self.directory)) else { continue };
                let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
                let roots = parsed.documents.into_iter().map(|document| document.root);
                objects.extend(roots.map(|root| (ObjectRef::of(&root), root)));
            }
            found.insert(at, HeldObjects { objects });
        }
        found
    }

    /// Gives every file its path; applications whose files have none of their own are held.
    pub(super) fn place(&self, layout: &Layout<'_>, input: &Input<'_>, finished: &Finishes) -> Placement {
        let mut placement = Placement::default();
        let mut placed: BTreeMap<usize, Vec<BundleFile>> = BTreeMap::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let Content::Fresh { task } = slot.content else { continue };
            let (Some(finish), Some(cluster)) = (finished.get(task), self.cluster) else { continue };
            match self.files(slot, finish, cluster, layout) {
                Ok(files) => {
                    placed.insert(at, files);
                }
                Err(errors) => {
                    let why = errors.iter().next().map_or_else(String::new, |error| error.message.clone());
                    placement.failed.insert(at, one_line(&format!("bundle: {why}")));
                    errors.into_iter().for_each(|error| placement.tally.add(error, format!("cluster `{}`", self.name)));
                }
            }
        }
        // Who is held keeps the paths of the last build, which may be in the way of others: until nothing changes.
        loop {
            let mut failed: BTreeMap<usize, String> = BTreeMap::new();
            let kept = self.kept_paths(&placement.failed, input);
            let mut taken: BTreeMap<String, (Option<usize>, &AppKey)> =
                kept.iter().map(|(path, key)| (layout::fold(path), (None, key))).collect();
            for (at, file) in placed.iter().flat_map(|(at, files)| files.iter().map(|file| (*at, file))) {
                match taken.insert(layout::fold(&file.path), (Some(at), &file.application)) {
                    None => {}
                    Some(other) => {
                        self.clash(&file.path, (at, &file.application), other, &mut failed, &mut placement.tally);
                    }
                }
            }
            for (path, (at, key)) in &taken {
                let mut above = path.as_str();
                while let Some((parent, _)) = above.rsplit_once('/') {
                    above = parent;
                    let (Some((other, other_key)), Some(at)) = (taken.get(parent), at) else { continue };
                    self.clash(parent, (*at, key), (*other, other_key), &mut failed, &mut placement.tally);
                }
            }
            if failed.is_empty() {
                break;
            }
            placed.retain(|at, _| !failed.contains_key(at));
            placement.failed.extend(failed);
        }
        placement.files = placed;
        placement
    }

    /// Two files that would be one.
    fn clash(
        &self,
        path: &str,
        (at, key): (usize, &AppKey),
        (other, other_key): (Option<usize>, &AppKey),
        failed: &mut BTreeMap<usize, String>,
        tally: &mut Tally,
    ) {
        let message = if Some(at) == other {
            format!("two objects of application `{key}` would be written to `{path}`")
        } else {
            format!("applications `{other_key}` and `{key}` would both be written to `{path}`")
        };
        let span_of = |at: usize| self.slots.get(at).map_or(Span::NONE, Slot::span);
        let mut error = Diagnostic::error("bundle/same-path", span_of(at), message)
            .hint("paths must differ, also where the file system ignores case; change the names or `output.path`");
        if let Some(other) = other.filter(|other| *other != at) {
            error = error.label(span_of(other), "the other application is here");
        }
        tally.add(error, format!("cluster `{}`", self.name));
        failed.insert(at, format!("bundle: `{path}` is also the path of application `{other_key}`"));
        if let Some(other) = other {
            failed.insert(other, format!("bundle: `{path}` is also the path of application `{key}`"));
        }
    }

    /// Paths of the files that stay: those of held applications, and of those that are going to be.
    fn kept_paths(&self, failed: &BTreeMap<usize, String>, input: &Input<'_>) -> Vec<(String, AppKey)> {
        let mut paths = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let kept;
            let content = match failed.get(&at) {
                Some(_) => {
                    kept = hold::last_good(&slot.key, String::new(), &self.directory, input.previous);
                    &kept
                }
                None => &slot.content,
            };
            if let Content::Held { entry, .. } = content {
                paths.extend(entry.files.keys().map(|path| (path.clone(), slot.key.clone())));
            }
        }
        paths
    }

    fn files(
        &self,
        slot: &Slot<'_>,
        finish: &Finish,
        cluster: &Cluster,
        layout: &Layout<'_>,
    ) -> Checked<Vec<BundleFile>> {
        let project = slot.unit.map_or("", |unit| unit.unit.application.project.as_str());
        let path = |one| layout.path(&slot.key, project, cluster, &self.name, one);
        let file = |path: String, text: &Text| BundleFile {
            path,
            digest: text.digest,
            shown: text.shown,
            text: Some(Arc::clone(&text.text)),
            application: slot.key.clone(),
        };
        if !layout.per_object() {
            let Some(text) = &finish.text else { return Ok(Vec::new()) };
            return Ok(vec![file(path(None)?, text)]);
        }
        let texts = finish.objects.iter().filter_map(|object| Some((object, object.text.as_ref()?)));
        texts.map(|(object, text)| Ok(file(path(Some((&object.reference, object.ordinal)))?, text))).collect()
    }

    /// Takes what [`Site::place`] found.
    pub(super) fn settle(&mut self, placement: &mut Placement, input: &Input<'_>, failed: &mut BTreeSet<AppKey>) {
        for (at, why) in std::mem::take(&mut placement.failed) {
            if let Some(slot) = self.slots.get_mut(at) {
                slot.fail(why, &self.directory, input.previous);
            }
        }
        for (at, files) in std::mem::take(&mut placement.files) {
            if let Some(slot) = self.slots.get_mut(at) {
                slot.files = files;
            }
        }
        let fresh = |slot: &&Slot<'_>| slot.unit.is_some() && !matches!(slot.content, Content::Fresh { .. });
        failed.extend(self.slots.iter().filter(fresh).map(|slot| slot.key.clone()));
    }

    /// The bundle of the site, when all applications are placed.
    pub(super) fn bundle(&self, input: &Input<'_>, finished: &Finishes) -> Bundle {
        let mut index = Index { cluster: self.name.clone(), server: self.server.clone(), ..Index::default() };
        let mut files = Vec::new();
        let mut holds = false;
        for slot in &self.slots {
            let entry = match (&slot.content, slot.unit) {
                (Content::Fresh { task }, Some(unit)) => {
                    let mut entry = record::entry(unit, finished.get(*task));
                    entry.yields.clone_from(&slot.yields);
                    entry.files = slot.files.iter().map(|file| (file.path.clone(), file.digest)).collect();
                    entry.shown = slot.files.iter().filter_map(|file| Some((file.path.clone(), file.shown?))).collect();
                    files.extend(slot.files.iter().cloned());
                    entry
                }
                (Content::Held { entry, .. }, _) => {
                    holds = true;
                    files.extend(entry.files.iter().map(|(path, digest)| BundleFile {
                        path: path.clone(),
                        digest: *digest,
                        shown: entry.shown.get(path).copied(),
                        text: None,
                        application: slot.key.clone(),
                    }));
                    (**entry).clone()
                }
                (Content::Absent { why }, Some(unit)) => {
                    Entry { state: State::Absent, why: why.clone(), ..record::entry(unit, None) }
                }
                _ => continue,
            };
            index.applications.push(entry);
        }
        // What the files of held applications rest on is what was known when they were written.
        if holds && let Some(old) = input.previous.bundles.get(&self.directory) {
            old.index().sides.iter().rev().for_each(|side| index.scopes.extend(side.scopes.clone()));
        }
        for ((group, kind), (scope, known)) in &self.scopes {
            let record = ScopeRecord { namespaced: *scope == Scope::Namespaced, known: *known };
            index.scopes.insert(format!("{group}/{kind}"), record);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Bundle::new(self.name.clone(), self.directory.clone(), index, files)
    }
}

/// What placing found; positions are those of the slots.
#[derive(Default)]
pub(super) struct Placement {
    files: BTreeMap<usize, Vec<BundleFile>>,
    failed: BTreeMap<usize, String>,
    pub(super) tally: Tally,
}

/// The objects in the last good files of a held application.
pub(super) struct HeldObjects {
    objects: Vec<(ObjectRef, Node)>,
}

impl HeldObjects {
    /// What the application claims as long as it is held.
    pub(super) fn claims(&self) -> Vec<Claim<'_>> {
        let claim = |(reference, body)| Claim { reference, body, span: Span::NONE };
        let named = self.objects.iter().filter(|(_, body)| body.at(&["metadata", "name"]).is_some());
        named.map(|(reference, body)| claim((reference, body))).collect()
    }
}

/// Says once for each custom kind that nothing tells its scope.
pub(super) fn report_unknown_scopes(sites: &[Site<'_>], sets: &RenderSets, tally: &mut Tally) {
    let mut unknown: BTreeMap<&GroupKind, Vec<&str>> = BTreeMap::new();
    for site in sites {
        for (kind, _) in site.scopes.iter().filter(|(_, (_, known))| *known == Known::Assumed) {
            unknown.entry(kind).or_default().push(&site.name);
        }
    }
    for (kind, names) in unknown {
        let set = sets.list.iter().find(|set| set.kinds.binary_search(kind).is_ok());
        let is_it = |object: &Node| {
            let reference = ObjectRef::of(object);
            (&reference.group, &reference.kind) == (&kind.0, &kind.1)
        };
        let first = set.and_then(|set| set.resources().find(|resource| is_it(&resource.body)));
        let span = first.map_or(Span::NONE, |resource| resource.body.span().or(resource.origin.span));
        let (group, kind) = kind;
        let finding = Diagnostic::warning(
            "bundle/unknown-scope",
            span,
            format!("nothing tells whether {kind}.{group} has namespaces; its objects count as namespaced"),
        )
        .hint(format!("add its CRD to the fleet, or `scopes: {{{group}/{kind}: …}}` to `clusters` in fleet.yaml"));
        names.iter().for_each(|name| tally.add(finding.clone(), format!("cluster `{name}`")));
    }
}
