//! How published files are laid out: as a build writes them, one folder an application with the objects of Argo CD or Flux that point there,
//! or as Argo CD's source hydrator leaves a branch.
//!
//! Only bundles say which application is held with what: in the other layouts, while anything is held, nothing is removed, since what a
//! failed application declared is not known. Names are encoded as those of bundles; an application that goes to several clusters has the
//! cluster in the name of its object, which must be one in its namespace.

mod hydrator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{File, Owner, Role, Wanted};
use crate::application::AppKey;
use crate::bundle::{BUNDLES_LOCK, Bundle, BundleFile, Entry, INDEX, State, encode_name};
use crate::lock::{self, BundlesLock};
use crate::span::FileId;
use crate::yaml::{Node, emit};

pub use hydrator::{NOTES, Origin, hydrated_message, note, note_path};

/// A layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// As `fleetc build` writes them.
    #[default]
    Bundles,
    /// A folder an application, and Applications that point there.
    ArgoCd,
    /// A folder an application, and Kustomizations of Flux that point there.
    Flux,
    /// As Argo CD's source hydrator leaves a branch.
    Hydrator,
}

/// Their names.
pub const LAYOUTS: [(&str, Layout); 4] =
    [("bundles", Layout::Bundles), ("argocd", Layout::ArgoCd), ("flux", Layout::Flux), ("hydrator", Layout::Hydrator)];

/// What a layout needs to know beside the bundles.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// `metadata.name` of the fleet.
    pub fleet: String,
    /// The repository as Argo CD or Flux reach it, without login.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// The folder on it; empty for all.
    pub folder: String,
    /// Where the fleet comes from.
    pub origin: Option<Origin>,
    /// bundles.lock of the whole fleet.
    pub lock: Arc<str>,
    /// Applications that go to several clusters of the fleet.
    pub shared: BTreeSet<AppKey>,
    /// Whether anything of the fleet is held.
    pub held: bool,
    /// Whether clear Secrets are encrypted as SOPS does.
    pub encrypts: bool,
}

/// Applications that are in several bundles.
pub fn shared<'b>(bundles: impl IntoIterator<Item = &'b Bundle>) -> BTreeSet<AppKey> {
    let mut seen: BTreeMap<&AppKey, usize> = BTreeMap::new();
    for entry in bundles.into_iter().flat_map(|bundle| &bundle.index.applications) {
        *seen.entry(&entry.key).or_default() += 1;
    }
    seen.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key.clone()).collect()
}

/// The files of some bundles.
pub fn wanted(layout: Layout, bundles: &[&Bundle], context: &Context) -> Wanted {
    let name = LAYOUTS.iter().find(|(_, one)| *one == layout).map_or("", |(name, _)| name);
    let mut wanted = Wanted { fleet: context.fleet.clone(), layout: name.to_owned(), ..Wanted::default() };
    if layout == Layout::Bundles {
        as_built(bundles, context, &mut wanted);
        return wanted;
    }
    wanted.keep = context.held;
    for bundle in bundles {
        let mut files: BTreeMap<&AppKey, Vec<&BundleFile>> = BTreeMap::new();
        for file in &bundle.files {
            files.entry(&file.application).or_default().push(file);
        }
        let names = names(bundle);
        for entry in bundle.index.applications.iter().filter(|entry| entry.state == State::Ok) {
            let folder = format!("{}/{}", bundle.directory, names.get(&entry.key).cloned().unwrap_or_default());
            let texts = files.get(&entry.key).map(Vec::as_slice).unwrap_or_default();
            let app = App { bundle, entry, folder, context };
            match layout {
                Layout::Hydrator => hydrator::application(&app, texts, &mut wanted),
                _ => app.manifests(texts, &mut wanted),
            }
            let pointer = match layout {
                Layout::ArgoCd => Some(("applications", app.argocd())),
                Layout::Flux => Some(("flux", app.flux())),
                Layout::Bundles | Layout::Hydrator => None,
            };
            if let Some((below, object)) = pointer {
                app.put(format!("{below}/{}.yaml", app.folder), emit::to_yaml(&object), &mut wanted);
            }
        }
    }
    match layout {
        Layout::Flux if !wanted.files.is_empty() => {
            let file = File { text: Some(repository(context).into()), owner: Owner::default(), role: Role::Content };
            wanted.files.insert("flux/repository.yaml".to_owned(), file);
        }
        Layout::Hydrator => hydrator::root(context, &mut wanted),
        _ => {}
    }
    wanted
}

