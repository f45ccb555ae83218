//! Runs that are remembered: `check`, `build` and `diff` with nothing changed say what they said before without doing it, and any change is noticed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use fleetc::digest::Digest;

const REPO: &str = "https://git.example.com/platform/fleet.git";

/// What a run came to: exit code, standard output, standard error.
type Told = (Option<i32>, String, String);

struct Fleet {
    scratch: tempfile::TempDir,
}

impl Fleet {
    /// Two clusters; applications of a git generator over folders, of a chart, of a folder of manifests, and one of a tag of the repository.
    fn new() -> Fleet {
        let fleet = Fleet { scratch: tempfile::tempdir().unwrap() };
        for cluster in ["a", "b"] {
            fleet.write(&format!("clusters/{cluster}.yaml"), &cluster_secret(cluster));
        }
        for app in ["shop", "blog"] {
            fleet.write(&format!("apps/{app}/base/kustomization.yaml"), "resources: [config.yaml]\n");
            fleet.write(&format!("apps/{app}/base/config.yaml"), &config(app, "one"));
            for cluster in ["a", "b"] {
                let overlay = format!("resources: [../../base]\nnamePrefix: {cluster}-\n");
                fleet.write(&format!("apps/{app}/on/{cluster}/kustomization.yaml"), &overlay);
            }
        }
        fleet.write("plain/one.yaml", &config("plain", "one"));
        fleet.write("plain/other.txt", "not a manifest\n");
        symlink("one.yaml", fleet.path("plain/link.txt")).unwrap();
        fleet.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
        fleet.write("chart/values.yaml", "level: low\n");
        fleet.write(
            "chart/templates/config.yaml",
            &config("chart", "{{ .Values.level }} {{ .Capabilities.KubeVersion.Version }}"),
        );
        fleet.write(
            "appsets/apps.yaml",
            &format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: apps, namespace: argocd}}\nspec:\n  goTemplate: true\n  generators:\n    - matrix:\n        generators:\n          - clusters: {{selector: {{matchLabels: {{argocd.argoproj.io/secret-type: cluster}}}}}}\n          - git: {{repoURL: {REPO}, revision: HEAD, directories: [{{path: 'apps/*/on/{{{{.name}}}}'}}]}}\n  template:\n    metadata: {{name: '{{{{index .path.segments 1}}}}-{{{{.name}}}}'}}\n    spec:\n      project: default\n      source: {{repoURL: {REPO}, path: '{{{{.path.path}}}}'}}\n      destination: {{name: '{{{{.name}}}}', namespace: prod}}\n"
            ),
        );
        for (name, path, revision) in [("plain", "plain", "HEAD"), ("chart", "chart", "HEAD"), ("old", "plain", "v1")] {
            fleet.write(
                &format!("single/{name}.yaml"),
                &format!(
                    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  project: default\n  destination: {{name: a, namespace: {name}}}\n  source: {{repoURL: {REPO}, path: {path}, targetRevision: {revision}}}\n"
                ),
            );
        }
        fleet.git(&["init", "-q", "-b", "main"]);
        fleet.git(&["remote", "add", "origin", REPO]);
        fleet.commit();
        fleet.git(&["tag", "v1"]);
        fleet
    }

    fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join("fleet").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "safe.directory=*"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .current_dir(self.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path(".")).env("FLEETC_STORE", self.scratch.path().join("store"));
        command.env("HOME", self.scratch.path()).env("FLEETC_OFFLINE", "1").env_remove("FLEETC_NO_CACHE");
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        told(&mut self.command(Path::new(env!("CARGO_BIN_EXE_fleetc")), arguments))
    }

    /// Like a run that remembers nothing, whatever the record says.
    fn anew(&self, arguments: &[&str]) -> Told {
        self.run(&[arguments, &["--no-cache"]].concat())
    }

    fn records(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.scratch.path().join("store/records")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Lets every record say something else than a run would, so that one sees who speaks.
    fn mark(&self) {
        // After the mark, the key and the digest.
        const BEGIN: usize = "fleetc 1\n".len() + 64;
        for file in self.records() {
            let mut bytes = fs::read(&file).unwrap();
            for (from, to) in [
                (&b"applications on"[..], &b"APPLICATIONS ON"[..]),
                (b"\"current\"", b"\"CURRENT\""),
                (b" change on", b" CHANGE ON"),
            ] {
                let found = bytes.windows(from.len()).position(|window| window == from);
                if let Some(at) = found {
                    bytes.splice(at..at + from.len(), to.iter().copied());
                }
            }
            let digest = Digest::of(&bytes[BEGIN..]);
            bytes.splice(BEGIN - 32..BEGIN, digest.as_bytes().iter().copied());
            fs::write(file, bytes).unwrap();
        }
    }

    /// Builds, commits and checks, so that there is a record, which is marked.
    fn remembered() -> Fleet {
        let fleet = Fleet::new();
        assert_eq!(fleet.run(&["build"]).0, Some(0));
        fleet.commit();
        let (code, _, said) = fleet.run(&["check"]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(fleet.records().len(), 1);
        fleet.mark();
        fleet
    }
}

fn cluster_secret(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels: {{argocd.argoproj.io/secret-type: cluster}}\nstringData:\n  name: {name}\n  server: https://{name}.example.com\n"
    )
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: \"{value}\"}}\n")
}

fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Whether the record spoke.
fn is_marked(told: &Told) -> bool {
    told.1.contains("CURRENT") || told.1.contains("CHANGE ON") || told.2.contains("APPLICATIONS ON")
}

#[test]
fn what_has_not_changed_is_not_done_again() {
    let fleet = Fleet::remembered();
    let (code, out, said) = fleet.run(&["check"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("APPLICATIONS ON"), "{said}");
    let said = said.replace("APPLICATIONS ON", "applications on");
    assert_eq!((code, out, said), fleet.anew(&["check"]), "the same text");
    for no_cache in [fleet.anew(&["check"]), {
        let mut command = fleet.command(Path::new(env!("CARGO_BIN_EXE_fleetc")), &["check"]);
        told(command.env("FLEETC_NO_CACHE", "1"))
    }] {
        assert!(!is_marked(&no_cache));
    }
    // Every way to ask has a record of its own.
    for arguments in
        [&["build"][..], &["check", "--format", "json"], &["check", "--verbose"], &["check", "-o", "bundles"]]
    {
        let first = fleet.run(arguments);
        assert!(first.0 == Some(0) && !is_marked(&first), "{first:?}");
        fleet.mark();
        let again = fleet.run(arguments);
        assert!(is_marked(&again), "{arguments:?}: {again:?}");
        let plain = |text: &str| text.replace("CURRENT", "current").replace("APPLICATIONS ON", "applications on");
        assert_eq!((again.0, plain(&again.1), plain(&again.2)), first);
    }
}

#[test]
fn warnings_are_said_again() {
    let fleet = Fleet::new();
    fleet.write("plain/twice.yaml", &(config("same", "1") + "---\n" + &config("same", "2")));
    assert_eq!(fleet.run(&["build"]).0, Some(0));
    let first = fleet.run(&["check"]);
    assert!(first.0 == Some(0) && first.2.contains("warning"), "{first:?}");
    fleet.mark();
    let again = fleet.run(&["check"]);
    assert!(is_marked(&again));
    assert_eq!(again.2.replace("APPLICATIONS ON", "applications on"), first.2);
}

#[test]
fn any_change_is_noticed() {
    type Change = fn(&Fleet);
    let changes: [(&str, Change); 23] = [
        ("a base, same size", |fleet| fleet.write("apps/shop/base/config.yaml", &config("shop", "two"))),
        ("a value of a chart", |fleet| fleet.write("chart/values.yaml", "level: top\n")),
        ("a folder that a generator finds", |fleet| {
            fleet.write("apps/more/on/a/kustomization.yaml", "configMapGenerator: [{name: more, literals: [a=b]}]\n");
        }),
        ("a manifest more", |fleet| fleet.write("plain/two.yaml", &config("two", "two"))),
        ("a template more", |fleet| fleet.write("chart/templates/more.yaml", &config("more", "more"))),
        ("a manifest less", |fleet| fs::remove_file(fleet.path("plain/one.yaml")).unwrap()),
        ("a link to another file", |fleet| {
            fs::remove_file(fleet.path("plain/link.txt")).unwrap();
            symlink("../gone", fleet.path("plain/link.txt")).unwrap();
        }),
        ("a cluster more", |fleet| fleet.write("clusters/c.yaml", &cluster_secret("c"))),
        ("a fleet.yaml", |fleet| {
            fleet.write("fleet.yaml", "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {name: other}\n");
        }),
        ("an ignore file", |fleet| {
            fleet.write("plain/.gitignore", "new.yaml\n");
            fleet.write("plain/new.yaml", &config("new", "new"));
        }),
        ("fleet.lock edited", |fleet| {
            let text = fs::read_to_string(fleet.path("fleet.lock")).unwrap();
            fleet.write("fleet.lock", &text.replace("v1", "v2"));
        }),
        ("fleet.lock removed", |fleet| fs::remove_file(fleet.path("fleet.lock")).unwrap()),
        ("bundles.lock edited", |fleet| {
            let text = fs::read_to_string(fleet.path("bundles/bundles.lock")).unwrap();
            fleet.write("bundles/bundles.lock", &(text + "\n"));
        }),
        ("a file of a bundle edited", |fleet| {
            let file = manifest(&fleet.path("bundles/b/apps"));
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text.replace("one", "two")).unwrap();
        }),
        ("a file of a bundle removed", |fleet| fs::remove_file(manifest(&fleet.path("bundles/b/apps"))).unwrap()),
        ("a file too many in a bundle", |fleet| fleet.write("bundles/a/apps/stranger.yaml", "a: 1\n")),
        ("a bundle removed", |fleet| fs::remove_dir_all(fleet.path("bundles/b")).unwrap()),
        ("all bundles removed", |fleet| fs::remove_dir_all(fleet.path("bundles")).unwrap()),
        ("a tag that moved", |fleet| fleet.git(&["tag", "-f", "v1", "HEAD"])),
        ("a commit more", |fleet| fleet.commit()),
        ("another branch", |fleet| fleet.git(&["checkout", "-q", "-b", "other"])),
        ("another remote", |fleet| fleet.git(&["remote", "set-url", "origin", "https://git.example.com/other.git"])),
        ("a checkout no more", |fleet| fs::rename(fleet.path(".git"), fleet.path(".not-git")).unwrap()),
    ];
    for (name, change) in changes {
        let fleet = Fleet::remembered();
        assert!(is_marked(&fleet.run(&["check"])), "{name}");
        change(&fleet);
        let found = fleet.run(&["check"]);
        assert!(!is_marked(&found), "{name}: {found:?}");
        assert_eq!(found, fleet.anew(&["check"]), "{name}");
    }
}

