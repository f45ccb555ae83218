//! What is dangerous about a change, whoever makes it, and about an object as it is: what cannot be taken back, reaches beyond the object,
//! gives more rights, or will be refused.
//!
//! One table of rules ([`RULES`]), and one of checks by kind that find what they speak of (`checks`). [`marks`] looks at a change, for
//! `diff` and `plan`; [`state`] at one object with the others of its application, for `lint`. A finding is a warning for whoever reads it,
//! no refusal. Nothing is asked of a cluster, and what other applications have is not known here: a rule that cannot know is silent.
//! Labels and annotations have no marks, except the few that the rules name.

mod bounds;
mod checks;
mod definitions;
mod fixed;
mod gone;
mod look;
mod pods;
mod rights;
mod rules;
mod running;
mod traffic;

use smol_str::SmolStr;

use crate::k8s::object::Gvk;
use crate::rule::{Level, Rule, Suppression};
use crate::span::Span;
use crate::yaml::{Node, json};

use checks::CHECKS;
use look::Said;
pub use rules::RULES;

/// What happens to an object.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// It is made.
    Created(&'a Node),
    /// It becomes something else: before and after.
    Changed(&'a Node, &'a Node),
    /// It is deleted and made anew: before and after.
    Remade(&'a Node, &'a Node),
    /// It is deleted.
    Deleted(&'a Node),
}

impl<'a> Fate<'a> {
    fn before(self) -> Option<&'a Node> {
        match self {
            Fate::Created(_) => None,
            Fate::Changed(before, _) | Fate::Remade(before, _) | Fate::Deleted(before) => Some(before),
        }
    }

    fn after(self) -> Option<&'a Node> {
        match self {
            Fate::Deleted(_) => None,
            Fate::Created(after) | Fate::Changed(_, after) | Fate::Remade(_, after) => Some(after),
        }
    }

    /// Both states of an object that is there before and after.
    fn both(self) -> Option<(&'a Node, &'a Node)> {
        self.before().zip(self.after())
    }
}

/// The objects of an application; asked for only by the few checks that look beyond their object.
pub trait Others {
    /// All of them.
    fn all(&self) -> Vec<&Node>;
}

impl Others for Vec<Node> {
    fn all(&self) -> Vec<&Node> {
        self.iter().collect()
    }
}

/// Of an application of which nothing else is known.
pub const NOBODY: &dyn Others = &Vec::new();

/// What happens to an object, and among which others.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Its kind.
    pub gvk: &'a Gvk,
    /// What happens.
    pub fate: Fate<'a>,
    /// The objects of its application before.
    pub before: &'a dyn Others,
    /// And after.
    pub after: &'a dyn Others,
}

/// An object and those around it.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// The object.
    pub object: &'a Node,
    /// The objects of its application, itself among them.
    pub others: &'a dyn Others,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which rule.
    pub rule: &'static Rule,
    /// The field, without the first dot; empty for the object itself.
    pub path: String,
    /// Where it was written; none where nobody knows.
    pub span: Span,
    /// What is dangerous, one sentence without the object's name.
    pub message: String,
}

/// A danger as it is shown: it outlives the objects, and may come from a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Danger {
    /// Id of the rule.
    pub rule: SmolStr,
    /// What it counts as.
    pub level: Level,
    /// The field, without the first dot; empty for the object itself.
    pub path: String,
    /// One sentence without the object's name.
    pub message: String,
    /// Why it does not count, where somebody said so.
    pub reason: Option<String>,
}

/// `its data may go with it [danger/volume-goes]`.
impl std::fmt::Display for Danger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if !self.rule.is_empty() {
            write!(f, " [{}]", self.rule)?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// The dangers of a change: those that count, and those that somebody decided to live with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dangers {
    /// What counts.
    pub list: Vec<Danger>,
    /// What is suppressed, each with the reason.
    pub suppressed: Vec<Danger>,
}

