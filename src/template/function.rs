//! Functions and methods that templates call: signatures, tables, and what a call may reach.
//!
//! A signature is a string of one letter a parameter, see [`Type`]; the executor checks and converts arguments as Go's reflection
//! would, so that a function finds the types that its signature promises. Tables are rows of [`Entry`]; callers extend a
//! [`Functions`] with their own rows. Functions hold no state: what varies between executions is in [`Options`].

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::effects::Stream;
use super::error::TemplateError;
use super::exec::{Budget, Operand, Scope};
use super::object::Object;
use super::value::{Bytes, List, Map, Value};
use super::{Options, exec, value};

/// The type of a parameter, by its letter in a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    /// `v`, `reflect.Value`: only the builtin functions.
    Reflect,
    /// `a`, `interface {}`.
    Any,
    /// `s`
    String,
    /// `b`
    Bool,
    /// `i`
    Int,
    /// `l`
    Int64,
    /// `u`
    Uint32,
    /// `f`
    Float64,
    /// `d`, `map[string]interface {}`.
    Dict,
    /// `L`, `[]interface {}`.
    List,
    /// `S`, `[]string`.
    Strings,
    /// `t`, `time.Time`.
    Time,
    /// `D`, `time.Duration`.
    Duration,
    /// `C`, `sprig.certificate`.
    Certificate,
}

impl Type {
    fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'v' => Self::Reflect,
            b'a' => Self::Any,
            b's' => Self::String,
            b'b' => Self::Bool,
            b'i' => Self::Int,
            b'l' => Self::Int64,
            b'u' => Self::Uint32,
            b'f' => Self::Float64,
            b'd' => Self::Dict,
            b'L' => Self::List,
            b'S' => Self::Strings,
            b't' => Self::Time,
            b'D' => Self::Duration,
            b'C' => Self::Certificate,
            _ => return None,
        })
    }

    /// The type as Go prints it in errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reflect => "reflect.Value",
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Float64 => "float64",
            Self::Dict => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Strings => "[]string",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Certificate => "sprig.certificate",
        }
    }

    /// What nil becomes for a parameter of the type, if the type has a nil.
    pub(super) fn nil(self) -> Option<Value> {
        match self {
            Self::Any | Self::Reflect => Some(Value::Nil),
            Self::Dict => Some(Value::Map(Map::nil(&value::DICT))),
            Self::List => Some(Value::List(List::nil(&value::ANY_LIST))),
            Self::Strings => Some(Value::List(List::nil(&value::STRING_LIST))),
            _ => None,
        }
    }

    /// Whether Go lets a variable of the type hold the value.
    pub(super) fn accepts(self, value: &Value) -> bool {
        use value::{FloatType, IntType, UintType};
        match self {
            Self::Reflect | Self::Any => true,
            Self::String => matches!(value, Value::String(_)),
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Int => matches!(value, Value::Int(_, IntType::Int)),
            Self::Int64 => matches!(value, Value::Int(_, IntType::Int64)),
            Self::Uint32 => matches!(value, Value::Uint(_, UintType::Uint32)),
            Self::Float64 => matches!(value, Value::Float(_, FloatType::Float64)),
            Self::Dict => value.as_map().is_some_and(|map| map.map_type().element == value::Element::Any),
            Self::List => value.as_list().is_some_and(|list| list.list_type().element == value::Element::Any),
            Self::Strings => value.as_list().is_some_and(|list| list.list_type().element == value::Element::String),
            Self::Time => matches!(value, Value::Object(object) if object.type_name() == "time.Time"),
            Self::Duration => matches!(value, Value::Int(_, IntType::Duration)),
            Self::Certificate => matches!(value, Value::Object(object) if object.type_name() == "sprig.certificate"),
        }
    }
}

/// Why a function failed; the executor adds `error calling <name>:`.
#[derive(Debug)]
pub struct Failure {
    pub(super) message: String,
    pub(super) cause: Option<TemplateError>,
}

