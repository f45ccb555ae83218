//! One ApplicationSet: its generators run, combined and filtered (`applicationset/generators/generator_spec_processor.go`).
//!
//! Generators are read from the manifest where they are needed, because the second child of a matrix is written anew for every row of
//! the first. Every problem is told in [`Problems`]; a function that fails has told why. Nesting is three levels at most, as in Argo CD.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::problems::{Problems, Reported};
use super::row::{Row, flat_value};
use super::templating::{Data, Templating, known_names_hint, unknown_tags};
use super::trees::Trees;
use crate::argo::{map_strings, tables};
use crate::cluster::{Cluster, ClusterOrigin};
use crate::diag::Diagnostic;
use crate::k8s::selector::{Selector, Values};
use crate::question::Question;
use crate::read::{ApplicationSet, Fleet};
use crate::span::Span;
use crate::template::{Functions, Map};
use crate::yaml::{Node, View};

/// The kinds of generators in the order in which Argo CD runs those of one entry.
pub(super) const KINDS: [&str; 9] =
    ["list", "clusters", "git", "scmProvider", "clusterDecisionResource", "pullRequest", "matrix", "merge", "plugin"];

/// The kinds whose `values` Argo CD resolves in advance in the second child of a matrix (3.4 and later).
const WITH_VALUES: [&str; 6] = ["clusters", "git", "scmProvider", "clusterDecisionResource", "pullRequest", "plugin"];

/// How deep a generator is: in the set, in its matrix or merge, or in one inside that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(super) enum Level {
    /// In `spec.generators`.
    Top,
    /// In a matrix or merge.
    Child,
    /// In a matrix or merge inside another.
    Grandchild,
}

impl Level {
    fn below(self) -> Level {
        if self == Level::Top { Level::Child } else { Level::Grandchild }
    }
}

/// An ApplicationSet with what its generators may ask.
pub(super) struct Set<'a> {
    pub(super) declared: &'a ApplicationSet,
    pub(super) fleet: &'a Fleet,
    pub(super) spec: &'a Node,
    pub(super) templating: Templating,
    pub(super) trees: &'a Trees<'a>,
    /// The clusters of the set's instance that are declared, in the order of the objects that declare them.
    pub(super) clusters: Vec<&'a Cluster>,
    pub(super) problems: Problems,
    /// Whether rows may share what they do not change: not with a merge generator, which changes maps in place, nor with templates that do.
    pub(super) shares: bool,
    /// The parameters of clusters, by their place among `clusters`, where rows share.
    pub(super) cluster_params: RefCell<BTreeMap<usize, Map>>,
    /// What its generators asked of services, by id.
    pub(super) questions: RefCell<BTreeMap<String, Question>>,
}

impl<'a> Set<'a> {
    /// Prepares a set.
    ///
    /// # Errors
    /// A template option that does not exist.
    pub(super) fn new(
        declared: &'a ApplicationSet,
        spec: &'a Node,
        fleet: &'a Fleet,
        trees: &'a Trees<'a>,
        functions: &Functions,
    ) -> Result<Self, Box<Diagnostic>> {
        let templating = Templating::new(spec, functions)?;
        let mut clusters: Vec<&Cluster> = fleet
            .clusters
            .iter()
            .filter(|cluster| cluster.instance == declared.instance && cluster.origin != ClusterOrigin::Implicit)
            .collect();
        clusters.sort_by(|a, b| (&a.object, &a.name).cmp(&(&b.object, &b.name)));
        let mutates = |text: &str| {
            text.contains("{{")
                && ["set ", "unset ", "merge", "mustMerge"].iter().any(|function| text.contains(function))
        };
        let shares = !any_text(spec, &mutates) && !has_key(spec.get("generators"), "merge");
        Ok(Set {
            declared,
            fleet,
            spec,
            templating,
            trees,
            clusters,
            problems: Problems::default(),
            shares,
            cluster_params: RefCell::default(),
            questions: RefCell::default(),
        })
    }

    /// Argo CD's minor version.
    pub(super) fn engine(&self) -> (u32, u32) {
        self.fleet.engines.argocd
    }

