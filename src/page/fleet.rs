//! The page of a fleet: its clusters, what is on them, and the objects of every application with where they came from. Shared by the other
//! pages, which add what changes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::origin::{Traced, made_of, origin};
use super::{Content, Object, Page, Site, Slice, Status, Subject};
use crate::application::AppKey;
use crate::bundle::{self, Contents, Entry, ObjectRef, Spread, State};
use crate::cluster::Cluster;
use crate::compile::Compiled;
use crate::diff::Side;
use crate::digest::Digest;
use crate::explain;
use crate::k8s::object::Gvk;
use crate::read::Fleet;
use crate::report::plural;
use crate::resolve::ResolvedUnit;
use crate::span::{FileId, SourceMap, Span};
use crate::yaml::{self, Dialect, Limits, Node, View, emit};

/// What a compile knows beside its bundles.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was compiled.
    pub compiled: &'a Compiled,
    /// The files that it read.
    pub sources: &'a SourceMap,
    /// Its renders, traced.
    pub traced: &'a Traced,
}

impl Page {
    /// The page of a fleet: its bundles, and what is known beside them.
    pub fn of_fleet(side: &Side, known: Known<'_>, spread: Spread<'_>) -> Page {
        let mut page = Page { subject: Subject::Fleet, ..Page::default() };
        page.sites = sites(&known.compiled.fleet, side.keys());
        let mut store = Store::default();
        let entries: Vec<(usize, &Contents, &Entry)> = page
            .sites
            .iter()
            .enumerate()
            .filter_map(|(at, site)| Some((at, side.get(&site.name)?)))
            .flat_map(|(at, contents)| contents.index.applications.iter().map(move |entry| (at, contents, entry)))
            .collect();
        let units = units(&known.compiled.fleet, &known.compiled.units);
        for (at, contents, entry) in entries {
            let name = page.sites.get(at).map_or("", |site| site.name.as_str());
            let unit = units.get(&(name.to_owned(), &entry.key)).copied();
            let mut slice = slice(at, entry);
            slice.after = store.add(contents, entry, unit);
            slice.made = unit.map(|unit| made(unit, known.sources)).unwrap_or_default();
            page.slices.push(slice);
        }
        page.contents = store.contents(Some(known), spread);
        page.summary = summary(&page);
        page
    }
}

fn summary(page: &Page) -> String {
    let objects: usize = page
        .slices
        .iter()
        .filter_map(|slice| page.contents.get(slice.after?))
        .map(|content| content.objects.len())
        .sum();
    let mut parts = vec![
        format!("{} on {}", plural(page.slices.len(), "application"), plural(page.sites.len(), "cluster")),
        format!("{} of {}", plural(objects, "object"), plural(page.contents.len(), "different render")),
    ];
    for (status, word) in [(Status::Held, "held"), (Status::Failed, "failed")] {
        match page.slices.iter().filter(|slice| slice.status == status).count() {
            0 => {}
            number => parts.push(format!("{number} {word}")),
        }
    }
    parts.join(", ")
}

