//! Go structs that a program gives to its templates (`.Capabilities`, a semantic version, a time).
//!
//! Maps and lists with methods (`.Values`, `.APIVersions`) are no objects but named [`MapType`](super::value::MapType)s and
//! [`ListType`](super::value::ListType)s.

use std::any::Any;
use std::rc::Rc;

use super::function::Method;
use super::value::Value;

/// A struct, or a pointer to one. Methods win over fields, as in Go.
pub trait Object: Any {
    /// The type as `%T` prints it, with the star of a pointer.
    fn type_name(&self) -> &str;

    /// Whether templates hold a pointer to the struct; shows in `kindOf` and in `%+v`.
    fn is_pointer(&self) -> bool {
        false
    }

    /// A field; `None` is Go's "can't evaluate field".
    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The exported fields in the order of declaration, for printing.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The methods. Each gets the object as its receiver.
    fn methods(&self) -> &'static [Method] {
        &[]
    }

    /// What `String()` or `Error()` returns, if the type has one of them.
    fn text(&self) -> Option<String> {
        None
    }

    /// What `String()` of a pointer to it returns: seen where a template prints the field of a pointer, not where a function gets a copy.
    fn addressed_text(&self) -> Option<String> {
        None
    }

    /// The fields that encoding/json writes, in its order.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        self.fields()
    }

    /// What encoding/json writes of it, if not its fields.
    fn json(&self) -> Option<Value> {
        None
    }

    /// Equality as `==` and `reflect.DeepEqual` see it.
    fn equals(&self, _other: &dyn Object) -> bool {
        false
    }

    /// For methods: the object itself, to be downcast.
    fn as_any(&self) -> &dyn Any;
}

/// What a pointer points at: text/template prints that where it is handed a pointer.
pub(super) struct Pointee(pub(super) Rc<dyn Object>);

impl Object for Pointee {
    fn type_name(&self) -> &str {
        self.0.type_name().trim_start_matches('*')
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.fields()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