impl Failure {
    /// A failure with the text that Go's function would return.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None }
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self { message: error.to_string(), cause: Some(error) }
    }
}

impl From<super::fmt::TooDeep> for Failure {
    fn from(error: super::fmt::TooDeep) -> Self {
        Self::new(error.to_string())
    }
}

/// What a function returns.
pub type Outcome = Result<Value, Failure>;

/// A function of the program.
pub type Native = fn(&mut Context<'_>, Arguments<'_>) -> Outcome;

/// One row of a function table: name, signature, function.
pub type Entry = (&'static str, &'static str, Native);

/// The arguments of a call, of the types that the signature names. What is not there reads as the zero value.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(pub(super) &'a [Value]);

impl<'a> Arguments<'a> {
    /// Number of arguments.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Any argument.
    pub fn any(self, index: usize) -> Value {
        self.0.get(index).cloned().unwrap_or_default()
    }

    /// A string.
    pub fn bytes(self, index: usize) -> &'a [u8] {
        match self.0.get(index) {
            Some(Value::String(bytes)) => bytes,
            _ => &[],
        }
    }

    /// A string as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(self, index: usize) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    /// An integer of any width.
    pub fn int(self, index: usize) -> i64 {
        match self.0.get(index) {
            Some(Value::Int(n, _)) => *n,
            Some(Value::Uint(n, _)) => i64::try_from(*n).unwrap_or(i64::MAX),
            _ => 0,
        }
    }

    /// A bool.
    pub fn bool(self, index: usize) -> bool {
        matches!(self.0.get(index), Some(Value::Bool(true)))
    }

    /// A float.
    pub fn float(self, index: usize) -> Option<f64> {
        match self.0.get(index) {
            Some(Value::Float(f, _)) => Some(*f),
            _ => None,
        }
    }

    /// A map.
    pub fn map(self, index: usize) -> Map {
        match self.0.get(index) {
            Some(Value::Map(map)) => map.clone(),
            _ => Map::nil(&value::DICT),
        }
    }

    /// An object of the program, to be downcast.
    pub fn object(self, index: usize) -> Option<&'a Rc<dyn Object>> {
        match self.0.get(index) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The arguments from an index on.
    pub fn from(self, index: usize) -> &'a [Value] {
        self.0.get(index..).unwrap_or(&[])
    }
}

/// A function that holds data.
type Shared = dyn Fn(&mut Context<'_>, Arguments<'_>) -> Outcome + Send + Sync;

#[derive(Clone)]
pub(super) enum Body {
    Native(Native),
    Closure(Arc<Shared>),
    /// A function that sees whether a value is missing, nil or boxed: the builtin functions.
    Reflect(fn(&[Operand]) -> Result<Operand, Failure>),
    And,
    Or,
    Call,
}

/// A function with its name and signature.
#[derive(Clone)]
pub struct Function {
    name: String,
    pub(super) parameters: Vec<Type>,
    pub(super) variadic: bool,
    pub(super) body: Body,
}

impl Function {
    /// `signature`: a letter a parameter, and `*` after the last one if it may repeat.
    pub(super) fn new(name: &str, signature: &str, body: Body) -> Self {
        let parameters: Vec<Type> = signature.bytes().filter_map(Type::of).collect();
        debug_assert_eq!(
            parameters.len() + usize::from(signature.ends_with('*')),
            signature.len(),
            "{name}: {signature}"
        );
        Self { name: name.to_owned(), parameters, variadic: signature.ends_with('*'), body }
    }

    /// The name it was entered under.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.parameters)
    }
}

/// The functions that a template may call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Functions(Arc<BTreeMap<String, Arc<Function>>>);

impl Functions {
    /// The functions of Go's text/template.
    pub fn builtins() -> Self {
        let rows = super::builtin::TABLE.iter();
        Self(Arc::new(
            rows.map(|(name, signature, body)| {
                ((*name).to_owned(), Arc::new(Function::new(name, signature, body.clone())))
            })
            .collect(),
        ))
    }

