//! The pipeline in one place: read → expand → resolve → render → (feed back) → bundle → lock.
//!
//! App-of-apps: objects that a render yields and that are Applications, ApplicationSets or AppProjects are declarations of the fleet
//! like those in files. They go through expand again until a round brings nothing new. An application that renders its own, equal
//! definition (an Argo CD that manages itself) brings nothing new; one that is reached again through others is a cycle, and an error.
//!
//! This module composes and decides what an error may do; it knows no file format and does no I/O. How jobs are run (threads, cache)
//! is the [`Runner`]'s business; what is not here is returned as wants, and the driver may call again when it has them.

mod assemble;
mod feedback;
mod recorder;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::cluster::ApiFacts;
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::digest::Digest;
use crate::expand::{self, Unit};
use crate::lock::Pin;
use crate::path::{FilePath, TreePath};
use crate::question::Question;
use crate::read::{self, ApplicationRule, Fleet, ReadOptions};
use crate::render::{self, Rendered, Stop, Tools};
use crate::resolve::{self, Job, ResolvedUnit};
use crate::source::SourceRequest;
use crate::span::Span;
use crate::world::World;

pub use assemble::{Assembled, Pins, answers, assemble, engine_versions, parts, pins};
use recorder::Recorder;

/// What a render of one job came to.
pub type RenderResult = Result<Arc<Rendered>, Stop>;

/// How jobs are run: one after the other, on threads, from a cache. Results are in the order of the jobs.
pub trait Runner {
    /// Runs every job once.
    fn run(&self, jobs: &[Arc<Job>], render: &(dyn Fn(&Job) -> RenderResult + Sync)) -> Vec<RenderResult>;
}

/// One job after the other, on the caller's thread.
pub struct InOrder;

impl Runner for InOrder {
    fn run(&self, jobs: &[Arc<Job>], render: &(dyn Fn(&Job) -> RenderResult + Sync)) -> Vec<RenderResult> {
        jobs.iter().map(|job| render(job)).collect()
    }
}

/// What a compile starts from.
#[derive(Clone, Debug)]
pub struct Input {
    /// The fleet's folder in its tree.
    pub root: FilePath,
    /// How files are read.
    pub read: ReadOptions,
}

/// A fleet whose applications are known, resolved and rendered: everything before bundles.
#[derive(Debug)]
pub struct Compiled {
    /// The declarations that were read, and those that renders yielded.
    pub fleet: Fleet,
    /// Every application on every cluster, in canonical order.
    pub units: Vec<ResolvedUnit>,
    /// What the jobs of `units` came to.
    pub renders: Renders,
    /// Applications whose destination is no known cluster, in canonical order: they are in no bundle, but they exist.
    pub unplaced: Vec<Unit>,
    /// ApplicationSets whose applications are unknown, as instance, namespace, name.
    pub failed_sets: Vec<(String, String, String)>,
    /// Sources that are not here.
    pub wants: BTreeSet<SourceRequest>,
    /// What generators ask of services, answered or not, by id.
    pub questions: BTreeMap<String, Question>,
    /// The files of the fleet's own tree that went in: definitions, and what expanding and rendering read.
    pub inputs: BTreeMap<TreePath, Digest>,
    /// The sources that were looked up and are here, other than working trees.
    pub pins: BTreeMap<SourceRequest, Pin>,
    /// Whether an error leaves open which application is where: then nothing may be written. Failed sets are not counted in.
    pub unknown_applications: bool,
}

/// Results of renders by job.
#[derive(Debug, Default)]
pub struct Renders {
    results: FxHashMap<Arc<Job>, RenderResult>,
    /// How many of them were run; the others share a result.
    runs: usize,
}

impl Renders {
    /// What a job came to; `None` for a job that is not of this compile.
    pub fn get(&self, job: &Job) -> Option<&RenderResult> {
        self.results.get(job)
    }

    /// How many different jobs were run.
    pub fn len(&self) -> usize {
        self.runs
    }

