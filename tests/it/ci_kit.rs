//! `examples/ci`: what the files promise (rights, pins) holds, and their steps that need no cluster are run on an example fleet with a repository
//! on this machine; `gh` and `curl` are stood in for. And the exit codes of the guide.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleetc::span::FileId;
use fleetc::yaml::{self, Dialect, Limits, Node};

use super::examples::copy;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join("examples/ci").join(name)).unwrap()
}

pub(crate) fn parsed(text: &str) -> Node {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none(), "{text}");
    parsed.documents[0].root.clone()
}

const GITHUB: [&str; 2] = ["github/pull-request.yml", "github/main.yml"];
const GITLAB: &str = "gitlab/.gitlab-ci.yml";

/// A step that a shell runs.
struct Step {
    job: String,
    name: String,
    run: String,
}

fn github(name: &str) -> Vec<Step> {
    let file = parsed(&text(name));
    let mut steps = Vec::new();
    for (job, body) in file.get("jobs").unwrap().as_map().unwrap().iter() {
        for step in body.get("steps").unwrap().as_seq().unwrap() {
            if let Some(run) = step.get("run").and_then(Node::as_str) {
                let name = step.get("name").and_then(Node::as_str).unwrap_or_default();
                steps.push(Step { job: job.as_str().unwrap().to_owned(), name: name.to_owned(), run: run.to_owned() });
            }
        }
    }
    steps
}

/// The scripts of GitLab's jobs, each as one: that is how it runs them.
fn gitlab() -> Vec<Step> {
    let file = parsed(&text(GITLAB));
    let mut steps = Vec::new();
    for (job, body) in file.as_map().unwrap().iter() {
        for part in ["before_script", "script"] {
            let Some(lines) = body.get(part).and_then(Node::as_seq) else { continue };
            let run = lines.iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n");
            steps.push(Step { job: job.as_str().unwrap().to_owned(), name: part.to_owned(), run });
        }
    }
    steps
}

/// A workflow gives no rights to all jobs, to each only those that it may have; its actions are pinned by commit and say their version; and
/// nothing that others write (titles, names of branches) becomes part of a script.
pub(crate) fn is_careful(name: &str, text: &str, may: &dyn Fn(&str) -> &'static [&'static str]) {
    let file = parsed(text);
    assert!(file.get("permissions").unwrap().as_map().unwrap().is_empty(), "{name}: rights for all jobs");
    assert!(!text.contains("pull_request_target"), "{name}: code of forks would run with rights");
    for (job, body) in file.get("jobs").unwrap().as_map().unwrap().iter() {
        let job = job.as_str().unwrap();
        let rights = body.get("permissions").and_then(Node::as_map).unwrap();
        let written = rights.iter().filter(|(_, right)| right.as_str() == Some("write"));
        let writes: Vec<&str> = written.filter_map(|(what, _)| what.as_str()).collect();
        assert_eq!(writes, may(job), "{name}: {job}");
        assert!(body.get("timeout-minutes").is_some(), "{name}: {job}");
        for step in body.get("steps").unwrap().as_seq().unwrap() {
            if let Some(run) = step.get("run").and_then(Node::as_str) {
                assert!(!run.contains("${{"), "{name}: {job}: {run}");
            }
            let Some(uses) = step.get("uses").and_then(Node::as_str) else { continue };
            let (action, pin) = uses.split_once('@').unwrap();
            let is_commit = pin.len() == 40 && pin.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit || action == "OWNER/fleetc", "{name}: {uses}");
            assert!(!is_commit || text.contains(&format!("{uses} # v")), "{name}: {uses} does not say its version");
            // A token that stays in .git can be read by everything that runs later.
            if action == "actions/checkout" {
                let keeps = step.at(&["with", "persist-credentials"]).and_then(Node::as_bool);
                assert_eq!(keeps, Some(false), "{name}: {job}");
            }
        }
    }
}

