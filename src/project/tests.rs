//! Tables of answers that Argo CD gave (`fixtures/project`, see `case.toml` there), and what is ours: until when, and places.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::windows::{Ask, Subject, Verdict, Window, judge};
use super::{Rules, Target, url};
use crate::span::{FileId, Spanned};
use crate::yaml::{self, Dialect, Limits, Node};

/// The rows of a table; a folder with more of them can be named by `FLEETC_PROJECT_TABLES`.
fn rows(table: &str) -> Vec<Node> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/project")];
    folders.extend(std::env::var_os("FLEETC_PROJECT_TABLES").map(PathBuf::from));
    let texts = folders.iter().filter_map(|folder| std::fs::read_to_string(folder.join(format!("{table}.yaml"))).ok());
    let mut rows = Vec::new();
    for text in texts {
        rows.extend(text.lines().map(|line| parse(line.strip_prefix("- ").unwrap())));
    }
    assert!(rows.len() >= 40, "{table} has {} rows", rows.len());
    rows
}

fn parse(text: &str) -> Node {
    let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    documents.unwrap_or_else(|found| panic!("{text}: {found:?}")).remove(0)
}

fn text<'a>(row: &'a Node, key: &str) -> &'a str {
    row.get(key).and_then(Node::text).unwrap_or_default()
}

fn flag(row: &Node, key: &str) -> bool {
    row.get(key).and_then(Node::as_bool).unwrap_or(false)
}

fn spec(key: &str, value: &Node) -> Node {
    Node::map([(Node::str(key), value.clone())].into_iter().collect())
}

/// The rules of a project with this `spec`.
fn rules(spec: &Node) -> Rules {
    let (rules, _) = Rules::read(&self::spec("spec", spec), (3, 5));
    rules.unwrap_or_else(|found| panic!("{spec:?}: {found:?}"))
}

/// Compares every row, and shows the first that differ.
fn compare(table: &str, got: impl Fn(&Node) -> String) {
    let rows = rows(table);
    let differs = |row: &Node| {
        let got = got(row);
        (got != text(row, "want")).then(|| format!("{}got {got}", yaml::emit::to_yaml(row)))
    };
    let wrong: Vec<String> = rows.iter().filter_map(differs).collect();
    let shown = wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} of {} rows of {table} differ:\n{shown}", wrong.len(), rows.len());
}

#[test]
fn urls_are_normalized_as_argo_cd_does() {
    compare("url", |row| url::normalize(text(row, "url")));
}

#[test]
fn sources() {
    compare("source", |row| {
        let rules = rules(&spec("sourceRepos", row.get("sourceRepos").unwrap()));
        rules.source(text(row, "url")).is_ok().to_string()
    });
}

#[test]
fn destinations() {
    compare("destination", |row| {
        let mut spec = spec("destinations", row.get("destinations").unwrap());
        spec.map_mut().unwrap().insert("permitOnlyProjectScopedClusters", row.get("only").unwrap().clone());
        let target = Target {
            server: text(row, "server").to_owned(),
            name: text(row, "name").to_owned(),
            own: flag(row, "own"),
        };
        rules(&spec).destination(&target, text(row, "namespace")).is_ok().to_string()
    });
}

#[test]
fn kinds() {
    compare("kind", |row| {
        let rules = rules(row.get("spec").unwrap());
        let found = rules.kind(text(row, "group"), text(row, "kind"), text(row, "name"), flag(row, "namespaced"));
        found.is_ok().to_string()
    });
}

#[test]
fn namespaces_of_applications() {
    compare("namespace", |row| {
        let rules = rules(&spec("sourceNamespaces", row.get("sourceNamespaces").unwrap()));
        rules.application_namespace(text(row, "namespace"), "argocd").is_ok().to_string()
    });
}

#[test]
fn service_accounts() {
    compare("account", |row| {
        let rules = rules(&spec("destinationServiceAccounts", row.get("accounts").unwrap()));
        rules.account(text(row, "server"), text(row, "namespace"), "argocd").unwrap_or_default()
    });
}

fn windows(list: &Node) -> Vec<Window> {
    list.as_seq().unwrap().iter().map(|node| Window::read(node, (3, 5)).unwrap()).collect()
}

