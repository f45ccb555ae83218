//! Which objects a patch or a replacement means: anchored regular expressions over id parts, and Kubernetes' selector syntax over labels
//! and annotations (api/types/selector.go, k8s.io/apimachinery/pkg/labels).

use regex::Regex;
use smol_str::SmolStr;

use super::decode::{Fields, Reader};
use super::object::{Id, Object, meta_map};
use crate::k8s::object::Gvk;
use crate::span::Span;
use crate::yaml::Node;

/// A selector as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    /// Patterns of group, version and kind.
    pub gvk: Gvk,
    /// Pattern of the name.
    pub name: SmolStr,
    /// Pattern of the namespace.
    pub namespace: SmolStr,
    /// Selector over labels.
    pub labels: SmolStr,
    /// Selector over annotations.
    pub annotations: SmolStr,
    /// Where it is written.
    pub span: Span,
}

impl Selector {
    /// Reads a selector.
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Self {
        let mut fields = reader.fields(node, "target");
        let selector = Self::read_fields(reader, &mut fields);
        reader.finish(fields);
        selector
    }

    fn read_fields(reader: &mut Reader, fields: &mut Fields<'_>) -> Self {
        Selector {
            gvk: super::config::read_gvk(reader, fields),
            name: reader.text(fields.take("name"), "name"),
            namespace: reader.text(fields.take("namespace"), "namespace"),
            labels: reader.text(fields.take("labelSelector"), "labelSelector"),
            annotations: reader.text(fields.take("annotationSelector"), "annotationSelector"),
            span: fields.span(),
        }
    }

    /// Whether it names no part of an id.
    pub(super) fn names_no_id(&self) -> bool {
        self.gvk == Gvk::default() && self.name.is_empty() && self.namespace.is_empty()
    }

    /// The selector ready for matching.
    ///
    /// # Errors
    /// A pattern or a selector cannot be read.
    pub(super) fn compile(&self) -> Result<Compiled, String> {
        Ok(Compiled {
            group: Pattern::new(&self.gvk.group)?,
            version: Pattern::new(&self.gvk.version)?,
            kind: Pattern::new(&self.gvk.kind)?,
            name: Pattern::new(&self.name)?,
            namespace: Pattern::new(&self.namespace)?,
            labels: Requirements::parse(&self.labels)?,
            annotations: Requirements::parse(&self.annotations)?,
        })
    }
}

/// A selector ready for matching.
pub(super) struct Compiled {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Requirements,
    annotations: Requirements,
}

impl Compiled {
    fn gvk(&self, gvk: &Gvk) -> bool {
        self.group.matches(&gvk.group) && self.version.matches(&gvk.version) && self.kind.matches(&gvk.kind)
    }

    /// Whether an id matches, its namespace as written (as replacements ask).
    pub(super) fn matches_id(&self, id: &Id) -> bool {
        self.gvk(&id.gvk) && self.name.matches(&id.name) && self.namespace.matches(&id.namespace)
    }

    /// Whether labels and annotations match.
    pub(super) fn matches_metadata(&self, body: &Node) -> bool {
        self.labels.matches(body, "labels") && self.annotations.matches(body, "annotations")
    }

    /// Whether an object matches by its current or original name and namespace (as patches ask, `resWrangler.Select`).
    pub(super) fn matches(&self, object: &Object) -> bool {
        let id = object.id();
        if !self.gvk(&id.gvk) {
            return false;
        }
        let first = object.previous.first();
        let namespace = self.namespace.is_any()
            || self.namespace.matches(first.map_or(&id.effective_namespace(), |first| &first.namespace))
            || self.namespace.matches(&id.effective_namespace());
        let name = self.name.matches(first.map_or(&id.name, |first| &first.name)) || self.name.matches(&id.name);
        namespace && name && self.matches_metadata(&object.body)
    }
}

/// An anchored pattern.
enum Pattern {
    Any,
    /// Letters, digits and dots only, where a dot stands for any character: most patterns.
    Dotted(String),
    Regex(Box<Regex>),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Pattern::Any);
        }
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.' | b':')) {
            return Ok(Pattern::Dotted(text.to_owned()));
        }
        let regex =
            Regex::new(&format!("^(?:{text})$")).map_err(|_| format!("`{text}` is no valid regular expression"))?;
        Ok(Pattern::Regex(Box::new(regex)))
    }

    fn is_any(&self) -> bool {
        matches!(self, Pattern::Any)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Dotted(pattern) => {
                let mut chars = text.chars();
                let same = |p: char| chars.next().is_some_and(|c| p == c || (p == '.' && c != '\n'));
                pattern.chars().all(same) && chars.next().is_none()
            }
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A Kubernetes selector: all requirements must hold.
struct Requirements(Vec<Requirement>);

struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Exists,
    DoesNotExist,
    In,
    NotIn,
    Greater,
    Less,
}

