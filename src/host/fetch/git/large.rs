//! Large files of git (LFS): the content that pointers in a commit stand for, fetched by the batch API over HTTP into the store.
//!
//! Only where somebody asked for it (`lfs: true` in fleet.yaml, `enableLfs` of the repository Secret). A pointer names its content by SHA-256,
//! so what comes is checked, and a render is the same wherever it came from. Content that is larger than a file may be to be read is not fetched;
//! reading it says so. The server is the repository's, or the one that `.lfsconfig` names; it may send downloads elsewhere, with headers of its
//! own, but never from an encrypted connection to a plain one. Locks, uploads and other ways of transfer do not exist here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gix::ObjectId;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use serde_json::{Value, json};

use super::super::super::files::FILE_LIMIT;
use super::super::super::objects::{MAX_POINTER, Pointer};
use super::super::http::{Ask, Client, Method};
use super::super::place::Place;
use super::super::{Access, Fault, Hidden, Login, Store};
use super::address::{Address, Ssh};
use super::{repository, tree_of};
use crate::digest::Digest;
use crate::source::without_credentials;

/// Files of a commit whose content is elsewhere.
const MAX_FILES: usize = 10_000;
/// Files of a question, as git-lfs asks.
const BATCH: usize = 100;
/// Bytes of an answer to a question.
const MAX_ANSWER: u64 = 8 << 20;
const MEDIA: &str = "application/vnd.git-lfs+json";

/// Contents that a commit needs, with their sizes.
pub(super) type Wanted = BTreeMap<Digest, u64>;

/// What the pointers of a commit stand for.
pub(super) fn wanted(repository: &gix::Repository, commit: ObjectId) -> Result<Wanted, Fault> {
    let walked = repository::walk(repository, tree_of(repository, commit)?)?;
    let mut found = Wanted::new();
    for file in walked.files {
        let header = repository.find_header(file).map_err(|error| Fault::lasting(error.to_string()))?;
        if header.size() > MAX_POINTER {
            continue;
        }
        let blob = repository.find_blob(file).map_err(|error| Fault::lasting(error.to_string()))?;
        if let Some(Ok(Pointer { digest, size })) = Pointer::read(&blob.data)
            && size <= FILE_LIMIT
        {
            found.insert(digest, size);
        }
        if found.len() > MAX_FILES {
            return Err(Fault::lasting(format!("more than {MAX_FILES} of its files are pointers of Git LFS")));
        }
    }
    Ok(found)
}

/// The URL of the LFS server: that of `.lfsconfig`, else the one that git-lfs derives from the repository's.
pub(super) fn endpoint(repository: &gix::Repository, commit: ObjectId, to: &Address) -> Result<String, Fault> {
    let derived = derived(to)?;
    let Some(written) = configured(repository, commit)? else { return Ok(derived) };
    let written = written.trim_end_matches('/').to_owned();
    let shown = without_credentials(&written);
    match written.split_once("://").map(|(scheme, _)| scheme) {
        Some("https") => Ok(written),
        Some("http") if derived.starts_with("http://") => Ok(written),
        Some("http") => Err(Fault::lasting(format!("`.lfsconfig` names `{shown}`, which is not encrypted"))),
        _ => Err(Fault::lasting(format!("`.lfsconfig` names `{shown}`, which is not reached over HTTP"))),
    }
}

fn derived(to: &Address) -> Result<String, Fault> {
    match to {
        Address::Http(url) => Ok(with_suffix(url)),
        Address::Ssh(Ssh { destination, path, .. }) => {
            let host = destination.rsplit_once('@').map_or(destination.as_str(), |(_, host)| host);
            Ok(with_suffix(&format!("https://{host}/{}", path.trim_start_matches('/'))))
        }
        Address::Local(path) => {
            let why = format!("`{}` is on this machine, from which large files are not fetched", path.display());
            let hint = "clone it with git-lfs, and map the clone: `repositories: [{url: …, path: …}]`";
            Err(Fault::lasting(why).hint(hint))
        }
    }
}

