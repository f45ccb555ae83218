//! What differs between two environments, application by application, and what of it can move.
//!
//! Applications are paired by their names without the names of environment and cluster. A difference moves only if somebody chose it, if the
//! environment that it comes from agrees with itself, and if what decides it in the other one is read by no application outside of that;
//! otherwise the reason is told.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Names, identity};
use super::survey::{Survey, Unit};
use super::{Decided, Form, Kind, Place, Setting, Value, images, overlays, values, version};
use crate::cluster::Cluster;
use crate::k8s::glob::Glob;
use crate::read::Environment;
use crate::span::Span;
use crate::yaml::json;

/// What is to move.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Applications by name, with or without the names of environment and cluster; all where empty.
    pub applications: Vec<Glob>,
    /// Names of settings; all where empty.
    pub keys: Vec<Glob>,
    /// Whether older versions may come.
    pub older: bool,
}

/// Whether a difference moves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It does.
    Moves,
    /// Nobody chose it.
    NotChosen,
    /// It cannot, for a reason.
    Stays(String),
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// What it is there.
    pub value: Value,
    /// What decides it.
    pub decided: Decided,
}

/// Something that two environments have otherwise.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The application, without the names of environments and clusters.
    pub application: String,
    /// Its kind.
    pub kind: Kind,
    /// What it is about.
    pub name: String,
    /// What comes; `None` for what only the other environment has.
    pub from: Option<Side>,
    /// What is there; `None` for what is new.
    pub to: Option<Side>,
    /// Where it would be written, and whether something stands there.
    pub target: Option<(Place, Span)>,
    /// Whether it moves.
    pub state: State,
    /// The clusters that get it, sorted.
    pub clusters: Vec<String>,
    /// The applications that get it, sorted.
    pub applications: Vec<String>,
}

/// What differs.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The differences, by application, kind and name.
    pub differences: Vec<Difference>,
    /// Applications that only the first environment has.
    pub only_from: Vec<String>,
    /// Applications that only the second has.
    pub only_to: Vec<String>,
    /// How many applications were compared.
    pub compared: usize,
    /// Applications of which nothing is known, since they could not be rendered.
    pub failed: Vec<String>,
    /// The applications on clusters of the second environment.
    pub places: BTreeSet<(String, String)>,
}

/// Compares two environments.
pub fn compare(survey: &Survey<'_>, from: &Environment, to: &Environment, chosen: &Chosen) -> Comparison {
    let clusters = &survey.compiled.fleet.clusters;
    let members = |environment: &Environment| -> BTreeSet<usize> {
        let is_in =
            |unit: &Unit| clusters.get(unit.cluster).is_some_and(|cluster| environment.has(&unit.key.name, cluster));
        survey.units.iter().enumerate().filter(|(_, unit)| is_in(unit)).map(|(at, _)| at).collect()
    };
    let (of_from, of_to) = (members(from), members(to));
    let pairs = pairs(survey, (from, &of_from), (to, &of_to));
    let mut comparison = Comparison {
        only_from: pairs.only_from,
        only_to: pairs.only_to,
        compared: pairs.found.len(),
        ..Comparison::default()
    };
    for at in &of_to {
        if let Some((unit, cluster)) = unit(survey, *at) {
            comparison.places.insert((unit.key.to_string(), cluster.name.clone()));
        }
    }
    let ground = Ground { survey, from, to, of_to: &of_to, chosen };
    let mut found: BTreeMap<Key, Difference> = BTreeMap::new();
    for (at, pair) in &pairs.found {
        let Some((unit, cluster)) = unit(survey, *at) else { continue };
        // What does not render on the other side would read as if only this one had it.
        let fails = |at: usize| survey.units.get(at).is_none_or(|unit| unit.failed);
        if unit.failed || pair.partners.iter().all(|(source, _, _)| fails(*source)) {
            comparison.failed.push(unit.key.to_string());
            continue;
        }
        let is_asked = |glob: &Glob| glob.matches(&pair.identity) || glob.matches(&unit.key.name);
        if !chosen.applications.is_empty() && !chosen.applications.iter().any(is_asked) {
            continue;
        }
        for difference in ground.differences(*at, pair) {
            let key = key(&difference);
            let known = found.entry(key).or_insert(difference);
            known.clusters.push(cluster.name.clone());
            known.applications.push(unit.key.to_string());
        }
    }
    comparison.differences = found.into_values().collect();
    for difference in &mut comparison.differences {
        for list in [&mut difference.clusters, &mut difference.applications] {
            list.sort();
            list.dedup();
        }
    }
    comparison
}

