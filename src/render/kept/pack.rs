//! Kept renders as bytes. Whoever stores them sees to it that they come back unchanged; still nothing here trusts a number.
//!
//! Collections that objects of a render share are written once and
//! shared again; files are named by the question that read them.

use std::sync::{Arc, PoisonError};

use rustc_hash::FxHashMap;

use super::bytes::{Reader, Writer};
use super::{Asked, Fresh, Kept, KeptRender, Question};
use crate::cluster::ApiFacts;
use crate::diag::{Cause, Diagnostic, Diagnostics, Severity};
use crate::digest::Digest;
use crate::path::TreePath;
use crate::render::facts::{API_VERSIONS, FactsRead, KUBE_VERSION};
use crate::render::{Origin, Rendered, Resource};
use crate::source::{SourceKind, SourceRequest};
use crate::span::{FileId, Span};
use crate::world::{Access, World};
use crate::yaml::{Map, Node, Style, Tag, View};

/// How deep a value may be so that its render is kept.
const MAX_DEPTH: usize = 200;

const TAGS: [Tag; 7] = [Tag::Null, Tag::Bool, Tag::Int, Tag::Float, Tag::Timestamp, Tag::Str, Tag::Binary];
const STYLES: [Style; 7] = [
    Style::Plain,
    Style::SingleQuoted,
    Style::DoubleQuoted,
    Style::Literal,
    Style::Folded,
    Style::Flow,
    Style::Untyped,
];
const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Note];
const CAUSES: [Cause; 5] = [Cause::Usage, Cause::Fleet, Cause::Source, Cause::Cluster, Cause::Answer];
const SEQ: u8 = 100;
const MAP: u8 = 101;
const SHARED: u8 = 102;
/// What renders warn of; those of other warnings are not kept.
const CODES: [&str; 6] = [
    "helm/assumed",
    "helm/dependency",
    "helm/values",
    "kustomize/build-option",
    "kustomize/deprecated",
    "render/left-out",
];

/// The renders of this run.
pub(super) fn write(kept: &Kept, world: &dyn World) -> Vec<u8> {
    let (mut questions, mut known) = (Questions::default(), Known::default());
    let mut renders = Writer::default();
    let mut count = 0;
    let mut write_render = |job: &Digest, numbers: &[u32], body: &[u8]| {
        renders.0.extend_from_slice(job.as_bytes());
        renders.number(numbers.len() as u64);
        numbers.iter().for_each(|number| renders.number(u64::from(*number)));
        renders.bytes(body);
        count += 1;
    };
    let used = kept.renders.iter().flat_map(|(job, renders)| renders.iter().map(move |render| (job, render)));
    let mut used: Vec<(&Digest, &KeptRender)> = used.filter(|(_, render)| render.used.get().is_some()).collect();
    used.sort_by(|a, b| (a.0, &a.1.questions).cmp(&(b.0, &b.1.questions)));
    for (job, render) in used {
        let asked = render.questions.iter().filter_map(|number| kept.questions.get(*number as usize));
        let numbers: Vec<u32> = asked
            .map(|known| questions.number(&known.asked, || Some(known.answer)))
            .collect::<Option<_>>()
            .unwrap_or_default();
        if numbers.len() == render.questions.len() {
            write_render(job, &numbers, kept.body(render));
        }
    }
    let mut fresh = kept.fresh.lock().unwrap_or_else(PoisonError::into_inner);
    fresh.sort_by_key(|render| render.job);
    for render in fresh.iter() {
        let Some((numbers, body)) = fresh_render(kept, render, (&mut questions, &mut known), world) else { continue };
        write_render(&render.job, &numbers, &body);
    }
    let mut out = Writer::default();
    out.number(questions.list.len() as u64);
    for (asked, answer) in &questions.list {
        write_asked(asked, &mut out);
        out.0.extend_from_slice(answer.as_bytes());
    }
    out.number(count);
    out.0.append(&mut renders.0);
    out.0
}

/// The questions of all renders, each once.
#[derive(Default)]
struct Questions {
    list: Vec<(Asked, Digest)>,
    numbers: FxHashMap<Asked, u32>,
}

