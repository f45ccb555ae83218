//! `spec.source.helm` into what `helm template` is called with: variables replaced, files found in their trees, parameters in order.
//!
//! Rules of Argo CD `reposerver/repository` (`helmTemplate`, `getResolvedValueFiles`), `util/helm/cmd.go` (`template`, `cleanSetParameters`)
//! and `util/io/path`: a path of a values file begins at the chart, with a leading `/` at the root of the repository, with `$ref/` at the
//! root of the source that is called `ref`; it may not leave that repository. Whether a file exists is the render's to find out.
//! Argo CD hands parameters over in the random order of a Go map; here they keep theirs, and the later one of two with one name counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::Environment;
use super::job::{HelmFile, HelmFilePlace, HelmOptions, Nondeterminism};
use crate::diag::{Checked, Diagnostic, Diagnostics};
use crate::path::{FilePath, PathError, TreePath};
use crate::span::Span;
use crate::world::Tree;
use crate::yaml::Node;

/// The schemes that `helm.valuesFileSchemes` of argocd-cm allows where it is not there.
const SCHEMES: [&str; 2] = ["https", "http"];

/// A source that others may take values files from.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    /// Its tree.
    Tree(Tree),
    /// It is not here, which its own errors say.
    Absent,
    /// It cannot be used so, and why.
    Unusable(String),
}

/// What the options are seen against.
pub(super) struct Setting<'a> {
    pub(super) version: (u32, u32),
    /// Version of Argo CD.
    pub(super) argocd: (u32, u32),
    /// Name of the application, without namespace.
    pub(super) name: &'a str,
    /// Namespace of the destination.
    pub(super) namespace: &'a str,
    pub(super) environment: Environment<'a>,
    /// The folder of the chart.
    pub(super) directory: &'a FilePath,
    /// The sources with `ref`, by `$name`, with their URLs.
    pub(super) references: &'a BTreeMap<String, Reference>,
    /// `helm.valuesFileSchemes` of argocd-cm.
    pub(super) schemes: Option<&'a str>,
    /// What its templates get that ask for randomness or the clock.
    pub(super) nondeterminism: &'a Nondeterminism,
    /// Where the source is written.
    pub(super) span: Span,
}

/// The options of a chart.
///
/// # Errors
/// All paths that leave their repository, schemes that are not allowed, a version of Kubernetes that is none.
pub(super) fn options(written: Option<&Node>, setting: &Setting<'_>) -> Checked<Arc<HelmOptions>> {
    let empty = Node::null();
    let helm = written.unwrap_or(&empty);
    let text = |field: &str| helm.get(field).and_then(Node::as_str).unwrap_or_default().to_owned();
    let flag = |field: &str| helm.get(field).and_then(Node::as_bool).unwrap_or_default();
    let items = |field: &str| helm.get(field).and_then(Node::as_seq).unwrap_or_default();
    let given = |field: &str, default: &str| Some(text(field)).filter(|t| !t.is_empty()).unwrap_or(default.to_owned());
    let mut errors = Diagnostics::new();

    let mut value_files = Vec::new();
    for file in items("valueFiles") {
        value_files.extend(errors.take(setting.file(file)));
    }
    let mut set: Vec<(String, String)> = Vec::new();
    let mut set_string: Vec<(String, String)> = Vec::new();
    for parameter in items("parameters") {
        let name = parameter.get("name").and_then(Node::as_str).unwrap_or_default();
        let value = parameter.get("value").unwrap_or(&empty);
        let plain = value.as_str().unwrap_or_default();
        let Some(expanded) = errors.take(setting.environment.expand(plain, value.span())) else { continue };
        let force = parameter.get("forceString").and_then(Node::as_bool).unwrap_or_default();
        put(if force { &mut set_string } else { &mut set }, name, clean(&expanded));
    }
    let mut set_file: Vec<(String, HelmFile)> = Vec::new();
    for parameter in items("fileParameters") {
        let name = parameter.get("name").and_then(Node::as_str).unwrap_or_default();
        let Some(file) = errors.take(setting.file(parameter.get("path").unwrap_or(&empty))) else { continue };
        put(&mut set_file, name, file);
    }
    let kube_version = helm.get("kubeVersion").filter(|node| node.as_str().is_some_and(|text| !text.is_empty()));
    let kube_version = kube_version.and_then(|node| errors.take(kube_version_of(node)));
    let values = match helm.get("valuesObject").filter(|node| !node.is_null()) {
        Some(object) => Some(object.clone()),
        None => helm.get("values").filter(|node| node.as_str().is_some_and(|text| !text.is_empty())).cloned(),
    };
    if errors.has_errors() {
        return Err(errors);
    }
    Ok(Arc::new(HelmOptions {
        version: setting.version,
        release: given("releaseName", setting.name),
        namespace: given("namespace", setting.namespace),
        value_files,
        ignore_missing: flag("ignoreMissingValueFiles"),
        globs: setting.argocd >= (3, 4),
        values,
        set,
        set_string,
        set_file,
        kube_version,
        api_versions: items("apiVersions").iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        skip_crds: flag("skipCrds"),
        skip_tests: flag("skipTests"),
        skip_schemas: flag("skipSchemaValidation"),
        nondeterminism: setting.nondeterminism.clone(),
    }))
}

