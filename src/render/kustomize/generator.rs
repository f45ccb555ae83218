//! ConfigMaps and Secrets from literals, files and env files, and the hash that ends their names
//! (api/internal/generators, api/kv, api/hasher).

use std::collections::BTreeMap;

use base64::Engine as _;
use sha2::Digest as _;
use smol_str::SmolStr;

use super::file::{Generator, GeneratorOptions, Text};
use super::load::{Frame, Loader};
use super::object::{Object, key_node, str_node};
use crate::diag::Diagnostic;
use crate::yaml::{Map, Node, json};

/// Makes the object of a generator.
///
/// # Errors
/// A source cannot be read, or a key is there twice.
pub(super) fn generate(
    loader: &Loader<'_>,
    frame: &Frame<'_>,
    generator: &Generator,
    secret: bool,
    global: Option<&GeneratorOptions>,
) -> Result<Object, Box<Diagnostic>> {
    let kind = if secret { "Secret" } else { "ConfigMap" };
    let fail = |text: String| Box::new(Diagnostic::error("kustomize/generator", generator.span, text));
    if generator.name.is_empty() {
        return Err(fail(format!("a {kind} generator needs a `name`")));
    }
    let options = merged_options(generator.options.as_ref(), global);
    let mut data: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (key, value) in pairs(loader, frame, generator)? {
        if data.contains_key(&key) {
            // Never the value: this may be a Secret.
            return Err(fail(format!("{kind} `{}` repeats the key `{key}`", generator.name)));
        }
        data.insert(key, value);
    }
    let mut body = Map::new();
    body.insert("apiVersion", Node::str("v1"));
    body.insert("kind", Node::str(kind));
    body.insert("metadata", Node::map(metadata(generator, options.as_ref())));
    if secret {
        let secret_type = if generator.secret_type.is_empty() { "Opaque" } else { &generator.secret_type };
        body.insert("type", Node::str(secret_type));
        let values = data.into_iter().map(|(key, value)| (key_node(&key), str_node(&wrapped_base64(&value)))).collect();
        body.insert("data", Node::map(values));
    } else {
        let (mut text, mut binary) = (Map::new(), Map::new());
        for (key, value) in data {
            match String::from_utf8(value) {
                Ok(value) => text.push(key_node(&key), str_node(&value)),
                Err(value) => binary.push(key_node(&key), str_node(&wrapped_base64(value.as_bytes()))),
            }
        }
        for (field, values) in [("data", text), ("binaryData", binary)] {
            if !values.is_empty() {
                body.insert(field, Node::map(values));
            }
        }
    }
    if options.as_ref().is_some_and(|options| options.immutable) {
        body.insert("immutable", Node::bool(true));
    }
    let mut object = Object::new(Node::map(body).with_span(generator.span), generator.span);
    object.needs_hash = !options.is_some_and(|options| options.disable_name_suffix_hash);
    object.behavior = generator.behavior;
    object.generated = true;
    Ok(object)
}

fn metadata(generator: &Generator, options: Option<&GeneratorOptions>) -> Map {
    let mut metadata = Map::new();
    metadata.insert("name", str_node(&generator.name));
    if !generator.namespace.is_empty() {
        metadata.insert("namespace", str_node(&generator.namespace));
    }
    let Some(options) = options else { return metadata };
    for (field, entries) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        if !entries.is_empty() {
            let entries = entries.iter().map(|(key, value)| (key_node(key), str_node(value))).collect();
            metadata.insert(field, Node::map(entries));
        }
    }
    metadata
}

