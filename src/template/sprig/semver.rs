//! Semantic versions and constraints, by the rules of Masterminds/semver 3.5: loose versions, and prereleases only where a constraint names one.

use std::any::Any;
use std::cmp::Ordering;
use std::rc::Rc;

use crate::template::fmt;
use crate::template::function::{Arguments, Context, Entry, Failure, Method, Outcome};
use crate::template::number;
use crate::template::object::Object;
use crate::template::value::{UintType, Value};

pub(super) const TABLE: &[Entry] = &[
    ("semver", "s", |_, args| Ok(Value::Object(Rc::new(Version::parse(&args.text(0))?)))),
    ("semverCompare", "ss", compare),
];

const MAX_VERSION: usize = 256;
const MAX_CONSTRAINT: usize = 512;
const MAX_GROUPS: usize = 32;

/// A version; the original text is kept for `.Original`.
#[derive(Clone, Debug, Default)]
struct Version {
    numbers: [u64; 3],
    prerelease: String,
    metadata: String,
    original: String,
}

/// The pieces of a version's text, not yet checked.
struct Pieces<'t> {
    numbers: [Option<&'t str>; 3],
    prerelease: &'t str,
    metadata: &'t str,
    rest: &'t str,
}

/// Reads `v1.2.3-pre+meta` from the beginning of a text; a number is what `part` accepts.
fn pieces(text: &str, part: fn(char) -> bool) -> Option<Pieces<'_>> {
    let run = |text: &str| text.find(|c| !part(c)).unwrap_or(text.len());
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [None; 3];
    for (index, slot) in numbers.iter_mut().enumerate() {
        let after = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
        let Some(after) = after.filter(|after| run(after) > 0) else { break };
        let (number, tail) = after.split_at(run(after));
        *slot = Some(number);
        rest = tail;
    }
    numbers.first().copied().flatten()?;
    let identifiers = |text: &str| {
        let mut length = 0;
        loop {
            let part = text.get(length..).unwrap_or("");
            let run = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(part.len());
            if run == 0 {
                return length.saturating_sub(1);
            }
            length += run;
            if !text.get(length..).is_some_and(|text| text.starts_with('.')) {
                return length;
            }
            length += 1;
        }
    };
    let mut suffix = |mark: char| -> &str {
        let Some(after) = rest.strip_prefix(mark) else { return "" };
        let length = identifiers(after);
        if length == 0 {
            return "";
        }
        let (found, tail) = after.split_at(length);
        rest = tail;
        found
    };
    let prerelease = suffix('-');
    let metadata = suffix('+');
    Some(Pieces { numbers, prerelease, metadata, rest })
}

impl Version {
    /// A version that may lack minor and patch.
    fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > MAX_VERSION {
            return Err(Failure::new(format!("version string is too long (max {MAX_VERSION} bytes)")));
        }
        let invalid = || Failure::new("invalid semantic version");
        let pieces = pieces(text, |c| c.is_ascii_digit()).ok_or_else(invalid)?;
        if !pieces.rest.is_empty() {
            return Err(invalid());
        }
        let mut numbers = [0; 3];
        for (slot, digits) in numbers.iter_mut().zip(pieces.numbers) {
            if let Some(digits) = digits {
                *slot = number::parse_uint(digits, 10).map_err(|error| {
                    let reason = error.describe("ParseUint", digits.as_bytes());
                    Failure::new(format!("error parsing version segment: {reason}"))
                })?;
            }
        }
        let leading_zero =
            |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
        if pieces.prerelease.split('.').any(leading_zero) {
            return Err(Failure::new("version segment starts with 0"));
        }
        Ok(Self {
            numbers,
            prerelease: pieces.prerelease.to_owned(),
            metadata: pieces.metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    fn print(&self) -> String {
        let [major, minor, patch] = self.numbers;
        let mut text = format!("{major}.{minor}.{patch}");
        if !self.prerelease.is_empty() {
            text.push_str(&format!("-{}", self.prerelease));
        }
        if !self.metadata.is_empty() {
            text.push_str(&format!("+{}", self.metadata));
        }
        text
    }

    /// Precedence; metadata does not count.
    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| prerelease_order(&self.prerelease, &other.prerelease))
    }

