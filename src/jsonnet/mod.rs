//! Jsonnet: a program to a value, evaluated by jrsonnet, the interpreter in Rust; Argo CD has go-jsonnet.
//!
//! The interpreter gets no file system, environment or clock: all files that imports name are read from the tree through the [`World`] before
//! anything is evaluated (`imports`), and what is not in the tree cannot be imported. What it gives is taken as data, not as text, so
//! that numbers and the order of fields are those of our printer.
//!
//! It is held in bounds as far as it allows: how deep a program is nested (`nesting`) and how deep calls go fit the stack that is set
//! aside, the lists that `std` makes and the value that comes out have a largest size, and a panic in it is an error of that application. Steps and
//! memory in between cannot be counted from outside. It differs from go-jsonnet in the text of fractions (`'' + 0.1` is `0.1` here and
//! `0.10000000000000001` there; both are the same as data) and in the words of errors.

mod failure;
mod imports;
mod nesting;
mod outcome;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use jrsonnet_evaluator::error::ErrorKind;
use jrsonnet_evaluator::function::CallLocation;
use jrsonnet_evaluator::stack::limit_stack_depth;
use jrsonnet_evaluator::tla::TlaArg;
use jrsonnet_evaluator::trace::PathResolver;
use jrsonnet_evaluator::{
    ContextInitializer, IStr, InitialContextBuilder, ObjValue, ObjValueBuilder, Source, SourcePath, Span as Place,
    State, Thunk, Val, apply_tla,
};
use jrsonnet_gcmodule::{Acyclic, Trace, collect_thread_cycles};
use jrsonnet_stdlib::TracePrinter;
use rustc_hash::FxHashMap;

use crate::diag::{Checked, Diagnostic, Diagnostics, Warned};
use crate::path::{FilePath, TreePath};
use crate::span::{SourceFile, Span};
use crate::world::World;
use crate::yaml::Node;
use imports::Loaded;

/// What is set aside for the stack of one evaluation. Only what is used of it is ever taken from the system.
const STACK: usize = 1 << 30;
/// What one level of nesting may take of the stack where a call or a field is evaluated: 300 bytes were measured, and 3,500 for a field.
const STACK_OF_A_LEVEL: usize = 2_000;
/// How deep calls may go: go-jsonnet has 500, but follows calls in last place without end where they are `tailstrict`.
const CALLS: (usize, usize) = (500, 50_000);
/// How many items `std` may make at once. Values that wait for each other recurse without a call, so they have to fit the stack as well.
const MADE_AT_ONCE: (usize, usize) = (2_000, 100_000);

/// An external variable or an argument of the top-level function.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value: a text, or a program.
    pub value: String,
    /// Whether the value is a program.
    pub code: bool,
    /// Where the value is written.
    pub span: Span,
}

/// What a program is evaluated with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What `std.extVar` gives.
    pub external: Vec<Variable>,
    /// Arguments, where the program is a function.
    pub arguments: Vec<Variable>,
    /// Folders where imports are looked for after that of the importing file, the first first.
    pub libraries: Vec<TreePath>,
}

/// The value of the program in a file, as data, each part with the place of the file. What `std.trace` says comes as notes.
///
/// # Errors
/// What the program refuses, or what is wrong with it, with its place.
pub fn evaluate(
    world: &dyn World,
    file: &FilePath,
    source: &Arc<SourceFile>,
    options: &Options,
) -> Checked<Warned<Node>> {
    let evaluated = catch_unwind(AssertUnwindSafe(|| {
        stacker::grow(STACK, || {
            let found = on_the_stack(world, file, source, options);
            collect_thread_cycles();
            found
        })
    }));
    evaluated.unwrap_or_else(|_| {
        let message = format!("the Jsonnet interpreter gave up on `{}`", source.display);
        let error = Diagnostic::error("jsonnet/panic", Span::new(source.id, 0, 0), message);
        Err(error.hint("this is a fault of jrsonnet, not of the program; see what it says above").into())
    })
}

fn on_the_stack(
    world: &dyn World,
    file: &FilePath,
    source: &Arc<SourceFile>,
    options: &Options,
) -> Checked<Warned<Node>> {
    let Loaded { files, places, nesting } = imports::load(world, file, source, options)?;
    let calls = (STACK / (nesting * STACK_OF_A_LEVEL)).clamp(CALLS.0, CALLS.1);
    let main = SourcePath::new(jrsonnet_ir::SourceFile::new(file.path.as_str().into()));
    let said = Rc::new(RefCell::new(Vec::new()));
    let failed = |error: &jrsonnet_evaluator::Error| failure::diagnostics(error, &places, Span::new(source.id, 0, 0));
    let _calls = limit_stack_depth(calls);
    let made = calls.clamp(MADE_AT_ONCE.0, MADE_AT_ONCE.1);
    let standard = Standard::new(options, Printer(Rc::clone(&said)), made).map_err(|error| failed(&error))?;
    let mut state = State::builder();
    state.import_resolver(files).context_initializer(standard);
    let state = state.build();
    let Some(_entered) = state.try_enter() else {
        let message = "Jsonnet is evaluated inside Jsonnet".to_owned();
        return Err(Diagnostic::error("jsonnet/evaluation", Span::new(source.id, 0, 0), message).into());
    };
    let value = state.import_resolved(main).and_then(|value| call(value, &options.arguments));
    let value = value.and_then(|value| outcome::node(&value, Span::new(source.id, 0, 0))).map_err(|e| failed(&e))?;
    let mut diagnostics = Diagnostics::new();
    for (place, text) in said.take() {
        let span = place.and_then(|place| places.span(&place)).unwrap_or(Span::new(source.id, 0, 0));
        diagnostics.push(Diagnostic::note("jsonnet/trace", span, text));
    }
    Ok(Warned { value, diagnostics })
}

