//! Executes trees: walking, pipelines, fields, methods and calls, by the rules of Go's text/template.
//!
//! Go's reflection knows more of a value than the value itself: whether there is one at all, and whether it sits in an interface (an
//! element of a map or list does). Messages and the treatment of nil depend on it; [`Operand`] carries it.
//!
//! Refused beyond Go: nesting and work beyond the limits of [`Options`], where Go exhausts the stack or runs on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Branch, Command, Expression, List, Node, Pipe, Place, Term, Tree};
use super::error::{ExecutionPlace, TemplateError};
use super::function::{Context, Failure};
use super::value::{Bytes, Element, Value};
use super::{FieldRead, MissingKey, Options};

/// How Go's reflection holds a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// There is none: a missing key, a nil taken out of its interface.
    Invalid,
    /// In an interface, which may be nil.
    Interface,
    /// By itself.
    Concrete,
}

/// A value in the course of evaluation.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) value: Value,
    pub(super) shape: Shape,
}

impl Operand {
    pub(super) const INVALID: Self = Self { value: Value::Nil, shape: Shape::Invalid };

    /// What Go's `reflect.ValueOf` makes of a value.
    pub(super) fn of(value: Value) -> Self {
        let shape = if matches!(value, Value::Nil) { Shape::Invalid } else { Shape::Concrete };
        Self { value, shape }
    }

    /// A value out of something with a declared type.
    pub(super) fn element(value: Value, element: Element) -> Self {
        let shape = if element == Element::Any { Shape::Interface } else { Shape::Concrete };
        Self { value, shape }
    }

    /// Takes the value out of its interface.
    pub(super) fn unboxed(self) -> Self {
        Self::of(self.value)
    }

    pub(super) fn is_valid(&self) -> bool {
        self.shape != Shape::Invalid
    }

    /// A nil interface, which is not nothing.
    pub(super) fn is_nil_interface(&self) -> bool {
        self.shape == Shape::Interface && matches!(self.value, Value::Nil)
    }

    fn type_name(&self) -> Cow<'_, str> {
        if self.shape == Shape::Interface { Cow::Borrowed("interface {}") } else { self.value.type_name() }
    }
}

/// The templates that an execution sees: those of a set, or of a text executed inside it.
pub(super) struct Scope<'a> {
    pub(super) trees: &'a BTreeMap<String, Arc<Tree>>,
    pub(super) parent: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) fn tree(&self, name: &str) -> Option<&'a Tree> {
        match self.trees.get(name) {
            Some(tree) => Some(tree),
            None => self.parent.and_then(|parent| parent.tree(name)),
        }
    }
}

/// What an execution has used up, functions and nested templates included.
pub(super) struct Budget {
    /// The template that the program executes, with whatever it includes.
    pub(super) template: Rc<str>,
    /// Calls of functions that asked for randomness.
    pub(super) random_calls: u64,
    /// Templates that functions execute inside each other, by name.
    pub(super) nested: BTreeMap<String, u32>,
    steps: u64,
    bytes: u64,
    /// Regular expressions that were compiled, by their text.
    pub(super) regexes: BTreeMap<Bytes, Rc<regex::bytes::Regex>>,
}

impl Budget {
    /// Counts work that is worth so many nodes.
    ///
    /// # Errors
    /// It is more than may be done: a sentence.
    pub(super) fn work(&mut self, steps: u64, limit: u64) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > limit { Err(format!("exceeded the limit of {limit} steps")) } else { Ok(()) }
    }
}

/// Executes a template of the scope; its output.
pub(super) fn execute(
    scope: &Scope<'_>,
    name: &str,
    data: &Value,
    options: &Options<'_>,
) -> Result<Vec<u8>, TemplateError> {
    let mut budget = Budget {
        template: Rc::from(name),
        random_calls: 0,
        nested: BTreeMap::new(),
        steps: 0,
        bytes: 0,
        regexes: BTreeMap::new(),
    };
    run(scope, name, data, options, &mut budget, 0)
}

