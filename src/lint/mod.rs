//! `fleetc lint`: what is wrong with rendered objects, by rules ([`rules()`]), each with the place where it was written.
//!
//! Every render is judged once for all clusters that it is the same for: of a cluster count only its version of Kubernetes, and what is
//! known of the custom kinds in the render. What a finding counts as depends on fleet.yaml and is decided for each application and cluster;
//! equal findings become one that lists where it holds. Nothing is changed, and nothing here decides whether a build goes on.

mod admission;
mod dangers;
mod matching;
mod policy;
mod rules;
mod schema;
mod sites;
mod subject;
mod suppress;
#[cfg(test)]
mod tests;

pub use rules::{FAMILIES, Family, Found, Rule, rule, rules};
pub use subject::{Site, Subject};
pub use suppress::IGNORE;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::bundle::{Part, Spread, cluster_name};
use crate::compile::Compiled;
use crate::danger;
use crate::diag::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::k8s::object::ObjectId;
use crate::read::Fleet;
pub use crate::read::Level;
use crate::render::Resource;
use crate::resolve::ResolvedUnit;
use crate::rule::{Suppression, means_rule};
use crate::span::{SourceMap, Span};

use sites::Sites;
use suppress::{Comments, means, problem};

/// What is to be looked at.
pub struct Input<'a> {
    /// The fleet, compiled.
    pub compiled: &'a Compiled,
    /// Its applications with their renders.
    pub parts: &'a [Part<'a>],
    /// The files that were read.
    pub sources: &'a SourceMap,
    /// Which applications are meant; of the others only the CRDs count.
    pub chosen: &'a (dyn Fn(&ResolvedUnit) -> bool + Sync),
    /// Whether that is all of them: only then is it known what suppresses nothing.
    pub whole: bool,
}

/// An application on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the cluster.
    pub cluster: String,
    /// The application.
    pub application: String,
}

/// A finding, and where it holds.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Rule, field, place in the text, message.
    pub found: Found,
    /// What it counts as.
    pub level: Level,
    /// The object, as `Deployment.apps shop/web`; empty for a finding about a file.
    pub object: String,
    /// The applications whose render has it, sorted.
    pub places: Vec<Place>,
    /// Why it does not count, where somebody said so.
    pub suppressed: Option<String>,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What counts, in no order that means anything (sort by place).
    pub findings: Vec<Finding>,
    /// What does not, since it is suppressed in the sources.
    pub suppressed: Vec<Finding>,
    /// How many different objects were looked at: those of shared renders once.
    pub objects: usize,
    /// How many applications on clusters they are of.
    pub applications: usize,
    /// Custom kinds without a known schema, and how many of the objects are of them.
    pub unjudged: BTreeMap<String, usize>,
    /// Clusters whose version of Kubernetes nobody said.
    pub assumed: usize,
}

