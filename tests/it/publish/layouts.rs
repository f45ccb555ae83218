//! The layouts of published branches, and signed commits.

use std::fs;
use std::process::Command;

use super::{Fleet, MANIFEST, URL, application, bare, cluster, config, count, tree};
use crate::git_server::{Manner, Server};

/// A policy with what `argocd` and `flux` must carry over.
fn automated(fleet: &Fleet) {
    let source = format!("{{repoURL: {URL}, path: web}}");
    let more = "  syncPolicy: {automated: {prune: true}, syncOptions: [CreateNamespace=true]}\n  ignoreDifferences: [{kind: ConfigMap, jsonPointers: [/data/x]}]\n";
    fleet.write("apps/web-a.yaml", &format!("{}{more}", application("web-a", "a", &source)));
    fleet.commit("2026-01-01T01:00:00Z");
}

#[test]
fn argo_cd_is_pointed_at_folders() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let fleet = Fleet::new();
    automated(&fleet);
    let to = format!("{}#rendered", origin.path().display());
    fleet.publish(&to, &["--layout", "argocd", "--path", "x"], 0);
    let published = tree(&origin, "rendered");
    let names: Vec<&str> = published.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "x/.fleetc-published",
            "x/a/db/manifests.yaml",
            "x/a/web-a/manifests.yaml",
            "x/applications/a/db.yaml",
            "x/applications/a/web-a.yaml",
            "x/applications/b/web-b.yaml",
            "x/b/web-b/manifests.yaml",
        ]
    );
    let want = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  annotations:\n    argocd.argoproj.io/manifest-generate-paths: .\n  \
         name: web-a\n  namespace: argocd\nspec:\n  destination:\n    namespace: shop\n    server: https://a.example.com\n  ignoreDifferences:\n  \
         - jsonPointers:\n    - /data/x\n    kind: ConfigMap\n  project: default\n  source:\n    path: x/a/web-a\n    repoURL: {}\n    \
         targetRevision: rendered\n  syncPolicy:\n    automated:\n      prune: true\n    syncOptions:\n    - CreateNamespace=true\n",
        origin.path().display()
    );
    assert_eq!(published["x/applications/a/web-a.yaml"], want);
    // A fleet of these Applications gives the same objects.
    fleet.run(&["build", "."], 0);
    let again = Fleet::empty("");
    again.write("clusters/a.yaml", &cluster("a", "eu"));
    again.write("clusters/b.yaml", &cluster("b", "us"));
    for name in ["a/db", "a/web-a", "b/web-b"] {
        again.write(&format!("apps/{name}.yaml"), &published[&format!("x/applications/{name}.yaml")]);
    }
    again.run(&["build", "."], 0);
    for path in ["a/apps/web-a.yaml", "b/apps/web-b.yaml", "a/apps/db.yaml"] {
        let text = |fleet: &Fleet| fs::read_to_string(fleet.dir().join("bundles").join(path)).unwrap();
        assert_eq!(text(&again), text(&fleet), "{path}");
    }
    // One application changes: one folder does.
    fleet.write("db/config.yaml", &config("db", "two"));
    fleet.commit("2026-01-02T00:00:00Z");
    fleet.publish(&to, &["--layout", "argocd", "--path", "x"], 0);
    assert_eq!(
        origin.git(&["diff", "--name-only", "rendered~", "rendered"]),
        "x/.fleetc-published\nx/a/db/manifests.yaml"
    );
    // While something is held, nothing goes.
    fs::remove_file(fleet.dir().join("apps/db.yaml")).unwrap();
    fleet.write("web/kustomization.yaml", "resources: [nothing.yaml]\n");
    fleet.commit("2026-01-03T00:00:00Z");
    fleet.publish(&to, &["--layout", "argocd", "--path", "x"], 3);
    assert_eq!(tree(&origin, "rendered").len(), published.len());
    fs::remove_file(fleet.dir().join("web/kustomization.yaml")).unwrap();
    fleet.commit("2026-01-04T00:00:00Z");
    fleet.publish(&to, &["--layout", "argocd", "--path", "x"], 0);
    assert_eq!(tree(&origin, "rendered").len(), published.len() - 2);
}

#[test]
fn flux_is_pointed_at_folders() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let fleet = Fleet::new();
    automated(&fleet);
    fleet.write(
        "fleet.yaml",
        &format!(
            "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata: {{name: shop}}\nrepositories: [{{url: {URL}, path: .}}]\n\
             publish: {{to: '{}#rendered', layout: flux, url: 'git@git.example.com:out.git'}}\n",
            origin.path().display()
        ),
    );
    fleet.commit("2026-01-01T02:00:00Z");
    fleet.run(&["publish"], 0);
    let published = tree(&origin, "rendered");
    assert_eq!(
        published["flux/a/web-a.yaml"],
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: web-a\n  namespace: flux-system\nspec:\n  interval: \
         10m0s\n  path: ./a/web-a\n  prune: true\n  sourceRef:\n    kind: GitRepository\n    name: shop\n"
    );
    assert!(
        published["flux/a/db.yaml"]
            .ends_with("  prune: false\n  sourceRef:\n    kind: GitRepository\n    name: shop\n  suspend: true\n")
    );
    assert_eq!(
        published["flux/repository.yaml"],
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: shop\n  namespace: flux-system\nspec:\n  interval: 5m0s\n  \
         ref:\n    branch: rendered\n  url: ssh://git@git.example.com/out.git\n"
    );
    assert!(published["a/web-a/manifests.yaml"].contains("kind: ConfigMap"));
}

