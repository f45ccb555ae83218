//! Executes the templates of a chart and its subcharts, in Helm's order: all are parsed, deepest first and names backwards, then executed in
//! the same order with values that they may change for each other. (Helm: pkg/engine/engine.go.)

use std::cmp::Ordering;
use std::sync::Arc;

use crate::template::helm::{self, MESSAGE_END, MESSAGE_START, Profile};
use crate::template::value::DICT;
use crate::template::{Bytes, Map, MissingKey, Options, TemplateError, TemplateSet, Value};

use super::chart::Chart;
use super::instance::Instance;
use super::values::{empty, table};
use super::{Capabilities, Release, objects};
use crate::span::FileId;

/// Bodies and templates inside each other, where the options allow no more. Helm gives up at a thousand templates of one name, which is three
/// and more levels each: whoever wants to see that gives more depth, and a stack for it.
pub(super) const MAX_DEPTH: u32 = 1_200;

/// One template file of a release.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// `chart/templates/x.yaml`, subcharts with their path.
    pub(super) name: String,
    pub(super) data: &'a Bytes,
    pub(super) file: FileId,
    /// The values that it sees, shared by all files of its chart.
    context: Map,
    base: String,
}

/// Why templates could not be executed.
#[derive(Debug)]
pub(super) struct Failed {
    /// As Helm says it.
    pub(super) message: String,
    /// Where it began and went on: from the file that was executed to the innermost.
    pub(super) chain: Vec<TemplateError>,
}

/// What the templates of a release are executed with.
pub(super) struct Surroundings<'a> {
    pub(super) release: &'a Release,
    pub(super) capabilities: &'a Capabilities,
    pub(super) profile: Profile,
    pub(super) options: Options<'a>,
}

/// All template files of a release, in the order in which they are parsed and executed.
pub(super) fn files<'a>(root: &'a Instance, values: &Map, around: &Surroundings<'_>) -> Vec<File<'a>> {
    let release = objects::release(around.release);
    let capabilities = objects::capabilities(around.capabilities, around.profile);
    let mut found = Vec::new();
    let values = Value::Map(values.with_type(objects::values_type(around.profile)));
    gather(root, true, &root.name, values, (&release, &capabilities), around.profile, &mut found);
    // Of two files of one name the later one counts.
    found.reverse();
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|file: &File<'_>| seen.insert(file.name.clone()));
    found.sort_by(|a, b| order(&b.name, &a.name));
    found
}

/// Fewer folders first, then by bytes.
fn order(a: &str, b: &str) -> Ordering {
    let depth = |name: &str| name.matches('/').count();
    depth(a).cmp(&depth(b)).then_with(|| a.cmp(b))
}

fn gather<'a>(
    chart: &'a Instance,
    root: bool,
    path: &str,
    values: Value,
    shared: (&Value, &Value),
    profile: Profile,
    found: &mut Vec<File<'a>>,
) -> Value {
    let children = empty();
    let context = empty();
    let put = |key: &str, value: Value| context.insert(key.into(), value);
    put("Chart", objects::chart(&chart.chart, &chart.name, &chart.dependencies, root, profile));
    put("Files", objects::files(&chart.chart.files));
    put("Release", shared.0.clone());
    put("Capabilities", shared.1.clone());
    put("Values", values.clone());
    put("Subcharts", Value::Map(children.clone()));
    for child in &chart.children {
        let own = values.as_map().and_then(|values| table(values, &child.name)).unwrap_or_else(empty);
        let own = Value::Map(own.with_type(objects::values_type(profile)));
        let below = format!("{path}/charts/{}", child.name);
        let context = gather(child, false, &below, own, shared, profile, found);
        children.insert(child.name.as_str().into(), context);
    }
    for template in &chart.chart.templates {
        let base = template.name.rsplit('/').next().unwrap_or(&template.name);
        if chart.chart.library && !base.starts_with('_') {
            continue;
        }
        found.push(File {
            name: format!("{path}/{}", template.name),
            data: &template.data,
            file: template.file,
            context: context.clone(),
            base: format!("{path}/templates"),
        });
    }
    Value::Map(context.with_type(&DICT))
}