/// What makes differences one: all but where they are.
type Key = (String, Kind, String, State, String, String, Option<Place>);

fn key(difference: &Difference) -> Key {
    let shown = |side: &Option<Side>| side.as_ref().map(|side| look(&side.value)).unwrap_or_default();
    (
        difference.application.clone(),
        difference.kind,
        difference.name.clone(),
        difference.state.clone(),
        shown(&difference.from),
        shown(&difference.to),
        difference.target.as_ref().map(|(place, _)| place.clone()),
    )
}

fn unit<'s>(survey: &'s Survey<'_>, at: usize) -> Option<(&'s Unit, &'s Cluster)> {
    let unit = survey.units.get(at)?;
    Some((unit, survey.compiled.fleet.clusters.get(unit.cluster)?))
}

// ------------------------------------------------------------------------------------------------------------------------------ pairs

/// A unit of the second environment with those of the first that are the same application.
struct Pair {
    identity: String,
    /// Each with the names of both sides.
    partners: Vec<(usize, Names, Names)>,
}

struct Pairs {
    found: BTreeMap<usize, Pair>,
    only_from: Vec<String>,
    only_to: Vec<String>,
}

fn pairs(
    survey: &Survey<'_>,
    (from, of_from): (&Environment, &BTreeSet<usize>),
    (to, of_to): (&Environment, &BTreeSet<usize>),
) -> Pairs {
    let by_cluster = |members: &BTreeSet<usize>| -> BTreeMap<usize, Vec<usize>> {
        let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in members {
            if let Some(unit) = survey.units.get(*at) {
                found.entry(unit.cluster).or_default().push(*at);
            }
        }
        found
    };
    let (ours, theirs) = (by_cluster(of_from), by_cluster(of_to));
    let mut found: BTreeMap<usize, Pair> = BTreeMap::new();
    let mut met: BTreeSet<usize> = BTreeSet::new();
    for (there, targets) in &theirs {
        for (here, sources) in &ours {
            let clusters = &survey.compiled.fleet.clusters;
            let (Some(a), Some(b)) = (clusters.get(*here), clusters.get(*there)) else { continue };
            let names_from = Names::of(&from.name, a, &b.labels);
            let names_to = Names::of(&to.name, b, &a.labels);
            let called = |names: &Names, units: &[usize]| -> BTreeMap<String, Vec<usize>> {
                let mut called: BTreeMap<String, Vec<usize>> = BTreeMap::new();
                for at in units {
                    if let Some(unit) = survey.units.get(*at) {
                        called.entry(identity(names, &unit.key.name)).or_default().push(*at);
                    }
                }
                called
            };
            let (called_from, called_to) = (called(&names_from, sources), called(&names_to, targets));
            for (identity, targets) in called_to {
                let Some(sources) = called_from.get(&identity) else { continue };
                for target in &targets {
                    let same = |source: &&usize| {
                        let names = |at: usize| survey.units.get(at).map(|unit| unit.key.name.as_str());
                        // Where names fall together, only those count that are the same in full.
                        (sources.len() == 1 && targets.len() == 1) || names(**source) == names(*target)
                    };
                    for source in sources.iter().filter(same).filter(|source| *source != target) {
                        met.insert(*source);
                        let pair = found
                            .entry(*target)
                            .or_insert_with(|| Pair { identity: identity.clone(), partners: Vec::new() });
                        pair.partners.push((*source, names_from.clone(), names_to.clone()));
                    }
                }
            }
        }
    }
    let left = |members: &BTreeSet<usize>, met: &dyn Fn(usize) -> bool| -> Vec<String> {
        let left = members.iter().filter(|at| !met(**at)).filter_map(|at| survey.units.get(*at));
        let names: BTreeSet<String> = left.map(|unit| unit.key.to_string()).collect();
        names.into_iter().collect()
    };
    Pairs {
        only_from: left(of_from, &|at| met.contains(&at)),
        only_to: left(of_to, &|at| found.contains_key(&at)),
        found,
    }
}