impl Requirements {
    fn parse(text: &str) -> Result<Self, String> {
        let fail = |what: &str| format!("`{text}` is no valid selector: {what}");
        let tokens = tokens(text);
        let mut at = 0;
        let mut requirements = Vec::new();
        let word = |at: usize| match tokens.get(at) {
            Some(Token::Word(word)) => Some(word.clone()),
            _ => None,
        };
        while at < tokens.len() {
            let negated = tokens.get(at) == Some(&Token::Not);
            at += usize::from(negated);
            let key = word(at).ok_or_else(|| fail("expected a key"))?;
            at += 1;
            let mut values = Vec::new();
            let operator = match tokens.get(at) {
                None | Some(Token::Comma) => {
                    if negated {
                        Operator::DoesNotExist
                    } else {
                        Operator::Exists
                    }
                }
                _ if negated => return Err(fail("`!` takes a key only")),
                Some(Token::Word(name)) if name == "in" || name == "notin" => {
                    let operator = if name == "in" { Operator::In } else { Operator::NotIn };
                    at += 1;
                    if tokens.get(at) != Some(&Token::Open) {
                        return Err(fail("expected `(`"));
                    }
                    at += 1;
                    loop {
                        match tokens.get(at) {
                            Some(Token::Word(value)) => {
                                values.push(value.clone());
                                at += 1;
                            }
                            // An empty place between commas stands for the empty value.
                            Some(Token::Comma | Token::Close) => values.push(String::new()),
                            _ => return Err(fail("expected a value or `)`")),
                        }
                        match tokens.get(at) {
                            Some(Token::Comma) => at += 1,
                            Some(Token::Close) => break,
                            _ => return Err(fail("expected `,` or `)`")),
                        }
                    }
                    at += 1;
                    operator
                }
                Some(operator @ (Token::Equal | Token::NotEqual | Token::Greater | Token::Less)) => {
                    at += 1;
                    values.push(word(at).unwrap_or_default());
                    at += usize::from(word(at).is_some());
                    match operator {
                        Token::Equal => Operator::In,
                        Token::NotEqual => Operator::NotIn,
                        Token::Greater => Operator::Greater,
                        _ => Operator::Less,
                    }
                }
                _ => return Err(fail("expected an operator")),
            };
            requirements.push(Requirement { key, operator, values });
            match tokens.get(at) {
                None => {}
                Some(Token::Comma) if at + 1 < tokens.len() => at += 1,
                _ => return Err(fail("expected `,` and a further requirement")),
            }
        }
        Ok(Requirements(requirements))
    }

    fn matches(&self, body: &Node, field: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let entries = meta_map(body, field);
        self.0.iter().all(|requirement| {
            let value =
                entries.iter().find(|(key, _)| key == requirement.key.as_str()).map(|(_, value)| value.as_str());
            let number = |text: &str| text.parse::<i64>().ok();
            let wanted = || number(requirement.values.first()?);
            match (requirement.operator, value) {
                (Operator::Exists, value) => value.is_some(),
                (Operator::DoesNotExist, value) => value.is_none(),
                (Operator::In, value) => value.is_some_and(|value| requirement.values.iter().any(|v| v == value)),
                (Operator::NotIn, value) => value.is_none_or(|value| requirement.values.iter().all(|v| v != value)),
                (Operator::Greater, Some(value)) => {
                    number(value).zip(wanted()).is_some_and(|(have, wanted)| have > wanted)
                }
                (Operator::Less, Some(value)) => {
                    number(value).zip(wanted()).is_some_and(|(have, wanted)| have < wanted)
                }
                (Operator::Greater | Operator::Less, None) => false,
            }
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Not,
    Comma,
    Open,
    Close,
    Equal,
    NotEqual,
    Greater,
    Less,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match c {
            c if c.is_ascii_whitespace() => continue,
            ',' => Token::Comma,
            '(' => Token::Open,
            ')' => Token::Close,
            '>' => Token::Greater,
            '<' => Token::Less,
            '=' => {
                chars.next_if_eq(&'=');
                Token::Equal
            }
            '!' if chars.next_if_eq(&'=').is_some() => Token::NotEqual,
            '!' => Token::Not,
            c => {
                let mut word = String::from(c);
                while let Some(c) =
                    chars.next_if(|c| !c.is_ascii_whitespace() && !matches!(c, ',' | '(' | ')' | '>' | '<' | '=' | '!'))
                {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        tokens.push(token);
    }
    tokens
}
