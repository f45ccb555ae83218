//! Lists as sets: `sets.contains`, `sets.equivalent`, `sets.intersects`. (cel-go ext/sets.go)

use cel::common::types::LIST_TYPE;
use cel::common::value::Val;
use cel::{DeclarationError, Env};

use super::slots::{bool_of, items};

type Values<'a, 'v> = &'a [Box<dyn Val + 'v>];

fn has<'v>(all: Values<'_, 'v>, one: &(dyn Val + 'v)) -> bool {
    all.iter().any(|item| item.equals(one))
}

fn contains<'v>(all: Values<'_, 'v>, others: Values<'_, 'v>) -> bool {
    others.iter().all(|one| has(all, one.as_ref()))
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("sets.contains", "list_sets_contains_list", vec![LIST_TYPE, LIST_TYPE], |args| {
        Ok(bool_of(contains(items(&args, 0)?, items(&args, 1)?)))
    })?;
    env.add_overload("sets.equivalent", "list_sets_equivalent_list", vec![LIST_TYPE, LIST_TYPE], |args| {
        let (a, b) = (items(&args, 0)?, items(&args, 1)?);
        Ok(bool_of(contains(a, b) && contains(b, a)))
    })?;
    env.add_overload("sets.intersects", "list_sets_intersects_list", vec![LIST_TYPE, LIST_TYPE], |args| {
        let (a, b) = (items(&args, 0)?, items(&args, 1)?);
        Ok(bool_of(a.iter().any(|one| has(b, one.as_ref()))))
    })
}