/// Judges the objects of a fleet.
pub fn lint(input: &Input<'_>, spread: Spread<'_>) -> Report {
    let fleet = &input.compiled.fleet;
    let sites = Sites::of(input, spread);
    let verdicts = sites.judge(spread);
    let mut report = Report { applications: sites.units.len(), assumed: sites.assumed, ..Report::default() };
    // The same render for another version is no other object.
    let mut seen = BTreeSet::new();
    let mut annotations: IndexMap<(Suppression, String, Span), bool, FxBuildHasher> = IndexMap::default();
    for task in sites.tasks.iter().filter(|task| seen.insert(task.render)) {
        report.objects += sites.resources(task).len();
        for (kind, count) in sites.unjudged(task) {
            *report.unjudged.entry(kind).or_default() += count;
        }
        for resource in sites.resources(task) {
            for suppression in suppress::of_object(&resource.body).0 {
                annotations.insert(annotated(suppression, resource), false);
            }
        }
    }
    let mut merged = Merged::default();
    for unit in &sites.units {
        for task in &unit.tasks {
            for (resource, found) in verdicts.get(*task).into_iter().flatten() {
                merged.add(found, (*task, *resource), unit, fleet);
            }
        }
    }
    let mut comments = Comments::of(input.sources);
    for found in sites.broken_policies() {
        let level = fleet.lint.level(found.rule.id, found.rule.level, "", None);
        if level != Level::Off {
            let policy = found.policy.as_ref().map(|(name, _)| name.as_str());
            let reason = comments.suppresses(found.span, found.rule, policy).map(|by| by.reason);
            report.add(Finding::new(found.clone(), level), reason);
        }
    }
    for (mut finding, (task, resource)) in merged.findings {
        let policy = finding.found.policy.as_ref().map(|(name, _)| name.clone());
        let (rule, policy) = (finding.found.rule, policy.as_deref());
        let object = sites.tasks.get(task).and_then(|task| sites.resources(task).get(resource));
        let mut reason = comments.suppresses(finding.found.span, rule, policy).map(|by| by.reason);
        if let Some(object) = object {
            finding.object = ObjectId::of(&object.body).to_string();
            for by in suppress::of_object(&object.body).0.into_iter().filter(|by| means(by, rule, policy)) {
                reason.get_or_insert_with(|| by.reason.clone());
                annotations.insert(annotated(by, object), true);
            }
        }
        report.add(finding, reason);
    }
    for finding in report.findings.iter_mut().chain(&mut report.suppressed) {
        if let Some(at) = finding.found.within {
            finding.found.span = within(input.sources, finding.found.span, at).unwrap_or(finding.found.span);
        }
    }
    let policies: BTreeSet<&str> = sites.policies().collect();
    let is_idle = |suppression: &Suppression, used: bool| {
        let off = rules().any(|rule| suppression.means(rule.id) && fleet.lint.is_ever_off(rule.id));
        // What only a change shows is never seen here.
        let of_changes = rules().any(|rule| suppression.means(rule.id) && danger::is_of_changes(rule.id));
        input.whole && !used && !off && !of_changes
    };
    let told = |suppression: &Suppression, used: bool| {
        let idle = || (format!("the suppression of `{}` suppresses nothing", suppression.what), None);
        problem(suppression, &policies).or_else(|| is_idle(suppression, used).then(idle))
    };
    let on_objects = annotations.iter().map(|((what, object, span), used)| (what, *span, object.as_str(), *used));
    let in_comments = comments.all().into_iter().map(|(what, span, used)| (what, span, "", used));
    for (suppression, span, object, used) in on_objects.chain(in_comments) {
        let level = fleet.lint.level("lint/suppression", Level::Warn, "", None);
        if let (Some((message, hint)), Some(rule), true) =
            (told(suppression, used), rule("lint/suppression"), level != Level::Off)
        {
            let found = Found { hint, ..Found::new(rule, "", span, message) };
            report.findings.push(Finding { object: object.to_owned(), ..Finding::new(found, level) });
        }
    }
    report
}

/// The place of a line and a column of a text in the file that the text was read from: that of a scalar, plain, quoted or a block.
fn within(sources: &SourceMap, span: Span, (line, column): (usize, usize)) -> Option<Span> {
    let file = sources.get(span.file)?;
    let (start, end) = (span.start as usize, span.end as usize);
    let written = std::str::from_utf8(file.bytes.get(start..end)?).ok()?;
    let is_block = written.starts_with(['|', '>']);
    // A block starts below its sign; other texts with their quote.
    let mut at = 0;
    let lines = written.split_inclusive('\n').map(|text| {
        at += text.len();
        (at - text.len(), text)
    });
    let (offset, text) = lines.skip(usize::from(is_block)).nth(line.checked_sub(1)?)?;
    let indent = if is_block || line > 1 {
        text.len() - text.trim_start().len()
    } else {
        usize::from(text.starts_with(['\'', '"']))
    };
    let place = text
        .get(indent..)?
        .char_indices()
        .nth(column.checked_sub(1)?)
        .map_or(text.trim_end().len(), |(at, _)| indent + at);
    let place = (start + offset + place).min(end);
    Some(Span::new(span.file, place, end))
}

