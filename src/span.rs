//! Places in text: which file, which bytes. Line and column follow from the bytes when somebody asks.
//!
//! A [`Span`] is twelve bytes and `Copy`, so every YAML node carries one. Files get their [`FileId`] when the
//! [`World`](crate::world::World) reads them; ids are of one compile, have no order of their own (sort by path), and never appear in output.

use std::sync::{Arc, RwLock};

use crate::path::TreePath;

/// A file read during this compile. No `Ord` on purpose: ids depend on the order of reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileId(u32);

impl FileId {
    /// Text that came from no file: built values, command lines.
    pub const NONE: FileId = FileId(u32::MAX);
}

/// A half-open byte range in a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// The file, or [`FileId::NONE`].
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The place of a value that was built, not read.
    pub const NONE: Span = Span { file: FileId::NONE, start: 0, end: 0 };

    /// A range in a file.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { file, start: clamp(start), end: clamp(end) }
    }

    /// Whether the value was built and has no place.
    pub fn is_none(self) -> bool {
        self.file == FileId::NONE
    }

    /// This span, or `other` where this one has no place.
    #[must_use]
    pub fn or(self, other: Span) -> Span {
        if self.is_none() { other } else { self }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }

    /// A value that was built, not read.
    pub fn detached(value: T) -> Self {
        Spanned { value, span: Span::NONE }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A file's bytes with the name to show for it.
#[derive(Debug)]
pub struct SourceFile {
    /// Its id in the [`SourceMap`].
    pub id: FileId,
    /// Path in its tree.
    pub path: TreePath,
    /// Name for people: the path, with the repository in front when it is not the fleet's own tree.
    pub display: String,
    /// The bytes as they are in the tree.
    pub bytes: Arc<[u8]>,
}

/// A place for people: one-based line and column (in characters).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Name of the file for people.
    pub file: String,
    /// One-based line.
    pub line: usize,
    /// One-based column in characters.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// All files that a compile has read, by id.
#[derive(Default, Debug)]
pub struct SourceMap {
    files: RwLock<Vec<Arc<SourceFile>>>,
}

impl SourceMap {
    /// Records a file and gives it an id.
    pub fn add(&self, path: TreePath, display: String, bytes: Arc<[u8]>) -> Arc<SourceFile> {
        let mut files = self.files.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = FileId(u32::try_from(files.len()).unwrap_or(u32::MAX - 1));
        let file = Arc::new(SourceFile { id, path, display, bytes });
        files.push(Arc::clone(&file));
        file
    }

    /// The file of an id; `None` for [`FileId::NONE`].
    pub fn get(&self, id: FileId) -> Option<Arc<SourceFile>> {
        let files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        files.get(id.0 as usize).cloned()
    }

    /// All files that were read so far, in the order of reading.
    pub fn files(&self) -> Vec<Arc<SourceFile>> {
        self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// File, line and column of the first byte of a span.
    pub fn locate(&self, span: Span) -> Option<Location> {
        let file = self.get(span.file)?;
        let upto = &file.bytes[..(span.start as usize).min(file.bytes.len())];
        let line = 1 + upto.iter().filter(|b| **b == b'\n').count();
        let line_start = upto.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = 1 + String::from_utf8_lossy(&upto[line_start..]).chars().count();
        Some(Location { file: file.display.clone(), line, column })
    }
}
