//! Large files of git (LFS): a pointer in a repository, and a server that says where its content is. It answers with files, so that they can be
//! wrong.

use std::fs;
use std::path::PathBuf;

use fleetc::digest::Digest;

use super::{Site, application, config, has_git, stderr, succeed, text_of, write};

const BATCH: &str = "served/git/big.git/info/lfs/objects/batch";

/// A fleet whose repository has a manifest as a large file, and the digest of that.
fn site(settings: &str) -> (Site, PathBuf, Digest) {
    let site = Site::new();
    let content = config("big", "large");
    let digest = Digest::of(content.as_bytes());
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid {digest}\nsize {}\n", content.len());
    // Larger than any file that is read: not asked for.
    let huge = format!("version https://git-lfs.github.com/spec/v1\noid {}\nsize 9000000000\n", Digest::of(b"huge"));
    site.commit(
        "big",
        &[("app/big.yaml", &pointer), ("app/small.yaml", &config("small", "here")), ("huge.bin", &huge)],
    );
    let fleet = site.path("fleet");
    let repository = site.repository("big");
    write(
        &fleet.join("apps.yaml"),
        &application("big", &format!("{{repoURL: {repository}, path: app, targetRevision: main}}")),
    );
    let text = format!("apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\n{}", settings.replace("URL", &repository));
    write(&fleet.join("fleet.yaml"), &text);
    write(&site.path(&format!("served/large/{}", digest.hex())), &content);
    (site, fleet, digest)
}

