//! `quantity`: amounts as resources have them. (apiserver pkg/cel/library/quantity.go)
//!
//! Exact to 10⁻⁹ and to 128 bits; what does not fit is no quantity here.

use cel::common::types::{CelDouble, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env};

use super::slots::{Args, Given, bool_of, failed, int, int_of, of, own, own_type, text};
use crate::k8s::ignore::quantity::Quantity as Amount;

const NANO: i128 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quantity {
    nano: i128,
    /// Whether it was written as a whole number: `1500m` is none, whatever it comes to.
    whole: bool,
}

own_type!(Quantity, "kubernetes.Quantity");

fn read(text: &str) -> Option<Quantity> {
    let nano = Amount::parse(text)?.nano();
    Some(Quantity { nano, whole: nano % NANO == 0 && i64::try_from(nano / NANO).is_ok() })
}

fn made<'b, 'v>(nano: Option<i128>) -> Given<'b, 'v> {
    let nano = nano.ok_or_else(|| failed("quantity", "out of range"))?;
    Ok(CowVal::owned(Quantity { nano, whole: nano % NANO == 0 && i64::try_from(nano / NANO).is_ok() }))
}

fn nano(args: &Args<'_, '_>, at: usize) -> Result<i128, cel::ExecutionError> {
    match own::<Quantity>(args, at) {
        Ok(quantity) => Ok(quantity.nano),
        Err(_) => Ok(i128::from(int(args, at)?) * NANO),
    }
}

/// A copy of a value of this type.
pub(super) fn kept(value: &dyn Val) -> Option<Box<dyn Val>> {
    value.downcast_ref::<Quantity>().map(|value| Box::new(*value) as Box<dyn Val>)
}

/// Declares the functions.
pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    let quantity = || of(&TYPE);
    env.add_overload("quantity", "string_to_quantity", vec![STRING_TYPE], |args| {
        let read = read(text(&args, 0)?).ok_or_else(|| failed("quantity", "no quantity"))?;
        Ok(CowVal::owned(read))
    })?;
    env.add_overload("isQuantity", "is_quantity_string", vec![STRING_TYPE], |args| {
        Ok(bool_of(read(text(&args, 0)?).is_some()))
    })?;
    // Its documentation has a method; what the server declares is a function.
    env.add_overload("sign", "quantity_sign", vec![quantity()], |args| {
        Ok(int_of(i64::try_from(nano(&args, 0)?.signum()).unwrap_or_default()))
    })?;
    env.add_member_overload("isInteger", "quantity_is_integer", quantity(), vec![], |args| {
        Ok(bool_of(own::<Quantity>(&args, 0)?.whole))
    })?;
    env.add_member_overload("asInteger", "quantity_get_int", quantity(), vec![], |args| {
        let quantity = own::<Quantity>(&args, 0)?;
        let value = i64::try_from(quantity.nano / NANO).ok().filter(|_| quantity.whole);
        value.map(int_of).ok_or_else(|| failed("asInteger", "cannot convert value to integer"))
    })?;
    env.add_member_overload("asApproximateFloat", "quantity_get_float", quantity(), vec![], |args| {
        #[expect(clippy::cast_precision_loss, reason = "an approximation is asked for")]
        let value = nano(&args, 0)? as f64 / NANO as f64;
        Ok(CowVal::owned(CelDouble::from(value)))
    })?;
    for (name, other) in [("quantity", quantity()), ("int", INT_TYPE)] {
        env.add_member_overload("add", &format!("quantity_add_{name}"), quantity(), vec![other], |args| {
            made(nano(&args, 0)?.checked_add(nano(&args, 1)?))
        })?;
    }
    for (name, other) in [("quantity", quantity()), ("int", INT_TYPE)] {
        env.add_member_overload("sub", &format!("quantity_sub_{name}"), quantity(), vec![other], |args| {
            made(nano(&args, 0)?.checked_sub(nano(&args, 1)?))
        })?;
    }
    env.add_member_overload("isGreaterThan", "quantity_is_greater_than", quantity(), vec![quantity()], |args| {
        Ok(bool_of(nano(&args, 0)? > nano(&args, 1)?))
    })?;
    env.add_member_overload("isLessThan", "quantity_is_less_than", quantity(), vec![quantity()], |args| {
        Ok(bool_of(nano(&args, 0)? < nano(&args, 1)?))
    })?;
    env.add_member_overload("compareTo", "quantity_compare_to", quantity(), vec![quantity()], |args| {
        Ok(int_of(nano(&args, 0)?.cmp(&nano(&args, 1)?) as i64))
    })
}
