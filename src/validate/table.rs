//! The tables of built-in kinds: `schema/kubernetes/types.txt`, written by `record/types.py`. Read as a whole when first asked for
//! (a millisecond); a run that checks nothing never does.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use crate::k8s::object::Gvk;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("../../schema/kubernetes/types.txt")));

/// How Go writes fields that hold nothing.
const FORMS: &str = include_str!("../../schema/kubernetes/forms.txt");

/// A minor version of Kubernetes 1.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minor(pub u32);

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl Minor {
    /// Of a version such as `1.34.1`; `None` for what is none.
    pub fn parse(version: &str) -> Option<Minor> {
        let mut parts = version.trim_start_matches('v').split(['.', '+', '-']);
        let (major, minor) = (parts.next()?, parts.next()?);
        if major == "1" { minor.parse().ok().map(Minor) } else { None }
    }

    /// The newest that there are tables of.
    pub fn newest() -> Minor {
        TABLE.last
    }

    /// The oldest that there are tables of.
    pub fn oldest() -> Minor {
        TABLE.first
    }

    /// The nearest that there are tables of.
    #[must_use]
    pub fn clamped(self) -> Minor {
        self.clamp(TABLE.first, TABLE.last)
    }
}

/// What a field, an item or a value of a map holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    Text,
    /// One of these.
    Values(Vec<String>),
    Int32,
    Int64,
    Number,
    Bool,
    Base64,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrText,
    /// A mapping that nothing is known of, or anything.
    Any,
    Type(usize),
    List(Box<Code>, Items),
    Map(Box<Code>),
}

/// What makes the items of a list the same one to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Items {
    /// Nothing.
    Free,
    /// The value.
    Set,
    /// These fields.
    Keys(Vec<&'static str>),
}

/// Bits of minor versions, from the first one on.
type Versions = u32;

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) code: Code,
    pub(super) required: bool,
    /// Whether Go holds it by value, so that it is there, empty, where nothing is written.
    pub(super) held: bool,
    /// Whether Go holds it by a pointer, so that what is written stays, be it empty.
    pub(super) pointer: bool,
    /// Whether Go writes it also where it holds nothing.
    pub(super) kept: bool,
    versions: Versions,
}

#[derive(Debug)]
pub(super) struct Type {
    pub(super) fields: Vec<Field>,
    /// At least one of these must be there.
    pub(super) one_of: Vec<&'static str>,
}

impl Type {
    pub(super) fn field(&self, name: &str, minor: Minor) -> Option<&Field> {
        let bit = TABLE.bit(minor);
        let at = self.fields.partition_point(|field| field.name < name);
        let same = self.fields.get(at..).unwrap_or_default().iter().take_while(|field| field.name == name);
        same.into_iter().find(|field| field.versions & bit != 0)
    }

    pub(super) fn fields_of(&self, minor: Minor) -> impl Iterator<Item = &Field> {
        let bit = TABLE.bit(minor);
        self.fields.iter().filter(move |field| field.versions & bit != 0)
    }

    /// The versions that have a field of this name, as in "from 1.33 on".
    pub(super) fn when(&self, name: &str) -> Option<String> {
        let versions = self.fields.iter().filter(|field| field.name == name).fold(0, |all, field| all | field.versions);
        TABLE.said(versions)
    }
}

struct Root {
    api: &'static str,
    kind: &'static str,
    of: usize,
    versions: Versions,
}

struct Table {
    first: Minor,
    last: Minor,
    types: Vec<Type>,
    /// Sorted by API version and kind.
    roots: Vec<Root>,
}

impl Table {
    fn bit(&self, minor: Minor) -> Versions {
        1 << (minor.clamp(self.first, self.last).0 - self.first.0)
    }

    fn all(&self) -> Versions {
        (2 << (self.last.0 - self.first.0)) - 1
    }

    fn versions(&self, text: Option<&str>) -> Versions {
        let Some(text) = text else { return self.all() };
        text.split(',').filter_map(|range| range.split_once('-')).fold(0, |all, (first, last)| {
            let first = first.parse().map_or(self.first, Minor);
            let last = last.parse().map_or(self.last, Minor);
            all | (first.0..=last.0).fold(0, |bits, minor| bits | self.bit(Minor(minor)))
        })
    }

    /// `from 1.33 on`, `up to 1.32`; `None` where there is nothing to say.
    fn said(&self, versions: Versions) -> Option<String> {
        let minors: Vec<u32> = (self.first.0..=self.last.0).filter(|m| versions & self.bit(Minor(*m)) != 0).collect();
        let (first, last) = (*minors.first()?, *minors.last()?);
        Some(match (first == self.first.0, last == self.last.0) {
            (true, true) => return None,
            (false, true) => format!("from 1.{first} on"),
            (true, false) => format!("up to 1.{last}"),
            (false, false) if first == last => format!("in 1.{first} only"),
            (false, false) => format!("from 1.{first} to 1.{last}"),
        })
    }

