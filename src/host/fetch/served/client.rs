//! What the client never does: tell a login to another server, follow without end, take without end.

use super::super::http::{Ask, Client, Timeouts};
use super::super::{Access, Credentials, Fault, Login};
use super::server::{Keys, Reply, Server};
use super::{authority, client, credentials, secret};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECRET: &str = "hunter2-secret";

fn logged_in(url: &str) -> Credentials {
    credentials(&secret("repo-creds", &[("url", url), ("username", "me"), ("password", SECRET)]))
}

fn get(client: &Client, url: &str) -> Result<Vec<u8>, Fault> {
    let access = client.credentials().access(url)?;
    Ok(client.get(url, &access, 1 << 20)?.body)
}

fn shows_nothing(fault: &Fault) {
    let text = format!("{fault:?}");
    assert!(!text.contains(SECRET) && !text.contains("signature"), "{text}");
}

#[test]
fn a_login_is_sent_to_its_own_server_only() {
    let other = Server::start(|_| Reply::ok("there"));
    let target = format!("{}/x", other.url);
    let own = Server::start(move |seen| match seen.path.as_str() {
        "/far" => Reply::redirect(target.clone()),
        "/near" => Reply::redirect("/here"),
        _ => Reply::ok("here"),
    });
    let client = client(logged_in(&own.url));
    assert_eq!(get(&client, &format!("{}/far", own.url)).unwrap(), b"there");
    assert_eq!(get(&client, &format!("{}/near", own.url)).unwrap(), b"here");
    assert_eq!(
        own.seen().iter().map(|seen| seen.authorization()).collect::<Vec<_>>(),
        ["Basic bWU6aHVudGVyMi1zZWNyZXQ="; 3]
    );
    // Another port is another server.
    assert_eq!(other.seen().iter().map(|seen| seen.authorization()).collect::<Vec<_>>(), [""]);
}

#[test]
fn a_password_in_a_url_is_a_login_and_not_shown() {
    let own = Server::start(|seen| if seen.path == "/a" { Reply::ok("a") } else { Reply::status(403) });
    let client = client(Credentials::default());
    let url = own.url.replace("://", &format!("://me:{SECRET}@"));
    assert_eq!(get(&client, &format!("{url}/a?signature=1")).unwrap_err().reason.matches("403").count(), 1);
    assert_eq!(get(&client, &format!("{url}/a")).unwrap(), b"a");
    assert!(own.seen().iter().all(|seen| seen.authorization().starts_with("Basic ")));
    let fault = get(&client, &format!("{url}/b?signature=abc")).unwrap_err();
    shows_nothing(&fault);
    assert!(!fault.temporary && fault.hint.unwrap().contains("the URL"));
}

#[test]
fn redirects_end_and_never_lose_encryption() {
    let own = Server::start(|seen| Reply::redirect(format!("{}x", seen.path)));
    let fault = get(&client(Credentials::default()), &format!("{}/a", own.url)).unwrap_err();
    assert!(fault.reason.contains("more than 10 times"), "{}", fault.reason);
    let plain = Server::start(|_| Reply::ok("plain"));
    let keys = Keys::until(2090);
    let target = plain.url.clone();
    let secure = Server::encrypted(&keys, move |_| Reply::redirect(target.clone()));
    let trusting = client(credentials(&authority("localhost", &keys.authority)));
    let fault = get(&trusting, &secure.url).unwrap_err();
    assert!(fault.reason.contains("not encrypted"), "{}", fault.reason);
    assert!(plain.seen().is_empty());
    let file = Server::start(|_| Reply::redirect("file:///etc/passwd"));
    let fault = get(&client(Credentials::default()), &file.url).unwrap_err();
    assert!(fault.reason.contains("not HTTP"), "{}", fault.reason);
}