#[test]
fn sync_windows() {
    compare("window", |row| {
        let subject = Subject {
            application: text(row, "application"),
            cluster: text(row, "name"),
            server: text(row, "server"),
            namespace: text(row, "namespace"),
        };
        let all = windows(row.get("windows").unwrap());
        let places: Vec<usize> = (0..all.len()).filter(|at| all[*at].applies(&subject)).collect();
        let wanted: Vec<String> =
            row.get("applies").and_then(Node::as_seq).unwrap().iter().map(|at| at.text().unwrap().to_owned()).collect();
        if places.iter().map(usize::to_string).collect::<Vec<_>>() != wanted {
            return format!("applies {places:?}");
        }
        let windows: Vec<Window> = places.iter().map(|at| all[*at].clone()).collect();
        let time = |key: &str| row.get(key).map(|time| time.text().unwrap().parse::<Timestamp>().unwrap());
        let ask = Ask { manual: flag(row, "manual"), started: time("started") };
        let now = time("now").unwrap();
        let verdict = judge(&windows, ask, now);
        // Ours, checked against the judgement itself: it is blocked until then, and permitted from then on.
        if let Verdict::Blocked { until: Some(until), .. } = &verdict {
            let second = jiff::SignedDuration::from_secs(1);
            let after = judge(&windows, Ask::default(), *until + second);
            let before = judge(&windows, Ask::default(), *until - second);
            assert!(matches!(after, Verdict::Permitted), "until {until}: {row:?}");
            assert!(matches!(before, Verdict::Blocked { .. }) || *until <= now + second, "before {until}: {row:?}");
        }
        (verdict == Verdict::Permitted).to_string()
    });
}

#[test]
fn a_block_says_by_what_and_until_when() {
    let list = windows(&parse(
        "[{kind: deny, schedule: 0 22 * * 5, duration: 58h, timeZone: Europe/Berlin, applications: ['*'], manualSync: true},
          {kind: allow, schedule: 0 6 * * 1-5, duration: 12h, timeZone: UTC, applications: ['*']}]",
    ));
    let now = |text: &str| text.parse::<Timestamp>().unwrap();
    // Saturday: the weekend is denied, until Monday 08:00 in Berlin; the allow window of Monday has begun by then.
    let Verdict::Blocked { by, manual, until } = judge(&list, Ask::default(), now("2026-11-21T12:00:00Z")) else {
        panic!("it is not blocked")
    };
    assert_eq!((by, manual, until), (vec![0], true, Some(now("2026-11-23T07:00:00Z"))));
    // Tuesday night: only the allow window counts, and it has no `manualSync`.
    let Verdict::Blocked { by, manual, until } = judge(&list, Ask::default(), now("2026-11-24T20:00:00Z")) else {
        panic!("it is not blocked")
    };
    assert_eq!((by, manual, until), (vec![1], false, Some(now("2026-11-25T06:00:00Z"))));
    assert_eq!(judge(&list, Ask::default(), now("2026-11-24T12:00:00Z")), Verdict::Permitted);
    assert_eq!(judge(&[], Ask::default(), now("2026-11-24T12:00:00Z")), Verdict::Permitted);
    let until_never = windows(&parse("[{kind: deny, schedule: '* * * * *', duration: 1h, applications: ['*']}]"));
    let Verdict::Blocked { until, .. } = judge(&until_never, Ask::default(), now("2026-11-24T12:00:30Z")) else {
        panic!("it is not blocked")
    };
    assert_eq!(until, None);
}

/// Schedules that the parser of Argo CD refuses, and some that it takes.
#[test]
fn schedules() {
    for bad in [
        "",
        "@daily",
        "@every 1h",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "*/0 * * * *",
        "1-2-3 * * * *",
        "1/2/3 * * * *",
        "a * * * *",
        "* * * janu *",
        "-1 * * * *",
        "TZ=Nowhere * * * * *",
        "TZ=UTC",
        "1.5 * * * *",
        "0 0 * * mon-sun",
    ] {
        let window = format!("{{kind: allow, schedule: '{bad}', duration: 1h, applications: ['*']}}");
        assert!(Window::read(&parse(&window), (3, 5)).is_err(), "{bad}");
    }
    for good in [
        "? ? ? ? ?",
        "*/15 0-23/2 1,15 JAN-dec Sun,3",
        "+5 * * * *",
        "0/20 * * * *",
        "CRON_TZ=Asia/Kolkata 0 9 * * *",
        ", * * * *",
    ] {
        let window = format!("{{kind: allow, schedule: '{good}', duration: 1h, applications: ['*']}}");
        assert!(Window::read(&parse(&window), (3, 5)).is_ok(), "{good}");
    }
}

