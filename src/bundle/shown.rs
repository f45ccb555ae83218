//! Digests of files with clear data of Secrets, for those who may read the digest and not the data.
//!
//! bundle.yaml has the SHA-256 of every file. It lies beside the files: who reads the one reads the others, and whether a file is whole must be
//! known without a key. But digests travel. bundles.lock is committed without bundles, the inventory and the history of a slice are in a
//! ConfigMap that people read who may not read Secrets, saved plans are artifacts of pipelines, `history` prints them. Whoever knows the rest
//! of such a file (it is rendered from what he can read) could try out short secrets against a plain digest, and also against a digest
//! of digests. So wherever it travels a file with clear data is stood for by another digest, which bundle.yaml has beside the plain one:
//!
//! - HMAC-SHA256 of the file, where fleet.yaml names a key (`digestKey`). Every change of a value shows, and nobody without the key can check
//!   a guess. The digest of the fleet's own files in bundles.lock is keyed then, too, since a Secret may be among them.
//! - Otherwise SHA-256 of its objects with the values left out. That says nothing about the values; so a plan that was saved is not bound to
//!   them, and a lock alone does not tell that just a value changed. Bundles do, and plans compare the values with the live ones.
//!
//! A key that is made up on each machine would see such changes as well, but two machines would make two locks. A slow hash would not save a
//! password of four digits. Neither is done. What kustomize and charts put into names and annotations (hash suffixes, `checksum/secret`) is
//! theirs: it is the same to the byte, and `secrets: refuse` or a secret manager keeps it out.

use super::secret::{is_clear, without_values};
use crate::digest::{Digest, Key};
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, json};

/// A digest that may be shown to people who may not read what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// SHA-256 without the values of clear Secrets.
    Masked(Digest),
    /// HMAC-SHA256 of all.
    Keyed(Digest),
}

/// What its HMACs are of.
const PURPOSE: &str = "fleetc.dev/file";

impl Shown {
    /// The digest of a file; `None` where its text is no YAML that has a form in JSON.
    pub fn of(text: &str, key: Option<&Key>) -> Option<Self> {
        if let Some(key) = key {
            return Some(Shown::Keyed(key.digest(PURPOSE, text.as_bytes())));
        }
        let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default()).ok()?;
        let masked = documents.iter().map(|object| {
            let masked = if is_clear(object) { without_values(object) } else { None };
            json::to_json(masked.as_ref().unwrap_or(object)).ok()
        });
        let parts: Vec<String> = masked.collect::<Option<_>>()?;
        Some(Shown::Masked(Digest::of_parts(parts.iter().map(String::as_bytes))))
    }

    /// Whether it is that of a file. One that is keyed is believed where the key is not given.
    pub fn is_of(&self, text: &str, key: Option<&Key>) -> bool {
        match (self, key) {
            (Shown::Keyed(_), None) => true,
            (Shown::Keyed(_), Some(_)) => Self::of(text, key).as_ref() == Some(self),
            (Shown::Masked(_), _) => Self::of(text, None).as_ref() == Some(self),
        }
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        let (Shown::Masked(digest) | Shown::Keyed(digest)) = self;
        *digest
    }

    /// Reads `sha256:…` or `hmac-sha256:…`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("hmac-") {
            Some(keyed) => Digest::parse(keyed).map(Shown::Keyed),
            None => Digest::parse(text).map(Shown::Masked),
        }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shown::Masked(digest) => write!(f, "{digest}"),
            Shown::Keyed(digest) => write!(f, "hmac-{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(pin: &str) -> String {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n\
             stringData:\n  pin: \"{pin}\"\n"
        )
    }

    #[test]
    fn without_a_key_all_values_have_one_digest() {
        let all: Vec<Shown> = (0..10_000).filter_map(|pin| Shown::of(&secret(&format!("{pin:04}")), None)).collect();
        assert!(all.len() == 10_000 && all.iter().all(|one| one == &all[0]));
        // Everything else counts.
        let renamed = secret("0000").replace("name: a\n---", "name: b\n---");
        assert_ne!(Shown::of(&renamed, None), Some(all[0]));
        assert!(all[0].is_of(&secret("1"), None) && !all[0].is_of(&renamed, None));
        let more = secret("0000").replace("  pin:", "  more: x\n  pin:");
        assert_ne!(Shown::of(&more, None), Some(all[0]));
    }

    #[test]
    fn a_key_tells_values_apart_and_lets_nobody_else() {
        let key = |text: &str| Key::new(text.as_bytes()).unwrap();
        let (ours, theirs) = (key("ours-ours-ours-ours"), key("theirs-theirs-theirs"));
        let told = Shown::of(&secret("4711"), Some(&ours)).unwrap();
        assert!(matches!(told, Shown::Keyed(_)) && Shown::parse(&told.to_string()) == Some(told));
        assert_ne!(Shown::of(&secret("4712"), Some(&ours)), Some(told));
        // Whoever tries all of them without the key finds none.
        let guessed = (0..10_000).map(|pin| secret(&format!("{pin:04}"))).any(|text| {
            let plain = Digest::of(text.as_bytes()).hex();
            told.to_string().contains(&plain) || Shown::of(&text, Some(&theirs)) == Some(told)
        });
        assert!(!guessed);
        assert!(told.is_of(&secret("4711"), Some(&ours)) && !told.is_of(&secret("4712"), Some(&ours)));
    }
}
