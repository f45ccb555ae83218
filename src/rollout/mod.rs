//! How a run goes over a fleet in waves: who goes when, how many at once, when a failure stops the rest.
//!
//! In: rules of fleet.yaml ([`Rule`]), the steps of ApplicationSets ([`Step`]), and how every application on every cluster stands
//! ([`Fact`]). Out: a [`Rollout`], the waves with those who have a turn in them, and its [`Conductor`], a step machine that says what may
//! begin now and hears what ended. Nothing here applies anything, asks a cluster, reads a clock or remembers a run: which turns are over
//! follows from a new plan, which finds nothing to do in them.
//!
//! Rules of `rollingSync`: argo-cd v3.5 `applicationset/progressivesync/progressive_sync.go`; amounts: k8s.io/apimachinery
//! `GetScaledValueFromIntOrPercent`, rounded down.

mod amount;
mod assign;
mod conduct;
mod data;
mod rule;
mod step;
mod words;

pub use amount::{Amount, span_of_time, time};
pub use assign::{Fact, Standing, assign};
pub use conduct::{Advance, Command, Conductor, End, Event, Job, Outcome, Pass, Seat, jobs};
pub use rule::{Rule, WaveRule, check};
pub use step::Step;

use crate::api::Millis;
use crate::application::AppKey;

/// One application on one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The cluster, as its bundle is called.
    pub cluster: String,
    /// The application.
    pub application: AppKey,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.application, self.cluster)
    }
}

/// The waves of a run. Who is in none of its lanes waits for nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Lanes do not wait for each other. Who is in two of them waits in both.
    pub lanes: Vec<Lane>,
    /// Applications that no step of their ApplicationSet selects: Argo CD never syncs them by itself, and neither does a run.
    pub unmatched: Vec<Place>,
}

/// Waves that go one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// For people, unique in the run.
    pub name: String,
    /// What its turns are.
    pub kind: Kind,
    /// How many turns may fail in all waves together; `None` for no such bound.
    pub failures: Option<Amount>,
    /// How long the work on a cluster may take; then it is given up and counts as failed.
    pub timeout: Option<Millis>,
    /// In order.
    pub waves: Vec<Wave>,
}

/// What the turns of a lane are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clusters: `rollout` of fleet.yaml. A failure over budget stops the wave that it is in.
    Clusters,
    /// Applications of an ApplicationSet: `rollingSync`. One that fails keeps its place among those that may update at once, and keeps
    /// the next step from beginning; the others of its step go on.
    Applications,
    /// Applications of an ApplicationSet that is gone: `deletionOrder: Reverse`. One at a time.
    Removals,
}

/// One wave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wave {
    /// For people; empty where it has none.
    pub name: String,
    /// How many turns at once; `None` for all.
    pub at_once: Option<Amount>,
    /// How many turns may fail.
    pub failures: Option<Amount>,
    /// How long its turns must have been well before the next wave begins.
    pub soak: Millis,
    /// Whether somebody has to say that the next wave may begin.
    pub pause: bool,
    /// Whether health is waited for.
    pub health: bool,
    /// Of how many shares are taken: all that it is about, those without a turn in this run too.
    pub members: usize,
    /// Those who have something to do in it, or whom a later wave waits for.
    pub turns: Vec<Turn>,
}

/// A turn: a cluster, or an application on one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// For people.
    pub name: String,
    /// Its cluster.
    pub cluster: String,
    /// What is worked on or looked after in it.
    pub places: Vec<Place>,
    /// Why something of it cannot be done at all, one sentence each: it counts as failed before anything began.
    pub lost: Vec<String>,
}

impl Lane {
    /// `2 of 5 (canary)`, from the index of a wave.
    pub fn numbered(&self, wave: usize) -> String {
        let name = self.waves.get(wave).map_or("", |wave| wave.name.as_str());
        let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
        format!("{} of {}{name}", wave + 1, self.waves.len())
    }

    /// What one of its waves is called.
    pub(crate) fn noun(&self) -> &'static str {
        if self.kind == Kind::Clusters { "wave" } else { "step" }
    }

    /// What one of its turns is called.
    pub(crate) fn turn(&self) -> &'static str {
        if self.kind == Kind::Clusters { "cluster" } else { "application" }
    }
}

impl Wave {
    /// How many of its turns may be worked on at once.
    pub fn limit(&self) -> usize {
        self.at_once.map_or(usize::MAX, |amount| amount.at_once(self.members.max(self.turns.len())))
    }

    /// How many of its turns may fail.
    pub fn budget(&self) -> usize {
        self.failures.map_or(0, |amount| amount.of(self.members.max(self.turns.len())))
    }
}

impl Rollout {
    /// The names by which waves are called: names and numbers.
    pub fn wave_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for lane in &self.lanes {
            for (at, wave) in lane.waves.iter().enumerate() {
                names.push((at + 1).to_string());
                names.extend((!wave.name.is_empty()).then(|| wave.name.clone()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Leaves out the places that are not meant, and turns without any; those of lost clusters stay where the cluster is meant.
    pub fn retain(&mut self, is_meant: impl Fn(&Place) -> bool, is_cluster: impl Fn(&str) -> bool) {
        for wave in self.lanes.iter_mut().flat_map(|lane| &mut lane.waves) {
            for turn in &mut wave.turns {
                turn.places.retain(&is_meant);
            }
            wave.turns.retain(|turn| !turn.places.is_empty() || (!turn.lost.is_empty() && is_cluster(&turn.cluster)));
        }
        self.unmatched.retain(is_meant);
        self.lanes.retain(|lane| lane.waves.iter().any(|wave| !wave.turns.is_empty()));
    }
}

#[cfg(test)]
mod tests;