impl Dangers {
    /// From what was found; suppressed is what the annotation of the object (as it becomes, or as it was before it goes) names with a reason.
    pub fn of(marks: Vec<Mark>, fate: Fate<'_>) -> Dangers {
        let mut dangers = Dangers::default();
        if marks.is_empty() {
            return dangers;
        }
        let said = fate.after().or(fate.before()).map(Suppression::of_object).unwrap_or_default();
        for Mark { rule, path, message, .. } in marks {
            let by = said.iter().find(|said| said.means(rule.id) && !said.reason.is_empty());
            let reason = by.map(|by| by.reason.clone());
            dangers.push(Danger { rule: SmolStr::new_static(rule.id), level: rule.level, path, message, reason });
        }
        dangers
    }

    /// One more.
    pub fn push(&mut self, danger: Danger) {
        let list = if danger.reason.is_some() { &mut self.suppressed } else { &mut self.list };
        list.push(danger);
    }

    /// One more of a rule of the table that no check finds.
    pub fn add(&mut self, id: &str, message: impl Into<String>) {
        if let Some(rule) = rule(id) {
            let (rule, level) = (SmolStr::new_static(rule.id), rule.level);
            self.push(Danger { rule, level, path: String::new(), message: message.into(), reason: None });
        }
    }

    /// What the worst of them counts as.
    pub fn worst(&self) -> Option<Level> {
        self.list.iter().map(|danger| danger.level).max()
    }

    /// Whether none counts.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those that count.
    pub fn iter(&self) -> std::slice::Iter<'_, Danger> {
        self.list.iter()
    }

    /// What they count as where somebody has a say; those that are off are gone, the worst come first.
    #[must_use]
    pub fn judged(&self, level: impl Fn(&str, Level) -> Level) -> Dangers {
        let judged = |list: &[Danger]| {
            let all = list.iter().map(|danger| Danger { level: level(&danger.rule, danger.level), ..danger.clone() });
            let mut kept: Vec<Danger> = all.filter(|danger| danger.level != Level::Off).collect();
            kept.sort_by_key(|danger| std::cmp::Reverse(danger.level));
            kept
        };
        Dangers { list: judged(&self.list), suppressed: judged(&self.suppressed) }
    }
}

