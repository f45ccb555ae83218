//! What a render asks a world, exactly: also what it knows because another render asked before and both share what was made of it.
//!
//! Whoever makes something of files for several renders makes it [`Noted`]; whoever uses it again has read the same files.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;

use super::{Checked, Entry, EntryKind, FilePath, Lookup, Program, SourceFile, SourceRequest, World};

/// A question to a world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// The bytes of a file.
    Read(FilePath),
    /// The names in a directory.
    List(FilePath),
    /// What a path is.
    Stat(FilePath),
    /// Which tree a source is.
    Tree(SourceRequest),
    /// What a program prints, which may be something else each time.
    Program,
}

/// What was asked so far, in order.
#[derive(Debug, Default)]
pub struct Reads(Mutex<Vec<Access>>);

impl Reads {
    fn note(&self, access: Access) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(access);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn since(&self, begin: usize) -> Arc<[Access]> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = FxHashSet::default();
        all.get(begin..).unwrap_or_default().iter().filter(|access| seen.insert(*access)).cloned().collect()
    }
}

/// Something that was made of files.
#[derive(Debug)]
pub struct Noted<T> {
    /// It.
    pub value: T,
    reads: Arc<[Access]>,
}

impl<T> Noted<T> {
    /// Makes it, on this thread.
    pub fn make(world: &dyn World, make: impl FnOnce() -> T) -> Self {
        let begin = Begin::of(world);
        begin.end(world, make())
    }

    /// Uses it again.
    pub fn reuse(&self, world: &dyn World) -> &T {
        if let Some(reads) = world.reads() {
            reads.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&self.reads);
        }
        &self.value
    }
}

/// The begin of making something, where that is no function of its own.
#[derive(Clone, Copy, Debug)]
pub struct Begin(usize);

impl Begin {
    /// Now.
    pub fn of(world: &dyn World) -> Self {
        Begin(world.reads().map(Reads::len).unwrap_or_default())
    }

    /// It is made, of what this thread has asked since.
    pub fn end<T>(self, world: &dyn World, value: T) -> Noted<T> {
        let reads = world.reads().map(|reads| reads.since(self.0)).unwrap_or_default();
        Noted { value, reads }
    }
}

/// A world for one render, on one thread, that notes what it is asked.
pub struct Reading<'a> {
    world: &'a dyn World,
    reads: Reads,
}

impl<'a> Reading<'a> {
    /// Nothing asked yet.
    pub fn new(world: &'a dyn World) -> Self {
        Reading { world, reads: Reads::default() }
    }

    /// Everything that was asked, each once.
    pub fn finish(self) -> Arc<[Access]> {
        self.reads.since(0)
    }
}

impl World for Reading<'_> {
    fn tree(&self, source: &SourceRequest) -> Lookup {
        self.reads.note(Access::Tree(source.clone()));
        self.world.tree(source)
    }

    fn list(&self, directory: &FilePath) -> Checked<Arc<[Entry]>> {
        self.reads.note(Access::List(directory.clone()));
        self.world.list(directory)
    }

    fn read(&self, file: &FilePath) -> Checked<Arc<SourceFile>> {
        self.reads.note(Access::Read(file.clone()));
        self.world.read(file)
    }

    fn run(&self, program: &Program) -> Checked<Vec<u8>> {
        self.reads.note(Access::Program);
        self.world.run(program)
    }

    fn stat(&self, path: &FilePath) -> Option<EntryKind> {
        self.reads.note(Access::Stat(path.clone()));
        self.world.stat(path)
    }

    fn reads(&self) -> Option<&Reads> {
        Some(&self.reads)
    }
}
