//! Calls: arguments are evaluated for the parameter's type, checked as Go's reflection checks them, and handed over.

use super::ast::{Expression, Place, Term};
use super::exec::{Evaluated, Operand, Shape, State};
use super::function::{Arguments, Body, Context, Failure, Function, Method, Type};
use super::value::{FloatType, IntType, UintType, Value};

impl<'a> State<'a, '_> {
    /// Calls a function; `arguments` begin with the function's own name, unless there are none.
    pub(super) fn call_function(
        &mut self,
        dot: &Operand,
        function: &'a Function,
        place: Place<'a>,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let arguments = arguments.get(1..).unwrap_or(&[]);
        self.check_count(function.name(), &function.parameters, function.variadic, arguments.len(), last.is_some())?;
        if let Body::And | Body::Or = function.body {
            return self.and_or(dot, matches!(function.body, Body::Or), arguments, last);
        }
        let operands = self.operands(dot, &function.parameters, function.variadic, arguments, last)?;
        let outcome = match &function.body {
            Body::Reflect(call) => call(&operands),
            Body::Call => {
                let name = match (arguments.first(), operands.first().map(|operand| &operand.value)) {
                    (Some(argument), _) => argument.to_string(),
                    (None, Some(Value::String(text))) => text.to_text().into_owned(),
                    (None, Some(value)) => format!("<{} Value>", value.type_name()),
                    (None, None) => String::new(),
                };
                Err(super::builtin::call(&name, operands.first()))
            }
            Body::Native(call) => {
                let values: Vec<Value> = operands.into_iter().map(|operand| operand.value).collect();
                call(&mut self.context(), Arguments(&values)).map(returned)
            }
            Body::Closure(call) => {
                let values: Vec<Value> = operands.into_iter().map(|operand| operand.value).collect();
                call(&mut self.context(), Arguments(&values)).map(returned)
            }
            Body::And | Body::Or => Ok(Operand::INVALID),
        };
        self.finish(outcome, place, function.name())
    }

    /// Calls a method of a value.
    pub(super) fn call_method(
        &mut self,
        dot: &Operand,
        method: &'static Method,
        receiver: Value,
        place: Place<'a>,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let shape = Function::new(method.name, method.signature, Body::Native(method.call));
        let arguments = arguments.get(1..).unwrap_or(&[]);
        self.check_count(method.name, &shape.parameters, shape.variadic, arguments.len(), last.is_some())?;
        let operands = self.operands(dot, &shape.parameters, shape.variadic, arguments, last)?;
        let mut values = vec![receiver];
        values.extend(operands.into_iter().map(|operand| operand.value));
        let outcome = (method.call)(&mut self.context(), Arguments(&values)).map(returned);
        self.finish(outcome, place, method.name)
    }

    fn finish(&mut self, outcome: Result<Operand, Failure>, place: Place<'a>, name: &str) -> Evaluated<Operand> {
        match outcome {
            Ok(operand) => {
                if let Value::String(bytes) = &operand.value {
                    self.spend(bytes.len())?;
                }
                Ok(operand)
            }
            Err(failure) => Err(self.call_failed(place, name, failure)),
        }
    }

    fn context(&mut self) -> Context<'_> {
        Context { options: self.options, scope: self.scope, budget: self.budget, depth: self.depth }
    }

    fn check_count(
        &self,
        name: &str,
        parameters: &[Type],
        variadic: bool,
        written: usize,
        piped: bool,
    ) -> Evaluated<()> {
        let given = written + usize::from(piped);
        if variadic {
            let fixed = parameters.len().saturating_sub(1);
            if given < fixed {
                return self.fail(format!("wrong number of args for {name}: want at least {fixed} got {written}"));
            }
        } else if given != parameters.len() {
            return self.fail(format!("wrong number of args for {name}: want {} got {given}", parameters.len()));
        }
        Ok(())
    }

    fn operands(
        &mut self,
        dot: &Operand,
        parameters: &[Type],
        variadic: bool,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Vec<Operand>> {
        // A variadic last parameter takes every argument from its index on.
        let parameter = |index: usize| match parameters.get(index) {
            Some(parameter) => *parameter,
            None if variadic => parameters.last().copied().unwrap_or(Type::Any),
            None => Type::Any,
        };
        let mut operands = Vec::with_capacity(arguments.len() + 1);
        for (index, argument) in arguments.iter().enumerate() {
            operands.push(self.argument(dot, Some(parameter(index)), argument)?);
        }
        if let Some(last) = last {
            operands.push(self.validate(last, Some(parameter(arguments.len())))?);
        }
        Ok(operands)
    }

    /// `and` and `or` stop at the first argument that decides, and return it.
    fn and_or(
        &mut self,
        dot: &Operand,
        or: bool,
        arguments: &'a [Expression],
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let mut value = Operand::INVALID;
        for argument in arguments {
            value = self.argument(dot, Some(Type::Reflect), argument)?;
            if value.value.is_true() == or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter of a type; without one, for a field of it.
    pub(super) fn argument(
        &mut self,
        dot: &Operand,
        parameter: Option<Type>,
        expression: &'a Expression,
    ) -> Evaluated<Operand> {
        self.at(expression);
        let operand = match &expression.term {
            Term::Dot => dot.clone(),
            Term::Nil => {
                let Some(parameter) = parameter else { return self.fail("indirection through explicit nil in nil") };
                return match parameter.nil() {
                    Some(nil) if parameter == Type::Reflect => Ok(Operand::of(nil)),
                    Some(nil) => Ok(boxed(nil, parameter)),
                    None => self.fail(format!("cannot assign nil to {}", parameter.name())),
                };
            }
            Term::Field(fields) => self.field_chain(dot, dot.clone(), expression, fields, &[], None)?,
            Term::Variable(..) => self.variable(dot, expression, &[], None)?,
            Term::Pipe(pipe) => self.pipeline(dot, pipe)?,
            Term::Function(function) => self.call_function(dot, function, Place::Expression(expression), &[], None)?,
            Term::Chain(..) => self.chain(dot, expression, &[], None)?,
            Term::Bool(_) | Term::Number(_) | Term::String(..) => return self.literal(parameter, expression),
        };
        self.validate(operand, parameter)
    }

    /// A literal takes the parameter's type where Go's untyped constants would.
    fn literal(&mut self, parameter: Option<Type>, expression: &'a Expression) -> Evaluated<Operand> {
        let value = match (parameter, &expression.term) {
            (None | Some(Type::Any | Type::Reflect), _) => return self.constant(expression),
            (Some(Type::Bool), Term::Bool(b)) => Value::Bool(*b),
            (Some(Type::Bool), _) => return self.fail(format!("expected bool; found {expression}")),
            (Some(Type::String), Term::String(text, _)) => Value::String(text.clone()),
            (Some(Type::String), _) => return self.fail(format!("expected string; found {expression}")),
            (Some(integer @ (Type::Int | Type::Int64 | Type::Duration)), term) => match (term, integer) {
                (Term::Number(number), integer) => match (number.int, integer) {
                    (Some(n), Type::Int) => Value::Int(n, IntType::Int),
                    (Some(n), Type::Duration) => Value::Int(n, IntType::Duration),
                    (Some(n), _) => Value::Int(n, IntType::Int64),
                    (None, _) => return self.fail(format!("expected integer; found {expression}")),
                },
                _ => return self.fail(format!("expected integer; found {expression}")),
            },
            (Some(Type::Uint32), Term::Number(number)) => match number.uint {
                Some(n) => Value::Uint(n & u64::from(u32::MAX), UintType::Uint32),
                None => return self.fail(format!("expected unsigned integer; found {expression}")),
            },
            (Some(Type::Uint32), _) => return self.fail(format!("expected unsigned integer; found {expression}")),
            (Some(Type::Float64), Term::Number(number)) => match number.float {
                Some(f) => Value::Float(f, FloatType::Float64),
                None => return self.fail(format!("expected float; found {expression}")),
            },
            (Some(Type::Float64), _) => return self.fail(format!("expected float; found {expression}")),
            (Some(parameter), _) => {
                return self.fail(format!("can't handle {expression} for arg of type {}", parameter.name()));
            }
        };
        Ok(Operand::of(value))
    }

    /// Whether the value can be handed to a parameter of the type.
    fn validate(&self, operand: Operand, parameter: Option<Type>) -> Evaluated<Operand> {
        let Some(parameter) = parameter else { return Ok(operand) };
        if !operand.is_valid() {
            return match parameter.nil() {
                Some(_) if parameter == Type::Reflect => Ok(operand),
                Some(nil) => Ok(boxed(nil, parameter)),
                None => self.fail(format!("invalid value; expected {}", parameter.name())),
            };
        }
        if parameter == Type::Reflect || parameter == Type::Any {
            return Ok(operand);
        }
        if operand.is_nil_interface() {
            return self.fail(format!("wrong type for value; expected {}; got interface {{}}", parameter.name()));
        }
        if parameter.accepts(&operand.value) {
            return Ok(operand);
        }
        let got = operand.value.type_name();
        self.fail(format!("wrong type for value; expected {}; got {got}", parameter.name()))
    }
}

/// What a function of the program returned: nil sits in an interface.
fn returned(value: Value) -> Operand {
    let shape = if matches!(value, Value::Nil) { Shape::Interface } else { Shape::Concrete };
    Operand { value, shape }
}

fn boxed(value: Value, parameter: Type) -> Operand {
    let shape = if parameter == Type::Any { Shape::Interface } else { Shape::Concrete };
    Operand { value, shape }
}
