//! How much of what runs equals what would be applied: every desired object against the live one, by reads alone.
//!
//! What counts is what the object says: defaults, other ways to write the same, `ignoreDifferences` and the marks of deployers (tracking ids,
//! release annotations) make no difference, but are told apart. A field that a deployer holds and that is declared no more is a difference;
//! what others hold (an autoscaler, a webhook, a person) beside what is declared is none. Nothing is decided about what to do.

pub mod report;

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::deployer::{self, BEFORE_FIRST_APPLY, Deployer};
use super::desired::{Desired, DesiredSlice, SliceState};
use super::ground::{Listed, list};
use super::input::ClusterInput;
use super::kinds::Kinds;
use super::live;
use super::members;
use super::predict;
use super::talk::{Talk, Trouble};
use crate::api::Resource;
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::k8s::defaults;
use crate::k8s::difference::{self, LAST_APPLIED};
use crate::k8s::fields::{Element, FieldSet, Manager, applied::applied, edit, managers, merge::merged};
use crate::k8s::ignore::{Ignore, noise};
use crate::k8s::object::{Gvk, annotation};
use crate::k8s::schema;
use crate::machine::{Port, all};
use crate::yaml::{Map, Node};

/// What comparing an object came to, the first that applies from below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Identical.
    Same,
    /// Identical but for how values are written, or for empty ones.
    Written,
    /// Identical but for the marks of deployers.
    Marks,
    /// Identical but for what `ignoreDifferences` names.
    Ignored,
    /// It differs only in fields that somebody else holds: an autoscaler, a person.
    Held,
    /// The live object has fields of a deployer that are declared no more.
    More,
    /// A field has another value, or is missing.
    Differs,
    /// There is no such object, or its kind is not served.
    Missing,
    /// It cannot be compared, and why is said.
    Unknown,
}

/// Verdicts with one word for files, and a sentence for reports.
pub const VERDICTS: [(Verdict, &str, &str); 9] = [
    (Verdict::Same, "same", "identical"),
    (Verdict::Written, "written", "only written otherwise (defaults, units, empty values)"),
    (Verdict::Marks, "marks", "only in marks of deployers (tracking ids, release annotations)"),
    (Verdict::Ignored, "ignored", "only in what ignoreDifferences names"),
    (Verdict::Held, "held", "different only in fields that others hold"),
    (Verdict::More, "more", "with fields of a deployer that are declared no more"),
    (Verdict::Differs, "differs", "different"),
    (Verdict::Missing, "missing", "missing"),
    (Verdict::Unknown, "unknown", "not comparable"),
];

impl Verdict {
    /// Whether what runs is what would be applied.
    pub fn is_identical(self) -> bool {
        self <= Verdict::Ignored
    }

    /// One word, as in files.
    pub fn name(self) -> &'static str {
        VERDICTS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// `.spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// Whether only the live object has it.
    pub only_live: bool,
    /// Who else holds it; empty where only deployers do.
    pub holders: Vec<SmolStr>,
}

/// One object.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which.
    pub object: ObjectRef,
    /// How it compares.
    pub verdict: Verdict,
    /// Where it differs, sorted by path.
    pub differences: Vec<Difference>,
    /// Why it is missing or cannot be compared, where that is not plain.
    pub why: String,
}

/// One application on one cluster.
#[derive(Clone, Debug)]
pub struct SliceVerified {
    /// The application.
    pub application: AppKey,
    /// Its project.
    pub project: String,
    /// Why it was not compared; empty where it was.
    pub left_out: String,
    /// Its objects, hooks left out, by name.
    pub objects: Vec<Compared>,
}

/// One cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterVerified {
    /// Its name in the fleet.
    pub cluster: String,
    /// Why nothing is known of it.
    pub failed: Option<String>,
    /// Its applications, sorted.
    pub slices: Vec<SliceVerified>,
}

/// Objects of a kind in a namespace from which on they are listed, not read one by one.
const LISTED: usize = 8;
/// Kinds of which nothing is listed: what is read would be more than what was asked for (Helm keeps its releases in Secrets).
const ONE_BY_ONE: [(&str, &str); 1] = [("", "Secret")];

