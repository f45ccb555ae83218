//! The git generator: one row a directory, or one row a mapping in a file (`generators/git.go`).
//!
//! The repository is whatever tree the world has for its URL and revision; where it has none the set fails and the source is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::GeneratorStep;
use super::glob_pathspec::Pathspec;
use super::problems::Reported;
use super::row::{Row, flatten, fresh, params};
use super::set::Set;
use super::trees::Listing;
use crate::diag::{Cause, Diagnostic};
use crate::k8s::doublestar::Doublestar;
use crate::k8s::path_match::PathPattern;
use crate::path::TreeId;
use crate::source::SourceRequest;
use crate::span::Span;
use crate::template::argo::normalize;
use crate::template::{Bytes, Value};
use crate::world::{EntryKind, Lookup};
use crate::yaml::Node;

/// The setting that turns the globbing of files from git's to doublestar's (argocd-cmd-params-cm; the controller's
/// `ARGOCD_APPLICATIONSET_CONTROLLER_ENABLE_NEW_GIT_FILE_GLOBBING`).
const NEW_GLOBBING: &str = "applicationsetcontroller.enable.new.git.file.globbing";

/// A pattern of files.
enum FilePattern {
    Git(Pathspec),
    Doublestar(Doublestar),
}

impl FilePattern {
    fn new(text: &str, new_globbing: bool) -> Result<Self, String> {
        if new_globbing { Doublestar::new(text).map(Self::Doublestar) } else { Pathspec::new(text).map(Self::Git) }
    }

    fn directory(&self) -> &str {
        match self {
            Self::Git(pathspec) => pathspec.directory(),
            Self::Doublestar(_) => "",
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Git(pathspec) => pathspec.matches(path),
            Self::Doublestar(pattern) => pattern.matches(path),
        }
    }

    /// Git lists no directories, doublestar does.
    fn matches_directory(&self, path: &str) -> bool {
        matches!(self, Self::Doublestar(pattern) if pattern.matches_directory(path))
    }
}

