//! Names on disk: folders of clusters, files of applications and objects, and the user's own layout by a minijinja template.
//!
//! Every part that comes from a name is percent-encoded so that it is one portable file name: no separator, no `..`, nothing hidden, no
//! name that Windows reserves, at most [`LONGEST`] bytes. Whether two names meet (also on file systems that ignore case) is checked by
//! the caller with [`fold`]. No path made here leaves the folder of its cluster.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::index::ObjectRef;
use crate::application::AppKey;
use crate::cluster::Cluster;
use crate::diag::{Checked, Diagnostic};
use crate::digest::Digest;
use crate::read::{Fleet, OutputFiles};
use crate::span::{Span, Spanned};

/// Folder of the manifests below that of the cluster.
pub const APPS: &str = "apps";
/// Name of the index of a cluster.
pub const INDEX: &str = "bundle.yaml";

/// Bytes of the longest file name that is written; a temporary name beside it still fits into the 255 of most file systems.
pub(super) const LONGEST: usize = 200;

/// What stays as it is in a name.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// In the parts of a name that are joined with `_`.
const PART: AsciiSet = KEPT.add(b'_');
/// In names of objects: capitals are told apart on every file system. Their `%XX` are not, but those two digits decide nothing else.
const OBJECT: AsciiSet = capitals(KEPT, b'A');

const fn capitals(set: AsciiSet, letter: u8) -> AsciiSet {
    if letter > b'Z' { set } else { capitals(set.add(letter), letter + 1) }
}

/// Windows opens devices under these names, whatever the ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A name as one portable file name, to be read back by percent-decoding.
pub fn encode(name: &str) -> String {
    portable(utf8_percent_encode(name, &KEPT).to_string())
}