#[test]
fn jobs_have_the_least_rights_and_actions_are_pinned() {
    for name in GITHUB {
        is_careful(name, &text(name), &|job| match job {
            "lint" => &["security-events"],
            "comment" => &["pull-requests"],
            "publish" => &["contents"],
            _ => &[],
        });
    }
    let file = parsed(&text(GITLAB));
    for job in ["plan", "apply"] {
        assert!(file.at(&[job, "environment"]).is_some(), "{job}");
    }
    let rule = &file.at(&["apply", "rules"]).unwrap().as_seq().unwrap()[0];
    assert_eq!(rule.get("when").and_then(Node::as_str), Some("manual"));
}

pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A checkout of an example fleet with its origin, as a runner has it.
struct Runner {
    scratch: tempfile::TempDir,
    checkout: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Runner {
    /// `None` where git, bash or jq is not installed.
    fn new() -> Option<Runner> {
        if !["git", "bash", "jq"].into_iter().all(has) {
            return None;
        }
        let scratch = tempfile::tempdir().unwrap();
        let (checkout, bin) = (scratch.path().join("checkout"), scratch.path().join("bin"));
        copy(&root().join("examples/overlays"), &checkout);
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fleetc"), bin.join("fleetc")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut environment = BTreeMap::new();
        for (name, value) in [
            ("PATH", path.as_str()),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
            ("FLEETC_OFFLINE", "1"),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        let runner = Runner { scratch, checkout, environment };
        let origin = runner.scratch.path().join("origin.git");
        runner.succeeds(&format!(
            "git init -q --bare -b main '{origin}'; git init -q -b main; git remote add origin 'file://{origin}'; \
             echo bundles/ > .gitignore; fleetc build --quiet; git add -A; git commit -qm first; git push -q origin main; git fetch -q; \
             git checkout -q -b change; sed -i 's#replicas: 1#replicas: 2#' apps/web/base/deployment.yaml; \
             git commit -qam change; git checkout -q --detach",
            origin = origin.display()
        ));
        Some(runner)
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// A program that notes its arguments and what files they name, and prints an answer.
    fn stand_in(&self, name: &str, script: &str) {
        let file = self.scratch.path().join("bin").join(name);
        let calls = self.scratch.path().join(format!("{name}.calls"));
        fs::write(&file, format!("#!/bin/sh\necho \"$@\" >> '{}'\n{script}\n", calls.display())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn calls(&self, name: &str) -> String {
        let file = self.scratch.path().join(format!("{name}.calls"));
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        text
    }

    /// As GitHub starts a step: `bash -e`; GitLab's shells stop at errors, too.
    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]).current_dir(&self.checkout);
        command.envs(&self.environment).output().unwrap()
    }

    fn succeeds(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.checkout.join(name)).unwrap()
    }
}

fn step<'a>(steps: &'a [Step], job: &str, name: &str) -> &'a str {
    &steps.iter().find(|step| step.job == job && step.name == name).unwrap().run
}

