//! jq path expressions: what a path names is removed.
//!
//! Argo CD runs `del(EXPRESSION)` in gojq. Here jaq runs `path(EXPRESSION)` and the paths are deleted natively: jaq's own `del` differs from
//! gojq's where a path is absent. An expression that fails on an object removes nothing from it, as there.
//!
//! jaq cannot be stopped from outside, and Argo CD's limit is one second. So what could run on is refused when it is compiled: definitions,
//! loops (`range`, `repeat`, `while`, `until`, `recurse(f)`…), repetition of strings (`*`), and whatever looks outside of the object
//! (`now`, `env`, `input`…). Regular expressions are matched in linear time. `..` and `recurse` without arguments end with the object.
//! [`MAX_PATHS`] bounds what is taken.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, data, unwrap_valr};
use jaq_json::{Num, Val};

use crate::yaml::{Node, Number, Tag, View};

/// A compiled path expression.
pub struct JqPath {
    text: String,
    filter: Filter<data::JustLut<Val>>,
}

/// Paths that one expression may name in one object.
const MAX_PATHS: usize = 100_000;
/// Bytes of an expression.
const MAX_TEXT: usize = 8 << 10;
/// Brackets inside each other.
const MAX_DEPTH: usize = 64;

/// Words that may not be called.
const REFUSED: [&str; 25] = [
    "def",
    "range",
    "repeat",
    "while",
    "until",
    "limit",
    "combinations",
    "walk",
    "input",
    "inputs",
    "debug",
    "stderr",
    "now",
    "localtime",
    "gmtime",
    "mktime",
    "strftime",
    "strflocaltime",
    "env",
    "halt",
    "halt_error",
    "import",
    "include",
    "input_filename",
    "input_line_number",
];
/// Words that may be called without arguments only.
const WITHOUT_ARGUMENTS: [&str; 1] = ["recurse"];

impl std::fmt::Debug for JqPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JqPath({:?})", self.text)
    }
}

impl JqPath {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is no jq, or could run for ever.
    pub fn new(text: &str) -> Result<Self, String> {
        check(text)?;
        // jq's own, which jaq leaves out.
        let prelude = "def IN(s): any(s == .; .); def IN(src; s): any(src == s; .);";
        let code = format!("{prelude} path({text}\n)");
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let wrong = || format!("`{text}` is no jq path expression");
        let modules = Loader::new(definitions).load(&arena, File { path: (), code: &code }).map_err(|_| wrong())?;
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|_| wrong())?;
        Ok(JqPath { text: text.to_owned(), filter })
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Removes what it names. Whether it could be run on the object.
    pub fn remove(&self, object: &mut Node) -> bool {
        let Some(mut paths) = self.paths(object) else { return false };
        // Deeper and later ones first, so that places stay what they are.
        paths.sort();
        paths.dedup();
        for path in paths.iter().rev() {
            remove(object, path);
        }
        true
    }

    fn paths(&self, object: &Node) -> Option<Vec<Vec<Step>>> {
        let context = Ctx::<data::JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let mut paths = Vec::new();
        for path in self.filter.id.run((context, value_of(object))).map(unwrap_valr) {
            let Ok(Val::Arr(steps)) = path else { return None };
            if paths.len() >= MAX_PATHS {
                return None;
            }
            if let Some(found) = resolve(object, &steps) {
                paths.extend(found);
            }
        }
        Some(paths)
    }
}

/// A step to something that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Field(String),
    At(usize),
}

