//! Finds what a fleet is made of: the files that `fleet.yaml` lists, or those that speak of Argo CD's objects.
//!
//! Only roots are taken: not the inputs of a kustomization (the kustomization is taken instead, to be built by the composition), not
//! what an Application of the fleet deploys (it comes back from there). Where several kustomizations hold the same definitions, nothing
//! says which of them are live: that is an error that lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::configuration::{Configuration, configuration};
use super::deployed::Deployments;
use super::fleet::{DefinitionKustomization, ReadOptions, Skipped};
use super::kustomizations::{self, Graph};
use super::listed::{self, Listed};
use super::objects::{self, Declarations, Kind};
use super::walk::{self, Text};
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::path::{FilePath, TreePath};
use crate::source::SourceRequest;
use crate::span::{Span, Spanned};
use crate::world::{Lookup, World};
use crate::yaml::Node;

/// What a fleet is made of, before kustomizations among its definitions are built.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// `fleet.yaml`.
    pub configuration: Configuration,
    /// How it was read.
    pub options: ReadOptions,
    /// Kustomizations that have to be built, sorted by instance and folder.
    pub kustomizations: Vec<DefinitionKustomization>,
    /// What was found and not taken, sorted.
    pub skipped: Vec<Skipped>,
    /// Recorded answers of generators, by the id of their question.
    pub answers: Arc<BTreeMap<String, Spanned<Node>>>,
    /// The files that were taken.
    pub(super) files: Vec<TakenFile>,
}

/// A file with the declarations that are taken from it.
#[derive(Clone, Debug)]
pub(super) struct TakenFile {
    pub(super) instance: String,
    pub(super) path: TreePath,
    pub(super) objects: Vec<(Kind, Node)>,
}

/// Reads `fleet.yaml` and finds the definitions.
pub fn survey(world: &dyn World, root: &FilePath, options: &ReadOptions) -> Warned<Survey> {
    let Warned { value: configuration, mut diagnostics } = configuration(world, root);
    let mut survey = Survey { options: options.clone(), ..Survey::default() };
    let mut locality = Locality { world, root, known: BTreeMap::new() };
    for (instance, definitions) in instances(&configuration) {
        let listed = match definitions {
            Some(entries) => listed::list(world, root, entries, &mut diagnostics),
            None => Listed { folders: vec![root.clone()], ..Listed::default() },
        };
        let look = Look { world, root, options, instance, listed: &listed };
        look.survey(&mut locality, &mut survey, &mut diagnostics);
    }
    survey.kustomizations.sort_by(|a, b| (&a.instance, &a.directory.path).cmp(&(&b.instance, &b.directory.path)));
    survey.skipped.sort();
    survey.skipped.dedup();
    survey.files.sort_by(|a, b| (&a.instance, &a.path).cmp(&(&b.instance, &b.path)));
    survey.configuration = configuration;
    let answers = super::answers::answers(world, root, &options.answers);
    diagnostics.extend(answers.diagnostics);
    survey.answers = Arc::new(answers.value);
    Warned { value: survey, diagnostics }
}

/// The instances with the definitions that are listed for them.
fn instances(configuration: &Configuration) -> Vec<(&str, Option<&[Spanned<String>]>)> {
    if configuration.instances.is_empty() {
        return vec![("", configuration.definitions.as_deref())];
    }
    let entries = configuration.instances.iter();
    let own = entries.map(|instance| {
        let definitions = instance.definitions.as_deref().or(configuration.definitions.as_deref());
        // Of several, each lists its own; not to do so has been reported.
        let several = configuration.instances.len() > 1;
        (instance.name.as_str(), definitions.or(if several { Some(&[]) } else { None }))
    });
    own.collect()
}

/// Whether a repository is the fleet's own tree. The world knows, also what fleet.yaml maps.
struct Locality<'a> {
    world: &'a dyn World,
    root: &'a FilePath,
    known: BTreeMap<(String, String), bool>,
}

