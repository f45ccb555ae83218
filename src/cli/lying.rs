//! Bundles as they lie in a folder, checked against their lock. What is not as the lock says is an error, never a change.

use std::collections::BTreeMap;
use std::path::Path;

use fleetc::bundle::{self, BUNDLES_LOCK, Contents, Entry, Shown, State};
use fleetc::diag::{Checked, Diagnostic, Diagnostics};
use fleetc::digest::Digest;
use fleetc::host::write::Folder;
use fleetc::lock::{self, BundlesLock};
use fleetc::span::{FileId, Span};

/// The bundles in `output`, by the name of their cluster. `fleet` is the folder of the fleet, or any that `output` is not around.
///
/// # Errors
/// There is no lock, or a bundle is missing, damaged, or not what the lock says.
pub(crate) fn bundles(output: &Path, fleet: &Path) -> Checked<BTreeMap<String, Contents>> {
    let folder = Folder::new(output, fleet)?;
    let mut previous = folder.previous()?;
    let mut diagnostics = Diagnostics::new();
    let mut wrong = |message: String| diagnostics.push(Diagnostic::error("plan/bundles", Span::NONE, message));
    let shown = output.display();
    let lock = previous.bundles_lock.as_ref().and_then(|text| match BundlesLock::parse(FileId::NONE, text) {
        Ok(lock::State::Here(lock)) => Some(lock),
        _ => None,
    });
    let Some(lock) = lock else {
        wrong(format!(
            "`{shown}` has no {BUNDLES_LOCK} that can be read, so nobody knows whether its bundles are whole"
        ));
        return Err(diagnostics);
    };
    let mut indexes = BTreeMap::new();
    for (cluster, digest) in &lock.clusters {
        let directory = bundle::encode_name(cluster);
        let Some(old) = previous.bundles.get(&directory) else {
            wrong(format!("the bundle of `{cluster}` is in {BUNDLES_LOCK}, but not in `{shown}`"));
            continue;
        };
        let index = old.index().sides.first();
        let found = index.map_or_else(|| Digest::of(old.text.as_bytes()), |index| index.locked_digest(&old.text));
        if found != *digest {
            wrong(format!("`{shown}/{directory}/bundle.yaml` is not what {BUNDLES_LOCK} says"));
            continue;
        }
        match index {
            Some(index) if old.index().problem.is_none() && index.cluster == *cluster => {
                indexes.insert(directory, index.clone());
            }
            _ => wrong(format!("`{shown}/{directory}/bundle.yaml` cannot be read")),
        }
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let wanted: Vec<String> = indexes
        .iter()
        .flat_map(|(directory, index)| {
            let entries = index.applications.iter().filter(|entry| entry.state == State::Ok);
            entries.flat_map(|entry| entry.files.keys()).map(move |path| format!("{directory}/{path}"))
        })
        .collect();
    folder.read_texts(&mut previous, &wanted);
    for (directory, index) in &indexes {
        for (path, shown, digest) in index.applications.iter().flat_map(secret_files) {
            let path = format!("{directory}/{path}");
            // A file that was edited is said where it is used.
            let text = previous.texts.get(&path).filter(|text| Digest::of(text.as_bytes()) == *digest);
            if text.is_some_and(|text| !shown.is_of(text, None)) {
                diagnostics.push(Diagnostic::error(
                    "plan/bundles",
                    Span::NONE,
                    format!("`{}/{path}` is not what {BUNDLES_LOCK} says", output.display()),
                ));
            }
        }
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let contents = indexes.into_iter().map(|(directory, index)| {
        let paths = index.applications.iter().flat_map(|entry| entry.files.keys());
        let texts =
            paths.filter_map(|path| Some((path.clone(), previous.texts.get(&format!("{directory}/{path}"))?.clone())));
        let texts = texts.collect();
        (index.cluster.clone(), Contents { index, texts })
    });
    Ok(contents.collect())
}

/// The files of an application with clear data of Secrets: path, what bundles.lock rests on, and the plain digest.
fn secret_files(entry: &Entry) -> impl Iterator<Item = (&String, &Shown, &Digest)> {
    entry.shown.iter().filter_map(|(path, shown)| Some((path, shown, entry.files.get(path)?)))
}
