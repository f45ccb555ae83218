//! The decisions of a run in waves, as a step machine: events and the time in, what may begin now out.
//!
//! A wave begins when the one before it is over: everybody in it has ended, no more failed than may, its soak is over and all are still
//! well, and nobody has to be asked. Who cannot be reached counts then, and does not hold up the others of his wave; who was worked on
//! and failed stops, beyond the budget, also those of his wave who have not begun. What runs is never broken off here. The machine is over
//! when nothing runs and nothing may begin; what has not begun then says why ([`Conductor::why_not`]).

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use super::{Kind, Place, Rollout, Wave};
use crate::api::Millis;

/// How often it is said who waits for whom.
const SAY_EVERY: Millis = 10_000;

/// A turn of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Index in [`Rollout::lanes`].
    pub lane: usize,
    /// Index in its waves.
    pub wave: usize,
    /// Index in its turns.
    pub turn: usize,
}

/// What is begun as a whole: applications of one cluster with the same turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The cluster.
    pub cluster: String,
    /// What is worked on or looked after.
    pub places: Vec<Place>,
    /// Its turns; none for what waits for nobody.
    pub seats: Vec<Seat>,
    /// Jobs of lower ranks of the same cluster go first, where they may go: they bring what this one needs.
    pub rank: (i64, usize),
    /// Whether there is nothing to do, so that it is only seen whether all is well.
    pub only_looks: bool,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it changed anything.
    pub changed: bool,
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be.
    Well,
    /// It was worked on, and something is not, and why.
    Failed(String),
    /// Its cluster could not be reached, and why.
    Lost(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A job has ended that was begun.
    Ended(usize, End),
    /// A job was looked at again: what is not well, where something is not.
    Looked(usize, Option<String>),
    /// The cluster of a job last answered at this time.
    Heard(usize, Millis),
    /// A job said something.
    Said(usize, String),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin a job.
    Begin(usize),
    /// See whether all of a job that has ended is still well.
    Look(usize),
}

/// What a step gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// What is to be done now.
    pub commands: Vec<Command>,
    /// What people may want to know, a line each.
    pub say: Vec<String>,
    /// When it wants to be asked again, whatever happens until then.
    pub wake: Option<Millis>,
    /// Nothing runs, and nothing will begin.
    pub over: bool,
}

/// What somebody has agreed to (`--continue`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Pauses after waves in which nothing has changed in this run: those that an earlier one came to.
    pub reached: bool,
    /// Pauses after these waves, by name or number.
    pub named: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    Waits,
    Runs { since: Millis },
    Over(End),
}

/// How a lane stands at its open wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Works,
    Soaks { until: Millis },
    Looks { left: BTreeSet<usize> },
    Paused,
    Stopped(String),
    Done,
}

/// A lane at work.
#[derive(Clone, Debug)]
pub(super) struct LaneState {
    pub(super) open: usize,
    pub(super) phase: Phase,
    /// Whether anything has changed in it.
    changed: bool,
    /// By wave and turn: its jobs.
    pub(super) seats: Vec<Vec<Vec<usize>>>,
}

/// How a turn stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TurnState {
    Waits,
    Runs,
    Well,
    Failed(String),
    Lost(String),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Conductor {
    pub(super) rollout: Rollout,
    pub(super) jobs: Vec<Job>,
    pub(super) states: Vec<JobState>,
    pub(super) lanes: Vec<LaneState>,
    /// By job: when its cluster last answered, and what it said last.
    pub(super) heard: Vec<(Millis, String)>,
    pass: Pass,
    looking: BTreeSet<usize>,
    say_next: Option<Millis>,
    say: Vec<String>,
    asked: BTreeSet<(usize, usize)>,
    begun: bool,
}

/// The jobs of a run: of each place whether there is something to do, and its rank. Places that are in no step are in no job.
pub fn jobs(rollout: &Rollout, work: &BTreeMap<Place, (bool, (i64, usize))>) -> Vec<Job> {
    let mut seats: BTreeMap<&Place, Vec<Seat>> = BTreeMap::new();
    for (lane, waves) in rollout.lanes.iter().map(|lane| &lane.waves).enumerate() {
        for (wave, turns) in waves.iter().map(|wave| &wave.turns).enumerate() {
            for (turn, places) in turns.iter().map(|turn| &turn.places).enumerate() {
                places.iter().for_each(|place| seats.entry(place).or_default().push(Seat { lane, wave, turn }));
            }
        }
    }
    let mut groups: BTreeMap<(&str, Vec<Seat>), Job> = BTreeMap::new();
    for (place, (has_work, rank)) in work {
        if rollout.unmatched.contains(place) {
            continue;
        }
        let seats = seats.get(place).cloned().unwrap_or_default();
        let job = groups.entry((&place.cluster, seats.clone())).or_insert_with(|| Job {
            cluster: place.cluster.clone(),
            places: Vec::new(),
            seats,
            rank: (i64::MAX, usize::MAX),
            only_looks: true,
        });
        job.places.push(place.clone());
        if *has_work {
            job.rank = job.rank.min(*rank);
            job.only_looks = false;
        }
    }
    groups.into_values().collect()
}

