//! `fleetc diff` as people call it: revisions of a git repository, folders of bundles, locks, wrong sides.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::path::Path;
use std::process::{Command, Output};

use crate::git::Blob::File;
use crate::git::Repo;

const CLUSTER: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: NAME\n  labels: {argocd.argoproj.io/secret-type: cluster, env: prod}\nstringData:\n  name: NAME\n  server: https://NAME.example.com\n";
const SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: web, namespace: argocd}\nspec:\n  goTemplate: true\n  generators: [{clusters: {selector: {matchLabels: {env: prod}}}}]\n  template:\n    metadata: {name: 'web-{{.name}}'}\n    spec:\n      project: default\n      source: {repoURL: https://git.example.com/platform/fleet.git, path: apps/web, targetRevision: HEAD}\n      destination: {name: '{{.name}}', namespace: web}\n";
const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {greeting: hello old world}\n";

/// A fleet of three clusters in a repository with two commits: `v1`, and HEAD with another greeting and a fourth cluster.
pub(crate) fn fleet(folder: &Path) {
    let repo = Repo::new(folder);
    let cluster = |name: &str| CLUSTER.replace("NAME", name);
    let clusters: Vec<(String, String)> =
        ["a", "b", "c", "d"].map(|name| (format!("clusters/{name}.yaml"), cluster(name))).into();
    let commit = |parents: &[gix::ObjectId], clusters: &[(String, String)], object: &str| {
        let mut files = vec![("set.yaml", File(SET)), ("apps/web/web.yaml", File(object))];
        files.extend(clusters.iter().map(|(path, text)| (path.as_str(), File(text))));
        repo.commit_after(parents, &files)
    };
    let first = commit(&[], &clusters[..3], OBJECT);
    let second = commit(&[first], &clusters, &OBJECT.replace("old", "new"));
    repo.set("refs/tags/v1", first);
    repo.set("refs/heads/main", second);
    repo.write(&[("set.yaml", SET), ("apps/web/web.yaml", &OBJECT.replace("old", "third"))]);
    for (path, text) in &clusters {
        repo.write(&[(path, text)]);
    }
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetc"));
    command.args(args).env("FLEETC_OFFLINE", "1").env("FLEETC_NO_CACHE", "1").current_dir(folder).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn two_revisions_are_compared_without_touching_the_checkout() {
    let folder = tempfile::tempdir().unwrap();
    fleet(folder.path());
    let output = run(folder.path(), &["diff", "v1", "HEAD", "--exit-code"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        out(&output),
        "\
+ 1 cluster comes: d
+ comes: web-d on d (1 object)

web-* on 3 clusters: a, b, c
  ~ change ConfigMap web/web
    ~ .data.greeting: hello old world → hello new world

1 change on 3 clusters, 1 application comes, of 4 applications
"
    );
    // With one side the other is the working tree, and without any the first is HEAD.
    let tree = run(folder.path(), &["diff"]);
    assert!(out(&tree).contains("hello new world → hello third world"), "{tree:?}");
    let filtered = run(folder.path(), &["diff", "v1", "HEAD", "--cluster", "a", "--app", "web-*"]);
    assert!(out(&filtered).ends_with("1 change on 1 cluster, of 1 application\n"), "{filtered:?}");
    let same = run(folder.path(), &["diff", "HEAD", "main", "--exit-code"]);
    assert_eq!((same.status.code(), out(&same)), (Some(0), "no difference in 4 applications\n".to_owned()));
    assert!(!folder.path().join("bundles").exists() && !folder.path().join("fleet.lock").exists());
}

#[test]
fn words_that_changed_are_marked_and_comments_and_data_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    fleet(folder.path());
    let color = out(&run(folder.path(), &["diff", "v1", "HEAD", "--color", "always"]));
    assert!(color.contains("hello \u{1b}[4mold\u{1b}[24m world → hello \u{1b}[4mnew\u{1b}[24m world"), "{color}");
    let markdown = out(&run(folder.path(), &["diff", "v1", "HEAD", "--markdown"]));
    assert!(markdown.starts_with("### Fleet diff\n\n1 change on 3 clusters, 1 application comes"), "{markdown}");
    assert!(markdown.contains("```diff\n!  ~ change ConfigMap web/web\n"), "{markdown}");
    let json = out(&run(folder.path(), &["diff", "v1", "HEAD", "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let schema =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/diff.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(json["changes"][0]["fields"][0]["after"], "hello new world");
    assert_eq!(json["clusters"]["added"][0], "d");
}

#[test]
fn folders_and_locks_are_compared_too() {
    let folder = tempfile::tempdir().unwrap();
    fleet(folder.path());
    for (name, object) in [("old", "one"), ("new", "two")] {
        std::fs::write(folder.path().join("apps/web/web.yaml"), OBJECT.replace("old", object)).unwrap();
        let built = run(folder.path(), &["build", "-o", &format!("out-{name}"), "-q"]);
        assert!(built.status.success(), "{built:?}");
    }
    let folders = run(folder.path(), &["diff", "out-old", "out-new"]);
    assert!(out(&folders).ends_with("1 change on 4 clusters, of 4 applications\n"), "{folders:?}");
    let locks = run(folder.path(), &["diff", "out-old/bundles.lock", "out-new/bundles.lock", "--exit-code"]);
    assert_eq!(
        (locks.status.code(), out(&locks)),
        (Some(1), "changed  a\nchanged  b\nchanged  c\nchanged  d\n".to_owned())
    );
    // A folder and a revision.
    let mixed = run(folder.path(), &["diff", "out-old", "v1"]);
    assert!(out(&mixed).starts_with("- 1 cluster leaves: d\n"), "{mixed:?}");
}

#[test]
fn sides_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fleet(folder.path());
    let built = run(folder.path(), &["build", "-q"]);
    assert!(built.status.success(), "{built:?}");
    std::fs::write(folder.path().join("bundles/a/apps/x.yaml"), "").unwrap();
    std::fs::write(folder.path().join("bundles/b/bundle.yaml"), "").unwrap();
    for (args, code, says) in [
        (&["diff", "v11", "HEAD"][..], 2, "did you mean `v1`?"),
        (&["diff", "bundles/bundles.lock", "HEAD"][..], 2, "a lock can only be compared with a lock"),
        (&["diff", "bundles/bundles.lock", "fleet.lock"][..], 2, "are not two locks of one kind"),
        (&["diff", "bundles"][..], 3, "`bundles/b/bundle.yaml` is not what bundles.lock says"),
        (&["diff", "--cluster", "e"][..], 2, "no cluster of the fleet is called `e`"),
    ] {
        let output = run(folder.path(), args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && text.contains(says), "{args:?}: {output:?}");
    }
}

#[test]
fn what_both_sides_warn_of_is_not_said() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path());
    let secret =
        |name: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{a: b}}\n");
    let (old, new, cluster) = (secret("old"), secret("new"), CLUSTER.replace("NAME", "a"));
    let mut files = vec![("set.yaml", File(SET)), ("clusters/a.yaml", File(&cluster)), ("apps/web/a.yaml", File(&old))];
    let first = repo.commit_after(&[], &files);
    files.push(("apps/web/b.yaml", File(&new)));
    let second = repo.commit_after(&[first], &files);
    repo.set("refs/tags/v1", first);
    repo.set("refs/heads/main", second);
    for (before, after, is_new) in [("v1", "main", true), ("main", "main", false), ("v1", "v1", false)] {
        let output = run(folder.path(), &["diff", before, after, "--no-cache"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(text.matches("bundle/clear-secret").count(), usize::from(is_new), "{before} {after}: {text}");
    }
}
