//! The settings of every application on every cluster, and who else reads the places that decide them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::texts::Texts;
use super::{Decided, Kind, Place, Setting, Value, chain, chase, images, values};
use crate::application::AppKey;
use crate::compile::{Compiled, Renders};
use crate::path::{FilePath, TreeId, TreePath};
use crate::resolve::{Job, Renderer, ResolvedUnit, written};
use crate::source::without_credentials;
use crate::span::SourceMap;
use crate::world::World;
use crate::yaml::Node;

/// An application on a cluster.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) key: AppKey,
    /// Its cluster, among those of the fleet.
    pub(super) cluster: usize,
    pub(super) settings: Vec<Setting>,
    /// Its renders.
    pub(super) jobs: Vec<Arc<Job>>,
    /// Why nothing is known of it.
    pub(super) failed: bool,
}

/// What all applications are set to.
pub struct Survey<'w> {
    pub(super) texts: Texts<'w>,
    pub(super) compiled: &'w Compiled,
    pub(super) tree: TreeId,
    pub(super) units: Vec<Unit>,
    /// Which units a place decides something for.
    users: BTreeMap<Place, BTreeSet<usize>>,
    /// Which units read a file or a folder.
    readers: BTreeMap<TreePath, BTreeSet<usize>>,
}

impl Survey<'_> {
    /// Which units beside these a place is about; a place where nothing stands yet is about all that read its file.
    pub(super) fn others(&self, place: &Place, new: bool, among: &BTreeSet<usize>) -> Vec<&Unit> {
        let (used, read) = (self.users.get(place), self.readers.get(&place.file));
        let all = [used, if new { read } else { None }].into_iter().flatten().flatten();
        let others: BTreeSet<&usize> = all.filter(|unit| !among.contains(unit)).collect();
        others.into_iter().filter_map(|unit| self.units.get(*unit)).collect()
    }

    /// Which units beside these read this very folder.
    pub(super) fn users_of(&self, folder: &TreePath, among: &BTreeSet<usize>) -> Vec<&Unit> {
        let readers = self.readers.get(folder).into_iter().flatten().filter(|unit| !among.contains(unit));
        readers.filter_map(|unit| self.units.get(*unit)).collect()
    }

    /// Which units beside these read a file or a folder; of a kustomization or a plain folder, all that is in it.
    pub(super) fn readers_of(&self, path: &TreePath, among: &BTreeSet<usize>) -> Vec<&Unit> {
        let around = path.parent().and_then(|parent| self.readers.get(&parent));
        let readers = [self.readers.get(path), around].into_iter().flatten().flatten();
        let readers: BTreeSet<&usize> = readers.filter(|unit| !among.contains(unit)).collect();
        let readers = readers.into_iter();
        readers.filter_map(|unit| self.units.get(*unit)).collect()
    }
}

/// What a job is set to, whatever application it is of, and what it reads.
#[derive(Default)]
struct OfJob {
    settings: Vec<Setting>,
    reads: Vec<TreePath>,
}

/// Looks at all applications of a fleet. `tree` is the fleet's own.
pub fn survey<'w>(compiled: &'w Compiled, world: &'w dyn World, sources: &'w SourceMap, tree: TreeId) -> Survey<'w> {
    let texts = Texts::new(world, sources, tree);
    let mut jobs: FxHashMap<Arc<Job>, OfJob> = FxHashMap::default();
    let mut units = Vec::with_capacity(compiled.units.len());
    let mut users: BTreeMap<Place, BTreeSet<usize>> = BTreeMap::new();
    let mut readers: BTreeMap<TreePath, BTreeSet<usize>> = BTreeMap::new();
    for (at, resolved) in compiled.units.iter().enumerate() {
        let mut unit = Unit {
            key: resolved.unit.application.key.clone(),
            cluster: resolved.cluster,
            settings: Vec::new(),
            jobs: Vec::new(),
            failed: resolved.sources.is_err(),
        };
        revisions(&texts, resolved, &mut unit.settings);
        for (index, source) in resolved.sources.iter().flatten().enumerate() {
            let Some(job) = &source.job else { continue };
            let of_job = jobs.entry(Arc::clone(job)).or_insert_with(|| of_job(&texts, job, &compiled.renders, tree));
            unit.settings.extend(of_job.settings.iter().cloned());
            for path in &of_job.reads {
                readers.entry(path.clone()).or_default().insert(at);
            }
            if let Renderer::Helm(options) = &job.renderer {
                let written = written(&resolved.unit.application, index);
                values::settings(&texts, &resolved.unit.origin, options, written, &mut unit.settings);
            }
            unit.failed |= !matches!(compiled.renders.get(job), Some(Ok(_)));
            unit.jobs.push(Arc::clone(job));
        }
        numbered(&mut unit.settings);
        for setting in &unit.settings {
            if let Decided::At(place, _) = &setting.decided {
                users.entry(place.clone()).or_default().insert(at);
            }
        }
        units.push(unit);
    }
    Survey { texts, compiled, tree, units, users, readers }
}