impl Conductor {
    /// A run that has not begun. `lost` says of clusters why nothing can be done there.
    pub fn new(rollout: Rollout, jobs: Vec<Job>, pass: Pass, lost: &BTreeMap<String, String>) -> Self {
        let mut lanes: Vec<LaneState> = rollout
            .lanes
            .iter()
            .map(|lane| LaneState {
                open: 0,
                phase: Phase::Works,
                changed: false,
                seats: lane.waves.iter().map(|wave| vec![Vec::new(); wave.turns.len()]).collect(),
            })
            .collect();
        for (at, job) in jobs.iter().enumerate() {
            for seat in &job.seats {
                let turns = lanes.get_mut(seat.lane).and_then(|lane| lane.seats.get_mut(seat.wave));
                if let Some(jobs) = turns.and_then(|turns| turns.get_mut(seat.turn)) {
                    jobs.push(at);
                }
            }
        }
        let state = |job: &Job| match lost.get(&job.cluster) {
            Some(why) => JobState::Over(End { outcome: Outcome::Lost(why.clone()), changed: false }),
            None => JobState::Waits,
        };
        Conductor {
            states: jobs.iter().map(state).collect(),
            heard: vec![(0, String::new()); jobs.len()],
            rollout,
            jobs,
            lanes,
            pass,
            looking: BTreeSet::new(),
            say_next: None,
            say: Vec::new(),
            asked: BTreeSet::new(),
            begun: false,
        }
    }

    /// The jobs, in the order of their indexes.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Goes on as far as the events allow.
    pub fn step(&mut self, now: Millis, events: Vec<Event>) -> Advance {
        for event in events {
            self.take(event);
        }
        if !std::mem::replace(&mut self.begun, true) {
            let lines: Vec<String> = (0..self.lanes.len()).filter_map(|lane| words::begins(self, lane, 0)).collect();
            self.say.extend(lines);
        }
        let mut commands = Vec::new();
        for lane in 0..self.lanes.len() {
            while self.advance(lane, now, &mut commands) {}
        }
        self.begin(now, &mut commands);
        let runs = self.states.iter().any(|state| matches!(state, JobState::Runs { .. })) || !self.looking.is_empty();
        let soaks = self.lanes.iter().filter_map(|lane| match lane.phase {
            Phase::Soaks { until } => Some(until),
            _ => None,
        });
        let soak = soaks.min();
        let over = !runs && soak.is_none();
        if over {
            self.say_next = None;
        } else {
            let next = *self.say_next.get_or_insert(now.saturating_add(SAY_EVERY));
            if now >= next {
                self.say_next = Some(now.saturating_add(SAY_EVERY));
                let lines = self.waits(now);
                self.say.extend(lines);
            }
        }
        let wake = [soak, self.say_next].into_iter().flatten().min();
        Advance { commands, say: std::mem::take(&mut self.say), wake, over }
    }

    /// Lanes that wait for somebody to agree: index, and what is done and what would begin.
    pub fn paused(&self) -> Vec<(usize, String)> {
        let paused = self.lanes.iter().enumerate().filter(|(_, lane)| lane.phase == Phase::Paused);
        paused.map(|(at, lane)| (at, words::pause(self, at, lane.open))).collect()
    }