/// What is looked at.
enum Check {
    /// It goes, for a while or for good; this is what goes with it.
    Goes(&'static str),
    /// It is made.
    Comes(&'static str),
    /// Something of it changes, below a field or anywhere in what it says; certificates of authorities do not count, controllers renew them.
    Changes(&'static [&'static str], &'static str),
    /// A field gets a certain value, or loses it.
    Becomes(&'static [&'static str], &'static str, &'static str),
    Loses(&'static [&'static str], &'static str, &'static str),
    /// Fields that a server lets nobody change once they are set, each with the value that it has where nothing is written, as JSON.
    Fixed(&'static [(&'static str, &'static str)]),
    /// Whatever happens to it.
    Any(fn(&Scene<'_>) -> Vec<Said>),
    /// What it says, on its own or beside the others: found in an object by itself, and in a change where it was not so before.
    Is(fn(&State<'_>) -> Vec<Said>),
    /// The same, but nothing to say of an object that is new: it is a matter of habits.
    Habit(fn(&State<'_>) -> Vec<Said>),
    /// The same of an object that is new, but not of one that changes: that it grows has a rule of its own.
    Stands(fn(&State<'_>) -> Vec<Said>),
}

/// A check: of which rule, of which groups and kinds (none for all), and what is looked at.
struct Row(&'static str, &'static [(&'static str, &'static str)], Check);

impl Row {
    fn concerns(&self, gvk: &Gvk) -> bool {
        self.1.is_empty() || self.1.iter().any(|(group, kind)| gvk.is(group, kind))
    }
}

/// The rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Whether a rule speaks of changes only, so that no single object can show it.
pub fn is_of_changes(id: &str) -> bool {
    rule(id).is_some()
        && id != rules::MISSING_LABEL
        && !CHECKS.iter().any(|row| row.0 == id && row.2.of_state().is_some())
}

/// Everything dangerous about what happens to an object.
pub fn marks(scene: &Scene<'_>) -> Vec<Mark> {
    let mut found = Vec::new();
    for row in CHECKS.iter().filter(|row| row.concerns(scene.gvk)) {
        let said = row.2.said(scene);
        if let Some(rule) = rule(row.0).filter(|_| !said.is_empty()) {
            found.extend(said.into_iter().map(|said| said.mark(rule)));
        }
    }
    found
}

/// [`marks`] with what the object itself says against them.
pub fn of(scene: &Scene<'_>) -> Dangers {
    Dangers::of(marks(scene), scene.fate)
}

/// Everything dangerous about an object as it is.
pub fn state(gvk: &Gvk, state: &State<'_>) -> Vec<Mark> {
    let mut found = Vec::new();
    for row in CHECKS.iter().filter(|row| row.concerns(gvk)) {
        if let (Some(check), Some(rule)) = (row.2.of_state(), rule(row.0)) {
            found.extend(check(state).into_iter().map(|said| said.mark(rule)));
        }
    }
    found
}

/// The rule about labels that an object has to have, of which only the fleet knows.
pub fn missing_label(object: &Node, message: String) -> Option<Mark> {
    let span = object.at(&["metadata", "labels"]).or(object.get("metadata")).map_or(Span::NONE, Node::span);
    Some(Said { path: "metadata.labels".to_owned(), span, message }.mark(rule(rules::MISSING_LABEL)?))
}

impl Check {
    /// What it finds in an object by itself.
    fn of_state(&self) -> Option<fn(&State<'_>) -> Vec<Said>> {
        match self {
            Check::Is(check) | Check::Habit(check) | Check::Stands(check) => Some(*check),
            _ => None,
        }
    }

    fn said(&self, scene: &Scene<'_>) -> Vec<Said> {
        let fate = scene.fate;
        let whole = |applies: bool, say: &str| if applies { vec![Said::whole(say)] } else { Vec::new() };
        let field = |applies: bool, path: &[&str], say: &str| {
            let node = fate.after().and_then(|after| after.at(path));
            if applies { vec![Said::at(path.join("."), node, say)] } else { Vec::new() }
        };
        match self {
            Check::Goes(say) => whole(matches!(fate, Fate::Deleted(_) | Fate::Remade(..)), say),
            Check::Comes(say) => whole(matches!(fate, Fate::Created(_)), say),
            Check::Changes(path, say) => {
                let differs = |(before, after): (&Node, &Node)| {
                    without_authorities(before.at(path)) != without_authorities(after.at(path))
                };
                field(fate.both().is_some_and(differs), path, say)
            }
            Check::Becomes(path, value, say) => {
                field(fate.both().is_some_and(|(old, new)| !is(old, path, value) && is(new, path, value)), path, say)
            }
            Check::Loses(path, value, say) => {
                field(fate.both().is_some_and(|(old, new)| is(old, path, value) && !is(new, path, value)), path, say)
            }
            Check::Fixed(fields) => match fate {
                Fate::Changed(before, after) => fixed::changed(fields, before, after),
                _ => Vec::new(),
            },
            Check::Any(check) => check(scene),
            Check::Is(check) => gained(*check, scene, true),
            Check::Habit(check) => gained(*check, scene, false),
            Check::Stands(check) => match fate {
                Fate::Created(object) => check(&State { object, others: scene.after }),
                _ => Vec::new(),
            },
        }
    }
}

fn is(object: &Node, path: &[&str], value: &str) -> bool {
    object.at(path).and_then(Node::text) == Some(value)
}

/// What is said of an object as it becomes and was not said of it before.
fn gained(check: fn(&State<'_>) -> Vec<Said>, scene: &Scene<'_>, of_new: bool) -> Vec<Said> {
    let Some(after) = scene.fate.after() else { return Vec::new() };
    if scene.fate.before().is_none() && !of_new {
        return Vec::new();
    }
    let mut said = check(&State { object: after, others: scene.after });
    if let Some(before) = scene.fate.before().filter(|_| !said.is_empty()) {
        let had = check(&State { object: before, others: scene.before });
        said.retain(|said| !had.iter().any(|had| had.message == said.message));
    }
    said
}

/// A value without `caBundle`, wherever it is, as text.
fn without_authorities(node: Option<&Node>) -> Option<String> {
    fn clean(node: &mut Node) {
        if let Some(map) = node.map_mut() {
            map.remove("caBundle");
            map.iter_mut().for_each(|(_, value)| clean(value));
        } else if let Some(items) = node.seq_mut() {
            items.iter_mut().for_each(clean);
        }
    }
    let mut node = node?.clone();
    clean(&mut node);
    json::to_json(&node).ok()
}

#[cfg(test)]
mod tests;
