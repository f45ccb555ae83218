//! The second half of the pipeline: bundle → lock → what differs from what lies there. Failures of single applications end here: they are
//! reported once, with everybody whom they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Compiled, failures, feeds_back};
use crate::bundle::{self, Bundled, Changes, Output, Part, Previous, Spread};
use crate::diag::{Cause, Diagnostic, Diagnostics, Severity, Warned};
use crate::digest::Key;
use crate::lock::{Answers, BundlesLock, EngineVersions, FleetLock, Pin, State, inputs_digest};
use crate::question;
use crate::read::Engines;
use crate::source::{SourceRequest, is_answered_by};
use crate::span::{FileId, SourceMap, Span};

/// Bundles and locks of a fleet, and how they compare with what lies in the output folder.
#[derive(Debug, Default)]
pub struct Assembled {
    /// The bundles.
    pub bundled: Bundled,
    /// Everything that is to be written, in order.
    pub output: Output,
    /// What differs from what lies there.
    pub changes: Changes,
    /// What fleet.lock pins.
    pub pins: Pins,
}

/// Every unit with what its sources rendered, or why it is held (the first error with its place); and the failures, each once.
pub fn parts<'c>(compiled: &'c Compiled, sources: &SourceMap) -> Warned<Vec<Part<'c>>> {
    let mut found = Failures::default();
    let mut parts = Vec::with_capacity(compiled.units.len());
    for unit in &compiled.units {
        let errors = failures(unit, &compiled.renders);
        let why = errors.iter().find(|d| d.is_error()).map(|d| match sources.locate(d.span) {
            Some(place) => format!("{place}: {}", d.message),
            None => d.message.clone(),
        });
        for error in errors {
            found.add(error, unit.unit.application.key.to_string());
        }
        let renders = match (why, &unit.sources) {
            (Some(why), _) => Err(why),
            (None, Err(_)) => Err("its sources cannot be had".to_owned()),
            (None, Ok(sources)) => {
                let jobs = sources.iter().filter_map(|source| source.job.as_ref());
                Ok(jobs.filter_map(|job| compiled.renders.get(job)?.as_ref().ok().map(Arc::clone)).collect())
            }
        };
        parts.push(Part { unit, renders, feeds_back: feeds_back(unit, &compiled.fleet) });
    }
    let mut diagnostics = found.finish();
    let mut said = Said::default();
    let mut seen = FxHashSet::default();
    for source in compiled.units.iter().flat_map(|unit| unit.sources.iter().flatten()) {
        if let Some(job) = &source.job
            && seen.insert(job)
            && let Some(Ok(rendered)) = compiled.renders.get(job)
        {
            for warning in &rendered.warnings.0 {
                // What a render takes for granted of its cluster is not to be trusted by those who want it strict.
                if compiled.fleet.strict && warning.code == "helm/assumed" {
                    said.add(&Diagnostic { severity: Severity::Error, ..warning.clone() });
                } else {
                    said.add(warning);
                }
            }
        }
    }
    diagnostics.extend(said.finish());
    Warned { value: parts, diagnostics }
}

/// What renders say beside their objects. Notes are worth saying once; of the same in other places only the number is told.
#[derive(Default)]
struct Said {
    found: Vec<(Diagnostic, FxHashSet<Span>)>,
    notes: FxHashMap<(&'static str, String), usize>,
}

impl Said {
    fn add(&mut self, warning: &Diagnostic) {
        let new = self.found.len();
        let at = match warning.severity {
            Severity::Note => *self.notes.entry((warning.code, warning.message.clone())).or_insert(new),
            _ => new,
        };
        match self.found.get_mut(at) {
            Some((_, places)) => {
                places.insert(warning.span);
            }
            None => self.found.push((warning.clone(), FxHashSet::from_iter([warning.span]))),
        }
    }

    fn finish(self) -> impl Iterator<Item = Diagnostic> {
        self.found.into_iter().map(|(found, places)| match places.len() {
            0 | 1 => found,
            2 => found.trace(Span::NONE, "and in one more place"),
            more => found.trace(Span::NONE, format!("and in {} more places", more - 1)),
        })
    }
}

/// What holds applications, each problem once.
#[derive(Default)]
struct Failures {
    /// In the order in which they were met.
    found: Vec<Failure>,
    /// Where in `found` a problem is, by what makes it the same one.
    known: FxHashMap<Diagnostic, usize>,
}

struct Failure {
    error: Diagnostic,
    /// Places that it has been met at.
    places: Vec<Span>,
    /// The applications it holds.
    holds: Vec<String>,
}

impl Failures {
    /// Adds what holds an application. A broken base is one problem, whichever overlays lead there: of the ways to it remains what all of
    /// them share. A source that is missing is missing once, however many places ask for it.
    fn add(&mut self, error: Diagnostic, application: String) {
        let mut key = Diagnostic { trace: Vec::new(), ..error.clone() };
        if error.cause == Cause::Source {
            key.span = Span::NONE;
        } else if error.span.is_none() {
            // Without a place the way there tells what it is about.
            key.trace.clone_from(&error.trace);
        }
        let at = *self.known.entry(key).or_insert(self.found.len());
        match self.found.get_mut(at) {
            None => self.found.push(Failure { places: vec![error.span], holds: vec![application], error }),
            Some(known) => {
                let shared = known.error.trace.iter().zip(&error.trace).take_while(|(a, b)| a == b).count();
                known.error.trace.truncate(shared);
                if !known.places.contains(&error.span) {
                    known.places.push(error.span);
                }
                if known.holds.last() != Some(&application) {
                    known.holds.push(application);
                }
            }
        }
    }