impl Set<'_> {
    /// The rows of `git`: of `directories` where there are any, else of `files`.
    pub(super) fn git(&self, node: &Node, place: Span, with: Option<&Row>) -> Result<Vec<Row>, Reported> {
        let items = |field: &str| node.get(field).and_then(Node::as_seq).filter(|items| !items.is_empty());
        let (directories, files) = (items("directories"), items("files"));
        if directories.is_none() && files.is_none() {
            let found =
                Diagnostic::error("expand/generator", place, "the git generator has neither `directories` nor `files`");
            return Err(self.problems.push_in(found.hint("list what it shall find"), with));
        }
        self.check_project(place)?;
        let (tree, listing) = self.git_tree(node, place, with)?;
        match (directories, files) {
            (Some(items), _) => self.directories(node, place, items, &listing),
            (_, Some(items)) => self.files(node, place, items, tree, &listing, with),
            _ => Ok(Vec::new()),
        }
    }

    /// Argo CD asks for the project of the set's template before it reads a repository for it, and fails without one. Whether a project
    /// that is named exists is said where applications are resolved.
    fn check_project(&self, place: Span) -> Result<(), Reported> {
        let project = self.spec.at(&["template", "spec", "project"]);
        if project.and_then(Node::text).is_some_and(|name| !name.is_empty()) {
            return Ok(());
        }
        let at = project.map_or(place, Node::span);
        let message = "the template of the set names no project, and the git generator needs one";
        Err(self.problems.push(Diagnostic::error("expand/project", at, message).hint("give `project: default`")))
    }

    fn git_tree(&self, node: &Node, place: Span, with: Option<&Row>) -> Result<(TreeId, Rc<Listing>), Reported> {
        let text = |field: &str| node.get(field).and_then(Node::text).unwrap_or_default();
        let request = SourceRequest::git(text("repoURL"), text("revision"));
        match self.trees.lookup(&request) {
            Lookup::Here(tree) => match self.trees.listing(tree.id) {
                Ok(listing) => Ok((tree.id, listing)),
                Err(found) => {
                    Err(found.into_iter().fold(Reported, |_, found| self.problems.push_in(found.at(place), with)))
                }
            },
            Lookup::Absent { reason, hint } => {
                let message = format!("the git generator needs {request}, which is not here: {reason}");
                // Where the repository is here, but not at this revision, the revision is what to look at.
                let known = !request.revision.is_empty() && self.trees.knows(&request.url);
                let field = if known { "revision" } else { "repoURL" };
                let at = node.get(field).map_or(place, |url| url.span().or(place));
                let mut found = Diagnostic::error("expand/source", at, message).cause(Cause::Source);
                found.hints.extend(hint);
                Err(self.problems.push_in(found, with))
            }
        }
    }

    fn directories(&self, node: &Node, place: Span, items: &[Node], listing: &Listing) -> Result<Vec<Row>, Reported> {
        let mut includes = Vec::new();
        let mut excludes = Vec::new();
        for item in items {
            let written = item.get("path").and_then(Node::text).unwrap_or_default();
            match PathPattern::new(written) {
                Some(pattern) if is_exclude(item) => excludes.push(pattern),
                Some(pattern) => includes.push(pattern),
                None => {
                    let message = format!("the pattern `{written}` is malformed, so it matches nothing");
                    let at = item.get("path").map_or(item.span(), Node::span);
                    self.problems.push(
                        Diagnostic::warning("expand/pattern", at, message)
                            .hint("close `[` with `]`, end no pattern with `\\`"),
                    );
                }
            }
        }
        // Found in the order of the listing, whatever the order of the patterns.
        let found: BTreeSet<usize> = includes
            .iter()
            .flat_map(|pattern| {
                let below = listing.directories_below(pattern.directory());
                below.filter(|at| listing.directories.get(*at).is_some_and(|path| pattern.matches(path)))
            })
            .collect();
        let mut rows = Vec::new();
        for path in found.into_iter().filter_map(|at| listing.directories.get(at)) {
            if !excludes.iter().any(|pattern| pattern.matches(path)) {
                let step = GeneratorStep {
                    kind: "git directories",
                    span: place,
                    element: path.clone(),
                    element_span: Span::NONE,
                };
                rows.push(self.git_row(node, BTreeMap::new(), path, None, step)?);
            }
        }
        Ok(rows)
    }

    fn files(
        &self,
        node: &Node,
        place: Span,
        items: &[Node],
        tree: TreeId,
        listing: &Listing,
        with: Option<&Row>,
    ) -> Result<Vec<Row>, Reported> {
        let instance = self.fleet.instances.get(&self.declared.instance);
        let setting = instance.and_then(|instance| instance.settings.data.get(NEW_GLOBBING));
        let new_globbing = setting.is_some_and(|setting| setting.value == "true");
        let mut found: BTreeMap<&str, (&EntryKind, Span)> = BTreeMap::new();
        for exclude in [false, true] {
            for item in items.iter().filter(|item| is_exclude(item) == exclude) {
                let at = item.get("path").map_or(item.span(), Node::span);
                let written = item.get("path").and_then(Node::text).unwrap_or_default();
                let pattern = FilePattern::new(written, new_globbing).map_err(|reason| {
                    let message = format!("the pattern `{written}` is refused: {reason}");
                    self.problems.push_in(Diagnostic::error("expand/pattern", at, message), with)
                })?;
                let is_found = |directory: &&String| !exclude && pattern.matches_directory(directory);
                if let Some(directory) = listing.directories.iter().find(is_found) {
                    let message = format!(
                        "the pattern `{written}` finds the directory `{directory}`, which cannot be read as a file"
                    );
                    let found = Diagnostic::error("expand/pattern", at, message);
                    return Err(self.problems.push_in(found.hint("end the pattern with the name of a file"), with));
                }
                for (path, kind) in listing.files_below(pattern.directory()) {
                    if !pattern.matches(path) {
                        continue;
                    }
                    if exclude {
                        found.remove(path.as_str());
                    } else {
                        found.entry(path).or_insert((kind, at));
                    }
                }
            }
        }
        let mut rows = Vec::new();
        for (path, (kind, at)) in found {
            if !kind.is_file() {
                let message = format!("the pattern finds `{path}`, which is no file that can be read");
                return Err(self
                    .problems
                    .push_in(Diagnostic::error("expand/parameters", at, message).hint("exclude it"), with));
            }
            self.file_rows(node, place, tree, path, with, &mut rows)?;
        }
        Ok(rows)
    }

    fn file_rows(
        &self,
        node: &Node,
        place: Span,
        tree: TreeId,
        path: &str,
        with: Option<&Row>,
        rows: &mut Vec<Row>,
    ) -> Result<(), Reported> {
        let file = self.trees.parameters(tree, path);
        let decoded = file.rows.as_ref().map_err(|found| {
            let repository = node.get("repoURL").and_then(Node::text).unwrap_or_default();
            found.iter().fold(Reported, |_, one| {
                let what = format!("while reading {path} of {repository} for the git generator");
                self.problems.push_in(one.clone().trace(place, what), with)
            })
        })?;
        for (at, (map, span)) in decoded.iter().enumerate() {
            let base = if self.templating.go {
                let entries = map.entries().into_iter();
                entries.map(|(key, value)| (key, if self.shares { value } else { fresh(&value) })).collect()
            } else {
                flatten(map)
            };
            let element = if decoded.len() == 1 { path.to_owned() } else { format!("{path} item {}", at + 1) };
            let step = GeneratorStep { kind: "git files", span: place, element, element_span: *span };
            let directory = path.rsplit_once('/').map_or(".", |(directory, _)| directory);
            let name = path.rsplit('/').next().unwrap_or(path);
            rows.push(self.git_row(node, base, directory, Some(name), step)?);
        }
        Ok(())
    }

    /// A row with the parameters of its path (`path`, or below `pathParamPrefix`) and `values`.
    fn git_row(
        &self,
        node: &Node,
        mut out: BTreeMap<Bytes, Value>,
        path: &str,
        file: Option<&str>,
        step: GeneratorStep,
    ) -> Result<Row, Reported> {
        let prefix = node.get("pathParamPrefix").and_then(Node::text).unwrap_or_default();
        let base = path.rsplit('/').next().unwrap_or(path);
        let mut about: Vec<(&str, Value)> =
            vec![("basename", base.into()), ("basenameNormalized", normalize(base).into())];
        if let Some(name) = file {
            about.extend([("filename", Value::from(name)), ("filenameNormalized", Value::from(normalize(name)))]);
        }
        if self.templating.go {
            about.extend([("path", Value::from(path)), ("segments", Value::strings(path.split('/')))]);
            let mut value = Value::dict(about);
            if !prefix.is_empty() {
                value = Value::dict([("path", value)]);
            }
            out.insert(Bytes::from(if prefix.is_empty() { "path" } else { prefix }), value);
        } else {
            let name = if prefix.is_empty() { "path".to_owned() } else { format!("{prefix}.path") };
            out.extend(about.into_iter().map(|(key, value)| (Bytes::from(format!("{name}.{key}")), value)));
            let segments = path.split('/').enumerate();
            out.extend(segments.map(|(at, segment)| (Bytes::from(format!("{name}[{at}]")), Value::from(segment))));
            out.insert(Bytes::from(name), Value::from(path));
        }
        let row = Row { params: params(out), steps: vec![Rc::new(step)] };
        self.add_values(node, &row)?;
        Ok(row)
    }
}

fn is_exclude(item: &Node) -> bool {
    item.get("exclude").and_then(Node::as_bool).unwrap_or_default()
}
