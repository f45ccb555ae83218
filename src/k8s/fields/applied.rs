//! The fields that a server-side apply of an object makes its applier own.
//!
//! By the rules of structured-merge-diff v6 (typed/tofieldset.go): every scalar, every list owned whole, every empty map and every null by
//! its own path, every item of a list map beside what is in it; then what no applier ever owns is taken out (apimachinery managedfields,
//! stripmeta.go), and `status`, which the API server takes from no apply of the object itself.

use super::shape::Shape;
use super::{Element, FieldSet, Path, key_of, value_of};
use crate::k8s::object::Gvk;
use crate::yaml::{Node, View};

/// Paths that the API server strips from every manager.
const STRIPPED: [&[&str]; 12] = [
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "clusterName"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// The set for an object as it is applied. The shape of a built-in kind is known; for others give that of the CRD, else maps are divided
/// by field and lists are whole, which is right for most CRDs.
pub fn applied(object: &Node, shape: Option<&Shape<'_>>) -> FieldSet {
    let built_in = Shape::built_in(&Gvk::of(object));
    let shape = built_in.or_else(|| shape.cloned()).unwrap_or(Shape::Plain);
    let mut walk = Walk { set: FieldSet::default(), path: Vec::new() };
    for (key, value) in object.as_map().into_iter().flat_map(|map| map.iter()) {
        let name = key.text().unwrap_or_default();
        match name {
            "status" => {}
            "metadata" => walk.field(name, value, &Shape::metadata(), true),
            _ => {
                let (below, known) = shape.field(name);
                walk.field(name, value, &below, known);
            }
        }
    }
    let stripped = STRIPPED.iter().map(|path| path.iter().map(|name| Element::field(name)).collect::<Path>());
    walk.set.difference(&stripped.collect())
}

struct Walk {
    set: FieldSet,
    path: Path,
}

impl Walk {
    fn field(&mut self, name: &str, value: &Node, shape: &Shape<'_>, known: bool) {
        self.path.push(Element::field(name));
        self.value(value, shape);
        let empty = value.is_null() || value.as_map().is_some_and(crate::yaml::Map::is_empty);
        if empty || !known {
            self.set.insert(&self.path);
        }
        self.path.pop();
    }

    fn value(&mut self, value: &Node, shape: &Shape<'_>) {
        match (value.view(), shape) {
            (View::Scalar(..), _) if value.is_null() => {}
            (View::Map(_), Shape::Whole) | (View::Scalar(..), _) => self.set.insert(&self.path),
            (View::Map(map), _) => {
                for (key, value) in map.iter() {
                    let name = key.text().unwrap_or_default();
                    let (below, known) = shape.field(name);
                    self.field(name, value, &below, known);
                }
            }
            (View::Seq(items), Shape::Items(keys, below)) => {
                self.items(items, items.iter().map(|item| key_of(item, keys)).collect(), below);
            }
            (View::Seq(items), Shape::Set) => {
                self.items(items, items.iter().map(value_of).collect(), &Shape::Plain);
            }
            (View::Seq(_), _) => self.set.insert(&self.path),
        }
    }

    /// Items by their elements. An item that is there twice is owned as one; a list with an item that has no element cannot be applied, and
    /// counts as whole.
    fn items(&mut self, items: &[Node], elements: Option<Vec<Element>>, shape: &Shape<'_>) {
        let Some(elements) = elements else { return self.set.insert(&self.path) };
        for (item, element) in items.iter().zip(&elements) {
            self.path.push(element.clone());
            if elements.iter().filter(|other| *other == element).count() == 1 {
                self.value(item, shape);
            }
            self.set.insert(&self.path);
            self.path.pop();
        }
    }
}