/// A manifest below a folder.
fn manifest(folder: &Path) -> PathBuf {
    let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if entry.is_dir() { manifest(&entry) } else { entry }
}

#[test]
fn other_options_surroundings_and_programs_are_other_runs() {
    let fleet = Fleet::remembered();
    let program = Path::new(env!("CARGO_BIN_EXE_fleetc"));
    for arguments in [&["check", "--strict"][..], &["check", "--engine", "helm=3.22"], &["check", "--branch", "x"]] {
        assert!(!is_marked(&fleet.run(arguments)), "{arguments:?}");
    }
    let mut online = fleet.command(program, &["check"]);
    assert!(!is_marked(&told(online.env_remove("FLEETC_OFFLINE"))), "another environment");
    let mut keyed = fleet.command(program, &["check"]);
    assert!(!is_marked(&told(keyed.env("FLEETC_DERIVE_KEY", "0123456789abcdef"))), "a key to derive from");
    let mut elsewhere = fleet.command(program, &["check", "../fleet"]);
    assert!(!is_marked(&told(elsewhere.current_dir(fleet.path("apps")))), "another folder");
    // The same program at another place, as an update would be.
    let other = fleet.scratch.path().join("fleetc");
    if fs::hard_link(program, &other).is_err() {
        fs::copy(program, &other).unwrap();
    }
    assert!(!is_marked(&told(&mut fleet.command(&other, &["check"]))), "another program");
    assert!(is_marked(&fleet.run(&["check"])), "the first is still remembered");
}

#[test]
fn what_makes_no_difference_is_looked_at_only() {
    let fleet = Fleet::remembered();
    let file = fleet.path("apps/shop/base/config.yaml");
    let text = fs::read(&file).unwrap();
    fs::write(&file, &text).unwrap();
    assert!(is_marked(&fleet.run(&["check"])), "written anew");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(is_marked(&fleet.run(&["check"])), "executable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fleet.git(&["update-index", "--refresh"]);
    assert!(is_marked(&fleet.run(&["check"])), "git looked, too");
    fs::remove_dir_all(fleet.scratch.path().join("store")).unwrap();
    assert!(!is_marked(&fleet.run(&["check"])), "no record");
}

#[test]
fn stale_and_failing_runs_are_not_remembered() {
    let fleet = Fleet::new();
    assert_eq!(fleet.run(&["check"]).0, Some(1), "nothing is built");
    assert_eq!(fleet.run(&["build"]).0, Some(0));
    assert!(fleet.records().is_empty(), "what was written was not looked at");
    fleet.write("plain/one.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n");
    assert_ne!(fleet.run(&["check"]).0, Some(0));
    assert_ne!(fleet.run(&["build"]).0, Some(0));
    assert!(fleet.records().is_empty());
    fleet.write("plain/one.yaml", &config("plain", "one"));
    fleet.write(
        "fleet.yaml",
        &format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: t}}\nrepositories: [{{url: {REPO}, path: .}}, {{url: 'https://git.example.com/other.git', pin: follow}}]\n"
        ),
    );
    assert_eq!(fleet.run(&["build"]).0, Some(0));
    assert_eq!(fleet.run(&["check"]).0, Some(0));
    assert!(fleet.records().is_empty(), "a repository that is followed may have moved");
}

