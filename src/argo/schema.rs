//! What the rows of the field tables mean: Go's struct types as far as decoding and encoding JSON shows them.
//!
//! Field names are compared exactly. Go's encoding/json also matches `syncpolicy` for `syncPolicy`, but an object gets to Argo CD through an
//! API server, whose decoder (sigs.k8s.io/json) and pruning by schema are case-sensitive: there the misspelt field is lost. So it is unknown here too.

/// An Argo CD minor version, e.g. `(3, 5)`.
pub type Engine = (u32, u32);

/// A Go struct.
#[derive(Debug)]
pub struct Type {
    /// Its name in Go.
    pub name: &'static str,
    /// Whether an unknown field is an error whatever the caller says (generators and selectors).
    pub closed: bool,
    /// Its fields in Go's order.
    pub fields: &'static [Field],
}

/// A field of a Go struct.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether Go holds it by pointer: then a zero value that was written is kept.
    pub pointer: bool,
    /// When it is not printed.
    pub omit: Omit,
    /// Whether the schema of the API server asks for it.
    pub required: bool,
    /// How a strategic merge patch merges it, where it is a list.
    pub merge: Merge,
    /// Whether it is not of Argo CD but ours.
    pub ours: bool,
    /// Why it should go, where it has no effect any more; empty for all others.
    pub deprecated: &'static str,
    /// The first engine that has this row, and the last.
    pub engines: (Engine, Engine),
    /// What it is, for people; empty for the types of Argo CD.
    pub doc: &'static str,
}

/// What a field, an item or a map value holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `string`
    String,
    /// `string` with a closed list of values in the schema.
    OneOf(&'static [&'static str]),
    /// `bool`
    Bool,
    /// `int64`
    Int,
    /// `intstr.IntOrString`
    IntOrString,
    /// `metav1.Time`
    Time,
    /// A struct.
    Struct(&'static Type),
    /// A slice.
    List(&'static Shape),
    /// A map with string keys.
    Map(&'static Shape),
    /// Any JSON (`apiextensionsv1.JSON`).
    Raw,
    /// Any JSON object (`runtime.RawExtension` with `type: object` in the schema).
    RawObject,
    /// Any JSON that Argo CD decodes as a struct later on.
    RawOf(&'static Type),
    /// A string, or an object in its place (ours).
    StringOr(&'static Type),
    /// A field that people expect and that is not there, with the reason.
    Refused(&'static str),
    /// Not looked into, not printed: status and the like.
    Opaque,
}

/// When encoding/json leaves a field out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Omit {
    /// Never.
    Never,
    /// `omitempty`: zero scalars, nil pointers, empty lists and maps. Has no effect on structs that are not behind a pointer.
    Empty,
    /// `omitzero`: structs without any content too.
    Zero,
}

/// `patchStrategy` and `patchMergeKey` of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// The list is replaced.
    Replace,
    /// Scalars are added where they are not there yet.
    Values,
    /// Items with the same value of this field are merged.
    By(&'static str),
}

const FIRST: Engine = (0, 0);
const LAST: Engine = (u32::MAX, u32::MAX);

/// A field that is always printed.
pub const fn req(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        pointer: false,
        omit: Omit::Never,
        required: false,
        merge: Merge::Replace,
        ours: false,
        deprecated: "",
        engines: (FIRST, LAST),
        doc: "",
    }
}

/// A field with `omitempty`.
pub const fn opt(name: &'static str, shape: Shape) -> Field {
    Field { omit: Omit::Empty, ..req(name, shape) }
}

impl Field {
    /// Held by pointer.
    #[must_use]
    pub const fn ptr(mut self) -> Self {
        self.pointer = true;
        self
    }

    /// With `omitzero`.
    #[must_use]
    pub const fn omit_zero(mut self) -> Self {
        self.omit = Omit::Zero;
        self
    }

    /// Asked for by the schema.
    #[must_use]
    pub const fn must(mut self) -> Self {
        self.required = true;
        self
    }

    /// Merged by a strategic merge patch.
    #[must_use]
    pub const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    /// An extension of ours.
    #[must_use]
    pub const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// Without effect, for this reason.
    #[must_use]
    pub const fn deprecated(mut self, reason: &'static str) -> Self {
        self.deprecated = reason;
        self
    }

    /// From this Argo CD on.
    #[must_use]
    pub const fn since(mut self, major: u32, minor: u32) -> Self {
        self.engines.0 = (major, minor);
        self
    }

    /// Up to and with this Argo CD.
    #[must_use]
    pub const fn until(mut self, major: u32, minor: u32) -> Self {
        self.engines.1 = (major, minor);
        self
    }

    /// With an explanation for people.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Whether this row holds for an engine.
    pub fn is_of(&self, engine: Engine) -> bool {
        self.engines.0 <= engine && engine <= self.engines.1
    }
}

impl Type {
    /// A struct in which an unknown field is what the caller says.
    pub const fn open(name: &'static str, fields: &'static [Field]) -> Self {
        Type { name, closed: false, fields }
    }

    /// A struct in which an unknown field is an error.
    pub const fn closed(name: &'static str, fields: &'static [Field]) -> Self {
        Type { name, closed: true, fields }
    }

    /// The fields that an engine has, in Go's order.
    pub fn fields_of(&self, engine: Engine) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(move |field| field.is_of(engine))
    }

    /// The field of a name, as an engine has it.
    pub fn field(&self, name: &str, engine: Engine) -> Option<&'static Field> {
        self.fields_of(engine).find(|field| field.name == name)
    }
}
