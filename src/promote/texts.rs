//! The files of the fleet's own tree as they are written: which value stands at a span, and which file that is.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Decided, Form, Place};
use crate::path::{FilePath, TreeId};
use crate::span::{FileId, SourceFile, SourceMap, Span};
use crate::world::World;
use crate::yaml::edit::Address;
use crate::yaml::{self, Dialect, Document, Limits, Node};

/// A file that was read, and what it holds.
pub(super) struct Text {
    pub(super) file: Arc<SourceFile>,
    pub(super) documents: Vec<Document>,
    /// Whether it is one of the fleet's own tree.
    own: bool,
}

/// All files of a survey, read once.
pub(super) struct Texts<'w> {
    pub(super) world: &'w dyn World,
    sources: &'w SourceMap,
    tree: TreeId,
    known: RefCell<FxHashMap<FileId, Option<Arc<Text>>>>,
}

impl<'w> Texts<'w> {
    pub(super) fn new(world: &'w dyn World, sources: &'w SourceMap, tree: TreeId) -> Self {
        Texts { world, sources, tree, known: RefCell::default() }
    }

    /// A file by its id.
    pub(super) fn of(&self, id: FileId) -> Option<Arc<Text>> {
        if let Some(known) = self.known.borrow().get(&id) {
            return known.clone();
        }
        let text = self.sources.get(id).map(|file| {
            let own = self.world.read(&FilePath::new(self.tree, file.path.clone()));
            let own = own.is_ok_and(|own| own.id == file.id);
            let parsed = yaml::parse(file.id, &file.bytes, Dialect::V2, &Limits::default());
            let documents = if parsed.error.is_none() { parsed.documents } else { Vec::new() };
            Arc::new(Text { file, documents, own })
        });
        self.known.borrow_mut().insert(id, text.clone());
        text
    }

    /// A file of the fleet's own tree.
    pub(super) fn at(&self, path: &FilePath) -> Option<Arc<Text>> {
        let file = self.world.read(path).ok()?;
        self.of(file.id)
    }

    /// What is written at a span, and its address; nothing for what was built.
    pub(super) fn written(&self, span: Span) -> Option<(Arc<Text>, Address)> {
        if span.is_none() {
            return None;
        }
        let text = self.of(span.file)?;
        let address = Address::of_span(&text.documents, span)?;
        Some((text, address))
    }

    /// The place at a span, if what stands there passes the test.
    pub(super) fn place(&self, span: Span, form: Form, test: &dyn Fn(&Node) -> bool) -> Option<Decided> {
        let (text, address) = self.written(span)?;
        let node = address.get(&text.documents)?;
        test(node).then(|| text.decided(address, form, node.span()))
    }
}

impl Text {
    /// A place of this file.
    pub(super) fn decided(&self, address: Address, form: Form, span: Span) -> Decided {
        if !self.own {
            return Decided::Elsewhere(format!("it is decided in {}, outside of this repository", self.file.display));
        }
        if self.documents.is_empty() || std::str::from_utf8(&self.file.bytes).is_err() {
            return Decided::Elsewhere(format!("{} cannot be edited", self.file.display));
        }
        Decided::At(Place { file: self.file.path.clone(), address, form }, span)
    }

    /// The only document that is a mapping.
    pub(super) fn root(&self) -> Option<&Node> {
        self.documents.iter().map(|document| &document.root).find(|root| root.as_map().is_some())
    }
}