impl Questions {
    fn number(&mut self, asked: &Asked, answer: impl FnOnce() -> Option<Digest>) -> Option<u32> {
        if let Some(number) = self.numbers.get(asked) {
            return Some(*number);
        }
        let number = u32::try_from(self.list.len()).ok()?;
        self.list.push((asked.clone(), answer()?));
        self.numbers.insert(asked.clone(), number);
        Some(number)
    }
}

/// Questions of this run that have a number, and the files that they are about.
type Known = FxHashMap<Access, (u32, FileId)>;

/// A render of this run; none where it cannot be kept.
fn fresh_render(
    kept: &Kept,
    render: &Fresh,
    (questions, known): (&mut Questions, &mut Known),
    world: &dyn World,
) -> Option<(Vec<u32>, Vec<u8>)> {
    let mut numbers = Vec::with_capacity(render.questions.len());
    let mut files = FxHashMap::default();
    for access in render.questions.iter() {
        let (number, file) = match known.get(access) {
            Some(known) => *known,
            None => {
                let (answer, file) = kept.ask(access, world)?;
                let number = questions.number(&kept.asked(access)?, || Some(answer))?;
                known.insert(access.clone(), (number, file));
                (number, file)
            }
        };
        if file != FileId::NONE {
            files.insert(file, numbers.len() as u64);
        }
        numbers.push(number);
    }
    let mut body = Body { out: Writer::default(), files, shared: FxHashMap::default() };
    body.rendered(&render.rendered)?;
    Some((numbers, body.out.0))
}

struct Body {
    out: Writer,
    /// Files by their place among the questions.
    files: FxHashMap<FileId, u64>,
    shared: FxHashMap<(usize, Span, Style), u64>,
}

impl Body {
    fn rendered(&mut self, rendered: &Rendered) -> Option<()> {
        self.out.number(rendered.resources.len() as u64);
        for resource in &rendered.resources {
            if !resource.origin.steps.is_empty() {
                return None;
            }
            self.node(&resource.body, 0)?;
            self.span(resource.origin.span)?;
            self.out.number(resource.origin.edits.len() as u64);
            resource.origin.edits.iter().try_for_each(|edit| self.span(*edit))?;
        }
        self.out.number(rendered.warnings.0.len() as u64);
        rendered.warnings.0.iter().try_for_each(|warning| self.diagnostic(warning))?;
        let FactsRead { kube_version, api_versions, all_api_versions, assumed, known } = &rendered.facts;
        self.out.option(kube_version.as_deref());
        self.out.number(api_versions.len() as u64);
        for (asked, answer) in api_versions {
            self.out.bytes(asked.as_bytes());
            self.out.0.push(u8::from(*answer));
        }
        let is_assumed = |name: &str| u8::from(assumed.contains(&name));
        self.out.0.extend([u8::from(*all_api_versions), is_assumed(KUBE_VERSION), is_assumed(API_VERSIONS)]);
        self.out.option(known.kube_version.as_deref());
        self.out.number(known.api_versions.len() as u64);
        known.api_versions.iter().for_each(|version| self.out.bytes(version.as_bytes()));
        Some(())
    }

    fn span(&mut self, span: Span) -> Option<()> {
        if span == Span::NONE {
            self.out.number(0);
            return Some(());
        }
        let file = if span.file == FileId::NONE { 1 } else { self.files.get(&span.file)? + 2 };
        self.out.number(file);
        self.out.number(u64::from(span.start));
        self.out.number(u64::from(span.end));
        Some(())
    }