fn with_suffix(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let git = if url.ends_with(".git") { "" } else { ".git" };
    format!("{url}{git}/info/lfs")
}

/// `lfs.url` of `.lfsconfig`.
fn configured(repository: &gix::Repository, commit: ObjectId) -> Result<Option<String>, Fault> {
    let wrong = |error: String| Fault::lasting(format!("`.lfsconfig` cannot be read: {error}"));
    let root = tree_of(repository, commit)?;
    let tree = repository.find_tree(root).map_err(|error| wrong(error.to_string()))?;
    let Some(entry) = tree.find_entry(".lfsconfig") else { return Ok(None) };
    let blob = repository.find_blob(entry.object_id()).map_err(|error| wrong(error.to_string()))?;
    let text =
        gix::config::File::from_bytes_no_includes(&blob.data, gix::config::file::Metadata::api(), Default::default());
    let text = text.map_err(|error| wrong(error.to_string()))?;
    let mut sections = text.sections_by_name("lfs").into_iter().flatten();
    Ok(sections
        .find_map(|section| section.body().value("url"))
        .map(|url| url.to_string())
        .filter(|url| !url.is_empty()))
}

/// Brings contents into the store. `url` is the repository's, whose login the server at `endpoint` gets where it is the same one.
pub(super) fn fetch(client: &Client, store: &Store, url: &str, endpoint: &str, wanted: &Wanted) -> Result<(), Fault> {
    let same = |a: &str, b: &str| Place::of(a).zip(Place::of(b)).is_some_and(|(a, b)| a.same_server(&b));
    let of_server = if same(url, endpoint) { url } else { endpoint };
    let access = client.credentials().access(of_server)?;
    let all: Vec<(&Digest, &u64)> = wanted.iter().collect();
    for batch in all.chunks(BATCH) {
        let actions = ask(client, endpoint, &access, batch)?;
        for (digest, size) in batch {
            let named = |fault: Fault| Fault {
                reason: format!("the content of Git LFS {}: {}", digest.hex(), fault.reason),
                ..fault
            };
            let action = actions
                .get(&digest.hex())
                .ok_or_else(|| named(Fault::lasting("the server does not say where it is")))?;
            let bytes = download(client, endpoint, &access, action, **size).map_err(named)?;
            if bytes.len() as u64 != **size || Digest::of(&bytes) != **digest {
                return Err(named(
                    Fault::lasting("what the server gives is something else")
                        .hint("its digest is not the one of the pointer; look at the server"),
                ));
            }
            store.put(&bytes)?;
        }
    }
    Ok(())
}

/// Where contents are, by digest: what the server says of each.
fn ask(
    client: &Client,
    endpoint: &str,
    access: &Access,
    batch: &[(&Digest, &u64)],
) -> Result<BTreeMap<String, Value>, Fault> {
    let objects: Vec<Value> = batch.iter().map(|(digest, size)| json!({"oid": digest.hex(), "size": size})).collect();
    let body = json!({"operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"});
    let url = format!("{endpoint}/objects/batch");
    let headers = vec![(ACCEPT, MEDIA.to_owned()), (CONTENT_TYPE, MEDIA.to_owned())];
    let body = Some(body.to_string().into_bytes());
    let answer = client.send(&Ask { method: Method::POST, url: &url, headers, body, access, limit: MAX_ANSWER })?;
    if !answer.is_success() {
        return Err(client.refused(&url, access, &answer));
    }
    let wrong =
        || Fault::lasting(format!("the LFS server at `{}` answers something else", without_credentials(endpoint)));
    let found: Value = serde_json::from_slice(&answer.body).map_err(|_| wrong())?;
    let objects = found.get("objects").and_then(Value::as_array).ok_or_else(wrong)?;
    Ok(objects.iter().filter_map(|object| Some((object.get("oid")?.as_str()?.to_owned(), object.clone()))).collect())
}

