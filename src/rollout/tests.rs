//! Decisions by a virtual clock: scenes, and random fleets against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::Millis;
use crate::span::FileId;
use crate::yaml::{Dialect, Limits, Node, parse_strict};

fn key(name: &str) -> AppKey {
    AppKey { instance: String::new(), namespace: "argocd".into(), name: name.into() }
}

fn place(cluster: &str, app: &str) -> Place {
    Place { cluster: cluster.into(), application: key(app) }
}

fn node(text: &str) -> Node {
    parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).expect("YAML").remove(0)
}

/// Waves over clusters, each with one application to change.
fn lane(name: &str, waves: &[(&str, &[&str])]) -> Lane {
    let turn = |cluster: &&str| Turn {
        name: (*cluster).to_owned(),
        cluster: (*cluster).to_owned(),
        places: vec![place(cluster, name)],
        lost: Vec::new(),
    };
    let wave = |(name, clusters): &(&str, &[&str])| Wave {
        name: (*name).to_owned(),
        health: true,
        members: clusters.len(),
        turns: clusters.iter().map(turn).collect(),
        ..Wave::default()
    };
    Lane {
        name: name.to_owned(),
        kind: Kind::Clusters,
        failures: None,
        timeout: None,
        waves: waves.iter().map(wave).collect(),
    }
}

fn all_work(rollout: &Rollout) -> BTreeMap<Place, (bool, (i64, usize))> {
    let turns = rollout.lanes.iter().flat_map(|lane| &lane.waves).flat_map(|wave| &wave.turns);
    turns.flat_map(|turn| &turn.places).map(|place| (place.clone(), (true, (0, 0)))).collect()
}

/// A run with a virtual clock. What a job takes and how it ends is said by cluster; who is not named takes a second and ends well.
struct Run {
    conductor: Conductor,
    now: Millis,
    ends: BTreeMap<&'static str, (Millis, Outcome)>,
    looks: BTreeMap<&'static str, &'static str>,
    running: Vec<(Millis, usize, bool)>,
    began: Vec<(Millis, String)>,
    said: Vec<String>,
}

impl Run {
    fn new(lanes: Vec<Lane>) -> Run {
        let rollout = Rollout { lanes, unmatched: Vec::new() };
        let work = all_work(&rollout);
        Run::with(rollout, &work, Pass::default())
    }

    fn with(rollout: Rollout, work: &BTreeMap<Place, (bool, (i64, usize))>, pass: Pass) -> Run {
        let jobs = jobs(&rollout, work);
        Run {
            conductor: Conductor::new(rollout, jobs, pass, &BTreeMap::new()),
            now: 1_000_000,
            ends: BTreeMap::new(),
            looks: BTreeMap::new(),
            running: Vec::new(),
            began: Vec::new(),
            said: Vec::new(),
        }
    }

    fn end(mut self, cluster: &'static str, after: Millis, outcome: Outcome) -> Run {
        self.ends.insert(cluster, (after, outcome));
        self
    }

    fn cluster(&self, job: usize) -> String {
        self.conductor.jobs()[job].cluster.clone()
    }

    /// Goes on until nothing may begin any more.
    fn go(&mut self) {
        let mut events = Vec::new();
        for _ in 0..10_000 {
            let step = self.conductor.step(self.now, std::mem::take(&mut events));
            self.said.extend(step.say);
            for command in step.commands {
                match command {
                    Command::Begin(job) => {
                        let cluster = self.cluster(job);
                        let after = self.ends.get(cluster.as_str()).map_or(1_000, |end| end.0);
                        self.began.push((self.now - 1_000_000, cluster));
                        self.running.push((self.now + after, job, false));
                    }
                    Command::Look(job) => self.running.push((self.now + 10, job, true)),
                }
            }
            if step.over {
                assert!(self.running.is_empty());
                return;
            }
            self.running.sort();
            let first = self.running.first().map(|(at, ..)| *at);
            self.now = [first, step.wake].into_iter().flatten().min().expect("something to wait for").max(self.now);
            while let Some((at, job, looks)) = self.running.first().copied().filter(|(at, ..)| *at <= self.now) {
                assert!(at <= self.now);
                self.running.remove(0);
                let cluster = self.cluster(job);
                events.push(if looks {
                    Event::Looked(job, self.looks.get(cluster.as_str()).map(|why| (*why).to_owned()))
                } else {
                    let outcome = self.ends.get(cluster.as_str()).map_or(Outcome::Well, |end| end.1.clone());
                    let changed = !self.conductor.jobs()[job].only_looks;
                    Event::Ended(job, End { outcome, changed })
                });
            }
        }
        panic!("it does not end");
    }