/// Executes a template from inside a function.
pub(super) fn nested(
    context: &mut Context<'_>,
    scope: &Scope<'_>,
    name: &str,
    data: &Value,
) -> Result<Vec<u8>, TemplateError> {
    let depth = context.depth + 1;
    run(scope, name, data, context.options, context.budget, depth)
}

fn run(
    scope: &Scope<'_>,
    name: &str,
    data: &Value,
    options: &Options<'_>,
    budget: &mut Budget,
    depth: u32,
) -> Result<Vec<u8>, TemplateError> {
    let Some(tree) = scope.tree(name) else {
        return Err(TemplateError::whole(
            name,
            format!("template: no template {} to execute", super::fmt::quote(name.as_bytes())),
        ));
    };
    let data = Operand::of(data.clone());
    let mut state = State {
        scope,
        options,
        budget,
        tree,
        place: Place::Start,
        variables: vec![("$", data.clone())],
        out: Vec::new(),
        depth,
    };
    state.list(&data, &tree.root)?;
    Ok(state.out)
}

/// How a walk went on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

pub(super) type Evaluated<T> = Result<T, TemplateError>;

pub(super) struct State<'a, 'b> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) options: &'a Options<'a>,
    pub(super) budget: &'b mut Budget,
    tree: &'a Tree,
    /// The node under evaluation, for errors.
    place: Place<'a>,
    variables: Vec<(&'a str, Operand)>,
    out: Vec<u8>,
    pub(super) depth: u32,
}

