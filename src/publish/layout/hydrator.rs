//! The files and notes of Argo CD's source hydrator (`commitserver/commit`, `util/hydrator`): a `manifest.yaml` for each path, metadata and
//! a README beside it where it changed, metadata and `.gitattributes` at the root, and a note with the source commit on the commit that
//! has it.
//!
//! The hydrator renders without namespaces and without what a cluster can do; here they are the objects of the bundle, which are what a
//! sync would apply. Its README is a template of the installation; ours has words of our own. References to other commits
//! (`Argocd-reference-…` trailers) are left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{File, Owner, Role, Wanted};
use super::{App, Context};
use crate::bundle::BundleFile;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node, emit};

/// The notes that say which source commit a commit has.
pub const NOTES: &str = "refs/notes/hydrator.metadata";

const METADATA: &str = "hydrator.metadata";

/// The commit that a fleet was rendered from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The repository, without login.
    pub url: String,
    /// The commit.
    pub commit: String,
    /// `Name <address>`.
    pub author: String,
    /// When it was written, in seconds since 1970.
    pub time: i64,
    /// Its message.
    pub message: String,
}

impl Origin {
    /// Subject and body, without the trailers that the hydrator takes out.
    fn parts(&self) -> (&str, String) {
        let (subject, body) = self.message.trim_end().split_once("\n\n").unwrap_or((self.message.trim_end(), ""));
        let kept: Vec<&str> = body.lines().filter(|line| !line.starts_with("Argocd-reference-")).collect();
        (subject, kept.join("\n").trim_end().to_owned())
    }
}

/// The manifest of an application, and what lies beside it.
pub(super) fn application(app: &App<'_>, files: &[&BundleFile], wanted: &mut Wanted) {
    let documents = files.iter().filter_map(|file| file.text.as_ref()).flat_map(|text| {
        let parsed = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
        parsed.unwrap_or_default().into_iter().filter(|document| !document.is_null())
    });
    let printed: Vec<String> = documents.map(|document| printed(&document)).collect();
    let path = format!("{}/manifest.yaml", app.folder);
    app.put(path.clone(), printed.join("---\n"), wanted);
    let Some(origin) = &app.context.origin else { return };
    let command = "fleetc build";
    let fields = [
        ("repoURL", origin.url.clone().into()),
        ("drySha", origin.commit.clone().into()),
        ("commands", Value::from(vec![command])),
    ];
    let readme = format!(
        "# Rendered by fleetc\n\nFrom {} at {}. To make these manifests again:\n\n```shell\ngit clone {}\n# in the new folder\ngit \
         checkout {}\n{command}\n```\n",
        origin.url, origin.commit, origin.url, origin.commit
    );
    for (name, text) in [(METADATA, json(fields)), ("README.md", readme)] {
        let file = File { text: Some(text.into()), owner: app.owner(), role: Role::With(path.clone()) };
        wanted.files.insert(format!("{}/{name}", app.folder), file);
    }
}

/// What lies at the root.
pub(super) fn root(context: &Context, wanted: &mut Wanted) {
    let mut put = |path: &str, text: String| {
        let file = File { text: Some(text.into()), owner: Owner::default(), role: Role::Beside };
        wanted.files.insert(path.to_owned(), file);
    };
    put(
        ".gitattributes",
        "**/README.md linguist-generated=true\n**/hydrator.metadata linguist-generated=true".to_owned(),
    );
    if let Some(origin) = &context.origin {
        let (subject, body) = origin.parts();
        let date = jiff::Timestamp::from_second(origin.time).map(|time| time.to_string()).unwrap_or_default();
        let fields = [
            ("repoURL", origin.url.clone()),
            ("drySha", origin.commit.clone()),
            ("author", origin.author.clone()),
            ("date", date),
            ("subject", subject.to_owned()),
            ("body", body),
        ];
        put(METADATA, json(fields.map(|(key, value)| (key, Value::from(value)))));
    }
}

/// As Go's encoder prints it with an indent of two; empty fields are left out.
fn json<'k>(fields: impl IntoIterator<Item = (&'k str, Value)>) -> String {
    let kept = fields.into_iter().filter(|(_, value)| value.as_str() != Some(""));
    let map: Map<String, Value> = kept.map(|(key, value)| (key.to_owned(), value)).collect();
    let text = serde_json::to_string_pretty(&Value::Object(map)).unwrap_or_default();
    format!("{}\n", text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"))
}

/// An object as yaml.v3 prints Go's values with an indent of two.
fn printed(object: &Node) -> String {
    emit::to_yaml_v3_with(object, emit::V3 { compact: false, values: true })
}

/// The note on a commit.
pub fn note(origin: &Origin) -> String {
    format!("{}\n", serde_json::json!({ "drySha": origin.commit }))
}

/// Where the note on a commit lies among others: git spreads many of them over folders.
pub fn note_path(commit: &str, notes: &BTreeMap<String, Option<String>>) -> String {
    let is = |path: &&String| path.chars().filter(|c| *c != '/').eq(commit.chars());
    if let Some(known) = notes.keys().find(is) {
        return known.clone();
    }
    // As deep as its neighbours, or as most are.
    let head = commit.get(..2).unwrap_or(commit);
    let near = notes.keys().find(|path| path.starts_with(head)).or_else(|| notes.keys().next());
    let depth = near.map_or(0, |path| path.matches('/').count());
    let mut out = String::new();
    for (at, c) in commit.chars().enumerate() {
        if at > 0 && at % 2 == 0 && at / 2 <= depth {
            out.push('/');
        }
        out.push(c);
    }
    out
}

/// What the hydrator says of a commit by default, with our trailers.
pub fn hydrated_message(origin: &Origin, trailers: &[(String, String)]) -> String {
    let (subject, body) = origin.parts();
    let mut out = format!("{}: {subject}\n", origin.commit.get(..7).unwrap_or(&origin.commit));
    if !body.is_empty() {
        out.push_str(&format!("\n{body}\n"));
    }
    out.push_str(&format!("\nCo-authored-by: {}\n", origin.author));
    for (key, value) in trailers {
        out.push_str(&format!("{key}: {value}\n"));
    }
    out
}
