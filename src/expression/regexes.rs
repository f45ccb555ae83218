//! `find` and `findAll` of texts. (apiserver pkg/cel/library/regex.go)

use cel::common::types::{INT_TYPE, STRING_TYPE};
use cel::{DeclarationError, Env, ExecutionError};

use super::slots::{Args, failed, int, list_of, text, text_of, texts_of};
use crate::template::sprig::go_regex;

fn all(args: &Args<'_, '_>, most: i64) -> Result<Vec<String>, ExecutionError> {
    let regex = go_regex(text(args, 1)?).map_err(|why| failed("findAll", why))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = regex.find_iter(text(args, 0)?.as_bytes()).take(most);
    Ok(found.map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned()).collect())
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("find", "string_find_string", STRING_TYPE, vec![STRING_TYPE], |args| {
        Ok(text_of(all(&args, 1)?.pop().unwrap_or_default()))
    })?;
    env.add_member_overload("findAll", "string_find_all_string", STRING_TYPE, vec![STRING_TYPE], |args| {
        Ok(list_of(texts_of(all(&args, -1)?)))
    })?;
    env.add_member_overload("findAll", "string_find_all_string_int", STRING_TYPE, vec![STRING_TYPE, INT_TYPE], |args| {
        Ok(list_of(texts_of(all(&args, int(&args, 2)?)?)))
    })
}