// ------------------------------------------------------------------------------------------------------------------------ differences

struct Ground<'g, 's> {
    survey: &'g Survey<'s>,
    from: &'g Environment,
    to: &'g Environment,
    of_to: &'g BTreeSet<usize>,
    chosen: &'g Chosen,
}

/// What the first environment says of a setting.
struct Said<'s> {
    setting: Setting,
    names: &'s Names,
    cluster: String,
}

impl Ground<'_, '_> {
    fn differences(&self, at: usize, pair: &Pair) -> Vec<Difference> {
        let Some(target) = self.survey.units.get(at) else { return Vec::new() };
        let mut theirs: BTreeMap<(Kind, String), Vec<Said<'_>>> = BTreeMap::new();
        let mut ours: BTreeMap<(Kind, String), Setting> = BTreeMap::new();
        let Some((_, _, names_to)) = pair.partners.first() else { return Vec::new() };
        for setting in &target.settings {
            ours.insert((setting.kind, names_to.without(setting.kind, &setting.name)), setting.clone());
        }
        for (source, names_from, _) in &pair.partners {
            let Some((source, cluster)) = unit(self.survey, *source) else { continue };
            if source.failed {
                continue;
            }
            let (there, here) = overlays::settings(self.survey, source, target, self.of_to);
            for setting in here {
                ours.insert((setting.kind, setting.name.clone()), setting);
            }
            for setting in source.settings.iter().cloned().chain(there) {
                let key = (setting.kind, names_from.without(setting.kind, &setting.name));
                let said = Said { setting, names: names_from, cluster: cluster.name.clone() };
                theirs.entry(key).or_default().push(said);
            }
        }
        let keys: BTreeSet<&(Kind, String)> = theirs.keys().chain(ours.keys()).collect();
        let known = |key: &(Kind, String)| theirs.get(key).map(Vec::as_slice).unwrap_or_default();
        let one = |key: &(Kind, String)| self.difference(pair, target, key, known(key), ours.get(key), names_to);
        let mut found: Vec<Difference> = keys.into_iter().filter_map(one).collect();
        // What is made of parameters that differ is said by those.
        let parameters: Vec<String> =
            found.iter().filter_map(|one| Some(one.name.split_once(" {")?.0.to_owned())).collect();
        found.retain(|one| one.name.contains(" {") || !parameters.contains(&one.name));
        found
    }