fn download(client: &Client, endpoint: &str, access: &Access, object: &Value, size: u64) -> Result<Vec<u8>, Fault> {
    if let Some(error) = object.get("error") {
        let said = error.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Fault::lasting(format!("the server does not give it: {said}")));
    }
    let action = object.pointer("/actions/download");
    let href = action.and_then(|action| action.get("href")).and_then(Value::as_str);
    let href = href.ok_or_else(|| Fault::lasting("the server does not say where it is"))?;
    if endpoint.starts_with("https://") && !href.starts_with("https://") {
        return Err(Fault::lasting(format!("the server sends to `{}`, which is not encrypted", shown(href))));
    }
    let (mut headers, mut login) = (Vec::new(), None);
    let written = action.and_then(|action| action.get("header")).and_then(Value::as_object);
    for (name, value) in written.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?))) {
        if name.eq_ignore_ascii_case("authorization") {
            // As a login it is not sent on when the server redirects.
            login = Some(
                login_of(value).ok_or_else(|| Fault::lasting("the server wants a kind of login that is not known"))?,
            );
        } else if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.push((name, value.to_owned()));
        }
    }
    let same = Place::of(href).zip(Place::of(endpoint)).is_some_and(|(a, b)| a.same_server(&b));
    let mut reached = if same { access.clone() } else { client.credentials().access(href)? };
    if login.is_some() || !same {
        reached.login = login;
        "the LFS server".clone_into(&mut reached.origin);
    }
    let ask = Ask { method: Method::GET, url: href, headers, body: None, access: &reached, limit: size };
    let answer = client.send(&ask)?;
    if answer.is_success() { Ok(answer.body) } else { Err(client.refused(href, &reached, &answer)) }
}

/// A URL that may be signed, for people.
fn shown(url: &str) -> String {
    without_credentials(url.split('?').next().unwrap_or_default())
}

/// The login that a header holds.
fn login_of(value: &str) -> Option<Login> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Login::Bearer(Hidden::from(rest.trim().to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Login::Basic { user: user.to_owned(), password: Hidden::from(password.to_owned()) })
}

/// The note of a commit on which contents it needs.
pub(super) fn note(wanted: &Wanted) -> String {
    wanted.iter().map(|(digest, size)| format!("{} {size}\n", digest.hex())).collect()
}

/// Whether all that a note names is in the store.
pub(super) fn is_whole(store: &Store, note: &str) -> bool {
    let there = |line: &str| {
        let digest = line.split_once(' ').and_then(|(hex, _)| Digest::parse(&format!("sha256:{hex}")));
        digest.is_some_and(|digest| store.place(&digest).is_file())
    };
    note.lines().all(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_derived_as_git_lfs_does() {
        for (url, want) in [
            ("https://git.example.com/org/repo", "https://git.example.com/org/repo.git/info/lfs"),
            ("https://git.example.com:8443/org/repo.git/", "https://git.example.com:8443/org/repo.git/info/lfs"),
            ("git@git.example.com:org/repo.git", "https://git.example.com/org/repo.git/info/lfs"),
            ("ssh://git@git.example.com:7999/org/repo", "https://git.example.com/org/repo.git/info/lfs"),
        ] {
            let derived = derived(&Address::parse(url).unwrap()).unwrap();
            assert_eq!(derived, want);
        }
    }

    #[test]
    fn logins_of_downloads() {
        let login = |text: &str| match login_of(text) {
            Some(Login::Basic { user, password }) => format!("{user}:{}", password.reveal()),
            Some(Login::Bearer(token)) => token.reveal().to_owned(),
            _ => "unknown".to_owned(),
        };
        assert_eq!(login("Basic am9lOnA0c3M="), "joe:p4ss");
        assert_eq!(login("bearer abc"), "abc");
        assert_eq!((login("RemoteAuth x"), login("Basic ???")), ("unknown".to_owned(), "unknown".to_owned()));
    }
}
