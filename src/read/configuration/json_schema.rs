//! The JSON Schemas of what people write for fleetc, from the field tables that it is read by: fleet.yaml and facts of clusters.

use serde_json::{Map, Value, json};

use super::table::{FACTS, FLEET};
use crate::argo::schema::{Shape, Type};

/// The schema (draft 2020-12) that editors check `fleet.yaml` with.
pub fn json_schema() -> Value {
    titled("fleet.yaml of fleetc", &FLEET)
}

/// The same for the facts of a cluster, `clusters/NAME.facts.yaml`.
pub fn facts_json_schema() -> Value {
    titled("Facts of a cluster for fleetc", &FACTS)
}

fn titled(title: &str, ty: &Type) -> Value {
    let mut schema = object(ty);
    if let Some(map) = schema.as_object_mut() {
        let mut front = Map::new();
        front.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        front.insert("title".to_owned(), json!(title));
        front.append(map);
        *map = front;
    }
    schema
}

fn object(ty: &Type) -> Value {
    let mut properties = Map::new();
    for field in ty.fields {
        let mut value = shape(field.shape);
        if value == json!(true) {
            // The same, and it can carry a text.
            value = json!({});
        }
        if !field.doc.is_empty()
            && let Some(map) = value.as_object_mut()
        {
            let mut front = Map::new();
            front.insert("description".to_owned(), json!(field.doc));
            front.append(map);
            *map = front;
        }
        properties.insert(field.name.to_owned(), value);
    }
    let required: Vec<&str> = ty.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({"type": "object", "additionalProperties": !ty.closed, "properties": properties});
    if !required.is_empty()
        && let Some(map) = schema.as_object_mut()
    {
        map.insert("required".to_owned(), json!(required));
    }
    schema
}

fn shape(shape_: Shape) -> Value {
    match shape_ {
        Shape::String | Shape::Time => json!({"type": "string"}),
        Shape::OneOf(values) => json!({"enum": values}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int => json!({"type": "integer"}),
        Shape::IntOrString => json!({"type": ["integer", "string"]}),
        Shape::Struct(ty) | Shape::RawOf(ty) => object(ty),
        Shape::StringOr(ty) => json!({"anyOf": [{"type": "string"}, object(ty)]}),
        Shape::List(item) => json!({"type": "array", "items": shape(*item)}),
        Shape::Map(item) => json!({"type": "object", "additionalProperties": shape(*item)}),
        Shape::RawObject => json!({"type": "object"}),
        Shape::Raw | Shape::Opaque => json!(true),
        Shape::Refused(_) => json!(false),
    }
}