    fn parse(text: &'static str) -> Table {
        let mut table = Table { first: Minor(0), last: Minor(0), types: Vec::new(), roots: Vec::new() };
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let mut names = FxHashMap::default();
        for line in lines() {
            if let Some(name) = line.strip_prefix("type ") {
                names.insert(name, names.len());
            } else if let Some((first, last)) = line.strip_prefix("minors ").and_then(|rest| rest.split_once(' ')) {
                table.first = Minor(first.parse().unwrap_or_default());
                table.last = Minor(last.parse().unwrap_or_default());
            }
        }
        for line in lines() {
            if line.starts_with("type ") {
                table.types.push(Type { fields: Vec::new(), one_of: Vec::new() });
            } else if let Some(field) = line.strip_prefix(' ') {
                let mut words = field.split(' ');
                let (Some(name), Some(code)) = (words.next(), words.next()) else { continue };
                let versions = table.versions(words.next());
                let Some(of) = table.types.last_mut() else { continue };
                if let (true, Some(fields)) = (name == "*", code.strip_prefix('%')) {
                    of.one_of = fields.split('|').collect();
                    continue;
                }
                let (code, required) = code.strip_suffix('!').map_or((code, false), |code| (code, true));
                let (code, held) = code.strip_suffix('~').map_or((code, false), |code| (code, true));
                let code = read(code, &names);
                of.fields.push(Field { name, code, required, held, pointer: false, kept: false, versions });
            } else if let Some(root) = line.strip_prefix("root ") {
                let mut words = root.split(' ');
                let (Some(api), Some(kind), Some(of)) = (words.next(), words.next(), words.next()) else { continue };
                let Some(of) = names.get(of).copied() else { continue };
                let versions = table.versions(words.next());
                table.roots.push(Root { api, kind, of, versions });
            }
        }
        for line in FORMS.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let of = words.next().and_then(|name| names.get(name)).and_then(|at| table.types.get_mut(*at));
            let forms: FxHashMap<&str, &str> = words.filter_map(|word| word.split_once(':')).collect();
            for field in of.into_iter().flat_map(|of| &mut of.fields) {
                let form = forms.get(field.name).copied().unwrap_or_default();
                (field.pointer, field.kept) = (form.contains('p'), form.contains('k'));
            }
        }
        table.types.iter_mut().for_each(|of| of.fields.sort_by_key(|field| field.name));
        table.roots.sort_by_key(|root| (root.api, root.kind));
        table
    }
}

fn read(code: &'static str, names: &FxHashMap<&'static str, usize>) -> Code {
    if let Some(item) = code.strip_prefix('[') {
        let (item, items) = match item.split_once('@') {
            None => (item, Items::Free),
            Some((item, "")) => (item, Items::Set),
            Some((item, keys)) => (item, Items::Keys(keys.split(',').collect())),
        };
        return Code::List(Box::new(read(item, names)), items);
    }
    if let Some(value) = code.strip_prefix('{') {
        return Code::Map(Box::new(read(value, names)));
    }
    if let Some(values) = code.strip_prefix("s=") {
        return Code::Values(values.split('|').map(|value| value.replace('+', " ")).collect());
    }
    match code {
        "s" => Code::Text,
        "i" => Code::Int32,
        "l" => Code::Int64,
        "n" => Code::Number,
        "b" => Code::Bool,
        "y" => Code::Base64,
        "t" => Code::Time,
        "u" => Code::MicroTime,
        "d" => Code::Duration,
        "q" => Code::Quantity,
        "x" => Code::IntOrText,
        _ => names.get(code).map_or(Code::Any, |at| Code::Type(*at)),
    }
}

/// The type of a built-in kind in a version of Kubernetes; `None` where that version has none of this API version.
pub(super) fn root(gvk: &Gvk, minor: Minor) -> Option<usize> {
    find(gvk).find(|root| root.versions & TABLE.bit(minor) != 0).map(|root| root.of)
}

/// The type of `metadata` of any kind.
pub(super) fn metadata() -> Option<usize> {
    let root = find(&Gvk::new("v1", "ConfigMap")).next()?;
    match &TABLE.types.get(root.of)?.field("metadata", TABLE.last)?.code {
        Code::Type(at) => Some(*at),
        _ => None,
    }
}

pub(super) fn type_at(at: usize) -> Option<&'static Type> {
    TABLE.types.get(at)
}

fn find(gvk: &Gvk) -> impl Iterator<Item = &'static Root> {
    let api = gvk.api_version();
    let kind = gvk.kind.clone();
    let at = TABLE.roots.partition_point(|root| (root.api, root.kind) < (&*api, &*kind));
    let rest = TABLE.roots.get(at..).unwrap_or_default().iter();
    rest.take_while(move |root| root.api == api && root.kind == kind)
}

/// The versions that have a built-in kind, as in "from 1.33 on"; `None` where it is in all or in none.
pub(super) fn when(gvk: &Gvk) -> Option<String> {
    TABLE.said(find(gvk).fold(0, |all, root| all | root.versions))
}

/// The API versions in which a version of Kubernetes has a kind of a group, stable ones first.
pub(super) fn versions_of(group: &str, kind: &str, minor: Minor) -> Vec<String> {
    let of = |root: &&Root| root.kind == kind && root.api.rsplit_once('/').map_or("", |(group, _)| group) == group;
    let has = |root: &&Root| root.versions & TABLE.bit(minor) != 0;
    let mut found: Vec<String> = TABLE.roots.iter().filter(of).filter(has).map(|root| root.api.to_owned()).collect();
    found.sort_by_key(|api| (api.contains("alpha"), api.contains("beta"), api.clone()));
    found
}

/// Whether a group is one of Kubernetes itself, whose kinds are all known.
pub(super) fn is_built_in_group(group: &str, minor: Minor) -> bool {
    let has = |root: &Root| root.versions & TABLE.bit(minor) != 0;
    TABLE.roots.iter().any(|root| has(root) && root.api.rsplit_once('/').map_or("", |(group, _)| group) == group)
}

/// The kinds of a group in a version of Kubernetes.
pub(super) fn kinds_of(group: &str, minor: Minor) -> Vec<&'static str> {
    let of = |root: &&Root| root.api.rsplit_once('/').map_or("", |(group, _)| group) == group;
    let has = |root: &&Root| root.versions & TABLE.bit(minor) != 0;
    TABLE.roots.iter().filter(of).filter(has).map(|root| root.kind).collect()
}
