//! The syntax tree of a template, immutable and shared between threads.
//!
//! Every node knows its byte offset in the source. Printing gives the text that Go shows in `at <…>` of an error, which is
//! normalised: `{{ .a  |quote }}` shows as `.a | quote`.

use std::fmt::{self, Display, Write};
use std::ops::Range;
use std::sync::Arc;

use super::function::Function;
use super::value::Bytes;

/// The text that trees were parsed from, kept for the places of errors.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

/// One named template.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) source: Arc<Source>,
    pub(super) root: List,
}

#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) enum Node {
    /// A range of the source that is printed as it is.
    Text(usize, Range<usize>),
    Action(usize, Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(usize, String, Option<Pipe>),
    Break(usize),
    Continue(usize),
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) position: usize,
    pub(super) pipe: Pipe,
    pub(super) list: List,
    pub(super) else_list: Option<List>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) position: usize,
    /// `=` rather than `:=`.
    pub(super) assigns: bool,
    /// Names with their dollar sign.
    pub(super) declarations: Vec<String>,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) position: usize,
    /// At least one.
    pub(super) arguments: Vec<Expression>,
}

#[derive(Debug)]
pub(super) struct Expression {
    pub(super) position: usize,
    pub(super) term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    Function(Arc<Function>),
    /// A variable with its dollar sign, and fields of it.
    Variable(String, Vec<String>),
    Dot,
    Nil,
    Field(Vec<String>),
    Chain(Box<Expression>, Vec<String>),
    Bool(bool),
    Number(Number),
    /// The value, and the literal as written.
    String(Bytes, String),
    Pipe(Box<Pipe>),
}

/// A numeric literal with every reading that it has; Go decides by the parameter's type.
#[derive(Debug, Default, Clone)]
pub(super) struct Number {
    pub(super) text: String,
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    pub(super) complex: Option<(f64, f64)>,
}

impl Tree {
    /// Whether the template is empty or only white space: such a definition does not replace another.
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_empty(&self.source.text)
    }
}

impl List {
    fn is_empty(&self, text: &str) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text(_, range) => text.get(range.clone()).is_none_or(|text| text.trim().is_empty()),
            _ => false,
        })
    }
}

/// A place in a tree for the text of an error: its offset, and what Go shows of it.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Start,
    Node(&'a Node),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Expression(&'a Expression),
}

impl Place<'_> {
    pub(super) fn position(&self) -> usize {
        match self {
            Self::Start => 0,
            Self::Node(node) => node.position(),
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Expression(expression) => expression.position,
        }
    }

    /// Go's text of the node; text nodes and bodies are cut out of the source.
    pub(super) fn describe(&self, text: &str) -> String {
        let mut out = String::new();
        let written = match self {
            Self::Start => Ok(()),
            Self::Node(node) => node.print(&mut out, text),
            Self::Pipe(pipe) => write!(out, "{pipe}"),
            Self::Command(command) => write!(out, "{command}"),
            Self::Expression(expression) => write!(out, "{expression}"),
        };
        // Writing into a string cannot fail.
        debug_assert!(written.is_ok());
        out
    }
}

impl Node {
    fn position(&self) -> usize {
        match self {
            Self::Text(position, _)
            | Self::Action(position, _)
            | Self::Template(position, ..)
            | Self::Break(position)
            | Self::Continue(position) => *position,
            Self::If(branch) | Self::With(branch) | Self::Range(branch) => branch.position,
        }
    }

    fn print(&self, out: &mut String, text: &str) -> fmt::Result {
        match self {
            Self::Text(_, range) => match text.get(range.clone()) {
                Some(text) => out.write_str(text),
                None => Ok(()),
            },
            Self::Action(_, pipe) => write!(out, "{{{{{pipe}}}}}"),
            Self::If(branch) => branch.print(out, "if", text),
            Self::With(branch) => branch.print(out, "with", text),
            Self::Range(branch) => branch.print(out, "range", text),
            Self::Template(_, name, pipe) => {
                write!(out, "{{{{template {}", super::fmt::quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(out, " {pipe}")?;
                }
                out.write_str("}}")
            }
            Self::Break(_) => out.write_str("{{break}}"),
            Self::Continue(_) => out.write_str("{{continue}}"),
        }
    }
}

impl Branch {
    fn print(&self, out: &mut String, name: &str, text: &str) -> fmt::Result {
        write!(out, "{{{{{name} {}}}}}", self.pipe)?;
        for node in &self.list.nodes {
            node.print(out, text)?;
        }
        if let Some(list) = &self.else_list {
            out.write_str("{{else}}")?;
            for node in &list.nodes {
                node.print(out, text)?;
            }
        }
        out.write_str("{{end}}")
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.declarations.is_empty() {
            f.write_str(&self.declarations.join(", "))?;
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            match &argument.term {
                Term::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => write!(f, "{argument}")?,
            }
        }
        Ok(())
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Function(function) => f.write_str(function.name()),
            Term::Variable(name, fields) => {
                f.write_str(name)?;
                print_fields(f, fields)
            }
            Term::Dot => f.write_char('.'),
            Term::Nil => f.write_str("nil"),
            Term::Field(fields) => print_fields(f, fields),
            Term::Chain(base, fields) => {
                match &base.term {
                    Term::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => write!(f, "{base}")?,
                }
                print_fields(f, fields)
            }
            Term::Bool(b) => write!(f, "{b}"),
            Term::Number(number) => f.write_str(&number.text),
            Term::String(_, quoted) => f.write_str(quoted),
            Term::Pipe(pipe) => write!(f, "{pipe}"),
        }
    }
}

fn print_fields(f: &mut fmt::Formatter<'_>, fields: &[String]) -> fmt::Result {
    for field in fields {
        write!(f, ".{field}")?;
    }
    Ok(())
}
