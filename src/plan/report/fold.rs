//! What a report says in one line for many objects: changes that only name a version or a checksum, and objects that stay.

use crate::k8s::noise;
use crate::plan::action::{Action, Verb};

/// From how many objects on they are folded.
const MANY: usize = 3;

/// Objects in one line.
#[derive(Debug)]
pub(super) struct Fold<'p> {
    /// What they have in common.
    pub(super) what: String,
    /// The verb.
    pub(super) verb: &'p Verb,
    /// The objects.
    pub(super) actions: Vec<&'p Action>,
}

/// The actions that are shown each by itself, and the others.
pub(super) fn folded<'p>(actions: &[&'p Action], verbose: bool) -> (Vec<&'p Action>, Vec<Fold<'p>>) {
    let (mut shown, mut folds): (Vec<&Action>, Vec<Fold<'_>>) = (Vec::new(), Vec::new());
    for action in actions {
        let Some(what) = common(action).filter(|_| !verbose) else {
            shown.push(action);
            continue;
        };
        match folds.iter_mut().find(|fold| fold.what == what) {
            Some(fold) => fold.actions.push(action),
            None => folds.push(Fold { what, verb: &action.verb, actions: vec![action] }),
        }
    }
    let (many, few): (Vec<_>, Vec<_>) = folds.into_iter().partition(|fold| fold.actions.len() >= MANY);
    shown.extend(few.into_iter().flat_map(|fold| fold.actions));
    shown.sort_by_key(|action| action.place);
    (shown, many)
}

/// What an action has in common with others of which nobody need see each; `None` where it should be seen.
pub(crate) fn common(action: &Action) -> Option<String> {
    if !action.dangers.is_empty() || !action.yields.is_empty() || action.withheld.is_some() {
        return None;
    }
    match action.verb {
        Verb::Keep | Verb::Release => Some(action.why.clone()),
        Verb::Change | Verb::Adopt if !action.changes.is_empty() => {
            noise::only(action.changes.iter().map(|change| change.path.as_str()))
        }
        Verb::Change => Some(action.why.clone()).filter(|why| !why.is_empty()),
        _ => None,
    }
}
