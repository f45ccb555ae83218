//! A [`World`] in memory: trees from `(path, text)` pairs, for tests and for examples of the library.
//!
//! It has no links, no git and no ignore rules of its own: a path is a file, or a directory above one. Which source is answered by
//! which tree is said outright with [`MemoryWorld::answer`]; everything else is [`Lookup::Absent`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::diag::{Checked, Diagnostic};
use crate::path::{FilePath, PathError, TreeId, TreePath};
use crate::source::{SourceKind, SourceRequest, normalize_git_url};
use crate::span::{SourceFile, SourceMap, Span};
use crate::world::{Entry, EntryKind, Lookup, Tree, World};

/// Trees of files held in memory.
#[derive(Debug, Default)]
pub struct MemoryWorld {
    trees: Vec<MemoryTree>,
    answers: BTreeMap<(String, String), Tree>,
    sources: SourceMap,
    opened: Mutex<BTreeMap<(u32, TreePath), Arc<SourceFile>>>,
}

#[derive(Debug, Default)]
struct MemoryTree {
    label: String,
    files: BTreeMap<TreePath, Arc<[u8]>>,
    directories: BTreeMap<TreePath, BTreeMap<String, EntryKind>>,
}

impl MemoryWorld {
    /// A world without trees.
    pub fn new() -> Self {
        Self::default()
    }

    /// A world of one tree, with the root of it: the common case of a test.
    ///
    /// # Errors
    /// A path is absolute or leaves the tree.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(Self, FilePath), PathError> {
        let mut world = Self::new();
        let root = world.add_tree("", files.into_iter().map(|(path, text)| (path, text.as_bytes())))?;
        Ok((world, root))
    }

    /// Adds a tree and returns its root. `label` is put in front of the paths that people see, and is empty for the fleet's own tree.
    ///
    /// # Errors
    /// A path is absolute or leaves the tree.
    pub fn add_tree<'a>(
        &mut self,
        label: &str,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<FilePath, PathError> {
        let mut tree = MemoryTree { label: label.to_owned(), ..MemoryTree::default() };
        tree.directories.entry(TreePath::root()).or_default();
        for (path, bytes) in files {
            let path = TreePath::new(path)?;
            tree.files.insert(path.clone(), Arc::from(bytes));
            let mut kind = EntryKind::File;
            let mut at = path;
            while let Some(above) = at.parent() {
                tree.directories.entry(above.clone()).or_default().insert(at.name().to_owned(), kind);
                kind = EntryKind::Directory;
                at = above;
            }
        }
        let id = TreeId(u32::try_from(self.trees.len()).unwrap_or(u32::MAX));
        self.trees.push(tree);
        Ok(FilePath::new(id, TreePath::root()))
    }

    /// Lets a git URL at a revision (as they are written; empty for HEAD) be answered by a tree. `commit` is what it is said to be resolved to.
    pub fn answer(&mut self, url: &str, revision: &str, root: &FilePath, commit: &str, working: bool) {
        let tree = Tree { id: root.tree, commit: commit.to_owned(), working, digest: None };
        self.answers.insert((normalize_git_url(url), revision.to_owned()), tree);
    }

    /// The files read so far, to turn spans into places.
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    fn memory(&self, tree: TreeId) -> Checked<&MemoryTree> {
        self.trees
            .get(tree.0 as usize)
            .ok_or_else(|| Diagnostic::error("world/no-tree", Span::NONE, "there is no such tree").into())
    }
}

impl World for MemoryWorld {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        let key = (normalize_git_url(&source.url), source.revision.clone());
        match (&source.kind, self.answers.get(&key)) {
            (SourceKind::Git, Some(tree)) => Lookup::Here(tree.clone()),
            _ => Lookup::Absent { reason: format!("{source} is not here"), hint: None },
        }
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        let names = self.memory(directory.tree)?.directories.get(&directory.path).ok_or_else(|| {
            Diagnostic::error("world/no-directory", Span::NONE, format!("there is no directory `{}`", directory.path))
        })?;
        Ok(names.iter().map(|(name, kind)| Entry { name: name.clone(), kind: kind.clone() }).collect())
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        let tree = self.memory(file.tree)?;
        let bytes = tree.files.get(&file.path).ok_or_else(|| {
            Diagnostic::error("world/no-file", Span::NONE, format!("there is no file `{}`", file.path))
        })?;
        let mut opened = self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = opened.entry((file.tree.0, file.path.clone())).or_insert_with(|| {
            let display = match tree.label.as_str() {
                "" => file.path.to_string(),
                label => format!("{label}/{}", file.path),
            };
            self.sources.add(file.path.clone(), display, Arc::clone(bytes))
        });
        Ok(Arc::clone(known))
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryWorld;
    use crate::source::SourceRequest;
    use crate::world::{EntryKind, Lookup, World};

    #[test]
    fn directories_follow_from_files() {
        let (mut world, root) = MemoryWorld::of([("a/b/c.yaml", "x: 1"), ("a/d.yaml", "")]).unwrap();
        let names = |path: &str| -> Vec<(String, EntryKind)> {
            let listed = world.list(&root.join(path).unwrap()).unwrap();
            listed.iter().map(|entry| (entry.name.clone(), entry.kind.clone())).collect()
        };
        assert_eq!(names(""), [("a".to_owned(), EntryKind::Directory)]);
        assert_eq!(names("a"), [("b".to_owned(), EntryKind::Directory), ("d.yaml".to_owned(), EntryKind::File)]);
        assert!(world.list(&root.join("a/d.yaml").unwrap()).is_err());
        let file = world.read(&root.join("a/b/c.yaml").unwrap()).unwrap();
        assert_eq!((&*file.bytes, file.display.as_str()), (b"x: 1".as_slice(), "a/b/c.yaml"));
        assert!(world.read(&root.join("a/none.yaml").unwrap()).is_err());

        let url = "https://git.example.com/org/repo.git";
        assert!(matches!(world.tree(&SourceRequest::git(url, "")), Lookup::Absent { .. }));
        world.answer(url, "", &root, "", true);
        assert!(matches!(world.tree(&SourceRequest::git("https://git.example.com/Org/repo", "")), Lookup::Here(_)));
        assert!(matches!(world.tree(&SourceRequest::git(url, "v1")), Lookup::Absent { .. }));
    }
}
