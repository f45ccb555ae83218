//! What the rules of a project say of a source, a destination, an object.
//!
//! Argo CD's functions of the same names (`app_project_types.go`, v3.2 to v3.5), oddities included, since a repository that works there must
//! work here: a denial counts as a match of everything else, so a list of denials only permits the rest; server and name of one entry are
//! alternatives, so that a denied name passes where the entry's server matches, too; a denied server or namespace refuses only where
//! the other half of the entry matches.

use super::rules::{KindRule, Rules};
use crate::span::Span;

/// Why something is not permitted: which list, and which entry of it, if one denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field of the AppProject's `spec`.
    pub list: &'static str,
    /// Whether an entry denies it, or none permits it.
    pub denied: bool,
    /// The entry that denies, else the list, else the project.
    pub span: Span,
}

impl Refusal {
    /// What to say at its place.
    pub fn reason(&self) -> String {
        match (self.list, self.denied) {
            ("permitOnlyProjectScopedClusters", _) => {
                "only clusters that are scoped to the project are permitted".to_owned()
            }
            (list, true) => format!("this entry of `{list}` denies it"),
            (list, false) => format!("nothing in `{list}` permits it"),
        }
    }
}

/// A cluster as destinations are matched with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// API server URL, without trailing slashes.
    pub server: String,
    /// Name.
    pub name: String,
    /// Whether a cluster of that name or server is scoped to the project.
    pub own: bool,
}

impl Rules {
    fn refuse(&self, list: &'static str) -> Refusal {
        let place = self.places.iter().find(|(name, _)| *name == list);
        Refusal { list, denied: false, span: place.map_or(Span::NONE, |place| place.1).or(self.span) }
    }

    /// Whether a source may be used.
    ///
    /// # Errors
    /// What refuses it.
    pub fn source(&self, url: &str) -> Result<(), Refusal> {
        const LIST: &str = "sourceRepos";
        let url = super::url::normalize(url);
        let mut any = false;
        for pattern in &self.sources {
            if pattern.matches(&url) {
                any = true;
            } else if pattern.denies {
                return Err(Refusal { list: LIST, denied: true, span: pattern.span });
            }
        }
        if any { Ok(()) } else { Err(self.refuse(LIST)) }
    }

    /// Whether a namespace of a cluster may be deployed to.
    ///
    /// # Errors
    /// What refuses it.
    pub fn destination(&self, target: &Target, namespace: &str) -> Result<(), Refusal> {
        const LIST: &str = "destinations";
        let mut any = false;
        for entry in &self.destinations {
            let name = !target.name.is_empty() && entry.name.matches(&target.name);
            let server = !target.server.is_empty() && entry.server.matches(&target.server);
            let inside = entry.namespace.matches(namespace);
            let deny = |span| Err(Refusal { list: LIST, denied: true, span });
            if (server || name) && inside {
                any = true;
            } else if !name && entry.name.denies {
                return deny(entry.name.span);
            } else if !server && entry.server.denies && inside {
                return deny(entry.server.span);
            } else if !inside && entry.namespace.denies && server {
                return deny(entry.namespace.span);
            }
        }
        match (any, self.only_own_clusters && !target.own) {
            (false, _) => Err(self.refuse(LIST)),
            (true, true) => Err(self.refuse("permitOnlyProjectScopedClusters")),
            (true, false) => Ok(()),
        }
    }

    /// Whether an object of a kind may be deployed; `name` counts for cluster-scoped kinds only.
    ///
    /// # Errors
    /// What refuses it.
    pub fn kind(&self, group: &str, kind: &str, name: &str, namespaced: bool) -> Result<(), Refusal> {
        let (only, not, whitelist, blacklist) = if namespaced {
            let only = self.namespaced_kinds.as_deref();
            (only, &self.no_namespaced_kinds, "namespaceResourceWhitelist", "namespaceResourceBlacklist")
        } else {
            let only = Some(self.cluster_kinds.as_slice());
            (only, &self.no_cluster_kinds, "clusterResourceWhitelist", "clusterResourceBlacklist")
        };
        let matches = |rule: &&KindRule| rule.matches(group, kind, name);
        if let Some(rule) = not.iter().find(matches) {
            return Err(Refusal { list: blacklist, denied: true, span: rule.span });
        }
        match only {
            Some(list) if !list.iter().any(|rule| matches(&rule)) => Err(self.refuse(whitelist)),
            _ => Ok(()),
        }
    }

    /// Whether an Application of a namespace may use the project. `control_plane` counts where the AppProject names no namespace.
    ///
    /// # Errors
    /// What refuses it.
    pub fn application_namespace(&self, namespace: &str, control_plane: &str) -> Result<(), Refusal> {
        let own = if self.namespace.is_empty() { control_plane } else { &self.namespace };
        let permitted = namespace.is_empty()
            || namespace == own
            || self.source_namespaces.iter().any(|pattern| pattern.matches(namespace));
        if permitted { Ok(()) } else { Err(self.refuse("sourceNamespaces")) }
    }

    /// The user that a sync to a namespace of a server impersonates: that of the first entry that matches; `None` where none does. An
    /// account without a namespace is one of the destination's, or where that has none of the Application's.
    pub fn account(&self, server: &str, namespace: &str, application_namespace: &str) -> Option<String> {
        let found =
            self.accounts.iter().find(|entry| entry.server.matches(server) && entry.namespace.matches(namespace));
        found.map(|entry| match entry.name.contains(':') {
            true => format!("system:serviceaccount:{}", entry.name),
            false => {
                let namespace = if namespace.is_empty() { application_namespace } else { namespace };
                format!("system:serviceaccount:{namespace}:{}", entry.name)
            }
        })
    }

    /// The refusal of a sync for which no service account is given.
    pub fn no_account(&self) -> Refusal {
        self.refuse("destinationServiceAccounts")
    }
}