    fn began(&self) -> Vec<String> {
        self.began.iter().map(|(at, cluster)| format!("{cluster} {at}")).collect()
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(why.to_owned())
}

#[test]
fn amounts_are_those_of_kubernetes() {
    for (text, all, of, at_once) in [
        ("3", 10, Some(3), 3),
        ("25%", 10, Some(2), 2),
        ("25%", 3, Some(0), 1),
        ("0%", 3, Some(0), 0),
        ("0", 3, Some(0), 0),
        ("100%", 7, Some(7), 7),
        ("-1", 7, None, 0),
        ("1.5", 7, None, 0),
        ("%", 7, None, 0),
        ("99999999999999999999", 7, None, 0),
    ] {
        let amount = Amount::parse(text);
        assert_eq!(amount.map(|amount| amount.of(all)), of, "{text}");
        assert_eq!(amount.map_or(0, |amount| amount.at_once(all)), at_once, "{text}");
    }
    // `intstr`: a string without a percent sign is no amount.
    let read = |text: &str| Amount::read(&node(text));
    assert_eq!(
        [read("3"), read("'3'"), read("'50%'"), read("50%")],
        [Some(Amount::Number(3)), None, Some(Amount::Percent(50)), Some(Amount::Percent(50))]
    );
    assert_eq!([time("90s"), time("1h30m"), time("-1s"), time("soon")], [Some(90_000), Some(5_400_000), None, None]);
    assert_eq!([span_of_time(5_400_000), span_of_time(45_999), span_of_time(0)], ["1 h 30 min", "45 s", "0 s"]);
}

#[test]
fn waves_go_one_after_another_and_so_many_at_once() {
    let mut two = lane("web", &[("canary", &["a"]), ("eu", &["b", "c", "d"]), ("", &["e"])]);
    two.waves[1].at_once = Some(Amount::Percent(67));
    two.waves[1].soak = 5_000;
    let mut run = Run::new(vec![two]);
    run.go();
    assert_eq!(run.began(), ["a 0", "b 1000", "c 1000", "d 2000", "e 8010"]);
    assert!(run.conductor.is_complete());
    let said = run.said.join("\n");
    for line in [
        "web: wave 1 of 3 (canary) begins: 1 cluster",
        "web: wave 1 of 3 (canary) is done: 1 of 1 cluster done",
        "web: wave 2 of 3 (eu) begins: 3 clusters, 2 at once",
        "web: wave 2 of 3 (eu): 3 of 3 clusters done; 5 s before all must still be well",
        "web: wave 3 of 3 is done: 1 of 1 cluster done",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn a_failure_over_budget_stops_and_who_cannot_be_reached_does_not_hold_up_his_wave() {
    let waves: &[(&str, &[&str])] = &[("one", &["a", "b", "c", "d"]), ("two", &["e"])];
    let with = |budget: usize, at_once: usize, end: Outcome| {
        let mut lane = lane("web", waves);
        lane.waves[0].failures = Some(Amount::Number(budget));
        lane.waves[0].at_once = Some(Amount::Number(at_once));
        let mut run = Run::new(vec![lane]).end("a", 500, end);
        run.go();
        run
    };
    let stopped = with(0, 1, failed("no image"));
    assert_eq!(stopped.began(), ["a 0"]);
    assert_eq!(
        stopped.conductor.why_not(1),
        "the rollout `web` is stopped in wave 1 of 2 (one): 1 of 4 clusters failed, 0 may"
    );
    assert!(stopped.said.join("\n").contains("a (no image); wave 2 does not begin"), "{:?}", stopped.said);
    // Within the budget all goes on.
    let went_on = with(1, 1, failed("no image"));
    assert_eq!(went_on.began(), ["a 0", "b 500", "c 1500", "d 2500", "e 3500"]);
    assert!(went_on.conductor.is_complete());
    // One that hangs counts at the end of its wave.
    let lost = with(0, 2, Outcome::Lost("no answer".into()));
    assert_eq!(lost.began(), ["a 0", "b 0", "c 500", "d 1000"]);
    assert!(!lost.conductor.is_complete());
    assert!(lost.said.join("\n").contains("a (not reached: no answer)"), "{:?}", lost.said);
    // The budget of all waves together.
    let mut both = lane("web", &[("", &["a", "b"]), ("", &["c", "d"]), ("", &["e"])]);
    both.failures = Some(Amount::Percent(20));
    both.waves.iter_mut().for_each(|wave| wave.failures = Some(Amount::Number(1)));
    let mut run = Run::new(vec![both]).end("a", 1, failed("x")).end("c", 1, failed("y"));
    run.go();
    assert_eq!(run.began(), ["a 0", "b 0", "c 1000", "d 1000"]);
    assert_eq!(
        run.conductor.why_not(4),
        "the rollout `web` is stopped in wave 2 of 3: 2 of 5 clusters failed in all waves, 1 may"
    );
}

#[test]
fn what_is_not_well_after_the_soak_stops() {
    let mut soaks = lane("web", &[("one", &["a", "b"]), ("two", &["c"])]);
    soaks.waves[0].soak = 60_000;
    let mut run = Run::new(vec![soaks.clone()]);
    run.looks.insert("b", "Deployment shop/web: Degraded");
    run.go();
    assert_eq!(run.began(), ["a 0", "b 0"]);
    assert!(
        run.said
            .iter()
            .any(|line| line.contains("stopped: 1 of 2 clusters failed, 0 may: b (Deployment shop/web: Degraded)")),
        "{:?}",
        run.said
    );
    assert!(run.said.iter().any(|line| line.contains("well for 51 s more; wave 2 waits for it")), "{:?}", run.said);
    // Without health nobody looks.
    soaks.waves[0].health = false;
    let mut run = Run::new(vec![soaks]);
    run.looks.insert("b", "Deployment shop/web: Degraded");
    run.go();
    assert_eq!(run.began(), ["a 0", "b 0", "c 61000"]);
}

#[test]
fn pauses_are_passed_by_who_confirms_them() {
    let mut pauses = lane("web", &[("canary", &["a"]), ("eu", &["b"]), ("us", &["c"])]);
    pauses.waves[0].pause = true;
    pauses.waves[0].soak = 60_000;
    pauses.waves[1].pause = true;
    let rollout = Rollout { lanes: vec![pauses], unmatched: Vec::new() };
    let work = all_work(&rollout);
    let pass = |reached: bool, named: &[&str]| Pass { reached, named: named.iter().map(ToString::to_string).collect() };
    let mut run = Run::with(rollout.clone(), &work, pass(false, &[]));
    run.go();
    assert_eq!(run.began(), ["a 0"]);
    assert_eq!(
        run.conductor.why_not(1),
        "the rollout `web` is paused after wave 1 of 3 (canary); `fleetc apply --continue` goes on"
    );
    assert_eq!(
        run.conductor.paused(),
        [(
            0,
            "wave 1 of 3 (canary) is done (1 of 1 cluster done); web: wave 2 of 3 (eu) would begin: 1 cluster"
                .to_owned()
        )]
    );
    // Somebody says yes on a terminal; the next pause asks again.
    run.conductor.agree(0);
    run.go();
    assert_eq!(run.began.len(), 2);
    // `--continue` in the first run passes no pause that this run comes to.
    let mut run = Run::with(rollout.clone(), &work, pass(true, &[]));
    run.go();
    assert_eq!(run.began.len(), 1);
    // By name and number it does.
    for named in ["canary", "1"] {
        let mut run = Run::with(rollout.clone(), &work, pass(false, &[named]));
        run.go();
        assert_eq!(run.began(), ["a 0", "b 61010"], "{named}");
    }
    // A new plan finds the first wave done: `--continue` passes its pause and its soak, and comes to the next pause.
    let mut later = work.clone();
    later.insert(place("a", "web"), (false, (0, 0)));
    let mut run = Run::with(rollout.clone(), &later, pass(true, &[]));
    run.go();
    assert_eq!(run.began(), ["a 0", "b 1000"]);
    // Without it, it stands where it stood; and what was done and is not well any more stops.
    let mut run = Run::with(rollout.clone(), &later, pass(false, &[]));
    run.go();
    assert_eq!(run.began(), ["a 0"]);
    let mut run = Run::with(rollout, &later, pass(true, &[])).end("a", 10, failed("Degraded"));
    run.go();
    assert_eq!(run.began(), ["a 0"]);
    assert!(!run.conductor.is_complete() && run.conductor.paused().is_empty());
}

#[test]
fn steps_of_an_application_set_keep_the_places_of_those_who_failed() {
    let mut steps = lane("set", &[("", &["a", "b", "c", "d"]), ("", &["e"])]);
    steps.kind = Kind::Applications;
    steps.waves[0].at_once = Some(Amount::Number(2));
    let mut run = Run::new(vec![steps.clone()]).end("a", 500, failed("x"));
    run.go();
    assert_eq!(run.began(), ["a 0", "b 0", "c 1000", "d 2000"]);
    assert!(!run.conductor.is_complete());
    let mut run = Run::new(vec![steps.clone()]).end("a", 500, failed("x")).end("b", 600, failed("x"));
    run.go();
    assert_eq!(run.began(), ["a 0", "b 0"]);
    assert!(run.conductor.why_not(2).contains("those who failed hold the places"), "{}", run.conductor.why_not(2));
    steps.waves[0].at_once = Some(Amount::Number(0));
    let mut run = Run::new(vec![steps]);
    run.go();
    assert_eq!(run.began().len(), 0);
    assert!(run.conductor.why_not(0).contains("lets nobody go"), "{}", run.conductor.why_not(0));
}

#[test]
fn it_says_who_waits_for_whom() {
    let mut lane = lane("web", &[("", &["a"]), ("", &["b", "c", "d"]), ("", &["e"]), ("", &["f"])]);
    lane.waves[1].failures = Some(Amount::Number(1));
    let mut run = Run::new(vec![lane]).end("c", 60_000, Outcome::Lost("no answer".into()));
    run.go();
    assert!(
        run.said.iter().any(|line| line
            == "web: wave 2 of 4: 2 of 3 clusters done, waiting for c (no answer for 40 s); waves 3 to 4 wait for it"),
        "{:#?}",
        run.said
    );
    assert!(run.conductor.is_complete());
    assert_eq!(run.conductor.lines(), ["web: done"]);
}

#[test]
fn rollouts_that_wait_for_each_other_end_and_say_so() {
    let both = |name: &str, first: &str, second: &str| {
        let mut made = lane("web", &[("", &[first]), ("", &[second])]);
        made.name = name.to_owned();
        made
    };
    let mut run = Run::new(vec![both("x", "a", "b"), both("y", "b", "a")]);
    run.go();
    assert_eq!(run.began.len(), 0);
    assert!(run.conductor.why_not(0).contains("is not over"), "{}", run.conductor.why_not(0));
}

#[test]
fn what_brings_what_others_need_goes_first_where_it_may() {
    let rollout = Rollout::default();
    let work: BTreeMap<Place, (bool, (i64, usize))> =
        [(place("a", "crds"), (true, (0, 0))), (place("a", "web"), (true, (0, 1)))].into();
    // In no lane they are one job, whose own stages are kept by apply.
    assert_eq!(jobs(&rollout, &work).len(), 1);
    let turn =
        |app: &str| Turn { name: app.into(), cluster: "a".into(), places: vec![place("a", app)], lost: Vec::new() };
    let wave = Wave { turns: vec![turn("web"), turn("crds")], members: 2, ..Wave::default() };
    let lane = Lane { name: "set".into(), kind: Kind::Applications, failures: None, timeout: None, waves: vec![wave] };
    let jobs = jobs(&Rollout { lanes: vec![lane.clone()], unmatched: Vec::new() }, &work);
    let rollout = Rollout { lanes: vec![lane], unmatched: Vec::new() };
    let mut conductor = Conductor::new(rollout, jobs.clone(), Pass::default(), &BTreeMap::new());
    let app = |command: &Command| match command {
        Command::Begin(job) | Command::Look(job) => jobs[*job].places[0].application.name.clone(),
    };
    let step = conductor.step(0, Vec::new());
    assert_eq!(step.commands.iter().map(app).collect::<Vec<_>>(), ["crds"]);
    let Command::Begin(first) = step.commands[0] else { panic!("it looks") };
    let step = conductor.step(1, vec![Event::Ended(first, End { outcome: Outcome::Well, changed: true })]);
    assert_eq!(step.commands.iter().map(app).collect::<Vec<_>>(), ["web"]);
}

// ------------------------------------------------------------------------------------------------------------------ assignment

fn fact(cluster: &str, app: &str, standing: Standing, wave: usize) -> Fact {
    Fact { place: place(cluster, app), standing, kin: app.into(), wave: Some((0, wave)), step: None, leaves: false }
}

fn rule(waves: usize) -> Rule {
    let wave = |at: usize| WaveRule {
        name: String::new(),
        clusters: Vec::new(),
        selector: None,
        rest: at + 1 == waves,
        at_once: None,
        failures: None,
        soak: 0,
        pause: false,
        health: true,
        span: crate::span::Span::NONE,
    };
    Rule {
        name: "rollout".into(),
        applications: Vec::new(),
        projects: Vec::new(),
        failures: None,
        timeout: None,
        waves: (0..waves).map(wave).collect(),
        span: crate::span::Span::NONE,
    }
}

#[test]
fn turns_are_of_those_who_move_and_whom_they_wait_for() {
    let lost = || Standing::Lost("away".into());
    let facts = [
        fact("a", "web", Standing::Same, 0),
        fact("a", "still", Standing::Same, 0),
        fact("b", "web", Standing::Work, 1),
        fact("b", "blocked", lost(), 1),
        fact("c", "web", Standing::Same, 2),
        fact("c", "early", Standing::Work, 0),
        fact("d", "web", lost(), 1),
        fact("e", "web", lost(), 2),
    ];
    let rollout = assign(&[rule(3)], &facts);
    let turns: Vec<Vec<String>> = rollout.lanes[0]
        .waves
        .iter()
        .map(|wave| {
            let turn = |turn: &Turn| {
                let places: Vec<String> = turn.places.iter().map(|place| place.application.to_string()).collect();
                format!("{}: {} {}", turn.name, places.join(" "), turn.lost.join(" "))
            };
            wave.turns.iter().map(turn).collect()
        })
        .collect();
    assert_eq!(turns, [vec!["a: web ", "c: early "], vec!["b: web ", "d:  away"], vec![]]);
    assert_eq!(rollout.lanes[0].waves.iter().map(|wave| wave.members).collect::<Vec<_>>(), [2, 2, 2]);
    // Nothing to do, nobody waits.
    assert_eq!(assign(&[rule(3)], &facts[..2]), Rollout::default());
}

#[test]
fn steps_select_as_upstream() {
    let strategy = node(
        "{type: RollingSync, deletionOrder: reverse, rollingSync: {steps: [\
         {matchExpressions: [{key: env, operator: In, values: [dev]}], maxUpdate: 0}, \
         {matchExpressions: [{key: env, operator: NotIn, values: [dev, test]}, {key: tier, operator: In, values: [a, b]}], maxUpdate: 25%}, \
         {matchExpressions: [{key: odd, operator: Exists}], maxUpdate: '3'}]}}",
    );
    let step = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (step, second) = Step::of(&strategy, &labels).expect("steps");
        assert!(step.reverse && step.of == 3);
        (step.number, step.at_once, second.map(|second| second.0))
    };
    assert_eq!(step(&[("env", "dev"), ("odd", "x")]), (Some(1), Some(Amount::Number(0)), None));
    assert_eq!(step(&[("tier", "b"), ("odd", "x")]), (Some(2), Some(Amount::Percent(25)), None));
    assert_eq!(step(&[("env", "test"), ("tier", "b"), ("odd", "")]), (None, None, None));
    // An operator that nobody knows lets those pass that have no such label; `"3"` is no amount.
    assert_eq!(step(&[("env", "test")]), (Some(3), Some(Amount::Number(0)), None));
    assert_eq!(step(&[("env", "dev")]), (Some(1), Some(Amount::Number(0)), Some(3)));
    assert_eq!(Step::problems(&strategy).len(), 2);
    let (first, _) = Step::of(&strategy, &BTreeMap::new()).expect("steps");
    assert_eq!(Step::from_node(&first.to_node()), Some(first));
    for none in ["{type: AllAtOnce}", "{rollingSync: {steps: [{}]}}", "{type: RollingSync, rollingSync: {steps: []}}"] {
        assert!(Step::of(&node(none), &BTreeMap::new()).is_none(), "{none}");
    }
    assert_eq!(Step::problems(&node("{deletionOrder: Reverse}")).len(), 1);
}

#[test]
fn sets_are_lanes_of_their_own() {
    let stepped = |name: &str, number: Option<usize>, leaves: bool| Fact {
        wave: None,
        step: Some(("argocd/set".into(), Step { number, of: 2, at_once: Some(Amount::Percent(50)), reverse: leaves })),
        leaves,
        ..fact("a", name, Standing::Work, 0)
    };
    let rollout = assign(&[], &[stepped("x", Some(1), false), stepped("y", Some(2), false), stepped("z", None, false)]);
    assert_eq!(rollout.unmatched, [place("a", "z")]);
    let names = |rollout: &Rollout| -> Vec<Vec<String>> {
        let waves = rollout.lanes.iter().flat_map(|lane| &lane.waves);
        waves.map(|wave| wave.turns.iter().map(|turn| turn.name.clone()).collect()).collect()
    };
    assert_eq!(names(&rollout), [["x@a"], ["y@a"]]);
    assert_eq!(
        rollout.describe().last().map(String::as_str),
        Some("1 application not updated, since no step of the ApplicationSet selects it: z@a")
    );
    let work = [place("a", "x"), place("a", "z")].map(|place| (place, (true, (0, 0)))).into();
    assert_eq!(jobs(&rollout, &work).len(), 1, "what no step selects is in no job");
    // Deletion goes backwards, one at a time.
    let leaving = assign(&[], &[stepped("x", Some(1), true), stepped("y", Some(2), true), stepped("w", Some(2), true)]);
    assert_eq!(names(&leaving), [vec!["w@a", "y@a"], vec!["x@a"]]);
    assert_eq!(leaving.lanes[0].waves[0].limit(), 1);
}

#[test]
fn data_is_read_back() {
    let mut made = lane("web", &[("canary", &["a"]), ("", &["b", "c"])]);
    made.failures = Some(Amount::Percent(5));
    made.timeout = Some(900_000);
    made.waves[0].soak = 600_000;
    made.waves[0].pause = true;
    made.waves[1].at_once = Some(Amount::Number(2));
    made.waves[1].turns[1].lost.push("away".into());
    let mut rollout = Rollout { lanes: vec![made], unmatched: vec![place("d", "x")] };
    assert_eq!(Rollout::from_node(&rollout.to_node()), Ok(rollout.clone()));
    assert_eq!(Rollout::from_node(&Rollout::default().to_node()), Ok(Rollout::default()));
    assert!(Rollout::from_node(&node("{lanes: [{name: x, kind: odd}]}")).is_err());
    assert_eq!(
        rollout.describe(),
        [
            "web: 2 waves, 3 applications, at most 5% may fail",
            "  wave 1 of 2 (canary): 1 cluster: a; then well for 10 min; then a pause",
            "  wave 2 of 2: 2 clusters: b, c; cannot be done: c (away)",
            "1 application not updated, since no step of the ApplicationSet selects it: x@d",
        ]
    );
    rollout.retain(|place| place.cluster == "b", |cluster| cluster == "b");
    assert_eq!(rollout.lanes[0].waves.iter().map(|wave| wave.turns.len()).collect::<Vec<_>>(), [0, 1]);
}

// ---------------------------------------------------------------------------------------------------------------------- random

/// A generator of its own, so that a failure is a number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % most.max(1)
    }

