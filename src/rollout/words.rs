//! What is said of a rollout: before it, while it runs, and of what it left. Lines for people; nothing is decided here.

use super::conduct::{Conductor, JobState, LaneState, Phase, TurnState};
use super::{Job, Kind, Lane, Rollout, Wave, span_of_time};
use crate::api::Millis;
use crate::report::{self, plural};

/// How many names are listed.
const NAMES: usize = 5;
/// After how long without an answer that is said.
const SILENT: Millis = 5_000;

fn listed(names: Vec<String>) -> String {
    report::listed(names, NAMES)
}

impl Rollout {
    /// The waves as a plan shows them, a line each, those of a lane after its name.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for lane in &self.lanes {
            let applications = lane.waves.iter().flat_map(|wave| &wave.turns).flat_map(|turn| &turn.places).count();
            let bound = lane.failures.map_or_else(String::new, |most| format!(", at most {most} may fail"));
            let waves = plural(lane.waves.len(), lane.noun());
            lines.push(format!("{}: {waves}, {}{bound}", lane.name, plural(applications, "application")));
            for (at, wave) in lane.waves.iter().enumerate() {
                lines.push(format!("  {} {}: {}", lane.noun(), lane.numbered(at), wave_text(lane, at, wave)));
            }
        }
        if !self.unmatched.is_empty() {
            let names = self.unmatched.iter().map(ToString::to_string).collect();
            lines.push(format!(
                "{} not updated, since no step of the ApplicationSet selects {}: {}",
                plural(self.unmatched.len(), "application"),
                if self.unmatched.len() == 1 { "it" } else { "them" },
                listed(names)
            ));
        }
        lines
    }
}

fn wave_text(lane: &Lane, at: usize, wave: &Wave) -> String {
    let names: Vec<String> = wave.turns.iter().map(|turn| turn.name.clone()).collect();
    if names.is_empty() {
        return "nothing to do".to_owned();
    }
    let mut text = format!("{}: {}", plural(names.len(), lane.turn()), listed(names));
    text.push_str(&at_once(wave));
    if lane.kind == Kind::Clusters && wave.budget() > 0 {
        text.push_str(&format!("; {} may fail", wave.budget()));
    }
    let lost: Vec<String> =
        wave.turns.iter().filter_map(|turn| Some(format!("{} ({})", turn.name, turn.lost.first()?))).collect();
    if !lost.is_empty() {
        text.push_str(&format!("; cannot be done: {}", listed(lost)));
    }
    if lane.waves.iter().skip(at + 1).any(|wave| !wave.turns.is_empty()) {
        if wave.soak > 0 {
            text.push_str(&format!("; then well for {}", span_of_time(wave.soak)));
        }
        if wave.pause {
            text.push_str("; then a pause");
        }
    }
    text
}

fn at_once(wave: &Wave) -> String {
    match wave.limit() {
        0 => ", none of which may update (maxUpdate 0)".to_owned(),
        most if most < wave.turns.len() => format!(", {most} at once"),
        _ => String::new(),
    }
}

/// Failures beyond a budget.
pub(super) fn over(lane: &Lane, of: usize, bad: usize, budget: usize, all: &str) -> String {
    format!("{bad} of {} failed{all}, {budget} may", plural(of, lane.turn()))
}

struct Tally {
    turns: usize,
    done: usize,
    failed: Vec<String>,
    runs: Vec<usize>,
}

fn tally(conductor: &Conductor, lane: usize, wave: usize) -> Tally {
    let states = conductor.turns(lane, wave);
    let names = conductor.rollout.lanes.get(lane).and_then(|lane| lane.waves.get(wave));
    let name = |turn: usize| names.and_then(|wave| wave.turns.get(turn)).map_or("", |turn| turn.name.as_str());
    let mut tally = Tally { turns: states.len(), done: 0, failed: Vec::new(), runs: Vec::new() };
    for (turn, state) in states.iter().enumerate() {
        match state {
            TurnState::Well => tally.done += 1,
            TurnState::Failed(why) => tally.failed.push(format!("{} ({why})", name(turn))),
            TurnState::Lost(why) => tally.failed.push(format!("{} (not reached: {why})", name(turn))),
            TurnState::Runs => tally.runs.push(turn),
            TurnState::Waits => {}
        }
    }
    tally
}