/// `<cluster>/…` and a bundles.lock of just these clusters.
fn as_built(bundles: &[&Bundle], context: &Context, wanted: &mut Wanted) {
    let mut clusters = BTreeSet::new();
    for bundle in bundles {
        clusters.insert(bundle.cluster.clone());
        let of = |application: String| Owner { cluster: bundle.cluster.clone(), application };
        for file in &bundle.files {
            let owner = of(file.application.to_string());
            let file_ = File { text: file.text.clone(), owner, role: Role::Content };
            wanted.files.insert(format!("{}/{}", bundle.directory, file.path), file_);
        }
        let index = File { text: Some(Arc::clone(bundle.text())), owner: of(String::new()), role: Role::Content };
        wanted.files.insert(format!("{}/{INDEX}", bundle.directory), index);
    }
    if let Ok(lock::State::Here(mut lock)) = BundlesLock::parse(FileId::NONE, &context.lock) {
        lock.clusters.retain(|cluster, _| clusters.contains(cluster));
        let file = File { text: Some(lock.to_text().into()), owner: Owner::default(), role: Role::Beside };
        wanted.files.insert(BUNDLES_LOCK.to_owned(), file);
    }
}

/// A name of its own for each application of a cluster, as a file name.
fn names(bundle: &Bundle) -> BTreeMap<&AppKey, String> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &bundle.index.applications {
        *count.entry(&entry.key.name).or_default() += 1;
    }
    let name = |key: &AppKey| match count.get(key.name.as_str()) {
        Some(1) => encode_name(&key.name),
        _ => encode_name(&key.to_string()),
    };
    bundle.index.applications.iter().map(|entry| (&entry.key, name(&entry.key))).collect()
}

/// An application on a cluster.
struct App<'a> {
    bundle: &'a Bundle,
    entry: &'a Entry,
    /// Where its manifests lie.
    folder: String,
    context: &'a Context,
}

fn map<'k>(fields: impl IntoIterator<Item = (&'k str, Node)>) -> Node {
    Node::map(
        fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (Node::str(key), value)).collect(),
    )
}

fn text(text: &str) -> Node {
    if text.is_empty() { Node::null() } else { Node::str(text) }
}

fn texts(items: &[String]) -> Node {
    if items.is_empty() { Node::null() } else { Node::seq(items.iter().map(|item| Node::str(item.as_str())).collect()) }
}

