//! How the slices of all chosen clusters stand, asked for once: what `drift` and `status` share. Nothing is changed anywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetc::diag::{Diagnostic, did_you_mean};
use fleetc::machine::Machine;
use fleetc::plan::survey::{ClusterState, Look, survey};
use fleetc::span::Span;

use super::args::FilterArgs;
use super::planning::{Planning, Target};

/// Looks at every cluster next to the others; one that does not answer in time is failed. A state for each target, in their order; clusters for
/// which the fleet has nothing and that cannot be reached are notes.
pub(crate) fn states(planning: &mut Planning, look: &Look, timeout: u64) -> Vec<ClusterState> {
    planning.run.deadline = Some(Duration::from_secs(timeout));
    let progress = planning.session.progress("looking at the clusters");
    let (mut work, mut at, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for (place, Target { input, connection, .. }) in planning.targets.iter().enumerate() {
        let mut state = ClusterState { cluster: input.cluster.clone(), ..ClusterState::default() };
        match connection {
            Ok(connection) => {
                let (input, look) = (input.clone(), look.clone());
                work.push((connection.clone(), Machine::new(|port| survey(port, input, look))));
                at.push(place);
                state.failed = Some(format!("it gave no answer within {timeout} s"));
            }
            Err(why) => state.failed = Some(why.clone()),
        }
        states.push(state);
    }
    let results = planning.driver.run(work, planning.run, &mut |_, text| progress.set_message(text));
    for (place, result) in at.into_iter().zip(results) {
        if let (Some(slot), Some(result)) = (states.get_mut(place), result) {
            *slot = result;
        }
    }
    for (state, target) in states.iter_mut().zip(&planning.targets) {
        if !target.is_used
            && let Some(why) = state.failed.take()
        {
            state.notes.push(format!("not looked at, and the fleet has nothing for it: {why}"));
        }
    }
    progress.finish_and_clear();
    planning.run.deadline = None;
    states
}

/// What is to be said where the filters let no application through.
pub(crate) fn nothing(planning: &Planning, states: &[ClusterState], filter: &FilterArgs) -> Option<Diagnostic> {
    if states.iter().any(|state| state.failed.is_some() || !state.slices.is_empty()) {
        return None;
    }
    let warning = Diagnostic::warning("plan/empty", Span::NONE, "no application is meant");
    let mut warning = warning.hint("the filters let none through, or the fleet has none");
    let known = planning.targets.iter().flat_map(|target| &target.input.known);
    let names: BTreeSet<&str> = known.map(|app| app.name.as_str()).collect();
    for app in &filter.apps {
        warning.hints.extend(did_you_mean(app, names.iter().copied()));
    }
    Some(warning)
}