#[test]
fn a_certificate_must_be_valid_and_known() {
    let (fresh, old) = (Keys::until(2090), Keys::until(2020));
    let server = Server::encrypted(&fresh, |_| Reply::ok("secret place"));
    let expired = Server::encrypted(&old, |_| Reply::ok("secret place"));
    // Nobody knows the authority.
    let fault = get(&client(Credentials::default()), &server.url).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("certificate"), "{fault:?}");
    assert!(fault.hint.unwrap().contains("argocd-tls-certs-cm"));
    let trusting = client(credentials(&authority("localhost", &fresh.authority)));
    assert_eq!(get(&trusting, &server.url).unwrap(), b"secret place");
    let trusting = client(credentials(&authority("localhost", &old.authority)));
    let fault = get(&trusting, &expired.url).unwrap_err();
    assert!(!fault.temporary && fault.reason.contains("expired"), "{fault:?}");
    // `insecure` is for its own repository.
    let careless = client(credentials(&secret("repository", &[("url", &expired.url), ("insecure", "true")])));
    assert_eq!(get(&careless, &expired.url).unwrap(), b"secret place");
    assert!(get(&careless, &server.url).is_err());
}

#[test]
fn bodies_have_an_end() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/endless" => Reply::Endless,
        "/large" => Reply::Cut(1 << 40, b"begin".to_vec()),
        "/cut" => Reply::Cut(1000, b"begin".to_vec()),
        "/busy" => Reply::status(503),
        _ => Reply::Silent,
    });
    let quick =
        Timeouts { connect: Duration::from_secs(5), read: Duration::from_millis(300), total: Duration::from_secs(5) };
    let client = Client::new(Arc::default(), quick);
    let ask = |path: &str| get(&client, &format!("{}{path}", server.url)).unwrap_err();
    for (path, temporary, words) in [
        ("/endless", false, "more than the 1 MiB"),
        ("/large", false, "more than the 1 MiB"),
        ("/cut", true, "broke off after 5 bytes"),
        ("/busy", true, "cannot answer now"),
        ("/silent", true, "in time"),
    ] {
        let fault = ask(path);
        assert!(fault.temporary == temporary && fault.reason.contains(words), "{path}: {fault:?}");
    }
    let dead = Server::start(|_| Reply::Silent);
    let url = dead.url.clone();
    drop(dead);
    std::thread::sleep(Duration::from_millis(50));
    let fault = get(&client, &url).unwrap_err();
    assert!(fault.temporary && fault.reason.contains("not reached"), "{fault:?}");
}

#[test]
fn a_trickle_ends_too() {
    let server = Server::start(|_| Reply::Endless);
    let client = Client::new(
        Arc::default(),
        Timeouts { connect: Duration::from_secs(5), read: Duration::from_secs(5), total: Duration::from_millis(300) },
    );
    let began = Instant::now();
    let access = Access::default();
    let fault = client.send(&Ask::get(&server.url, &access, u64::MAX)).unwrap_err();
    assert!(fault.temporary && fault.reason.contains("not done after"), "{fault:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn proxies_of_a_repository_are_used() {
    let proxy = Server::start(|seen| Reply::ok(format!("proxied {}", seen.path)));
    let fields = [("url", "http://charts.invalid"), ("proxy", proxy.url.as_str())];
    let client = client(credentials(&secret("repository", &fields)));
    assert_eq!(get(&client, "http://charts.invalid").unwrap(), b"proxied http://charts.invalid/");
}

#[test]
fn nothing_of_a_login_is_shown() {
    let login = Login::Basic { user: "me".to_owned(), password: SECRET.to_owned().into() };
    let access = Access {
        login: Some(login),
        ssh_key: Some(SECRET.to_owned().into()),
        client: Some((SECRET.to_owned().into(), SECRET.to_owned().into())),
        proxy: Some(SECRET.to_owned().into()),
        ..Access::default()
    };
    assert!(!format!("{access:?}").contains(SECRET));
    assert!(!format!("{:?}", logged_in("https://host")).contains(SECRET));
    // A client certificate that is none.
    let client = client(Credentials::default());
    let fault = client.get("https://localhost:1/", &access, 1).unwrap_err();
    shows_nothing(&fault);
}
