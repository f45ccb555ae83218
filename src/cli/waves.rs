//! Carries out a plan in waves: what the machine of a rollout says may begin is begun on the driver, what ended is told to it.
//!
//! Without a rollout everything begins at once. Nothing is decided here but what counts as well, failed and not reached, and nothing is
//! remembered: the next run finds what is done in its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use fleetc::application::AppKey;
use fleetc::apply::{self, Basis, ClusterOutcome, Counts, DETAIL, SliceOutcome, SliceResult};
use fleetc::diag::{Cause, Diagnostic, did_you_mean};
use fleetc::host::cluster::{ClusterConnection, Lead, News, Start};
use fleetc::machine::Machine;
use fleetc::plan::{ClusterInput, ClusterPlan, SlicePlan};
use fleetc::rollout::{Command, Conductor, End, Event, Job, Outcome, Pass, Place, Rollout, Rule, jobs};
use fleetc::span::Span;
use serde_json::json;

use super::apply::{Journal, clean};
use super::args::{Apply, RolloutArgs};
use super::planning::{Planning, Target};
use super::session::eprint_line;

/// How long a plan stands as it was made; later every slice is planned anew, as for a saved one.
const FRESH: u64 = 60_000;

/// A cluster that can be worked on.
struct Site<'a> {
    number: usize,
    connection: &'a ClusterConnection,
    input: &'a ClusterInput,
    plan: ClusterPlan,
    basis: Basis,
}

/// The rollout as the command line wants it, and what it agrees to.
///
/// # Errors
/// `--continue` names a wave that there is not.
pub(super) fn chosen(
    mut rollout: Rollout,
    rules: &[Rule],
    args: &RolloutArgs,
) -> Result<(Rollout, Pass), Box<Diagnostic>> {
    if args.no_rollout {
        rollout = Rollout::default();
    }
    let mut known: BTreeSet<String> = rollout.wave_names().into_iter().collect();
    known.extend(rules.iter().flat_map(|rule| &rule.waves).map(|wave| wave.name.clone()));
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let is_unknown = |name: &&String| !name.is_empty() && !is_number(name) && !known.contains(*name);
    if let Some(name) = args.go_on.iter().find(is_unknown) {
        let message = format!("no rollout has a wave `{name}`");
        let mut error = Diagnostic::error("rollout/wave", Span::NONE, message).cause(Cause::Usage);
        error.hints.extend(did_you_mean(name, known.iter().map(String::as_str)));
        return Err(Box::new(error.hint("`--continue` alone passes the pause that an earlier run came to")));
    }
    if let Some(most) = args.max_failures {
        for lane in &mut rollout.lanes {
            lane.failures = Some(most);
            lane.waves.iter_mut().for_each(|wave| wave.failures = Some(most));
        }
    }
    let pass = Pass {
        reached: args.go_on.iter().any(String::is_empty),
        named: args.go_on.iter().filter(|name| !name.is_empty()).cloned().collect(),
    };
    Ok((rollout, pass))
}

