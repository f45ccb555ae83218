//! Charts of repositories with an index, and single files.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{Charts, Credentials, Fetcher as _, Files};
use super::server::{Reply, Server};
use super::{Entry, bring, chart, client, credentials, gzip, hex, index, packed_chart, request, secret, store, tar};
use crate::lock::Pin;
use crate::path::TreePath;
use crate::source::SourceKind;

#[test]
fn the_newest_version_within_a_constraint_is_taken() {
    let archives: Vec<(&str, Vec<u8>)> =
        ["1.0.0", "1.2.0", "2.0.0", "2.1.0-rc.1"].into_iter().map(|version| (version, packed_chart(version))).collect();
    let listed: Vec<(&str, String, String)> =
        archives.iter().map(|(version, bytes)| (*version, format!("files/web-{version}.tgz"), hex(bytes))).collect();
    let entries: Vec<(&str, &str, &str)> = listed.iter().map(|(v, u, d)| (*v, u.as_str(), d.as_str())).collect();
    let text = index(&entries);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/charts/index.yaml" => Reply::Whole(200, vec![("Content-Encoding", "gzip".to_owned())], gzip(text.as_bytes())),
        path => {
            let found = archives.iter().find(|(version, _)| path == format!("/charts/files/web-{version}.tgz"));
            found.map_or_else(|| Reply::status(404), |(_, bytes)| Reply::ok(bytes.clone()))
        }
    });
    let (_folder, store) = store();
    let charts = Charts::new(store, client(Credentials::default()));
    let url = format!("{}/charts", server.url);
    for (revision, want) in [
        ("1.2.0", "1.2.0"),
        ("1.x", "1.2.0"),
        ("", "2.0.0"),
        ("*", "2.0.0"),
        ("v1.0.0", "1.0.0"),
        (">=1.0-0", "2.1.0-rc.1"),
        ("1.0", "1.0.0"),
    ] {
        let (pin, names) = bring(&charts, &chart(&url, revision)).unwrap();
        assert_eq!((pin.resolved.as_str(), names.join(" ").as_str()), (want, "Chart.yaml values.yaml"), "{revision}");
    }
    // One index for all, and every archive once.
    let paths = server.paths();
    assert_eq!(paths.iter().filter(|path| path.ends_with("index.yaml")).count(), 1);
    assert_eq!(paths.len(), 1 + 4);
    let fault = charts.resolve(&chart(&url, ">3")).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains(">3: it has 1.0.0, 1.2.0"), "{fault:?}");
    let none = request(SourceKind::Chart("other".to_owned()), &url, "1.0.0");
    assert!(charts.resolve(&none).unwrap_err().reason.contains("no chart `other`"));
    let fault = charts.resolve(&chart(&server.url, "")).unwrap_err();
    assert!(fault.hint.unwrap().contains("index.yaml"));
}

#[test]
fn what_is_pinned_stays() {
    let first = packed_chart("1.0.0");
    let again = gzip(&tar(&[Entry::File(
        "web/Chart.yaml",
        b"apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: '2'\n".to_vec(),
    )]));
    let state = std::sync::Arc::new(Mutex::new((index(&[("1.0.0", "web.tgz", &hex(&first))]), first.clone())));
    let shared = std::sync::Arc::clone(&state);
    let server = Server::start(move |seen| {
        let state = shared.lock().unwrap();
        if seen.path == "/index.yaml" { Reply::ok(state.0.clone()) } else { Reply::ok(state.1.clone()) }
    });
    let wanted = chart(&server.url, "1.0.0");
    let (_folder, old) = store();
    let (pin, _) = bring(&Charts::new(old, client(Credentials::default())), &wanted).unwrap();
    // The archive alone, then the index with it: another store has neither.
    for text in [
        index(&[("1.0.0", "web.tgz", &hex(&first))]),
        index(&[("1.0.0", "web.tgz", "")]),
        index(&[("1.0.0", "web.tgz", &hex(&again))]),
    ] {
        *state.lock().unwrap() = (text, again.clone());
        let (_folder, fresh) = store();
        let charts = Charts::new(fresh.clone(), client(Credentials::default()));
        let fault = charts.fetch(&wanted, &pin).unwrap_err();
        assert!(!fault.temporary && fault.reason.contains(&hex(&first)), "{fault:?}");
        assert!(fresh.get(&pin.digest.unwrap()).unwrap().is_none());
        assert!(charts.open(&wanted, &pin).unwrap().is_none());
    }
    // A version that is gone.
    *state.lock().unwrap() = (index(&[("1.0.1", "web.tgz", "")]), again);
    let (_folder, fresh) = store();
    let fault = Charts::new(fresh, client(Credentials::default())).fetch(&wanted, &pin).unwrap_err();
    assert!(fault.reason.contains("no longer has web 1.0.0"), "{fault:?}");
}

#[test]
fn an_archive_elsewhere_gets_no_login_of_the_index() {
    let bytes = packed_chart("1.0.0");
    let digest = hex(&bytes);
    let other = Server::start(move |_| Reply::ok(bytes.clone()));
    let text = index(&[("1.0.0", &format!("{}/web.tgz", other.url), &digest)]);
    let own = Server::start(
        move |seen| if seen.authorization().is_empty() { Reply::status(401) } else { Reply::ok(text.clone()) },
    );
    let login = [("url", own.url.as_str()), ("username", "me"), ("password", "pw"), ("type", "helm")];
    let (_folder, store) = store();
    let charts = Charts::new(store.clone(), client(credentials(&secret("repository", &login))));
    bring(&charts, &chart(&own.url, "1.0.0")).unwrap();
    assert!(own.seen().iter().all(|seen| !seen.authorization().is_empty()));
    assert!(other.seen().iter().all(|seen| seen.authorization().is_empty()) && !other.seen().is_empty());
    // Without, or with a wrong one.
    let fault = Charts::new(store, client(Credentials::default())).resolve(&chart(&own.url, "1.0.0")).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("401") && fault.hint.unwrap().contains("FLEETC_LOGINS"));
}