/// `38 of 40 clusters done, 1 failed: c7 (why)`.
fn counted(lane: &Lane, tally: &Tally) -> String {
    let mut text = format!("{} of {} done", tally.done, plural(tally.turns, lane.turn()));
    if !tally.failed.is_empty() {
        text.push_str(&format!(", {} failed: {}", tally.failed.len(), listed(tally.failed.clone())));
    }
    text
}

/// `waves 3 to 5 wait for it`; empty where nobody does.
fn later(lane: &Lane, open: usize, verb: (&str, &str)) -> String {
    let waiting: Vec<usize> = (open + 1..lane.waves.len())
        .filter(|at| lane.waves.get(*at).is_some_and(|wave| !wave.turns.is_empty()))
        .collect();
    match (waiting.as_slice(), waiting.first(), waiting.last()) {
        ([one], ..) => format!("{} {} {}", lane.noun(), one + 1, verb.0),
        ([_, .., _], Some(first), Some(last)) => {
            format!("{}s {} to {} {}", lane.noun(), first + 1, last + 1, verb.1)
        }
        _ => String::new(),
    }
}

fn parts(conductor: &Conductor, at: usize) -> Option<(&Lane, &LaneState)> {
    Some((conductor.rollout.lanes.get(at)?, conductor.lanes.get(at)?))
}

/// The wave that begins, where anybody is in it.
pub(super) fn begins(conductor: &Conductor, at: usize, wave: usize) -> Option<String> {
    let (lane, _) = parts(conductor, at)?;
    let turns = lane.waves.get(wave).filter(|wave| !wave.turns.is_empty())?;
    let number = plural(turns.turns.len(), lane.turn());
    Some(format!("{}: {} {} begins: {number}{}", lane.name, lane.noun(), lane.numbered(wave), at_once(turns)))
}

/// The next wave after the open one.
pub(super) fn opens(conductor: &Conductor, at: usize) -> Vec<String> {
    let Some((lane, state)) = parts(conductor, at) else { return Vec::new() };
    let open = state.open;
    let ended = lane.waves.get(open).is_some_and(|wave| !wave.turns.is_empty());
    let done = format!(
        "{}: {} {} is done: {}",
        lane.name,
        lane.noun(),
        lane.numbered(open),
        counted(lane, &tally(conductor, at, open))
    );
    ended.then_some(done).into_iter().chain(begins(conductor, at, open + 1)).collect()
}

/// A phase of the open wave after its work.
pub(super) fn enters(conductor: &Conductor, at: usize, open: usize, phase: &Phase) -> Option<String> {
    let (lane, _) = parts(conductor, at)?;
    let wave = format!("{}: {} {}", lane.name, lane.noun(), lane.numbered(open));
    let tally = tally(conductor, at, open);
    let soak = lane.waves.get(open).map_or(0, |wave| wave.soak);
    Some(match phase {
        Phase::Works => return None,
        Phase::Looks { .. } => format!("{wave} has been left alone for {}, and is looked at again", span_of_time(soak)),
        Phase::Soaks { .. } => {
            format!("{wave}: {}; {} before all must still be well", counted(lane, &tally), span_of_time(soak))
        }
        Phase::Paused => format!(
            "{wave}: {}; it is paused here: {}",
            counted(lane, &tally),
            later(lane, open, ("waits for `--continue`", "wait for `--continue`"))
        ),
        Phase::Stopped(why) => {
            let rest = later(lane, open, ("does not begin", "do not begin"));
            let rest = if rest.is_empty() { String::new() } else { format!("; {rest}") };
            format!("{wave}: stopped: {why}: {}{rest}", listed(tally.failed))
        }
        Phase::Done if tally.turns == 0 => return None,
        Phase::Done => format!("{wave} is done: {}", counted(lane, &tally)),
    })
}

/// What somebody is asked at a pause.
pub(super) fn pause(conductor: &Conductor, at: usize, open: usize) -> String {
    let Some((lane, _)) = parts(conductor, at) else { return String::new() };
    let next = (open + 1..lane.waves.len()).find_map(|wave| begins(conductor, at, wave));
    let next = next.map_or_else(String::new, |next| next.replace(" begins:", " would begin:"));
    format!("{} {} is done ({}); {next}", lane.noun(), lane.numbered(open), counted(lane, &tally(conductor, at, open)))
}

