//! Phase 2, expand: generators and templates into literal [`Unit`]s. Afterwards an application on a cluster is literal.
//!
//! An ApplicationSet that fails yields none of its applications and an error; the rest is still expanded, so that one run
//! reports everything. Nothing is rendered; git generators ask the [`World`], and what is not there is a want.
//!
//! The result is what Argo CD's controller makes of a set (3.2 to 3.5, by `engines.argocd`), in one canonical order. Deliberate differences:
//! generators that ask the network have the answers that are recorded; where Argo CD's order is random ours is not; an Application that an API server
//! would refuse (its name, its sources) is an error here, not later.

mod clusters;
mod combine;
mod git;
mod glob_pathspec;
mod instantiate;
mod list;
mod matrix;
mod patch;
mod problems;
mod recorded;
mod row;
mod set;
mod templating;
#[cfg(test)]
mod tests;
mod trees;
mod unit;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use unit::*;

use crate::application::{AppKey, Application};
use crate::diag::{Diagnostic, Diagnostics, Warned};
use crate::question::Question;
use crate::read::{ApplicationSet, Fleet};
use crate::span::Span;
use crate::template::{self, Functions};
use crate::world::World;
use crate::yaml::Node;
use instantiate::units;
use set::Set;
use trees::Trees;

/// Expands Applications and ApplicationSets of a fleet: those it was read with, or those that renders of it yielded.
///
/// Clusters, projects and engines come from `fleet`. The units are in canonical order; a set that failed is in
/// [`Expanded::failed`] and has none. What generators need and the world does not have is in [`Expanded::wants`] (and an error of its set).
pub fn expand(
    fleet: &Fleet,
    applications: &[Application],
    application_sets: &[ApplicationSet],
    world: &dyn World,
) -> Warned<Expanded> {
    let trees = Trees::new(world);
    let functions = template::argo::functions();
    let mut diagnostics = Diagnostics::new();
    let mut expanded = Expanded::default();
    let mut taken = Taken::default();
    let mut idle: Vec<&ApplicationSet> = Vec::new();
    let plain = Rc::from("an Application");
    for application in applications {
        if let Some(found) = taken.claim(application, application.span, &plain) {
            diagnostics.push(found);
            continue;
        }
        let origin = Arc::new(AppOrigin { template: Some(application.span), ..AppOrigin::default() });
        expanded.units.extend(units(application.clone(), origin));
    }
    for declared in application_sets {
        match expand_set(declared, fleet, &trees, &functions, &mut taken, &mut expanded.questions) {
            Ok((units, warnings)) => {
                if units.is_empty() {
                    idle.push(declared);
                }
                expanded.units.extend(units);
                diagnostics.extend(warnings);
            }
            Err(errors) => {
                expanded.failed.push((declared.instance.clone(), declared.namespace.clone(), declared.name.clone()));
                diagnostics.extend(errors);
            }
        }
    }
    diagnostics.extend(makes_nothing(&idle));
    expanded.units.sort_by(|a, b| (&a.application.key, a.destination).cmp(&(&b.application.key, b.destination)));
    expanded.failed.sort();
    expanded.failed.dedup();
    expanded.wants = trees.wants();
    Warned { value: expanded, diagnostics }
}

/// Says which sets stand for no Application, all of them together: right for some, a missing cluster or label for others.
fn makes_nothing(sets: &[&ApplicationSet]) -> Option<Diagnostic> {
    let first = sets.first()?;
    let names: Vec<String> = sets.iter().take(3).map(|set| format!("`{}/{}`", set.namespace, set.name)).collect();
    let names = names.join(", ");
    let message = match sets.len() {
        1 => format!("the ApplicationSet {names} makes no application: its generators match nothing"),
        2 | 3 => format!("the ApplicationSets {names} make no application: their generators match nothing"),
        all => format!(
            "{all} ApplicationSets make no application, their generators match nothing: {names} and {} more",
            all - 3
        ),
    };
    Some(Diagnostic::note("expand/nothing", first.span, message).hint(
        "clusters that are not in the repository are declared under `clusters:` in fleet.yaml, with their labels",
    ))
}

/// The units of a set with its warnings, or why there are none.
fn expand_set(
    declared: &ApplicationSet,
    fleet: &Fleet,
    trees: &Trees<'_>,
    functions: &Functions,
    taken: &mut Taken,
    questions: &mut BTreeMap<String, Question>,
) -> Result<(Vec<Unit>, Diagnostics), Diagnostics> {
    let what = format!("{}/{}", declared.namespace, declared.name);
    let empty = Node::null();
    let spec = declared.manifest.get("spec").unwrap_or(&empty);
    let set = Set::new(declared, spec, fleet, trees, functions)
        .map_err(|found| Diagnostics::from(found.trace(declared.span, format!("in the ApplicationSet {what}"))))?;
    let applications = set.applications();
    questions.append(&mut set.questions.borrow_mut());
    let mut failed = set.problems.has_errors();
    let mut own: FxHashMap<&str, &AppOrigin> = FxHashMap::default();
    for (application, origin) in &applications {
        if let Some(first) = own.insert(&application.key.name, origin) {
            set.problems.push(duplicate(&application.key.name, first, origin, set_template(spec, declared)));
            failed = true;
        }
    }
    if !failed {
        let who = Rc::from(format!("the ApplicationSet {what}"));
        let place = set_template(spec, declared);
        for (application, origin) in &applications {
            if let Some(found) = taken.claim(application, place, &who) {
                let element = origin.generators.last().map(|step| step.element.clone()).unwrap_or_default();
                set.problems.push(found.hint(format!("it comes from {element}; give one of the two another name")));
                failed = true;
            }
        }
    }
    let found = Diagnostics(set.problems.finish(&what, declared.span).collect());
    if failed {
        return Err(found);
    }
    let all = applications.into_iter().flat_map(|(application, origin)| units(application, origin)).collect();
    Ok((all, found))
}

/// Where the names of a set's applications are written.
fn set_template(spec: &Node, declared: &ApplicationSet) -> Span {
    let name = spec.at(&["template", "metadata", "name"]).or_else(|| spec.get("template"));
    name.map_or(declared.span, Node::span).or(declared.span)
}

/// Two rows of one set with one name: Argo CD drops both.
fn duplicate(name: &str, first: &AppOrigin, second: &AppOrigin, place: Span) -> Diagnostic {
    let message = format!("two rows make an Application called `{name}`");
    let mut found = Diagnostic::error("expand/duplicate", place, message);
    for (which, origin) in [("the first", first), ("the second", second)] {
        let elements: Vec<&str> =
            origin.generators.iter().map(|s| s.element.as_str()).filter(|e| !e.is_empty()).collect();
        let span = origin.generators.iter().rev().map(|step| step.element_span).find(|span| !span.is_none());
        found.labels.push((span.unwrap_or(Span::NONE), format!("{which}: {}", elements.join(", "))));
    }
    found.hint("put what tells the rows apart into `template.metadata.name`")
}

/// Which applications there are already, to find those that two declare.
#[derive(Default)]
struct Taken(FxHashMap<AppKey, (Span, Rc<str>)>);

impl Taken {
    /// Notes an application; the error if somebody else declares it too.
    fn claim(&mut self, application: &Application, span: Span, who: &Rc<str>) -> Option<Diagnostic> {
        if let Some((first, other)) = self.0.get(&application.key) {
            let message = format!("the Application `{}` is declared twice, by {other} and by {who}", application.key);
            return Some(Diagnostic::error("expand/duplicate", span, message).label(*first, "the first one"));
        }
        self.0.insert(application.key.clone(), (span, Rc::clone(who)));
        None
    }
}