    /// Somebody has agreed.
    pub fn agree(&mut self, lane: usize) {
        if let Some(state) = self.lanes.get(lane).filter(|state| state.phase == Phase::Paused) {
            self.asked.insert((lane, state.open));
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Ended(job, end) => {
                if !matches!(self.states.get(job), Some(JobState::Runs { .. })) {
                    return;
                }
                let seats = self.jobs.get(job).map(|job| job.seats.clone()).unwrap_or_default();
                for seat in seats {
                    if let Some(lane) = self.lanes.get_mut(seat.lane) {
                        lane.changed |= end.changed;
                    }
                }
                if let Some(state) = self.states.get_mut(job) {
                    *state = JobState::Over(end);
                }
            }
            Event::Looked(job, wrong) => {
                if !self.looking.remove(&job) {
                    return;
                }
                for lane in &mut self.lanes {
                    if let Phase::Looks { left } = &mut lane.phase {
                        left.remove(&job);
                    }
                }
                if let (Some(why), Some(JobState::Over(end))) = (wrong, self.states.get_mut(job)) {
                    end.outcome = Outcome::Failed(why);
                }
            }
            Event::Heard(job, at) => {
                if let Some(heard) = self.heard.get_mut(job) {
                    heard.0 = heard.0.max(at);
                }
            }
            Event::Said(job, text) => {
                if let Some(heard) = self.heard.get_mut(job) {
                    heard.1 = text;
                }
            }
        }
    }

    /// How a turn stands.
    pub(super) fn turn(&self, lane: usize, wave: usize, turn: usize) -> TurnState {
        let lost = self.rollout.lanes.get(lane).and_then(|lane| lane.waves.get(wave)?.turns.get(turn)?.lost.first());
        let jobs = self.lanes.get(lane).and_then(|lane| lane.seats.get(wave)?.get(turn));
        let states: Vec<&JobState> = jobs.into_iter().flatten().filter_map(|job| self.states.get(*job)).collect();
        let ended = |state: &&&JobState| matches!(state, JobState::Over(_));
        if states.iter().any(|state| matches!(state, JobState::Runs { .. })) {
            return TurnState::Runs;
        }
        let bad = states.iter().find_map(|state| match state {
            JobState::Over(End { outcome: Outcome::Failed(why), .. }) => Some(why),
            _ => None,
        });
        let away = states.iter().find_map(|state| match state {
            JobState::Over(End { outcome: Outcome::Lost(why), .. }) => Some(why),
            _ => None,
        });
        match (states.iter().filter(ended).count() == states.len(), bad, away.or(lost)) {
            (false, ..) => TurnState::Waits,
            (true, Some(why), _) => TurnState::Failed(why.clone()),
            (true, None, Some(why)) => TurnState::Lost(why.clone()),
            (true, None, None) => TurnState::Well,
        }
    }

    fn has_failed(&self, lane: usize, wave: usize, turn: usize) -> bool {
        let jobs = self.lanes.get(lane).and_then(|lane| lane.seats.get(wave)?.get(turn)).into_iter().flatten();
        let failed = |job: &usize| {
            matches!(self.states.get(*job), Some(JobState::Over(End { outcome: Outcome::Failed(_), .. })))
        };
        jobs.copied().any(|job| failed(&job))
    }

    pub(super) fn turns(&self, lane: usize, wave: usize) -> Vec<TurnState> {
        let number =
            self.rollout.lanes.get(lane).and_then(|lane| lane.waves.get(wave)).map_or(0, |wave| wave.turns.len());
        (0..number).map(|turn| self.turn(lane, wave, turn)).collect()
    }

    fn wave(&self, lane: usize, wave: usize) -> Option<&Wave> {
        self.rollout.lanes.get(lane)?.waves.get(wave)
    }

    /// Whether the failures of a wave are more than may be, or those of all waves so far; `with_lost` counts those, too, who could not
    /// be reached.
    fn over_budget(&self, lane: usize, wave: usize, with_lost: bool) -> Option<String> {
        let is_bad = |wave: usize, (turn, state): (usize, &TurnState)| match state {
            TurnState::Lost(_) => with_lost,
            // One part of it may have failed while others are still at work.
            _ => self.has_failed(lane, wave, turn),
        };
        let bad = |wave: usize| {
            self.turns(lane, wave).iter().enumerate().filter(|(turn, state)| is_bad(wave, (*turn, state))).count()
        };
        let lane_of = self.rollout.lanes.get(lane)?;
        let (here, budget) = (bad(wave), self.wave(lane, wave)?.budget());
        if here > budget {
            return Some(words::over(lane_of, self.turns(lane, wave).len(), here, budget, ""));
        }
        let all = lane_of.waves.iter().map(|wave| wave.members.max(wave.turns.len())).sum();
        let budget = lane_of.failures?.of(all);
        let sum: usize = (0..=wave).map(bad).sum();
        (sum > budget).then(|| words::over(lane_of, all, sum, budget, " in all waves"))
    }