/// Compares what the slices declare with what a cluster has.
pub async fn verify(port: Port, input: ClusterInput) -> ClusterVerified {
    let talk = Talk::new(port, input.options.in_flight);
    let mut verified = ClusterVerified { cluster: input.cluster.clone(), ..ClusterVerified::default() };
    match compare(&talk, &input).await {
        Ok(slices) => verified.slices = slices,
        Err(Trouble(why)) => verified.failed = Some(why),
    }
    verified
}

async fn compare(talk: &Talk, input: &ClusterInput) -> Result<Vec<SliceVerified>, Trouble> {
    let wanted = plain(input);
    let gvks: BTreeSet<Gvk> = wanted.iter().map(|object| object.gvk.clone()).collect();
    let kinds = Kinds::load(talk, gvks.iter()).await?;
    let found = read_all(talk, &kinds, wanted).await?;
    talk.say(format!("{}: read", input.cluster));
    let mut slices = Vec::new();
    for slice in &input.slices {
        let left_out = match &slice.state {
            SliceState::Fresh => String::new(),
            SliceState::Held(why) | SliceState::Absent(why) | SliceState::Refused(why) => why.clone(),
        };
        let settings = input.settings.get(&slice.key.application.instance);
        let ignore = Ignore::read(slice.ignore_differences.as_ref(), settings).value;
        let objects = slice.objects.iter().filter(|object| object.is_plain() && left_out.is_empty());
        let mut objects: Vec<Compared> = objects.map(|object| judge(slice, object, &kinds, &found, &ignore)).collect();
        objects.sort_by(|a, b| a.object.cmp(&b.object));
        let (application, project) = (slice.key.application.clone(), slice.project.clone());
        slices.push(SliceVerified { application, project, left_out, objects });
    }
    slices.sort_by(|a, b| a.application.cmp(&b.application));
    Ok(slices)
}

/// The objects that are compared: those of slices that can be planned, hooks left out.
pub(super) fn plain(input: &ClusterInput) -> Vec<&Desired> {
    let fresh = input.slices.iter().filter(|slice| slice.state == SliceState::Fresh);
    fresh.flat_map(|slice| slice.objects.iter().filter(|object| object.is_plain())).collect()
}

/// What names an object on the cluster.
pub(super) fn reference(desired: &Desired, resource: &Resource) -> ObjectRef {
    let mut reference = desired.reference();
    if !resource.namespaced {
        reference.namespace = SmolStr::default();
    }
    reference
}

/// The live objects of the desired ones.
pub(super) async fn read_all(
    talk: &Talk,
    kinds: &Kinds,
    desired: Vec<&Desired>,
) -> Result<BTreeMap<ObjectRef, Node>, Trouble> {
    let mut wanted: BTreeMap<(&Resource, SmolStr), BTreeSet<ObjectRef>> = BTreeMap::new();
    for object in desired.into_iter().filter(|object| object.problem.is_none()) {
        let Some(resource) = kinds.exact(&object.gvk) else { continue };
        let reference = reference(object, resource);
        wanted.entry((resource, reference.namespace.clone())).or_default().insert(reference);
    }
    let groups = wanted.iter().map(|((resource, namespace), objects)| read_group(talk, resource, namespace, objects));
    let mut found = BTreeMap::new();
    for group in all(talk.limit(), groups).await {
        found.extend(group?);
    }
    Ok(found)
}

async fn read_group(
    talk: &Talk,
    resource: &Resource,
    namespace: &str,
    wanted: &BTreeSet<ObjectRef>,
) -> Result<Vec<(ObjectRef, Node)>, Trouble> {
    let gvk = &resource.gvk;
    let singly = ONE_BY_ONE.iter().any(|(group, kind)| gvk.is(group, kind));
    let listed = match wanted.len() >= LISTED && !singly && resource.can("list") {
        true => list(talk, &resource.collection(namespace), "").await?,
        false => Listed::Forbidden(Trouble(String::new())),
    };
    if let Listed::Items(items) = listed {
        let items = items.into_iter().map(|object| (live::reference(gvk, &object), live::with_kind(gvk, object)));
        return Ok(items.filter(|(reference, _)| wanted.contains(reference)).collect());
    }
    let reads = wanted.iter().map(|reference| members::read(talk, resource, reference));
    let mut found = Vec::new();
    for (reference, object) in wanted.iter().zip(all(talk.limit(), reads).await) {
        if let Some(object) = object? {
            found.push((reference.clone(), object));
        }
    }
    Ok(found)
}

