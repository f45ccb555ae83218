//! Single files over HTTP: kustomize resources and values files that are URLs.
//!
//! The file is content of the store by its digest. What the URL gives later is another file: it is refused until the pin is moved.

use std::sync::Arc;

use super::http::{Client, shown};
use super::{Fault, Fetcher, Store, pinned};
use crate::digest::Digest;
use crate::host::archive::Archive;
use crate::host::tree;
use crate::lock::Pin;
use crate::path::TreePath;
use crate::source::SourceRequest;

/// Bytes of a file; manifests of large operators have a few.
const MAX_FILE: u64 = 64 << 20;

/// Files by URL.
#[derive(Debug)]
pub struct Files {
    store: Store,
    client: Arc<Client>,
}

impl Files {
    /// Those that this client reaches.
    pub fn new(store: Store, client: Arc<Client>) -> Self {
        Files { store, client }
    }

    fn get(&self, request: &SourceRequest) -> Result<Vec<u8>, Fault> {
        let access = self.client.credentials().access(&request.url)?;
        Ok(self.client.get(&request.url, &access, MAX_FILE)?.body)
    }
}

impl Fetcher for Files {
    /// What a URL stands for can only be seen by fetching it.
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault> {
        let digest = self.store.put(&self.get(request)?)?;
        Ok(Pin { resolved: String::new(), digest: Some(digest) })
    }

    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault> {
        let digest = pinned(request, pin)?;
        let _guard = self.store.guard("file", &digest.to_string())?;
        if self.store.get(&digest)?.is_some() {
            return Ok(());
        }
        let bytes = self.get(request)?;
        let found = Digest::of(&bytes);
        if found != digest {
            let url = shown(&request.url);
            return Err(Fault::lasting(format!("`{url}` is now {found}, and fleet.lock pins {digest}"))
                .hint(format!("`fleetc update {url}` pins what it is now")));
        }
        self.store.put(&bytes)?;
        Ok(())
    }

    /// A tree with the file alone, under the last name of the URL.
    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault> {
        let Some(digest) = pin.digest else { return Ok(None) };
        let Some(bytes) = self.store.get(&digest)? else { return Ok(None) };
        let path =
            TreePath::new(file_name(&request.url)).map_err(|error| Fault::lasting(format!("{request} {error}")))?;
        Ok(Some(Box::new(Archive::single(path, bytes))))
    }
}

/// The name under which the file of a URL lies in its tree.
pub fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((_, name)) if !matches!(name, "" | "." | "..") => name,
        _ => "file",
    }
}