    fn amount(&mut self) -> Option<Amount> {
        match self.below(4) {
            0 => None,
            1 => Some(Amount::Number(self.below(4))),
            _ => Some(Amount::Percent(self.below(101))),
        }
    }
}

/// Whether there is something to do, and the rank.
type Work = BTreeMap<Place, (bool, (i64, usize))>;

/// Random lanes over random clusters, with applications that may be in two of them.
fn random(dice: &mut Dice) -> (Rollout, Work) {
    let places: Vec<Place> =
        (0..1 + dice.below(12)).map(|at| place(&format!("c{}", dice.below(6)), &format!("a{at}"))).collect();
    let mut lanes = Vec::new();
    for number in 0..1 + dice.below(3) {
        let kind = [Kind::Clusters, Kind::Applications, Kind::Removals][dice.below(3)];
        let waves = 1 + dice.below(4);
        let mut lane = Lane {
            name: format!("l{number}"),
            kind,
            failures: if dice.below(3) == 0 { dice.amount() } else { None },
            timeout: None,
            waves: Vec::new(),
        };
        for _ in 0..waves {
            lane.waves.push(Wave {
                at_once: dice.amount(),
                failures: dice.amount(),
                soak: [0, 0, 3_000][dice.below(3)],
                pause: dice.below(5) == 0,
                health: dice.below(2) == 0,
                ..Wave::default()
            });
        }
        let wave_of: Vec<usize> = (0..6).map(|_| dice.below(waves)).collect();
        for place in &places {
            if dice.below(4) == 0 {
                continue;
            }
            let cluster: usize = place.cluster[1..].parse().unwrap_or(0);
            let (wave, name) = match kind {
                Kind::Clusters => (wave_of[cluster], place.cluster.clone()),
                _ => (dice.below(waves), place.to_string()),
            };
            let turns = &mut lane.waves[wave].turns;
            match turns.iter_mut().find(|turn| turn.name == name) {
                Some(turn) => turn.places.push(place.clone()),
                None => turns.push(Turn {
                    name,
                    cluster: place.cluster.clone(),
                    places: vec![place.clone()],
                    lost: if dice.below(9) == 0 { vec!["away".to_owned()] } else { Vec::new() },
                }),
            }
        }
        for wave in &mut lane.waves {
            wave.members = wave.turns.len() + dice.below(3);
        }
        lanes.push(lane);
    }
    let work = places.iter().map(|place| (place.clone(), (dice.below(4) > 0, (0, dice.below(2))))).collect();
    (Rollout { lanes, unmatched: Vec::new() }, work)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Not,
    Runs,
    Well,
    Bad,
    Gone,
}

