//! Bundles with their clear Secrets sealed, as SOPS does, for those who may read them.
//!
//! Only files with clear data are written anew, and what is sealed follows from its content and the fleet's key: an unchanged Secret has an
//! unchanged ciphertext. A file that cannot be sealed is an error, never published in the clear.

use crate::bundle::{Bundle, BundleFile, is_clear_secret};
use crate::digest::{Digest, Key};
use crate::lock::{self, BundlesLock};
use crate::sops::{self, Recipient};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, emit};

/// A bundle without clear data of Secrets.
///
/// # Errors
/// The path of a file that cannot be sealed.
pub fn encrypted(bundle: Bundle, recipients: &[Recipient], key: &Key) -> Result<Bundle, String> {
    if bundle.files.iter().all(|file| file.shown.is_none()) {
        return Ok(bundle);
    }
    let Bundle { cluster, directory, mut index, files, .. } = bundle;
    let sealed = files.into_iter().map(|file| match (&file.shown, &file.text) {
        (Some(_), Some(text)) => {
            let text = seal(text, recipients, key).ok_or_else(|| format!("{directory}/{}", file.path))?;
            Ok(BundleFile { digest: Digest::of(text.as_bytes()), shown: None, text: Some(text.into()), ..file })
        }
        _ => Ok(file),
    });
    let files: Vec<BundleFile> = sealed.collect::<Result<_, String>>()?;
    for entry in &mut index.applications {
        for file in files.iter().filter(|file| file.application == entry.key && file.shown.is_none()) {
            if entry.shown.remove(&file.path).is_some() {
                entry.files.insert(file.path.clone(), file.digest);
            }
        }
    }
    Ok(Bundle::new(cluster, directory, index, files))
}

/// bundles.lock with what it says of these bundles now.
pub fn relocked(text: &str, bundles: &[Bundle]) -> String {
    let Ok(lock::State::Here(mut lock)) = BundlesLock::parse(FileId::NONE, text) else { return text.to_owned() };
    for bundle in bundles {
        lock.clusters.insert(bundle.cluster.clone(), bundle.locked());
    }
    lock.to_text()
}

fn seal(text: &str, recipients: &[Recipient], key: &Key) -> Option<String> {
    let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).ok()?;
    let mut out = String::new();
    for object in documents {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        let object = if is_clear_secret(&object) { sops::seal(&object, recipients, key)? } else { object };
        emit::to_yaml_into(&object, &mut out);
    }
    Some(out)
}
