//! `semver`: semantic versions. (apiserver pkg/cel/library/semverlib.go, on blang/semver)

use std::cmp::Ordering;

use cel::common::types::{BOOL_TYPE, CelBool, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::slots::{Args, bool_of, failed, int_of, of, own, own_type, text};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Semver {
    numbers: [u64; 3],
    /// Parts of the pre-release.
    pre: Vec<String>,
}

own_type!(Semver, "kubernetes.Semver");

fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (plain && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok())?
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn read(text: &str) -> Option<Semver> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    if build.is_some_and(|build| !build.split('.').all(is_word)) {
        return None;
    }
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<u64> = core.split('.').map(number).collect::<Option<_>>()?;
    let numbers = <[u64; 3]>::try_from(numbers).ok()?;
    let mut parts = Vec::new();
    for part in pre.into_iter().flat_map(|pre| pre.split('.')) {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_word(part) || (digits && number(part).is_none()) {
            return None;
        }
        parts.push(part.to_owned());
    }
    Some(Semver { numbers, pre: parts })
}

/// Takes a `v` off, fills missing numbers in and takes zeros before numbers off.
fn normalized(text: &str) -> String {
    let text = text.trim_start_matches('v');
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut parts: Vec<&str> = core
        .split('.')
        .map(|part| {
            let short = part.trim_start_matches('0');
            if short.is_empty() && !part.is_empty() { "0" } else { short }
        })
        .collect();
    while parts.len() < 3 {
        parts.push("0");
    }
    format!("{}{rest}", parts.join("."))
}

fn compare(a: &Semver, b: &Semver) -> Ordering {
    let pre = || match (a.pre.is_empty(), b.pre.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let parts = a.pre.iter().zip(&b.pre).map(|(a, b)| match (number(a), number(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            });
            let first = parts.into_iter().find(|order| *order != Ordering::Equal);
            first.unwrap_or_else(|| a.pre.len().cmp(&b.pre.len()))
        }
    };
    a.numbers.cmp(&b.numbers).then_with(pre)
}

fn given(args: &Args<'_, '_>) -> Result<Option<Semver>, ExecutionError> {
    let flag: Option<&CelBool> = args.get(1).and_then(|value| value.as_ref().downcast_ref());
    let text = text(args, 0)?;
    Ok(if flag.is_some_and(|flag| *flag.inner()) { read(&normalized(text)) } else { read(text) })
}

fn part(args: &Args<'_, '_>, at: usize) -> Result<i64, ExecutionError> {
    let version = own::<Semver>(args, 0)?;
    let value = version.numbers.get(at).and_then(|value| i64::try_from(*value).ok());
    value.ok_or_else(|| failed("semver", "out of range"))
}

fn order(args: &Args<'_, '_>) -> Result<Ordering, ExecutionError> {
    Ok(compare(own::<Semver>(args, 0)?, own::<Semver>(args, 1)?))
}

/// A copy of a value of this type.
pub(super) fn kept(value: &dyn Val) -> Option<Box<dyn Val>> {
    value.downcast_ref::<Semver>().map(|value| Box::new(value.clone()) as Box<dyn Val>)
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    let semver = || of(&TYPE);
    for (name, args) in [("string", vec![STRING_TYPE]), ("string_bool", vec![STRING_TYPE, BOOL_TYPE])] {
        env.add_overload("semver", &format!("{name}_to_semver"), args, |args| {
            Ok(CowVal::owned(given(&args)?.ok_or_else(|| failed("semver", "no semantic version"))?))
        })?;
    }
    for (name, args) in [("string", vec![STRING_TYPE]), ("string_bool", vec![STRING_TYPE, BOOL_TYPE])] {
        env.add_overload("isSemver", &format!("is_semver_{name}"), args, |args| Ok(bool_of(given(&args)?.is_some())))?;
    }
    env.add_member_overload("major", "semver_major", semver(), vec![], |args| Ok(int_of(part(&args, 0)?)))?;
    env.add_member_overload("minor", "semver_minor", semver(), vec![], |args| Ok(int_of(part(&args, 1)?)))?;
    env.add_member_overload("patch", "semver_patch", semver(), vec![], |args| Ok(int_of(part(&args, 2)?)))?;
    env.add_member_overload("compareTo", "semver_compare_to", semver(), vec![semver()], |args| {
        Ok(int_of(order(&args)? as i64))
    })?;
    env.add_member_overload("isGreaterThan", "semver_is_greater_than", semver(), vec![semver()], |args| {
        Ok(bool_of(order(&args)? == Ordering::Greater))
    })?;
    env.add_member_overload("isLessThan", "semver_is_less_than", semver(), vec![semver()], |args| {
        Ok(bool_of(order(&args)? == Ordering::Less))
    })
}