    fn node(&mut self, node: &Node, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let style = place(&STYLES, &node.style())?;
        if let Some(id) = node.shared_id() {
            let new = self.shared.len() as u64;
            if let Some(known) = self.shared.get(&(id, node.span(), node.style())) {
                self.out.0.push(SHARED);
                self.out.number(*known);
                return Some(());
            }
            self.shared.insert((id, node.span(), node.style()), new);
        }
        match node.view() {
            View::Scalar(tag, text) => {
                self.out.0.extend([place(&TAGS, &tag)?, style]);
                self.out.bytes(text.as_bytes());
            }
            View::Seq(items) => {
                self.out.0.extend([SEQ, style]);
                self.out.number(items.len() as u64);
                items.iter().try_for_each(|item| self.node(item, depth + 1))?;
            }
            View::Map(map) => {
                self.out.0.extend([MAP, style]);
                self.out.number(map.len() as u64);
                for (key, value) in map.iter() {
                    self.node(key, depth + 1)?;
                    self.node(value, depth + 1)?;
                }
            }
        }
        self.span(node.span())
    }

    fn diagnostic(&mut self, found: &Diagnostic) -> Option<()> {
        self.out.0.extend([place(&SEVERITIES, &found.severity)?, place(&CAUSES, &found.cause)?]);
        self.out.0.push(place(&CODES, &found.code)?);
        self.out.bytes(found.message.as_bytes());
        self.span(found.span)?;
        for list in [&found.labels, &found.trace] {
            self.out.number(list.len() as u64);
            for (span, text) in list {
                self.span(*span)?;
                self.out.bytes(text.as_bytes());
            }
        }
        self.out.number(found.hints.len() as u64);
        found.hints.iter().for_each(|hint| self.out.bytes(hint.as_bytes()));
        Some(())
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    u8::try_from(all.iter().position(|known| known == one)?).ok()
}

/// What an earlier run kept.
pub(super) fn parse(bytes: Arc<[u8]>) -> Option<Kept> {
    let mut input = Reader(&bytes);
    let mut kept = Kept::default();
    for _ in 0..input.number()? {
        let asked = read_asked(&mut input)?;
        let answer = Digest::from_bytes(input.take(32)?.try_into().ok()?);
        kept.questions.push(Question { asked, answer, now: Default::default() });
    }
    for _ in 0..input.number()? {
        let job = Digest::from_bytes(input.take(32)?.try_into().ok()?);
        let mut questions = Vec::new();
        for _ in 0..input.number()? {
            questions.push(u32::try_from(input.number()?).ok()?);
        }
        let length = input.bytes()?.len();
        let end = bytes.len() - input.0.len();
        let body = end - length..end;
        kept.renders.entry(job).or_default().push(KeptRender { questions, body, used: Default::default() });
    }
    if !input.0.is_empty() {
        return None;
    }
    kept.bytes = bytes;
    Some(kept)
}

fn write_asked(asked: &Asked, out: &mut Writer) {
    let (kind, request, path) = match asked {
        Asked::Read(request, path) => (0, request, Some(path)),
        Asked::List(request, path) => (1, request, Some(path)),
        Asked::Stat(request, path) => (2, request, Some(path)),
        Asked::Tree(request) => (3, request, None),
    };
    let (source, name) = match &request.kind {
        SourceKind::Git => (0, ""),
        SourceKind::Chart(name) => (1, name.as_str()),
        SourceKind::Oci => (2, ""),
        SourceKind::File => (3, ""),
    };
    out.0.extend([kind, source]);
    for text in [name, &request.url, &request.revision, path.map(TreePath::as_str).unwrap_or_default()] {
        out.bytes(text.as_bytes());
    }
}

fn read_asked(input: &mut Reader<'_>) -> Option<Asked> {
    let (kind, source) = (input.byte()?, input.byte()?);
    let name = input.text()?;
    let kind_of_source = match source {
        0 => SourceKind::Git,
        1 => SourceKind::Chart(name),
        2 => SourceKind::Oci,
        3 => SourceKind::File,
        _ => return None,
    };
    let request = SourceRequest { kind: kind_of_source, url: input.text()?, revision: input.text()? };
    let path = TreePath::new(input.str()?).ok()?;
    Some(match kind {
        0 => Asked::Read(request, path),
        1 => Asked::List(request, path),
        2 => Asked::Stat(request, path),
        3 => Asked::Tree(request),
        _ => return None,
    })
}

/// A kept result; `files` are those of its questions.
pub(super) fn rendered(body: &[u8], files: &[FileId]) -> Option<Rendered> {
    let mut input = Parts { input: Reader(body), files, shared: Vec::new() };
    let rendered = input.rendered()?;
    input.input.0.is_empty().then_some(rendered)
}

struct Parts<'a> {
    input: Reader<'a>,
    files: &'a [FileId],
    shared: Vec<Option<Node>>,
}

