//! The values that templates compute with: Go's kinds, byte strings, maps and lists that are shared and mutable.
//!
//! A value never leaves the job that made it (it is neither `Send` nor `Sync`); compiled templates are shared between threads and
//! hold no values but [`Bytes`]. Maps and lists have reference semantics as in Go: a clone is the same map. Maps are ordered by key,
//! which is the order in which Go prints and ranges over them.
//!
//! Refused: maps with keys that are no strings, channels and functions as values; no template of Argo CD or Helm can meet one.
//!
//! Invariant: dropping a value of any depth takes constant stack.

use std::borrow::{Borrow, Cow};
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use super::function::Method;
use super::object::Object;

/// A Go string: any bytes, usually UTF-8. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(Arc<[u8]>);

impl Bytes {
    /// The text with every invalid sequence replaced by U+FFFD.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(Arc::from(text.as_bytes()))
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Self(Arc::from(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::from(bytes))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

/// Go's kind of a value, as `kindOf` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are Go's own")]
pub enum Kind {
    Invalid,
    Bool,
    Int(IntType),
    Uint(UintType),
    Float(FloatType),
    Complex,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
}

impl Kind {
    /// The name that Go's reflection prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(IntType::Duration) => "int64",
            Self::Int(IntType::Month | IntType::Weekday) => "int",
            Self::Int(int) => int.name(),
            Self::Uint(uint) => uint.name(),
            Self::Float(float) => float.name(),
            Self::Complex => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
        }
    }
}

/// The signed integer types, with the named ones that the standard library's time package brings in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are Go's own")]
pub enum IntType {
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Duration,
    Month,
    Weekday,
}

impl IntType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }
}

/// The unsigned integer types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are Go's own")]
pub enum UintType {
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

impl UintType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

/// The floating point types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are Go's own")]
pub enum FloatType {
    Float32,
    Float64,
}

impl FloatType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }
}

/// The static type of the elements of a map or list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// `interface {}`: any value, and nil.
    Any,
    /// `string`.
    String,
    /// `[]byte`.
    ByteSlice,
    /// `int`.
    Int,
    /// `map[string]interface {}`.
    Dict,
}

impl Element {
    /// The zero value of the type: what a missing key stands for.
    pub fn zero(self) -> Value {
        match self {
            Self::Any => Value::Nil,
            Self::String => Value::from(""),
            Self::ByteSlice => Value::ByteSlice(Bytes::default()),
            Self::Int => Value::Int(0, IntType::Int),
            Self::Dict => Value::Map(Map::nil(&DICT)),
        }
    }
}

/// A Go map type with string keys. Named types (Helm's `Values`) may have methods.
#[derive(Debug)]
pub struct MapType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// The type of the elements.
    pub element: Element,
    /// Methods, which templates find before keys of the same name.
    pub methods: &'static [Method],
}

/// A Go slice type. Named types (Helm's `VersionSet`) may have methods.
#[derive(Debug)]
pub struct ListType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// The type of the elements.
    pub element: Element,
    /// Methods.
    pub methods: &'static [Method],
}

/// `map[string]interface {}`.
pub static DICT: MapType = MapType { name: "map[string]interface {}", element: Element::Any, methods: &[] };
/// `map[string]string`.
pub static STRING_MAP: MapType = MapType { name: "map[string]string", element: Element::String, methods: &[] };
/// `[]interface {}`.
pub static ANY_LIST: ListType = ListType { name: "[]interface {}", element: Element::Any, methods: &[] };
/// `[]string`.
pub static STRING_LIST: ListType = ListType { name: "[]string", element: Element::String, methods: &[] };
/// `[]int`.
pub static INT_LIST: ListType = ListType { name: "[]int", element: Element::Int, methods: &[] };
/// `[]map[string]interface {}`.
pub static DICT_LIST: ListType = ListType { name: "[]map[string]interface {}", element: Element::Dict, methods: &[] };

