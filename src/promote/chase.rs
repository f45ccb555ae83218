//! From a value of an Application to where it was written: in the Application, or, where an ApplicationSet's template made it, the
//! parameters that the template names, in the element of a list, the cluster, the file or the `values` of a generator.

use super::texts::Texts;
use super::{Decided, Form};
use crate::expand::{AppOrigin, GeneratorStep};
use crate::span::Span;
use crate::yaml::edit::{Address, Step};
use crate::yaml::{Node, View};

/// A value that decides another: the name of the parameter (none where it is the value itself), its text and where it stands.
pub(super) struct Found {
    pub(super) parameter: Option<String>,
    pub(super) value: Node,
    pub(super) decided: Decided,
}

/// Words of templates that are no parameters.
const WORDS: [&str; 3] = ["else", "end", ""];

/// How often a parameter may come from a template again.
const DEPTH: usize = 4;

/// What decides a scalar of an Application: itself where it is written, the parameters of its template otherwise.
pub(super) fn scalar(texts: &Texts<'_>, origin: &AppOrigin, value: &Node) -> Vec<Found> {
    let itself = |decided: Decided| vec![Found { parameter: None, value: value.clone(), decided }];
    let text = value.text().unwrap_or_default();
    if let Some(decided) = texts.place(value.span(), Form::Plain, &|node| node.text() == Some(text)) {
        return itself(decided);
    }
    let Some((file, address)) = texts.written(value.span()) else {
        return itself(Decided::Elsewhere("it is computed".to_owned()));
    };
    let template = address.get(&file.documents).and_then(Node::text).unwrap_or_default();
    let names = references(template);
    if names.is_empty() {
        return itself(Decided::Elsewhere(format!("it is made of what {} says", file.file.display)));
    }
    let whole = names.len() == 1 && is_bare(template);
    let mut found = Vec::new();
    if !whole {
        let named: Vec<String> = names.iter().map(|name| format!("`{}`", name.join("."))).collect();
        let why = format!("a template computes it of {}", named.join(", "));
        found.push(Found { parameter: None, value: value.clone(), decided: Decided::Elsewhere(why) });
    }
    for name in &names {
        let wanted = whole.then_some(text);
        match parameter(texts, origin, name, wanted, DEPTH) {
            Some((value, decided)) => {
                found.push(Found { parameter: (!whole).then(|| name.join(".")), value, decided });
            }
            None => {
                let why = format!("the template's `{}` is computed by its generator", name.join("."));
                found.push(Found {
                    parameter: (!whole).then(|| name.join(".")),
                    value: if whole { value.clone() } else { Node::str("") },
                    decided: Decided::Elsewhere(why),
                });
            }
        }
    }
    found
}

/// Where a parameter is written.
fn parameter(
    texts: &Texts<'_>,
    origin: &AppOrigin,
    name: &[String],
    wanted: Option<&str>,
    depth: usize,
) -> Option<(Node, Decided)> {
    // What later generators say lies over what earlier ones say.
    for step in origin.generators.iter().rev() {
        for (span, path) in places(texts, step, name) {
            let Some((file, mut address)) = texts.written(span) else { continue };
            let Some(root) = address.get(&file.documents) else { continue };
            let Some((node, steps)) = dotted(root, &path) else { continue };
            let Some(text) = node.text().filter(|_| node.is_scalar()) else { continue };
            address.steps.extend(steps);
            if text.contains("{{") {
                let inner = references(text);
                if let [inner] = inner.as_slice()
                    && is_bare(text)
                    && inner != name
                    && depth > 0
                    && let Some(found) = parameter(texts, origin, inner, wanted, depth - 1)
                {
                    return Some(found);
                }
                continue;
            }
            if wanted.is_none_or(|wanted| wanted == text) {
                return Some((node.clone(), file.decided(address, Form::Plain, node.span())));
            }
        }
    }
    None
}

