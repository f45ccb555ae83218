//! A bundle with the texts of its files, wherever it comes from: a build in memory or a folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Bundle;
use super::index::Index;

/// What is to be on the cluster of a name.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// What bundle.yaml says.
    pub index: Index,
    /// Texts of its files, by path below its folder; those of held applications may be missing.
    pub texts: BTreeMap<String, Arc<str>>,
}

impl From<Bundle> for Contents {
    fn from(bundle: Bundle) -> Self {
        let texts = bundle.files.into_iter().filter_map(|file| Some((file.path, file.text?))).collect();
        Contents { index: bundle.index, texts }
    }
}