    /// Runs an entry of `generators`: the rows of each kind in it that passed the entry's selector.
    ///
    /// `with` is the row of a matrix's first child, put into the strings of the entry first; not into its selector.
    pub(super) fn run(
        &self,
        entry: &Node,
        with: Option<&Row>,
        level: Level,
    ) -> Result<Vec<(&'static str, Vec<Row>)>, Reported> {
        let selector = match entry.get("selector").filter(|selector| !selector.is_null()) {
            Some(node) => Some(Selector::read(node, Values::Any).map_err(|found| self.problems.push_in(*found, with))?),
            None => None,
        };
        let written = match with {
            Some(row) if !row.params.is_empty() => &self.interpolate(entry, row)?,
            _ => entry,
        };
        let mut results = Vec::new();
        let mut failed = false;
        for kind in KINDS {
            let Some(generator) = written.get(kind).filter(|node| !node.is_null()) else { continue };
            let place = key_span(entry, kind);
            match self.generate(kind, generator, place, level, with) {
                Ok(rows) => results.push((kind, self.filter(rows, selector.as_ref()))),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(results) }
    }

    /// The rows of a child of a matrix or merge.
    pub(super) fn run_child(&self, child: &Node, with: Option<&Row>, level: Level) -> Result<Vec<Row>, Reported> {
        let kinds: Vec<&str> =
            KINDS.into_iter().filter(|kind| child.get(kind).is_some_and(|node| !node.is_null())).collect();
        if let [first, second, ..] = kinds[..] {
            let message = format!("a child of a matrix or merge has two generators, `{first}` and `{second}`");
            let found = Diagnostic::error("expand/generator", key_span(child, second), message)
                .label(key_span(child, first), "the first one")
                .hint("make each an item of its own in the list");
            return Err(self.problems.push(found));
        }
        match self.run(child, with, level.below())?.into_iter().next() {
            Some((_, rows)) => Ok(rows),
            None => {
                let message = "a child of a matrix or merge has no generator";
                let found = Diagnostic::error("expand/generator", child.span(), message);
                Err(self.problems.push(found.hint(format!("give one of {}", KINDS.join(", ")))))
            }
        }
    }

    fn generate(
        &self,
        kind: &'static str,
        node: &Node,
        place: Span,
        level: Level,
        with: Option<&Row>,
    ) -> Result<Vec<Row>, Reported> {
        match kind {
            "list" => self.list(node, place, with),
            "clusters" => self.clusters(node, place, with),
            "git" => self.git(node, place, with),
            "matrix" | "merge" if level == Level::Grandchild => {
                let message =
                    format!("a {kind} generator cannot be this deep: Argo CD drops it, two levels are the most");
                let found = Diagnostic::error("expand/generator", place, message);
                Err(self.problems.push(found.hint("take the inner one apart, or write its rows as a list")))
            }
            "matrix" => self.matrix(node, place, level),
            "merge" => self.merge(node, place, level),
            _ => self.recorded(kind, node, place, with),
        }
    }

    fn filter(&self, rows: Vec<Row>, selector: Option<&Selector>) -> Vec<Row> {
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return rows };
        let string_maps = self.engine() >= (3, 4);
        rows.into_iter()
            .filter(|row| selector.matches(|key| flat_value(&row.params, key, string_maps).map(Into::into)))
            .collect()
    }

    /// An entry of a matrix's second child with the first child's row in its strings.
    fn interpolate(&self, entry: &Node, row: &Row) -> Result<Node, Reported> {
        let data = Data::new(&row.params);
        if self.engine() >= (3, 4) {
            return self.interpolate_keeping(entry, row, &data);
        }
        self.map_generator(entry, row, &data)
    }

    fn map_generator(&self, entry: &Node, row: &Row, data: &Data) -> Result<Node, Reported> {
        map_strings(entry, &tables::APPLICATION_SET_GENERATOR, self.engine(), &mut |text, span| {
            self.templating
                .render(text, data)
                .map_err(|fault| self.problems.push_in(fault.diagnostic(text, span), Some(row)))
        })
    }

