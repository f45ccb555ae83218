//! The fleet.yaml that `init` proposes, as text with the reason beside every line. It says nothing that nobody needs, and no address that
//! somebody could take for a real one.

use std::collections::BTreeMap;

use super::schema::FLEET_SCHEMA;

/// What goes into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starter {
    pub(crate) name: String,
    /// Which repoURL is a folder here.
    pub(crate) repositories: BTreeMap<String, Mapped>,
    /// Argo CD instances by name, with the folder of their definitions.
    pub(crate) instances: BTreeMap<String, String>,
    /// Clusters that Applications go to and nobody declares: the server by the name, with what is to be done about it.
    pub(crate) clusters: BTreeMap<String, Stub>,
    /// What ApplicationSets look for in clusters where none is known, one line each.
    pub(crate) wanted: Vec<String>,
}

/// A folder that stands for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// As seen from fleet.yaml.
    pub(crate) path: String,
    /// Why that was thought.
    pub(crate) why: String,
}

/// A cluster that is known by its name or by its server only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stub {
    pub(crate) server: String,
    pub(crate) why: &'static str,
    /// The SealedSecret or ExternalSecret that declares it without saying who it is.
    pub(crate) secret: Option<String>,
}

impl Starter {
    /// The text.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("# yaml-language-server: $schema={FLEET_SCHEMA}\n");
        out.push_str(
            "# Definitions of Argo CD (clusters, projects, Applications, ApplicationSets, argocd-cm) are found by looking: `fleetc build -v` names them.\n\
             apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nmetadata:\n  # What is applied belongs to this name: never change it afterwards.\n",
        );
        out.push_str(&format!("  name: {}\n", scalar(&self.name)));
        if !self.repositories.is_empty() {
            out.push_str("repositories:\n");
            for (url, Mapped { path, why }) in &self.repositories {
                out.push_str(&format!("  - url: {}  # {}\n    path: {}\n", scalar(url), comment(why), scalar(path)));
            }
        }
        if !self.instances.is_empty() {
            out.push_str("# They hold the same definitions, so each is taken for an Argo CD of its own. Take out those that are not live.\ninstances:\n");
            for (name, folder) in &self.instances {
                out.push_str(&format!(
                    "  - name: {}\n    definitions: [{}]\n    inCluster: {}\n",
                    scalar(name),
                    scalar(folder),
                    scalar(&format!("{name}-host"))
                ));
            }
        }
        if !self.clusters.is_empty() {
            out.push_str(
                "# Named by Applications and declared nowhere here. Labels are what generators select by; `kubeVersion` is what charts see.\nclusters:\n",
            );
            for (name, stub) in &self.clusters {
                out.push_str(&format!(
                    "  - name: {}\n    server: {}  # {}\n",
                    scalar(name),
                    scalar(&stub.server),
                    stub.why
                ));
                if let Some(secret) = &stub.secret {
                    out.push_str(&format!("    secret: {}\n", scalar(secret)));
                }
            }
        }
        if !self.wanted.is_empty() {
            if self.clusters.is_empty() {
                out.push_str("# No cluster is declared here. What generators look for:\n");
            } else {
                out.push_str("# What generators look for in clusters, and no cluster here has:\n");
            }
            for line in &self.wanted {
                out.push_str(&format!("#   {}\n", comment(line)));
            }
            if self.clusters.is_empty() {
                out.push_str(
                    "#clusters:\n#  - name: prod-1\n#    server: https://prod-1.example.com\n#    labels: {environment: prod}\n#    kubeVersion: \"1.34\"\n",
                );
            }
        }
        out
    }
}

/// A text that ends where the line ends.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text as YAML has it in one line.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/');
    let means_else =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_lowercase().as_str());
    if begins && !means_else && !text.ends_with(':') && text.chars().all(plain) {
        return text.to_owned();
    }
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_whatever_the_names_are() {
        let mut starter = Starter { name: "on".to_owned(), ..Starter::default() };
        let mapped = Mapped { path: "..".to_owned(), why: "origin\nkind: Other".to_owned() };
        starter.repositories.insert("git@host:a b/#c.git".to_owned(), mapped);
        starter
            .clusters
            .insert("1e3".to_owned(), Stub { server: "https://[::1]:6443".to_owned(), why: "x", secret: None });
        starter.wanted.push("`a` wants: {b}\nkind: Other".to_owned());
        let text = starter.text();
        let read = fleetc::yaml::parse(
            fleetc::span::FileId::NONE,
            text.as_bytes(),
            fleetc::yaml::Dialect::V3,
            &fleetc::yaml::Limits::default(),
        );
        assert!(read.error.is_none(), "{text}");
        let root = &read.documents[0].root;
        assert_eq!(root.at(&["metadata", "name"]).and_then(|name| name.as_str()), Some("on"));
        assert_eq!(root.get("kind").and_then(|kind| kind.as_str()), Some("Fleet"));
        let first = |list: &str, key: &str| {
            let item = root.get(list).and_then(|list| list.as_seq()).and_then(|list| list.first());
            item.and_then(|item| item.get(key)).and_then(|value| value.as_str()).map(str::to_owned)
        };
        assert_eq!(first("repositories", "url").as_deref(), Some("git@host:a b/#c.git"));
        assert_eq!(first("repositories", "path").as_deref(), Some(".."));
        assert_eq!(first("clusters", "name").as_deref(), Some("1e3"));
        assert_eq!(first("clusters", "server").as_deref(), Some("https://[::1]:6443"));
    }
}