/// Patterns of fleet.yaml that no rule fits.
pub fn unknown_rules(fleet: &Fleet) -> Diagnostics {
    let mut found = Diagnostics::new();
    let idle = |(pattern, _): &(&str, Span)| !rules().any(|rule| means_rule(pattern, rule.id));
    for (pattern, span) in fleet.lint.patterns().filter(idle) {
        let error = Diagnostic::error("lint/unknown-rule", span, format!("there is no rule `{pattern}`"));
        let hint = did_you_mean(pattern, rules().map(|rule| rule.id));
        found.push(error.hint(hint.unwrap_or_else(|| "`fleetc lint --rules` lists them".to_owned())));
    }
    found
}

fn annotated(suppression: Suppression, resource: &Resource) -> (Suppression, String, Span) {
    let span = suppress::of_object(&resource.body).1.or(resource.origin.span);
    (suppression, ObjectId::of(&resource.body).to_string(), span)
}

impl Report {
    fn add(&mut self, mut finding: Finding, suppressed: Option<String>) {
        finding.suppressed = suppressed;
        let list = if finding.suppressed.is_some() { &mut self.suppressed } else { &mut self.findings };
        list.push(finding);
    }
}

impl Finding {
    fn new(found: Found, level: Level) -> Finding {
        Finding { found, level, object: String::new(), places: Vec::new(), suppressed: None }
    }

    /// What is wrong, with the object's name and that of the policy.
    pub fn message(&self) -> String {
        let policy = self.found.policy.as_ref().map(|(name, _)| format!(" [{name}]")).unwrap_or_default();
        match self.object.as_str() {
            "" => self.found.message.clone(),
            object => format!("{object}: {}{policy}", self.found.message),
        }
    }

    /// What to do.
    pub fn hint(&self) -> &str {
        self.found.hint.as_deref().unwrap_or(self.found.rule.fix)
    }

    /// As any other finding about the fleet.
    pub fn diagnostic(&self) -> Diagnostic {
        let severity = if self.level == Level::Error { Severity::Error } else { Severity::Warning };
        let made = Diagnostic::error(self.found.rule.id, self.found.span, self.message());
        let made = Diagnostic { severity, ..made }.hint(self.hint());
        let Some(Place { cluster, application }) = self.places.first() else { return made };
        let more = match self.places.len() {
            1 => String::new(),
            2 => ", and in one more place".to_owned(),
            many => {
                let clusters: BTreeSet<&str> = self.places.iter().map(|place| place.cluster.as_str()).collect();
                format!(", and in {} more places on {} clusters", many - 1, clusters.len())
            }
        };
        made.trace(Span::NONE, format!("application `{application}` on cluster `{cluster}`{more}"))
    }
}

/// The same finding in several applications is one.
#[derive(Default)]
struct Merged {
    known: FxHashMap<(Found, Level, usize), usize>,
    /// Each with the task and the resource that it was met at first.
    findings: Vec<(Finding, (usize, usize))>,
}

impl Merged {
    fn add(&mut self, found: &Found, at: (usize, usize), unit: &sites::Unit<'_>, fleet: &Fleet) {
        let cluster = fleet.clusters.get(unit.cluster);
        let default = found.policy.as_ref().map_or(found.rule.level, |(_, level)| *level);
        let level = fleet.lint.level(found.rule.id, default, &unit.application.name, cluster);
        if level == Level::Off {
            return;
        }
        // Objects of one render are told apart by their number in it; the same text in other renders by its place.
        let object = if found.span.is_none() { at.1 } else { usize::MAX };
        let new = self.findings.len();
        let at = *self.known.entry((found.clone(), level, object)).or_insert_with(|| {
            self.findings.push((Finding::new(found.clone(), level), at));
            new
        });
        let place = Place {
            cluster: cluster.map(|cluster| cluster_name(cluster, fleet)).unwrap_or_default(),
            application: unit.application.to_string(),
        };
        if let Some((finding, _)) = self.findings.get_mut(at)
            && let Err(gap) = finding.places.binary_search(&place)
        {
            finding.places.insert(gap, place);
        }
    }
}
