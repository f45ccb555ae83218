//! Which folders of the fleet's own tree Applications and ApplicationSets deploy, as far as that can be told before expanding.
//!
//! A definition in such a folder is no root: it comes back when the Application is rendered. Templates in paths stand for one path
//! segment; where the whole path is a template, the patterns of the git generators stand for it.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::{Kind, title};
use crate::k8s::glob::{self, Glob};
use crate::path::TreePath;
use crate::yaml::Node;

/// What one source deploys.
#[derive(Clone)]
struct Deployed {
    by: String,
    unless: Vec<Glob>,
    recurse: bool,
    include: String,
    exclude: String,
}

/// Folders that are deployed, with the number of the unit that deploys them.
#[derive(Default)]
pub(super) struct Deployments {
    literal: BTreeMap<TreePath, Vec<(usize, Deployed)>>,
    patterns: Vec<(Glob, usize, Deployed)>,
}

impl Deployments {
    /// Adds what an object deploys. `is_local` says whether a repository at a revision is the fleet's own tree.
    pub(super) fn add(
        &mut self,
        unit: usize,
        kind: Kind,
        object: &Node,
        is_local: &mut impl FnMut(&str, &str) -> bool,
    ) {
        let spec = match kind {
            Kind::Application => object.get("spec"),
            Kind::ApplicationSet => object.at(&["spec", "template", "spec"]),
            _ => None,
        };
        let Some(spec) = spec else { return };
        let mut git = GitPatterns::default();
        if kind == Kind::ApplicationSet
            && let Some(generators) = object.at(&["spec", "generators"])
        {
            git.collect(generators, is_local);
        }
        let by = title(object);
        let several = spec.get("sources").and_then(Node::as_seq).unwrap_or_default();
        let dry = spec.at(&["sourceHydrator", "drySource"]);
        for source in several.iter().chain(spec.get("source")).chain(dry) {
            self.add_source(unit, &by, source, &git, is_local);
        }
    }

    fn add_source(
        &mut self,
        unit: usize,
        by: &str,
        source: &Node,
        git: &GitPatterns,
        is_local: &mut impl FnMut(&str, &str) -> bool,
    ) {
        let text = |field: &str| source.get(field).and_then(Node::as_str).unwrap_or_default();
        let (url, revision, path) = (text("repoURL"), text("targetRevision"), text("path"));
        if path.is_empty() || !text("chart").is_empty() {
            return;
        }
        let local = if url.contains("{{") {
            git.local
        } else {
            // A revision that is a template is most often the one of the checkout.
            is_local(url, if revision.contains("{{") { "" } else { revision })
        };
        if !local {
            return;
        }
        let option = |field: &str| source.at(&["directory", field]);
        let deployed = Deployed {
            by: by.to_owned(),
            unless: git.excluded.clone(),
            recurse: option("recurse").and_then(Node::as_bool).unwrap_or_default(),
            include: option("include").and_then(Node::as_str).unwrap_or_default().to_owned(),
            exclude: option("exclude").and_then(Node::as_str).unwrap_or_default().to_owned(),
        };
        if !path.contains("{{") {
            if let Ok(path) = TreePath::new(path) {
                self.literal.entry(path).or_default().push((unit, Deployed { unless: Vec::new(), ..deployed }));
            }
            return;
        }
        let pattern = without_templates(path);
        let whole = pattern.trim_matches('/') == "*";
        let patterns = if whole && !git.folders.is_empty() { git.folders.clone() } else { vec![pattern] };
        for pattern in patterns {
            if let Some(glob) = Glob::new(pattern.trim_start_matches("./").trim_matches('/'), "/") {
                self.patterns.push((glob, unit, deployed.clone()));
            }
        }
    }

    /// The units that deploy a file, or a kustomization by its folder, with the name of the object that does. `kustomizations` are the
    /// folders that have one.
    pub(super) fn of(
        &self,
        path: &TreePath,
        is_folder: bool,
        kustomizations: &BTreeSet<TreePath>,
    ) -> BTreeMap<usize, String> {
        let mut units = BTreeMap::new();
        let mut above = if is_folder { Some(path.clone()) } else { path.parent() };
        while let Some(folder) = above {
            let kustomized = kustomizations.contains(&folder);
            let mut visit = |unit: usize, deployed: &Deployed| {
                let direct = if is_folder { folder == *path } else { path.parent().as_ref() == Some(&folder) };
                if kustomized || (deployed.recurse || direct) && deployed.takes(path, &folder) {
                    units.entry(unit).or_insert_with(|| deployed.by.clone());
                }
            };
            for (unit, deployed) in self.literal.get(&folder).into_iter().flatten() {
                visit(*unit, deployed);
            }
            for (glob, unit, deployed) in &self.patterns {
                if glob.matches(folder.as_str()) && !deployed.unless.iter().any(|not| not.matches(folder.as_str())) {
                    visit(*unit, deployed);
                }
            }
            above = folder.parent();
        }
        units
    }
}

impl Deployed {
    /// `directory.include` and `directory.exclude` of a plain folder.
    fn takes(&self, path: &TreePath, folder: &TreePath) -> bool {
        let below = path.below(folder).unwrap_or_default();
        (self.exclude.is_empty() || !glob::matches(&self.exclude, below))
            && (self.include.is_empty() || below.is_empty() || glob::matches(&self.include, below))
    }
}

/// What the git generators of a set can yield as paths.
#[derive(Default)]
struct GitPatterns {
    local: bool,
    folders: Vec<String>,
    excluded: Vec<Glob>,
}

impl GitPatterns {
    /// Looks through generators and those inside them; the depth is that of the document.
    fn collect(&mut self, node: &Node, is_local: &mut impl FnMut(&str, &str) -> bool) {
        for item in node.as_seq().unwrap_or_default() {
            for inner in ["matrix", "merge"] {
                if let Some(generators) = item.at(&[inner, "generators"]) {
                    self.collect(generators, is_local);
                }
            }
            let Some(git) = item.get("git") else { continue };
            let text = |node: &Node, field: &str| node.get(field).and_then(Node::as_str).unwrap_or_default().to_owned();
            if !is_local(&text(git, "repoURL"), &text(git, "revision")) {
                continue;
            }
            self.local = true;
            for (list, is_file) in [("directories", false), ("files", true)] {
                for entry in git.get(list).and_then(Node::as_seq).unwrap_or_default() {
                    let path = without_templates(&text(entry, "path"));
                    let folder = if is_file { path.rsplit_once('/').map_or("", |(folder, _)| folder) } else { &path };
                    if entry.get("exclude").and_then(Node::as_bool) == Some(true) {
                        self.excluded.extend(Glob::new(folder, "/"));
                    } else {
                        self.folders.push(folder.to_owned());
                    }
                }
            }
        }
    }
}

/// The text with every `{{…}}` replaced by `*`, neighbouring ones by one.
fn without_templates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        if !out.ends_with('*') {
            out.push('*');
        }
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}