impl Parts<'_> {
    fn rendered(&mut self) -> Option<Rendered> {
        let count = self.input.count()?;
        let mut resources = Vec::with_capacity(count);
        for _ in 0..count {
            let body = self.node(0)?;
            let span = self.span()?;
            let edits = (0..self.input.count()?).map(|_| self.span()).collect::<Option<_>>()?;
            resources.push(Resource { body, origin: Origin { span, edits, steps: Vec::new() } });
        }
        let warnings = (0..self.input.count()?).map(|_| self.diagnostic()).collect::<Option<Vec<_>>>()?;
        let kube_version = self.input.option()?;
        let mut facts = FactsRead { kube_version, ..FactsRead::default() };
        for _ in 0..self.input.count()? {
            let asked = self.input.text()?;
            facts.api_versions.insert(asked, self.input.flag()?);
        }
        facts.all_api_versions = self.input.flag()?;
        let (version, api) = (self.input.flag()?, self.input.flag()?);
        // Sorted, as they are made.
        let mut assumed: Vec<&'static str> = [(version, KUBE_VERSION), (api, API_VERSIONS)]
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name)
            .collect();
        assumed.sort_unstable();
        facts.assumed = assumed;
        let kube_version = self.input.option()?;
        let api_versions = (0..self.input.count()?).map(|_| self.input.text()).collect::<Option<_>>()?;
        facts.known = ApiFacts { kube_version, api_versions };
        Some(Rendered { resources, warnings: Diagnostics(warnings), facts })
    }

    fn span(&mut self) -> Option<Span> {
        let file = match self.input.number()? {
            0 => return Some(Span::NONE),
            1 => FileId::NONE,
            number => *self.files.get(usize::try_from(number - 2).ok()?)?,
        };
        let mut end = || u32::try_from(self.input.number()?).ok();
        Some(Span { file, start: end()?, end: end()? })
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        let kind = self.input.byte()?;
        if kind == SHARED {
            let number = usize::try_from(self.input.number()?).ok()?;
            return self.shared.get(number)?.clone();
        }
        let style = *STYLES.get(usize::from(self.input.byte()?))?;
        let at = self.shared.len();
        let node = match kind {
            SEQ => {
                self.shared.push(None);
                let count = self.input.count()?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.node(depth + 1)?);
                }
                Node::seq(items)
            }
            MAP => {
                self.shared.push(None);
                let count = self.input.count()?;
                let mut map = Map::with_capacity(count);
                for _ in 0..count {
                    let key = self.node(depth + 1)?;
                    map.push(key, self.node(depth + 1)?);
                }
                Node::map(map)
            }
            tag => Node::scalar(*TAGS.get(usize::from(tag))?, self.input.str()?),
        };
        let node = node.with_style(style).with_span(self.span()?);
        if let Some(slot) = self.shared.get_mut(at) {
            *slot = Some(node.clone());
        }
        Some(node)
    }

    fn diagnostic(&mut self) -> Option<Diagnostic> {
        let severity = *SEVERITIES.get(usize::from(self.input.byte()?))?;
        let cause = *CAUSES.get(usize::from(self.input.byte()?))?;
        let code = *CODES.get(usize::from(self.input.byte()?))?;
        let message = self.input.text()?;
        let span = self.span()?;
        let mut lists = Vec::with_capacity(2);
        for _ in 0..2 {
            let mut list = Vec::new();
            for _ in 0..self.input.count()? {
                list.push((self.span()?, self.input.text()?));
            }
            lists.push(list);
        }
        let (trace, labels) = (lists.pop()?, lists.pop()?);
        let hints = (0..self.input.count()?).map(|_| self.input.text()).collect::<Option<_>>()?;
        Some(Diagnostic { severity, cause, code, message, span, labels, trace, hints })
    }
}