fn judge(
    slice: &DesiredSlice,
    desired: &Desired,
    kinds: &Kinds,
    found: &BTreeMap<ObjectRef, Node>,
    ignore: &Ignore,
) -> Compared {
    let mut compared = Compared {
        object: desired.reference(),
        verdict: Verdict::Unknown,
        differences: Vec::new(),
        why: desired.problem.clone().unwrap_or_default(),
    };
    if desired.problem.is_some() {
        return compared;
    }
    let Some(resource) = kinds.exact(&desired.gvk) else {
        compared.verdict = Verdict::Missing;
        compared.why = format!("the cluster does not serve {} `{}`", desired.gvk.kind, desired.gvk.api_version());
        return compared;
    };
    compared.object = reference(desired, resource);
    let Some(live) = found.get(&compared.object) else {
        compared.verdict = Verdict::Missing;
        return compared;
    };
    let mut body = live::without_membership(&desired.body);
    if !resource.namespaced
        && let Some(metadata) = body.get_mut("metadata").and_then(Node::map_mut)
    {
        metadata.remove("namespace");
    }
    Comparison::new(&desired.gvk, body, live, ignore, &slice.key.application.name).settle(&mut compared);
    compared
}

/// A desired object and the live one, ready to be compared.
struct Comparison<'a> {
    gvk: &'a Gvk,
    live: &'a Node,
    body: Node,
    ignore: &'a Ignore,
    application: &'a str,
    managers: Vec<Manager>,
    /// What would become of the live object.
    result: Node,
    /// The same if every default were written out: what differs from the live object only without that means nothing.
    filled: Node,
}

impl<'a> Comparison<'a> {
    fn new(gvk: &'a Gvk, body: Node, live: &'a Node, ignore: &'a Ignore, application: &'a str) -> Self {
        let managers = managers(live).unwrap_or_default();
        let mut body = body;
        if gvk.is("", "Secret") {
            noise::quiet(&mut body, false);
        }
        let mut full = body.clone();
        if schema::root(&gvk.api_version(), &gvk.kind).is_some() {
            defaults::fill(&gvk.kind, &mut full);
        }
        let wanted = applied(&body, None).union(&applied(&full, None));
        let (deploying, others): (Vec<&Manager>, Vec<&Manager>) =
            managers.iter().partition(|manager| deployer::is_ours(manager) || Deployer::of(manager).is_some());
        // A manager that updates holds the defaults of the server, too; kubectl's annotation says what was meant.
        let noted = annotation(live, LAST_APPLIED).is_some();
        let held = deploying.iter().fold(FieldSet::default(), |held, manager| match manager.applied || !noted {
            true => held.union(&manager.fields),
            false => held.union(&predict::last_applied(live)),
        });
        let gone = predict::left(&held, &wanted, &others).leaves().into_iter();
        let there = |path: &Vec<Element>| !edit::get(live, path).is_none_or(is_empty) && !wanted.owns(path);
        let gone: FieldSet = gone.filter(there).collect();
        let mut kept = live.clone();
        edit::remove_all(&mut kept, &gone);
        let (result, filled) = (merged(&kept, &body, None), merged(&kept, &full, None));
        Comparison { gvk, live, body, ignore, application, managers, result, filled }
    }

    fn quiet(&self, object: &Node) -> Node {
        let mut object = object.clone();
        noise::quiet(&mut object, self.ignore.aggregated_roles);
        object
    }

    fn bare(&self, object: &Node) -> Node {
        deployer::without_marks(object, &self.body, self.application)
    }