/// A value of a template.
#[derive(Clone, Default)]
pub enum Value {
    /// The nil interface: a YAML or JSON null.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// A signed integer.
    Int(i64, IntType),
    /// An unsigned integer.
    Uint(u64, UintType),
    /// A floating point number.
    Float(f64, FloatType),
    /// `complex128`, from an imaginary literal.
    Complex(f64, f64),
    /// `string`.
    String(Bytes),
    /// `[]uint8`, which prints as text with `%s` and as numbers with `%v`.
    ByteSlice(Bytes),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A struct, or a pointer to one, made by the program.
    Object(Rc<dyn Object>),
}

impl Value {
    /// An `int`.
    pub fn int(n: i64) -> Self {
        Self::Int(n, IntType::Int)
    }

    /// An `int64`.
    pub fn int64(n: i64) -> Self {
        Self::Int(n, IntType::Int64)
    }

    /// A `float64`.
    pub fn float(f: f64) -> Self {
        Self::Float(f, FloatType::Float64)
    }

    /// A new `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(&ANY_LIST, items))
    }

    /// A new `[]string`.
    pub fn strings<B: Into<Bytes>>(items: impl IntoIterator<Item = B>) -> Self {
        Self::List(List::new(&STRING_LIST, items.into_iter().map(|item| Self::String(item.into())).collect()))
    }

    /// A new `map[string]interface {}`.
    pub fn dict<K: Into<Bytes>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(Map::new(&DICT, entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// A new `map[string]string`.
    pub fn string_map<K: Into<Bytes>, B: Into<Bytes>>(entries: impl IntoIterator<Item = (K, B)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), Self::String(value.into())));
        Self::Map(Map::new(&STRING_MAP, entries.collect()))
    }

    /// Go's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_, int) => Kind::Int(*int),
            Self::Uint(_, uint) => Kind::Uint(*uint),
            Self::Float(_, float) => Kind::Float(*float),
            Self::Complex(..) => Kind::Complex,
            Self::String(_) => Kind::String,
            Self::ByteSlice(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) if object.is_pointer() => Kind::Pointer,
            Self::Object(_) => Kind::Struct,
        }
    }

    /// The type as `%T` prints it.
    pub fn type_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_, int) => int.name(),
            Self::Uint(_, uint) => uint.name(),
            Self::Float(_, float) => float.name(),
            Self::Complex(..) => "complex128",
            Self::String(_) => "string",
            Self::ByteSlice(_) => "[]uint8",
            Self::List(list) => list.list_type.name,
            Self::Map(map) => map.map_type.name,
            Self::Object(object) => return Cow::Owned(object.type_name().to_owned()),
        })
    }

    /// Whether `if` takes the branch: everything but false, 0, "", nil, and empty maps and lists.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n, _) => *n != 0,
            Self::Uint(n, _) => *n != 0,
            Self::Float(f, _) => *f != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::String(bytes) | Self::ByteSlice(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// Whether Go's reflection calls the value nil: the nil interface, nil maps and nil slices.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            _ => false,
        }
    }

    /// The bytes of a string.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Methods of the value's type.
    pub(super) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Map(map) => map.map_type.methods,
            Self::List(list) => list.list_type.methods,
            Self::Object(object) => object.methods(),
            Self::Int(_, int) => super::time::int_methods(*int),
            _ => &[],
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match super::fmt::sprintf(b"%#v", std::slice::from_ref(self)) {
            Ok(text) => f.write_str(&String::from_utf8_lossy(&text)),
            Err(_) => f.write_str("<nested too deep>"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::String(bytes.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::String(bytes.into())
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::String(bytes)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::Map(self.clone()).fmt(f)
    }
}

struct ListCell(RefCell<Vec<Value>>);
struct MapCell(RefCell<BTreeMap<Bytes, Value>>);

/// A Go slice: clones share their elements.
#[derive(Clone)]
pub struct List {
    list_type: &'static ListType,
    cell: Option<Rc<ListCell>>,
}

impl List {
    /// A new list of a type; the elements must be of that type.
    pub fn new(list_type: &'static ListType, items: Vec<Value>) -> Self {
        Self { list_type, cell: Some(Rc::new(ListCell(RefCell::new(items)))) }
    }

    /// The nil slice of a type.
    pub fn nil(list_type: &'static ListType) -> Self {
        Self { list_type, cell: None }
    }

    /// The type.
    pub fn list_type(&self) -> &'static ListType {
        self.list_type
    }

    /// Whether it is the nil slice.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.cell.as_ref().map_or(0, |cell| cell.0.borrow().len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One element.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.cell.as_ref().and_then(|cell| cell.0.borrow().get(index).cloned())
    }

    /// A copy of the elements as they are now.
    pub fn to_vec(&self) -> Vec<Value> {
        self.cell.as_ref().map_or_else(Vec::new, |cell| cell.0.borrow().clone())
    }

    /// Changes the elements in place, seen by every clone. Nothing happens to the nil slice.
    pub fn update(&self, change: impl FnOnce(&mut Vec<Value>)) {
        if let Some(cell) = &self.cell {
            change(&mut cell.0.borrow_mut());
        }
    }
}

