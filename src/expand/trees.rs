//! What git generators read: the directories and files of a repository at a revision, listed once per tree.
//!
//! Directories come in the order of Go's `WalkDir` (each directory's names sorted, depth first), without hidden ones (`.x`) and what is
//! below them, and without the root. Git has no empty directories, so one without any file does not count. Files come sorted by path,
//! hidden ones too, as git lists them.
//!
//! A repository that is not here is a want, never an empty list.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::row::params;
use crate::diag::{Checked, Diagnostics};
use crate::path::{FilePath, TreeId, TreePath};
use crate::source::SourceRequest;
use crate::span::Span;
use crate::template::{Map, Value, convert};
use crate::world::{EntryKind, Lookup, World};
use crate::yaml::{self, Dialect, Limits, Node, View, sigs};

/// Directories inside each other; deeper ones are an error of the world's.
const MAX_DEPTH: usize = 512;

/// The trees that generators have asked for.
pub(super) struct Trees<'w> {
    world: &'w dyn World,
    lookups: RefCell<BTreeMap<SourceRequest, Lookup>>,
    listings: RefCell<BTreeMap<u32, Rc<Listing>>>,
    files: RefCell<BTreeMap<(u32, String), Rc<ParameterFile>>>,
}

/// All names of a tree.
#[derive(Default)]
pub(super) struct Listing {
    /// Directories that generators see, depth first.
    pub(super) directories: Vec<String>,
    /// For each of them by name: its place and the place after the last one below it.
    ranges: BTreeMap<String, (usize, usize)>,
    /// Files and whatever else is no directory, sorted by path.
    pub(super) files: Vec<(String, EntryKind)>,
}

impl Listing {
    /// The places of the directories below a directory that is written with a final slash; of all where it is empty.
    pub(super) fn directories_below(&self, directory: &str) -> std::ops::Range<usize> {
        match (directory.trim_end_matches('/'), self.ranges.get(directory.trim_end_matches('/'))) {
            ("", _) => 0..self.directories.len(),
            (_, Some((at, end))) => at + 1..*end,
            (_, None) => 0..0,
        }
    }

    /// The files whose path starts with a text.
    pub(super) fn files_below(&self, prefix: &str) -> &[(String, EntryKind)] {
        let from = self.files.partition_point(|(path, _)| path.as_str() < prefix);
        let rest = self.files.get(from..).unwrap_or_default();
        let length = rest.partition_point(|(path, _)| path.starts_with(prefix));
        rest.get(..length).unwrap_or_default()
    }
}

/// A file of parameters, decoded.
pub(super) struct ParameterFile {
    /// One map a row, with the place it is written at; empty for `null` in a list.
    pub(super) rows: Result<Vec<(Map, Span)>, Diagnostics>,
}

impl<'w> Trees<'w> {
    /// Nothing read yet.
    pub(super) fn new(world: &'w dyn World) -> Self {
        Trees { world, lookups: RefCell::default(), listings: RefCell::default(), files: RefCell::default() }
    }

    /// Which tree answers a request.
    pub(super) fn lookup(&self, request: &SourceRequest) -> Lookup {
        if let Some(known) = self.lookups.borrow().get(request) {
            return known.clone();
        }
        let found = self.world.tree(request);
        self.lookups.borrow_mut().insert(request.clone(), found.clone());
        found
    }

    /// Whether a repository is here at its HEAD; nothing is wanted by that question.
    pub(super) fn knows(&self, url: &str) -> bool {
        matches!(self.world.tree(&SourceRequest::git(url, "")), Lookup::Here(_))
    }

    /// The sources asked for that are not here, sorted.
    pub(super) fn wants(&self) -> Vec<SourceRequest> {
        let lookups = self.lookups.borrow();
        lookups
            .iter()
            .filter(|(_, found)| matches!(found, Lookup::Absent { .. }))
            .map(|(request, _)| request.clone())
            .collect()
    }

