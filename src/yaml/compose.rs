//! Events to nodes: anchors and aliases, `<<`, duplicate keys, types of scalars, and the limits.
//!
//! An alias is a reference count, so expanding costs nothing here; it is counted all the same, because whoever walks the tree pays.
//! Nothing recurses: open collections are a stack.
//!
//! `<<` differs by dialect. go-yaml v2 sets the merged keys where the `<<` stands, over keys before it; kustomize (v3) lets keys
//! written in the mapping win and puts the merged ones behind them (kyaml rnode.go, `mergeAll`). Of several mappings in a list, the
//! first wins in both.

use rustc_hash::FxHashMap;

use super::decode::{self, Decoded};
use super::events::{At, Event, Properties};
use super::parse::Parser;
use super::resolve::{self, Tagged};
use super::scan::Problem;
use super::{Dialect, Document, Duplicate, Limits, Map, Node, Style, Tag, sigs};
use crate::diag::Diagnostic;
use crate::span::{FileId, Span};

type Failure = Box<Diagnostic>;

/// Reads the documents of a file into `out`; after an error, `out` holds those before it.
pub(super) fn compose(
    file: FileId,
    bytes: &[u8],
    dialect: Dialect,
    limits: &Limits,
    out: &mut Vec<Document>,
) -> Result<(), Failure> {
    if bytes.len() > limits.bytes {
        let message = format!("the file has {} bytes, the limit for YAML is {}", bytes.len(), limits.bytes);
        return Err(Box::new(Diagnostic::error("yaml/too-large", Span::new(file, 0, 0), message)));
    }
    let decoded = decode::decode(file, bytes)?;
    let mut composer = Composer {
        file,
        decoded: &decoded,
        dialect,
        limits,
        anchors: FxHashMap::default(),
        frames: Vec::new(),
        values: Vec::new(),
        nodes: 0,
        aliased: 0,
        duplicates: Vec::new(),
        quoted_merge: false,
        root: None,
        document_start: 0,
        last_end: 0,
    };
    let mut parser = Parser::new(&decoded.text);
    loop {
        let at = match parser.next_event() {
            Ok(at) => at,
            Err(problem) => return Err(composer.diagnostic(*problem)),
        };
        if at.event == Event::StreamEnd {
            return Ok(());
        }
        if let Some(document) = composer.event(at)? {
            out.push(document);
        }
    }
}

/// What an anchor stands for.
enum Anchored {
    /// Its collection is not closed yet.
    Open,
    /// The value with its size.
    Done(Node, Size),
}

/// What a value costs whoever walks it.
#[derive(Clone, Copy)]
struct Size {
    nodes: u64,
    height: usize,
}

/// A collection that is not closed yet. Its items wait on [`Composer::values`], keys and values of a mapping in turn.
struct Frame<'t> {
    kind: Kind,
    /// Where its items start.
    base: usize,
    /// Values of `<<`, and how many entries were before each.
    merges: Vec<(usize, Node)>,
    anchor: Option<&'t str>,
    start: usize,
    flow: bool,
    size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Seq,
    /// A mapping that waits for a key.
    Key,
    /// A mapping that waits for a value.
    Value,
    /// A mapping that waits for the value of `<<`.
    Merge,
}

struct Composer<'t, 'd> {
    file: FileId,
    decoded: &'d Decoded<'d>,
    dialect: Dialect,
    limits: &'d Limits,
    anchors: FxHashMap<&'t str, Anchored>,
    frames: Vec<Frame<'t>>,
    values: Vec<Node>,
    nodes: usize,
    /// Nodes that all aliases so far stand for.
    aliased: u64,
    duplicates: Vec<Duplicate>,
    /// A key `<<` that is no merge was met, by the rules of [`Dialect::V3`].
    quoted_merge: bool,
    root: Option<(Node, Size)>,
    document_start: usize,
    /// End of the last scalar, alias or closing bracket: block collections end there, not at the next token.
    last_end: usize,
}

/// Where a finished value came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Text,
    Alias,
    /// A plain `<<`, or one tagged `!!merge`.
    MergeWord,
}