    fn difference(
        &self,
        pair: &Pair,
        target: &Unit,
        (kind, _): &(Kind, String),
        theirs: &[Said<'_>],
        ours: Option<&Setting>,
        names_to: &Names,
    ) -> Option<Difference> {
        let first = theirs.first();
        if let Some(ours) = ours
            && theirs.iter().any(|said| same(*kind, (&said.setting.value, said.names), (&ours.value, names_to)))
        {
            return None;
        }
        let name = ours.or(first.map(|said| &said.setting)).map(|setting| setting.name.clone())?;
        let side = |setting: &Setting| Side { value: setting.value.clone(), decided: setting.decided.clone() };
        let mut difference = Difference {
            application: pair.identity.clone(),
            kind: *kind,
            name,
            from: first.map(|said| side(&said.setting)),
            to: ours.map(side),
            target: None,
            state: State::NotChosen,
            clusters: Vec::new(),
            applications: Vec::new(),
        };
        let keyed = self.chosen.keys.iter().any(|glob| glob.matches(&difference.name));
        if !self.chosen.kinds.contains(kind) || !(keyed || self.chosen.keys.is_empty()) {
            return Some(difference);
        }
        difference.state = match self.obstacle(&difference, theirs, keyed) {
            Some(why) => State::Stays(why),
            None => match self.place(target, first.map(|said| &said.setting)?, ours) {
                Err(why) => State::Stays(why),
                Ok(place) => {
                    difference.target = Some(place);
                    State::Moves
                }
            },
        };
        Some(difference)
    }

    /// Why a difference does not move, whatever its place.
    fn obstacle(&self, difference: &Difference, theirs: &[Said<'_>], keyed: bool) -> Option<String> {
        let (from, to) = (&self.from.name, &self.to.name);
        let Some(first) = theirs.first() else { return Some(format!("only {} has it", **to)) };
        let alike = |said: &&Said<'_>| {
            same(difference.kind, (&said.setting.value, said.names), (&first.setting.value, first.names))
        };
        if let Some(other) = theirs.iter().find(|said| !alike(said)) {
            let (a, b) = (first.setting.value.shown(), other.setting.value.shown());
            return Some(format!("{} has several: {a} on {}, {b} on {}", **from, first.cluster, other.cluster));
        }
        if let Value::Image(image) = &first.setting.value
            && image.tag.is_empty()
            && image.digest.is_empty()
        {
            return Some(format!("{} names no tag", **from));
        }
        let text = look(&first.setting.value);
        if !keyed && let Some(name) = first.names.in_text(difference.kind, &text) {
            return Some(format!("it names `{name}`; `--key` moves it all the same"));
        }
        let versions = Kind::VERSIONS.contains(&difference.kind) && !self.chosen.older;
        let ours = difference.to.as_ref().map(|side| tag(&side.value)).unwrap_or_default();
        if versions && version::is_older(&tag(&first.setting.value), &ours) {
            return Some(format!("it is older than what {} has; `--allow-older` moves it all the same", **to));
        }
        None
    }

    /// Where what comes is written: where the value stands that is there, else where one can stand.
    fn place(&self, target: &Unit, theirs: &Setting, ours: Option<&Setting>) -> Result<(Place, Span), String> {
        let shared = |others: &[&Unit]| {
            let names: BTreeSet<String> = others.iter().map(|unit| unit.key.to_string()).collect();
            crate::report::listed(names.into_iter().collect(), 3)
        };
        let mut why = None;
        let mut alone = None;
        if let Some(ours) = ours {
            match &ours.decided {
                Decided::At(place, span) => {
                    let new = span.is_none() && place.form != Form::File;
                    let others = self.survey.others(place, new, self.of_to);
                    if !others.is_empty() {
                        why = Some(format!("{} decides it for {}, too", place.file, shared(&others)));
                    } else if place.form == Form::File || self.survey.readers_of(&place.file, self.of_to).is_empty() {
                        return Ok((place.clone(), *span));
                    } else {
                        // Others read the file, although not this of it: better is a place of its own.
                        alone = Some((place.clone(), *span));
                    }
                }
                Decided::Elsewhere(reason) => why = Some(reason.clone()),
            }
        }
        // An entry of its own may lie over what is shared.
        let homes = target.jobs.iter().filter_map(|job| match (theirs.kind, &theirs.value) {
            (Kind::Images, Value::Image(_)) => images::home(&self.survey.texts, &job.directory),
            (Kind::Images | Kind::Values, Value::Node(_)) => values::home(&self.survey.texts, job, theirs),
            (Kind::Overlays, Value::Node(_)) => {
                let field = theirs.name.strip_prefix("kustomization ")?;
                overlays::home(self.survey, &job.directory, field)
            }
            _ => None,
        });
        for home in homes {
            match home {
                Decided::At(place, span) => {
                    let others = self.survey.others(&place, true, self.of_to);
                    if others.is_empty() {
                        return Ok((place, span));
                    }
                    why = why.or_else(|| Some(format!("{} is read by {}, too", place.file, shared(&others))));
                }
                Decided::Elsewhere(reason) => why = why.or(Some(reason)),
            }
        }
        alone.ok_or_else(|| why.unwrap_or_else(|| format!("{} has no place for it", *self.to.name)))
    }
}

/// A value as text, for comparing.
fn look(value: &Value) -> String {
    match value {
        Value::Node(node) => match node.text() {
            Some(text) if node.is_scalar() && !node.is_null() => text.to_owned(),
            _ => json::to_json(node).unwrap_or_default(),
        },
        Value::Image(image) => images::join("", image),
        Value::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What of a value is a version.
fn tag(value: &Value) -> String {
    match value {
        Value::Image(image) => image.tag.clone(),
        other => {
            let text = look(other);
            text.rsplit_once("?ref=").map_or(text.clone(), |(_, revision)| revision.to_owned())
        }
    }
}

/// Whether two values are the same but for the names of their sides.
fn same(kind: Kind, (a, names_a): (&Value, &Names), (b, names_b): (&Value, &Names)) -> bool {
    let alike = || names_a.without(kind, &look(a)) == names_b.without(kind, &look(b));
    a == b || (std::mem::discriminant(a) == std::mem::discriminant(b) && alike())
}