impl Locality<'_> {
    fn is_local(&mut self, url: &str, revision: &str) -> bool {
        let key = (url.to_owned(), revision.to_owned());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let answer = self.world.tree(&SourceRequest::git(url, revision));
        let local = matches!(answer, Lookup::Here(tree) if tree.id == self.root.tree);
        self.known.insert(key, local);
        local
    }
}

/// Why a template is passed over.
const TEMPLATE: &str = "it is a template, of which only its tool can make a manifest";

/// One instance's part of a survey.
struct Look<'a> {
    world: &'a dyn World,
    root: &'a FilePath,
    options: &'a ReadOptions,
    instance: &'a str,
    listed: &'a Listed,
}

/// What can be a root.
enum Root<'a> {
    File(&'a Declarations),
    Kustomization(&'a kustomizations::Kustomization),
}

impl Look<'_> {
    fn survey(&self, locality: &mut Locality<'_>, survey: &mut Survey, diagnostics: &mut Diagnostics) {
        let mut candidates: Vec<Text> = Vec::new();
        let mut kustomizations: Vec<Text> = Vec::new();
        for folder in &self.listed.folders {
            let found = walk::walk(self.world, folder, self.options.output.as_ref(), diagnostics);
            candidates.extend(found.candidates);
            kustomizations.extend(found.kustomizations);
            let templates = found.templates.into_iter().filter(|path| !self.listed.names(path));
            survey.skipped.extend(templates.map(|path| Skipped { path, reason: TEMPLATE.to_owned() }));
        }
        for (path, span) in &self.listed.files {
            match self.world.read(path) {
                Ok(file) => candidates.push(Text { path: path.path.clone(), file }),
                Err(found) => diagnostics.extend(found.into_iter().map(|one| one.at(*span))),
            }
        }
        candidates.sort_by(|a, b| a.path.cmp(&b.path));
        candidates.dedup_by(|a, b| a.path == b.path);
        kustomizations.sort_by(|a, b| a.path.cmp(&b.path));
        kustomizations.dedup_by(|a, b| a.path == b.path);

        let mut read: BTreeMap<TreePath, Declarations> = BTreeMap::new();
        for text in &candidates {
            let (path, declared) = (&text.path, objects::declarations(text, self.options.strict));
            if self.listed.names(path) {
                read.insert(path.clone(), declared);
            } else if declared.broken && walk::speaks_helm(&text.file.bytes) {
                survey.skipped.push(Skipped { path: path.clone(), reason: TEMPLATE.to_owned() });
            } else if !declared.objects.is_empty() || !declared.diagnostics.is_empty() {
                read.insert(path.clone(), declared);
            }
        }
        let paths: Vec<TreePath> = read.keys().cloned().collect();
        let graph = kustomizations::connect(&kustomizations, &paths);
        let folders: BTreeSet<TreePath> = kustomizations.iter().filter_map(|text| text.path.parent()).collect();
        self.take(&read, &graph, &folders, locality, survey, diagnostics);
    }

    fn take(
        &self,
        read: &BTreeMap<TreePath, Declarations>,
        graph: &Graph,
        folders: &BTreeSet<TreePath>,
        locality: &mut Locality<'_>,
        survey: &mut Survey,
        diagnostics: &mut Diagnostics,
    ) {
        let mut roots: Vec<Root<'_>> = Vec::new();
        for (path, declared) in read {
            if self.listed.names(path) || !graph.inputs.contains(path) {
                roots.push(Root::File(declared));
            }
        }
        for found in graph.reaching.values() {
            let holds = |path: &TreePath| {
                read.get(path).is_some_and(|file| file.objects.iter().any(|(kind, _)| *kind != Kind::Settings))
            };
            if !found.included && found.reaches.iter().any(holds) {
                roots.push(Root::Kustomization(found));
            }
        }
        for (directory, span) in &self.listed.kustomizations {
            self.build(directory.path.clone(), directory, *span, false, survey);
        }

        let mut by_whom = deployers(&roots, read, folders, locality);
        let mut left_out = BTreeSet::new();
        for (index, root) in roots.iter().enumerate() {
            let Root::File(file) = root else { continue };
            let Some(beside) = left_out_by(&file.path, graph).filter(|_| !self.listed.names(&file.path)) else {
                continue;
            };
            // The Application that deploys the kustomization in whose folder it lies is how that folder comes alive.
            let starts = roots.iter().zip(&by_whom).any(|(other, by)| {
                matches!(other, Root::Kustomization(k) if k.directory == *beside) && by.contains_key(&index)
            });
            if !starts {
                left_out.insert(index);
                self.left_out(file, beside, survey, diagnostics);
            }
        }
        for by in &mut by_whom {
            by.retain(|index, _| !left_out.contains(index));
        }
        let deployed = settle(&by_whom);
        let mut live: Vec<&kustomizations::Kustomization> = Vec::new();
        let mut behind: Vec<&kustomizations::Kustomization> = Vec::new();
        for (index, root) in roots.iter().enumerate().filter(|(index, _)| !left_out.contains(index)) {
            let deployer = deployed.get(index).copied().flatten().and_then(|at| by_whom.get(index)?.get(&at));
            let deployer = deployer.map(String::as_str);
            match root {
                Root::File(file) if self.listed.names(&file.path) => self.take_file(file, None, survey, diagnostics),
                Root::File(file) => self.take_file(file, deployer, survey, diagnostics),
                Root::Kustomization(found) if self.listed.builds(&found.directory) => live.push(found),
                Root::Kustomization(found) => match deployer {
                    Some(by) => {
                        behind.push(found);
                        self.behind(found, by, read, survey);
                    }
                    None => live.push(found),
                },
            }
        }
        self.take_kustomizations(&live, &behind, read, survey, diagnostics);
    }

    /// A file in the folder of a kustomization that holds definitions, but not this one: switched off, or an example.
    fn left_out(&self, file: &Declarations, beside: &TreePath, survey: &mut Survey, diagnostics: &mut Diagnostics) {
        survey.skipped.push(Skipped {
            path: file.path.clone(),
            reason: format!("the kustomization {beside} around it does not include it"),
        });
        if let Some((_, object)) = file.objects.first() {
            let message = format!(
                "`{}` is not taken: the kustomization `{beside}` around it holds definitions and does not include it",
                file.path
            );
            diagnostics.push(
                Diagnostic::warning("read/left-out", object.span(), message)
                    .hint("list it under `definitions` in fleet.yaml if it is live"),
            );
        }
    }

    fn take_file(
        &self,
        file: &Declarations,
        deployer: Option<&str>,
        survey: &mut Survey,
        diagnostics: &mut Diagnostics,
    ) {
        let objects: Vec<(Kind, Node)> =
            file.objects.iter().filter(|(kind, _)| deployer.is_none() || !kind.feeds_back()).cloned().collect();
        if let Some(by) = deployer
            && objects.len() < file.objects.len()
        {
            survey.skipped.push(Skipped { path: file.path.clone(), reason: format!("deployed by {by}") });
        } else if deployer.is_none() {
            diagnostics.extend(file.diagnostics.clone());
            if file.objects.is_empty() && file.diagnostics.is_empty() {
                let message = format!("`{}` declares nothing of a fleet", file.path);
                let span = self.listed.span(&file.path);
                diagnostics.push(Diagnostic::warning("read/definitions", span, message));
            }
        }
        if !objects.is_empty() {
            survey.files.push(TakenFile { instance: self.instance.to_owned(), path: file.path.clone(), objects });
        }
    }

    /// A kustomization that an Application deploys: only its clusters are needed before that.
    fn behind(
        &self,
        found: &kustomizations::Kustomization,
        by: &str,
        read: &BTreeMap<TreePath, Declarations>,
        survey: &mut Survey,
    ) {
        let files = found.reaches.iter().filter_map(|path| read.get(path));
        let mut kinds = files.flat_map(|file| &file.objects).map(|(kind, _)| *kind);
        if kinds.any(|kind| matches!(kind, Kind::Cluster | Kind::ClusterStub)) {
            let directory = FilePath::new(self.root.tree, found.directory.clone());
            self.build(found.directory.clone(), &directory, found.span, true, survey);
        }
        let reason = format!("deployed by {by}");
        survey.skipped.push(Skipped { path: found.directory.clone(), reason });
    }

    fn take_kustomizations(
        &self,
        live: &[&kustomizations::Kustomization],
        behind: &[&kustomizations::Kustomization],
        read: &BTreeMap<TreePath, Declarations>,
        survey: &mut Survey,
        diagnostics: &mut Diagnostics,
    ) {
        let mut told: BTreeSet<&TreePath> = BTreeSet::new();
        for found in live {
            if self.listed.builds(&found.directory) {
                continue;
            }
            let shares = |other: &&&kustomizations::Kustomization| {
                other.directory != found.directory && !other.reaches.is_disjoint(&found.reaches)
            };
            if let Some(other) = behind.iter().find(shares) {
                let message = format!(
                    "the kustomization `{}` is not taken: an Application deploys `{}`, which holds the same definitions",
                    found.directory, other.directory
                );
                diagnostics.push(
                    Diagnostic::warning("read/overlays", found.span, message)
                        .hint("list it under `definitions` in fleet.yaml if it is live too"),
                );
                survey.skipped.push(Skipped {
                    path: found.directory.clone(),
                    reason: format!("holds the same definitions as {}", other.directory),
                });
                continue;
            }
            let others: Vec<&&kustomizations::Kustomization> = live.iter().filter(shares).collect();
            if others.is_empty() {
                self.take_kustomization(found, read, survey, diagnostics);
            } else if told.insert(&found.directory) {
                told.extend(others.iter().map(|other| &other.directory));
                let mut all: Vec<String> = others.iter().map(|other| other.directory.to_string()).collect();
                all.push(found.directory.to_string());
                all.sort();
                let message = format!(
                    "{} kustomizations hold the same definitions, and nothing says which of them are live: {}",
                    all.len(),
                    all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
                );
                let example = found.directory.below(&self.root.path).filter(|path| !path.is_empty()).unwrap_or(".");
                let mut several = Diagnostic::error("read/overlays", found.span, message).hint(format!(
                    "choose in fleet.yaml, for example `definitions: [{example}]`; for several Argo CD instances use `instances`"
                ));
                for other in &others {
                    several = several.label(other.span, "one of them");
                }
                diagnostics.push(several);
            }
        }
    }

    fn take_kustomization(
        &self,
        found: &kustomizations::Kustomization,
        read: &BTreeMap<TreePath, Declarations>,
        survey: &mut Survey,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(remote) = found.remote.as_ref().filter(|_| found.transparent) else {
            let directory = FilePath::new(self.root.tree, found.directory.clone());
            self.build(found.directory.clone(), &directory, found.span, false, survey);
            return;
        };
        let message = format!(
            "the kustomization `{}` includes `{}`, which is not fetched: its definitions are read as they are written",
            found.directory, **remote
        );
        diagnostics.push(
            Diagnostic::warning("read/remote", remote.span, message)
                .hint("it changes nothing of them but their namespace; list the files under `definitions` to say so"),
        );
        for path in &found.reaches {
            let Some(file) = read.get(path) else { continue };
            diagnostics.extend(file.diagnostics.clone());
            let objects = file.objects.iter().map(|(kind, object)| {
                let object = match &found.namespace {
                    Some(namespace) if kind.feeds_back() => in_namespace(object, namespace),
                    _ => object.clone(),
                };
                (*kind, object)
            });
            let objects: Vec<(Kind, Node)> = objects.collect();
            if !objects.is_empty() && !survey.files.iter().any(|f| f.path == *path && f.instance == self.instance) {
                survey.files.push(TakenFile { instance: self.instance.to_owned(), path: path.clone(), objects });
            }
        }
    }

    fn build(&self, path: TreePath, directory: &FilePath, span: Span, clusters_only: bool, survey: &mut Survey) {
        let known = survey.kustomizations.iter().any(|k| k.directory.path == path && k.instance == self.instance);
        if !known {
            survey.kustomizations.push(DefinitionKustomization {
                directory: directory.clone(),
                instance: self.instance.to_owned(),
                clusters_only,
                span,
            });
        }
    }
}

