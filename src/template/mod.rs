//! Go's text/template, complete, as a language of its own that knows nothing of fleets.
//!
//! ```
//! use fleetc::template::{Functions, Options, Template, Value};
//!
//! let template = Template::parse("greeting", "hello {{ .name | printf \"%q\" }}", &Functions::builtins())?;
//! let data = Value::dict([("name", Value::from("world"))]);
//! assert_eq!(template.execute(&data, &Options::default())?, b"hello \"world\"");
//! # Ok::<(), fleetc::template::TemplateError>(())
//! ```
//!
//! A [`Template`] is one text with what it defines; a [`TemplateSet`] holds the templates of several texts, which see each other.
//! Both are immutable while they execute, `Send` and `Sync`: parse once, execute anywhere, in any number of threads. Values are not:
//! each execution has its own [`Value`]s, which templates may change (`set`).
//!
//! [`Functions`] are tables that callers put together: [`Functions::builtins`], [`sprig::extend`], [`argo::functions`], rows of their own.
//! [`fast`] is the other, much simpler template language of Argo CD. [`convert`] goes between [`Value`] and `yaml::Node`.
//!
//! Errors carry Go's text to the letter and the place in the template, so that callers can point into the file that holds it.
//!
//! Nothing here reads a clock, randomness, files or the environment; functions that would need to say so by name.
//! Every execution ends: [`Options`] bounds nesting, steps and bytes.

pub mod argo;
mod ast;
mod builtin;
mod call;
mod clock;
pub mod convert;
mod der;
mod effects;
mod encoding;
mod error;
mod exec;
pub mod fast;
mod fmt;
mod function;
pub mod helm;
mod json_words;
mod layout;
mod letters;
mod lex;
mod number;
mod object;
mod parse;
pub mod sprig;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read their tables")]
mod tests;
mod time;
pub mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use ast::Tree;
pub use effects::{Call, Derived, Effects};
pub use error::TemplateError;
use exec::Scope;
pub use function::{Arguments, Context, Entry, Failure, Function, Functions, Method, Native, Outcome};
pub use object::Object;
pub use time::parse_duration;
pub use value::{Bytes, List, Map, Value};

/// What a field of a map is when the key is not there: Go's `missingkey` option.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissingKey {
    /// `missingkey=default` or `invalid`: nothing, printed as `<no value>`; fields of it are nothing too.
    #[default]
    Default,
    /// `missingkey=zero`: the zero value of the map's elements.
    Zero,
    /// `missingkey=error`: an error.
    Error,
}

impl MissingKey {
    /// Reads an option such as `missingkey=error`, the only option that Go knows.
    pub fn from_option(option: &str) -> Option<Self> {
        match option.strip_prefix("missingkey=")? {
            "default" | "invalid" => Some(Self::Default),
            "zero" => Some(Self::Zero),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// How to execute a template.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// What a missing key is.
    pub missing_key: MissingKey,
    /// Bodies, pipelines and templates inside each other. Go allows 100,000 templates; the default fits a stack of 2 MiB.
    pub max_depth: u32,
    /// Nodes to execute in all.
    pub max_steps: u64,
    /// Bytes that output and functions may make in all.
    pub max_bytes: u64,
    /// Clock and randomness, for the functions that need them; without, those functions fail.
    pub effects: Option<&'a dyn Effects>,
    /// Who is told which fields of objects are read.
    pub watch: Option<&'a dyn Watch>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            missing_key: MissingKey::Default,
            max_depth: 400,
            max_steps: 20_000_000,
            max_bytes: 1 << 30,
            effects: None,
            watch: None,
        }
    }
}

/// Somebody who wants to know what an execution reads of the objects that the program gave it.
pub trait Watch: std::fmt::Debug {
    /// A field of an object is read.
    fn read(&self, read: &FieldRead<'_>);
    /// A method of the program answers a question about what it holds.
    fn asked(&self, question: &str, answer: bool);
}

/// A field of an object that a template reads, and where.
#[derive(Clone, Copy, Debug)]
pub struct FieldRead<'a> {
    /// The object's type, as `%T` prints it.
    pub type_name: &'a str,
    /// The field.
    pub field: &'a str,
    /// What is read of the field's value in the same expression: `Has` of `.Capabilities.APIVersions.Has`.
    pub next: Option<&'a str>,
    /// Name of the text that reads it.
    pub name: &'a str,
    /// Byte offset in that text.
    pub offset: usize,
}

/// A parsed text.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    trees: BTreeMap<String, Arc<Tree>>,
}

impl Template {
    /// Parses a text. The name appears in errors.
    ///
    /// # Errors
    /// Go's syntax errors, which include unknown functions; and nesting beyond 100 levels.
    pub fn parse(name: &str, text: &str, functions: &Functions) -> Result<Self, TemplateError> {
        let mut trees = BTreeMap::new();
        add_trees(&mut trees, parse::parse(name, text, functions)?);
        Ok(Self { name: name.to_owned(), trees })
    }

    /// Executes the template; the bytes that it printed.
    ///
    /// # Errors
    /// Go's execution errors, and the limits of the options.
    pub fn execute(&self, data: &Value, options: &Options<'_>) -> Result<Vec<u8>, TemplateError> {
        exec::execute(&Scope { trees: &self.trees, parent: None }, &self.name, data, options)
    }
}

/// Templates that see each other: the files of a chart.
#[derive(Clone, Debug)]
pub struct TemplateSet {
    functions: Functions,
    trees: BTreeMap<String, Arc<Tree>>,
}

impl TemplateSet {
    /// An empty set whose templates may call these functions.
    pub fn new(functions: Functions) -> Self {
        Self { functions, trees: BTreeMap::new() }
    }

    /// Parses a text and adds it and what it defines. A template of a known name takes its place, unless it is empty.
    ///
    /// # Errors
    /// As [`Template::parse`]; the set is unchanged then.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        add_trees(&mut self.trees, parse::parse(name, text, &self.functions)?);
        Ok(())
    }

    /// The names of all templates, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// Executes a template of the set.
    ///
    /// # Errors
    /// As [`Template::execute`], and a name that is not defined.
    pub fn execute(&self, name: &str, data: &Value, options: &Options<'_>) -> Result<Vec<u8>, TemplateError> {
        exec::execute(&Scope { trees: &self.trees, parent: None }, name, data, options)
    }
}

/// Adds trees as Go associates templates: a new one replaces, an empty one only another empty one.
fn add_trees(trees: &mut BTreeMap<String, Arc<Tree>>, parsed: Vec<Tree>) {
    for tree in parsed {
        if tree.is_empty() && trees.contains_key(&tree.name) {
            continue;
        }
        trees.insert(tree.name.clone(), Arc::new(tree));
    }
}

/// A value as Go's `%v` prints it.
pub fn print(value: &Value) -> Vec<u8> {
    fmt::sprint(std::slice::from_ref(value)).unwrap_or_default()
}

/// A value as one of Go's verbs prints it, such as `%t`.
pub fn print_with(verb: &str, value: &Value) -> String {
    let text = fmt::sprintf(verb.as_bytes(), std::slice::from_ref(value)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}
