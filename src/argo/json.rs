//! Raw JSON inside Argo CD's objects: what sigs.k8s.io/yaml makes of the YAML before anything is decoded.

use crate::yaml::Node;
use crate::yaml::sigs::{Numbers, to_json_value};

pub(super) use crate::yaml::sigs::key_text;

/// The value with JSON's types. What has no form in JSON (null keys, infinities) stays as it is; [`check`](super::check()) reports it.
pub(super) fn json_value(node: &Node) -> Node {
    to_json_value(node, Numbers::Int64).unwrap_or_else(|_| node.clone())
}