/// A small generator of numbers, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

#[test]
fn random_edits_are_told_as_without_a_record() {
    let fleet = Fleet::new();
    let mut dice = Dice(7);
    let mut remembered = 0;
    for step in 0..60 {
        let edit = edit(&fleet, &mut dice);
        if dice.roll(3) > 0 {
            fleet.run(&["build"]);
        }
        for again in 0..2 {
            fleet.mark();
            let (code, out, said) = fleet.run(&["check"]);
            remembered += usize::from(is_marked(&(code, out.clone(), said.clone())));
            let found = (code, out, said.replace("APPLICATIONS ON", "applications on"));
            assert_eq!(found, fleet.anew(&["check"]), "step {step}.{again}: {edit}");
        }
    }
    assert!(remembered > 15, "only {remembered} of the runs were remembered");
}

/// How many renders a build took from the one before.
fn reused(told: &Told) -> usize {
    let before = told.2.split(" as before)").next().filter(|before| before.len() < told.2.len());
    before.and_then(|before| before.rsplit('(').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn only_what_changed_is_rendered() {
    let fleet = Fleet::new();
    let first = fleet.run(&["build"]);
    assert!(first.0 == Some(0) && reused(&first) == 0, "{first:?}");
    // Four overlays of two bases, the chart, the manifests now and as of the tag.
    let total = 7;
    type Change = fn(&Fleet);
    let changes: [(&str, Change, usize); 9] = [
        ("a base", |fleet| fleet.write("apps/shop/base/config.yaml", &config("shop", "two")), 2),
        (
            "an overlay",
            |fleet| {
                fleet.write("apps/shop/on/a/kustomization.yaml", "resources: [../../base]\nnamePrefix: x-\n");
            },
            1,
        ),
        ("a template more", |fleet| fleet.write("chart/templates/more.yaml", &config("more", "more")), 1),
        ("the values of a chart", |fleet| fleet.write("chart/values.yaml", "level: high\n"), 1),
        ("a manifest more", |fleet| fleet.write("plain/two.yaml", &config("two", "two")), 1),
        (
            "another name for a kustomization",
            |fleet| {
                fs::rename(fleet.path("apps/blog/base/kustomization.yaml"), fleet.path("apps/blog/base/Kustomization"))
                    .unwrap();
            },
            2,
        ),
        (
            "a base that is a link",
            |fleet| {
                fs::rename(fleet.path("apps/blog/base"), fleet.path("apps/blog/real")).unwrap();
                symlink("real", fleet.path("apps/blog/base")).unwrap();
            },
            2,
        ),
        ("a file that nobody reads", |fleet| fleet.write("README.md", "read me\n"), 0),
        (
            "nothing that a render reads",
            |fleet| fleet.write("clusters/b.yaml", &cluster_secret("b").replace("https", "http")),
            0,
        ),
    ];
    for (name, change, rendered) in changes {
        change(&fleet);
        let kept = fleet.run(&["build"]);
        assert_eq!(kept.0, Some(0), "{name}: {kept:?}");
        let fresh = fleet.anew(&["build"]);
        assert!(fresh.2.contains(": 0 files written, 0 removed"), "{name}: {kept:?} {fresh:?}");
        let is_finding = |line: &&str| !line.contains(" unchanged in ");
        let findings = |told: &Told| told.2.lines().filter(is_finding).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(findings(&kept), findings(&fresh), "{name}");
        assert_eq!(reused(&kept), total - rendered, "{name}: {kept:?}");
    }
}

#[test]
fn random_edits_are_built_as_from_nothing() {
    let fleet = Fleet::new();
    let mut dice = Dice(11);
    let mut sum = 0;
    for step in 0..60 {
        let edit = edit(&fleet, &mut dice);
        let kept = fleet.run(&["build"]);
        sum += reused(&kept);
        let fresh = fleet.anew(&["build"]);
        if kept.0 == Some(0) {
            assert!(fresh.2.contains(": 0 files written, 0 removed"), "step {step}: {edit}: {kept:?} {fresh:?}");
        }
        assert_eq!(kept.0, fresh.0, "step {step}: {edit}");
    }
    assert!(sum > 120, "only {sum} renders were reused");
}

#[test]
fn damaged_renders_are_made_anew() {
    let fleet = Fleet::new();
    assert_eq!(fleet.run(&["build"]).0, Some(0));
    let folder = fleet.scratch.path().join("store/renders");
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let whole = fs::read(file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (at, bytes) in [&whole[..whole.len() / 2], &flipped, b""].into_iter().enumerate() {
        fs::write(file, bytes).unwrap();
        // So that the run before does not speak for this one.
        fleet.write(&format!("note-{at}.md"), "a note\n");
        let told = fleet.run(&["build"]);
        assert!(told.0 == Some(0) && reused(&told) == 0, "{told:?}");
    }
    fleet.write("apps/shop/base/config.yaml", &config("shop", "two"));
    assert_eq!(reused(&fleet.run(&["build"])), 5);
}

/// Changes something, or nothing; says what.
fn edit(fleet: &Fleet, dice: &mut Dice) -> String {
    let app = *dice.one(&["shop", "blog", "more"]);
    let value = *dice.one(&["one", "two", "three"]);
    let path = match dice.roll(9) {
        0 => format!("apps/{app}/base/config.yaml"),
        1 => format!("apps/{app}/on/{}/kustomization.yaml", dice.one(&["a", "b"])),
        2 => "plain/one.yaml".to_owned(),
        3 => "plain/two.yaml".to_owned(),
        4 => "chart/values.yaml".to_owned(),
        5 => {
            fleet.commit();
            return "a commit".to_owned();
        }
        6 => {
            fleet.git(&["tag", "-f", "v1"]);
            return "a tag".to_owned();
        }
        7 => {
            let folder = fleet.path("bundles/a/apps");
            if folder.is_dir() {
                fs::write(manifest(&folder), "edited: 1\n").unwrap();
            }
            return "a bundle".to_owned();
        }
        _ => return "nothing".to_owned(),
    };
    let exists = fleet.path(&path).exists();
    let text = match path.as_str() {
        path if path.starts_with("chart") => format!("level: {value}\n"),
        path if path.ends_with("kustomization.yaml") && app == "more" => {
            format!("configMapGenerator: [{{name: more, literals: [a={value}]}}]\n")
        }
        path if path.ends_with("kustomization.yaml") => format!("resources: [../../base]\nnamePrefix: {value}-\n"),
        _ => config(app, value),
    };
    match dice.roll(4) {
        0 if exists && path != "chart/values.yaml" => {
            fs::remove_file(fleet.path(&path)).unwrap();
            format!("{path} removed")
        }
        1 if exists => {
            let text = fs::read(fleet.path(&path)).unwrap();
            fs::write(fleet.path(&path), text).unwrap();
            format!("{path} as it was")
        }
        _ => {
            fleet.write(&path, &text);
            format!("{path}: {value}")
        }
    }
}

#[test]
fn a_comparison_is_remembered_until_a_side_is_another() {
    let fleet = Fleet::new();
    fleet.write("apps/shop/base/config.yaml", &config("shop", "two"));
    fleet.commit();
    let ways: [&[&str]; 3] = [&["diff", "v1", "main"], &["diff", "v1"], &["diff", "v1", "main", "--markdown"]];
    for way in ways {
        let first = fleet.run(way);
        assert!(first.0 == Some(0) && first.1.contains("1 change on"), "{first:?}");
        fleet.mark();
        let second = fleet.run(way);
        assert!(is_marked(&second), "{way:?}: {second:?}");
        assert_eq!((second.0, second.1.replace("CHANGE ON", "change on"), second.2), first);
        assert!(!is_marked(&fleet.anew(way)));
    }
    // An edit is one of the working tree only; a commit, of the branch as well.
    fleet.write("plain/one.yaml", &config("plain", "three"));
    assert!(is_marked(&fleet.run(ways[0])));
    assert!(fleet.run(ways[1]).1.contains("2 changes on"));
    fleet.commit();
    assert!(fleet.run(ways[0]).1.contains("2 changes on"));
    // A folder of the name is meant, not the branch.
    fleet.mark();
    fleet.git(&["worktree", "add", "-q", "main.old", "v1"]);
    fs::rename(fleet.path("main.old"), fleet.path("v1")).unwrap();
    fs::write(fleet.path("v1/fleet.yaml"), "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\n").unwrap();
    assert!(!is_marked(&fleet.run(ways[0])));
    // Differences that make the exit code are found anew.
    let code = |way: &[&str]| fleet.run(way).0;
    assert_eq!(
        [code(&["diff", "HEAD~1", "HEAD", "--exit-code"]), code(&["diff", "HEAD~1", "HEAD", "--exit-code"])],
        [Some(1); 2]
    );
}