/// A value from outside: a text as it is, a program by the name under which the resolver has it, so that it is evaluated when it is used.
fn given(variable: &Variable, kind: &str) -> TlaArg {
    match variable.code {
        true => TlaArg::Import(imports::name_of_code(kind, &variable.name)),
        false => TlaArg::String(variable.value.as_str().into()),
    }
}

/// The value of a program that is a function, called with its arguments; of one given twice the last counts. Which of several is unknown
/// is said here, since the interpreter looks at them in the order of their addresses.
fn call(value: Val, arguments: &[Variable]) -> jrsonnet_evaluator::Result<Val> {
    let Val::Func(function) = &value else { return Ok(value) };
    // The interpreter has forgotten what the one parameter of `function(x) x` is called.
    if let (true, [one]) = (function.is_identity(), arguments) {
        return given(one, imports::ARGUMENT).evaluate()?.evaluate();
    }
    let parameters = function.params();
    let is_known = |name: &str| parameters.iter().any(|parameter| parameter.name().as_str() == Some(name));
    if let Some(unknown) = arguments.iter().find(|argument| !is_known(&argument.name)) {
        return Err(ErrorKind::UnknownFunctionParameter(unknown.name.as_str().into()).into());
    }
    #[expect(
        clippy::mutable_key_type,
        reason = "the interpreter asks for this map; its texts change nothing but their count"
    )]
    let arguments: FxHashMap<IStr, TlaArg> =
        arguments.iter().map(|one| (one.name.as_str().into(), given(one, imports::ARGUMENT))).collect();
    apply_tla(&arguments, value)
}

/// What `std.trace` said, with its place.
type Said = Vec<(Option<Place>, String)>;

/// Keeps what `std.trace` says.
#[derive(Acyclic)]
struct Printer(Rc<RefCell<Said>>);

impl TracePrinter for Printer {
    fn print_trace(&self, place: CallLocation<'_>, text: IStr) {
        self.0.borrow_mut().push((place.0.cloned(), text.to_string()));
    }
}

/// `std`, with bounds on what makes long values of short programs.
#[derive(Trace)]
struct Standard(ObjValue);

impl Standard {
    fn new(options: &Options, printer: Printer, made: usize) -> jrsonnet_evaluator::Result<Self> {
        let library = jrsonnet_stdlib::ContextInitializer::new(PathResolver::Absolute);
        {
            let mut settings = library.settings_mut();
            settings.trace_printer = Rc::new(printer);
            for variable in &options.external {
                settings.ext_vars.insert(variable.name.as_str().into(), given(variable, imports::EXTERNAL));
            }
        }
        let mut builder = State::builder();
        builder.context_initializer(library);
        let bounded = format!(
            "local inner = std, bounded(name, count, what) = \
             if std.isNumber(count) && count > {made} then error '`std.%s` would make more than {made} %s' % [name, what] \
             else count; \
             inner {{ \
             makeArray(sz, func):: inner.makeArray(bounded('makeArray', sz, 'items'), func), \
             range(from, to):: if std.isNumber(from) && std.isNumber(to) && bounded('range', to - from, 'items') >= 0 \
               then inner.range(from, to) else inner.range(from, to), \
             repeat(what, count):: if std.isNumber(count) && (std.isString(what) || std.isArray(what)) && \
               bounded('repeat', count * std.length(what), 'items') >= 0 then inner.repeat(what, count) else inner.repeat(what, count), \
             }}"
        );
        match builder.build().evaluate_snippet("std", bounded)? {
            Val::Obj(bounded) => Ok(Standard(bounded)),
            _ => Ok(Standard(ObjValue::empty())),
        }
    }
}

impl ContextInitializer for Standard {
    fn populate(&self, file: Source, builder: &mut InitialContextBuilder) {
        let mut standard = ObjValueBuilder::new();
        standard.with_super(self.0.clone());
        let name = file.source_path().path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        standard.field("thisFile").hide().value(Val::string(name));
        builder.bind("std", Thunk::evaluated(Val::Obj(standard.build())));
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
