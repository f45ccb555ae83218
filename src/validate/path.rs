//! Where in an object a check is: a chain on the stack, made into a text where somebody asks.

use std::fmt;

/// A place in an object, below another one.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    above: Option<&'a At<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl At<'_> {
    /// The object itself.
    pub const ROOT: At<'static> = At { above: None, part: Part::Root };
}

impl<'a> At<'a> {
    /// A field or an entry of it.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> At<'a> {
        At { above: Some(self), part: Part::Field(name) }
    }

    /// An item of it.
    #[must_use]
    pub fn index(&'a self, at: usize) -> At<'a> {
        At { above: Some(self), part: Part::Index(at) }
    }

    /// Whether it is the object itself.
    pub fn is_root(&self) -> bool {
        self.above.is_none()
    }

    /// ``in `spec.ports[0]` ``, nothing at the root.
    pub(super) fn inside(&self) -> String {
        if self.is_root() { String::new() } else { format!(" in `{self}`") }
    }

    /// `` `spec.ports` ``, or "the object".
    pub(super) fn subject(&self) -> String {
        if self.is_root() { "the object".to_owned() } else { format!("`{self}`") }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(above) = self.above else { return Ok(()) };
        above.fmt(f)?;
        match self.part {
            Part::Root => Ok(()),
            Part::Index(at) => write!(f, "[{at}]"),
            Part::Field(name) if name.contains(['.', '/', '[', '"']) || name.is_empty() => write!(f, "[\"{name}\"]"),
            Part::Field(name) if above.is_root() => f.write_str(name),
            Part::Field(name) => write!(f, ".{name}"),
        }
    }
}