/// The clusters of some names, as a fleet knows them.
pub(super) fn sites<'a>(fleet: &Fleet, names: impl Iterator<Item = &'a String>) -> Vec<Site> {
    let known: BTreeMap<String, &Cluster> =
        fleet.clusters.iter().map(|cluster| (bundle::cluster_name(cluster, fleet), cluster)).collect();
    let site = |name: &String| {
        let Some(cluster) = known.get(name) else { return Site { name: name.clone(), ..Site::default() } };
        Site {
            name: name.clone(),
            server: cluster.server.clone(),
            version: cluster.facts.kube_version.clone().unwrap_or_default(),
            // What marks cluster Secrets as such says nothing.
            labels: cluster
                .labels
                .iter()
                .filter(|(key, _)| !key.starts_with("argocd.argoproj.io/"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    };
    names.map(site).collect()
}

/// The units by cluster and application.
pub(super) fn units<'c>(fleet: &Fleet, units: &'c [ResolvedUnit]) -> FxHashMap<(String, &'c AppKey), &'c ResolvedUnit> {
    let names: Vec<String> = fleet.clusters.iter().map(|cluster| bundle::cluster_name(cluster, fleet)).collect();
    let one = |unit: &'c ResolvedUnit| Some(((names.get(unit.cluster)?.clone(), &unit.unit.application.key), unit));
    units.iter().filter_map(one).collect()
}

/// What the index of a bundle says of an application.
pub(super) fn slice(site: usize, entry: &Entry) -> Slice {
    let (status, notes) = match entry.state {
        State::Ok => (Status::Fine, Vec::new()),
        State::Held => (Status::Held, vec![entry.why.clone()]),
        State::Absent => (Status::Failed, vec![entry.why.clone()]),
    };
    let sources = entry.sources.iter().map(|source| {
        let at = if source.chart.is_empty() { &source.path } else { &source.chart };
        let revision = if source.target_revision.is_empty() { "HEAD" } else { &source.target_revision };
        [crate::source::without_credentials(&source.repo_url), at.clone(), revision.to_owned(), source.revision.clone()]
    });
    Slice {
        site,
        key: entry.key.clone(),
        project: entry.project.clone(),
        namespace: entry.namespace.clone(),
        set: entry.application_set.clone(),
        sources: sources.collect(),
        made: Vec::new(),
        status,
        danger: false,
        notes,
        before: None,
        after: None,
    }
}

/// What declared an application, with places.
pub(super) fn made(unit: &ResolvedUnit, sources: &SourceMap) -> Vec<(String, String)> {
    let place = |span: Span| sources.locate(span).map_or_else(String::new, |place| place.to_string());
    let origin = &unit.unit.origin;
    let mut made = Vec::new();
    if let Some(parent) = &origin.parent {
        made.push((format!("rendered by application {parent}"), String::new()));
    }
    match &origin.application_set {
        Some((name, span)) => made.push((format!("ApplicationSet {name}"), place(*span))),
        None => made.push(("Application".to_owned(), place(unit.unit.application.span))),
    }
    for step in &origin.generators {
        made.push((format!("generator {}", step.kind), place(step.span)));
        if !step.element.is_empty() {
            made.push((step.element.clone(), place(step.element_span)));
        }
    }
    if let (Some(span), true) = (origin.template, origin.application_set.is_some()) {
        made.push(("template".to_owned(), place(span)));
    }
    made
}

// --------------------------------------------------------------------------------------------------------------------------- contents

/// What makes the objects of two applications, and where they came from, the same.
#[derive(PartialEq, Eq, Hash)]
struct ContentKey {
    files: Vec<Digest>,
    /// Addresses of the jobs: equal ones are one `Arc` where it counts, and unequal ones of equal jobs cost space only.
    jobs: Vec<usize>,
    destination: Option<Span>,
}

/// A content in the making.
struct Draft<'a> {
    texts: Vec<&'a str>,
    unit: Option<&'a ResolvedUnit>,
}

/// The contents of applications, each once.
#[derive(Default)]
pub(super) struct Store<'a> {
    known: FxHashMap<ContentKey, usize>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> Store<'a> {
    /// The number of an application's content; `None` where its files are not here.
    pub(super) fn add(
        &mut self,
        contents: &'a Contents,
        entry: &'a Entry,
        unit: Option<&'a ResolvedUnit>,
    ) -> Option<usize> {
        let texts: Vec<&str> = entry.files.keys().filter_map(|path| contents.texts.get(path)).map(|t| &**t).collect();
        if texts.len() < entry.files.len() || entry.state == State::Absent {
            return None;
        }
        let jobs = unit.into_iter().flat_map(|unit| unit.sources.iter().flatten());
        let jobs = jobs.filter_map(|source| source.job.as_ref()).map(|job| std::sync::Arc::as_ptr(job) as usize);
        let key = ContentKey {
            files: entry.files.values().copied().collect(),
            jobs: jobs.collect(),
            destination: unit.and_then(destination),
        };
        let number = *self.known.entry(key).or_insert_with(|| {
            self.drafts.push(Draft { texts, unit });
            self.drafts.len() - 1
        });
        Some(number)
    }

    /// All of them, with origins where something is known.
    pub(super) fn contents(self, known: Option<Known<'_>>, spread: Spread<'_>) -> Vec<Content> {
        let cells: Vec<OnceLock<Content>> = self.drafts.iter().map(|_| OnceLock::new()).collect();
        spread(self.drafts.len(), &|at| {
            if let (Some(draft), Some(cell)) = (self.drafts.get(at), cells.get(at)) {
                let _ = cell.set(content(draft, known));
            }
        });
        cells.into_iter().map(|cell| cell.into_inner().unwrap_or_default()).collect()
    }
}

/// Where the namespace of an application is written.
fn destination(unit: &ResolvedUnit) -> Option<Span> {
    unit.unit.application.destinations.get(unit.unit.destination).map(|destination| destination.span)
}

fn content(draft: &Draft<'_>, known: Option<Known<'_>>) -> Content {
    let traced = known.zip(draft.unit).map(|(known, unit)| (known, unit, known.traced.resources(unit)));
    let mut objects = Vec::new();
    for text in &draft.texts {
        let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        for document in parsed.documents.into_iter().filter(|document| !document.root.is_null()) {
            let body = document.root;
            let reference = ObjectRef::of(&body);
            // What is printed again is ours, with places of its own.
            let text = emit::to_yaml(&explain::masked(&body));
            let shown = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            let shown = shown.documents.into_iter().next().map(|document| document.root);
            let origin = traced.as_ref().zip(shown).and_then(|((known, unit, resources), shown)| {
                let resource = made_of(resources, &reference)?;
                let place = destination(unit).unwrap_or(Span::NONE);
                Some(origin((&text, &shown, &body), resource, place, known.sources))
            });
            objects.push(Object { images: images(&body), reference, text, origin });
        }
    }
    Content { objects }
}

/// The images that an object runs, each once, in their order.
fn images(body: &Node) -> Vec<String> {
    fn look(node: &Node, found: &mut Vec<String>) {
        match node.view() {
            View::Map(map) => {
                for (key, value) in map.iter() {
                    let items = value.as_seq().filter(|_| {
                        matches!(key.text(), Some("containers" | "initContainers" | "ephemeralContainers"))
                    });
                    for image in items.into_iter().flatten().filter_map(|item| item.get("image")?.text()) {
                        if !found.iter().any(|known| known == image) {
                            found.push(image.to_owned());
                        }
                    }
                    look(value, found);
                }
            }
            View::Seq(items) => items.iter().for_each(|item| look(item, found)),
            View::Scalar(..) => {}
        }
    }
    let mut found = Vec::new();
    // What CRDs say of pods are descriptions.
    if !Gvk::of(body).is("apiextensions.k8s.io", "CustomResourceDefinition") {
        look(body, &mut found);
    }
    found
}