/// The nearest kustomization around a file that holds definitions.
fn left_out_by<'a>(path: &TreePath, graph: &'a Graph) -> Option<&'a TreePath> {
    let mut above = path.parent();
    while let Some(folder) = above {
        if let Some((found, _)) = graph.reaching.get_key_value(&folder) {
            return Some(found);
        }
        above = folder.parent();
    }
    None
}

fn in_namespace(object: &Node, namespace: &str) -> Node {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Node::map_mut) {
        metadata.insert("namespace", Node::str(namespace));
    }
    object
}

/// For every root the others that deploy it.
fn deployers(
    roots: &[Root<'_>],
    read: &BTreeMap<TreePath, Declarations>,
    folders: &BTreeSet<TreePath>,
    locality: &mut Locality<'_>,
) -> Vec<BTreeMap<usize, String>> {
    let mut deployments = Deployments::default();
    for (index, root) in roots.iter().enumerate() {
        let files: Vec<&Declarations> = match root {
            Root::File(file) => vec![file],
            Root::Kustomization(found) => found.reaches.iter().filter_map(|path| read.get(path)).collect(),
        };
        for (kind, object) in files.iter().flat_map(|file| &file.objects) {
            deployments.add(index, *kind, object, &mut |url, revision| locality.is_local(url, revision));
        }
    }
    let by = roots.iter().enumerate().map(|(index, root)| {
        let mut by = match root {
            Root::File(file) => deployments.of(&file.path, false, folders),
            Root::Kustomization(found) => deployments.of(&found.directory, true, folders),
        };
        // An Application that deploys its own definition is a root all the same.
        by.remove(&index);
        by
    });
    by.collect()
}

/// For every root who deploys it in the end; `None` for those that nobody but themselves or each other deploys. Of a circle that nobody
/// outside deploys the first one counts as the beginning.
fn settle(by: &[BTreeMap<usize, String>]) -> Vec<Option<usize>> {
    let mut deploys: Vec<Vec<usize>> = vec![Vec::new(); by.len()];
    for (index, deployers) in by.iter().enumerate() {
        for deployer in deployers.keys() {
            if let Some(list) = deploys.get_mut(*deployer) {
                list.push(index);
            }
        }
    }
    let mut settled: Vec<Option<Option<usize>>> = vec![None; by.len()];
    for index in 0..by.len() {
        if by.get(index).is_some_and(BTreeMap::is_empty) {
            begin(index, &deploys, &mut settled);
        }
    }
    for index in 0..by.len() {
        if settled.get(index).is_some_and(Option::is_some) {
            continue;
        }
        let before = closure(index, |at| by.get(at).into_iter().flat_map(BTreeMap::keys).copied().collect());
        let after = closure(index, |at| deploys.get(at).cloned().unwrap_or_default());
        if before.is_subset(&after) {
            begin(index, &deploys, &mut settled);
        }
    }
    settled.into_iter().map(Option::flatten).collect()
}

/// Makes one a beginning and settles everything that it deploys, itself or through others.
fn begin(first: usize, deploys: &[Vec<usize>], settled: &mut [Option<Option<usize>>]) {
    let mut todo = vec![(first, None)];
    while let Some((at, deployer)) = todo.pop() {
        let Some(slot) = settled.get_mut(at).filter(|slot| slot.is_none()) else { continue };
        *slot = Some(deployer);
        todo.extend(deploys.get(at).into_iter().flatten().map(|next| (*next, Some(at))));
    }
}

fn closure(from: usize, next: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        if seen.insert(at) {
            todo.extend(next(at));
        }
    }
    seen
}