    /// All names of a tree.
    ///
    /// # Errors
    /// The world cannot list a directory.
    pub(super) fn listing(&self, tree: TreeId) -> Checked<Rc<Listing>> {
        if let Some(known) = self.listings.borrow().get(&tree.0) {
            return Ok(Rc::clone(known));
        }
        let mut listing = Listing::default();
        self.walk(&FilePath::new(tree, TreePath::root()), true, 0, &mut listing)?;
        listing.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        let listing = Rc::new(listing);
        self.listings.borrow_mut().insert(tree.0, Rc::clone(&listing));
        Ok(listing)
    }

    /// Lists a directory and what is below; says whether there is anything but directories.
    fn walk(&self, directory: &FilePath, visible: bool, depth: usize, listing: &mut Listing) -> Checked<bool> {
        if depth > MAX_DEPTH {
            return Ok(false);
        }
        let mut holds = false;
        for entry in self.world.list(directory)?.iter() {
            let path = match directory.join(&entry.name) {
                Ok(path) => path,
                Err(_) => continue,
            };
            let text = path.path.as_str().to_owned();
            if entry.kind != EntryKind::Directory {
                holds = true;
                listing.files.push((text, entry.kind.clone()));
                continue;
            }
            let shown = visible && !entry.name.starts_with('.');
            let at = listing.directories.len();
            if shown {
                listing.directories.push(text.clone());
            }
            if self.walk(&path, shown, depth + 1, listing)? {
                holds = true;
                if shown {
                    listing.ranges.insert(text, (at, listing.directories.len()));
                }
            } else {
                listing.directories.truncate(at);
            }
        }
        Ok(holds)
    }

    /// Reads and decodes a file of parameters: the first document, a mapping or a list of mappings; an empty file is one row.
    pub(super) fn parameters(&self, tree: TreeId, path: &str) -> Rc<ParameterFile> {
        let key = (tree.0, path.to_owned());
        if let Some(known) = self.files.borrow().get(&key) {
            return Rc::clone(known);
        }
        let rows = self.decode(tree, path);
        let file = Rc::new(ParameterFile { rows });
        self.files.borrow_mut().insert(key, Rc::clone(&file));
        file
    }

    fn decode(&self, tree: TreeId, path: &str) -> Result<Vec<(Map, Span)>, Diagnostics> {
        let Ok(place) = FilePath::new(tree, TreePath::root()).join(path) else { return Ok(Vec::new()) };
        let file = self.world.read(&place)?;
        let whole = Span::new(file.id, 0, 0);
        let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
        let root = match (parsed.documents.into_iter().next(), parsed.error) {
            (Some(document), _) => document.root,
            (None, Some(error)) => return Err(error.into()),
            (None, None) => Node::null().with_span(whole),
        };
        rows_of(&root).map_err(|mut found| {
            for diagnostic in &mut found.0 {
                diagnostic.span = diagnostic.span.or(whole);
            }
            found
        })
    }
}

/// The rows of a decoded file.
fn rows_of(root: &Node) -> Result<Vec<(Map, Span)>, Diagnostics> {
    match root.view() {
        View::Seq(items) => items.iter().map(|item| Ok((dictionary(item)?, item.span()))).collect(),
        _ => Ok(vec![(dictionary(root)?, root.span())]),
    }
}

/// A mapping as Go's `map[string]any` of JSON; nil for null.
///
/// # Errors
/// It is something else, or has no JSON form.
pub(super) fn dictionary(node: &Node) -> Checked<Map> {
    if node.is_null() {
        return Ok(params(std::collections::BTreeMap::new()));
    }
    match convert::from_yaml(node, sigs::Numbers::Float64)? {
        Value::Map(map) => Ok(map),
        _ => Err(crate::diag::Diagnostic::error(
            "expand/parameters",
            node.span(),
            format!("parameters are a mapping or a list of mappings, and this is {}", node.what()),
        )
        .into()),
    }
}