    /// Whether none was run.
    pub fn is_empty(&self) -> bool {
        self.runs == 0
    }
}

/// How many rounds of applications that yield applications are followed.
const MAX_ROUNDS: usize = 32;

/// What the files of a fleet declare, kustomizations among them built, without its applications being expanded or rendered: clusters,
/// projects, contexts; and the sources for that which are not here.
pub fn declared(input: &Input, world: &dyn World, tools: &Tools) -> Warned<(Fleet, BTreeSet<SourceRequest>)> {
    let Warned { value: survey, mut diagnostics } = read::survey(world, &input.root, &input.read);
    let mut wants = BTreeSet::new();
    let fleet = declarations(survey, world, tools, &mut diagnostics, &mut wants);
    Warned { value: (fleet, wants), diagnostics }
}

fn declarations(
    survey: read::Survey,
    world: &dyn World,
    tools: &Tools,
    diagnostics: &mut Diagnostics,
    wants: &mut BTreeSet<SourceRequest>,
) -> Fleet {
    let mut built = Vec::new();
    for definition in survey.kustomizations.clone() {
        let job = Job::definitions(definition.directory.clone());
        match render::render(&job, world, tools) {
            Ok(rendered) => {
                diagnostics.extend(rendered.warnings);
                built.push((definition, rendered.resources.into_iter().map(|resource| resource.body).collect()));
            }
            Err(Stop::Wants(missing)) => {
                let place = definition.span;
                diagnostics.extend(
                    missing
                        .iter()
                        .map(|want| want.error("read/source").trace(place, "while building these definitions")),
                );
                wants.extend(missing.into_iter().map(|want| want.request));
            }
            Err(Stop::Failed(errors)) => {
                let place = definition.span;
                diagnostics
                    .extend(errors.into_iter().map(|error| error.trace(place, "while building these definitions")));
            }
        }
    }
    let fleet = read::fleet(survey, built);
    diagnostics.extend(fleet.diagnostics);
    fleet.value
}

/// Compiles a fleet up to its renders. Never fails: what is wrong is in the diagnostics, what is missing in `wants`.
pub fn compile(input: &Input, world: &dyn World, runner: &dyn Runner, tools: &Tools) -> Warned<Compiled> {
    let Warned { value: survey, mut diagnostics } = read::survey(world, &input.root, &input.read);
    let mut wants = BTreeSet::new();
    // The survey looks into every candidate; what it took is read again through the recorder, so that only that counts as input.
    let recorder = Recorder::new(world, input.root.tree, input.read.output.clone(), &tools.kept);
    let world: &dyn World = &recorder;

    let mut fleet = declarations(survey, world, tools, &mut diagnostics, &mut wants);
    if !diagnostics.has_errors() && fleet.applications.is_empty() && fleet.application_sets.is_empty() {
        diagnostics.push(nothing_found(&fleet));
    }
    let mut unknown_applications = diagnostics.has_errors();

    let mut state = feedback::State::new(&fleet);
    let mut resolved_units: Vec<ResolvedUnit> = Vec::new();
    let mut renders = Renders::default();
    let mut unplaced: Vec<Unit> = Vec::new();
    let mut failed_sets = Vec::new();
    let mut questions = BTreeMap::new();
    for round in 0.. {
        let plain = expand::expand(&fleet, &state.new_applications, &[], world);
        unknown_applications |= plain.diagnostics.has_errors();
        diagnostics.extend(plain.diagnostics);
        let generated = expand::expand(&fleet, &[], &state.new_sets, world);
        diagnostics.extend(generated.diagnostics);
        wants.extend(generated.value.wants);
        questions.extend(generated.value.questions);
        failed_sets.extend(generated.value.failed);
        let mut units = plain.value.units;
        state.name_parents(&mut units);
        units.extend(generated.value.units);
        let fresh = state.admit(units, &mut diagnostics, &mut unknown_applications);

        let asked = fresh.clone();
        let resolved = resolve::resolve(fresh, &fleet, world);
        let mut placed = resolved.value.units.iter().map(|resolved| &resolved.unit).peekable();
        unplaced.extend(asked.into_iter().filter(|unit| {
            let same =
                |other: &&Unit| other.application.key == unit.application.key && other.destination == unit.destination;
            placed.next_if(same).is_none()
        }));
        unknown_applications |= resolved.value.diagnostics.has_errors();
        diagnostics.extend(resolved.diagnostics);
        diagnostics.extend(resolved.value.diagnostics);
        wants.extend(resolved.value.wants);

        run_new_jobs(&resolved.value.units, world, runner, tools, &mut renders, &mut wants);
        let declared = state.collect(&resolved.value.units, &renders, &mut fleet, &input.read);
        resolved_units.extend(resolved.value.units);
        unknown_applications |= declared.has_errors();
        diagnostics.extend(declared);
        if state.is_settled() {
            break;
        }
        if round + 1 == MAX_ROUNDS {
            diagnostics.push(state.too_deep());
            unknown_applications = true;
            break;
        }
    }
    let mut units = resolved_units;
    units.sort_by(|a, b| {
        (&a.unit.application.key, a.unit.destination).cmp(&(&b.unit.application.key, b.unit.destination))
    });
    if !unknown_applications && failed_sets.is_empty() {
        diagnostics.extend(idle_rules(&fleet, &units, &unplaced));
    }
    unplaced.sort_by(|a, b| (&a.application.key, a.destination).cmp(&(&b.application.key, b.destination)));
    failed_sets.sort();
    failed_sets.dedup();
    read_definitions(&fleet, &questions, input, world);
    let (inputs, pins) = recorder.finish();
    Warned {
        value: Compiled {
            fleet,
            units,
            renders,
            unplaced,
            failed_sets,
            wants,
            questions,
            inputs,
            pins,
            unknown_applications,
        },
        diagnostics,
    }
}

