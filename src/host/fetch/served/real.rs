//! Charts and artifacts of a real registry (`distribution`), built once with Go; where it cannot be had a test says that it did not run, and
//! fails where `CI` or `FLEETC_REQUIRE_CONTROL_PLANE` is set.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderName};

use super::super::http::{Answer, Ask, Client, Method};
use super::super::{Access, Artifacts, Charts, Credentials, Fetcher as _};
use super::server::Keys;
use super::{
    Entry, authority, bring, chart, client, credentials, gzip, hex, packed_chart, request, secret, store, tar,
};
use crate::digest::Digest;
use crate::source::{SourceKind, SourceRequest};

const PROGRAM: &str = "github.com/distribution/distribution/v3/cmd/registry@v3.0.0";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const OCI: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// `me` with the password `pw`.
const HTPASSWD: &str = "me:$2a$10$Iuv7uswsWOeP6fux.byHp.cDa.AmTSyLwHTwU5mgodpRIx3y0lani\n";

/// The program, built where it is not there.
fn program() -> Result<&'static Path, &'static str> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(build).as_deref().map_err(String::as_str)
}

fn build() -> Result<PathBuf, String> {
    let told = |error: std::io::Error| error.to_string();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let home = target.join("oci-registry");
    let (_, version) = PROGRAM.split_once('@').unwrap_or_default();
    let dir = home.join(version);
    let done = dir.join("registry");
    fs::create_dir_all(&home).map_err(told)?;
    // Several test processes may want to build at once.
    let lock = File::create(home.join("lock")).map_err(told)?;
    lock.lock().map_err(told)?;
    if done.is_file() {
        return Ok(done);
    }
    let _ = writeln!(std::io::stderr(), "building a registry for tests in {} (once, some minutes)", dir.display());
    let work = home.join("work");
    fs::create_dir_all(&work).map_err(told)?;
    let mut command = Command::new("go");
    command.args(["install", "-ldflags", "-s -w", PROGRAM]).current_dir(&work);
    command.env("GOBIN", &work).env("CGO_ENABLED", "0").env_remove("GOFLAGS");
    let output = command.output().map_err(|error| format!("Go (1.24 or newer) is needed to build it: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`go install {PROGRAM}` failed: {}", said.lines().last().unwrap_or_default()));
    }
    fs::rename(&work, &dir).map_err(told)?;
    Ok(done)
}

fn available() -> bool {
    let Err(reason) = program() else { return true };
    let required = ["CI", "FLEETC_REQUIRE_CONTROL_PLANE"].into_iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "no registry: {reason}");
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "NOT RUN: {}: no registry: {reason}", thread.name().unwrap_or("a test"));
    false
}

/// A running registry.
struct Registry {
    folder: tempfile::TempDir,
    port: u16,
    keys: Option<Keys>,
    child: Child,
}

