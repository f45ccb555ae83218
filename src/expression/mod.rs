//! Expressions in CEL as Kubernetes has them: the crate `cel` with Kubernetes' functions on top (quantities, addresses, URLs, formats, lists,
//! sets, regular expressions, versions).
//!
//! Closed and bounded: an expression sees the values that it is given, and one that could cost too much is refused before it runs
//! (`bound`). What it needs and nobody gave is [`Failure::Undecided`], never a guess; a panic of the crate is a failure like any other.

mod address;
mod bound;
mod format;
mod lists;
mod names;
mod quantity;
mod regexes;
mod semver;
mod sets;
mod slots;
#[cfg(test)]
mod tests;
mod url;
mod values;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelInt, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Program};

use values::{MARK, Slots, Touched};

use crate::k8s::gaps::Gaps;

use crate::yaml::Node;

/// What an expression came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Nothing.
    Null,
    /// A value of another type, by its name.
    Other(String),
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The expression is none, costs too much, or failed: why.
    Error(String),
    /// It needs what is not known here.
    Undecided(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Error(why) | Failure::Undecided(why) => f.write_str(why),
        }
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub why: String,
    /// Line and column in the text, from 1, where that is known.
    pub at: Option<(usize, usize)>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl Broken {
    fn new(why: impl Into<String>) -> Broken {
        Broken { why: why.into(), at: None }
    }

    /// From what the parser says: `ERROR: <input>:1:8: Syntax error…`.
    fn parse(text: &str) -> Broken {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it is no expression");
        let first = first.trim_start_matches("ERROR: ");
        let place = first.strip_prefix("<input>:").and_then(|rest| {
            let (line, rest) = rest.split_once(':')?;
            let (column, why) = rest.split_once(':')?;
            Some((why.trim(), (line.parse().ok()?, column.parse().ok()?)))
        });
        match place {
            Some((why, at)) => Broken { why: why.to_owned(), at: Some(at) },
            None => Broken::new(first),
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        Failure::Error(broken.why)
    }
}

/// Longest text of an expression, and how deep brackets may lie in each other: the parser calls itself.
const MAX_LENGTH: usize = 16 << 10;
const MAX_DEPTH: usize = 100;

/// Declares functions.
type Extension = fn(&mut Env) -> Result<(), cel::DeclarationError>;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Names that are declared twice are a mistake of ours, which the tests of the functions find; the rest still works.
    let extensions: [Extension; 10] = [
        cel::extensions::strings,
        cel::extensions::lists,
        lists::extension,
        sets::extension,
        quantity::extension,
        address::extension,
        url::extension,
        format::extension,
        regexes::extension,
        semver::extension,
    ];
    for extension in extensions {
        let declared = extension(&mut env);
        debug_assert!(declared.is_ok(), "{declared:?}");
    }
    Arc::new(env)
});

/// A compiled expression.
pub struct Expression {
    program: Program,
    /// Whether it asks for what may not be there, which the interpreter takes for what is not.
    chooses: bool,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expression").finish_non_exhaustive()
    }
}

impl Expression {
    /// Compiles a text.
    ///
    /// # Errors
    /// Why it is no expression.
    pub fn compile(text: &str) -> Result<Expression, Broken> {
        if text.len() > MAX_LENGTH {
            return Err(Broken::new(format!("the expression is longer than {MAX_LENGTH} bytes")));
        }
        if depth(text) > MAX_DEPTH {
            return Err(Broken::new(format!("brackets or signs lie more than {MAX_DEPTH} deep in each other")));
        }
        let compiled = catch_unwind(AssertUnwindSafe(|| ENV.compile(text)));
        match compiled {
            Ok(Ok(program)) => {
                let chooses = [".?", "[?", "{?", "optional"].iter().any(|sign| text.contains(sign));
                Ok(Expression { program, chooses })
            }
            Ok(Err(errors)) => Err(Broken::parse(&errors.to_string())),
            Err(_) => Err(Broken::new("the expression cannot be parsed")),
        }
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// It fails, costs too much, or needs what is not there.
    pub fn evaluate(&self, values: &Values<'_>) -> Result<Outcome, Failure> {
        self.resolve(values, |value| {
            if let Some(value) = value.downcast_ref::<CelBool>() {
                return Outcome::Bool(*value.inner());
            }
            if let Some(value) = value.downcast_ref::<CelString<'_>>() {
                return Outcome::Text(value.inner().to_owned());
            }
            if let Some(value) = value.downcast_ref::<CelInt>() {
                return Outcome::Int(*value.inner());
            }
            if value.downcast_ref::<CelNull>().is_some() {
                return Outcome::Null;
            }
            Outcome::Other(value.get_type().name().to_owned())
        })
    }