impl<'t> Composer<'t, '_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, self.decoded.place(start), self.decoded.place(end))
    }

    fn diagnostic(&self, problem: Problem) -> Failure {
        let span = self.span(problem.at.0, problem.at.1.max(problem.at.0));
        let mut found = Diagnostic::error("yaml/syntax", span, problem.message);
        if let Some((at, text)) = problem.label {
            found = found.label(self.span(at.0, at.1), text);
        }
        if let Some(hint) = problem.hint {
            found = found.hint(hint);
        }
        Box::new(found)
    }

    fn fail<T>(&self, code: &'static str, at: &At<'_>, message: String) -> Result<T, Failure> {
        Err(Box::new(Diagnostic::error(code, self.span(at.start, at.end), message)))
    }

    fn event(&mut self, at: At<'t>) -> Result<Option<Document>, Failure> {
        let span = self.span(at.start, at.end);
        if !matches!(at.event, Event::SeqEnd | Event::MapEnd | Event::DocumentEnd | Event::StreamEnd)
            || at.end > at.start
        {
            self.last_end = at.end;
        }
        match &at.event {
            Event::StreamEnd => {}
            Event::DocumentStart => {
                self.anchors.clear();
                self.document_start = at.start;
                self.last_end = at.end;
            }
            Event::DocumentEnd => {
                let (root, _) = self.root.take().unwrap_or((Node::null(), Size { nodes: 1, height: 0 }));
                let span = self.span(self.document_start, if at.end > at.start { at.end } else { self.last_end });
                let quoted_merge = std::mem::take(&mut self.quoted_merge);
                return Ok(Some(Document {
                    root,
                    duplicates: std::mem::take(&mut self.duplicates),
                    quoted_merge,
                    span,
                }));
            }
            Event::Alias(name) => {
                let (node, size) = match self.anchors.get(name) {
                    Some(Anchored::Done(node, size)) => (node.clone(), *size),
                    Some(Anchored::Open) => {
                        return self.fail(
                            "yaml/alias",
                            &at,
                            format!("the value of the anchor `&{name}` contains itself"),
                        );
                    }
                    None => {
                        let near = crate::diag::did_you_mean(name, {
                            let mut names: Vec<&str> = self.anchors.keys().copied().collect();
                            names.sort_unstable();
                            names
                        });
                        let found = Diagnostic::error(
                            "yaml/alias",
                            span,
                            format!("no anchor `&{name}` stands before this alias"),
                        );
                        return Err(Box::new(match near {
                            Some(near) => found.hint(near),
                            None => found.hint(format!("quote the value if it is meant as text: \"*{name}\"")),
                        }));
                    }
                };
                if self.frames.len() + size.height > self.limits.depth {
                    return self.too_deep(&at);
                }
                self.aliased = self.aliased.saturating_add(size.nodes);
                if self.aliased > self.limits.aliased {
                    let message = format!(
                        "aliases expand to at least {} values here, the limit is {}",
                        self.aliased, self.limits.aliased
                    );
                    return self.fail("yaml/alias-expansion", &at, message);
                }
                self.value(node.with_span(span), size, From::Alias, &at)?;
            }
            Event::Scalar { properties, value, style } => {
                self.count(&at)?;
                let mut from = From::Text;
                let tag = match properties.tag.as_deref() {
                    None if *style == Style::Plain => {
                        if value == "<<" {
                            from = From::MergeWord;
                        }
                        resolve::plain(self.dialect, value)
                    }
                    None => Tag::Str,
                    Some("!") if *style == Style::Plain && self.dialect == Dialect::V3 => {
                        resolve::plain(self.dialect, value)
                    }
                    Some("tag:yaml.org,2002:merge" | "!") if value == "<<" => {
                        from = From::MergeWord;
                        Tag::Str
                    }
                    Some(tag) if self.dialect == Dialect::V3 && self.awaits_key() && !resolve::is_core(tag) => {
                        // kustomize reads it and fails when it prints.
                        return self.fail(
                            "yaml/key",
                            &at,
                            format!("the key `{value}` has the tag `{tag}`, so it is not a string"),
                        );
                    }
                    Some(tag) => match resolve::tagged(self.dialect, tag, value) {
                        Tagged::As(tag) => tag,
                        Tagged::Refused(what) => {
                            return self.fail("yaml/tag", &at, format!("`{value}` is not {what}, as its tag says"));
                        }
                    },
                };
                if value == "<<" && from == From::Text && self.dialect == Dialect::V3 && self.awaits_key() {
                    self.quoted_merge = true;
                }
                let node = Node::scalar(tag, &**value).with_span(span).with_style(*style);
                let size = Size { nodes: 1, height: 0 };
                if let Some(anchor) = properties.anchor {
                    self.anchors.insert(anchor, Anchored::Done(node.clone(), size));
                }
                self.value(node, size, from, &at)?;
            }
            Event::SeqStart { properties, flow } => self.open(Kind::Seq, properties, *flow, &at)?,
            Event::MapStart { properties, flow } => self.open(Kind::Key, properties, *flow, &at)?,
            Event::SeqEnd | Event::MapEnd => self.close(&at)?,
        }
        Ok(None)
    }

    fn awaits_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.kind == Kind::Key)
    }

    fn count(&mut self, at: &At<'_>) -> Result<(), Failure> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("the file has more than {} values, which is the limit", self.limits.nodes);
            return self.fail("yaml/too-large", at, message);
        }
        Ok(())
    }

    fn too_deep<T>(&self, at: &At<'_>) -> Result<T, Failure> {
        let message = format!("values are nested more than {} levels deep, which is the limit", self.limits.depth);
        self.fail("yaml/too-deep", at, message)
    }

    fn open(&mut self, kind: Kind, properties: &Properties<'t>, flow: bool, at: &At<'_>) -> Result<(), Failure> {
        self.count(at)?;
        if self.frames.len() >= self.limits.depth {
            return self.too_deep(at);
        }
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, Anchored::Open);
        }
        let size = Size { nodes: 1, height: 1 };
        let base = self.values.len();
        self.frames.push(Frame {
            kind,
            base,
            merges: Vec::new(),
            anchor: properties.anchor,
            start: at.start,
            flow,
            size,
        });
        Ok(())
    }

    fn close(&mut self, at: &At<'_>) -> Result<(), Failure> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let span = self.span(frame.start, self.last_end);
        let node = if frame.kind == Kind::Seq {
            Node::seq(self.values.drain(frame.base..).collect())
        } else {
            let mut entries: Vec<(Node, Node)> = Vec::with_capacity((self.values.len() - frame.base) / 2);
            let mut items = self.values.drain(frame.base..);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                entries.push((key, value));
            }
            drop(items);
            let (entries, positions) = self.settle(entries);
            let entries =
                if frame.merges.is_empty() { entries } else { self.merge(entries, &positions, &frame.merges) };
            Node::map(Map::from(entries))
        };
        let node = node.with_span(span).with_style(if frame.flow { Style::Flow } else { Style::Plain });
        if let Some(anchor) = frame.anchor {
            self.anchors.insert(anchor, Anchored::Done(node.clone(), frame.size));
        }
        self.value(node, frame.size, From::Text, at)
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, node: Node, size: Size, from: From, at: &At<'_>) -> Result<(), Failure> {
        let dialect = self.dialect;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some((node, size));
            return Ok(());
        };
        frame.size.nodes = frame.size.nodes.saturating_add(size.nodes);
        frame.size.height = frame.size.height.max(size.height + 1);
        match frame.kind {
            Kind::Seq => self.values.push(node),
            Kind::Key if from == From::MergeWord => frame.kind = Kind::Merge,
            Kind::Key if !node.is_scalar() => {
                let span = node.span();
                let braces =
                    (span.start as usize).checked_sub(1).and_then(|start| self.decoded.text.get(start..start + 2));
                let found = if braces == Some("{{") {
                    let found = Diagnostic::error(
                        "yaml/key",
                        span,
                        "`{{ … }}` outside of quotes is a mapping inside a mapping",
                    );
                    found.hint("quote the template placeholder: \"{{ … }}\"")
                } else {
                    let found = Diagnostic::error("yaml/key", span, format!("the key of a mapping is {}", node.what()));
                    found.hint("keys are strings in Kubernetes; quote it")
                };
                return Err(Box::new(found));
            }
            Kind::Key => {
                frame.kind = Kind::Value;
                self.values.push(node);
            }
            Kind::Value => {
                frame.kind = Kind::Key;
                self.values.push(node);
            }
            Kind::Merge => {
                frame.kind = Kind::Key;
                let maps = |items: &[Node]| items.iter().all(|item| item.as_map().is_some());
                // An alias of a list is refused, a list of aliases is not.
                let good = node.as_map().is_some() || from == From::Text && node.as_seq().is_some_and(maps);
                if !good {
                    let message = format!("`<<` merges a mapping or a list of mappings, this is {}", node.what());
                    return self.fail("yaml/merge", at, message);
                }
                if dialect == Dialect::V3 && !frame.merges.is_empty() {
                    return self.fail("yaml/merge", at, "the mapping has `<<` twice".into());
                }
                frame.merges.push(((self.values.len() - frame.base) / 2, node));
            }
        }
        Ok(())
    }

    /// Drops the earlier ones of equal keys. Also returns where each written entry is now, or nothing if all are where they were.
    fn settle(&mut self, entries: Vec<(Node, Node)>) -> (Vec<(Node, Node)>, Vec<usize>) {
        if entries.len() < 2 || !self.has_duplicates(&entries) {
            return (entries, Vec::new());
        }
        let mut settled: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        let mut positions = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = self.key_text(&key).into_owned();
            let place = places.get(&name).copied();
            match place.and_then(|place| settled.get_mut(place).map(|entry| (place, entry))) {
                Some((place, entry)) => {
                    let earlier = std::mem::replace(entry, (key, value));
                    let (first, second) = (earlier.0.span(), entry.0.span());
                    self.duplicates.push(Duplicate { key: name, first, second, earlier: earlier.1 });
                    positions.push(place);
                }
                None => {
                    places.insert(name, settled.len());
                    positions.push(settled.len());
                    settled.push((key, value));
                }
            }
        }
        (settled, positions)
    }

    /// What makes two keys the same: their name in JSON (v2), their text (v3).
    fn key_text<'k>(&self, key: &'k Node) -> std::borrow::Cow<'k, str> {
        match self.dialect {
            Dialect::V2 => sigs::key_text(key),
            Dialect::V3 => key.text().unwrap_or_default().into(),
        }
    }

    fn has_duplicates(&self, entries: &[(Node, Node)]) -> bool {
        let strings = self.dialect == Dialect::V3 || entries.iter().all(|(key, _)| key.tag() == Some(Tag::Str));
        if strings && entries.len() <= 16 {
            return entries
                .iter()
                .enumerate()
                .any(|(at, (key, _))| entries.iter().skip(at + 1).any(|(other, _)| other.text() == key.text()));
        }
        let mut seen = rustc_hash::FxHashSet::default();
        entries.iter().any(|(key, _)| !seen.insert(self.key_text(key)))
    }

    fn merge(&self, entries: Vec<(Node, Node)>, positions: &[usize], merges: &[(usize, Node)]) -> Vec<(Node, Node)> {
        let mut out: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        let mut set = |key: &Node, value: &Node, over: bool| {
            let name = self.key_text(key).into_owned();
            match places.get(&name).and_then(|at| out.get_mut(*at)) {
                Some(entry) if over => entry.1 = value.clone(),
                Some(_) => {}
                None => {
                    places.insert(name, out.len());
                    out.push((key.clone(), value.clone()));
                }
            }
        };
        let sources = |merge: &Node| -> Vec<Map> {
            match (merge.as_map(), merge.as_seq()) {
                (Some(map), _) => vec![map.clone()],
                (_, Some(items)) => items.iter().rev().filter_map(|item| item.as_map().cloned()).collect(),
                _ => Vec::new(),
            }
        };
        match self.dialect {
            Dialect::V2 => {
                let mut pending = merges.iter().peekable();
                let written_entries = if positions.is_empty() { entries.len() } else { positions.len() };
                for written in 0..=written_entries {
                    while let Some((_, merge)) = pending.next_if(|(at, _)| *at <= written) {
                        for (key, value) in sources(merge).iter().flat_map(Map::iter) {
                            set(key, value, true);
                        }
                    }
                    if let Some((key, value)) = entries.get(positions.get(written).copied().unwrap_or(written)) {
                        set(key, value, true);
                    }
                }
            }
            Dialect::V3 => {
                for (key, value) in &entries {
                    set(key, value, true);
                }
                let mut merged: Vec<(Node, Node)> = Vec::new();
                let mut merged_at: FxHashMap<String, usize> = FxHashMap::default();
                for map in merges.iter().flat_map(|(_, merge)| sources(merge)) {
                    for (key, value) in map.iter() {
                        let name = self.key_text(key).into_owned();
                        match merged_at.get(&name).and_then(|at| merged.get_mut(*at)) {
                            Some(entry) => entry.1 = value.clone(),
                            None => {
                                merged_at.insert(name, merged.len());
                                merged.push((key.clone(), value.clone()));
                            }
                        }
                    }
                }
                for (key, value) in &merged {
                    set(key, value, false);
                }
            }
        }
        out
    }
}
