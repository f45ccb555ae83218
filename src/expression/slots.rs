//! What functions take and give: arguments by their types, values by what they are made of.

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelList, CelOptional, CelString, Type};
use cel::common::value::{CowVal, FromVal, StaticVal, Val};

/// Arguments of a function.
pub(super) type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
/// What a function gives.
pub(super) type Given<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// A failure of a function.
pub(super) fn failed(function: &str, why: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

/// An argument that is a text.
pub(super) fn text<'a>(args: &'a Args<'_, '_>, at: usize) -> Result<&'a str, ExecutionError> {
    let value = args.get(at).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let text: Option<&CelString<'_>> = value.as_ref().downcast_ref();
    text.map(CelString::inner).ok_or_else(|| wrong(value.as_ref(), "string"))
}

/// An argument that is a whole number.
pub(super) fn int(args: &Args<'_, '_>, at: usize) -> Result<i64, ExecutionError> {
    let value = args.get(at).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let number: Option<&CelInt> = value.as_ref().downcast_ref();
    number.map(|number| *number.inner()).ok_or_else(|| wrong(value.as_ref(), "int"))
}

/// An argument that is a value of ours.
pub(super) fn own<'a, T: StaticVal>(args: &'a Args<'_, '_>, at: usize) -> Result<&'a T, ExecutionError> {
    let value = args.get(at).ok_or_else(ExecutionError::missing_argument_or_target)?;
    T::from_val(value.as_ref()).ok_or_else(|| wrong(value.as_ref(), T::cel_type().name()))
}

/// An argument that is a list.
pub(super) fn items<'a, 'v>(args: &'a Args<'_, 'v>, at: usize) -> Result<&'a [Box<dyn Val + 'v>], ExecutionError> {
    let value = args.get(at).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let list: Option<&CelList<'v>> = value.as_ref().downcast_ref();
    list.map(CelList::inner).ok_or_else(|| wrong(value.as_ref(), "list"))
}

fn wrong(value: &dyn Val, want: &str) -> ExecutionError {
    ExecutionError::UnexpectedType { got: value.get_type().name().to_owned(), want: want.to_owned() }
}

pub(super) fn bool_of<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(value))
}

pub(super) fn int_of<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(value))
}

pub(super) fn text_of<'b, 'v>(value: impl Into<String>) -> CowVal<'b, 'v> {
    CowVal::owned(CelString::from(value.into()))
}

pub(super) fn list_of<'b, 'v>(values: Vec<Box<dyn Val + 'v>>) -> CowVal<'b, 'v> {
    CowVal::owned(CelList::from(values))
}

pub(super) fn texts_of<'v>(values: impl IntoIterator<Item = String>) -> Vec<Box<dyn Val + 'v>> {
    values.into_iter().map(|value| Box::new(CelString::from(value)) as Box<dyn Val + 'v>).collect()
}

pub(super) fn optional<'b, 'v>(value: Option<Box<dyn Val + 'v>>) -> CowVal<'b, 'v> {
    CowVal::owned(CelOptional::from(value))
}

/// A type of ours as a value of CEL: `own_type!(Quantity, "kubernetes.Quantity")`. Values are equal where they are in Rust.
macro_rules! own_type {
    ($type:ident, $name:literal) => {
        static TYPE: cel::common::types::Type = cel::common::types::Type::new_unspecified_type($name);

        impl cel::common::value::Val for $type {
            fn get_type(&self) -> &cel::common::types::Type {
                &TYPE
            }

            fn cel_type() -> &'static cel::common::types::Type {
                &TYPE
            }

            fn equals(&self, other: &dyn cel::common::value::Val) -> bool {
                other.downcast_ref::<$type>().is_some_and(|other| self == other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn cel::common::value::Val + 'v> {
                Box::new(<$type as Clone>::clone(self))
            }

            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }

        impl cel::common::value::StaticVal for $type {}
    };
}
pub(super) use own_type;

/// The type of an argument: overloads are chosen by it.
pub(super) fn of(value: &'static Type) -> Type {
    value.to_owned()
}