/// Where a generator may have a parameter from: a place and the path below it.
fn places(texts: &Texts<'_>, step: &GeneratorStep, name: &[String]) -> Vec<(Span, Vec<String>)> {
    let rest = |skip: usize| name.get(skip..).unwrap_or_default().to_vec();
    let mut places = Vec::new();
    let first = name.first().map(String::as_str).unwrap_or_default();
    if first == "values"
        && let Some(values) = entry_at(texts, step.span).and_then(|generator| generator.get("values").cloned())
    {
        places.push((values.span(), rest(1)));
    }
    if step.kind == "clusters" {
        // A Secret has its labels below `metadata`, an entry of fleet.yaml has not.
        if first == "metadata" {
            places.extend([(step.element_span, rest(0)), (step.element_span, rest(1))]);
        }
    } else {
        places.push((step.element_span, rest(0)));
    }
    places
}

/// The value of the entry whose key stands at a span.
fn entry_at(texts: &Texts<'_>, key: Span) -> Option<Node> {
    fn find(node: &Node, key: Span) -> Option<&Node> {
        match node.view() {
            View::Scalar(..) => None,
            View::Seq(items) => items.iter().find_map(|item| find(item, key)),
            View::Map(map) => {
                map.iter().find_map(|(own, value)| if own.span() == key { Some(value) } else { find(value, key) })
            }
        }
    }
    if key.is_none() {
        return None;
    }
    let text = texts.of(key.file)?;
    text.documents.iter().find_map(|document| find(&document.root, key)).cloned()
}

/// The value at a path whose keys may have dots in them, and the steps to it.
fn dotted<'n>(node: &'n Node, path: &[String]) -> Option<(&'n Node, Vec<Step>)> {
    if path.is_empty() {
        return Some((node, Vec::new()));
    }
    (1..=path.len()).rev().find_map(|length| {
        let key = path.get(..length)?.join(".");
        let (found, mut steps) = dotted(node.get(&key)?, path.get(length..)?)?;
        steps.insert(0, Step::Key(key));
        Some((found, steps))
    })
}

/// Whether a template is one name and nothing else.
fn is_bare(template: &str) -> bool {
    let inner = template.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| {
        let inner = inner.trim_matches(['-', ' ']);
        !inner.contains(['|', '{', '}']) && (!inner.contains(' ') || inner.starts_with("index "))
    })
}

/// The parameters that a template names: `{{version}}`, `{{ .chart.version }}`, `{{ index .metadata.labels "env" }}`.
pub(super) fn references(template: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut rest = template;
    while let Some((_, behind)) = rest.split_once("{{") {
        let Some((inner, after)) = behind.split_once("}}") else { break };
        rest = after;
        let inner = inner.trim_matches(['-', ' ']);
        let names = if inner.contains(['.', ' ', '"', '`', '|', '(']) && (inner.starts_with('.') || inner.contains(' '))
        {
            in_action(inner)
        } else {
            vec![inner.split('.').map(str::to_owned).collect()]
        };
        for name in names {
            let is_word = matches!(name.as_slice(), [word] if WORDS.contains(&word.as_str()));
            if !name.is_empty() && !is_word && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// The fields that an action of Go's templates reads; what follows `index FIELD` in quotes goes down from it.
fn in_action(action: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut indexing = false;
    for word in action.split([' ', '(', ')', '|']).filter(|word| !word.is_empty()) {
        if let Some(path) = word.strip_prefix('.') {
            found.push(path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect());
        } else if word == "index" {
            indexing = true;
        } else if let Some(key) = word.strip_prefix(['"', '`']).and_then(|word| word.strip_suffix(['"', '`'])) {
            if indexing && let Some(last) = found.last_mut() {
                last.push(key.to_owned());
            }
        } else {
            indexing = false;
        }
    }
    found
}

/// The place of a key that a mapping does not have yet.
pub(super) fn missing(texts: &Texts<'_>, parent: &Node, key: &str) -> Option<Decided> {
    let (file, address) = texts.written(parent.span())?;
    let there: &Node = address.get(&file.documents)?;
    let address: Address = address.key(key);
    there.as_map().filter(|map| !map.contains(key)).map(|_| file.decided(address, Form::Plain, Span::NONE))
}