    fn ignored(&self, object: &Node) -> Node {
        let mut object = object.clone();
        self.ignore.remove(&mut object, &self.managers);
        object
    }

    /// The paths in which the live object and the result differ after both went through something.
    fn between(&self, through: impl Fn(&Node) -> Node) -> Vec<(String, bool)> {
        let (live, result, filled) = (through(self.live), through(&self.result), through(&self.filled));
        let of_defaults: BTreeSet<String> =
            difference::between(self.gvk, &live, &filled).into_iter().map(|change| change.path).collect();
        let found = difference::between(self.gvk, &live, &result).into_iter();
        let counts = found.filter(|change| {
            let empty = change.before.is_none() && change.after.as_ref().is_some_and(is_empty);
            !empty && of_defaults.contains(&change.path)
        });
        counts.map(|change| (change.path, change.after.is_none())).collect()
    }

    fn settle(&self, compared: &mut Compared) {
        let all = self.between(|object| self.quiet(&self.ignored(&self.bare(object))));
        if all.is_empty() {
            let exact = difference::between(self.gvk, &self.bare(self.live), &self.bare(&self.result)).is_empty();
            compared.verdict = if !self.between(|object| self.quiet(&self.bare(object))).is_empty() {
                Verdict::Ignored
            } else if !self.between(|object| self.quiet(object)).is_empty() {
                Verdict::Marks
            } else if exact {
                Verdict::Same
            } else {
                Verdict::Written
            };
            return;
        }
        let mut holders: BTreeMap<String, Vec<SmolStr>> = BTreeMap::new();
        let others = self.managers.iter().filter(|manager| {
            !deployer::is_ours(manager) && Deployer::of(manager).is_none() && manager.name != BEFORE_FIRST_APPLY
        });
        for manager in others {
            let (live, result) = (self.quiet(self.live), self.quiet(&self.result));
            let theirs: FieldSet = manager
                .fields
                .leaves()
                .into_iter()
                .filter(|path| edit::get(&live, path) != edit::get(&result, path))
                .collect();
            if theirs.is_empty() {
                continue;
            }
            let without = |object: &Node| {
                let mut object = self.quiet(&self.ignored(&self.bare(object)));
                edit::remove_all(&mut object, &theirs);
                object
            };
            let rest: BTreeSet<String> = self.between(without).into_iter().map(|(path, _)| path).collect();
            for (path, _) in all.iter().filter(|(path, _)| !rest.contains(path)) {
                let names = holders.entry(path.clone()).or_default();
                if !names.contains(&manager.name) {
                    names.push(manager.name.clone());
                }
            }
        }
        compared.differences = all
            .into_iter()
            .map(|(path, only_live)| Difference { holders: holders.remove(&path).unwrap_or_default(), path, only_live })
            .collect();
        let of_deployers = || compared.differences.iter().filter(|difference| difference.holders.is_empty());
        compared.verdict = if of_deployers().next().is_none() {
            Verdict::Held
        } else if of_deployers().all(|difference| difference.only_live) {
            Verdict::More
        } else {
            Verdict::Differs
        };
    }
}

/// What the API server drops where a type says `omitempty`: empty maps, lists and texts, false and zero.
pub(super) fn is_empty(node: &Node) -> bool {
    node.is_null()
        || node.as_map().is_some_and(Map::is_empty)
        || node.as_seq().is_some_and(<[Node]>::is_empty)
        || node.as_bool() == Some(false)
        || matches!(node.text(), Some("" | "0"))
}

/// A path as it is counted: items of lists are all one.
pub fn general(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('[') {
        let (before, bracket) = rest.split_at(at);
        out.push_str(before);
        // A quoted name is a key of a map; it may hold brackets.
        let quoted = bracket.starts_with("[\"");
        let end = if quoted { bracket.find("\"]").map(|end| end + 2) } else { bracket.find(']').map(|end| end + 1) };
        let (part, after) = bracket.split_at(end.unwrap_or(bracket.len()));
        out.push_str(if quoted || part == "[order]" { part } else { "[*]" });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