impl<'a> State<'a, '_> {
    pub(super) fn at(&mut self, expression: &'a Expression) {
        self.place = Place::Expression(expression);
    }

    pub(super) fn fail<T>(&self, reason: impl Into<String>) -> Evaluated<T> {
        Err(self.error(reason.into(), None))
    }

    pub(super) fn error(&self, reason: String, cause: Option<TemplateError>) -> TemplateError {
        let source = &self.tree.source;
        let place = ExecutionPlace {
            name: &source.name,
            text: &source.text,
            template: &self.tree.name,
            offset: self.place.position(),
            context: self.place.describe(&source.text),
        };
        TemplateError::execution(&place, reason, cause)
    }

    /// Counts a node; the limits make every execution end.
    fn step(&mut self) -> Evaluated<()> {
        self.budget.work(1, self.options.max_steps).or_else(|reason| self.fail(reason))
    }

    /// Counts bytes that were made.
    pub(super) fn spend(&mut self, bytes: usize) -> Evaluated<()> {
        self.budget.bytes = self.budget.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.budget.bytes > self.options.max_bytes {
            return self.fail(format!("exceeded the limit of {} bytes", self.options.max_bytes));
        }
        Ok(())
    }

    pub(super) fn enter(&mut self) -> Evaluated<()> {
        self.depth += 1;
        if self.depth > self.options.max_depth {
            return self.fail(format!("exceeded maximum template depth ({})", self.options.max_depth));
        }
        Ok(())
    }

    fn list(&mut self, dot: &Operand, list: &'a List) -> Evaluated<Flow> {
        self.enter()?;
        for node in &list.nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Operand, node: &'a Node) -> Evaluated<Flow> {
        self.place = Place::Node(node);
        self.step()?;
        match node {
            Node::Text(_, range) => {
                let text = self.tree.source.text.get(range.clone()).unwrap_or("");
                self.out.extend_from_slice(text.as_bytes());
                self.spend(text.len())?;
            }
            Node::Action(_, pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.declarations.is_empty() {
                    self.place = Place::Node(node);
                    self.print(&value)?;
                }
            }
            Node::If(branch) => return self.if_or_with(dot, branch, false),
            Node::With(branch) => return self.if_or_with(dot, branch, true),
            Node::Range(branch) => return self.range(dot, node, branch),
            Node::Template(_, name, pipe) => self.template(dot, name, pipe.as_ref())?,
            Node::Break(_) => return Ok(Flow::Break),
            Node::Continue(_) => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, operand: &Operand) -> Evaluated<()> {
        let before = self.out.len();
        match (&operand.value, operand.shape) {
            (_, Shape::Invalid) => self.out.extend_from_slice(b"<no value>"),
            (Value::String(bytes), _) => self.out.extend_from_slice(bytes),
            (Value::Object(object), _) if object.addressed_text().is_some() => {
                self.out.extend(object.addressed_text().unwrap_or_default().into_bytes());
            }
            (Value::Object(object), _) if object.is_pointer() && object.text().is_none() => {
                let pointee = Value::Object(Rc::new(super::object::Pointee(Rc::clone(object))));
                if let Err(error) = super::fmt::print_to(&mut self.out, &pointee) {
                    return self.fail(error.to_string());
                }
            }
            (value, _) => {
                if let Err(error) = super::fmt::print_to(&mut self.out, value) {
                    return self.fail(error.to_string());
                }
            }
        }
        self.spend(self.out.len() - before)
    }

    fn if_or_with(&mut self, dot: &Operand, branch: &'a Branch, with: bool) -> Evaluated<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.value.is_true() {
            self.list(if with { &value } else { dot }, &branch.list)?
        } else if let Some(list) = &branch.else_list {
            self.list(dot, list)?
        } else {
            Flow::Next
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Operand, node: &'a Node, branch: &'a Branch) -> Evaluated<Flow> {
        let outer = self.variables.len();
        let over = self.pipeline(dot, &branch.pipe)?;
        let mark = self.variables.len();
        let two = branch.pipe.declarations.len() > 1;
        let mut ran = false;
        let mut each = |state: &mut Self, index: Operand, element: Operand| -> Evaluated<bool> {
            ran = true;
            state.place = Place::Node(node);
            state.step()?;
            state.bind(&branch.pipe, index, &element)?;
            let flow = state.list(&element, &branch.list)?;
            state.variables.truncate(mark);
            Ok(flow != Flow::Break)
        };
        match &over.value {
            Value::Nil => {}
            Value::Int(count, int) => {
                if two {
                    return self.fail_over("can't use", &over, " to iterate over more than one variable");
                }
                for n in 0..*count {
                    if !each(self, Operand::INVALID, Operand::of(Value::Int(n, *int)))? {
                        break;
                    }
                }
            }
            Value::Uint(count, uint) => {
                if two {
                    return self.fail_over("can't use", &over, " to iterate over more than one variable");
                }
                for n in 0..*count {
                    if !each(self, Operand::INVALID, Operand::of(Value::Uint(n, *uint)))? {
                        break;
                    }
                }
            }
            Value::List(list) => {
                let element = list.list_type().element;
                for (index, item) in list.to_vec().into_iter().enumerate() {
                    let index = i64::try_from(index).unwrap_or(i64::MAX);
                    if !each(self, Operand::of(Value::int(index)), Operand::element(item, element))? {
                        break;
                    }
                }
            }
            Value::ByteSlice(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let index = i64::try_from(index).unwrap_or(i64::MAX);
                    let byte = Value::Uint(u64::from(*byte), super::value::UintType::Uint8);
                    if !each(self, Operand::of(Value::int(index)), Operand::of(byte))? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                let element = map.map_type().element;
                for (key, item) in map.entries() {
                    if !each(self, Operand::of(Value::String(key)), Operand::element(item, element))? {
                        break;
                    }
                }
            }
            _ => return self.fail_over("range can't iterate over", &over, ""),
        }
        self.variables.truncate(outer);
        match &branch.else_list {
            Some(list) if !ran => self.list(dot, list),
            _ => Ok(Flow::Next),
        }
    }

    fn fail_over<T>(&self, before: &str, over: &Operand, after: &str) -> Evaluated<T> {
        let value = super::fmt::sprint(std::slice::from_ref(&over.value)).unwrap_or_default();
        self.fail(format!("{before} {}{after}", String::from_utf8_lossy(&value)))
    }

    /// Sets the variables of a range. The pipeline has declared them already, with the whole as their value.
    fn bind(&mut self, pipe: &'a Pipe, index: Operand, element: &Operand) -> Evaluated<()> {
        let values = match pipe.declarations.as_slice() {
            [] => return Ok(()),
            [_] => vec![element.clone()],
            _ => vec![index, element.clone()],
        };
        let count = values.len();
        for (position, value) in values.into_iter().enumerate() {
            if pipe.assigns {
                let name = pipe.declarations.get(position).map_or("", String::as_str);
                self.assign(name, value)?;
            } else {
                let slot = self.variables.len().checked_sub(count - position);
                if let Some(slot) = slot.and_then(|slot| self.variables.get_mut(slot)) {
                    slot.1 = value;
                }
            }
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Operand) -> Evaluated<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn template(&mut self, dot: &Operand, name: &'a str, pipe: Option<&'a Pipe>) -> Evaluated<()> {
        let Some(tree) = self.scope.tree(name) else {
            return self.fail(format!("template {} not defined", super::fmt::quote(name.as_bytes())));
        };
        let data = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Operand::INVALID,
        };
        let outer_variables = std::mem::replace(&mut self.variables, vec![("$", data.clone())]);
        let outer_tree = std::mem::replace(&mut self.tree, tree);
        self.list(&data, &tree.root)?;
        self.tree = outer_tree;
        self.variables = outer_variables;
        Ok(())
    }

    pub(super) fn pipeline(&mut self, dot: &Operand, pipe: &'a Pipe) -> Evaluated<Operand> {
        self.place = Place::Pipe(pipe);
        self.enter()?;
        let mut value: Option<Operand> = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?.unboxed());
        }
        self.depth -= 1;
        let value = value.unwrap_or(Operand::INVALID);
        for name in &pipe.declarations {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Operand, command: &'a Command, last: Option<Operand>) -> Evaluated<Operand> {
        let arguments = command.arguments.as_slice();
        let Some(first) = arguments.first() else { return Ok(Operand::INVALID) };
        match &first.term {
            Term::Field(fields) => {
                self.at(first);
                self.field_chain(dot, dot.clone(), first, fields, arguments, last)
            }
            Term::Chain(..) => self.chain(dot, first, arguments, last),
            Term::Function(function) => {
                self.at(first);
                self.call_function(dot, function, Place::Command(command), arguments, last)
            }
            Term::Pipe(pipe) => {
                self.no_arguments(arguments, last.as_ref())?;
                self.pipeline(dot, pipe)
            }
            Term::Variable(..) => self.variable(dot, first, arguments, last),
            Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String(..) => {
                self.at(first);
                self.no_arguments(arguments, last.as_ref())?;
                match &first.term {
                    Term::Dot => Ok(dot.clone()),
                    Term::Nil => self.fail("nil is not a command"),
                    _ => self.constant(first),
                }
            }
        }
    }

    fn no_arguments(&self, arguments: &[Expression], last: Option<&Operand>) -> Evaluated<()> {
        match arguments.first() {
            Some(first) if arguments.len() > 1 || last.is_some() => {
                self.fail(format!("can't give argument to non-function {first}"))
            }
            _ => Ok(()),
        }
    }

    /// A literal with the type that Go gives it where nothing asks for one.
    pub(super) fn constant(&mut self, expression: &'a Expression) -> Evaluated<Operand> {
        self.at(expression);
        Ok(Operand::of(match &expression.term {
            Term::Bool(b) => Value::Bool(*b),
            Term::String(text, _) => Value::String(text.clone()),
            Term::Number(number) => {
                let text = number.text.as_str();
                let hex = (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
                let floating = text.contains(['.', 'e', 'E', 'p', 'P']) && !hex && !text.starts_with('\'');
                match (number.complex, number.float, number.int) {
                    (Some((re, im)), ..) => Value::Complex(re, im),
                    (None, Some(float), _) if floating => Value::float(float),
                    (None, _, Some(int)) => Value::int(int),
                    _ => return self.fail(format!("{text} overflows int")),
                }
            }
            _ => {
                return self
                    .fail(format!("can't evaluate command {}", super::fmt::quote(expression.to_string().as_bytes())));
            }
        }))
    }

    pub(super) fn chain(
        &mut self,
        dot: &Operand,
        expression: &'a Expression,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        self.at(expression);
        let Term::Chain(base, fields) = &expression.term else { return Ok(Operand::INVALID) };
        let receiver = self.argument(dot, None, base)?;
        self.field_chain(dot, receiver, expression, fields, arguments, last)
    }

    pub(super) fn variable(
        &mut self,
        dot: &Operand,
        expression: &'a Expression,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        self.at(expression);
        let Term::Variable(name, fields) = &expression.term else { return Ok(Operand::INVALID) };
        let Some((_, value)) = self.variables.iter().rev().find(|(known, _)| known == name) else {
            return self.fail(format!("undefined variable: {name}"));
        };
        let value = value.clone();
        if fields.is_empty() {
            self.no_arguments(arguments, last.as_ref())?;
            return Ok(value);
        }
        self.field_chain(dot, value, expression, fields, arguments, last)
    }

    /// Fields one after the other; the last one gets the arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Operand,
        mut receiver: Operand,
        place: &'a Expression,
        fields: &'a [String],
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let Some((final_field, before)) = fields.split_last() else { return Ok(receiver) };
        for (index, field) in before.iter().enumerate() {
            self.tell(&receiver, field, fields.get(index + 1).map(String::as_str));
            receiver = self.field(dot, field, place, &[], None, receiver)?;
        }
        self.tell(&receiver, final_field, None);
        self.field(dot, final_field, place, arguments, last, receiver)
    }

    /// Tells who watches that a field of an object is read.
    fn tell(&self, receiver: &Operand, field: &str, next: Option<&str>) {
        let (Some(watch), Value::Object(object)) = (self.options.watch, &receiver.value) else { return };
        let (type_name, name) = (object.type_name(), self.tree.source.name.as_str());
        watch.read(&FieldRead { type_name, field, next, name, offset: self.place.position() });
    }

    fn field(
        &mut self,
        dot: &Operand,
        name: &'a str,
        place: &'a Expression,
        arguments: &'a [Expression],
        last: Option<Operand>,
        receiver: Operand,
    ) -> Evaluated<Operand> {
        if !receiver.is_valid() {
            if self.options.missing_key == MissingKey::Error {
                return self.fail(format!("nil data; no entry for key {}", super::fmt::quote(name.as_bytes())));
            }
            return Ok(Operand::INVALID);
        }
        if receiver.is_nil_interface() {
            return self.fail(format!("nil pointer evaluating interface {{}}.{name}"));
        }
        if let Some(method) = receiver.value.methods().iter().find(|method| method.name == name) {
            return self.call_method(dot, method, receiver.value, Place::Expression(place), arguments, last);
        }
        let has_arguments = arguments.len() > 1 || last.is_some();
        match &receiver.value {
            Value::Object(object) => {
                if let Some(value) = object.field(name) {
                    if has_arguments {
                        return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Operand::of(value));
                }
            }
            Value::Map(map) => {
                if has_arguments {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let element = map.map_type().element;
                if let Some(value) = map.get(name.as_bytes()) {
                    return Ok(Operand::element(value, element));
                }
                return match self.options.missing_key {
                    MissingKey::Default => Ok(Operand::INVALID),
                    MissingKey::Zero => Ok(Operand::element(element.zero(), element)),
                    MissingKey::Error => {
                        self.fail(format!("map has no entry for key {}", super::fmt::quote(name.as_bytes())))
                    }
                };
            }
            _ => {}
        }
        self.fail(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    /// An error of a function, at the node that called it.
    pub(super) fn call_failed(&mut self, place: Place<'a>, name: &str, failure: Failure) -> TemplateError {
        self.place = place;
        self.error(format!("error calling {name}: {}", failure.message), failure.cause)
    }
}