    /// Adds a table of functions; one of a known name takes its place, as in Go.
    pub fn extend(&mut self, table: &[Entry]) {
        let functions = Arc::make_mut(&mut self.0);
        for (name, signature, call) in table {
            functions.insert((*name).to_owned(), Arc::new(Function::new(name, signature, Body::Native(*call))));
        }
    }

    /// Adds a function that holds data of the program. Signature as in [`Entry`]: a letter a parameter, `*` when the last may repeat;
    /// a any, s string, b bool, i int, l int64, u uint32, f float64, d dict, L list, S strings, t time, D duration, C certificate.
    pub fn insert(
        &mut self,
        name: &str,
        signature: &str,
        call: impl Fn(&mut Context<'_>, Arguments<'_>) -> Outcome + Send + Sync + 'static,
    ) {
        let function = Function::new(name, signature, Body::Closure(Arc::new(call)));
        Arc::make_mut(&mut self.0).insert(name.to_owned(), Arc::new(function));
    }

    /// Takes functions away: a template that names one does not parse.
    pub fn remove(&mut self, names: &[&str]) {
        let functions = Arc::make_mut(&mut self.0);
        for name in names {
            functions.remove(*name);
        }
    }

    /// A function by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.0.get(name)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A method of a named type. The receiver is the first argument; the signature is that of the others.
#[derive(Debug)]
pub struct Method {
    /// The name in templates.
    pub name: &'static str,
    /// As in [`Entry`].
    pub signature: &'static str,
    /// The method; argument 0 is the receiver.
    pub call: Native,
}

/// What a function may reach of the execution that calls it.
pub struct Context<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) scope: &'a Scope<'a>,
    pub(super) budget: &'a mut Budget,
    pub(super) depth: u32,
}

impl<'a> Context<'a> {
    /// The options of the execution.
    pub fn options(&self) -> &'a Options<'a> {
        self.options
    }

    /// The randomness of one call of a function.
    ///
    /// # Errors
    /// The execution has none: the function fails by name.
    pub(super) fn random(&mut self, function: &'static str) -> Result<Stream<'a>, Failure> {
        let Some(effects) = self.options.effects else {
            return Err(Failure::new(format!(
                "the function {function} is not available: it needs randomness, and a render depends on its inputs only"
            )));
        };
        let number = self.budget.random_calls;
        self.budget.random_calls += 1;
        Ok(Stream::new(effects, Rc::clone(&self.budget.template), function, number))
    }

    /// Counts the work of a function that takes much longer than a node, as so many of them.
    ///
    /// # Errors
    /// The execution has done all that it may.
    pub(super) fn work(&mut self, steps: u64) -> Result<(), Failure> {
        self.budget.work(steps, self.options.max_steps).map_err(Failure::new)
    }

    /// Counts a template that a function begins to execute; how many of its name are executing now, this one included.
    pub(super) fn nest(&mut self, name: &str) -> u32 {
        let count = self.budget.nested.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// The end of what [`Self::nest`] began.
    pub(super) fn unnest(&mut self, name: &str) {
        if let Some(count) = self.budget.nested.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether a template of that name is defined.
    pub fn has_template(&self, name: &str) -> bool {
        self.scope.tree(name).is_some()
    }

    /// Executes a named template of the set that is executing, with the same options: Helm's `include`.
    pub fn execute(&mut self, name: &str, data: &Value) -> Result<Bytes, TemplateError> {
        exec::nested(self, self.scope, name, data).map(Bytes::from)
    }

    /// Parses and executes a text that sees the templates of the set that is executing; what it defines is seen by it only: Helm's
    /// `tpl`.
    pub fn execute_text(
        &mut self,
        name: &str,
        text: &str,
        functions: &Functions,
        data: &Value,
    ) -> Result<Bytes, TemplateError> {
        let mut trees = BTreeMap::new();
        super::add_trees(&mut trees, super::parse::parse(name, text, functions)?);
        let scope = Scope { trees: &trees, parent: Some(self.scope) };
        exec::nested(self, &scope, name, data).map(Bytes::from)
    }
}
