//! Tokens → trees, with Go's syntax errors in Go's words.
//!
//! One parse yields several trees: the text itself, and every `define` and `block` in it. Functions must be known when parsing, as in
//! Go. Refused beyond Go: nesting of more than [`MAX_NESTING`] blocks or parentheses (Go: 10,000 parentheses, any number of blocks),
//! which keeps parser, printer and executor from exhausting the stack.

use std::sync::Arc;

use super::ast::{Branch, Command, Expression, List, Node, Pipe, Source, Term, Tree};
use super::error::TemplateError;
use super::function::Functions;
use super::lex::{Kind, Lexer, Token, Word};
use super::number;

/// Blocks and parentheses inside each other.
const MAX_NESTING: u32 = 100;

type Parsed<T> = Result<T, TemplateError>;

/// Parses a text into the trees that it defines, its own first. No two trees have one name.
pub(super) fn parse(name: &str, text: &str, functions: &Functions) -> Parsed<Vec<Tree>> {
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let mut parser = Parser {
        lexer: Lexer::new(text),
        pending: Vec::with_capacity(3),
        last: Token { kind: Kind::End, position: 0, line: 1, text: "".into() },
        source: &source,
        functions,
        trees: Vec::new(),
        scope: Scope::new(),
        nesting: 0,
    };
    let root = parser.root()?;
    parser.add(Tree { name: name.to_owned(), source: Arc::clone(&source), root })?;
    let mut trees = parser.trees;
    if let Some(index) = trees.iter().position(|tree| tree.name == name) {
        trees.swap(0, index);
    }
    Ok(trees)
}

/// What belongs to the tree under way.
struct Scope {
    variables: Vec<String>,
    ranges: u32,
    /// Line of the action under way, 0 outside.
    action_line: u32,
}

impl Scope {
    fn new() -> Self {
        Self { variables: vec!["$".to_owned()], ranges: 0, action_line: 0 }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Tokens pushed back; the last one comes first.
    pending: Vec<Token<'a>>,
    /// The token lexed last: Go reports its line.
    last: Token<'a>,
    source: &'a Arc<Source>,
    functions: &'a Functions,
    trees: Vec<Tree>,
    scope: Scope,
    nesting: u32,
}

/// What a list of nodes can end with.
enum Item {
    Node(Node),
    End,
    Else,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Token<'a> {
        if let Some(token) = self.pending.pop() {
            return token;
        }
        let token = self.lexer.next();
        self.last = token.clone();
        token
    }

    fn back(&mut self, token: Token<'a>) {
        self.pending.push(token);
    }

    fn peek(&mut self) -> Kind {
        if let Some(token) = self.pending.last() {
            return token.kind;
        }
        let token = self.next();
        let kind = token.kind;
        self.back(token);
        kind
    }

