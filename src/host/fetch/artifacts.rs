//! OCI artifacts, as Argo CD reads them (`util/oci`): a digest, a tag, or the newest tag within a constraint; of its layers exactly one is
//! content, of three media types.
//!
//! Charts in registries are the same with one more media type. The manifest is content of the store by the digest that is pinned, and names
//! its layer by digest, so that what is opened is what was pinned, wherever tags have moved. Tags cannot hold `+`, versions can: `_` is `+`.

use std::sync::Arc;

use super::http::Client;
use super::registry::{Layer, Repository, Tokens, layers};
use super::{Fault, Fetcher, Store, pinned};
use crate::host::archive::Archive;
use crate::host::tree;
use crate::host::versions::Version;
use crate::lock::Pin;
use crate::render::helm::newest;
use crate::source::{SourceKind, SourceRequest};

/// Bytes of a layer.
const MAX_LAYER: u64 = 128 << 20;

/// The content of a Helm chart.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The same from Helm before 3.7.
const OLD_CHART: &str = "application/tar+gzip";
/// What Argo CD takes for content (`--oci-layer-media-types`).
const CONTENT: [&str; 3] =
    ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", CHART];

/// Artifacts and charts of registries.
#[derive(Debug)]
pub struct Artifacts {
    store: Store,
    client: Arc<Client>,
    tokens: Tokens,
}

impl Artifacts {
    /// Those that this client reaches.
    pub fn new(store: Store, client: Arc<Client>) -> Self {
        Artifacts { store, client, tokens: Tokens::default() }
    }

    fn repository(&self, request: &SourceRequest) -> Result<Repository<'_>, Fault> {
        Repository::open(&self.client, &self.tokens, &request.url, chart_of(request))
    }
}

/// The chart of a request; empty for artifacts.
fn chart_of(request: &SourceRequest) -> &str {
    match &request.kind {
        SourceKind::Chart(name) => name,
        _ => "",
    }
}

/// A revision as the text of a tag; `None` where no tag can be so.
fn tag(revision: &str) -> Option<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let tag = revision.replace('+', "_");
    let first = tag.bytes().next()?;
    let ok = tag.len() <= 128 && tag.bytes().all(fine) && (first.is_ascii_alphanumeric() || first == b'_');
    ok.then_some(tag)
}

/// The layer that is content.
fn content(manifest: &[u8], is_chart: bool) -> Result<Layer, String> {
    let layers = layers(manifest)?;
    if is_chart {
        let mut charts = layers.into_iter().filter(|layer| matches!(layer.media_type.as_str(), CHART | OLD_CHART));
        return charts.next().ok_or_else(|| format!("it is no chart: none of its layers is {CHART}"));
    }
    let packed = |layer: &Layer| layer.media_type.ends_with("tar") || layer.media_type.ends_with("tar+gzip");
    let mut contents: Vec<Layer> = layers.into_iter().filter(packed).collect();
    if let Some(other) = contents.iter().find(|layer| !CONTENT.contains(&layer.media_type.as_str())) {
        return Err(format!(
            "its layer is of the media type {}, which is not taken; {} are",
            other.media_type,
            CONTENT.join(", ")
        ));
    }
    match (contents.pop(), contents.len()) {
        (Some(only), 0) => Ok(only),
        (_, more) => {
            Err(format!("it has {} layers of content, and exactly one is taken", if more == 0 { 0 } else { more + 1 }))
        }
    }
}

impl Fetcher for Artifacts {
    fn resolve(&self, request: &SourceRequest) -> Result<Pin, Fault> {
        let repository = self.repository(request)?;
        let (revision, is_chart) = (request.revision.as_str(), !chart_of(request).is_empty());
        if revision.is_empty() && !is_chart {
            let text = format!("`{}` is asked for without a revision", repository.shown());
            return Err(Fault::lasting(text).hint("`targetRevision` is a tag, a digest or a constraint such as `1.x`"));
        }
        let here = |resolved: &str, digest| Ok(Pin { resolved: resolved.to_owned(), digest: Some(digest) });
        if revision.contains(':') {
            return match repository.manifest(revision)? {
                Some((digest, _)) => here(revision, digest),
                None => Err(Fault::lasting(format!("`{}` has no {revision}", repository.shown()))),
            };
        }
        // A chart has versions only; an artifact any tag.
        let exact = tag(revision).filter(|_| !is_chart || Version::parse(revision).is_some());
        if let Some(tag) = exact
            && let Some((digest, _)) = repository.manifest(&tag)?
        {
            return here(revision, digest);
        }
        let tags = repository.tags()?;
        let versions: Vec<String> = tags.iter().map(|tag| tag.replace('_', "+")).collect();
        let listed: Vec<&str> = versions.iter().map(String::as_str).collect();
        let Some(found) = newest(revision, &listed) else {
            return Err(super::no_version(repository.shown(), revision, &listed));
        };
        let at = versions.iter().position(|version| version == found).and_then(|at| tags.get(at));
        match at.map(|tag| repository.manifest(tag)).transpose()?.flatten() {
            Some((digest, _)) => here(found, digest),
            None => Err(Fault::passing(format!("`{}` lists {found} and does not have it", repository.shown()))),
        }
    }

    fn fetch(&self, request: &SourceRequest, pin: &Pin) -> Result<(), Fault> {
        let digest = pinned(request, pin)?;
        let _guard = self.store.guard("artifact", &digest.to_string())?;
        let repository = self.repository(request)?;
        let broken =
            |why: String| Fault::lasting(format!("`{}` {} cannot be used: {why}", repository.shown(), pin.resolved));
        let manifest = match self.store.get(&digest)? {
            Some(manifest) => manifest,
            None => {
                let found =
                    repository.manifest(&digest.to_string())?.ok_or_else(|| gone(request, repository.shown(), pin))?;
                found.1
            }
        };
        let layer = content(&manifest, !chart_of(request).is_empty()).map_err(broken)?;
        if self.store.get(&layer.digest)?.is_none() {
            let bytes = repository.layer(&layer, MAX_LAYER)?;
            // What cannot be opened gets no place.
            unpack(&layer, &bytes).map_err(broken)?;
            self.store.put(&bytes)?;
        }
        // The manifest comes last: where it lies, all of it does.
        self.store.put(&manifest)?;
        Ok(())
    }

    fn open(&self, request: &SourceRequest, pin: &Pin) -> Result<Option<Box<dyn tree::Store>>, Fault> {
        let digest = pinned(request, pin)?;
        let Some(manifest) = self.store.get(&digest)? else { return Ok(None) };
        let broken = |why: String| Fault::lasting(format!("{request} cannot be used: {why}"));
        let layer = content(&manifest, !chart_of(request).is_empty()).map_err(broken)?;
        let Some(bytes) = self.store.get(&layer.digest)? else { return Ok(None) };
        Ok(Some(Box::new(unpack(&layer, &bytes).map_err(broken)?)))
    }
}

fn unpack(layer: &Layer, bytes: &[u8]) -> Result<Archive, String> {
    match layer.media_type.as_str() {
        CHART | OLD_CHART => Archive::chart(bytes),
        other => Archive::layer(bytes, other.ends_with("gzip")),
    }
}

fn gone(request: &SourceRequest, shown: &str, pin: &Pin) -> Fault {
    let digest = pin.digest.map(|digest| digest.to_string()).unwrap_or_default();
    Fault::lasting(format!("`{shown}` no longer has {} with the digest {digest}, which is pinned", pin.resolved))
        .hint(format!("`fleetc update {}` pins what it has now", crate::source::without_credentials(&request.url)))
}