/// Parses the files into a set.
pub(super) fn parse(files: &[File<'_>], profile: Profile) -> Result<TemplateSet, Failed> {
    let mut set = TemplateSet::new(helm::functions(profile).clone());
    for file in files {
        set.add(&file.name, &file.data.to_text()).map_err(|error| {
            let text = error.to_string();
            let parts: Vec<&str> = text.split(": ").collect();
            let message = match parts.as_slice() {
                [_, location, .., last] => format!("parse error at ({location}): {last}"),
                _ => format!("parse error in ({}): {text}", file.name),
            };
            Failed { message, chain: vec![error] }
        })?;
    }
    Ok(set)
}

/// Executes the files that are no partials; name and text of each.
pub(super) fn execute(
    set: &TemplateSet,
    files: &[File<'_>],
    around: &Surroundings<'_>,
) -> Result<Vec<(String, String)>, Failed> {
    let options = Options {
        missing_key: MissingKey::Zero,
        max_depth: around.options.max_depth.max(MAX_DEPTH),
        ..around.options.clone()
    };
    let mut rendered = Vec::new();
    for file in files {
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        if base.starts_with('_') {
            continue;
        }
        let template = Value::dict(
            [("Name", file.name.as_str()), ("BasePath", file.base.as_str())].map(|(k, v)| (k, Value::from(v))),
        );
        let template =
            template.as_map().map_or(Value::Nil, |map| Value::Map(map.with_type(objects::values_type(around.profile))));
        file.context.insert("Template".into(), template);
        let context = Value::Map(file.context.with_type(objects::values_type(around.profile)));
        let out = set.execute(&file.name, &context, &options).map_err(|error| told(error, around.profile))?;
        let out = helm::without_no_value(Bytes::from(out));
        rendered.push((file.name.clone(), out.to_text().into_owned()));
    }
    rendered.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(rendered)
}

/// An error as the profile prints it.
fn told(error: TemplateError, profile: Profile) -> Failed {
    let text = error.to_string();
    let mut chain = vec![error.clone()];
    while let Some(next) = chain.last().and_then(TemplateError::cause).cloned() {
        chain.push(next);
    }
    let message = marked(&text).unwrap_or_else(|| match profile {
        Profile::V3 => text.clone(),
        Profile::V4 => trace(&chain).unwrap_or_else(|| text.clone()),
    });
    Failed { message, chain }
}

/// The message of `fail` and `required`, with the place of the outermost call.
fn marked(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, ": ");
    let (_, location, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let from = rest.find(MESSAGE_START)? + MESSAGE_START.len();
    let to = rest.rfind(MESSAGE_END)?;
    Some(format!("execution error at ({location}): {}", rest.get(from..to)?))
}

/// Helm 4's blocks, one a template of the chain; `None` where something else than a template is in it.
fn trace(chain: &[TemplateError]) -> Option<String> {
    let mut out = String::new();
    let mut last = None;
    for (at, error) in chain.iter().enumerate() {
        let text = error.to_string();
        let inner = chain.get(at + 1).map(ToString::to_string);
        if let Some(called) = error.reason().strip_prefix("error calling ") {
            let through = inner.is_some_and(|inner| called.split_once(": ").is_some_and(|(_, rest)| rest == inner));
            if !through {
                return None;
            }
        }
        let block = block(&text)?;
        if last.as_ref() != Some(&block) {
            out.push_str(&block);
        }
        last = Some(block);
    }
    Some(out.trim().to_owned())
}

fn block(text: &str) -> Option<String> {
    let rest = text.strip_prefix("template: ")?;
    if rest.starts_with("no template ") {
        return Some(format!("{text}\n"));
    }
    let cut = |message: &str| message.find(" template:").map_or(message, |at| &message[..at]).to_owned();
    let mut out = String::new();
    if let Some((location, after)) = rest.split_once(": executing ") {
        let after = after.strip_prefix('"')?;
        let (function, after) = after.split_once('"')?;
        let (context, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        out.push_str(&format!("{location}\n  executing \"{function}\" at <{context}>:\n    "));
        let message = cut(message);
        if !message.is_empty() {
            out.push_str(&format!("{message}\n"));
        }
        return Some(out);
    }
    let (location, message) = rest.rsplit_once(": ")?;
    Some(format!("{location}\n  {}\n", cut(message)))
}

/// The charts of a release and where they lie in it: the root's name, `root/charts/child`…
pub(super) fn paths<'a>(chart: &'a Instance, path: &str, found: &mut Vec<(String, &'a Arc<Chart>)>) {
    found.push((path.to_owned(), &chart.chart));
    for child in &chart.children {
        paths(child, &format!("{path}/charts/{}", child.name), found);
    }
}