/// A Go map with string keys: clones are the same map.
#[derive(Clone)]
pub struct Map {
    map_type: &'static MapType,
    cell: Option<Rc<MapCell>>,
}

impl Map {
    /// A new map of a type; the values must be of that type.
    pub fn new(map_type: &'static MapType, entries: BTreeMap<Bytes, Value>) -> Self {
        Self { map_type, cell: Some(Rc::new(MapCell(RefCell::new(entries)))) }
    }

    /// The nil map of a type.
    pub fn nil(map_type: &'static MapType) -> Self {
        Self { map_type, cell: None }
    }

    /// The same map seen as another type with the same elements, as a Go conversion makes it.
    #[must_use]
    pub fn with_type(&self, map_type: &'static MapType) -> Self {
        Self { map_type, cell: self.cell.clone() }
    }

    /// The type.
    pub fn map_type(&self) -> &'static MapType {
        self.map_type
    }

    /// Whether it is the nil map.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.cell.as_ref().map_or(0, |cell| cell.0.borrow().len())
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.cell.as_ref().and_then(|cell| cell.0.borrow().get(key).cloned())
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.0.borrow().contains_key(key))
    }

    /// Sets a key, seen by every clone; false for the nil map, where Go panics.
    pub fn insert(&self, key: Bytes, value: Value) -> bool {
        let Some(cell) = &self.cell else { return false };
        // The old value is dropped after the borrow ends: dropping it may reach this map again.
        let old = cell.0.borrow_mut().insert(key, value);
        drop(old);
        true
    }

    /// Removes a key, seen by every clone.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        self.cell.as_ref().and_then(|cell| cell.0.borrow_mut().remove(key))
    }

    /// A copy of the entries as they are now, in the order of keys.
    pub fn entries(&self) -> Vec<(Bytes, Value)> {
        self.borrow().map_or_else(Vec::new, |map| map.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    /// The keys as they are now, in order.
    pub fn keys(&self) -> Vec<Bytes> {
        self.borrow().map_or_else(Vec::new, |map| map.keys().cloned().collect())
    }

    /// Whether two handles are one map.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.cell, &other.cell) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    fn borrow(&self) -> Option<Ref<'_, BTreeMap<Bytes, Value>>> {
        self.cell.as_ref().map(|cell| cell.0.borrow())
    }
}

impl Drop for ListCell {
    fn drop(&mut self) {
        let items = std::mem::take(self.0.get_mut());
        if items.iter().any(is_container) {
            dismantle(items);
        }
    }
}

impl Drop for MapCell {
    fn drop(&mut self) {
        let entries = std::mem::take(self.0.get_mut());
        if entries.values().any(is_container) {
            dismantle(entries.into_values().collect());
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Drops values of any depth without recursion: a template can nest lists as deep as it has steps.
fn dismantle(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(List { cell: Some(cell), .. }) => {
                if let Ok(cell) = Rc::try_unwrap(cell) {
                    pending.append(&mut cell.0.take());
                }
            }
            Value::Map(Map { cell: Some(cell), .. }) => {
                if let Ok(cell) = Rc::try_unwrap(cell) {
                    pending.extend(cell.0.take().into_values());
                }
            }
            _ => {}
        }
    }
}
