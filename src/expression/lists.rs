//! Functions of lists that Kubernetes adds: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`.
//! (apiserver pkg/cel/library/lists.go)

use std::cmp::Ordering;

use cel::common::types::{CelInt, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::slots::{Args, Given, bool_of, failed, int_of, items};

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| failed("compare", "values that have no order"))?.compare(b)
}

/// The value that comes first or last.
fn extreme<'b, 'v>(args: &Args<'b, 'v>, name: &str, wanted: Ordering) -> Given<'b, 'v> {
    let mut items = items(args, 0)?.iter();
    let mut best = items.next().ok_or_else(|| failed(name, "called on an empty list"))?;
    for item in items {
        if compare(item.as_ref(), best.as_ref())? == wanted {
            best = item;
        }
    }
    Ok(CowVal::Owned(best.clone()))
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Given<'b, 'v> {
    let mut items = items(&args, 0)?.iter();
    let Some(first) = items.next() else { return Ok(int_of(0)) };
    let mut total: CowVal<'b, 'v> = CowVal::Owned(first.clone());
    // A value that cannot be added to its like has no sum, even alone.
    if first.as_adder().is_none() || first.as_sizer().is_some() {
        return Err(failed("sum", "values that are no numbers"));
    }
    for item in items {
        let next = match total.as_ref().as_adder() {
            Some(adder) => adder.add(item.as_ref())?.into_owned(),
            None => return Err(failed("sum", "values that are no numbers")),
        };
        total = CowVal::Owned(next);
    }
    Ok(total)
}

fn position<'b, 'v>(args: &Args<'b, 'v>, last: bool) -> Given<'b, 'v> {
    let wanted = args.get(1).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut places = items(args, 0)?.iter().map(AsRef::as_ref);
    let is = |item: &(dyn Val + 'v)| item.equals(wanted.as_ref());
    let at = if last { places.rposition(is) } else { places.position(is) };
    Ok(CowVal::owned(CelInt::from(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))))
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list_is_sorted", LIST_TYPE, vec![], |args| {
        let items = items(&args, 0)?;
        for pair in items.windows(2) {
            if let [a, b] = pair
                && compare(a.as_ref(), b.as_ref())? == Ordering::Greater
            {
                return Ok(bool_of(false));
            }
        }
        Ok(bool_of(true))
    })?;
    env.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list_min", LIST_TYPE, vec![], |args| extreme(&args, "min", Ordering::Less))?;
    env.add_member_overload("max", "list_max", LIST_TYPE, vec![], |args| extreme(&args, "max", Ordering::Greater))?;
    env.add_member_overload("indexOf", "list_index_of", LIST_TYPE, vec![DYN_TYPE], |args| position(&args, false))?;
    env.add_member_overload("lastIndexOf", "list_last_index_of", LIST_TYPE, vec![DYN_TYPE], |args| {
        position(&args, true)
    })
}