#[test]
fn a_failure_of_the_index_is_forgotten() {
    let bytes = packed_chart("1.0.0");
    let text = index(&[("1.0.0", "web.tgz", &hex(&bytes))]);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |seen| match (seen.path.as_str(), asked.fetch_add(1, Ordering::Relaxed)) {
        ("/index.yaml", 0) => Reply::status(502),
        ("/index.yaml", 1) => Reply::Cut(1 << 20, text.clone().into_bytes()),
        ("/index.yaml", _) => Reply::ok(text.clone()),
        _ => Reply::ok(bytes.clone()),
    });
    let (_folder, store) = store();
    let charts = Charts::new(store, client(Credentials::default()));
    let wanted = chart(&server.url, "1.0.0");
    assert!(charts.resolve(&wanted).unwrap_err().temporary);
    assert!(charts.resolve(&wanted).unwrap_err().temporary);
    bring(&charts, &wanted).unwrap();
}

#[test]
fn broken_archives_and_indexes_are_refused() {
    let other = packed_chart("1.0.0");
    let link = gzip(&tar(&[Entry::File("web/Chart.yaml", b"name: web".to_vec()), Entry::Link("web/x", "/etc/passwd")]));
    let (bomb, archive) = (gzip(&vec![0; 200 << 20]), link.clone());
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/html/index.yaml" => Reply::ok("<html>log in</html>"),
        "/bomb/index.yaml" => {
            Reply::Whole(200, vec![("Content-Encoding", "gzip".to_owned())], gzip(&vec![b' '; 160 << 20]))
        }
        "/endless/index.yaml" => Reply::Endless,
        "/digest/index.yaml" => Reply::ok(index(&[("1.0.0", "web.tgz", &hex(b"other"))])),
        "/link/index.yaml" => Reply::ok(index(&[("1.0.0", "link.tgz", &hex(&archive))])),
        "/zeros/index.yaml" => Reply::ok(index(&[("1.0.0", "bomb.tgz", "")])),
        path if path.ends_with("link.tgz") => Reply::ok(archive.clone()),
        path if path.ends_with("bomb.tgz") => Reply::ok(bomb.clone()),
        _ => Reply::ok(other.clone()),
    });
    let (_folder, store) = store();
    let charts = Charts::new(store.clone(), client(Credentials::default()));
    for (path, words) in [
        ("html", "cannot be used"),
        ("bomb", "unpacks to more than"),
        ("endless", "more than the 128 MiB"),
        ("digest", "and the index says"),
        ("link", "a link or a device"),
        ("zeros", "cannot be used"),
    ] {
        let fault = bring(&charts, &chart(&format!("{}/{path}", server.url), "1.0.0")).unwrap_err();
        assert!(!fault.temporary && fault.reason.contains(words), "{path}: {fault:?}");
    }
    assert!(store.get(&crate::digest::Digest::of(&link)).unwrap().is_none(), "what cannot be opened is not kept");
}

#[test]
fn repositories_are_known_by_name_too() {
    let bytes = packed_chart("1.0.0");
    let text = index(&[("1.0.0", "web.tgz", &hex(&bytes))]);
    let server =
        Server::start(
            move |seen| if seen.path == "/index.yaml" { Reply::ok(text.clone()) } else { Reply::ok(bytes.clone()) },
        );
    let named = secret("repository", &[("name", "stable"), ("url", &server.url), ("type", "helm")]);
    let (_folder, store) = store();
    let charts = Charts::new(store, client(credentials(&named)));
    for url in ["@stable", "alias:stable"] {
        assert_eq!(bring(&charts, &chart(url, "1.0.0")).unwrap().0.resolved, "1.0.0");
    }
    assert!(charts.resolve(&chart("@other", "1.0.0")).unwrap_err().reason.contains("`other`"));
}

#[test]
fn files_are_what_they_were() {
    let text = std::sync::Arc::new(Mutex::new("kind: A\n"));
    let shared = std::sync::Arc::clone(&text);
    let server = Server::start(move |_| Reply::ok(*shared.lock().unwrap()));
    let wanted = request(SourceKind::File, &format!("{}/a/crds.yaml?x=1", server.url), "");
    let (_folder, kept) = store();
    let files = Files::new(kept, client(Credentials::default()));
    let (pin, names) = bring(&files, &wanted).unwrap();
    assert_eq!((names.join(" ").as_str(), pin.resolved.as_str()), ("crds.yaml", ""));
    *text.lock().unwrap() = "kind: B\n";
    // Here it still is; elsewhere it cannot be had any more.
    files.fetch(&wanted, &pin).unwrap();
    assert!(files.open(&wanted, &pin).unwrap().unwrap().entry(&TreePath::root()).is_none());
    let (_folder, fresh) = store();
    let fault = Files::new(fresh, client(Credentials::default())).fetch(&wanted, &pin).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("fleet.lock pins"), "{fault:?}");
    let none = Pin { resolved: String::new(), digest: None };
    assert!(files.open(&wanted, &none).unwrap().is_none());
}