#[test]
fn malformed_projects_are_refused_with_places() {
    for (spec, code) in [
        ("sourceRepos: ['!*']", "project/pattern"),
        ("sourceRepos: ['https://x/[a']", "project/pattern"),
        ("destinations: [{server: '!*', namespace: '*'}]", "project/pattern"),
        ("sourceNamespaces: ['/(/']", "project/pattern"),
        ("clusterResourceWhitelist: [{group: '[', kind: '*'}]", "project/pattern"),
        ("syncWindows: [{kind: maybe, schedule: '* * * * *', duration: 1h}]", "project/window"),
        ("syncWindows: [{kind: deny, schedule: '* * * *', duration: 1h}]", "project/window"),
        ("syncWindows: [{kind: deny, schedule: '* * * * *', duration: 1d}]", "project/window"),
        ("destinationServiceAccounts: [{server: '*', defaultServiceAccount: ' '}]", "project/service-account"),
        ("destinationServiceAccounts: [{server: '*', defaultServiceAccount: 'a/b'}]", "project/service-account"),
        ("destinationServiceAccounts: [{server: '!a', defaultServiceAccount: a}]", "project/pattern"),
    ] {
        let (read, _) = Rules::read(&parse(&format!("{{metadata: {{name: p}}, spec: {{{spec}}}}}")), (3, 5));
        let found = read.err().unwrap_or_else(|| panic!("{spec} is taken"));
        assert_eq!(found.iter().map(|error| error.code).collect::<Vec<_>>(), [code], "{spec}");
    }
}

/// What changed between engines: names of cluster-scoped objects came with 3.3, overrun with 3.5.
#[test]
fn engines() {
    let project = parse("{spec: {clusterResourceWhitelist: [{group: '', kind: Namespace, name: team-*}]}}");
    for (engine, permitted) in [((3, 2), true), ((3, 3), false), ((3, 5), false)] {
        let rules = Rules::read(&project, engine).0.unwrap();
        assert_eq!(rules.kind("", "Namespace", "other", false).is_ok(), permitted, "{engine:?}");
    }
    let window = parse("{kind: deny, schedule: 0 12 * * *, duration: 1h, applications: ['*'], syncOverrun: true}");
    let ask = Ask { manual: false, started: Some("2026-01-01T11:59:00Z".parse().unwrap()) };
    for (engine, permitted) in [((3, 4), false), ((3, 5), true)] {
        let windows = [Window::read(&window, engine).unwrap()];
        let verdict = judge(&windows, ask, "2026-01-01T12:30:00Z".parse().unwrap());
        assert_eq!(verdict == Verdict::Permitted, permitted, "{engine:?}");
    }
}

/// Lists of global projects are appended; an empty whitelist appended to none leaves none.
#[test]
fn inheritance() {
    let global = rules(&parse(
        "{namespaceResourceWhitelist: [], clusterResourceBlacklist: [{group: '*', kind: '*'}], sourceRepos: ['!https://bad/**']}",
    ));
    let mut own = Rules::default_project();
    assert!(own.kind("", "Namespace", "a", false).is_ok() && own.source("https://bad/x").is_ok());
    own.inherit(&global);
    assert!(own.kind("", "Namespace", "a", false).is_err() && own.kind("", "Secret", "a", true).is_ok());
    assert!(own.source("https://bad/x").is_err() && own.source("https://good/x").is_ok());
    let mut none = rules(&parse("{namespaceResourceWhitelist: []}"));
    none.inherit(&rules(&parse("{namespaceResourceWhitelist: [{group: '', kind: Secret}]}")));
    assert!(none.kind("", "Secret", "a", true).is_ok() && none.kind("", "Pod", "a", true).is_err());

    let text = "- projectName: base\n  labelSelector:\n    matchExpressions:\n    - {key: team, operator: Exists}\n- projectName: all\n";
    let globals = super::globals(&Spanned::detached(text.to_owned())).unwrap();
    let concerned = |name: &str, labelled: bool| -> Vec<&str> {
        let concerned = globals.iter().filter(|one| one.concerns(name, |_| labelled.then_some("x".into())));
        concerned.map(|one| one.project.as_str()).collect()
    };
    assert_eq!((concerned("web", true), concerned("web", false)), (vec!["base", "all"], vec!["all"]));
    assert_eq!(concerned("all", false), Vec::<&str>::new());
    for bad in ["{a: b}", "- labelSelector: {matchExpressions: [{key: a, operator: Near}]}", "a: [", "text"] {
        assert!(super::globals(&Spanned::detached(bad.to_owned())).is_err(), "{bad}");
    }
}