    /// As [`Self::interpolate`], but what `values` say about the generator itself stays for it to resolve.
    fn interpolate_keeping(&self, entry: &Node, row: &Row, data: &Data) -> Result<Node, Reported> {
        let mut rest = entry.clone();
        let mut kept: Vec<(&str, &str, Node)> = Vec::new();
        for kind in WITH_VALUES {
            let Some(map) = entry.at(&[kind, "values"]).filter(|values| values.as_map().is_some()) else { continue };
            let mut resolved = map.clone();
            for (_, value) in resolved.map_mut().into_iter().flat_map(|map| map.iter_mut()) {
                let Some(text) = value.text().filter(|_| !value.is_null()) else { continue };
                match self.templating.render_known(text, data) {
                    Ok(None) => {}
                    Ok(Some(new)) => *value = Node::str(new).with_span(value.span()),
                    Err(fault) => return Err(self.problems.push_in(fault.diagnostic(text, value.span()), Some(row))),
                }
            }
            kept.push((kind, "values", resolved));
        }
        for kind in ["matrix", "merge"] {
            let Some(children) = entry.at(&[kind, "generators"]).and_then(Node::as_seq) else { continue };
            let span = entry.at(&[kind, "generators"]).map_or(Span::NONE, Node::span);
            let children: Vec<Node> =
                children.iter().map(|child| self.interpolate_keeping(child, row, data)).collect::<Result<_, _>>()?;
            kept.push((kind, "generators", Node::seq(children).with_span(span)));
        }
        for (kind, field, _) in &kept {
            if let Some(map) = rest.get_mut(kind).and_then(Node::map_mut) {
                map.remove(field);
            }
        }
        let mut mapped = self.map_generator(&rest, row, data)?;
        for (kind, field, value) in kept {
            if let Some(map) = mapped.get_mut(kind).and_then(Node::map_mut) {
                map.insert(field, value);
            }
        }
        Ok(mapped)
    }

    /// Adds a generator's `values` to a row's parameters, each rendered with what the row has without them.
    pub(super) fn add_values(&self, generator: &Node, row: &Row) -> Result<(), Reported> {
        let Some(values) = generator.get("values").and_then(Node::as_map).filter(|map| !map.is_empty()) else {
            return Ok(());
        };
        let data = Data::new(&row.params);
        let mut rendered = Vec::with_capacity(values.len());
        for (key, value) in values.iter() {
            let text = value.text().filter(|_| !value.is_null()).unwrap_or_default();
            let new = self.render(text, value.span(), &data, row)?;
            rendered.push((key.text().unwrap_or_default(), new.unwrap_or_else(|| text.to_owned())));
        }
        if self.templating.go {
            let map = super::row::string_map(rendered.iter().map(|(key, value)| (*key, value.as_str())));
            row.params.insert("values".into(), map);
        } else {
            for (key, value) in rendered {
                row.params.insert(format!("values.{key}").into(), value.into());
            }
        }
        Ok(())
    }

    /// A string with a row put in; warns about fasttemplate names that the row does not have, because they stay in the text.
    pub(super) fn render(&self, text: &str, span: Span, data: &Data, row: &Row) -> Result<Option<String>, Reported> {
        match self.templating.render(text, data) {
            Ok(new) => {
                if !self.templating.go && new.is_some() {
                    for name in unknown_tags(text, data) {
                        let message = format!("no parameter is called `{name}`, so `{{{{{name}}}}}` stays in the text");
                        let found = Diagnostic::warning("expand/unknown-parameter", span, message);
                        self.problems.push_in(found.hint(known_names_hint(&name, data)), Some(row));
                    }
                }
                Ok(new)
            }
            Err(fault) => Err(self.problems.push_in(fault.diagnostic(text, span), Some(row))),
        }
    }
}

/// The place of a key of a mapping; that of the mapping where it is not there.
pub(super) fn key_span(node: &Node, key: &str) -> Span {
    let entry = node.as_map().and_then(|map| map.get_entry(key));
    entry.map_or(node.span(), |(key, _)| key.span().or(node.span()))
}

/// Whether putting a row into a generator could change it: templates, and nulls, which are lost on the way.
pub(super) fn depends_on_row(node: &Node) -> bool {
    any_text(node, &|text| text.contains("{{")) || any_null(node)
}

fn any_null(node: &Node) -> bool {
    match node.view() {
        View::Scalar(..) => node.is_null(),
        View::Seq(items) => items.iter().any(any_null),
        View::Map(map) => map.iter().any(|(_, value)| any_null(value)),
    }
}

fn any_text(node: &Node, test: &dyn Fn(&str) -> bool) -> bool {
    match node.view() {
        View::Scalar(_, text) => test(text),
        View::Seq(items) => items.iter().any(|item| any_text(item, test)),
        View::Map(map) => map.iter().any(|(key, value)| any_text(key, test) || any_text(value, test)),
    }
}

fn has_key(node: Option<&Node>, name: &str) -> bool {
    match node.map(Node::view) {
        Some(View::Seq(items)) => items.iter().any(|item| has_key(Some(item), name)),
        Some(View::Map(map)) => map.iter().any(|(key, value)| key.text() == Some(name) || has_key(Some(value), name)),
        _ => false,
    }
}