/// Local options, filled up from the global ones; flags are true when either is.
fn merged_options(local: Option<&GeneratorOptions>, global: Option<&GeneratorOptions>) -> Option<GeneratorOptions> {
    let Some(global) = global else { return local.cloned() };
    let mut merged = local.cloned().unwrap_or_default();
    let fill = |mine: &mut BTreeMap<SmolStr, SmolStr>, theirs: &BTreeMap<SmolStr, SmolStr>| {
        for (key, value) in theirs {
            mine.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    fill(&mut merged.labels, &global.labels);
    fill(&mut merged.annotations, &global.annotations);
    merged.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    merged.immutable |= global.immutable;
    Some(merged)
}

/// Keys and values: env files, then literals, then files.
fn pairs(
    loader: &Loader<'_>,
    frame: &Frame<'_>,
    generator: &Generator,
) -> Result<Vec<(String, Vec<u8>)>, Box<Diagnostic>> {
    let mut pairs = Vec::new();
    for path in &generator.envs {
        let source = loader.read(frame, path)?;
        env_lines(&source.bytes, path, &mut pairs)?;
    }
    for literal in &generator.literals {
        let fail = || {
            let text = "a literal must be `key=value`";
            Box::new(Diagnostic::error("kustomize/literal", literal.span, text))
        };
        let (key, value) = literal.value.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(fail)?;
        pairs.push((key.to_owned(), unquoted(value).as_bytes().to_vec()));
    }
    for entry in &generator.files {
        let (key, path) = file_source(entry)?;
        let source = loader.read(frame, &Text::new(path.into(), entry.span))?;
        pairs.push((key, source.bytes.to_vec()));
    }
    Ok(pairs)
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() >= 2
            && let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    value
}

/// `path` or `key=path`.
fn file_source(entry: &Text) -> Result<(String, String), Box<Diagnostic>> {
    let fail = |text: String| Err(Box::new(Diagnostic::error("kustomize/file-source", entry.span, text)));
    let source = entry.value.as_str();
    match source.split('=').collect::<Vec<_>>().as_slice() {
        [path] => Ok((base_name(path).to_owned(), (*path).to_owned())),
        ["", path] => fail(format!("missing key name for file path `{path}`")),
        [key, ""] => fail(format!("missing file path for key name `{key}`")),
        [key, path] => Ok(((*key).to_owned(), (*path).to_owned())),
        _ => fail(format!("key name or file path contains `=`: `{source}`")),
    }
}

/// Go's `path.Base`.
fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None => {
            if path.is_empty() {
                "."
            } else {
                "/"
            }
        }
        Some(name) => name,
    }
}

/// The lines of an env file: `KEY=value`, comments and empty lines skipped, values verbatim.
fn env_lines(bytes: &[u8], path: &Text, pairs: &mut Vec<(String, Vec<u8>)>) -> Result<(), Box<Diagnostic>> {
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            let text = format!("line {} of `{}` is no UTF-8", at + 1, path.value);
            return Err(Box::new(Diagnostic::error("kustomize/env-file", path.span, text)));
        };
        let line = if at == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start_matches(char::is_whitespace);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        // A line without a key counts as empty.
        if !key.is_empty() {
            pairs.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// Base64 broken into lines of 70; with more than one line each ends with a newline.
pub(super) fn wrapped_base64(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    if encoded.len() <= LINE {
        return encoded;
    }
    let mut wrapped = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        wrapped.push_str(line);
        wrapped.push('\n');
        rest = more;
    }
    wrapped
}

/// The ten letters that a content hash adds to a name. The name itself is not part of it.
///
/// # Errors
/// A value has no form in JSON.
pub(super) fn name_hash(body: &Node) -> Result<String, String> {
    let kind = body.get("kind").and_then(Node::text).unwrap_or_default();
    let mut hashed = Map::new();
    let value = |field: &str| match body.get(field) {
        None => Node::str(""),
        Some(node) if node.is_null() => Node::str(""),
        Some(node) if node.is_scalar() => Node::str(node.smol().unwrap_or_default()),
        Some(node) => super::resources::float_numbers(node),
    };
    let extra = match kind {
        "ConfigMap" => "binaryData",
        "Secret" => {
            hashed.insert("type", value("type"));
            "stringData"
        }
        _ => return Err(format!("a {kind} cannot be given a name with a hash")),
    };
    hashed.insert("kind", Node::str(kind));
    hashed.insert("name", Node::str(""));
    hashed.insert("data", value("data"));
    if body.get(extra).is_some_and(|node| node.as_map().is_some()) {
        hashed.insert(extra, value(extra));
    }
    let text = json::to_json(&Node::map(hashed)).map_err(|_| "the data has no form in JSON".to_owned())?;
    let digest = sha2::Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let letters = |c| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        c => c,
    };
    Ok(hex.chars().map(letters).collect())
}
