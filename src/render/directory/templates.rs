//! Directories of minijinja templates (`templates: minijinja` of fleet.yaml): `*.yaml.j2`, `*.yml.j2` and `*.json.j2` become manifests.
//!
//! What templates see is in the job and nothing else: `app`, `cluster`, `values`. They may include and extend each other by their path below
//! the directory. A name that nobody set is an error, work and output are bounded, and nothing is read outside the directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::path::FilePath;
use crate::span::{SourceFile, Span};
use crate::world::{EntryKind, World};
use crate::yaml::{self, Map, Node, Tag, View, bool_value};

/// Ending of the name of a template.
pub(super) const ENDING: &str = ".j2";
/// Instructions that a template may take.
const FUEL: u64 = 2_000_000;
/// Bytes that a template may give.
const MAX_OUTPUT: usize = 16 << 20;
/// Folders inside each other that are looked into for templates.
const MAX_DEPTH: usize = 64;

/// The templates of a directory.
pub(super) struct Templates {
    environment: Environment<'static>,
    files: BTreeMap<String, Arc<SourceFile>>,
    scope: Value,
}

impl Templates {
    /// Reads all templates below a directory. Those that are no templates are known as such here already.
    ///
    /// # Errors
    /// A template cannot be read, or its syntax is wrong.
    pub(super) fn load(world: &dyn World, directory: &FilePath, scope: &Node) -> Result<Self, Diagnostics> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("toyaml", |value: Value| -> Result<String, Error> {
            node(&value, 0).map(|node| yaml::emit::to_yaml(&node).trim_end().to_owned())
        });
        let mut templates = Templates { environment, files: BTreeMap::new(), scope: value(scope) };
        let mut found = Diagnostics::new();
        templates.collect(world, directory, directory, 0, &mut found)?;
        if found.has_errors() { Err(found) } else { Ok(templates) }
    }

    fn collect(
        &mut self,
        world: &dyn World,
        top: &FilePath,
        directory: &FilePath,
        depth: usize,
        found: &mut Diagnostics,
    ) -> Result<(), Diagnostics> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        for entry in world.list(directory)?.iter() {
            let Ok(path) = directory.join(&entry.name) else { continue };
            if entry.kind == EntryKind::Directory {
                self.collect(world, top, &path, depth + 1, found)?;
            } else if entry.kind.is_file() && entry.name.ends_with(ENDING) {
                let Some(file) = found.take(world.read(&path)) else { continue };
                let Some(name) = path.path.below(&top.path).map(str::to_owned) else { continue };
                let Ok(text) = std::str::from_utf8(&file.bytes) else {
                    let message = format!("the template `{}` is not UTF-8", file.display);
                    found.push(Diagnostic::error("render/template", Span::new(file.id, 0, 0), message));
                    continue;
                };
                let parsed = self.environment.add_template_owned(name.clone(), text.to_owned());
                self.files.insert(name, Arc::clone(&file));
                if let Err(error) = parsed {
                    found.push(self.diagnostic(&error, &file));
                }
            }
        }
        Ok(())
    }

    /// What a template gives. `name` is its path below the directory.
    ///
    /// # Errors
    /// What is wrong with it, or with a template that it includes.
    pub(super) fn render(&self, name: &str, file: &SourceFile) -> Checked<String> {
        let rendered = self.environment.get_template(name).and_then(|template| {
            let mut out = Bounded(Vec::new());
            template.render_captured_to(self.scope.clone(), &mut out)?;
            String::from_utf8(out.0).map_err(|_| Error::new(ErrorKind::BadSerialization, "the output is not UTF-8"))
        });
        rendered.map_err(|error| self.diagnostic(&error, file).into())
    }

    /// An error at its line, in the template in which it is.
    fn diagnostic(&self, error: &Error, file: &SourceFile) -> Diagnostic {
        let mut causes = vec![];
        let mut inner: &Error = error;
        // An error in an included template is the source of that of the `include`.
        while let Some(source) = std::error::Error::source(inner).and_then(|source| source.downcast_ref::<Error>()) {
            causes.push(self.place(inner, file));
            inner = source;
        }
        let reason = inner.detail().map_or_else(
            || inner.kind().to_string(),
            |detail| match inner.kind() {
                ErrorKind::UndefinedError => format!("{}: {detail}", inner.kind()),
                _ => detail.to_owned(),
            },
        );
        let message = match inner.kind() {
            ErrorKind::OutOfFuel => format!("the template takes more than {FUEL} steps"),
            ErrorKind::WriteFailure => format!("the template gives more than {MAX_OUTPUT} bytes"),
            _ => format!("the template cannot be rendered: {reason}"),
        };
        let mut found = Diagnostic::error("render/template", self.place(inner, file), message);
        if inner.kind() == ErrorKind::UndefinedError {
            found = found.hint(
                "in scope are `app`, `cluster` and `values`; `{{ x | default(…) }}` allows for what may be missing",
            );
        }
        causes.into_iter().rev().fold(found, |found, span| found.trace(span, "included here"))
    }

    fn place(&self, error: &Error, file: &SourceFile) -> Span {
        let known = error.name().and_then(|name| self.files.get(name)).map_or(file, |file| file);
        let line = error.line().unwrap_or(1).max(1);
        let mut start = 0;
        for (at, text) in known.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if at + 1 == line {
                let indent = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let end = text.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(indent, |last| last + 1);
                return Span::new(known.id, start + indent, start + end);
            }
            start += text.len();
        }
        Span::new(known.id, 0, 0)
    }
}

/// Output with an end.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other("too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Data for templates.
fn value(node: &Node) -> Value {
    match node.view() {
        View::Seq(items) => items.iter().map(value).collect(),
        View::Map(map) => {
            Value::from_pairs(map.iter().map(|(key, item)| (yaml::sigs::key_text(key).into_owned(), value(item))))
        }
        View::Scalar(Tag::Null, _) => Value::from(()),
        View::Scalar(Tag::Bool, text) => Value::from(bool_value(text).unwrap_or_default()),
        View::Scalar(Tag::Int | Tag::Float, text) => match node.number() {
            Some(yaml::Number::Int(number)) => Value::from(number),
            Some(yaml::Number::Uint(number)) => Value::from(number),
            Some(yaml::Number::Float(number)) => Value::from(number),
            None => Value::from(text),
        },
        View::Scalar(_, text) => Value::from(text),
    }
}

/// Data of templates, for `toyaml`.
fn node(value: &Value, depth: usize) -> Result<Node, Error> {
    use minijinja::value::ValueKind;
    let wrong = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("`toyaml` does not take {what}")));
    if depth > MAX_DEPTH {
        return wrong("so many values inside each other");
    }
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Node::null(),
        ValueKind::Bool => Node::bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) => Node::int(number),
            Err(_) => match f64::try_from(value.clone()).ok().and_then(yaml::json_float) {
                Some(text) => Node::scalar(Tag::Float, text),
                None => return wrong("this number"),
            },
        },
        ValueKind::String => Node::str(value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            Node::seq(value.try_iter()?.map(|item| node(&item, depth + 1)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut out = Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                out.push(Node::str(key.to_string()), node(&item, depth + 1)?);
            }
            Node::map(out)
        }
        _ => return wrong("this value"),
    })
}