    /// Takes a lane one phase further; whether it went.
    fn advance(&mut self, at: usize, now: Millis, commands: &mut Vec<Command>) -> bool {
        let Some(lane) = self.lanes.get(at) else { return false };
        let (open, phase) = (lane.open, lane.phase.clone());
        let kind = self.rollout.lanes.get(at).map(|lane| lane.kind);
        let next = match phase {
            Phase::Stopped(_) | Phase::Done => return false,
            Phase::Works => {
                let turns = self.turns(at, open);
                let is_over = turns.iter().all(|turn| !matches!(turn, TurnState::Waits | TurnState::Runs));
                let stops = kind == Some(Kind::Clusters) && self.has_waiting(at, open);
                match self.over_budget(at, open, is_over) {
                    Some(why) if is_over || stops => {
                        if is_over && !self.is_awaited(at, open) {
                            Phase::Done
                        } else {
                            Phase::Stopped(why)
                        }
                    }
                    _ if !is_over => return false,
                    _ if !self.is_awaited(at, open) => Phase::Done,
                    // Nobody is in it, so nobody waits for it.
                    _ if turns.is_empty() => return self.open_next(at, now),
                    _ => self.after_work(at, open, now),
                }
            }
            Phase::Soaks { until } if now < until => return false,
            Phase::Soaks { .. } => self.look(at, open, commands),
            Phase::Looks { left } if !left.is_empty() => return false,
            Phase::Looks { .. } => match self.over_budget(at, open, true) {
                Some(why) => Phase::Stopped(why),
                None => self.gate(at, open),
            },
            Phase::Paused if self.asked.contains(&(at, open)) => return self.open_next(at, now),
            Phase::Paused => return false,
        };
        // The gate is open.
        if next == Phase::Works {
            return self.open_next(at, now);
        }
        let line = words::enters(self, at, open, &next);
        self.say.extend(line);
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.phase = next;
        }
        true
    }

    /// Whether a later wave has turns.
    pub(super) fn is_awaited(&self, lane: usize, wave: usize) -> bool {
        let waves = self.rollout.lanes.get(lane).map(|lane| lane.waves.as_slice()).unwrap_or_default();
        waves.iter().skip(wave + 1).any(|wave| !wave.turns.is_empty())
    }

    fn has_waiting(&self, lane: usize, wave: usize) -> bool {
        let jobs = self.lanes.get(lane).and_then(|lane| lane.seats.get(wave)).into_iter().flatten().flatten();
        self.is_awaited(lane, wave) || jobs.copied().any(|job| self.states.get(job) == Some(&JobState::Waits))
    }

    fn after_work(&self, lane: usize, open: usize, now: Millis) -> Phase {
        let soak = self.wave(lane, open).map_or(0, |wave| wave.soak);
        if soak > 0 && !self.is_confirmed(lane) {
            return Phase::Soaks { until: now.saturating_add(soak) };
        }
        self.gate(lane, open)
    }

    /// Whether somebody has agreed to all that an earlier run came to.
    fn is_confirmed(&self, lane: usize) -> bool {
        self.pass.reached && self.lanes.get(lane).is_some_and(|lane| !lane.changed)
    }

    /// After everything else: [`Phase::Works`] stands for an open gate.
    fn gate(&self, lane: usize, open: usize) -> Phase {
        let Some(wave) = self.wave(lane, open) else { return Phase::Done };
        let named = self.pass.named.contains(&(open + 1).to_string())
            || (!wave.name.is_empty() && self.pass.named.contains(&wave.name));
        if wave.pause && !named && !self.is_confirmed(lane) { Phase::Paused } else { Phase::Works }
    }

    /// After the soak all that was well is looked at again.
    fn look(&mut self, lane: usize, open: usize, commands: &mut Vec<Command>) -> Phase {
        if !self.wave(lane, open).is_some_and(|wave| wave.health) {
            return self.gate(lane, open);
        }
        let jobs = self.lanes.get(lane).and_then(|lane| lane.seats.get(open)).into_iter().flatten().flatten();
        let is_well =
            |job: &&usize| matches!(self.states.get(**job), Some(JobState::Over(End { outcome: Outcome::Well, .. })));
        let left: BTreeSet<usize> = jobs.filter(is_well).copied().collect();
        commands.extend(left.iter().filter(|job| !self.looking.contains(job)).map(|job| Command::Look(*job)));
        self.looking.extend(&left);
        Phase::Looks { left }
    }

    fn open_next(&mut self, lane: usize, now: Millis) -> bool {
        let line = words::opens(self, lane);
        if let Some(state) = self.lanes.get_mut(lane) {
            state.open += 1;
            state.phase = Phase::Works;
        }
        self.say.extend(line);
        self.say_next = Some(now.saturating_add(SAY_EVERY));
        true
    }

    /// Whether all lanes of a job have come to its wave.
    fn may(&self, job: &Job) -> bool {
        job.seats.iter().all(|seat| {
            let open = |lane: &LaneState| lane.open == seat.wave && lane.phase == Phase::Works;
            self.lanes.get(seat.lane).is_some_and(open)
        })
    }

    /// Whether there is room for a job among those of its waves who are worked on.
    fn has_room(&self, job: &Job) -> bool {
        job.only_looks
            || job.seats.iter().all(|seat| {
                let Some(limit) = self.wave(seat.lane, seat.wave).map(Wave::limit) else { return false };
                let keeps = self.rollout.lanes.get(seat.lane).is_some_and(|lane| lane.kind != Kind::Clusters);
                let takes = |turn: usize| {
                    turn != seat.turn
                        && (self.is_worked_on(seat.lane, seat.wave, turn)
                            || (keeps && self.has_failed(seat.lane, seat.wave, turn)))
                };
                let number = self.wave(seat.lane, seat.wave).map_or(0, |wave| wave.turns.len());
                (0..number).filter(|turn| takes(*turn)).count() < limit
            })
    }

    fn is_worked_on(&self, lane: usize, wave: usize, turn: usize) -> bool {
        let jobs = self.lanes.get(lane).and_then(|lane| lane.seats.get(wave)?.get(turn)).into_iter().flatten();
        let runs = |job: &usize| matches!(self.states.get(*job), Some(JobState::Runs { .. }));
        jobs.copied().any(|job| runs(&job) && self.jobs.get(job).is_some_and(|job| !job.only_looks))
    }

    fn begin(&mut self, now: Millis, commands: &mut Vec<Command>) {
        let may: Vec<bool> = self.jobs.iter().map(|job| self.may(job)).collect();
        for at in 0..self.jobs.len() {
            let Some(job) = self.jobs.get(at) else { continue };
            if self.states.get(at) != Some(&JobState::Waits) || may.get(at) != Some(&true) {
                continue;
            }
            let goes_first = |(other, before): (usize, &Job)| {
                before.cluster == job.cluster
                    && !before.only_looks
                    && !job.only_looks
                    && before.rank < job.rank
                    && match self.states.get(other) {
                        Some(JobState::Waits) => may.get(other) == Some(&true) && !self.is_shut(before),
                        Some(JobState::Runs { .. }) => true,
                        _ => false,
                    }
            };
            if self.jobs.iter().enumerate().any(goes_first) || !self.has_room(job) {
                continue;
            }
            if let Some(state) = self.states.get_mut(at) {
                *state = JobState::Runs { since: now };
            }
            if let Some(heard) = self.heard.get_mut(at) {
                *heard = (now, String::new());
            }
            commands.push(Command::Begin(at));
        }
    }

    /// Whether a job is in a step in which nobody may go, or none more since those who failed keep their places.
    fn is_shut(&self, job: &Job) -> bool {
        !job.only_looks
            && job.seats.iter().any(|seat| {
                let keeps = self.rollout.lanes.get(seat.lane).is_some_and(|lane| lane.kind != Kind::Clusters);
                let failed = |state: &&TurnState| matches!(state, TurnState::Failed(_));
                let kept = if keeps { self.turns(seat.lane, seat.wave).iter().filter(failed).count() } else { 0 };
                self.wave(seat.lane, seat.wave).is_none_or(|wave| wave.limit() <= kept)
            })
    }

    /// Why a job has not begun; empty where it has.
    pub fn why_not(&self, job: usize) -> String {
        let waits = self.states.get(job) == Some(&JobState::Waits);
        match self.jobs.get(job) {
            Some(job) if waits => words::why_not(self, job, self.is_shut(job)),
            _ => String::new(),
        }
    }

    /// Who waits for whom: a line for each lane in which somebody does.
    pub fn waits(&self, now: Millis) -> Vec<String> {
        (0..self.lanes.len()).filter_map(|lane| words::waits(self, lane, now)).collect()
    }

    /// How each lane stands, a line each.
    pub fn lines(&self) -> Vec<String> {
        (0..self.lanes.len()).map(|lane| words::stands(self, lane)).collect()
    }

    /// Whether every lane went to its end.
    pub fn is_complete(&self) -> bool {
        self.lanes.iter().all(|lane| lane.phase == Phase::Done)
    }
}
