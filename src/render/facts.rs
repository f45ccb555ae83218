//! What a render read of the cluster: its version, and what its API serves. Only what was read is part of the result, so that clusters
//! which differ in nothing else share a render.

use std::collections::BTreeMap;

use crate::cluster::ApiFacts;

/// What was read, and what the answers were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsRead {
    /// The version of Kubernetes, where it was read.
    pub kube_version: Option<String>,
    /// The questions whether the API serves something, and the answers.
    pub api_versions: BTreeMap<String, bool>,
    /// Whether the list of what the API serves was looked at as a whole.
    pub all_api_versions: bool,
    /// Which of them nobody had said, so that a default was taken.
    pub assumed: Vec<&'static str>,
    /// What was known.
    pub known: ApiFacts,
}

/// Name of the fact that is the version.
pub const KUBE_VERSION: &str = "kubeVersion";
/// Name of the fact that is what the API serves.
pub const API_VERSIONS: &str = "apiVersions";

impl FactsRead {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.kube_version.is_none() && !self.reads_api()
    }

    /// Adds what another part of the same render read.
    pub fn add(&mut self, other: &FactsRead) {
        if other.kube_version.is_some() {
            self.kube_version.clone_from(&other.kube_version);
        }
        self.api_versions.extend(other.api_versions.iter().map(|(asked, answer)| (asked.clone(), *answer)));
        self.all_api_versions |= other.all_api_versions;
        self.assumed.extend(&other.assumed);
        self.assumed.sort_unstable();
        self.assumed.dedup();
    }

    fn reads_api(&self) -> bool {
        self.all_api_versions || !self.api_versions.is_empty()
    }

    /// Whether a cluster of which this is known would have given the same answers.
    pub fn holds_for(&self, facts: &ApiFacts) -> bool {
        let (was, is) = (&self.known.api_versions, &facts.api_versions);
        let same_answer = |asked: &String| was.contains(asked) == is.contains(asked);
        let same_api = !self.reads_api()
            || (was.is_empty() == is.is_empty()
                && self.api_versions.keys().all(same_answer)
                && (!self.all_api_versions || was == is));
        same_api && (self.kube_version.is_none() || self.known.kube_version == facts.kube_version)
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiFacts, FactsRead};

    fn facts(version: &str, served: &[&str]) -> ApiFacts {
        let kube_version = Some(version.to_owned()).filter(|text| !text.is_empty());
        ApiFacts { kube_version, api_versions: served.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn what_was_not_read_does_not_count() {
        let known = facts("1.33.0", &["a/v1", "b/v1"]);
        let nothing = FactsRead { known: known.clone(), ..FactsRead::default() };
        assert!(nothing.holds_for(&facts("", &[])));
        let version = FactsRead { kube_version: Some("v1.33.0".to_owned()), ..nothing.clone() };
        assert!(version.holds_for(&facts("1.33.0", &[])));
        assert!(!version.holds_for(&facts("1.34.0", &["a/v1", "b/v1"])));
        let asked = FactsRead { api_versions: [("a/v1".to_owned(), true)].into(), ..nothing.clone() };
        assert!(asked.holds_for(&facts("1.34.0", &["a/v1", "c/v1"])));
        assert!(!asked.holds_for(&facts("1.33.0", &["b/v1"])));
        assert!(!asked.holds_for(&facts("1.33.0", &[])), "an assumed answer is not a known one");
        let all = FactsRead { all_api_versions: true, ..nothing };
        assert!(all.holds_for(&facts("", &["a/v1", "b/v1"])));
        assert!(!all.holds_for(&facts("", &["a/v1"])));
    }
}