    fn next_non_space(&mut self) -> Token<'a> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'a> {
        let token = self.next_non_space();
        self.back(token.clone());
        token
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(TemplateError::syntax(&self.source.name, self.last.line, self.last.position, reason.into()))
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {token} in {context}"));
        }
        let started = self.scope.action_line;
        if started == 0 || started == token.line {
            return self.fail(token.to_string());
        }
        let action = if token.text.ends_with(" action") { "" } else { " in action" };
        self.fail(format!("{token}{action} started at {}:{started}", self.source.name))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// Adds a tree; a second one of that name must be empty, or replaces an empty one.
    fn add(&mut self, tree: Tree) -> Parsed<()> {
        match self.trees.iter_mut().find(|old| old.name == tree.name) {
            None => self.trees.push(tree),
            Some(old) if old.is_empty() => *old = tree,
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                let name = super::fmt::quote(tree.name.as_bytes());
                return self.fail(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn root(&mut self) -> Parsed<List> {
        let mut list = List::default();
        while self.peek() != Kind::End {
            if self.peek() == Kind::LeftDelimiter {
                let delimiter = self.next();
                let token = self.next_non_space();
                if token.kind == Kind::Word(Word::Define) {
                    let outer = std::mem::replace(&mut self.scope, Scope::new());
                    self.definition()?;
                    self.scope = outer;
                    continue;
                }
                self.back(token);
                self.back(delimiter);
            }
            match self.text_or_action()? {
                Item::Node(node) => list.nodes.push(node),
                Item::End => return self.fail("unexpected {{end}}"),
                Item::Else => return self.fail("unexpected {{else}}"),
            }
        }
        Ok(list)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        self.body(name, CONTEXT)
    }

    /// The rest of a `define` or `block`.
    fn body(&mut self, name: String, context: &str) -> Parsed<()> {
        let (root, end) = self.items()?;
        if !matches!(end, Item::End) {
            return self.fail(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.add(Tree { name, source: Arc::clone(self.source), root })
    }

    /// Nodes up to an `end` or `else`.
    fn items(&mut self) -> Parsed<(List, Item)> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail("max block depth exceeded");
        }
        let mut list = List::default();
        while self.peek_non_space().kind != Kind::End {
            match self.text_or_action()? {
                Item::Node(node) => list.nodes.push(node),
                end => {
                    self.nesting -= 1;
                    return Ok((list, end));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => {
                let range = token.position..token.position + token.text.len();
                Ok(Item::Node(Node::Text(token.position, range)))
            }
            Kind::LeftDelimiter => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        Ok(Item::Node(match token.kind {
            Kind::Word(Word::Block) => self.block()?,
            Kind::Word(Word::Break) => {
                self.jump("break")?;
                Node::Break(token.position)
            }
            Kind::Word(Word::Continue) => {
                self.jump("continue")?;
                Node::Continue(token.position)
            }
            Kind::Word(Word::Else) => {
                let next = self.peek_non_space();
                if !matches!(next.kind, Kind::Word(Word::If | Word::With)) {
                    self.expect(Kind::RightDelimiter, "else")?;
                }
                return Ok(Item::Else);
            }
            Kind::Word(Word::End) => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Item::End);
            }
            Kind::Word(Word::If) => Node::If(self.branch("if")?),
            Kind::Word(Word::Range) => Node::Range(self.branch("range")?),
            Kind::Word(Word::With) => Node::With(self.branch("with")?),
            Kind::Word(Word::Template) => self.template()?,
            _ => {
                let position = token.position;
                self.back(token);
                Node::Action(position, self.pipeline("command", Kind::RightDelimiter)?)
            }
        }))
    }

    fn jump(&mut self, word: &str) -> Parsed<()> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelimiter {
            return self.unexpected(&token, &format!("{{{{{word}}}}}"));
        }
        if self.scope.ranges == 0 {
            return self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(())
    }

    fn branch(&mut self, context: &str) -> Parsed<Branch> {
        let variables = self.scope.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelimiter)?;
        let ranges = u32::from(context == "range");
        self.scope.ranges += ranges;
        let (list, end) = self.items()?;
        self.scope.ranges -= ranges;
        let mut else_list = None;
        if matches!(end, Item::Else) {
            let next = self.peek();
            let nested = match (context, next) {
                ("if", Kind::Word(Word::If)) => Some("if"),
                ("with", Kind::Word(Word::With)) => Some("with"),
                _ => None,
            };
            if let Some(nested) = nested {
                self.next();
                self.nesting += 1;
                if self.nesting > 10 * MAX_NESTING {
                    return self.fail("max block depth exceeded");
                }
                let branch = self.branch(nested)?;
                self.nesting -= 1;
                let node = if nested == "if" { Node::If(branch) } else { Node::With(branch) };
                else_list = Some(List { nodes: vec![node] });
            } else {
                let (list, end) = self.items()?;
                if !matches!(end, Item::End) {
                    return self.fail("expected end; found {{else}}");
                }
                else_list = Some(list);
            }
        }
        self.scope.variables.truncate(variables);
        Ok(Branch { position: pipe.position, pipe, list, else_list })
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        self.body(name.clone(), CONTEXT)?;
        self.scope = outer;
        Ok(Node::Template(token.position, name, Some(pipe)))
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let next = self.next_non_space();
        let mut pipe = None;
        if next.kind != Kind::RightDelimiter {
            self.back(next);
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?);
        }
        Ok(Node::Template(token.position, name, pipe))
    }

    fn template_name(&self, token: &Token<'_>, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        match number::unquote(&token.text) {
            Ok(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
            Err(reason) => self.fail(reason),
        }
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let first = self.peek_non_space();
        let mut pipe =
            Pipe { position: first.position, assigns: false, declarations: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Word(Word::Nil)
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    pipe.commands.push(self.command()?);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = command.arguments.first().map(|argument| &argument.term);
            if let Some(Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String(..)) = first {
                return self.fail(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, `$i, $x :=`; anything else is left for the commands.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        loop {
            let variable = self.next_non_space();
            if variable.kind != Kind::Variable {
                self.back(variable);
                return Ok(());
            }
            let after = self.next();
            let spaced = after.kind == Kind::Space;
            let next = if spaced { self.next_non_space() } else { after.clone() };
            let comma = next.kind == Kind::Char && next.text == ",";
            if !comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                // No declaration: the space goes back as well, since it separates arguments.
                self.back(next);
                if spaced {
                    self.back(after);
                }
                self.back(variable);
                return Ok(());
            }
            let name = variable.text.into_owned();
            pipe.declarations.push(name.clone());
            self.scope.variables.push(name);
            if !comma {
                pipe.assigns = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.declarations.len() >= 2 {
                return self.fail(format!("too many declarations in {context}"));
            }
            match self.peek_non_space().kind {
                Kind::Variable | Kind::RightDelimiter | Kind::RightParen => {}
                _ => return self.fail("range can only initialize variables"),
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_non_space().position;
        let mut arguments = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                arguments.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelimiter | Kind::RightParen => self.back(token),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if arguments.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { position, arguments })
    }

    /// A term with the fields behind it.
    fn operand(&mut self) -> Parsed<Option<Expression>> {
        let Some(mut expression) = self.expression()? else { return Ok(None) };
        if self.peek() != Kind::Field {
            return Ok(Some(expression));
        }
        let token = self.next();
        // Go places a chain at its second part.
        let position = token.position;
        let mut fields = vec![field_name(&token.text)];
        while self.peek() == Kind::Field {
            fields.push(field_name(&self.next().text));
        }
        match &mut expression.term {
            Term::Field(own) | Term::Variable(_, own) => {
                own.append(&mut fields);
                expression.position = position;
                Ok(Some(expression))
            }
            Term::Bool(_) | Term::String(..) | Term::Number(_) | Term::Nil | Term::Dot => {
                let term = super::fmt::quote(expression.to_string().as_bytes());
                self.fail(format!("unexpected . after term {term}"))
            }
            _ => Ok(Some(Expression { position, term: Term::Chain(Box::new(expression), fields) })),
        }
    }

    fn expression(&mut self) -> Parsed<Option<Expression>> {
        let token = self.next_non_space();
        let position = token.position;
        let term = match token.kind {
            Kind::Identifier => match self.functions.get(&token.text) {
                Some(function) => Term::Function(Arc::clone(function)),
                None => return self.fail(format!("function {} not defined", super::fmt::quote(token.text.as_bytes()))),
            },
            Kind::Dot => Term::Dot,
            Kind::Word(Word::Nil) => Term::Nil,
            Kind::Variable => {
                if !self.scope.variables.iter().any(|name| *name == token.text) {
                    return self.fail(format!("undefined variable {}", super::fmt::quote(token.text.as_bytes())));
                }
                Term::Variable(token.text.into_owned(), Vec::new())
            }
            Kind::Field => Term::Field(vec![field_name(&token.text)]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::CharConstant => Term::Number(number::parse_char(&token.text).or_else(|reason| self.fail(reason))?),
            Kind::Complex => Term::Number(number::parse_complex(&token.text).or_else(|reason| self.fail(reason))?),
            Kind::Number => Term::Number(number::parse_number(&token.text).or_else(|reason| self.fail(reason))?),
            Kind::LeftParen => {
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return self.fail("max expression depth exceeded");
                }
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.nesting -= 1;
                Term::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => {
                let text = number::unquote(&token.text).or_else(|reason| self.fail(reason))?;
                Term::String(text.into(), token.text.into_owned())
            }
            _ => {
                self.back(token);
                return Ok(None);
            }
        };
        Ok(Some(Expression { position, term }))
    }
}

/// A field token without its dot.
fn field_name(text: &str) -> String {
    text.strip_prefix('.').unwrap_or(text).to_owned()
}