/// Who waits for whom in a lane.
pub(super) fn waits(conductor: &Conductor, at: usize, now: Millis) -> Option<String> {
    let (lane, state) = parts(conductor, at)?;
    let tally = tally(conductor, at, state.open);
    let rest = later(lane, state.open, ("waits for it", "wait for it"));
    let rest = if rest.is_empty() { String::new() } else { format!("; {rest}") };
    let wave = format!("{}: {} {}", lane.name, lane.noun(), lane.numbered(state.open));
    match &state.phase {
        Phase::Soaks { until } => {
            Some(format!("{wave}: well for {} more{rest}", span_of_time(until.saturating_sub(now).max(1_000))))
        }
        Phase::Works | Phase::Stopped(_) if !tally.runs.is_empty() => {
            let names: Vec<String> = tally.runs.iter().map(|turn| busy(conductor, at, *turn, now)).collect();
            Some(format!("{wave}: {}, waiting for {}{rest}", counted(lane, &tally), listed(names)))
        }
        _ => None,
    }
}

/// `eu-17 (no answer for 40 s)`.
fn busy(conductor: &Conductor, lane: usize, turn: usize, now: Millis) -> String {
    let open = conductor.lanes.get(lane).map_or(0, |lane| lane.open);
    let named = conductor.rollout.lanes.get(lane).and_then(|lane| lane.waves.get(open)?.turns.get(turn));
    let jobs = conductor.lanes.get(lane).and_then(|lane| lane.seats.get(open)?.get(turn)).into_iter().flatten();
    let mut runs = jobs.filter_map(|job| match conductor.states.get(*job) {
        Some(JobState::Runs { since }) => Some((*since, conductor.heard.get(*job)?)),
        _ => None,
    });
    let name = named.map_or("", |turn| turn.name.as_str());
    let Some((since, (heard, said))) = runs.next() else { return name.to_owned() };
    let silent = now.saturating_sub(*heard);
    if silent >= SILENT {
        return format!("{name} (no answer for {})", span_of_time(silent));
    }
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    format!("{name} (for {}{said})", span_of_time(now.saturating_sub(since)))
}

/// Why a job has not begun.
pub(super) fn why_not(conductor: &Conductor, job: &Job, is_shut: bool) -> String {
    for seat in &job.seats {
        let Some((lane, state)) = parts(conductor, seat.lane) else { continue };
        let open = format!("{} {}", lane.noun(), lane.numbered(state.open));
        match &state.phase {
            Phase::Stopped(why) => return format!("the rollout `{}` is stopped in {open}: {why}", lane.name),
            Phase::Paused => {
                return format!(
                    "the rollout `{}` is paused after {open}; `fleetc apply --continue` goes on",
                    lane.name
                );
            }
            _ if state.open < seat.wave => return format!("{} of `{}` is not over", open, lane.name),
            _ => {}
        }
    }
    let shut =
        job.seats.iter().filter(|_| is_shut).find_map(|seat| Some((seat, conductor.rollout.lanes.get(seat.lane)?)));
    match shut {
        Some((seat, lane)) => {
            let wave = format!("{} {} of `{}`", lane.noun(), lane.numbered(seat.wave), lane.name);
            match lane.waves.get(seat.wave).map_or(0, Wave::limit) {
                0 => format!("`maxUpdate` of {wave} lets nobody go"),
                _ => format!("those who failed hold the places that `maxUpdate` of {wave} has"),
            }
        }
        None => "the rollouts that it is in wait for each other".to_owned(),
    }
}

/// How a lane stands at the end.
pub(super) fn stands(conductor: &Conductor, at: usize) -> String {
    let Some((lane, state)) = parts(conductor, at) else { return String::new() };
    let wave = format!("{} {}", lane.noun(), lane.numbered(state.open));
    let tally = tally(conductor, at, state.open);
    let how = match &state.phase {
        Phase::Done if state.open + 1 == lane.waves.len() || !conductor.is_awaited(at, state.open) => "done".to_owned(),
        Phase::Paused => format!("paused after {wave}"),
        Phase::Stopped(why) => format!("stopped in {wave}: {why}"),
        _ => format!("came to {wave}: {}", counted(lane, &tally)),
    };
    format!("{}: {how}", lane.name)
}