    fn finish(self) -> Diagnostics {
        let all = self.found.into_iter().map(|failure| {
            let Failure { mut error, places, holds } = failure;
            match places.len() {
                0 | 1 => {}
                2 => error = error.trace(Span::NONE, "one more place needs it"),
                more => error = error.trace(Span::NONE, format!("{} more places need it", more - 1)),
            }
            error.trace(Span::NONE, held(&holds))
        });
        Diagnostics(all.collect())
    }
}

/// `this holds a, b, c and 97 more applications`.
fn held(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0..=3 => format!("this holds {}", shown.join(", ")),
        4 => format!("this holds {} and one more application", shown.join(", ")),
        more => format!("this holds {} and {} more applications", shown.join(", "), more - 3),
    }
}

/// Bundles, locks and changes. `key` is that of digests of Secret data. With [`Bundled::refused`] or errors about the locks nothing may be written.
pub fn assemble(
    compiled: &Compiled,
    parts: &[Part<'_>],
    previous: &Previous,
    (keep_going, key): (bool, Option<&Key>),
    spread: Spread<'_>,
) -> Warned<Assembled> {
    let mut diagnostics = Diagnostics::new();
    // Conflict markers are no error: what both sides agree on holds.
    let before = match &previous.fleet_lock {
        Some(text) => match diagnostics.take(FleetLock::parse(FileId::NONE, text)) {
            Some(State::Here(lock)) => lock,
            Some(State::Conflicted) => FleetLock::agreed(text),
            Some(State::Absent) | None => FleetLock::default(),
        },
        None => FleetLock::default(),
    };
    let failed_sets: &[_] = if keep_going { &compiled.failed_sets } else { &[] };
    let input = bundle::Input { fleet: &compiled.fleet, parts, previous, failed_sets, key };
    let bundled = bundle::bundle(&input, spread);
    diagnostics.extend(bundled.diagnostics);
    let bundled = bundled.value;
    if bundled.refused {
        // Without bundles everything that lies there would look superfluous.
        return Warned { value: Assembled { bundled, ..Assembled::default() }, diagnostics };
    }
    let engines = engine_versions(&compiled.fleet.engines);
    let answers = answers(compiled, &before.answers);
    let (pins, followed) = pins(compiled, parts, before.pins);
    let fleet_lock = FleetLock { engines: engines.clone(), pins, answers };
    let files = inputs_digest(compiled.inputs.iter().map(|(path, digest)| (path, *digest)));
    let files = key.map_or(files, |key| key.digest("fleetc.dev/inputs", files.to_string().as_bytes()));
    spread(bundled.bundles.len(), &|at| {
        let _ = bundled.bundles.get(at).map(bundle::Bundle::text);
    });
    let clusters = bundled.bundles.iter().map(|bundle| (bundle.cluster.clone(), bundle.locked()));
    let bundles_lock = BundlesLock::new(engines, &fleet_lock.to_text(), files, followed, clusters);
    let output = bundle::output(&bundled.bundles, &fleet_lock, &bundles_lock);
    let changes = bundle::changes(&bundled.bundles, &output, previous);
    diagnostics.extend(changes.diagnostics);
    Warned { value: Assembled { bundled, output, changes: changes.value, pins: fleet_lock.pins }, diagnostics }
}

/// The pins of fleet.lock, and what the sources were that are followed. A pin goes when nothing uses it any more; that is only known
/// where everything could be had and rendered.
pub fn pins(compiled: &Compiled, parts: &[Part<'_>], before: Pins) -> (Pins, Pins) {
    let follows = |request: &SourceRequest| {
        let mut followed = compiled.fleet.repositories.iter().filter(|repository| repository.follow);
        followed.any(|repository| is_answered_by(&repository.url, &request.url))
    };
    let (followed, mut pins): (Pins, Pins) = compiled
        .pins
        .iter()
        .map(|(request, pin)| (request.clone(), pin.clone()))
        .partition(|(request, _)| follows(request));
    let is_whole = compiled.wants.is_empty()
        && compiled.failed_sets.is_empty()
        && !compiled.unknown_applications
        && parts.iter().all(|part| part.renders.is_ok());
    if !is_whole {
        for (request, pin) in before.into_iter().filter(|(request, _)| !follows(request)) {
            pins.entry(request).or_insert(pin);
        }
    }
    (pins, followed)
}

/// Digests of the recorded answers that generators of the fleet ask for. What was pinned and is asked for no more goes, unless it is
/// unknown what is asked.
pub fn answers(compiled: &Compiled, before: &Answers) -> Answers {
    let asked = |id: &str| compiled.questions.contains_key(id);
    let is_whole = compiled.failed_sets.is_empty() && !compiled.unknown_applications;
    let mut answers: Answers =
        before.iter().filter(|(id, _)| !is_whole || asked(id)).map(|(id, digest)| (id.clone(), *digest)).collect();
    for (id, answer) in compiled.fleet.answers.iter().filter(|(id, _)| asked(id)) {
        // What has no digest was refused when it was read.
        if let Ok(digest) = question::digest(answer) {
            answers.insert(id.clone(), digest);
        }
    }
    answers
}

/// What sources are pinned to.
pub type Pins = BTreeMap<SourceRequest, Pin>;

/// Engines as locks name them.
pub fn engine_versions(engines: &Engines) -> EngineVersions {
    let version = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    let pairs = [("argocd", engines.argocd), ("helm", engines.helm), ("kustomize", engines.kustomize)];
    pairs.into_iter().map(|(name, engine)| (name.to_owned(), version(engine))).collect()
}