/// Settings of one kind and name are numbered: the same chart twice in an application.
fn numbered(settings: &mut [Setting]) {
    let mut seen: BTreeMap<(Kind, String), usize> = BTreeMap::new();
    for setting in settings {
        let count = seen.entry((setting.kind, setting.name.clone())).or_default();
        *count += 1;
        if *count > 1 {
            setting.name = format!("{} ({count})", setting.name);
        }
    }
}

/// `targetRevision` of the sources: versions of charts and revisions of repositories.
fn revisions(texts: &Texts<'_>, resolved: &ResolvedUnit, found: &mut Vec<Setting>) {
    let application = &resolved.unit.application;
    let overrides =
        application.destinations.get(resolved.unit.destination).and_then(|destination| destination.overrides.as_ref());
    for (index, source) in application.sources.iter().enumerate() {
        let url = without_credentials(&source.repo_url);
        let last = url.trim_end_matches('/').trim_end_matches(".git").rsplit('/').next().unwrap_or_default().to_owned();
        let (kind, name) = match (source.chart.as_str(), url.starts_with("oci://")) {
            ("", true) => (Kind::Charts, last),
            ("", false) => (Kind::Revisions, last),
            (chart, _) => (Kind::Charts, chart.to_owned()),
        };
        let over = overrides.and_then(|node| node.get("targetRevision"));
        let place = written(application, index);
        let Some(revision) = over.or_else(|| place.and_then(|node| node.get("targetRevision"))) else {
            // Where none is written, one could be.
            let decided = place.and_then(|node| chase::missing(texts, node, "targetRevision"));
            let none = || Decided::Elsewhere("no `targetRevision` is written".to_owned());
            let value = Value::Node(Node::str(""));
            found.push(Setting { kind, name, value, decided: decided.unwrap_or_else(none) });
            continue;
        };
        for chased in chase::scalar(texts, &resolved.unit.origin, revision) {
            let name = match chased.parameter {
                None => name.clone(),
                Some(parameter) => format!("{name} {{{parameter}}}"),
            };
            found.push(Setting { kind, name, value: Value::Node(chased.value), decided: chased.decided });
        }
    }
}

fn of_job(texts: &Texts<'_>, job: &Job, renders: &Renders, tree: TreeId) -> OfJob {
    let mut found = OfJob::default();
    let mut reads = |path: &FilePath| {
        if path.tree == tree {
            found.reads.push(path.path.clone());
        }
    };
    reads(&job.directory);
    match &job.renderer {
        Renderer::Kustomize { .. } => {
            for (directory, text) in chain::chain(texts, &job.directory) {
                reads(&directory);
                reads(&FilePath::new(directory.tree, text.file.path.clone()));
                chain::settings(&text, &mut found.settings);
            }
        }
        Renderer::Helm(options) => {
            values::files(texts.world, options).iter().for_each(&mut reads);
            chain::dependencies(texts, &job.directory, &mut found.settings);
            // What templates print is decided by values.
            return found;
        }
        Renderer::Directory { .. } => {}
        Renderer::Plugin(_) => return found,
    }
    if let Some(Ok(rendered)) = renders.get(job) {
        for resource in &rendered.resources {
            images::settings(texts, resource, &mut found.settings);
        }
    }
    found
}