/// Sets a parameter; of two with one name the later counts.
fn put<T>(list: &mut Vec<(String, T)>, name: &str, value: T) {
    match list.iter_mut().find(|(known, _)| known == name) {
        Some(slot) => slot.1 = value,
        None => list.push((name.to_owned(), value)),
    }
}

/// A value for `--set`: commas are escaped unless they are, or unless the value is a list in braces.
fn clean(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut before = '\0';
    for c in value.chars() {
        if c == ',' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// `helm.kubeVersion` by the rules of `version.ParseGeneric`: two or three numbers, and what follows them is dropped.
fn kube_version_of(node: &Node) -> Checked<String> {
    let text = node.as_str().unwrap_or_default();
    let bare = text.strip_prefix('v').unwrap_or(text);
    let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
    let numbers: Vec<&str> = bare.get(..end).unwrap_or_default().trim_end_matches('.').split('.').collect();
    if numbers.len() < 2 || numbers.iter().any(|part| part.is_empty()) {
        let message = format!("`{text}` is not a Kubernetes version");
        return Err(Diagnostic::error("resolve/kube-version", node.span(), message)
            .hint("write it as \"1.34.1\"")
            .into());
    }
    let part = |at: usize| numbers.get(at).copied().unwrap_or("0");
    Ok(format!("{}.{}.{}", part(0), part(1), part(2)))
}

impl Setting<'_> {
    /// Where a path of the options leads.
    fn file(&self, node: &Node) -> Checked<HelmFile> {
        let text = node.as_str().unwrap_or_default();
        let span = node.span().or(self.span);
        let refuse = |message: String| Diagnostic::error("resolve/values-file", span, message);
        let reference = text.strip_prefix('$').and_then(|_| self.references.get(text.split('/').next()?));
        let (root, base, path) = match reference {
            // Argo CD refuses a repository at two commits, since it has one checkout of each. Here every commit is a tree.
            Some(reference) => {
                let tree = match reference {
                    Reference::Tree(tree) => tree,
                    Reference::Absent => return Err(Diagnostics::new()),
                    Reference::Unusable(why) => return Err(refuse(format!("`{text}`: {why}")).into()),
                };
                let root = FilePath::new(tree.id, TreePath::root());
                let rest = text.split_once('/').map_or("", |(_, rest)| rest);
                (root.clone(), root, self.environment.expand(rest, span)?)
            }
            None => {
                let root = FilePath::new(self.directory.tree, TreePath::root());
                (root, self.directory.clone(), self.environment.expand(text, span)?)
            }
        };
        let written = Node::str(if reference.is_some() { text } else { path.as_str() }).with_span(span);
        if let Some(scheme) = scheme(&path).filter(|_| reference.is_none()) {
            let allowed = match self.schemes {
                Some(list) => list.split(',').any(|one| one.trim().eq_ignore_ascii_case(scheme)),
                None => SCHEMES.iter().any(|one| one.eq_ignore_ascii_case(scheme)),
            };
            if !allowed {
                return Err(refuse(format!("`{path}`: the URL scheme `{scheme}` is not allowed"))
                    .hint("`helm.valuesFileSchemes` of argocd-cm lists those that are")
                    .into());
            }
            return Ok(HelmFile { written, place: HelmFilePlace::Url(path) });
        }
        let found = match path.strip_prefix('/') {
            Some(_) => root.join(path.trim_start_matches('/')),
            None => base.join(&path),
        };
        match found {
            Ok(found) if found.path.is_root() => {
                Err(refuse(format!("`{path}` is the repository itself, not a file")).into())
            }
            Ok(found) => Ok(HelmFile { written, place: HelmFilePlace::Tree(found) }),
            Err(error @ (PathError::Escapes | PathError::Absolute | PathError::Nul)) => {
                Err(refuse(format!("the values file `{path}` {error}")).into())
            }
        }
    }
}

/// The scheme of a URL.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut chars = scheme.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    (first && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))).then_some(scheme)
}
