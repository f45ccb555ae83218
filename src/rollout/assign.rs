//! Who has a turn in which wave, from how every application on every cluster stands.
//!
//! Those with something to do have one. Those without have one where a later wave of theirs has something to do with applications of
//! their kin, those of the same ApplicationSet: what was rolled out before must still be well, and what cannot be rolled out counts as
//! failed. So sets that do not move do not hold up those that do.

use std::collections::{BTreeMap, BTreeSet};

use super::{Amount, Kind, Lane, Place, Rollout, Rule, Step, Turn, Wave};

/// How an application on a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is something to do.
    Work,
    /// It is as it should be.
    Same,
    /// There may be something to do, which cannot be done, and why: it was refused, its cluster cannot be reached.
    Lost(String),
}

/// What is known of an application on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Where.
    pub place: Place,
    /// How it stands.
    pub standing: Standing,
    /// What it shares with those that are the same elsewhere: its ApplicationSet; empty for those that none made.
    pub kin: String,
    /// The rule of fleet.yaml that counts for it, and the wave of its cluster there.
    pub wave: Option<(usize, usize)>,
    /// Its ApplicationSet and its step there.
    pub step: Option<(String, Step)>,
    /// Whether it leaves, and its ApplicationSet is gone, which had that step.
    pub leaves: bool,
}

/// The waves of a run.
pub fn assign(rules: &[Rule], facts: &[Fact]) -> Rollout {
    let mut rollout = Rollout::default();
    // Nobody works on what no step selects, whatever its cluster's wave.
    let unmatched = |fact: &Fact| !fact.leaves && fact.step.as_ref().is_some_and(|(_, step)| step.number.is_none());
    for (at, rule) in rules.iter().enumerate() {
        let of_rule = facts
            .iter()
            .filter(|fact| !unmatched(fact))
            .filter_map(|fact| Some((fact.wave.filter(|(rule, _)| *rule == at)?.1, fact)));
        let waves = rule.waves.iter().map(|wave| Wave {
            name: wave.name.clone(),
            at_once: wave.at_once,
            failures: wave.failures,
            soak: wave.soak,
            pause: wave.pause,
            health: wave.health,
            ..Wave::default()
        });
        let lane = Lane {
            name: rule.name.clone(),
            kind: Kind::Clusters,
            failures: rule.failures,
            timeout: rule.timeout,
            waves: waves.collect(),
        };
        rollout.lanes.extend(seated(lane, of_rule.collect()));
    }
    let mut sets: BTreeMap<(&str, bool), Vec<(&Step, &Fact)>> = BTreeMap::new();
    for fact in facts {
        let Some((set, step)) = &fact.step else { continue };
        if step.number.is_some() {
            sets.entry((set, fact.leaves)).or_default().push((step, fact));
        } else if fact.standing == Standing::Work && unmatched(fact) {
            rollout.unmatched.push(fact.place.clone());
        }
    }
    for ((set, leaves), members) in sets {
        rollout.lanes.extend(if leaves { removals(set, &members) } else { steps(set, &members) });
    }
    rollout.unmatched.sort();
    rollout
}

fn steps(set: &str, members: &[(&Step, &Fact)]) -> Option<Lane> {
    let of = members.iter().map(|(step, _)| step.of).max().unwrap_or(0);
    let mut waves: Vec<Wave> = (0..of).map(|_| Wave { health: true, ..Wave::default() }).collect();
    let mut placed = Vec::new();
    for (step, fact) in members {
        let Some(number) = step.number else { continue };
        if let Some(wave) = waves.get_mut(number - 1) {
            wave.at_once = step.at_once;
        }
        placed.push((number - 1, *fact));
    }
    let name = format!("ApplicationSet {set}");
    seated(Lane { name, kind: Kind::Applications, failures: None, timeout: None, waves }, placed)
}

/// One after another, from the last step backwards.
fn removals(set: &str, members: &[(&Step, &Fact)]) -> Option<Lane> {
    let of = members.iter().map(|(step, _)| step.of).max().unwrap_or(0);
    let waves = (0..of).map(|_| Wave { at_once: Some(Amount::Number(1)), ..Wave::default() }).collect();
    let placed = members.iter().filter_map(|(step, fact)| Some((of.checked_sub(step.number?)?, *fact))).collect();
    let name = format!("removal of ApplicationSet {set}");
    seated(Lane { name, kind: Kind::Removals, failures: None, timeout: None, waves }, placed)
}

/// Gives turns; `None` where nothing is to be done in any wave.
fn seated(mut lane: Lane, facts: Vec<(usize, &Fact)>) -> Option<Lane> {
    // Of each kin the last wave in which there is something to do.
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (wave, fact) in facts.iter().filter(|(_, fact)| fact.standing == Standing::Work) {
        let known = last.entry(&fact.kin).or_insert(*wave);
        *known = (*known).max(*wave);
    }
    if last.is_empty() {
        return None;
    }
    let turn_of = |fact: &Fact| match lane.kind {
        Kind::Clusters => fact.place.cluster.clone(),
        Kind::Applications | Kind::Removals => fact.place.to_string(),
    };
    let mut members: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut turns: BTreeMap<(usize, String), Turn> = BTreeMap::new();
    for (wave, fact) in facts {
        let name = turn_of(fact);
        members.entry(wave).or_default().insert(name.clone());
        let until = last.get(fact.kin.as_str()).copied();
        let takes_part = match &fact.standing {
            Standing::Work => true,
            Standing::Same => until > Some(wave),
            Standing::Lost(_) => until >= Some(wave),
        };
        if !takes_part {
            continue;
        }
        let turn = turns.entry((wave, name.clone())).or_insert_with(|| Turn {
            name,
            cluster: fact.place.cluster.clone(),
            ..Turn::default()
        });
        match &fact.standing {
            Standing::Lost(why) if !turn.lost.contains(why) => turn.lost.push(why.clone()),
            Standing::Lost(_) => {}
            Standing::Work | Standing::Same => turn.places.push(fact.place.clone()),
        }
    }
    for ((wave, _), turn) in turns {
        if let Some(wave) = lane.waves.get_mut(wave) {
            wave.turns.push(turn);
        }
    }
    for (at, wave) in lane.waves.iter_mut().enumerate() {
        wave.members = members.get(&at).map_or(0, BTreeSet::len);
    }
    Some(lane)
}
