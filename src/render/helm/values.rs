//! Values: merging files, and coalescing what users give with the defaults of a chart and its subcharts, globals included.
//!
//! Helm changes maps in place and copies some of them on the way; which ones it copies shows, so it is the same here. Two rules move
//! between versions: nulls of defaults are kept by Helm 3 and dropped by Helm 4, and a null over a key that the other side has as null
//! too. (Helm: pkg/chartutil/coalesce.go of 3.22, pkg/chart/common/util/coalesce.go of 4.3.)

use crate::template::helm::Profile;
use crate::template::value::{DICT, List};
use crate::template::{Map, Value};
use crate::yaml::{self, Node};

use super::instance::Instance;

/// The key under which values are shared with subcharts.
const GLOBAL: &str = "global";

/// Nesting of values beyond which nothing is copied or merged any more: nobody's, and no stack is at risk.
const MAX_DEPTH: usize = 250;

/// What coalescing has to say to the user, in Helm's words; they are on standard error there.
pub type Warnings = Vec<String>;

/// Merges two maps; the second wins, nulls included.
pub(super) fn merge_nodes(a: &Node, b: &Node) -> Node {
    let (Some(a_map), Some(b_map)) = (a.as_map(), b.as_map()) else { return b.clone() };
    if a_map.is_empty() {
        return b.clone();
    }
    let mut out: yaml::Map = a_map.clone();
    for (key, value) in b_map.iter() {
        let Some(name) = key.as_str() else { continue };
        let merged = match out.get(name) {
            Some(old) if old.as_map().is_some() && value.as_map().is_some() => merge_nodes(old, value),
            _ => value.clone(),
        };
        out.insert(name, merged);
    }
    Node::map(out)
}

/// The same on the maps of a render; `b` is not changed, but its parts become parts of `a`.
pub(super) fn merge_into(a: &Map, b: &Map) {
    for (key, value) in b.entries() {
        match (a.get(&key), &value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge_into(&old, new),
            _ => drop(a.insert(key, value)),
        }
    }
}

/// A new empty map.
pub(super) fn empty() -> Map {
    Map::new(&DICT, std::collections::BTreeMap::new())
}

/// A deep copy of maps and lists.
pub(super) fn copy(value: &Value) -> Value {
    copy_to(value, 0)
}

fn copy_to(value: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return value.clone();
    }
    match value {
        Value::Map(map) if !map.is_nil() => {
            let entries = map.entries().into_iter().map(|(key, value)| (key, copy_to(&value, depth + 1)));
            Value::Map(Map::new(map.map_type(), entries.collect()))
        }
        Value::List(list) if !list.is_nil() => {
            let items = list.to_vec().iter().map(|item| copy_to(item, depth + 1)).collect();
            Value::List(List::new(list.list_type(), items))
        }
        other => other.clone(),
    }
}

fn copy_map(map: &Map) -> Map {
    match copy(&Value::Map(map.clone())) {
        Value::Map(map) => map,
        _ => empty(),
    }
}

/// How maps are put together.
#[derive(Debug)]
pub(super) struct Coalesce<'w> {
    /// Whose rules.
    pub(super) profile: Profile,
    /// Whether nulls stay (import-values need them) instead of taking keys away.
    pub(super) keep_nulls: bool,
    /// What there is to say.
    pub(super) warnings: &'w mut Warnings,
}