/// A path as jq gives it, in steps; `None` where it leads to nothing. A slice at its end stands for several.
fn resolve(object: &Node, steps: &[Val]) -> Option<Vec<Vec<Step>>> {
    let mut node = object;
    let mut path = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Val::TStr(name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                node = node.get(&name)?;
                path.push(Step::Field(name));
            }
            Val::Num(Num::Int(index)) => {
                let items = node.as_seq()?;
                let index = super::pointer::place(items.len(), &index.to_string())?;
                node = items.get(index)?;
                path.push(Step::At(index));
            }
            Val::Obj(slice) if at + 1 == steps.len() => {
                let len = node.as_seq()?.len();
                let bound = |key: &str, default: usize| match slice.get(&Val::from(key.to_owned())) {
                    Some(Val::Num(Num::Int(n))) if *n < 0 => len.saturating_sub(n.unsigned_abs()),
                    Some(Val::Num(Num::Int(n))) => n.unsigned_abs().min(len),
                    _ => default,
                };
                let range = bound("start", 0)..bound("end", len);
                return Some(range.map(|at| path.iter().cloned().chain([Step::At(at)]).collect()).collect());
            }
            _ => return None,
        }
    }
    (!path.is_empty()).then(|| vec![path])
}

fn remove(object: &mut Node, path: &[Step]) {
    let Some((last, before)) = path.split_last() else { return };
    let mut node = object;
    for step in before {
        let next = match step {
            Step::Field(name) => node.get_mut(name),
            Step::At(at) => node.seq_mut().and_then(|items| items.get_mut(*at)),
        };
        let Some(next) = next else { return };
        node = next;
    }
    match last {
        Step::Field(name) => {
            node.map_mut().and_then(|map| map.remove(name));
        }
        Step::At(at) => {
            if let Some(items) = node.seq_mut().filter(|items| *at < items.len()) {
                items.remove(*at);
            }
        }
    }
}

fn value_of(node: &Node) -> Val {
    match node.view() {
        View::Map(map) => {
            let entries =
                map.iter().map(|(key, value)| (Val::from(key.text().unwrap_or_default().to_owned()), value_of(value)));
            Val::obj(entries.collect())
        }
        View::Seq(items) => items.iter().map(value_of).collect(),
        View::Scalar(Tag::Null, _) => Val::Null,
        View::Scalar(Tag::Bool, _) => Val::Bool(node.as_bool().unwrap_or(false)),
        View::Scalar(Tag::Int | Tag::Float, text) => match node.number() {
            Some(Number::Int(n)) => isize::try_from(n).map_or_else(|_| Val::from(n.to_string()), Val::from),
            Some(other) => Val::from(other.as_f64()),
            None => Val::from(text.to_owned()),
        },
        View::Scalar(_, text) => Val::from(text.to_owned()),
    }
}

/// Refuses what could run for ever or looks outside of the object. Strings are skipped but for what is interpolated into them.
fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT || text.trim().is_empty() {
        return Err("a jq path expression is empty or longer than 8 KiB".to_owned());
    }
    let refuse = |what: &str| {
        Err(format!("`{what}` is not allowed in the jq path expression `{text}`, which must name fields only"))
    };
    // Per open bracket, whether it is an interpolation inside a string.
    let mut open: Vec<bool> = Vec::new();
    let mut in_string = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if in_string {
            match byte {
                b'"' => in_string = false,
                b'\\' if bytes.get(at + 1) == Some(&b'(') => {
                    open.push(true);
                    in_string = false;
                    at += 1;
                }
                b'\\' => at += 1,
                _ => {}
            }
            at += 1;
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'(' | b'[' | b'{' => open.push(false),
            b')' | b']' | b'}' => match open.pop() {
                Some(interpolation) => in_string = interpolation,
                None => return refuse(")"),
            },
            b'#' => return refuse("#"),
            b'*' => return refuse("*"),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
                let end = end.map_or(bytes.len(), |length| at + length);
                let word = text.get(at..end).unwrap_or_default();
                let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
                let is_name = matches!(before, Some(b'.' | b'$' | b'@'));
                let called = text.get(end..).is_some_and(|rest| rest.trim_start().starts_with('('));
                if (!is_name && REFUSED.contains(&word))
                    || (before == Some(b'$') && ["ENV", "__prog_args"].contains(&word))
                    || (!is_name && called && WITHOUT_ARGUMENTS.contains(&word))
                {
                    return refuse(word);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        if open.len() > MAX_DEPTH {
            return refuse("more than 64 brackets inside each other");
        }
        at += 1;
    }
    Ok(())
}
