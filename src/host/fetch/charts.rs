//! Charts of Helm repositories, with an index over HTTP or in a registry.
//!
//! Versions are chosen as `helm pull` chooses: the exact text, else the newest within the constraint. The archive is content of the store by
//! its digest, which the index usually says and which is checked then; what is pinned is never replaced by what a repository has published
//! again under the same version. An index is fetched once, however many charts ask for it. An archive may lie on another server than the
//! index: that server is told only what is meant for it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::ACCEPT_ENCODING;

use super::artifacts::Artifacts;
use super::credentials::Access;
use super::http::{Ask, Client, shown};
use super::index::{Entry, Index, MAX_INDEX};
use super::place::Place;
use super::{Fault, Fetcher, Store, pinned};
use crate::digest::Digest;
use crate::host::archive::Archive;
use crate::host::tree;
use crate::lock::Pin;
use crate::render::helm::newest;
use crate::source::{SourceKind, SourceRequest, without_credentials};

/// Bytes of a packed chart; Helm takes 100 MiB unpacked.
const MAX_ARCHIVE: u64 = 100 << 20;

/// Who comes second waits for who was first; a failure is forgotten, so that trying again does.
type Once<T> = Arc<Mutex<Option<Arc<T>>>>;

/// Charts of repositories.
#[derive(Debug)]
pub struct Charts {
    store: Store,
    client: Arc<Client>,
    registries: Artifacts,
    indexes: Mutex<BTreeMap<String, Once<Index>>>,
}

impl Charts {
    /// Those that this client reaches.
    pub fn new(store: Store, client: Arc<Client>) -> Self {
        let registries = Artifacts::new(store.clone(), Arc::clone(&client));
        Charts { store, client, registries, indexes: Mutex::default() }
    }

    /// The request by the URL of its repository, where that is written as the name of one (`@name`, `alias:name`).
    fn named(&self, request: &SourceRequest) -> Result<SourceRequest, Fault> {
        let name = request.url.strip_prefix('@').or_else(|| request.url.strip_prefix("alias:"));
        let Some(name) = name else { return Ok(request.clone()) };
        let url = self.client.credentials().named(name).ok_or_else(|| {
            Fault::lasting(format!("no repository has the name `{name}`"))
                .hint("add a repository Secret of Argo CD with that `name`, or write the URL into Chart.yaml")
        })?;
        Ok(SourceRequest { url: url.to_owned(), ..request.clone() })
    }

    /// Whether the repository is a registry: `oci://`, or no scheme at all (Argo CD `IsHelmOciRepo`).
    fn is_registry(&self, request: &SourceRequest) -> bool {
        request.url.starts_with("oci://") || !request.url.contains("://")
    }