impl Coalesce<'_> {
    /// A copy of the user's values with the defaults of a chart and its subcharts underneath.
    ///
    /// # Errors
    /// What is given for a subchart is no map.
    pub(super) fn chart(&mut self, chart: &Instance, user: &Map) -> Result<Map, String> {
        let values = copy_map(user);
        self.within(chart, &values, "")?;
        Ok(values)
    }

    fn within(&mut self, chart: &Instance, values: &Map, prefix: &str) -> Result<(), String> {
        self.defaults(chart, values, prefix);
        let prefix = join(prefix, &chart.name);
        for child in &chart.children {
            let key = child.name.as_bytes();
            let own = match values.get(key) {
                None => {
                    let own = empty();
                    values.insert(key.into(), Value::Map(own.clone()));
                    own
                }
                Some(Value::Map(own)) => own,
                Some(other) => {
                    let printed = crate::template::print_with("%t", &other);
                    return Err(format!("type mismatch on {}: {printed}", child.name));
                }
            };
            self.globals(&own, values, &prefix);
            self.within(child, &own, &prefix)?;
        }
        Ok(())
    }

    /// Hands the globals of a chart down to a subchart; there they win over its own.
    fn globals(&mut self, child: &Map, parent: &Map, prefix: &str) {
        let mut table = |map: &Map, what: &str| match map.get(GLOBAL.as_bytes()) {
            None => Some(empty()),
            Some(Value::Map(table)) => Some(table),
            Some(_) => {
                self.warnings.push(format!("warning: skipping globals because {what} {GLOBAL} is not a table."));
                None
            }
        };
        let Some(theirs) = table(child, "destination") else { return };
        let Some(ours) = table(parent, "source") else { return };
        for (key, value) in ours.entries() {
            match (value, theirs.get(&key)) {
                (Value::Map(value), None) => drop(theirs.insert(key, Value::Map(shallow(&value)))),
                (Value::Map(value), Some(Value::Map(known))) => {
                    let both = shallow(&value);
                    let merge = Coalesce { profile: self.profile, keep_nulls: true, warnings: self.warnings };
                    merge.tables(&both, &known, &join(prefix, &key.to_text()), 0);
                    theirs.insert(key, Value::Map(both));
                }
                (Value::Map(_), Some(_)) => {
                    self.warnings
                        .push(format!("Conflict: cannot merge map onto non-map for {:?}. Skipping.", key.to_text()));
                }
                (_, Some(Value::Map(_))) => {
                    self.warnings.push(format!("key {} is table. Skipping", key.to_text()));
                }
                (value, _) => drop(theirs.insert(key, value)),
            }
        }
        child.insert(GLOBAL.into(), Value::Map(theirs));
    }

    /// Puts the defaults of one chart under given values.
    fn defaults(&mut self, chart: &Instance, values: &Map, prefix: &str) {
        let prefix = join(prefix, &chart.name);
        let clean = self.profile == Profile::V4 && !self.keep_nulls;
        for (key, default) in copy_map(&chart.values).entries() {
            match values.get(&key) {
                None => {
                    if clean {
                        if matches!(default, Value::Nil) {
                            continue;
                        }
                        drop_nulls(&default, 0);
                    }
                    values.insert(key, default);
                }
                Some(Value::Nil) if !self.keep_nulls => drop(values.remove(&key)),
                Some(Value::Map(given)) => match &default {
                    Value::Map(default) => {
                        let is_child = chart.children.iter().any(|child| child.name.as_bytes() == &key[..]);
                        if clean && !is_child {
                            drop_nulls(&Value::Map(default.clone()), 0);
                        }
                        let keep_nulls = self.keep_nulls || is_child;
                        let inner = Coalesce { profile: self.profile, keep_nulls, warnings: self.warnings };
                        inner.tables(&given, default, &join(&prefix, &key.to_text()), 0);
                    }
                    Value::Nil => {}
                    _ => self
                        .warnings
                        .push(format!("warning: skipped value for {prefix}.{}: Not a table.", key.to_text())),
                },
                Some(_) => {}
            }
        }
    }

    /// Puts a map under another, both of which change.
    pub(super) fn tables(self, given: &Map, under: &Map, prefix: &str, depth: usize) {
        if depth > MAX_DEPTH || given.is_nil() || under.is_nil() || given.is_same(under) {
            return;
        }
        let had: Vec<_> =
            under.entries().into_iter().filter(|(_, value)| !matches!(value, Value::Nil)).map(|(key, _)| key).collect();
        for (key, value) in given.entries() {
            if matches!(value, Value::Nil) {
                under.insert(key, Value::Nil);
            }
        }
        for (key, value) in under.entries() {
            let name = || join(prefix, &key.to_text());
            match (given.get(&key), value) {
                (Some(Value::Nil), _)
                    if !self.keep_nulls && (self.profile == Profile::V3 || had.binary_search(&key).is_ok()) =>
                {
                    given.remove(&key);
                }
                (None, value) => drop(given.insert(key, value)),
                (Some(Value::Map(inner)), Value::Map(value)) => {
                    let name = name();
                    let inner_rules =
                        Coalesce { profile: self.profile, keep_nulls: self.keep_nulls, warnings: &mut *self.warnings };
                    inner_rules.tables(&inner, &value, &name, depth + 1);
                }
                (Some(_), Value::Map(value)) => {
                    let printed = crate::template::print_with("%v", &Value::Map(value));
                    self.warnings
                        .push(format!("warning: cannot overwrite table with non table for {} ({printed})", name()));
                }
                (Some(Value::Map(_)), value) if !matches!(value, Value::Nil) => {
                    let printed = crate::template::print_with("%v", &value);
                    self.warnings.push(format!(
                        "warning: destination for {} is a table. Ignoring non-table value ({printed})",
                        name()
                    ));
                }
                _ => {}
            }
        }
    }
}

fn shallow(map: &Map) -> Map {
    Map::new(map.map_type(), map.entries().into_iter().collect())
}

/// Takes all nulls out of maps, not out of lists.
pub(super) fn drop_nulls(value: &Value, depth: usize) {
    let Value::Map(map) = value else { return };
    if depth > MAX_DEPTH {
        return;
    }
    for (key, value) in map.entries() {
        match value {
            Value::Nil => drop(map.remove(&key)),
            value => drop_nulls(&value, depth + 1),
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// The map at a dotted path.
pub(super) fn table(values: &Map, path: &str) -> Option<Map> {
    let mut table = values.clone();
    for part in path.split('.') {
        match table.get(part.as_bytes()) {
            Some(Value::Map(inner)) => table = inner,
            _ => return None,
        }
    }
    Some(table)
}

/// The value at a dotted path that is no map.
pub(super) fn scalar(values: &Map, path: &str) -> Option<Value> {
    let (table_path, key) = path.rsplit_once('.').map_or(("", path), |(table, key)| (table, key));
    let inner = if table_path.is_empty() { Some(values.clone()) } else { table(values, table_path) }?;
    inner.get(key.as_bytes()).filter(|value| !matches!(value, Value::Map(_) | Value::Nil))
}
