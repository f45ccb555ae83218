//! A chart as one release uses it: dependencies chosen, renamed and switched off, values imported from them.
//!
//! The chart itself is shared and stays as it was loaded; an instance has its own name, children and default values. (Helm:
//! ProcessDependencies, pkg/chart/v2/util/dependencies.go.)

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::template::helm::{Profile, is_compatible};
use crate::template::{Map, Value, convert};
use crate::yaml::Node;

use super::chart::{Chart, Dependency};
use super::values::{Coalesce, Warnings, copy, empty, scalar, table};

/// A chart in a release.
#[derive(Debug)]
pub(super) struct Instance {
    /// The chart.
    pub(super) chart: Arc<Chart>,
    /// Its name here: its alias, else its own.
    pub(super) name: String,
    /// Its default values, with what it imports.
    pub(super) values: Map,
    /// The declared dependencies that are switched on, with the names that they have here.
    pub(super) dependencies: Vec<Dependency>,
    /// The charts below it that are used.
    pub(super) children: Vec<Instance>,
}

impl Instance {
    /// A chart with all charts in it, nothing chosen yet.
    pub(super) fn new(chart: &Arc<Chart>) -> Self {
        let values = match convert::from_json(&chart.values) {
            Value::Map(map) => map,
            _ => empty(),
        };
        Instance {
            name: chart.name.clone(),
            values,
            dependencies: chart.dependencies.clone(),
            children: chart.charts.iter().map(Instance::new).collect(),
            chart: Arc::clone(chart),
        }
    }

    /// Chooses dependencies by conditions and tags of the given values, then imports values from them.
    ///
    /// # Errors
    /// As coalescing.
    pub(super) fn resolve(&mut self, user: &Map, profile: Profile, warnings: &mut Warnings) -> Result<(), String> {
        self.choose(user, "", profile, warnings)?;
        self.import(profile, warnings)
    }

    fn choose(&mut self, user: &Map, path: &str, profile: Profile, warnings: &mut Warnings) -> Result<(), String> {
        if self.dependencies.is_empty() {
            return Ok(());
        }
        let declared = |chart: &Instance, dependency: &Dependency| {
            chart.chart.name == dependency.name && is_compatible(&dependency.version, &chart.chart.version)
        };
        let present = std::mem::take(&mut self.children);
        let mut children: Vec<Instance> = Vec::new();
        for dependency in &self.dependencies {
            if let Some(found) = present.iter().find(|chart| declared(chart, dependency)) {
                let mut child = Instance::new(&found.chart);
                if !dependency.alias.is_empty() {
                    child.name.clone_from(&dependency.alias);
                }
                children.push(child);
            }
        }
        // What is there and not declared is used whatever happens, and comes first.
        let (extra, _): (Vec<_>, Vec<_>) =
            present.into_iter().partition(|chart| !self.dependencies.iter().any(|d| declared(chart, d)));
        self.children = extra;
        self.children.append(&mut children);
        for dependency in &mut self.dependencies {
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
        }
        let values = Coalesce { profile, keep_nulls: false, warnings }.chart(self, user)?;
        let off: BTreeSet<String> = self
            .dependencies
            .iter()
            .filter(|dependency| !enabled(dependency, &values, path, warnings))
            .map(|dependency| dependency.name.clone())
            .collect();
        self.children.retain(|child| !off.contains(&child.name));
        self.dependencies.retain(|dependency| !off.contains(&dependency.name));
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.choose(&values, &path, profile, warnings)?;
        }
        Ok(())
    }

    fn import(&mut self, profile: Profile, warnings: &mut Warnings) -> Result<(), String> {
        for child in &mut self.children {
            child.import(profile, warnings)?;
        }
        if self.dependencies.is_empty() {
            return Ok(());
        }
        let values = Coalesce { profile, keep_nulls: true, warnings }.chart(self, &empty())?;
        let imported = empty();
        for dependency in &self.dependencies {
            for import in &dependency.import_values {
                let (child, parent) = match import.as_str() {
                    Some(name) => (format!("exports.{name}"), ".".to_owned()),
                    None if import.as_map().is_some() => (word(import, "child"), word(import, "parent")),
                    None => continue,
                };
                let Some(found) = table(&values, &format!("{}.{child}", dependency.name)) else {
                    warnings.push(format!(
                        "Warning: ImportValues missing table from chart {}: \"{}.{child}\" is not a table",
                        dependency.name, dependency.name
                    ));
                    continue;
                };
                let wrapped = wrap(&parent, found);
                Coalesce { profile, keep_nulls: true, warnings }.tables(&imported, &wrapped, "", 0);
            }
        }
        let Value::Map(own) = copy(&Value::Map(values)) else { return Ok(()) };
        Coalesce { profile, keep_nulls: true, warnings }.tables(&own, &imported, "", 0);
        self.values = own;
        Ok(())
    }
}

/// A map inside the maps of a dotted path.
fn wrap(path: &str, map: Map) -> Map {
    if path == "." {
        return map;
    }
    path.split('.').rev().fold(map, |inner, part| {
        let outer = empty();
        outer.insert(part.into(), Value::Map(inner));
        outer
    })
}

fn word(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::text).unwrap_or("<nil>").to_owned()
}

/// Whether a dependency is used: by its tags, then by the first of its conditions that is there.
fn enabled(dependency: &Dependency, values: &Map, path: &str, warnings: &mut Warnings) -> bool {
    let mut on = true;
    if let Some(tags) = table(values, "tags") {
        let set: Vec<bool> = dependency
            .tags
            .iter()
            .filter_map(|tag| match tags.get(tag.as_bytes())? {
                Value::Bool(on) => Some(on),
                _ => {
                    warnings
                        .push(format!("Warning: Tag '{tag}' for chart {} returned non-bool value", dependency.name));
                    None
                }
            })
            .collect();
        on = set.is_empty() || set.contains(&true);
    }
    for condition in dependency.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        match scalar(values, &format!("{path}{condition}")) {
            Some(Value::Bool(value)) => return value,
            Some(_) => warnings.push(format!(
                "Warning: Condition path '{condition}' for chart {} returned non-bool value",
                dependency.name
            )),
            None => {}
        }
    }
    on
}
