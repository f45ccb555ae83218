//! What a server-side apply makes of a live object, as far as that can be told without asking: what is applied goes over what is there.
//!
//! By the rules of structured-merge-diff v6 (typed/merge.go): maps by field, items of list maps by their keys, sets by value, everything else
//! whole. Defaults, validation and webhooks are the server's, and who owns what is the caller's business: nothing is removed here.

use super::shape::Shape;
use super::{key_of, value_of};
use crate::k8s::object::Gvk;
use crate::yaml::{Map, Node, View};

/// A live object with the fields of an applied one. The shape of a built-in kind is known; for others see
/// [`applied`](super::applied::applied).
#[must_use]
pub fn merged(live: &Node, applied: &Node, shape: Option<&Shape<'_>>) -> Node {
    let built_in = Shape::built_in(&Gvk::of(applied));
    let shape = built_in.or_else(|| shape.cloned()).unwrap_or(Shape::Plain);
    let (Some(below), Some(above)) = (live.as_map(), applied.as_map()) else { return applied.clone() };
    let of = |name: &str| match name {
        "metadata" => Shape::metadata(),
        _ => shape.field(name).0,
    };
    let mut out = below.clone();
    for (key, value) in above.iter() {
        let name = key.text().unwrap_or_default();
        if name != "status" {
            put(&mut out, name, value, &of(name));
        }
    }
    Node::map(out)
}

fn put(out: &mut Map, name: &str, above: &Node, shape: &Shape<'_>) {
    let value = match out.get(name) {
        Some(below) => node(below, above, shape),
        None => above.clone(),
    };
    out.insert(name, value);
}

fn node(below: &Node, above: &Node, shape: &Shape<'_>) -> Node {
    match (below.view(), above.view(), shape) {
        (_, _, Shape::Whole) => above.clone(),
        (View::Map(below), View::Map(above), _) => {
            let mut out = below.clone();
            for (key, value) in above.iter() {
                let name = key.text().unwrap_or_default();
                put(&mut out, name, value, &shape.field(name).0);
            }
            Node::map(out)
        }
        (View::Seq(below), View::Seq(above), Shape::Items(keys, of)) => {
            list(below, above, &|item| key_of(item, keys), &|below, above| node(below, above, of))
        }
        (View::Seq(below), View::Seq(above), Shape::Set) => list(below, above, &value_of, &|_, above| above.clone()),
        _ => above.clone(),
    }
}

/// The items of both lists; those that are in both are merged where the live list has them.
fn list<K: PartialEq>(
    below: &[Node],
    above: &[Node],
    key: &dyn Fn(&Node) -> Option<K>,
    both: &dyn Fn(&Node, &Node) -> Node,
) -> Node {
    let mut out = below.to_vec();
    for item in above {
        let wanted = key(item);
        match out.iter_mut().find(|there| wanted.is_some() && key(there) == wanted) {
            Some(there) => *there = both(there, item),
            None => out.push(item.clone()),
        }
    }
    Node::seq(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;
    use crate::yaml::json;

    fn check(live: &str, applied: &str, wanted: &str) {
        let read = |text: &str| json::parse(FileId::NONE, text.as_bytes()).expect("JSON");
        let found = merged(&read(live), &read(applied), None);
        assert_eq!(json::to_json(&found).expect("JSON"), json::to_json(&read(wanted)).expect("JSON"));
    }

    #[test]
    fn items_find_each_other_and_the_rest_stays() {
        check(
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"1"},"uid":"u"},"spec":{"replicas":1,"template":{"spec":{"containers":[{"image":"x:1","name":"x","ports":[{"containerPort":80,"protocol":"TCP"}],"terminationMessagePath":"/dev/null"},{"name":"injected"}]}}},"status":{"x":1}}"#,
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"b":"2"}},"spec":{"template":{"spec":{"containers":[{"args":["-v"],"image":"x:2","name":"x","ports":[{"containerPort":80,"name":"http"}]},{"name":"new"}]}}},"status":{"x":2}}"#,
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"1","b":"2"},"uid":"u"},"spec":{"replicas":1,"template":{"spec":{"containers":[{"args":["-v"],"image":"x:2","name":"x","ports":[{"containerPort":80,"name":"http","protocol":"TCP"}],"terminationMessagePath":"/dev/null"},{"name":"injected"},{"name":"new"}]}}},"status":{"x":1}}"#,
        );
    }

    #[test]
    fn sets_grow_and_whole_values_are_replaced() {
        check(
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"finalizers":["a","b"]},"spec":{"selector":{"a":"1","b":"2"}}}"#,
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"finalizers":["b","c"]},"spec":{"selector":{"c":"3"}}}"#,
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"finalizers":["a","b","c"]},"spec":{"selector":{"c":"3"}}}"#,
        );
        check(
            r#"{"apiVersion":"example.com/v1","kind":"Widget","spec":{"list":[{"name":"a"}],"map":{"a":1}}}"#,
            r#"{"apiVersion":"example.com/v1","kind":"Widget","spec":{"list":[{"name":"b"}],"map":{"b":2}}}"#,
            r#"{"apiVersion":"example.com/v1","kind":"Widget","spec":{"list":[{"name":"b"}],"map":{"a":1,"b":2}}}"#,
        );
    }
}
