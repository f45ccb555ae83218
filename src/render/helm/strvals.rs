//! The language of `--set` and its kin: `a.b=1,list[2].c={x,y}`, with `\` before what would end a part.
//!
//! Values are typed as Helm types them: `true`, `false`, `null` in any case, whole numbers that do not begin with 0 as int64, the rest text.
//! (Helm: pkg/strvals.) Refused as there: names over 30 deep, indexes over 65,536.

use crate::template::helm::parse_json_prefix;
use crate::template::{Map, Value};

use super::values::empty;

/// How the text behind `=` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--set`
    Typed,
    /// `--set-string`
    Text,
    /// `--set-json`
    Json,
}

const MAX_INDEX: usize = 65_536;
const MAX_NESTING: usize = 30;

/// Why reading stops: the end of the text, or an error.
enum Stop {
    End,
    Failed(String),
}

type Read<T> = Result<T, Stop>;

fn failed<T>(message: impl Into<String>) -> Read<T> {
    Err(Stop::Failed(message.into()))
}

/// Sets what a text says in a map.
///
/// # Errors
/// What is wrong with the text, in Helm's words.
pub fn set(text: &str, kind: Kind, values: &Map) -> Result<(), String> {
    let typed = move |text: &str| Ok(if kind == Kind::Text { Value::from(text) } else { typed_value(text) });
    Parser { rest: text, json: kind == Kind::Json, value: &typed }.all(values)
}

/// Sets what a text says in a map, with what `read` makes of the values: `--set-file`.
///
/// # Errors
/// As [`set`], and those of `read`.
pub fn set_with(text: &str, values: &Map, read: &dyn Fn(&str) -> Result<Value, String>) -> Result<(), String> {
    Parser { rest: text, json: false, value: read }.all(values)
}

/// `--set-literal`: everything behind the first `=` is the text; the name may be dotted and indexed.
///
/// # Errors
/// As [`set`].
pub fn set_literal(text: &str, values: &Map) -> Result<(), String> {
    let (name, value) = split_name(text);
    let Some(value) = value else {
        return if name.is_empty() { Ok(()) } else { Err(format!("key {name:?} has no value")) };
    };
    let literal = |_: &str| Ok(Value::from(value));
    Parser { rest: &format!("{name}=x"), json: false, value: &literal }.all(values)
}

/// The name up to the first `=` that is not escaped.
fn split_name(text: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' => return (&text[..at], text.get(at + 1..)),
            _ => {}
        }
    }
    (text, None)
}

struct Parser<'t> {
    rest: &'t str,
    json: bool,
    value: &'t dyn Fn(&str) -> Result<Value, String>,
}

