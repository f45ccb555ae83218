//! Registries as they should not be, and tokens. What a real one does is tested with a real one (`real`).

use std::sync::{Arc, Mutex};

use super::super::{Artifacts, Charts, Credentials, Fetcher as _, Login};
use super::server::{Keys, Reply, Seen, Server};
use super::{
    Entry, authority, bring, chart, client, credentials, gzip, hex, packed_chart, request, secret, store, tar,
};
use crate::digest::Digest;
use crate::source::SourceKind;

const OCI: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn manifest(layers: &[(&str, &[u8])]) -> String {
    let list: Vec<String> = layers
        .iter()
        .map(|(kind, bytes)| {
            format!(r#"{{"mediaType":"{kind}","digest":"sha256:{}","size":{}}}"#, hex(bytes), bytes.len())
        })
        .collect();
    format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, list.join(","))
}

/// What a registry has: paths below `/v2/team/web/`.
fn serve(things: Vec<(String, Vec<u8>)>) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |seen| {
        let path = seen.path.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/v2/team/web/").unwrap_or_default();
        let found = things.iter().find(|(name, _)| name == path);
        found.map_or_else(|| Reply::status(404), |(_, bytes)| Reply::ok(bytes.clone()))
    }
}

fn plain(server: &Server, more: &[(&str, &str)]) -> Credentials {
    let fields = [&[("url", server.authority()), ("insecureOCIForceHttp", "true")], more].concat();
    credentials(&secret("repo-creds", &fields))
}

fn artifact(server: &Server, revision: &str) -> crate::source::SourceRequest {
    request(SourceKind::Oci, &format!("oci://{}/team/web", server.authority()), revision)
}