/// What the server says of the content.
fn says(site: &Site, digest: &Digest, what: &str) {
    let url = format!("{}/large/{}", site.server.url(), digest.hex());
    let object = what.replace("HREF", &url);
    write(
        &site.path(BATCH),
        &format!(r#"{{"transfer": "basic", "objects": [{{"oid": "{}", {object}}}]}}"#, digest.hex()),
    );
}

const DOWNLOAD: &str =
    r#""actions": {"download": {"href": "HREF", "header": {"Authorization": "Basic bGZzOnQwa2Vu", "X-Way": "1"}}}"#;

#[test]
fn content_is_fetched_where_somebody_asked_for_it() {
    if !has_git() {
        return;
    }
    let (site, fleet, digest) = site("repositories: [{url: URL, lfs: true}]\n");
    says(&site, &digest, DOWNLOAD);
    let built = site.run(&fleet, "store", &["build", "."]);
    succeed(&built, &["build"]);
    let first = site.build(&fleet, "store", &["--locked"]);
    assert!(text_of(&first).contains("from: large"), "{}", text_of(&first));
    let seen = site.server.asked();
    let batches: Vec<&String> = seen.iter().filter(|line| line.contains("/info/lfs/")).collect();
    let [batch] = batches.as_slice() else { panic!("one question for all: {seen:?}") };
    let asked: serde_json::Value =
        serde_json::from_str(batch.strip_prefix("POST /git/big.git/info/lfs/objects/batch ").unwrap()).unwrap();
    let objects = serde_json::json!([{"oid": digest.hex(), "size": config("big", "large").len()}]);
    let want =
        serde_json::json!({"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects});
    assert_eq!(asked, want);
    let downloads: Vec<&String> = seen.iter().filter(|line| line.contains("/large/")).collect();
    assert_eq!(downloads, [&format!("GET /large/{} (Basic bGZzOnQwa2Vu)", digest.hex())]);

    // The store has it now, and only as what it is.
    assert_eq!(site.build(&fleet, "store", &["--locked", "--offline"]), first);
    assert_eq!(site.server.asked(), Vec::<String>::new());
    let place = site.path("store/content").join(&digest.hex()[..2]).join(digest.hex());
    fs::write(&place, "damaged").unwrap();
    let damaged = site.run(&fleet, "store", &["build", ".", "--offline"]);
    assert!(stderr(&damaged).contains("no longer in the store"), "{}", stderr(&damaged));
    assert_eq!(site.build(&fleet, "store", &["--locked"]), first);

    // A folder for sites without a network has it, too.
    let folder = site.path("vendored");
    let vendor = ["vendor", folder.to_str().unwrap()];
    succeed(&site.run(&fleet, "store", &vendor), &vendor);
    assert_eq!(site.build(&fleet, "vendored", &["--locked", "--offline"]), first);
}

#[test]
fn wrong_content_holds_the_application() {
    if !has_git() {
        return;
    }
    let (site, fleet, digest) = site("repositories: [{url: URL, lfs: true}]\n");
    let large = site.path(&format!("served/large/{}", digest.hex()));
    let good = config("big", "large");
    for (what, content, why) in [
        (DOWNLOAD, good.replace("large", "other"), "is something else"),
        (DOWNLOAD, good[..20].to_owned(), "is something else"),
        (DOWNLOAD, good.repeat(1_000), "more than"),
        (r#""error": {"code": 404, "message": "Object does not exist"}"#, good.clone(), "Object does not exist"),
        (r#""actions": {}"#, good.clone(), "does not say where it is"),
        (r#""actions": {"download": {"href": "file:///etc/passwd"}}"#, good.clone(), "no URL of HTTP"),
        (
            r#""actions": {"download": {"href": "HREF", "header": {"Authorization": "Odd s3cret"}}}"#,
            good.clone(),
            "kind of login that is not known",
        ),
        (r#""actions": {"download": {"href": "HREF-gone?sig=s3cret"}}"#, good.clone(), "does not exist"),
    ] {
        says(&site, &digest, what);
        write(&large, &content);
        let failed = site.run(&fleet, "store", &["build", "."]);
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(4), "{why}: {said}");
        assert!(said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
        assert!(!text_of(&super::tree(&fleet.join("bundles"))).contains("kind: ConfigMap"), "{why}");
    }
    for (answer, why) in [("<html>", "answers something else"), (r#"{"objects": []}"#, "does not say where it is")] {
        write(&site.path(BATCH), answer);
        let failed = site.run(&fleet, "store", &["build", "."]);
        assert!(stderr(&failed).contains(why), "{why}: {}", stderr(&failed));
    }
    // Once the server is well again, so is the fleet.
    says(&site, &digest, DOWNLOAD);
    write(&large, &good);
    assert!(text_of(&site.build(&fleet, "store", &[])).contains("from: large"));
}

#[test]
fn without_the_setting_a_pointer_is_an_error() {
    if !has_git() {
        return;
    }
    let (site, fleet, digest) = site("");
    says(&site, &digest, DOWNLOAD);
    let failed = site.run(&fleet, "store", &["build", "."]);
    assert!(!failed.status.success());
    assert!(
        stderr(&failed).contains("lfs: true") && stderr(&failed).contains("pointer of Git LFS"),
        "{}",
        stderr(&failed)
    );
    assert!(!site.server.asked().iter().any(|line| line.contains("lfs")));

    // The Secret of the repository may say so, as in Argo CD; `.lfsconfig` may name another server.
    let text = format!("[lfs]\n\turl = {}/elsewhere\n", site.server.url());
    site.commit("big", &[(".lfsconfig", &text)]);
    fs::create_dir_all(site.path("served/elsewhere/objects")).unwrap();
    fs::copy(site.path(BATCH), site.path("served/elsewhere/objects/batch")).unwrap();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: big, labels: {{argocd.argoproj.io/secret-type: repository}}}}\nstringData: {{url: '{}', enableLfs: 'true'}}\n",
        site.repository("big")
    );
    write(&fleet.join("repo.yaml"), &secret);
    succeed(&site.run(&fleet, "other", &["update"]), &["update"]);
    assert!(text_of(&site.build(&fleet, "other", &["--locked"])).contains("from: large"));
    assert!(site.server.asked().iter().any(|line| line.starts_with("POST /elsewhere/objects/batch ")));
}