/// What must hold whenever jobs begin, found out without the machine's own state.
fn must_hold(seed: u64, rollout: &Rollout, jobs: &[Job], seen: &[Seen], began: &BTreeSet<usize>) {
    for (at, lane) in rollout.lanes.iter().enumerate() {
        let of = |wave: usize, turn: usize| {
            let sits =
                move |job: &Job| job.seats.iter().any(|seat| (seat.lane, seat.wave, seat.turn) == (at, wave, turn));
            jobs.iter().enumerate().filter(move |(_, job)| sits(job)).map(|(job, _)| job).collect::<Vec<_>>()
        };
        let bad = |wave: usize, lost: bool| {
            let turns = lane.waves[wave].turns.iter().enumerate();
            turns
                .filter(|(turn, of_turn)| {
                    let states: Vec<Seen> = of(wave, *turn).into_iter().map(|job| seen[job]).collect();
                    states.contains(&Seen::Bad) || (lost && (states.contains(&Seen::Gone) || !of_turn.lost.is_empty()))
                })
                .count()
        };
        for job in began {
            for seat in jobs[*job].seats.iter().filter(|seat| seat.lane == at) {
                // Everybody in earlier waves has ended, and failures were within the budgets.
                for wave in 0..seat.wave {
                    for turn in 0..lane.waves[wave].turns.len() {
                        for earlier in of(wave, turn) {
                            assert!(
                                !matches!(seen[earlier], Seen::Not | Seen::Runs),
                                "seed {seed}: {job} before {earlier}"
                            );
                        }
                    }
                    assert!(
                        bad(wave, true) <= lane.waves[wave].budget(),
                        "seed {seed}: over the budget of wave {wave}"
                    );
                }
                if lane.kind == Kind::Clusters {
                    assert!(
                        bad(seat.wave, false) <= lane.waves[seat.wave].budget(),
                        "seed {seed}: over its own budget"
                    );
                }
                if let Some(most) = lane.failures.filter(|_| seat.wave > 0 || lane.kind == Kind::Clusters) {
                    let all = lane.waves.iter().map(|wave| wave.members.max(wave.turns.len())).sum();
                    let earlier: usize = (0..seat.wave).map(|wave| bad(wave, true)).sum();
                    assert!(earlier <= most.of(all), "seed {seed}: over the budget of all");
                }
            }
        }
        for (number, wave) in lane.waves.iter().enumerate() {
            let working = (0..wave.turns.len()).filter(|turn| {
                of(number, *turn).into_iter().any(|job| seen[job] == Seen::Runs && !jobs[job].only_looks)
            });
            assert!(working.count() <= wave.limit(), "seed {seed}: more at once than {:?}", wave.at_once);
        }
    }
}

