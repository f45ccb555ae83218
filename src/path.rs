//! Paths inside a tree (a repository, a chart): validated, relative to its root, always with `/`.
//!
//! A [`TreePath`] cannot name anything outside its tree: `..` is resolved when joining and refused where it would leave.
//! File system paths exist only in `host`.

use std::sync::Arc;

/// A tree known to the [`World`](crate::world::World): the working tree, a commit, a mapped folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TreeId(pub u32);

/// A normalised path in a tree: no leading or trailing slash, no empty, `.` or `..` segment. The root is the empty path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreePath(Arc<str>);

/// Why a path is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathError {
    /// It leaves the tree through `..`.
    Escapes,
    /// It starts with `/`.
    Absolute,
    /// It holds a NUL byte.
    Nul,
}

impl std::fmt::Display for PathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PathError::Escapes => "leaves the repository",
            PathError::Absolute => "is absolute",
            PathError::Nul => "holds a NUL byte",
        })
    }
}

impl TreePath {
    /// The root of a tree.
    pub fn root() -> Self {
        TreePath(Arc::from(""))
    }

    /// A path from the root of the tree.
    ///
    /// # Errors
    /// [`PathError`] where the text is absolute or leaves the tree.
    pub fn new(text: &str) -> Result<Self, PathError> {
        Self::root().join(text)
    }

    /// `relative` seen from this directory; `.` and `..` are resolved.
    ///
    /// # Errors
    /// [`PathError`] where the text is absolute or leaves the tree.
    pub fn join(&self, relative: &str) -> Result<Self, PathError> {
        if relative.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if relative.contains('\0') {
            return Err(PathError::Nul);
        }
        // Mostly it is one plain name.
        if !relative.contains('/') && !matches!(relative, "" | "." | "..") {
            return Ok(if self.is_root() {
                TreePath(Arc::from(relative))
            } else {
                TreePath([self.as_str(), "/", relative].concat().into())
            });
        }
        let mut parts: Vec<&str> = self.segments().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or(PathError::Escapes)?;
                }
                _ => parts.push(part),
            }
        }
        Ok(TreePath(Arc::from(parts.join("/"))))
    }

    /// The text, without leading slash; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root of the tree.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names from the root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The directory above; `None` for the root.
    pub fn parent(&self) -> Option<TreePath> {
        if self.is_root() {
            return None;
        }
        Some(TreePath(Arc::from(self.0.rsplit_once('/').map_or("", |(above, _)| above))))
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether this is `directory` or lies below it.
    pub fn is_within(&self, directory: &TreePath) -> bool {
        directory.is_root()
            || *self == *directory
            || (self.0.starts_with(&*directory.0) && self.0.as_bytes().get(directory.0.len()) == Some(&b'/'))
    }

    /// The path as seen from `directory`, where it lies within.
    pub fn below(&self, directory: &TreePath) -> Option<&str> {
        if !self.is_within(directory) {
            return None;
        }
        if directory.is_root() { Some(&self.0) } else { Some(self.0[directory.0.len()..].trim_start_matches('/')) }
    }
}

impl std::fmt::Display for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl std::fmt::Debug for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A path in one of the trees of a compile.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FilePath {
    /// Which tree.
    pub tree: TreeId,
    /// Where in it.
    pub path: TreePath,
}

impl FilePath {
    /// A path in a tree.
    pub fn new(tree: TreeId, path: TreePath) -> Self {
        FilePath { tree, path }
    }

    /// `relative` seen from this directory.
    ///
    /// # Errors
    /// [`PathError`] where the text is absolute or leaves the tree.
    pub fn join(&self, relative: &str) -> Result<Self, PathError> {
        Ok(FilePath { tree: self.tree, path: self.path.join(relative)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{PathError, TreePath};

    #[test]
    fn joins_stay_inside() {
        let base = TreePath::new("apps/a").unwrap();
        for (relative, want) in [
            ("b.yaml", Ok("apps/a/b.yaml")),
            ("./b/../c", Ok("apps/a/c")),
            ("../../x", Ok("x")),
            ("../..", Ok("")),
            ("../../..", Err(PathError::Escapes)),
            ("/etc/passwd", Err(PathError::Absolute)),
            ("a//b/", Ok("apps/a/a/b")),
        ] {
            assert_eq!(base.join(relative).as_ref().map(TreePath::as_str), want.as_ref().map(|s| &**s), "{relative}");
        }
    }

    #[test]
    fn within_is_by_segment() {
        let dir = TreePath::new("apps/a").unwrap();
        assert!(TreePath::new("apps/a/x").unwrap().is_within(&dir));
        assert!(!TreePath::new("apps/ab").unwrap().is_within(&dir));
        assert_eq!(TreePath::new("apps/a/x").unwrap().below(&dir), Some("x"));
        assert!(dir.is_within(&TreePath::root()));
    }
}