/// A folder without a fleet. An error, since otherwise everything that was written before would count as removed.
fn nothing_found(fleet: &Fleet) -> Diagnostic {
    let message = "there is no Application and no ApplicationSet here";
    let mut found = Diagnostic::error("read/nothing", Span::NONE, message);
    for skipped in fleet.skipped.iter().take(5) {
        found = found.trace(Span::NONE, format!("`{}` was not taken: {}", skipped.path, skipped.reason));
    }
    found.hint("name the files that declare them under `definitions` in fleet.yaml; those that a Helm chart makes are not found yet")
}

/// Rules of fleet.yaml that no application's name matches. Not where applications may be missing.
fn idle_rules(fleet: &Fleet, units: &[ResolvedUnit], unplaced: &[Unit]) -> Vec<Diagnostic> {
    let names: BTreeSet<&str> = units
        .iter()
        .map(|resolved| &resolved.unit)
        .chain(unplaced)
        .map(|unit| unit.application.key.name.as_str())
        .collect();
    let rules = fleet.application_rules.iter().filter(|rule| !names.iter().any(|name| rule.name.matches(name)));
    let idle = |rule: &ApplicationRule| {
        let message = "no application of the fleet has a name that this rule matches";
        Diagnostic::warning("read/applications", rule.span, message).hint("`fleetc expand` lists their names")
    };
    rules.map(idle).collect()
}

/// Makes the definitions count as inputs.
fn read_definitions(fleet: &Fleet, questions: &BTreeMap<String, Question>, input: &Input, world: &dyn World) {
    let settings = input.root.path.join("fleet.yaml").ok();
    let answered = questions.values().filter(|question| fleet.answers.contains_key(&question.id()));
    for path in answered.filter_map(|question| input.root.path.join(&question.path()).ok()) {
        let _ = world.read(&FilePath::new(input.root.tree, path));
    }
    let files = fleet.taken.iter().map(|taken| taken.path.clone()).chain(fleet.fact_files.iter().cloned());
    for path in files.chain(settings) {
        // What cannot be read was reported when it was read for its content.
        let _ = world.read(&FilePath::new(input.root.tree, path));
    }
}

