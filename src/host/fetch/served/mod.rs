//! The client and the fetchers against servers that tests start.

mod charts;
mod client;
mod logins;
mod packed;
mod real;
mod registry;
mod server;

use std::sync::Arc;
use std::time::Duration;

use super::http::{Client, Timeouts};
use super::{Credentials, Fault, Fetcher, Store};
use crate::digest::Digest;
use crate::lock::Pin;
use crate::path::TreePath;
use crate::source::{SourceKind, SourceRequest};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits};

/// Credentials of the Secrets and ConfigMaps in a text.
fn credentials(text: &str) -> Credentials {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    assert!(parsed.error.is_none(), "{:?}", parsed.error);
    let mut all = Credentials::default();
    parsed.documents.iter().for_each(|document| all.add(&document.root, "secrets.yaml"));
    all
}

/// A Secret of Argo CD.
fn secret(kind: &str, fields: &[(&str, &str)]) -> String {
    let data: String = fields.iter().map(|(key, value)| format!("  {key}: {value:?}\n")).collect();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: one\n  labels:\n    argocd.argoproj.io/secret-type: {kind}\nstringData:\n{data}"
    )
}

/// The ConfigMap of authorities.
fn authority(host: &str, pem: &str) -> String {
    let pem = pem.replace('\n', "\n    ");
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-tls-certs-cm\ndata:\n  {host}: |\n    {pem}\n"
    )
}

fn client(credentials: Credentials) -> Arc<Client> {
    let timeouts =
        Timeouts { connect: Duration::from_secs(5), read: Duration::from_secs(5), total: Duration::from_secs(20) };
    Arc::new(Client::new(Arc::new(credentials), timeouts))
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    (folder, store)
}

fn request(kind: SourceKind, url: &str, revision: &str) -> SourceRequest {
    SourceRequest { kind, url: url.to_owned(), revision: revision.to_owned() }
}

fn chart(url: &str, revision: &str) -> SourceRequest {
    request(SourceKind::Chart("web".to_owned()), url, revision)
}

/// Resolves, fetches and opens a source; its pin and the names at its root.
fn bring(fetcher: &dyn Fetcher, request: &SourceRequest) -> Result<(Pin, Vec<String>), Fault> {
    let pin = fetcher.resolve(request)?;
    fetcher.fetch(request, &pin)?;
    let tree = fetcher.open(request, &pin)?.expect("it is in the store");
    let mut names: Vec<String> = tree.names(&TreePath::root(), None).unwrap().into_iter().map(|e| e.name).collect();
    names.sort();
    Ok((pin, names))
}

/// An entry of a tar file.
enum Entry {
    File(&'static str, Vec<u8>),
    Link(&'static str, &'static str),
    HardLink(&'static str, &'static str),
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let (name, kind, data, target) = match entry {
            Entry::File(name, data) => (name, tar::EntryType::Regular, data.as_slice(), ""),
            Entry::Link(name, target) => (name, tar::EntryType::Symlink, &[][..], *target),
            Entry::HardLink(name, target) => (name, tar::EntryType::Link, &[][..], *target),
        };
        let mut header = tar::Header::new_gnu();
        // Written as they are: the crate refuses names that leave the archive.
        let place = header.as_mut_bytes().get_mut(..name.len()).unwrap();
        place.copy_from_slice(name.as_bytes());
        let place = header.as_mut_bytes().get_mut(157..157 + target.len()).unwrap();
        place.copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A packed chart `web` of a version.
fn packed_chart(version: &str) -> Vec<u8> {
    let yaml = format!("apiVersion: v2\nname: web\nversion: {version}\n");
    gzip(&tar(&[Entry::File("web/Chart.yaml", yaml.into_bytes()), Entry::File("web/values.yaml", b"a: 1\n".to_vec())]))
}

/// `index.yaml` of charts `web`: version, URL and digest.
fn index(entries: &[(&str, &str, &str)]) -> String {
    let list: String = entries
        .iter()
        .map(|(version, url, digest)| {
            format!("  - name: web\n    version: {version}\n    digest: {digest:?}\n    urls:\n    - {url}\n")
        })
        .collect();
    format!("apiVersion: v1\nentries:\n  web:\n{list}generated: \"2026-01-01T00:00:00Z\"\n")
}

fn hex(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}