/// Runs the work on all clusters; what became of each, by name, and how the rollout stands.
pub(super) fn carry_out(
    planning: &Planning,
    approved: Vec<(ClusterPlan, Basis)>,
    (rollout, pass): (Rollout, Pass),
    options: &apply::Options,
    journal: &mut Journal,
    args: &Apply,
) -> (Vec<ClusterOutcome>, Conductor) {
    let mut outcomes: BTreeMap<String, ClusterOutcome> = BTreeMap::new();
    let (mut sites, mut lost, mut work) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (number, (target, (plan, basis))) in planning.targets.iter().zip(approved).enumerate() {
        let Target { input, connection, is_used } = target;
        let name = input.cluster.clone();
        let failed = match (connection, &plan.failed) {
            (_, Some(why)) => Some(if plan.slices.is_empty() && !is_used { String::new() } else { why.clone() }),
            (Err(why), None) if !plan.slices.is_empty() => Some(why.clone()),
            (Err(_), None) => continue,
            (Ok(_), None) => None,
        };
        let ranks = apply::ranks(&plan, input);
        for slice in &plan.slices {
            let application = slice.key.application.clone();
            let rank = ranks.get(&application).copied().unwrap_or_default();
            work.insert(Place { cluster: name.clone(), application }, (slice.has_work(), rank));
        }
        let outcome = ClusterOutcome { cluster: name.clone(), ..ClusterOutcome::default() };
        let outcome = outcomes.entry(name.clone()).or_insert(outcome);
        if let Some(why) = failed {
            outcome.failed.clone_from(&why);
            lost.insert(name, why);
        } else if let Ok(connection) = connection {
            sites.insert(name, Site { number, connection, input, plan, basis });
        }
    }
    let unmatched = rollout.unmatched.clone();
    let jobs = jobs(&rollout, &work);
    let health: Vec<bool> = jobs
        .iter()
        .map(|job| {
            let wave = |seat: &fleetc::rollout::Seat| rollout.lanes.get(seat.lane)?.waves.get(seat.wave);
            job.seats.iter().filter_map(wave).any(|wave| wave.health)
        })
        .collect();
    let timeout = |job: &Job| {
        let lanes = job.seats.iter().filter_map(|seat| rollout.lanes.get(seat.lane)?.timeout);
        lanes.min().map(Duration::from_millis)
    };
    let timeouts: Vec<Option<Duration>> = jobs.iter().map(timeout).collect();
    let mut conductor = Conductor::new(rollout, jobs, pass, &lost);
    let session = &planning.session;
    loop {
        let progress = session.progress("applying");
        planning.driver.conduct(planning.run, &mut |now, news| {
            let mut events = Vec::new();
            for one in news {
                match one {
                    News::Said(id, text) => {
                        let cluster = conductor.jobs().get(id / 2).map_or("", |job| job.cluster.as_str());
                        let (is_detail, text) =
                            text.strip_prefix(DETAIL).map_or((false, text.as_str()), |text| (true, text));
                        let text = clean(text);
                        journal.write(cluster, &json!({"said": text}));
                        let line = format!("{cluster}: {text}");
                        if is_detail && !args.planning.target.fleet.options.verbose {
                            progress.set_message(line);
                        } else {
                            progress.suspend(|| session.say(&line));
                        }
                        events.push(Event::Said(id / 2, text));
                    }
                    News::Heard(id, at) => events.push(Event::Heard(id / 2, at)),
                    News::Ended(id, outcome) => {
                        let Some(job) = conductor.jobs().get(id / 2) else { continue };
                        let broke =
                            || ClusterOutcome { failed: "the work broke off".to_owned(), ..ClusterOutcome::default() };
                        let outcome = outcome.unwrap_or_else(broke);
                        let plan = sites.get(&job.cluster).map(|site| &site.plan);
                        let end = ended(&outcome, plan);
                        events.push(if id % 2 == 0 {
                            Event::Ended(id / 2, end)
                        } else {
                            let wrong = match end.outcome {
                                Outcome::Well => None,
                                Outcome::Failed(why) | Outcome::Lost(why) => Some(why),
                            };
                            Event::Looked(id / 2, wrong)
                        });
                        if let Some(known) = outcomes.get_mut(&job.cluster) {
                            merge(known, outcome, id % 2 == 1);
                        }
                    }
                }
            }
            let step = conductor.step(now, events);
            for line in step.say.iter().map(|line| clean(line)) {
                journal.write("", &json!({"rollout": line}));
                progress.suspend(|| session.say(&line));
            }
            let begin = |command: &Command| {
                let (Command::Begin(at) | Command::Look(at)) = *command;
                let looks = matches!(command, Command::Look(_));
                let job = conductor.jobs().get(at)?;
                let site = sites.get(&job.cluster)?;
                Some(Start {
                    id: at * 2 + usize::from(looks),
                    cluster: site.number,
                    connection: site.connection.clone(),
                    machine: machine(site, job, health.get(at) == Some(&true), looks, now, options),
                    deadline: timeouts.get(at).copied().flatten(),
                })
            };
            let start: Vec<Start<ClusterOutcome>> = step.commands.iter().filter_map(begin).collect();
            Lead { start, wake: step.wake.filter(|_| !step.over) }
        });
        progress.finish_and_clear();
        if !agree(&mut conductor, args) {
            break;
        }
    }
    left(&conductor, &unmatched, &work, &mut outcomes);
    let mut outcomes: Vec<ClusterOutcome> = outcomes.into_values().collect();
    outcomes.iter_mut().for_each(|outcome| outcome.slices.sort_by(|a, b| a.application.cmp(&b.application)));
    (outcomes, conductor)
}

/// The work of a job: its slices applied, then healthy; or only looked at.
fn machine(
    site: &Site<'_>,
    job: &Job,
    health: bool,
    looks: bool,
    now: u64,
    options: &apply::Options,
) -> Machine<ClusterOutcome> {
    let meant = |slice: &&SlicePlan| job.places.iter().any(|place| place.application == slice.key.application);
    let slices: Vec<SlicePlan> = site.plan.slices.iter().filter(meant).cloned().collect();
    let plan = ClusterPlan {
        cluster: site.plan.cluster.clone(),
        identity: site.plan.identity.clone(),
        version: site.plan.version.clone(),
        slices,
        ..ClusterPlan::default()
    };
    let basis = match &site.basis {
        Basis::Fresh { since, .. } if now.saturating_sub(*since) >= FRESH => Basis::Saved,
        basis => basis.clone(),
    };
    let (input, options) = (site.input.clone(), options.clone());
    Machine::new(move |port| async move {
        let mut outcome = if looks {
            let unchanged =
                |plan: SlicePlan| SliceOutcome::new(&plan.key.application, SliceResult::Unchanged, String::new());
            let slices = plan.slices.into_iter().map(unchanged).collect();
            ClusterOutcome { cluster: plan.cluster, failed: String::new(), slices }
        } else {
            apply::apply(port.clone(), input.clone(), plan, basis, options.clone()).await
        };
        if health && outcome.failed.is_empty() {
            apply::settle(port, &input, &mut outcome, &options).await;
        }
        outcome
    })
}

