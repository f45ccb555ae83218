//! The credentials of a run: those of the machine, and what the fleet's own files and the Argo CD of a management cluster say of repositories.
//!
//! Both are looked through only when something is fetched, since most runs fetch nothing. A file that cannot be read or parsed is left
//! aside: who reads the fleet says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::argocd::Management;
use super::Credentials;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

/// What a file must speak of to be parsed.
const MARKS: [&[u8]; 3] = [b"argocd.argoproj.io/secret-type", b"argocd-tls-certs-cm", b"argocd-ssh-known-hosts-cm"];
/// Bytes of a file; certificates of an authority have a few thousand each.
const MAX_FILE: u64 = 4 << 20;
/// Names that are looked at.
const MAX_NAMES: usize = 500_000;

/// Where the logins of a run are looked for beside this machine.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// The fleet whose files say how repositories are reached.
    pub fleet: Option<PathBuf>,
    /// The Argo CD that knows more of them.
    pub management: Option<Arc<Management>>,
}

impl Logins {
    /// All there are. Who names an Argo CD wants it to count: where it cannot be asked, nobody is told anything.
    pub fn gather(&self) -> Credentials {
        let mut all = Credentials::gather(self.fleet.as_deref());
        match self.management.as_ref().map(|management| management.repositories()) {
            None => all,
            Some(Err(fault)) => Credentials::broken(fault),
            Some(Ok(objects)) => {
                for (object, origin) in objects {
                    all.add_trusted(&object, &origin);
                }
                all
            }
        }
    }
}

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