#[test]
fn the_steps_for_github_run() {
    let Some(mut runner) = Runner::new() else { return };
    let summary = runner.scratch.path().join("summary.md");
    for (name, value) in [
        ("GITHUB_BASE_REF", "main"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_REPOSITORY", "o/r"),
        ("GITHUB_SHA", "0123"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("NUMBER", "7"),
    ] {
        runner.set(name, value);
    }
    runner.set("GITHUB_STEP_SUMMARY", summary.display().to_string());
    let steps = github(GITHUB[0]);
    runner.succeeds(step(&steps, "render", "Render"));
    runner.succeeds(step(&steps, "render", "What changes"));
    let changes = runner.file("changes.md");
    assert!(
        changes.contains("change Deployment.apps shop/web") && changes.contains(".spec.replicas: 1 → 2"),
        "{changes}"
    );
    assert_eq!(fs::read_to_string(&summary).unwrap(), changes);

    runner.succeeds(step(&steps, "lint", "Annotations"));
    runner.succeeds(step(&steps, "lint", "Findings as SARIF"));
    let sarif: serde_json::Value = serde_json::from_str(&runner.file("lint.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    runner.stand_in("gh", "");
    runner.succeeds(step(&steps, "lint", "Upload to code scanning"));
    let calls = runner.calls("gh");
    assert!(calls.contains("repos/o/r/code-scanning/sarifs -f commit_sha=0123 -f ref=refs/pull/7/merge"), "{calls}");

    // The first comment is made, later ones take its place.
    let comment = step(&steps, "comment", "One comment, written anew each time");
    runner.succeeds(comment);
    let calls = runner.calls("gh");
    assert!(calls.contains("--method POST repos/o/r/issues/7/comments -F body=@comment.md"), "{calls}");
    assert!(runner.file("comment.md").starts_with("<!-- fleetc: what this changes -->\n"));
    runner.stand_in("gh", "case \"$*\" in *--paginate*) echo 42; echo 43;; esac");
    runner.succeeds(comment);
    let calls = runner.calls("gh");
    assert!(calls.contains("--method PATCH repos/o/r/issues/comments/42 ") && !calls.contains("POST"), "{calls}");

    // What is wrong fails the job, with its own code.
    runner.succeeds("sed -i 's/kind: Deployment/kind: [Deployment/' apps/web/base/deployment.yaml");
    assert_eq!(runner.run(step(&steps, "render", "Render")).status.code(), Some(3));
    assert_eq!(runner.run(step(&steps, "lint", "Annotations")).status.code(), Some(3));
    assert!(runner.run(step(&steps, "lint", "Findings as SARIF")).status.success());
    runner.succeeds("git checkout -q -f main");

    let steps = github(GITHUB[1]);
    let publish = step(&steps, "publish", "Publish");
    runner.succeeds(publish);
    let published = runner.succeeds("git fetch -q origin rendered; git ls-tree -r --name-only FETCH_HEAD");
    assert!(published.contains("prod-eu/apps/web-prod-eu.yaml"), "{published}");
    assert!(runner.succeeds("git log -1 --format=%an FETCH_HEAD").starts_with("github-actions"));
    let first = runner.succeeds("git rev-parse FETCH_HEAD");
    runner.succeeds(publish);
    let again = runner.succeeds("git fetch -q origin rendered; git rev-parse FETCH_HEAD");
    assert_eq!(first, again, "a second run is no commit");
}

#[test]
fn the_steps_for_gitlab_run() {
    let Some(mut runner) = Runner::new() else { return };
    let origin = runner.scratch.path().join("origin");
    for (name, value) in [
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_COMMIT_BRANCH", "main"),
        ("CI_API_V4_URL", "https://gitlab.example.com/api/v4"),
        ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_SERVER_HOST", "gitlab.example.com"),
        ("CI_PROJECT_PATH", "o/r"),
        ("COMMENT_TOKEN", "t0ken"),
        ("PUSH_TOKEN", "t1ken"),
        ("GITLAB_USER_NAME", "Ada"),
        ("GITLAB_USER_EMAIL", "ada@example.com"),
    ] {
        runner.set(name, value);
    }
    runner.set("CI_PROJECT_URL", format!("file://{}", origin.display()));
    let steps = gitlab();
    runner.succeeds(step(&steps, "render", "script"));
    assert!(runner.file("changes.md").contains(".spec.replicas: 1 → 2"));

    runner.stand_in("curl", "case \"$*\" in *per_page*) echo '[]';; esac");
    runner.succeeds(step(&steps, "comment", "script"));
    let calls = runner.calls("curl");
    let notes = "https://gitlab.example.com/api/v4/projects/5/merge_requests/7/notes";
    assert!(calls.contains(&format!("--request POST --data @comment.json {notes}\n")), "{calls}");
    let comment: serde_json::Value = serde_json::from_str(&runner.file("comment.json")).unwrap();
    assert!(comment["body"].as_str().unwrap().starts_with("<!-- fleetc: what this changes -->\n"));
    let known = "[{\"id\": 1, \"body\": \"hello\"}, {\"id\": 9, \"body\": \"<!-- fleetc: what this changes --> old\"}]";
    runner.stand_in("curl", &format!("case \"$*\" in *per_page*) echo '{known}';; esac"));
    runner.succeeds(step(&steps, "comment", "script"));
    let calls = runner.calls("curl");
    assert!(calls.contains(&format!("--request PUT --data @comment.json {notes}/9\n")), "{calls}");

    let lint = step(&steps, "lint", "script");
    runner.succeeds(lint);
    // A field that does not exist: a finding at its line, and the code of the job.
    runner.succeeds("sed -i 's/  replicas: 2/  replicas: 2\\n  replicaz: 2/' apps/web/base/deployment.yaml");
    assert_eq!(runner.run(lint).status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_str(&runner.file("code-quality.json")).unwrap();
    let of_schema =
        |found: &&serde_json::Value| found["check_name"].as_str().is_some_and(|id| id.starts_with("schema/"));
    let found = report.as_array().unwrap().iter().find(of_schema).unwrap();
    assert_eq!(found["location"]["path"], "apps/web/base/deployment.yaml", "{report}");
    assert_eq!(found["location"]["lines"]["begin"], 7, "{report}");
    assert_eq!(found["severity"], "major");
    runner.succeeds("git checkout -q -f main");

    runner.succeeds(step(&steps, "publish", "script"));
    let author = runner.succeeds("git fetch -q origin rendered; git log -1 --format='%an <%ae>' FETCH_HEAD");
    assert_eq!(author, "Ada <ada@example.com>\n");
}

/// The programs of the release are taken only when their checksum is the one that was said.
#[test]
fn gitlab_takes_no_program_with_another_checksum() {
    let Some(mut runner) = Runner::new() else { return };
    let steps = gitlab();
    let script = step(&steps, ".fleetc", "before_script").replace("/tmp/", "tmp/").replace("/usr/local/bin", "usr");
    runner.succeeds("mkdir tmp usr; printf '#!/bin/sh\\n' > fleetc; tar -czf release.tar.gz fleetc");
    runner.stand_in("apk", "");
    let release = runner.checkout.join("release.tar.gz");
    runner.stand_in("curl", &format!("cp '{}' tmp/fleetc.tar.gz", release.display()));
    runner.set("FLEETC_URL", "https://example.com/fleetc.tar.gz");
    let sum = runner.succeeds("sha256sum release.tar.gz | cut -d' ' -f1");
    runner.set("FLEETC_SHA256", "0".repeat(64));
    assert!(!runner.run(&script).status.success() && !runner.checkout.join("usr/fleetc").exists());
    runner.set("FLEETC_SHA256", sum.trim());
    runner.succeeds(&script);
    assert!(runner.checkout.join("usr/fleetc").exists());
}

#[test]
fn exit_codes_are_those_of_the_guide() {
    let guide = fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let table = guide.split("### Exit codes").nth(1).unwrap();
    let documented: Vec<i32> =
        table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect();
    let scratch = tempfile::tempdir().unwrap();
    let fleet = scratch.path().join("fleet");
    copy(&root().join("examples/overlays"), &fleet);
    let kubeconfig = scratch.path().join("kubeconfig");
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\nusers: [{name: u, user: {token: t}}]\n\
         contexts: [{name: k, context: {cluster: c, user: u}}]\n",
    )
    .unwrap();
    let code = |arguments: &str| {
        let words = arguments.split(' ').map(|word| word.replace("KUBECONFIG", kubeconfig.to_str().unwrap()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
        command.args(words).current_dir(&fleet).env("FLEETC_OFFLINE", "1").output().unwrap().status.code().unwrap()
    };
    let mut seen = vec![code("build"), code("diff bundles bundles --exit-code")];
    assert_eq!(seen, [0, 0]);
    seen = vec![code("build --no-such-option"), code("build nowhere"), code("build --engine argocd=1.0")];
    assert_eq!(seen, [2, 2, 2]);
    let contexts = "--kubeconfig KUBECONFIG --context dev-eu=k --context prod-eu=k --context prod-us=k --context staging-eu=k --request-timeout 1";
    assert_eq!(code(&format!("plan --cluster dev-eu {contexts}")), 5);
    fs::write(fleet.join("platform/regions/eu/quota.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n")
        .unwrap();
    assert_eq!(code("check"), 1);
    fs::write(fleet.join("apps/web/base/deployment.yaml"), "kind: [\n").unwrap();
    assert_eq!(code("build"), 3);
    assert_eq!(code("lint"), 3);
    fs::remove_file(fleet.join("fleet.yaml")).unwrap();
    assert_eq!(code("build -o elsewhere"), 4);
    assert_eq!(documented, [0, 1, 2, 3, 4, 5]);
}