/// How a job has ended: what was left alone although something was to be done has failed, too; where no answer came, nobody was reached.
fn ended(outcome: &ClusterOutcome, plan: Option<&ClusterPlan>) -> End {
    let changed = outcome.slices.iter().any(|slice| slice.counts != Counts::default());
    if !outcome.failed.is_empty() {
        return End { outcome: Outcome::Lost(outcome.failed.clone()), changed };
    }
    let had_work = |application: &AppKey| {
        let slices = plan.into_iter().flat_map(|plan| &plan.slices);
        slices.filter(|slice| slice.key.application == *application).any(SlicePlan::has_work)
    };
    let (mut failed, mut away) = (None, None);
    for slice in &outcome.slices {
        let said = |why: &str| format!("{}: {why}", slice.application);
        match slice.result {
            SliceResult::Failed => {
                let silent = slice.errors.iter().all(|(_, why)| why.starts_with("no answer: "));
                let slot = if silent { &mut away } else { &mut failed };
                let first = slice.errors.iter().find(|(_, why)| silent || !why.starts_with("no answer: "));
                let text = |(object, why): &(Option<_>, String)| match object {
                    Some(object) => said(&format!("{object}: {why}")),
                    None => said(why),
                };
                slot.get_or_insert_with(|| first.map_or_else(String::new, text));
            }
            SliceResult::Skipped if had_work(&slice.application) => {
                failed.get_or_insert_with(|| said(&slice.why));
            }
            _ => {}
        }
    }
    let outcome = match (failed, away) {
        (Some(why), _) => Outcome::Failed(why),
        (None, Some(why)) => Outcome::Lost(why),
        (None, None) => Outcome::Well,
    };
    End { outcome, changed }
}

/// Adds what became of a job to what is known of its cluster. What was looked at again counts where it is not well any more.
fn merge(known: &mut ClusterOutcome, new: ClusterOutcome, looked: bool) {
    if known.failed.is_empty() {
        known.failed = new.failed;
    }
    for slice in new.slices {
        match known.slices.iter_mut().find(|before| before.application == slice.application) {
            Some(before) if looked => {
                if slice.result == SliceResult::Failed {
                    before.result = SliceResult::Failed;
                    before.errors.extend(slice.errors);
                }
            }
            Some(before) => *before = slice,
            None => known.slices.push(slice),
        }
    }
}

/// What has not begun, and why.
fn left(
    conductor: &Conductor,
    unmatched: &[Place],
    work: &BTreeMap<Place, (bool, (i64, usize))>,
    outcomes: &mut BTreeMap<String, ClusterOutcome>,
) {
    let mut skip = |place: &Place, why: &str| {
        let has_work = work.get(place).is_some_and(|(has_work, _)| *has_work);
        let (result, why) = if has_work { (SliceResult::Skipped, why) } else { (SliceResult::Unchanged, "") };
        if let Some(outcome) = outcomes.get_mut(&place.cluster).filter(|outcome| outcome.failed.is_empty()) {
            outcome.slices.push(SliceOutcome::new(&place.application, result, why.to_owned()));
        }
    };
    for (at, job) in conductor.jobs().iter().enumerate() {
        let why = conductor.why_not(at);
        if !why.is_empty() {
            job.places.iter().for_each(|place| skip(place, &why));
        }
    }
    let why =
        "no step of its ApplicationSet's rollingSync selects it, so it is never updated; `--no-rollout` applies it";
    unmatched.iter().for_each(|place| skip(place, why));
}

/// Asks on a terminal about every pause; whether anybody agreed to any.
fn agree(conductor: &mut Conductor, args: &Apply) -> bool {
    if args.yes || !std::io::stdin().is_terminal() {
        return false;
    }
    let mut any = false;
    for (lane, question) in conductor.paused() {
        eprint_line(&format!("{}; go on? `yes` does:", clean(&question)));
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).is_ok() && line.trim() == "yes" {
            conductor.agree(lane);
            any = true;
        }
    }
    any
}