    /// The value, to be given to other expressions.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub fn value(&self, values: &Values<'_>) -> Result<Box<dyn Val>, Failure> {
        let why = "a variable of a type that cannot be kept";
        self.resolve(values, values::copied)?.ok_or_else(|| Failure::Undecided(why.to_owned()))
    }

    /// Whether a variable is named in it.
    pub fn names(&self, variable: &str) -> bool {
        self.program.references().has_variable(variable)
    }

    /// A variable that it names beside these.
    pub fn unknown_name(&self, known: &[&str]) -> Option<String> {
        names::unknown(self.program.expression(), known)
    }

    fn resolve<T>(&self, values: &Values<'_>, read: impl Fn(&dyn Val) -> T) -> Result<T, Failure> {
        self.guarded(values, || {
            let mut context = Context::with_env(Arc::clone(&ENV));
            context.set_variable_resolver(values);
            let value = cel::Value::resolve_val(self.program.expression(), &context)?;
            Ok(read(value.as_ref()))
        })
    }

    fn guarded<T>(&self, values: &Values<'_>, work: impl FnOnce() -> Result<T, ExecutionError>) -> Result<T, Failure> {
        if !bound::is_affordable(self.program.expression(), values.extent) {
            return Err(Failure::Undecided("the expression may cost too much for an object of this size".to_owned()));
        }
        values.touched.take();
        let done = catch_unwind(AssertUnwindSafe(work));
        let touched = values.touched.take();
        match (done, touched) {
            // What is not known may have made it fail, or kept it from failing.
            (Ok(Err(_)), Some((why, _))) => Err(Failure::Undecided(why)),
            (Ok(Ok(_)), Some((why, guessed))) if guessed || self.chooses => Err(Failure::Undecided(why)),
            (Ok(Ok(value)), _) => Ok(value),
            (Ok(Err(error)), None) => Err(failure(&error)),
            (Err(_), _) => Err(Failure::Undecided("the expression cannot be evaluated".to_owned())),
        }
    }
}

fn failure(error: &ExecutionError) -> Failure {
    match error {
        ExecutionError::UndeclaredReference(name) => Failure::Undecided(format!(
            "`{name}` is not known without a cluster, or no function of CEL that fleetc has"
        )),
        ExecutionError::FunctionError { function, message } if function == MARK => Failure::Undecided(message.clone()),
        // Values may be those of Secrets; the debug form of the others holds them.
        ExecutionError::NoSuchKey(key) => Failure::Error(format!("no such key: {key}")),
        ExecutionError::NoSuchOverload(overload) => Failure::Error(overload.to_string()),
        ExecutionError::FunctionError { function, .. } => Failure::Error(format!("`{function}` failed")),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            Failure::Error("division by zero".to_owned())
        }
        ExecutionError::Overflow(..) => Failure::Error("a number grew too large".to_owned()),
        ExecutionError::IndexOutOfBounds(_) => Failure::Error("index out of bounds".to_owned()),
        _ => Failure::Error("a value has a type that the expression does not expect".to_owned()),
    }
}

/// How deep brackets, and signs before a value, lie in each other.
fn depth(text: &str) -> usize {
    let (mut open, mut signs, mut choices, mut deepest) = (0_usize, 0_usize, 0_usize, 0_usize);
    let (mut quote, mut before) = (None, ' ');
    for c in text.chars() {
        match (quote, c) {
            (Some(end), c) if c == end && before != '\\' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                quote = Some(c);
                signs = 0;
            }
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') => open = open.saturating_sub(1),
            // Not of `a.?b` and `a[?b]`.
            (None, '?') if !matches!(before, '.' | '[') => choices += 1,
            (None, ':') => choices = choices.saturating_sub(1),
            (None, '!' | '-') => signs += 1,
            (None, c) if c.is_whitespace() => {}
            (None, _) => signs = 0,
        }
        before = c;
        deepest = deepest.max(open + signs + choices);
    }
    deepest
}

/// The variables of an expression.
#[derive(Default)]
pub struct Values<'b> {
    /// What others have as well.
    base: Option<&'b Values<'b>>,
    values: BTreeMap<String, Box<dyn Val>>,
    named: BTreeMap<String, Slots>,
    extent: bound::Extent,
    touched: Touched,
}

impl<'b> Values<'b> {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// These and more.
    #[must_use]
    pub fn over(base: &'b Values<'b>) -> Self {
        Values { base: Some(base), extent: base.extent, touched: base.touched.clone(), ..Values::default() }
    }

    /// Sets a variable to a value of YAML.
    pub fn set_node(&mut self, name: &str, node: &Node) {
        self.set_partly(name, node, &Gaps::default());
    }

    /// Sets a variable to a value of which some is not known.
    pub fn set_partly(&mut self, name: &str, node: &Node, gaps: &Gaps) {
        self.extent.add(node);
        self.values.insert(name.to_owned(), values::partly(node, Some(gaps), None, &self.touched));
    }

    /// Adds an entry to a variable that is a map: a value that an expression made, or why there is none.
    pub fn add(&mut self, to: &str, name: &str, value: Result<Box<dyn Val>, Failure>) {
        let slots = self.named.entry(to.to_owned()).or_insert_with(|| Slots::new(&self.touched));
        slots.set(name, value);
    }

    /// The same of a value of YAML.
    pub fn add_node(&mut self, to: &str, name: &str, node: &Node) {
        self.extent.add(node);
        self.add(to, name, Ok(values::of_node(node)));
    }
}

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(value) = self.values.get(variable) {
            return Some(CowVal::Borrowed(value.as_ref()));
        }
        match (self.named.get(variable), self.base) {
            (Some(slots), _) => Some(CowVal::Borrowed(slots)),
            (None, Some(base)) => base.resolve(variable),
            (None, None) => {
                if variable == "authorizer" {
                    self.touched.note("`authorizer` is known to the cluster only", false);
                }
                None
            }
        }
    }
}
