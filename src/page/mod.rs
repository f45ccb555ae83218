//! A fleet, a comparison or a plan as one HTML file that people open from disk: what is where, what changes, and where every line came from.
//!
//! In: a [`Page`], which [`of_fleet`](Page::of_fleet), [`of_comparison`](Page::of_comparison) and [`of_plan`](Page::of_plan) make. Out:
//! [`html`], the text of the file. Everything is in it: a browser that opens it asks nobody for anything, and its content security policy
//! lets it run this one script and use this one style only.
//!
//! The data is JSON, deflated and in base64, so that no name or manifest can be anything but text; the script makes nodes, never markup, of
//! it. Objects of equal content are there once, in blocks that are unpacked when somebody opens one. Values of Secrets are masked before
//! they come here. No clock and no randomness: the same page has the same bytes.

mod comparison;
mod fleet;
mod origin;
mod pack;
mod planned;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::application::AppKey;
use crate::bundle::{ObjectRef, Spread};

pub use fleet::Known;
pub use origin::{Origin, Traced, jobs};

/// The file around the data, with `{{…}}` where something goes in.
const TEMPLATE: &str = include_str!("assets/page.html");
/// Its style.
const STYLE: &str = concat!(
    include_str!("assets/frame.css"),
    include_str!("assets/views.css"),
    include_str!("assets/object.css"),
    include_str!("assets/print.css"),
);
/// Its script, in pieces that follow each other.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("assets/data.js"),
    include_str!("assets/filter.js"),
    include_str!("assets/rows.js"),
    include_str!("assets/map.js"),
    include_str!("assets/changes.js"),
    include_str!("assets/lists.js"),
    include_str!("assets/text.js"),
    include_str!("assets/inspector.js"),
    include_str!("assets/main.js"),
    "})();\n",
);

/// What a page is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// A fleet as it is compiled.
    #[default]
    Fleet,
    /// What differs between two states of one.
    Comparison,
    /// What would change on its clusters.
    Plan,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Fleet => "fleet",
            Subject::Comparison => "diff",
            Subject::Plan => "plan",
        }
    }
}

/// How an application on a cluster stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It was rendered, or nothing about it differs.
    #[default]
    Fine,
    /// It differs in what nobody need see only.
    Noise,
    /// It differs.
    Changed,
    /// It is new.
    Added,
    /// It leaves.
    Removed,
    /// It could not be rendered and stays as it last was.
    Held,
    /// It could not be rendered or compared, may not be applied, or its cluster cannot be reached.
    Failed,
}

/// Every status, in the order of the page.
const STATUSES: [Status; 7] =
    [Status::Failed, Status::Held, Status::Removed, Status::Added, Status::Changed, Status::Noise, Status::Fine];

impl Status {
    /// Its word on a page.
    fn word(self, subject: Subject) -> &'static str {
        match (self, subject) {
            (Status::Fine, Subject::Fleet) => "rendered",
            (Status::Fine, _) => "unchanged",
            (Status::Noise, _) => "noise only",
            (Status::Changed, _) => "changed",
            (Status::Added, _) => "added",
            (Status::Removed, _) => "removed",
            (Status::Held, _) => "held",
            (Status::Failed, _) => "failed",
        }
    }

    fn tone(self) -> &'static str {
        match self {
            Status::Fine => "fine",
            Status::Noise => "noise",
            Status::Changed => "change",
            Status::Added => "plus",
            Status::Removed => "minus",
            Status::Held => "held",
            Status::Failed => "alarm",
        }
    }
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its API server.
    pub server: String,
    /// Its version of Kubernetes; empty for unknown.
    pub version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// An application on a cluster.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Number of its cluster in [`Page::sites`].
    pub site: usize,
    /// The application.
    pub key: AppKey,
    /// Its project.
    pub project: String,
    /// Namespace that it goes to; empty for none.
    pub namespace: String,
    /// The ApplicationSet that made it; empty for none.
    pub set: String,
    /// Its sources: repository, path or chart, revision as written, and what that was resolved to.
    pub sources: Vec<[String; 4]>,
    /// What declared it, with places: its ApplicationSet, generators, template.
    pub made: Vec<(String, String)>,
    /// How it stands.
    pub status: Status,
    /// Whether something about it is dangerous.
    pub danger: bool,
    /// Why it stands so, or what is worth knowing; one sentence each.
    pub notes: Vec<String>,
    /// Number of what it was in [`Page::contents`].
    pub before: Option<usize>,
    /// Number of what it is, or is to be.
    pub after: Option<usize>,
}

/// The objects of an application.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// In the order of its files.
    pub objects: Vec<Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// What names it.
    pub reference: ObjectRef,
    /// Its text, without values of Secrets.
    pub text: String,
    /// The images that it runs.
    pub images: Vec<String>,
    /// Where it came from, where somebody looked.
    pub origin: Option<Origin>,
}

/// Something that happens, the same at all of its places.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// One word: `add`, `remove`, `change`, `create`…
    pub what: String,
    /// `plus`, `minus`, `change`, `alarm` or `plain`.
    pub tone: &'static str,
    /// Whether it is about the application itself.
    pub application: bool,
    /// The kind, with the group behind a dot where there is one.
    pub kind: String,
    /// Namespaces and names of the objects.
    pub objects: Vec<(String, String)>,
    /// What else is to be said about it, one phrase each.
    pub more: Vec<String>,
    /// Fields with what they were and what they become.
    pub fields: Vec<(String, Option<String>, Option<String>)>,
    /// What is dangerous about it.
    pub dangers: Vec<String>,
    /// Why nobody need see it; empty for all others.
    pub noise: String,
    /// Whether it comes or leaves with its whole application.
    pub whole: bool,
    /// Where: numbers in [`Page::slices`], sorted.
    pub places: Vec<usize>,
}

/// All that a page shows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// Its heading: the fleet's name.
    pub title: String,
    /// Names with values, for its head: what was compared, of which commit.
    pub facts: Vec<(String, String)>,
    /// One sentence.
    pub summary: String,
    /// The clusters.
    pub sites: Vec<Site>,
    /// The applications on them, sorted by cluster and key.
    pub slices: Vec<Slice>,
    /// What applications consist of, each once.
    pub contents: Vec<Content>,
    /// What happens, what is most dangerous first.
    pub changes: Vec<Change>,
    /// What is to be said of the whole, with tones as those of changes.
    pub remarks: Vec<(&'static str, String)>,
}

/// The text of the file.
pub fn html(page: &Page, spread: Spread<'_>) -> String {
    let data = pack::pack(page, spread);
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let mut size = TEMPLATE.len() + STYLE.len() + SCRIPT.len();
    size += data.index.len() + data.blocks.iter().map(|block| block.len() + 64).sum::<usize>();
    let mut out = String::with_capacity(size + 4096);
    // One pass: what goes in is never looked at again.
    let mut rest = TEMPLATE;
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, behind) = behind.split_once("}}").unwrap_or(("", behind));
        match name {
            "policy" => out.push_str(&policy),
            "title" => out.push_str(&escaped(&page.title)),
            "subject" => out.push_str(page.subject.name()),
            "summary" => out.push_str(&escaped(&page.summary)),
            "style" => out.push_str(STYLE),
            "script" => out.push_str(SCRIPT),
            "index" => out.push_str(&data.index),
            "blocks" => {
                for (number, block) in data.blocks.iter().enumerate() {
                    out.push_str(&format!("<script type=\"text/plain\" id=\"block-{number}\">{block}</script>\n"));
                }
            }
            _ => {}
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::report::clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{2028}' | '\u{2029}' => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