    /// The next version in a place; a patch only drops a prerelease.
    fn next(&self, place: usize) -> Self {
        let mut numbers = self.numbers;
        if place < 2 || self.prerelease.is_empty() {
            for (index, slot) in numbers.iter_mut().enumerate() {
                match index.cmp(&place) {
                    Ordering::Equal => *slot = slot.saturating_add(1),
                    Ordering::Greater => *slot = 0,
                    Ordering::Less => {}
                }
            }
        }
        let mut next = Self { numbers, ..Self::default() };
        let mark = if self.original.starts_with('v') { "v" } else { "" };
        next.original = format!("{mark}{}", next.print());
        next
    }
}

/// A release comes after its prereleases; identifiers compare as numbers, numbers before words.
fn prerelease_order(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let number = |text: &str| number::parse_uint(text, 10).ok();
        let order = match (number(a), number(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Object for Version {
    fn type_name(&self) -> &str {
        "*semver.Version"
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [Method] {
        METHODS
    }

    fn text(&self) -> Option<String> {
        Some(self.print())
    }

    fn json(&self) -> Option<Value> {
        Some(Value::from(self.print()))
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.original == other.original)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

const METHODS: &[Method] = &[
    Method { name: "Major", signature: "", call: |_, args| number_of(args, 0) },
    Method { name: "Minor", signature: "", call: |_, args| number_of(args, 1) },
    Method { name: "Patch", signature: "", call: |_, args| number_of(args, 2) },
    Method {
        name: "Prerelease",
        signature: "",
        call: |_, args| Ok(Value::from(version(args, 0)?.prerelease.as_str())),
    },
    Method { name: "Metadata", signature: "", call: |_, args| Ok(Value::from(version(args, 0)?.metadata.as_str())) },
    Method { name: "Original", signature: "", call: |_, args| Ok(Value::from(version(args, 0)?.original.as_str())) },
    Method { name: "String", signature: "", call: |_, args| Ok(Value::from(version(args, 0)?.print())) },
    Method { name: "IncMajor", signature: "", call: |_, args| next(args, 0) },
    Method { name: "IncMinor", signature: "", call: |_, args| next(args, 1) },
    Method { name: "IncPatch", signature: "", call: |_, args| next(args, 2) },
    Method { name: "Compare", signature: "a", call: |_, args| Ok(Value::int(order(args)? as i64)) },
    Method { name: "Equal", signature: "a", call: |_, args| Ok(Value::Bool(order(args)? == Ordering::Equal)) },
    Method { name: "LessThan", signature: "a", call: |_, args| Ok(Value::Bool(order(args)? == Ordering::Less)) },
    Method {
        name: "LessThanEqual",
        signature: "a",
        call: |_, args| Ok(Value::Bool(order(args)? != Ordering::Greater)),
    },
    Method { name: "GreaterThan", signature: "a", call: |_, args| Ok(Value::Bool(order(args)? == Ordering::Greater)) },
    Method {
        name: "GreaterThanEqual",
        signature: "a",
        call: |_, args| Ok(Value::Bool(order(args)? != Ordering::Less)),
    },
];

fn version(args: Arguments<'_>, index: usize) -> Result<&Version, Failure> {
    let object = args.object(index).and_then(|object| object.as_any().downcast_ref::<Version>());
    object.ok_or_else(|| Failure::new("wrong type for value; expected *semver.Version"))
}

fn number_of(args: Arguments<'_>, place: usize) -> Outcome {
    let number = version(args, 0)?.numbers.get(place).copied().unwrap_or(0);
    Ok(Value::Uint(number, UintType::Uint64))
}

fn next(args: Arguments<'_>, place: usize) -> Outcome {
    Ok(Value::Object(Rc::new(version(args, 0)?.next(place))))
}

fn order(args: Arguments<'_>) -> Result<Ordering, Failure> {
    Ok(version(args, 0)?.order(version(args, 1)?))
}

/// The operators, by what their comparison is.
const OPERATORS: &[(&str, Operator)] = &[
    ("", Operator::TildeOrEqual),
    ("=", Operator::TildeOrEqual),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~", Operator::Tilde),
    ("~>", Operator::Tilde),
    ("^", Operator::Caret),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// One comparison. Open parts are those left out or written as `x` or `*`.
struct Constraint {
    operator: Operator,
    version: Version,
    minor_open: bool,
    patch_open: bool,
    /// Any part is open.
    open: bool,
}

fn is_part(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*' | '|')
}

/// `semverCompare constraint version`.
fn compare(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    satisfies(&args.text(0), &args.text(1)).map(Value::Bool)
}

/// Whether a version is within a constraint.
pub(in crate::template) fn satisfies(constraint: &str, version: &str) -> Result<bool, Failure> {
    let groups = constraints(constraint)?;
    let version = Version::parse(version)?;
    Ok(groups.iter().any(|group| {
        let prereleases = group.iter().any(|constraint| !constraint.version.prerelease.is_empty());
        group.iter().all(|constraint| (prereleases || version.prerelease.is_empty()) && constraint.holds(&version))
    }))
}

/// Whether a text is a version, loosely: `1.2` is one.
pub(in crate::template) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Alternatives of conjunctions.
fn constraints(text: &str) -> Result<Vec<Vec<Constraint>>, Failure> {
    if text.len() > MAX_CONSTRAINT {
        return Err(Failure::new(format!("constraint string is too long (max {MAX_CONSTRAINT} bytes)")));
    }
    let text = without_ranges(text);
    let groups: Vec<&str> = text.split("||").collect();
    if groups.len() > MAX_GROUPS {
        return Err(Failure::new(format!("too many constraint groups (max {MAX_GROUPS})")));
    }
    groups.into_iter().map(group).collect()
}

/// `1.2 - 1.4` is `>= 1.2, <= 1.4`.
fn without_ranges(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((start, end, low, high)) = find_range(rest) {
        out.push_str(rest.get(..start).unwrap_or(""));
        out.push_str(&format!(">= {low}, <= {high} "));
        rest = rest.get(end..).unwrap_or("");
    }
    out + rest
}

/// The first range, with the space around it: its place and its two versions.
fn find_range(text: &str) -> Option<(usize, usize, &str, &str)> {
    for (start, _) in text.char_indices() {
        let from_here = text.get(start..)?;
        let low_text = from_here.trim_start_matches(is_blank);
        let Some(low) = pieces(low_text, is_part) else { continue };
        let low_version = low_text.get(..low_text.len() - low.rest.len())?;
        let dash = low.rest.trim_start_matches(is_blank);
        let Some(after) = dash.strip_prefix('-').filter(|_| dash.len() < low.rest.len()) else { continue };
        let high_text = after.trim_start_matches(is_blank);
        let Some(high) = pieces(high_text, is_part).filter(|_| high_text.len() < after.len()) else { continue };
        let high_version = high_text.get(..high_text.len() - high.rest.len())?;
        let end = text.len() - high.rest.trim_start_matches(is_blank).len();
        return Some((start, end, low_version, high_version));
    }
    None
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r')
}

/// Comparisons separated by blanks or commas.
fn group(text: &str) -> Result<Vec<Constraint>, Failure> {
    let improper = || Failure::new(format!("improper constraint: {}", fmt::quote(text.as_bytes())));
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches(is_blank);
        let separated = trimmed.len() < rest.len();
        if trimmed.is_empty() && !found.is_empty() {
            return Ok(found);
        }
        rest = if found.is_empty() {
            trimmed
        } else {
            match trimmed.strip_prefix(',') {
                Some(after) => after.trim_start_matches(is_blank),
                None if separated => trimmed,
                None => return Err(improper()),
            }
        };
        let length = rest.find(|c| !matches!(c, '=' | '!' | '<' | '>' | '~' | '^')).unwrap_or(rest.len());
        let (operator, after) = rest.split_at(length);
        let (_, operator) = OPERATORS.iter().find(|(text, _)| *text == operator).ok_or_else(improper)?;
        let after = after.trim_start_matches(is_blank);
        let pieces = pieces(after, is_part).ok_or_else(improper)?;
        rest = pieces.rest;
        found.push(constraint(*operator, &pieces)?);
    }
}

fn constraint(operator: Operator, pieces: &Pieces<'_>) -> Result<Constraint, Failure> {
    let is_open = |part: Option<&str>| part.is_none_or(|part| matches!(part, "x" | "X" | "*"));
    let [major, minor, patch] = pieces.numbers;
    let text = |part: Option<&str>| part.unwrap_or("0").to_owned();
    let (major_open, minor_open) = (is_open(major), !is_open(major) && is_open(minor));
    let patch_open = !major_open && !minor_open && is_open(patch);
    let mut version = match (major_open, minor_open, patch_open) {
        (true, ..) => "0.0.0".to_owned(),
        (_, true, _) => format!("{}.0.0", text(major)),
        (_, _, true) => format!("{}.{}.0", text(major), text(minor)),
        _ => format!("{}.{}.{}", text(major), text(minor), text(patch)),
    };
    if !pieces.prerelease.is_empty() {
        version.push_str(&format!("-{}", pieces.prerelease));
    }
    let version = Version::parse(&version).map_err(|_| Failure::new("constraint parser error"))?;
    Ok(Constraint { operator, version, minor_open, patch_open, open: major_open || minor_open || patch_open })
}

impl Constraint {
    fn holds(&self, version: &Version) -> bool {
        let order = version.order(&self.version);
        let [major, minor, patch] = version.numbers;
        let [own_major, own_minor, own_patch] = self.version.numbers;
        match self.operator {
            Operator::TildeOrEqual if !self.open => order == Ordering::Equal,
            Operator::TildeOrEqual | Operator::Tilde => self.tilde(version),
            Operator::NotEqual if self.open => {
                if major != own_major {
                    true
                } else if self.minor_open {
                    false
                } else if minor != own_minor {
                    true
                } else if self.patch_open {
                    version.prerelease != self.version.prerelease
                } else {
                    order != Ordering::Equal
                }
            }
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Greater if self.open && major == own_major => {
                if self.minor_open {
                    false
                } else if self.patch_open {
                    minor > own_minor
                } else {
                    order == Ordering::Greater
                }
            }
            Operator::Greater if self.open => major > own_major,
            Operator::Greater => order == Ordering::Greater,
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual if self.open => {
                major < own_major || (major == own_major && (minor <= own_minor || self.minor_open))
            }
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Caret => {
                if order == Ordering::Less {
                    false
                } else if own_major > 0 || self.minor_open {
                    major == own_major
                } else if major > 0 {
                    false
                } else if own_minor > 0 || self.patch_open {
                    minor == own_minor
                } else {
                    minor == 0 && patch == own_patch
                }
            }
        }
    }

    /// The same major and, where it is given, minor; nothing given is anything.
    fn tilde(&self, version: &Version) -> bool {
        if version.order(&self.version) == Ordering::Less {
            return false;
        }
        if self.version.numbers == [0; 3] && !self.minor_open && !self.patch_open {
            return true;
        }
        let [major, minor, _] = version.numbers;
        let [own_major, own_minor, _] = self.version.numbers;
        major == own_major && (minor == own_minor || self.minor_open)
    }
}