/// Runs the jobs that no earlier round has run, each once.
fn run_new_jobs(
    units: &[ResolvedUnit],
    world: &dyn World,
    runner: &dyn Runner,
    tools: &Tools,
    renders: &mut Renders,
    wants: &mut BTreeSet<SourceRequest>,
) {
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    for unit in units {
        for source in unit.sources.iter().flatten() {
            if let Some(job) = &source.job
                && renders.get(job).is_none()
                && seen.insert(Arc::clone(job))
            {
                jobs.push(Arc::clone(job));
            }
        }
    }
    // Jobs that differ only in what is known of the cluster: one of them is run, and those share its result of which it read nothing
    // that is different there. The others come next.
    let mut families: FxHashMap<Job, Vec<RenderResult>> = FxHashMap::default();
    while !jobs.is_empty() {
        let (mut now, mut later) = (Vec::new(), Vec::new());
        let mut running = rustc_hash::FxHashSet::default();
        for job in jobs {
            let Some(facts) = &job.facts else {
                now.push(job);
                continue;
            };
            let family = job.without_facts();
            let known = families.get(&family).map(Vec::as_slice).unwrap_or_default();
            match known.iter().find(|result| holds_for(result, facts)).cloned() {
                Some(result) => {
                    renders.results.insert(job, result);
                }
                None if running.insert((family, relevant(known, facts))) => now.push(job),
                None => later.push(job),
            }
        }
        let results = runner.run(&now, &|job| tools.kept.render(job, world, tools));
        renders.runs += now.len();
        for (job, result) in now.into_iter().zip(results) {
            if let Err(Stop::Wants(missing)) = &result {
                wants.extend(missing.iter().map(|want| want.request.clone()));
            }
            if job.facts.is_some() {
                families.entry(job.without_facts()).or_default().push(result.clone());
            }
            renders.results.insert(job, result);
        }
        jobs = later;
    }
}

/// What of the facts the results that are known have read: jobs that agree in it wait for each other, the others need not.
fn relevant(known: &[RenderResult], facts: &ApiFacts) -> ApiFacts {
    let mut relevant = ApiFacts::default();
    for read in known.iter().flatten().map(|rendered| &rendered.facts) {
        if read.kube_version.is_some() {
            relevant.kube_version.clone_from(&facts.kube_version);
        }
        let asked = |served: &&String| read.all_api_versions || read.api_versions.contains_key(*served);
        relevant.api_versions.extend(facts.api_versions.iter().filter(asked).cloned());
    }
    if known.iter().any(Result::is_err) {
        return facts.clone();
    }
    relevant
}

/// Whether a result is that of a cluster with these facts, too. What failed may have failed because of what it read.
fn holds_for(result: &RenderResult, facts: &ApiFacts) -> bool {
    match result {
        Ok(rendered) => rendered.facts.holds_for(facts),
        Err(Stop::Wants(_)) => true,
        Err(Stop::Failed(_)) => false,
    }
}

/// Whether the Applications, ApplicationSets and AppProjects that a unit renders are declarations of this fleet: its cluster is one that
/// an Argo CD of the fleet runs in. Elsewhere they are objects like any other.
pub fn feeds_back(unit: &ResolvedUnit, fleet: &Fleet) -> bool {
    feedback::instance_of(unit, fleet).is_some()
}

/// The diagnostics of one unit's renders that failed, each with the application as outermost step.
pub fn failures(unit: &ResolvedUnit, renders: &Renders) -> Diagnostics {
    let mut found = Diagnostics::new();
    let sources = match &unit.sources {
        Ok(sources) => sources,
        Err(errors) => return errors.clone(),
    };
    for source in sources {
        match source.job.as_ref().and_then(|job| renders.get(job)) {
            Some(Err(Stop::Failed(errors))) => found.extend(errors.iter().cloned().map(|error| error.at(source.place))),
            Some(Err(Stop::Wants(missing))) => {
                found.extend(missing.iter().map(|want| want.error("render/source").at(source.place)));
            }
            _ => {}
        }
    }
    found
}