#[test]
fn the_hydrator_leaves_a_branch_like_this() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let server = Server::start(origins.path(), Manner::default());
    let fleet = Fleet::new();
    fleet.write(
        "web/list.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: list}\ndata: {a10: \"1\", a9: \"yes\", b: \"x\\ny\\n\"}\n",
    );
    let commit = fleet.commit("2026-01-01T03:00:00Z");
    fleet.git(&["remote", "add", "origin", URL]);
    let to = format!("{}#hydrated", server.url("out"));
    fleet.publish(&to, &["--layout", "hydrator"], 0);
    let published = tree(&origin, "hydrated");
    let beside: Vec<&str> = published.keys().map(String::as_str).filter(|path| !path.starts_with("b/")).collect();
    let want = [
        MANIFEST,
        ".gitattributes",
        "a/db/README.md",
        "a/db/hydrator.metadata",
        "a/db/manifest.yaml",
        "a/web-a/README.md",
        "a/web-a/hydrator.metadata",
        "a/web-a/manifest.yaml",
        "hydrator.metadata",
    ];
    assert_eq!(beside, want);
    let root = format!(
        "{{\n  \"repoURL\": \"{URL}\",\n  \"drySha\": \"{commit}\",\n  \"author\": \"t <t@t>\",\n  \"date\": \"2026-01-01T03:00:00Z\",\n  \"subject\": \
         \"commit of 2026-01-01T03:00:00Z\"\n}}\n"
    );
    assert_eq!(published["hydrator.metadata"], root);
    assert_eq!(
        published[".gitattributes"],
        "**/README.md linguist-generated=true\n**/hydrator.metadata linguist-generated=true"
    );
    let path = format!(
        "{{\n  \"repoURL\": \"{URL}\",\n  \"drySha\": \"{commit}\",\n  \"commands\": [\n    \"fleetc build\"\n  ]\n}}\n"
    );
    assert_eq!(published["a/web-a/hydrator.metadata"], path);
    assert_eq!(
        published["a/web-a/manifest.yaml"],
        "apiVersion: v1\ndata:\n  a9: \"yes\"\n  a10: \"1\"\n  b: |\n    x\n    y\nkind: ConfigMap\nmetadata:\n  name: list\n  namespace: shop\n---\n\
         apiVersion: v1\ndata:\n  value: one\nkind: ConfigMap\nmetadata:\n  name: web\n  namespace: shop\n"
    );
    let short = &commit[..7];
    let subject = origin.git(&["log", "-1", "--format=%s", "hydrated"]);
    assert_eq!(subject, format!("{short}: commit of 2026-01-01T03:00:00Z"));
    let note = |commit: &str| origin.git(&["notes", "--ref", "hydrator.metadata", "show", commit]);
    assert_eq!(note("hydrated"), format!("{{\"drySha\":\"{commit}\"}}"));
    // No manifest changes: no commit, but the note moves on.
    fleet.write("README.md", "hello\n");
    let second = fleet.commit("2026-01-01T04:00:00Z");
    fleet.publish(&to, &["--layout", "hydrator"], 0);
    assert_eq!(count(&origin, "hydrated"), 1);
    assert_eq!(note("hydrated"), format!("{{\"drySha\":\"{second}\"}}"));
    // One does: the metadata of the others stay.
    fleet.write("db/config.yaml", &config("db", "two"));
    let third = fleet.commit("2026-01-01T05:00:00Z");
    fleet.publish(&to, &["--layout", "hydrator"], 0);
    let now = tree(&origin, "hydrated");
    assert!(now["a/db/hydrator.metadata"].contains(&third) && now["hydrator.metadata"].contains(&third));
    assert_eq!(now["a/web-a/hydrator.metadata"], path);
    assert_eq!(note("hydrated"), format!("{{\"drySha\":\"{third}\"}}"));
    assert_eq!(note("hydrated~"), format!("{{\"drySha\":\"{second}\"}}"));
    origin.git(&["fsck", "--strict", "--full"]);
}

#[test]
fn commits_are_signed_as_git_signs_them() {
    let origins = tempfile::tempdir().unwrap();
    let origin = bare(origins.path(), "out");
    let fleet = Fleet::new();
    let key = fleet.scratch.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let signers = fleet.scratch.path().join("signers");
    fs::write(&signers, format!("me@example.com namespaces=\"git\" {public}")).unwrap();
    let to = format!("{}#rendered", origin.path().display());
    let said = fleet.publish(&to, &["--sign", "no-such-key"], 4);
    assert!(said.contains("`no-such-key` does not sign"), "{said}");
    fleet.publish(&to, &["--sign", &key.display().to_string()], 0);
    let verify = Command::new("git")
        .args(["-c", &format!("gpg.ssh.allowedSignersFile={}", signers.display()), "verify-commit", "-v", "rendered"])
        .current_dir(origin.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verify.stderr);
    assert!(verify.status.success() && said.contains("Good \"git\" signature for me@example.com"), "{said}");
}
