//! The credentials of a run: those of the machine, and what the fleet's own files say of repositories.
//!
//! The files are looked through only when something is fetched, since most runs fetch nothing. A file that cannot be read or parsed is left
//! aside: who reads the fleet says so.

use std::path::Path;

use super::Credentials;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// What a file must speak of to be parsed.
const MARKS: [&[u8]; 3] = [b"argocd.argoproj.io/secret-type", b"argocd-tls-certs-cm", b"argocd-ssh-known-hosts-cm"];
/// Bytes of a file; certificates of an authority have a few thousand each.
const MAX_FILE: u64 = 4 << 20;
/// Names that are looked at.
const MAX_NAMES: usize = 500_000;

impl Credentials {
    /// Those of this machine's user, and of the files of a fleet. What is wrong with them is said when they are asked for.
    pub fn gather(fleet: Option<&Path>) -> Self {
        let mut all = Credentials::of_machine().unwrap_or_else(Credentials::broken);
        let Some(folder) = fleet else { return all };
        let skipped = |entry: &walkdir::DirEntry| {
            let hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
            // What fleetc has written is no declaration.
            hidden || (entry.file_type().is_dir() && entry.path().join("bundles.lock").is_file())
        };
        let walk = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| !skipped(entry)).take(MAX_NAMES).flatten() {
            let kind = entry.path().extension().and_then(|kind| kind.to_str());
            let small = entry.metadata().is_ok_and(|data| data.is_file() && data.len() <= MAX_FILE);
            if !small || !matches!(kind, Some("yaml" | "yml" | "json")) {
                continue;
            }
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            if MARKS.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark)) {
                let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                all.add_file(&bytes, &format!("`{}`", path.display()));
            }
        }
        all
    }

    /// Adds all objects of a file, those in lists too.
    fn add_file(&mut self, bytes: &[u8], origin: &str) {
        let parsed = yaml::parse(FileId::NONE, bytes, Dialect::V2, &Limits::default());
        for document in parsed.documents {
            self.add(&document.root, origin);
            let items = document.root.get("items").and_then(Node::as_seq).unwrap_or_default();
            items.iter().for_each(|item| self.add(item, origin));
        }
    }
}