/// Makes an encoded name usable everywhere: first and last character, device names, length.
fn portable(mut name: String) -> String {
    let escape = |name: &mut String, at: usize| {
        if let Some(byte) = name.as_bytes().get(at).copied() {
            name.replace_range(at..=at, &format!("%{byte:02X}"));
        }
    };
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.ends_with('.') {
        let last = name.len() - 1;
        escape(&mut name, last);
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if name.starts_with(['.', '-']) || DEVICES.contains(&stem.as_str()) {
        escape(&mut name, 0);
    }
    if name.len() > LONGEST {
        let digest = Digest::of(name.as_bytes()).hex();
        name.truncate(LONGEST - 17);
        name.push('~');
        name.push_str(digest.get(..16).unwrap_or_default());
    }
    name
}

/// The form in which paths meet on a file system that ignores case.
pub(super) fn fold(path: &str) -> String {
    path.to_lowercase()
}

/// Name of an application on disk: its name; its namespace in front where that is not Argo CD's own; its instance where there are several.
pub(super) fn application(key: &AppKey, fleet: &Fleet) -> String {
    let part = |text: &str| utf8_percent_encode(text, &PART).to_string();
    let mut name = String::new();
    if fleet.instances.len() > 1 {
        name = part(&key.instance) + "_";
    }
    if !in_own_namespace(key, fleet) {
        name.push_str(&part(&key.namespace));
        name.push('_');
    }
    name.push_str(&utf8_percent_encode(&key.name, &KEPT).to_string());
    portable(name)
}

/// Whether an application lives in its Argo CD's own namespace.
pub(super) fn in_own_namespace(key: &AppKey, fleet: &Fleet) -> bool {
    let own = fleet.instances.get(&key.instance).map_or("", |instance| instance.namespace.as_str());
    let own = if own.is_empty() { crate::application::DEFAULT_NAMESPACE } else { own };
    key.namespace.is_empty() || key.namespace == own
}

/// Name of an object's file: `kind.group_namespace_name`.
fn object(object: &ObjectRef, ordinal: usize) -> String {
    let part = |text: &str| utf8_percent_encode(text, &PART).to_string();
    let mut name = part(&object.kind.to_lowercase());
    if !object.group.is_empty() {
        name.push('.');
        name.push_str(&part(&object.group));
    }
    name.push('_');
    if !object.namespace.is_empty() {
        name.push_str(&part(&object.namespace));
        name.push('_');
    }
    name.push_str(&utf8_percent_encode(&object.name, &OBJECT).to_string());
    if ordinal > 0 {
        name.push_str(&format!("~{}", ordinal + 1));
    }
    portable(name)
}

/// How paths below the folder of a cluster are made.
pub(super) struct Layout<'f> {
    fleet: &'f Fleet,
    files: OutputFiles,
    template: Option<(minijinja::Environment<'f>, Span)>,
}

const TEMPLATE: &str = "output.path";

impl<'f> Layout<'f> {
    /// The layout that the fleet asks for.
    ///
    /// # Errors
    /// `output.path` is no minijinja template.
    pub(super) fn new(fleet: &'f Fleet) -> Checked<Self> {
        let template = match &fleet.output.path {
            None => None,
            Some(path) => Some((environment(path)?, path.span)),
        };
        Ok(Layout { fleet, files: fleet.output.files, template })
    }

    /// Whether there is one file per object.
    pub(super) fn per_object(&self) -> bool {
        self.files == OutputFiles::Resource
    }

    /// The path of an application's file, or of the file of one of its objects, below the folder of the cluster. `ordinal` counts
    /// objects of equal reference (`generateName`) from zero.
    ///
    /// # Errors
    /// The template fails, or yields a path that is not portable or leaves `apps/`.
    pub(super) fn path(
        &self,
        key: &AppKey,
        project: &str,
        cluster: &Cluster,
        name: &str,
        one: Option<(&ObjectRef, usize)>,
    ) -> Checked<String> {
        let Some((environment, span)) = &self.template else {
            let app = application(key, self.fleet);
            return Ok(match one {
                None => format!("{APPS}/{app}.yaml"),
                Some((reference, ordinal)) => format!("{APPS}/{app}/{}.yaml", object(reference, ordinal)),
            });
        };
        let failed = |error: minijinja::Error| {
            let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            Diagnostic::error("bundle/output-path", *span, format!("`output.path` fails for application `{key}`: {reason}"))
                .hint("it knows `application.{name,namespace,instance,project}`, `cluster.{name,server,labels}` and, with `files: resource`, `object.{group,kind,namespace,name}`")
        };
        let values = minijinja::context! {
            application => minijinja::context! {
                name => &key.name, namespace => &key.namespace, instance => &key.instance, project => project,
            },
            cluster => minijinja::context! { name => name, server => &cluster.server, labels => &cluster.labels },
        };
        let values = match one {
            None => values,
            Some((object, ordinal)) => minijinja::context! {
                object => minijinja::context! {
                    group => object.group.as_str(), kind => object.kind.as_str(), namespace => object.namespace.as_str(),
                    name => object.name.as_str(), ordinal => ordinal,
                },
                ..values
            },
        };
        let text = environment.get_template(TEMPLATE).and_then(|template| template.render(values)).map_err(failed)?;
        let path = checked_path(&text).map_err(|why| {
            let message = format!("`output.path` gives `{}` for application `{key}`, which {why}", text.escape_debug());
            Diagnostic::error("bundle/output-path", *span, message)
        })?;
        Ok(format!("{APPS}/{path}"))
    }
}

/// The template with strict undefined values; each value that it prints is encoded, so that a name is never two folders.
fn environment<'a>(path: &Spanned<String>) -> Checked<minijinja::Environment<'a>> {
    let mut environment = minijinja::Environment::empty();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, filter) in [("lower", str::to_lowercase as fn(&str) -> String), ("upper", str::to_uppercase)] {
        environment.add_filter(name, move |text: String| filter(&text));
    }
    environment.add_filter("replace", |text: String, from: String, to: String| text.replace(&from, &to));
    environment.add_filter("default", |value: minijinja::Value, other: String| {
        if value.is_undefined() || value.as_str() == Some("") { minijinja::Value::from(other) } else { value }
    });
    environment.set_formatter(|out, _, value| {
        if value.is_undefined() {
            return Err(minijinja::Error::from(minijinja::ErrorKind::UndefinedError));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.write_str(&utf8_percent_encode(&text, &KEPT).to_string()).map_err(minijinja::Error::from)
    });
    let parsed = environment.add_template_owned(TEMPLATE.to_owned(), path.value.clone());
    parsed.map_err(|error| {
        let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Diagnostic::error("bundle/output-path", path.span, format!("`output.path` is no template: {reason}"))
    })?;
    Ok(environment)
}

/// A path that a template gave, each part portable; or what is wrong with it.
fn checked_path(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with('/') {
        return Err("is absolute");
    }
    if text.chars().any(|c| c.is_control() || "\\:*?\"<>|".contains(c)) {
        return Err("holds a character that not every file system takes");
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" => return Err("has an empty part"),
            "." | ".." => return Err("has a part `.` or `..`"),
            part => parts.push(portable(part.to_owned())),
        }
    }
    Ok(parts.join("/"))
}