#[test]
fn random_rollouts_hold_their_rules_and_end() {
    let (mut complete, mut stopped, mut paused) = (0, 0, 0);
    for seed in 0..4_000 {
        let mut dice = Dice(seed);
        let (rollout, work) = random(&mut dice);
        let jobs = jobs(&rollout, &work);
        assert_eq!(jobs.iter().map(|job| job.places.len()).sum::<usize>(), work.len(), "seed {seed}");
        let pass = Pass { reached: dice.below(2) == 0, named: BTreeSet::new() };
        let lost = if dice.below(5) == 0 { [("c1".to_owned(), "away".to_owned())].into() } else { BTreeMap::new() };
        let mut conductor = Conductor::new(rollout.clone(), jobs.clone(), pass, &lost);
        let mut seen: Vec<Seen> =
            jobs.iter().map(|job| if lost.contains_key(&job.cluster) { Seen::Gone } else { Seen::Not }).collect();
        let (mut now, mut running, mut looking) = (0, Vec::new(), Vec::new());
        let mut events = Vec::new();
        for round in 0.. {
            assert!(round < 2_000, "seed {seed} does not end");
            let step = conductor.step(now, std::mem::take(&mut events));
            let mut began = BTreeSet::new();
            for command in step.commands {
                match command {
                    Command::Begin(job) => {
                        assert_eq!(seen[job], Seen::Not, "seed {seed}: twice");
                        seen[job] = Seen::Runs;
                        began.insert(job);
                        running.push(job);
                    }
                    Command::Look(job) => looking.push(job),
                }
            }
            must_hold(seed, &rollout, &jobs, &seen, &began);
            if step.over {
                assert!(running.is_empty() && looking.is_empty(), "seed {seed}");
                break;
            }
            // Something ends, or time passes.
            if !running.is_empty() && dice.below(4) > 0 {
                let job = running.remove(dice.below(running.len()));
                let (outcome, state) = match dice.below(8) {
                    0 => (Outcome::Failed("x".into()), Seen::Bad),
                    1 => (Outcome::Lost("y".into()), Seen::Gone),
                    _ => (Outcome::Well, Seen::Well),
                };
                seen[job] = state;
                events.push(Event::Ended(job, End { outcome, changed: dice.below(2) == 0 }));
            } else if !looking.is_empty() {
                let job = looking.remove(dice.below(looking.len()));
                let wrong = (dice.below(6) == 0).then(|| "z".to_owned());
                if wrong.is_some() {
                    seen[job] = Seen::Bad;
                }
                events.push(Event::Looked(job, wrong));
            } else {
                now = step.wake.unwrap_or(now).max(now + 1);
            }
        }
        // What has not begun says why; where all went to its end everything has.
        for (job, state) in seen.iter().enumerate() {
            assert_eq!(*state == Seen::Not, !conductor.why_not(job).is_empty(), "seed {seed}: {job} {state:?}");
            assert!(!conductor.is_complete() || *state != Seen::Not, "seed {seed}");
        }
        complete += usize::from(conductor.is_complete());
        paused += usize::from(!conductor.paused().is_empty());
        stopped += usize::from(!conductor.is_complete() && conductor.paused().is_empty());
    }
    assert!(complete > 300 && stopped > 300 && paused > 100, "{complete} complete, {stopped} stopped, {paused} paused");
}