impl Registry {
    /// One that anybody may use, in clear; or one with a password (`me`, `pw`) and an authority of its own.
    fn start(keys: Option<Keys>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = folder.path().display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n"
        );
        if let Some(keys) = &keys {
            fs::write(folder.path().join("server.crt"), &keys.certificate).unwrap();
            fs::write(folder.path().join("server.key"), &keys.key).unwrap();
            fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
            config += &format!(
                "  tls: {{certificate: {place}/server.crt, key: {place}/server.key}}\nauth: {{htpasswd: {{realm: test, path: {place}/htpasswd}}}}\n"
            );
        }
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let child = Registry::run(folder.path(), port);
        Registry { folder, port, keys, child }
    }

    fn run(folder: &Path, port: u16) -> Child {
        let mut command = Command::new(program().unwrap());
        command.arg("serve").arg(folder.join("config.yml")).env_clear().stdout(Stdio::null());
        let child = command.stderr(File::create(folder.join("log")).unwrap()).spawn().unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(30), "the registry does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn again(&mut self) {
        self.child = Registry::run(self.folder.path(), self.port);
    }

    fn authority(&self) -> String {
        format!("{}:{}", if self.keys.is_some() { "localhost" } else { "127.0.0.1" }, self.port)
    }

    /// The Secrets and ConfigMaps of who may use it.
    fn credentials(&self, password: &str) -> Credentials {
        let url = self.authority();
        match &self.keys {
            Some(keys) => {
                let fields = [("url", url.as_str()), ("username", "me"), ("password", password), ("enableOCI", "true")];
                credentials(&format!("{}{}", secret("repo-creds", &fields), authority("localhost", &keys.authority)))
            }
            None => credentials(&secret("repo-creds", &[("url", &url), ("insecureOCIForceHttp", "true")])),
        }
    }

    fn client(&self) -> Arc<Client> {
        client(self.credentials("pw"))
    }

    /// Puts an artifact of one layer under a tag; the digest of its manifest.
    fn push(&self, name: &str, tag: &str, kind: &str, layer: &[u8]) -> Digest {
        let client = self.client();
        let access = client.credentials().access(&format!("oci://{}/{name}", self.authority())).unwrap();
        let scheme = if self.keys.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}/v2/{name}", self.authority());
        for blob in [b"{}".as_slice(), layer] {
            let begun = put(&client, Method::POST, &format!("{base}/blobs/uploads/"), &[], &[], &access);
            let place = begun.header("location").unwrap();
            let place = format!("{place}&digest=sha256:{}", hex(blob));
            put(&client, Method::PUT, &place, &[(CONTENT_TYPE, "application/octet-stream")], blob, &access);
        }
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:{}","size":2}},"layers":[{{"mediaType":"{kind}","digest":"sha256:{}","size":{}}}]}}"#,
            hex(b"{}"),
            hex(layer),
            layer.len()
        );
        let kind = [(CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")];
        put(&client, Method::PUT, &format!("{base}/manifests/{tag}"), &kind, manifest.as_bytes(), &access);
        Digest::of(manifest.as_bytes())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn put(
    client: &Client,
    method: Method,
    url: &str,
    headers: &[(HeaderName, &str)],
    body: &[u8],
    access: &Access,
) -> Answer {
    let ask = Ask { method, body: Some(body.to_vec()), ..Ask::get(url, access, 1 << 20) };
    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name.clone(), *value));
    let answer = client.send(&ask).unwrap();
    assert!(answer.is_success(), "{url}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    answer
}

fn artifact(registry: &Registry, revision: &str) -> SourceRequest {
    request(SourceKind::Oci, &format!("oci://{}/team/config", registry.authority()), revision)
}

#[test]
fn charts_are_found_by_version_and_stay_where_tags_move() {
    if !available() {
        return;
    }
    let registry = Registry::start(None);
    for version in ["1.0.0", "1.2.0+build.5", "2.0.0-rc.1", "10.0.0"] {
        registry.push("team/web", &version.replace('+', "_"), CHART, &packed_chart(version));
    }
    registry.push("team/web", "latest", CHART, &packed_chart("10.0.0"));
    let (_folder, first) = store();
    let charts = Charts::new(first, registry.client());
    // With and without scheme, as Argo CD writes either.
    for url in [format!("oci://{}/team", registry.authority()), format!("{}/team", registry.authority())] {
        for (revision, want) in [
            ("1.0.0", "1.0.0"),
            ("1.2.0+build.5", "1.2.0+build.5"),
            ("1.x", "1.2.0+build.5"),
            ("1.2", "1.2.0+build.5"),
            ("", "10.0.0"),
            ("~2-0", "2.0.0-rc.1"),
        ] {
            let (pin, names) = bring(&charts, &chart(&url, revision)).unwrap();
            assert_eq!(
                (pin.resolved.as_str(), names.join(" ").as_str()),
                (want, "Chart.yaml values.yaml"),
                "{revision}"
            );
        }
        let fault = charts.resolve(&chart(&url, ">=11")).unwrap_err();
        assert!(!fault.temporary && fault.reason.contains("it has 1.0.0, 1.2.0+build.5"), "{fault:?}");
        let fault = charts.resolve(&chart(&url, "latest")).unwrap_err();
        assert!(!fault.temporary && fault.reason.contains("no version of"), "{fault:?}");
    }
    // The tag moves; the pin does not.
    let wanted = chart(&format!("oci://{}/team", registry.authority()), "1.0.0");
    let before = charts.resolve(&wanted).unwrap();
    let other = gzip(&tar(&[Entry::File("web/Chart.yaml", b"name: web\nversion: 1.0.0\n".to_vec())]));
    registry.push("team/web", "1.0.0", CHART, &other);
    let (_folder, second) = store();
    let charts = Charts::new(second, registry.client());
    assert_ne!(charts.resolve(&wanted).unwrap(), before);
    charts.fetch(&wanted, &before).unwrap();
    let tree = charts.open(&wanted, &before).unwrap().unwrap();
    assert_eq!(tree.names(&crate::path::TreePath::root(), None).unwrap().len(), 2);
}

#[test]
fn artifacts_have_tags_digests_and_constraints() {
    if !available() {
        return;
    }
    let registry = Registry::start(None);
    let layer = |text: &str| gzip(&tar(&[Entry::File("all/a.yaml", text.as_bytes().to_vec())]));
    let old = registry.push("team/config", "v1.0.0", OCI, &layer("one"));
    let new = registry.push("team/config", "v1.1.0", OCI, &layer("two"));
    let named = registry.push("team/config", "stable", OCI, &layer("three"));
    let chart = registry.push("team/config", "chart", CHART, &packed_chart("1.0.0"));
    let (_folder, first) = store();
    let artifacts = Artifacts::new(first, registry.client());
    for (revision, resolved, digest, names) in [
        ("v1.0.0", "v1.0.0", old, "all"),
        ("1.x", "v1.1.0", new, "all"),
        (">=1.0.0 <1.1.0", "v1.0.0", old, "all"),
        ("stable", "stable", named, "all"),
        (&old.to_string(), &old.to_string(), old, "all"),
        // The folder of a chart is its root.
        ("chart", "chart", chart, "Chart.yaml values.yaml"),
    ] {
        let (pin, found) = bring(&artifacts, &artifact(&registry, revision)).unwrap();
        assert_eq!((pin.resolved.as_str(), pin.digest, found.join(" ").as_str()), (resolved, Some(digest), names));
    }
    for revision in ["none", ">=9", "", "sha256:0000000000000000000000000000000000000000000000000000000000000000"] {
        let fault = artifacts.resolve(&artifact(&registry, revision)).unwrap_err();
        assert!(!fault.temporary, "{revision}: {fault:?}");
    }
}

#[test]
fn passwords_and_authorities_are_checked() {
    if !available() {
        return;
    }
    let registry = Registry::start(Some(Keys::until(2090)));
    registry.push("team/config", "v1", OCI, &gzip(&tar(&[Entry::File("a.yaml", b"a".to_vec())])));
    let (_folder, first) = store();
    bring(&Artifacts::new(first.clone(), registry.client()), &artifact(&registry, "v1")).unwrap();
    let fault = Artifacts::new(first.clone(), client(registry.credentials("wrong")))
        .resolve(&artifact(&registry, "v1"))
        .unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("refuses the login"), "{fault:?}");
    assert!(!format!("{fault:?}").contains("wrong"));
    let fault = Artifacts::new(first, client(Credentials::default())).resolve(&artifact(&registry, "v1")).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("certificate"), "{fault:?}");
}

#[test]
fn a_registry_that_dies_is_asked_again() {
    if !available() {
        return;
    }
    let mut registry = Registry::start(None);
    registry.push("team/web", "1.0.0", CHART, &packed_chart("1.0.0"));
    let (_folder, kept) = store();
    let charts = Charts::new(kept, registry.client());
    let wanted = chart(&format!("oci://{}/team", registry.authority()), "1.0.0");
    let pin = charts.resolve(&wanted).unwrap();
    registry.kill();
    let fault = charts.fetch(&wanted, &pin).unwrap_err();
    assert!(fault.temporary && fault.reason.contains("not reached"), "{fault:?}");
    assert!(charts.open(&wanted, &pin).unwrap().is_none());
    registry.again();
    charts.fetch(&wanted, &pin).unwrap();
    registry.kill();
    // What is here needs no registry.
    charts.fetch(&wanted, &pin).unwrap();
    assert!(charts.open(&wanted, &pin).unwrap().is_some());
}