impl Parser<'_> {
    fn all(mut self, values: &Map) -> Result<(), String> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Failed(message)) => return Err(message),
            }
        }
    }

    /// Text up to one of some characters, which is consumed; `Err` with the text where none comes.
    fn until(&mut self, stops: &[char]) -> Result<(String, char), String> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            if stops.contains(&c) {
                self.rest = chars.as_str();
                return Ok((text, c));
            }
            if c == '\\' {
                match chars.next() {
                    Some(next) => text.push(next),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        self.rest = "";
        Err(text)
    }

    fn key(&mut self, values: &Map, mut nesting: usize) -> Read<()> {
        let (name, stop) = match self.until(&['=', '[', ',', '.']) {
            Ok(found) => found,
            Err(name) if name.is_empty() => return Err(Stop::End),
            Err(name) => return failed(format!("key {name:?} has no value")),
        };
        let put = |value: Value| {
            if !name.is_empty() {
                values.insert(name.as_str().into(), value);
            }
        };
        match stop {
            '[' => {
                let index = self.index()?;
                let list = match values.get(name.as_bytes()) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.to_vec(),
                    Some(other) => return failed(wrong_type(&other, "[]interface {}")),
                };
                let (list, outcome) = self.item(list, index, nesting);
                put(Value::list(list));
                outcome
            }
            '=' => {
                let (value, outcome) = self.assigned()?;
                put(value);
                outcome
            }
            ',' => {
                put(Value::from(""));
                failed(format!("key {name:?} has no value (cannot end with ,)"))
            }
            _ => {
                nesting += 1;
                if nesting > MAX_NESTING {
                    return failed(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let inner = match values.get(name.as_bytes()) {
                    None => empty(),
                    Some(Value::Map(inner)) if !inner.is_nil() => inner,
                    Some(other) => return failed(wrong_type(&other, "map[string]interface {}")),
                };
                let outcome = self.key(&inner, nesting);
                if outcome.is_ok() && inner.is_empty() {
                    return failed(format!("key map {name:?} has no value"));
                }
                if !inner.is_empty() {
                    put(Value::Map(inner));
                }
                outcome
            }
        }
    }

    fn index(&mut self) -> Read<i64> {
        match self.until(&[']']) {
            Ok((digits, _)) => match digits.parse() {
                Ok(index) => Ok(index),
                Err(_) => failed(format!("error parsing index: strconv.Atoi: parsing {digits:?}: invalid syntax")),
            },
            Err(_) => failed("error parsing index: EOF"),
        }
    }

    /// What stands behind `=`, and whether the text goes on.
    fn assigned(&mut self) -> Read<(Value, Read<()>)> {
        if self.json {
            if self.blank() {
                return Ok((Value::Nil, Ok(())));
            }
            let (value, length) = parse_json_prefix(self.rest.as_bytes()).map_err(Stop::Failed)?;
            self.rest = self.rest.get(length..).unwrap_or_default();
            self.blank();
            return Ok((value, Ok(())));
        }
        if self.rest.is_empty() {
            return Ok((Value::from(""), Err(Stop::End)));
        }
        if let Some(inside) = self.rest.strip_prefix('{') {
            self.rest = inside;
            return Ok((self.list()?, Ok(())));
        }
        let text = match self.until(&[',']) {
            Ok((text, _)) | Err(text) => text,
        };
        match (self.value)(&text) {
            Ok(value) => Ok((value, Ok(()))),
            Err(message) => failed(message),
        }
    }

    /// Skips blanks and one comma; whether that, or the end, is all that comes before the next value.
    fn blank(&mut self) -> bool {
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                None => return true,
                Some(',') => {
                    self.rest = chars.as_str();
                    return true;
                }
                Some(c) if c.is_whitespace() => self.rest = chars.as_str(),
                Some(_) => return false,
            }
        }
    }

    fn list(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = match self.until(&[',', '}']) {
                Ok(found) => found,
                Err(_) => return failed("list must terminate with '}'"),
            };
            items.push((self.value)(&text).map_err(Stop::Failed)?);
            if stop == '}' {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(Value::list(items));
            }
        }
    }

    /// What follows an index; the list as it is then, and whether the text goes on.
    fn item(&mut self, mut list: Vec<Value>, index: i64, nesting: usize) -> (Vec<Value>, Read<()>) {
        let Ok(at) = usize::try_from(index) else {
            return (list, failed(format!("negative {index} index not allowed")));
        };
        let (text, stop) = match self.until(&['[', '.', '=']) {
            Ok((text, stop)) => (text, Some(stop)),
            Err(text) => (text, None),
        };
        if !text.is_empty() {
            return (list, failed(format!("unexpected data at end of array index: {text:?}")));
        }
        let put = |list: &mut Vec<Value>, value: Value| -> Read<()> {
            if at > MAX_INDEX {
                return failed(format!("index of {at} is greater than maximum supported index of {MAX_INDEX}"));
            }
            if list.len() <= at {
                list.resize(at + 1, Value::Nil);
            }
            if let Some(slot) = list.get_mut(at) {
                *slot = value;
            }
            Ok(())
        };
        match stop {
            None => (list, Err(Stop::End)),
            Some('=') => match self.assigned() {
                // The end of the text is no error behind an index.
                Ok((value, Ok(()) | Err(Stop::End))) => {
                    let outcome = put(&mut list, value);
                    (list, outcome)
                }
                Ok((_, Err(stop))) | Err(stop) => (list, Err(stop)),
            },
            Some('[') => {
                let next = match self.index() {
                    Ok(next) => next,
                    Err(stop) => return (list, Err(stop)),
                };
                let inner = match list.get(at) {
                    Some(Value::List(inner)) => inner.to_vec(),
                    None | Some(Value::Nil) => Vec::new(),
                    Some(other) => return (list.clone(), failed(wrong_type(other, "[]interface {}"))),
                };
                let (inner, outcome) = self.item(inner, next, nesting);
                if outcome.is_err() {
                    return (list, outcome);
                }
                let outcome = put(&mut list, Value::list(inner));
                (list, outcome)
            }
            Some(_) => {
                let inner = match list.get(at) {
                    Some(Value::Map(inner)) => inner.clone(),
                    _ => empty(),
                };
                if let Some(slot) = list.get_mut(at) {
                    *slot = Value::Map(inner.clone());
                }
                if let Err(stop) = self.key(&inner, nesting) {
                    return (list, Err(stop));
                }
                let outcome = put(&mut list, Value::Map(inner));
                (list, outcome)
            }
        }
    }
}

fn wrong_type(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Nil => "nil".into(),
        other => other.type_name(),
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}

fn typed_value(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::int64(0);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::int64(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str, kind: Kind) -> Result<String, String> {
        let values = empty();
        set(text, kind, &values)?;
        let node = crate::template::convert::to_yaml(&Value::Map(values)).unwrap();
        Ok(crate::yaml::json::to_json(&node).unwrap())
    }

    #[test]
    fn reads_names_lists_and_types() {
        let cases = [
            ("a=1,b=x", r#"{"a":1,"b":"x"}"#),
            ("a.b.c=true,a.d=null", r#"{"a":{"b":{"c":true},"d":null}}"#),
            ("a={x,2,true}", r#"{"a":["x",2,true]}"#),
            ("a[1].b=7,a[0]=z", r#"{"a":["z",{"b":7}]}"#),
            ("a[0][1]=x", r#"{"a":[[null,"x"]]}"#),
            (r"a\.b=c\,d", r#"{"a.b":"c,d"}"#),
            ("a=007,b=1e3,c=0,d=-4", r#"{"a":"007","b":"1e3","c":0,"d":-4}"#),
            ("a=", r#"{"a":""}"#),
            ("", "{}"),
        ];
        for (text, wanted) in cases {
            assert_eq!(json(text, Kind::Typed).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(json("a=1,b=true", Kind::Text).as_deref(), Ok(r#"{"a":"1","b":"true"}"#));
        assert_eq!(json(r#"a={"x":[1,2]},b="y""#, Kind::Json).as_deref(), Ok(r#"{"a":{"x":[1,2]},"b":"y"}"#));
    }

    #[test]
    fn wrong_texts_are_told() {
        for text in ["a", "a,b=1", "a[x]=1", "a[-1]=1", "a[70000]=1", "a={x", "a[0]b=1", "a=1,a.b=2"] {
            assert!(json(text, Kind::Typed).is_err(), "{text}");
        }
    }
}