#[test]
fn tokens_are_bought_with_the_login_and_used() {
    let layer = gzip(&tar(&[Entry::File("a.yaml", b"a".to_vec())]));
    let manifest = manifest(&[(OCI, &layer)]);
    let things = serve(vec![
        ("manifests/v1".into(), manifest.clone().into()),
        (format!("manifests/sha256:{}", hex(manifest.as_bytes())), manifest.into()),
        (format!("blobs/sha256:{}", hex(&layer)), layer),
    ]);
    let url = Arc::new(Mutex::new(String::new()));
    let realm = Arc::clone(&url);
    let keys = Keys::until(2090);
    let server = Server::encrypted(&keys, move |seen| match (seen.path.starts_with("/token"), seen.authorization()) {
        (true, "Basic bWU6cHc=") => Reply::ok(r#"{"token": "bought"}"#),
        (true, "") if seen.body.contains("refresh_token=again") => Reply::ok(r#"{"access_token": "bought"}"#),
        (true, _) => Reply::status(401),
        (false, "Bearer bought") => things(seen),
        (false, _) => {
            let realm = realm.lock().unwrap();
            let challenge = format!(r#"Bearer realm="{realm}/token",service="test",scope="repository:team/web:pull""#);
            Reply::Whole(401, vec![("WWW-Authenticate", challenge)], Vec::new())
        }
    });
    *url.lock().unwrap() = server.url.clone();
    let (_folder, fresh) = store();
    let known = |fields: &[(&str, &str)]| {
        let fields = [&[("url", server.authority())], fields].concat();
        credentials(&format!("{}{}", secret("repo-creds", &fields), authority("localhost", &keys.authority)))
    };
    let artifacts = Artifacts::new(fresh, client(known(&[("username", "me"), ("password", "pw")])));
    assert_eq!(bring(&artifacts, &artifact(&server, "v1")).unwrap().1, ["a.yaml"]);
    let seen = server.seen();
    assert_eq!(seen.iter().filter(|seen| seen.path.starts_with("/token")).count(), 1);
    assert!(seen.iter().any(|seen| seen.path == "/token?scope=repository%3Ateam%2Fweb%3Apull&service=test"));
    // The password is told to nobody but who gives tokens.
    assert!(seen.iter().all(|seen| seen.path.starts_with("/token") || !seen.authorization().starts_with("Basic")));
    // Identity tokens of docker's file.
    let mut identity = known(&[]);
    identity.add_docker(&format!(r#"{{"auths": {{"{}": {{"identitytoken": "again"}}}}}}"#, server.authority()));
    assert!(matches!(identity.access(&artifact(&server, "").url).unwrap().login, Some(Login::Identity(_))));
    let (_folder, fresh) = store();
    bring(&Artifacts::new(fresh, client(identity)), &artifact(&server, "v1")).unwrap();
    // A wrong password.
    let (_folder, fresh) = store();
    let wrong = Artifacts::new(fresh, client(known(&[("username", "me"), ("password", "wrong")])));
    let fault = wrong.resolve(&artifact(&server, "v1")).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("refuses the login"), "{fault:?}");
    assert!(fault.hint.unwrap().contains("the Secret `one`"));
}

#[test]
fn passwords_are_not_sent_to_who_gives_tokens_in_clear() {
    let thief = Server::start(|_| Reply::ok(r#"{"token": "x"}"#));
    let realm = thief.url.clone();
    let server = Server::start(move |_| {
        Reply::Whole(401, vec![("WWW-Authenticate", format!(r#"Bearer realm="{realm}/token""#))], Vec::new())
    });
    let (_folder, store) = store();
    let artifacts = Artifacts::new(store, client(plain(&server, &[("username", "me"), ("password", "pw")])));
    let fault = artifacts.resolve(&artifact(&server, "v1")).unwrap_err();
    assert!(fault.reason.contains("without encryption"), "{fault:?}");
    assert!(thief.seen().is_empty());
}

#[test]
fn an_artifact_has_one_layer_of_content() {
    let layer = gzip(&tar(&[Entry::File("a.yaml", b"a".to_vec())]));
    let sbom = b"{}".as_slice();
    let eleven = [(OCI, layer.as_slice()); 11];
    let cases: [(&str, String, &str); 8] = [
        ("beside", manifest(&[(OCI, &layer), ("application/vnd.sbom+json", sbom)]), ""),
        ("two", manifest(&[(OCI, &layer), (OCI, &layer)]), "2 layers of content"),
        ("none", manifest(&[("application/vnd.sbom+json", sbom)]), "0 layers of content"),
        (
            "docker",
            manifest(&[("application/vnd.docker.image.rootfs.diff.tar+gzip", &layer)]),
            "media type application/vnd.docker",
        ),
        ("many", manifest(&eleven), "11 layers"),
        ("index", r#"{"manifests": []}"#.to_owned(), "an index of several"),
        ("html", "<html>".to_owned(), "no JSON"),
        (
            "sha512",
            r#"{"layers": [{"mediaType": "x", "digest": "sha512:00", "size": 1}]}"#.to_owned(),
            "no sha256 digest",
        ),
    ];
    let mut things: Vec<(String, Vec<u8>)> = cases
        .iter()
        .flat_map(|(tag, text, _)| {
            [format!("manifests/{tag}"), format!("manifests/sha256:{}", hex(text.as_bytes()))]
                .map(|at| (at, text.clone().into_bytes()))
        })
        .collect();
    things.push((format!("blobs/sha256:{}", hex(&layer)), layer));
    let server = Server::start(serve(things));
    let (_folder, store) = store();
    let artifacts = Artifacts::new(store, client(plain(&server, &[])));
    for (tag, _, words) in cases {
        match (bring(&artifacts, &artifact(&server, tag)), words) {
            (Ok((_, names)), "") => assert_eq!(names, ["a.yaml"]),
            (Err(fault), words) => assert!(!words.is_empty() && fault.reason.contains(words), "{tag}: {fault:?}"),
            (Ok(_), _) => panic!("{tag} is taken"),
        }
    }
}

#[test]
fn what_a_digest_names_is_computed() {
    let (one, other) = (packed_chart("1.0.0"), packed_chart("2.0.0"));
    let manifest = manifest(&[(CHART, &one)]);
    let digest = Digest::of(manifest.as_bytes());
    let lying =
        Reply::Whole(200, vec![("Docker-Content-Digest", format!("sha256:{}", hex(b"x")))], manifest.clone().into());
    let bytes = other.clone();
    let server = Server::start(move |seen| match seen.path.rsplit('/').next().unwrap_or_default() {
        "1.0.0" => Reply::ok(manifest.clone()),
        "2.0.0" => lying.clone(),
        // As long as the right one would be, so that only the digest tells.
        name if name.contains(&hex(&one)) => Reply::ok(bytes[..one.len().min(bytes.len())].to_vec()),
        _ => Reply::ok("another manifest"),
    });
    let (_folder, kept) = store();
    let charts = Charts::new(kept.clone(), client(plain(&server, &[])));
    let url = format!("oci://{}/team", server.authority());
    let fault = charts.resolve(&chart(&url, "2.0.0")).unwrap_err();
    assert!(fault.reason.contains("gives a manifest with the digest"), "{fault:?}");
    let pin = charts.resolve(&chart(&url, "1.0.0")).unwrap();
    assert_eq!(pin.digest, Some(digest));
    let fault = charts.fetch(&chart(&url, "1.0.0"), &pin).unwrap_err();
    assert!(fault.reason.contains("gives a manifest with the digest"), "{fault:?}");
    assert!(charts.open(&chart(&url, "1.0.0"), &pin).unwrap().is_none());
    let fault = charts.resolve(&chart("oci://UPPER//x", "1.0.0")).unwrap_err();
    assert!(fault.reason.contains("no repository of a registry"), "{fault:?}");
}

#[test]
fn lists_of_tags_end_and_stay_in_their_repository() {
    let server = Server::start(|seen| match seen.path.as_str() {
        path if path.starts_with("/v2/team/web/tags/list") => {
            let next = vec![("Link", r#"</v2/other/tags/list?last=z&n=1>; rel="next""#.to_owned())];
            Reply::Whole(200, next, br#"{"tags": ["1.0.0"]}"#.to_vec())
        }
        _ => Reply::status(404),
    });
    let (_folder, store) = store();
    let charts = Charts::new(store, client(plain(&server, &[])));
    let fault = charts.resolve(&chart(&format!("oci://{}/team", server.authority()), ">=1")).unwrap_err();
    assert!(fault.reason.contains("does not end"), "{fault:?}");
    assert!(server.paths().iter().all(|path| path.starts_with("/v2/team/web/")));
}
