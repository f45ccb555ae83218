//! Health scripts of argocd-cm: which keys hold them, and which one is an object's.
//!
//! `resource.customizations.health.<group>_<kind>` (or `<kind>` for core) and `…useOpenLibs.…`, or the old form, a YAML map under
//! `resource.customizations` with keys `<group>/<kind>` and fields `health.lua`, `health.lua.useOpenLibs`. Keys may be globs; `all` in the
//! first form is `*/*`. A key that is exactly the kind's wins; of several globs that match, the first in byte order: Argo CD takes any
//! (v3.5 util/settings, util/lua). Scripts stay text here: a Lua state belongs to one thread and is made for one run.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Warned};
use crate::k8s::glob::Glob;
use crate::k8s::object::Gvk;
use crate::yaml::{Dialect, Limits, Node, parse_strict};

/// The scripts of one Argo CD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    by_key: BTreeMap<String, Script>,
    globs: Vec<(Glob, Script)>,
}

/// A health script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Script {
    /// The Lua text.
    pub text: String,
    /// Whether the string and math libraries are there (`useOpenLibs`).
    pub open_libs: bool,
}

const PREFIX: &str = "resource.customizations";

impl Scripts {
    /// From the `data` of argocd-cm. What is malformed is left out and reported; Argo CD refuses its whole configuration then.
    pub fn read(data: &Node) -> Warned<Self> {
        let mut scripts: BTreeMap<String, Script> = BTreeMap::new();
        let mut found = crate::diag::Diagnostics::new();
        let entries = || data.as_map().into_iter().flat_map(|map| map.iter());
        for (key, value) in entries().filter(|(key, _)| key.text() == Some(PREFIX)) {
            let text = value.as_str().unwrap_or_default();
            match parse_strict(value.span().file, text.as_bytes(), Dialect::V2, &Limits::default()) {
                Ok(documents) => {
                    for (kind, fields) in documents.iter().filter_map(Node::as_map).flat_map(|map| map.iter()) {
                        let script = scripts.entry(kind.text().unwrap_or_default().to_owned()).or_default();
                        script.text = fields.get("health.lua").and_then(Node::as_str).unwrap_or_default().to_owned();
                        let open = fields.get("health.lua.useOpenLibs").and_then(Node::as_bool);
                        script.open_libs = open.unwrap_or(false);
                    }
                }
                Err(_) => found.push(
                    Diagnostic::warning("k8s/health-script", key.span(), "`resource.customizations` is no YAML map")
                        .hint("its health scripts are not used; Argo CD would refuse the whole ConfigMap"),
                ),
            }
        }
        for (key, value) in entries() {
            let Some((kind, of)) = key.text().and_then(split_key) else { continue };
            let Some(of) = of else {
                found.push(
                    Diagnostic::warning("k8s/health-script", key.span(), "the key names no kind")
                        .hint("write `resource.customizations.health.<group>_<kind>`"),
                );
                continue;
            };
            let text = value.text().unwrap_or_default();
            match kind {
                "health" => scripts.entry(of).or_default().text = text.to_owned(),
                "useOpenLibs" => match go_bool(text) {
                    Some(open) => scripts.entry(of).or_default().open_libs = open,
                    None => found.push(Diagnostic::warning(
                        "k8s/health-script",
                        value.span(),
                        format!("`{text}` is neither true nor false"),
                    )),
                },
                _ => {}
            }
        }
        scripts.retain(|_, script| !script.text.is_empty());
        let globs = scripts.iter().filter_map(|(key, script)| Some((Glob::new(key, "")?, script.clone()))).collect();
        Warned { value: Scripts { by_key: scripts, globs }, diagnostics: found }
    }

    /// The script for a kind.
    pub fn of(&self, gvk: &Gvk) -> Option<&Script> {
        if self.by_key.is_empty() {
            return None;
        }
        let key = if gvk.group.is_empty() { gvk.kind.to_string() } else { format!("{}/{}", gvk.group, gvk.kind) };
        let by_glob = || self.globs.iter().find(|(glob, _)| glob.matches(&key)).map(|(_, script)| script);
        self.by_key.get(&key).or_else(by_glob)
    }
}

/// `resource.customizations.<what>.<group>_<kind>` to what and `<group>/<kind>`; the latter is `None` where it is malformed.
pub(crate) fn split_key(key: &str) -> Option<(&str, Option<String>)> {
    let (what, of) = key.strip_prefix(PREFIX)?.strip_prefix('.')?.split_once('.')?;
    let parts: Vec<&str> = of.split('_').collect();
    Some((
        what,
        match parts[..] {
            ["all"] => Some("*/*".to_owned()),
            [kind] if !kind.is_empty() => Some(kind.to_owned()),
            [group, kind] => Some(format!("{group}/{kind}")),
            _ => None,
        },
    ))
}

/// Go's strconv.ParseBool.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