    fn index(&self, url: &str, access: &Access) -> Result<Arc<Index>, Fault> {
        let place = index_url(url)?;
        let slot = {
            let mut all = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(place.to_string()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*slot {
            return Ok(Arc::clone(index));
        }
        let ask = Ask::get(place.as_str(), access, MAX_INDEX).header(ACCEPT_ENCODING, "gzip");
        let answer = self.client.send(&ask)?;
        if !answer.is_success() {
            let fault = self.client.refused(place.as_str(), access, &answer);
            return Err(match answer.status {
                404 | 410 => Fault {
                    hint: Some("a Helm repository has an index.yaml; is it one? A registry is `oci://`".into()),
                    ..fault
                },
                _ => fault,
            });
        }
        let text = match answer.header("content-encoding") {
            Some("gzip") => {
                inflate(&answer.body).map_err(|why| Fault::lasting(format!("`{}`: {why}", shown(place.as_str()))))?
            }
            _ => answer.body,
        };
        let index = Arc::new(Index::new(text));
        *slot = Some(Arc::clone(&index));
        Ok(index)
    }

    /// The versions of a chart.
    fn entries(&self, request: &SourceRequest, name: &str, access: &Access) -> Result<Vec<Entry>, Fault> {
        let index = self.index(&request.url, access)?;
        let entries = index
            .chart(name)
            .map_err(|why| Fault::lasting(format!("the index of `{}` cannot be used: {why}", shown(&request.url))))?;
        if entries.is_empty() {
            return Err(Fault::lasting(format!("the repository `{}` has no chart `{name}`", shown(&request.url))));
        }
        Ok(entries)
    }

    /// The archive of an entry, as the index has it.
    fn archive(&self, request: &SourceRequest, entry: &Entry, access: &Access) -> Result<Vec<u8>, Fault> {
        let url = archive_url(&request.url, &entry.url)?;
        let same = Place::of(&request.url).zip(Place::of(url.as_str())).is_some_and(|(a, b)| a.same_server(&b));
        let other;
        let access = if same {
            access
        } else {
            other = self.client.credentials().access(url.as_str())?;
            &other
        };
        let bytes = self.client.get(url.as_str(), access, MAX_ARCHIVE)?.body;
        match told(&entry.digest) {
            Some(told) if told != Digest::of(&bytes) => Err(Fault::lasting(format!(
                "`{}` gives an archive with the digest {}, and the index says {told}",
                shown(url.as_str()),
                Digest::of(&bytes)
            ))
            .hint("whoever keeps the repository must write its index anew")),
            _ => Ok(bytes),
        }
    }

    /// Puts an archive into the store that is one.
    fn keep(&self, request: &SourceRequest, bytes: &[u8]) -> Result<Digest, Fault> {
        let broken = |why: String| Fault::lasting(format!("{request} cannot be used: {why}"));
        Archive::chart(bytes).map_err(broken)?;
        Ok(self.store.put(bytes)?)
    }
}

impl Fetcher for Charts {
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault> {
        let request = &self.named(request)?;
        if self.is_registry(request) {
            return self.registries.resolve(request);
        }
        let SourceKind::Chart(name) = &request.kind else { return Err(not_ours(request)) };
        let access = self.client.credentials().access(&request.url)?;
        let entries = self.entries(request, name, &access)?;
        let versions: Vec<&str> = entries.iter().map(|entry| entry.version.as_str()).collect();
        let exact = versions.iter().find(|version| **version == request.revision).copied();
        let Some(version) = exact.or_else(|| newest(&request.revision, &versions)) else {
            return Err(super::no_version(&format!("{name} of {}", shown(&request.url)), &request.revision, &versions));
        };
        let entry = entries.iter().find(|entry| entry.version == version).ok_or_else(|| not_ours(request))?;
        let digest = match told(&entry.digest) {
            Some(digest) => digest,
            None => self.keep(request, &self.archive(request, entry, &access)?)?,
        };
        Ok(Pin { resolved: version.to_owned(), digest: Some(digest) })
    }

    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault> {
        let request = &self.named(request)?;
        if self.is_registry(request) {
            return self.registries.fetch(request, pin);
        }
        let SourceKind::Chart(name) = &request.kind else { return Err(not_ours(request)) };
        let digest = pinned(request, pin)?;
        let _guard = self.store.guard("chart", &digest.to_string())?;
        if self.store.get(&digest)?.is_some() {
            return Ok(());
        }
        let access = self.client.credentials().access(&request.url)?;
        let entries = self.entries(request, name, &access)?;
        let moved = |what: String| {
            Fault::lasting(format!("the repository `{}` {what}, and fleet.lock pins {digest}", shown(&request.url)))
                .hint(format!("`fleetc update {}` pins what it has now", without_credentials(&request.url)))
        };
        let entry = entries.iter().find(|entry| entry.version == pin.resolved);
        let entry = entry.ok_or_else(|| moved(format!("no longer has {name} {}", pin.resolved)))?;
        if let Some(told) = told(&entry.digest).filter(|told| *told != digest) {
            return Err(moved(format!("has published {name} {} again, as {told}", pin.resolved)));
        }
        let bytes = self.archive(request, entry, &access)?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(moved(format!("has published {name} {} again, as {found}", pin.resolved)));
        }
        self.keep(request, &bytes)?;
        Ok(())
    }

    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault> {
        let request = &self.named(request)?;
        if self.is_registry(request) {
            return self.registries.open(request, pin);
        }
        let Some(digest) = pin.digest else { return Ok(None) };
        let Some(bytes) = self.store.get(&digest)? else { return Ok(None) };
        let archive = Archive::chart(&bytes);
        Ok(Some(Box::new(archive.map_err(|why| Fault::lasting(format!("{request} cannot be used: {why}")))?)))
    }
}

fn not_ours(request: &SourceRequest) -> Fault {
    Fault::lasting(format!("{request} is no chart"))
}

/// The digest that an index says: hexadecimal, with or without `sha256:`.
fn told(digest: &str) -> Option<Digest> {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest).to_ascii_lowercase();
    Digest::parse(&format!("sha256:{hex}"))
}

/// Where the index of a repository lies. What stands behind `?` stays (it may be what lets one in).
fn index_url(repository: &str) -> Result<Url, Fault> {
    let mut url =
        Url::parse(repository.trim()).map_err(|_| Fault::lasting(format!("`{}` is no URL", shown(repository))))?;
    let path = format!("{}/index.yaml", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Where an archive lies, seen from the repository (helm `repo.ResolveReferenceURL`).
fn archive_url(repository: &str, written: &str) -> Result<Url, Fault> {
    let wrong = |_| {
        Fault::lasting(format!(
            "the index of `{}` has an archive at `{}`, which is no URL",
            shown(repository),
            shown(written)
        ))
    };
    let mut base = Url::parse(repository.trim()).map_err(wrong)?;
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    let query = base.query().map(str::to_owned);
    let mut url = base.join(written).map_err(wrong)?;
    if Url::parse(written).is_err() && url.query().is_none() {
        url.set_query(query.as_deref());
    }
    Ok(url)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes).take(MAX_INDEX + 1).read_to_end(&mut text);
    match read {
        Ok(read) if read as u64 > MAX_INDEX => Err(format!("it unpacks to more than {MAX_INDEX} bytes")),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("it cannot be unpacked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{archive_url, index_url};

    #[test]
    fn archives_lie_where_helm_looks() {
        for (repository, written, want) in [
            ("https://host/charts", "a-1.tgz", "https://host/charts/a-1.tgz"),
            ("https://host/charts/", "charts/a-1.tgz", "https://host/charts/charts/a-1.tgz"),
            ("https://host/charts", "/a-1.tgz", "https://host/a-1.tgz"),
            ("https://host/charts?k=v", "a-1.tgz", "https://host/charts/a-1.tgz?k=v"),
            ("https://host/charts?k=v", "https://other/a-1.tgz", "https://other/a-1.tgz"),
            ("https://host", "../a-1.tgz", "https://host/a-1.tgz"),
        ] {
            assert_eq!(archive_url(repository, written).unwrap().as_str(), want);
        }
        assert_eq!(index_url("https://host/a/?k=v").unwrap().as_str(), "https://host/a/index.yaml?k=v");
    }
}
