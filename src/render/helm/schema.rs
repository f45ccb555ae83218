//! values.schema.json of a chart and of the charts in it, each against its own values. The checker is a crate's, so the wording of what is
//! wrong is not Helm's to the letter; what is refused is the same.
//!
//! Refused here: references out of the document, which Helm 4 would fetch.

use crate::template::{Map, Value, convert};
use crate::yaml::json;

use super::instance::Instance;
use super::values::table;

/// Bytes of a schema at most.
const MAX_SCHEMA: usize = 5 << 20;

/// Checks the values of a chart and of all in it.
///
/// # Errors
/// All that is wrong, in Helm's layout.
pub(super) fn check(chart: &Instance, values: &Map) -> Result<(), String> {
    let mut found = String::new();
    check_one(chart, values, &mut found)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{found}"))
}

fn check_one(chart: &Instance, values: &Map, found: &mut String) -> Result<(), String> {
    if let Some(schema) = &chart.chart.schema {
        let wrong = errors(&schema.data, values).map_err(|error| format!("{}:\n{error}", chart.name))?;
        if !wrong.is_empty() {
            found.push_str(&format!("{}:\n{}\n", chart.name, wrong.join("\n")));
        }
    }
    for child in &chart.children {
        if let Some(own) = table(values, &child.name) {
            check_one(child, &own, found)?;
        }
    }
    Ok(())
}

fn errors(schema: &[u8], values: &Map) -> Result<Vec<String>, String> {
    if schema.len() > MAX_SCHEMA {
        return Err("the schema is too large".to_owned());
    }
    let schema: serde_json::Value =
        serde_json::from_slice(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
    let node = convert::to_yaml(&Value::Map(values.clone())).map_err(|_| "the values have no JSON".to_owned())?;
    let text = json::to_json(&node).map_err(|_| "the values have no JSON".to_owned())?;
    let values: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let validator =
        jsonschema::validator_for(&schema).map_err(|error| format!("the schema cannot be used: {error}"))?;
    Ok(validator
        .iter_errors(&values)
        .map(|error| {
            let path = error.instance_path().to_string();
            format!("- at '{path}': {}", error.masked())
        })
        .collect())
}