impl App<'_> {
    fn owner(&self) -> Owner {
        Owner { cluster: self.bundle.cluster.clone(), application: self.entry.key.to_string() }
    }

    fn put(&self, path: String, text: String, wanted: &mut Wanted) {
        let file = File { text: Some(text.into()), owner: self.owner(), role: Role::Content };
        wanted.files.insert(path, file);
    }

    /// Its files as the bundle has them, below its folder.
    fn manifests(&self, files: &[&BundleFile], wanted: &mut Wanted) {
        for file in files {
            let name = match files {
                [_] => "manifests.yaml",
                _ => file.path.rsplit('/').next().unwrap_or_default(),
            };
            let file = File { text: file.text.clone(), owner: self.owner(), role: Role::Content };
            wanted.files.insert(format!("{}/{name}", self.folder), file);
        }
    }

    /// The folder from the root of the branch.
    fn path(&self) -> String {
        match self.context.folder.as_str() {
            "" => self.folder.clone(),
            folder => format!("{folder}/{}", self.folder),
        }
    }

    /// The name of its object.
    fn name(&self) -> String {
        match self.context.shared.contains(&self.entry.key) {
            true => format!("{}-{}", self.entry.key.name, self.bundle.cluster),
            false => self.entry.key.name.clone(),
        }
    }

    /// The Application that has its manifests from the branch. Argo CD refreshes it only when a commit changes its own folder.
    fn argocd(&self) -> Node {
        let entry = self.entry;
        let wave = if entry.wave == 0 { Node::null() } else { Node::str(entry.wave.to_string()) };
        let annotations = map([
            ("argocd.argoproj.io/manifest-generate-paths", Node::str(".")),
            ("argocd.argoproj.io/sync-wave", wave),
        ]);
        let namespace = if entry.key.namespace.is_empty() { "argocd" } else { &entry.key.namespace };
        let mut policy = entry.sync_policy.clone().unwrap_or_else(|| Node::map(Default::default()));
        if let Some(policy) = policy.map_mut()
            && !entry.sync_options.is_empty()
        {
            policy.insert("syncOptions", texts(&entry.sync_options));
        }
        let policy = if policy.as_map().is_some_and(|map| map.is_empty()) { Node::null() } else { policy };
        map([
            ("apiVersion", Node::str("argoproj.io/v1alpha1")),
            ("kind", Node::str("Application")),
            (
                "metadata",
                map([
                    ("annotations", annotations),
                    ("finalizers", texts(&entry.finalizers)),
                    ("name", Node::str(self.name())),
                    ("namespace", Node::str(namespace)),
                ]),
            ),
            (
                "spec",
                map([
                    (
                        "destination",
                        map([("namespace", text(&entry.namespace)), ("server", text(&self.bundle.index.server))]),
                    ),
                    ("ignoreDifferences", entry.ignore_differences.clone().unwrap_or_else(Node::null)),
                    ("project", Node::str(entry.project.as_str())),
                    (
                        "source",
                        map([
                            ("path", Node::str(self.path())),
                            ("repoURL", Node::str(self.context.url.as_str())),
                            ("targetRevision", Node::str(self.context.branch.as_str())),
                        ]),
                    ),
                    ("syncPolicy", policy),
                ]),
            ),
        ])
    }

    /// The Kustomization of Flux that applies its manifests: suspended where the Application is not synced by itself, pruning where that
    /// is pruned by itself.
    fn flux(&self) -> Node {
        let automated = self.entry.sync_policy.as_ref().and_then(|policy| policy.get("automated"));
        let flag = |field: &str| automated.and_then(|one| one.get(field)).and_then(Node::as_bool);
        let decryption = match self.context.encrypts {
            true => map([("provider", Node::str("sops")), ("secretRef", map([("name", Node::str(FLUX_KEYS))]))]),
            false => Node::null(),
        };
        let runs = automated.is_some() && flag("enabled") != Some(false);
        map([
            ("apiVersion", Node::str("kustomize.toolkit.fluxcd.io/v1")),
            ("kind", Node::str("Kustomization")),
            ("metadata", map([("name", Node::str(self.name())), ("namespace", Node::str(FLUX))])),
            (
                "spec",
                map([
                    ("decryption", decryption),
                    ("interval", Node::str("10m0s")),
                    ("path", Node::str(format!("./{}", self.path()))),
                    ("prune", Node::bool(flag("prune") == Some(true))),
                    (
                        "sourceRef",
                        map([("kind", Node::str("GitRepository")), ("name", Node::str(source_name(self.context)))]),
                    ),
                    ("suspend", if runs { Node::null() } else { Node::bool(true) }),
                ]),
            ),
        ])
    }
}

/// The namespace of Flux.
const FLUX: &str = "flux-system";
/// The Secret with the keys of age there, as Flux's own guide calls it.
const FLUX_KEYS: &str = "sops-age";

fn source_name(context: &Context) -> String {
    if context.fleet.is_empty() { "fleet".to_owned() } else { context.fleet.clone() }
}

/// The GitRepository that the Kustomizations have their manifests from.
fn repository(context: &Context) -> String {
    // Flux knows no `user@host:path`.
    let url = match (context.url.contains("://"), context.url.split_once(':')) {
        (false, Some((host, path))) => format!("ssh://{host}/{}", path.trim_start_matches('/')),
        _ => context.url.clone(),
    };
    emit::to_yaml(&map([
        ("apiVersion", Node::str("source.toolkit.fluxcd.io/v1")),
        ("kind", Node::str("GitRepository")),
        ("metadata", map([("name", Node::str(source_name(context))), ("namespace", Node::str(FLUX))])),
        (
            "spec",
            map([
                ("interval", Node::str("5m0s")),
                ("ref", map([("branch", Node::str(context.branch.as_str()))])),
                ("url", Node::str(url)),
            ]),
        ),
    ]))
}
