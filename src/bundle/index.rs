//! bundle.yaml, the index of a cluster: its applications and the digest of each of their files. Schema: `schema/bundle.schema.json`.
//!
//! The text is made by our own emitter, with the fields of an application in a fixed order and everything below them sorted: same value,
//! same bytes. Reading is lenient about fields it does not know (a newer fleetc may have written them) and strict about those it needs,
//! since holding and removal rest on them. What is empty is not written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use smol_str::{SmolStr, format_smolstr};

use super::shown::Shown;
use crate::application::AppKey;
use crate::digest::Digest;
use crate::k8s::object::ObjectId;
use crate::rollout::Step;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Map, Node, emit};

/// The content of a bundle.yaml.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Index {
    /// Name of the cluster.
    pub cluster: String,
    /// API server URL, as written.
    pub server: String,
    /// Scopes of custom kinds that the bundle rests on, by `group/Kind`.
    pub scopes: BTreeMap<String, ScopeRecord>,
    /// The applications, sorted by key.
    pub applications: Vec<Entry>,
}

/// Scope of a custom kind, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeRecord {
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// How that is known.
    pub known: Known,
}

/// How the scope of a custom kind is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A CRD in the bundle of the same cluster.
    Crd,
    /// A fact about the cluster.
    Fact,
    /// A CRD that the fleet has on another cluster.
    Fleet,
    /// It is a public kind that fleetc's own table has.
    Table,
    /// It is not: namespaced is assumed.
    Assumed,
}

const KNOWN: [(Known, &str); 5] = [
    (Known::Crd, "crd"),
    (Known::Fact, "fact"),
    (Known::Fleet, "fleet"),
    (Known::Table, "table"),
    (Known::Assumed, "assumed"),
];

/// Whether the files of an application are those of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Ok,
    /// Its source, render or bundle check failed: its last good files stay.
    Held,
    /// The same, and there never were good files.
    Absent,
}

const STATES: [(State, &str); 3] = [(State::Ok, "ok"), (State::Held, "held"), (State::Absent, "absent")];

/// One application on one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Instance, namespace and name.
    pub key: AppKey,
    /// Whether its files are those of this build.
    pub state: State,
    /// Why they are not; empty for [`State::Ok`].
    pub why: String,
    /// `spec.project`.
    pub project: String,
    /// Whether its AppProject is declared in the fleet (`default` always is). Where it is not, nobody has checked its rules.
    pub project_known: bool,
    /// The user whom Argo CD impersonates for it: `system:serviceaccount:<namespace>:<name>`.
    pub impersonate: Option<String>,
    /// The sync windows of its project that apply to it on this cluster, as written, those of global projects included.
    pub windows: Vec<Node>,
    /// `namespace/name` of the ApplicationSet that made it; empty for none.
    pub application_set: String,
    /// Its step, where its ApplicationSet goes in steps. Not part of its digest: who goes when changes nothing about what is applied.
    pub step: Option<Step>,
    /// The application whose rendered objects declared it, or its ApplicationSet.
    pub parent: Option<AppKey>,
    /// Its sources, in order.
    pub sources: Vec<SourceRecord>,
    /// `destination.namespace`; empty for none.
    pub namespace: String,
    /// `spec.syncPolicy` without `syncOptions`.
    pub sync_policy: Option<Node>,
    /// `spec.syncPolicy.syncOptions`.
    pub sync_options: Vec<String>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// `spec.ignoreDifferences`.
    pub ignore_differences: Option<Node>,
    /// Sync wave of the Application object: its place among the applications of an app-of-apps.
    pub wave: i64,
    /// Namespaces to create (`CreateNamespace=true`).
    pub namespaces: Vec<NamespaceRecord>,
    /// Applications, ApplicationSets and AppProjects among its objects that fed back into the fleet and are not in its files.
    pub declares: Vec<ObjectRef>,
    /// Objects that Argo CD leaves alone and that are not in its files.
    pub excluded: Vec<ObjectRef>,
    /// What its renders read of the cluster.
    pub facts: FactsRecord,
    /// Objects that it claims and another application of the cluster owns; not in its files.
    pub yields: Vec<(ObjectRef, AppKey)>,
    /// Its files by path below the cluster's folder.
    pub files: BTreeMap<String, Digest>,
    /// Of those with clear data of Secrets what stands for them where digests travel.
    pub shown: BTreeMap<String, Shown>,
}

/// What renders read of a cluster: with other answers the application may look different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsRecord {
    /// The version of Kubernetes that was read; `None` where it was not.
    pub kube_version: Option<String>,
    /// What was asked of the list of API versions, with the answers; `*` where it was read as a whole.
    pub api_versions: BTreeMap<String, bool>,
    /// Which of the two nobody had said: a default was taken.
    pub assumed: BTreeSet<String>,
}

/// Stands for the whole list of API versions.
pub const ALL_API_VERSIONS: &str = "*";

impl FactsRecord {
    fn node(&self) -> Node {
        let asked = self.api_versions.iter().map(|(asked, answer)| (Node::str(asked.as_str()), Node::bool(*answer)));
        record_of([
            ("apiVersions", map(asked)),
            ("assumed", list(self.assumed.iter().map(|name| text(name)))),
            ("kubeVersion", text(self.kube_version.as_deref().unwrap_or_default())),
        ])
    }

    fn read(node: &Node) -> Self {
        let asked = node.get("apiVersions").and_then(Node::as_map).into_iter().flat_map(Map::iter);
        FactsRecord {
            kube_version: node.get("kubeVersion").and_then(Node::as_str).map(str::to_owned),
            api_versions: asked
                .filter_map(|(asked, answer)| Some((asked.text()?.to_owned(), answer.as_bool()?)))
                .collect(),
            assumed: strings(node.get("assumed")).into_iter().collect(),
        }
    }
}

/// A source as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SourceRecord {
    /// `repoURL` as written.
    pub repo_url: String,
    /// `targetRevision` as written; empty stands for HEAD.
    pub target_revision: String,
    /// `path`; empty for none.
    pub path: String,
    /// `chart`; empty for git.
    pub chart: String,
    /// `ref`; empty for none.
    pub reference: String,
    /// What the revision was resolved to; [`WORKING_TREE`] for the fleet's own tree.
    pub revision: String,
}

/// Stands for the revision of the fleet's own working tree. No commit: it would differ after each commit, so that bundles which
/// are committed with their sources would never be up to date.
pub const WORKING_TREE: &str = "working tree";

/// A namespace to create.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NamespaceRecord {
    /// Name.
    pub name: String,
    /// `managedNamespaceMetadata.labels`.
    pub labels: Option<Node>,
    /// `managedNamespaceMetadata.annotations`.
    pub annotations: Option<Node>,
}

/// What names an object, whatever its version. Written as `Kind.group namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ObjectRef {
    /// API group; empty for core.
    pub group: SmolStr,
    /// Kind.
    pub kind: SmolStr,
    /// Namespace; empty for cluster-scoped ones.
    pub namespace: SmolStr,
    /// Name; for `generateName` that, with `*` behind.
    pub name: SmolStr,
}

impl ObjectRef {
    /// The reference to an object.
    pub fn of(object: &Node) -> Self {
        let id = ObjectId::of(object);
        let name = match object.at(&["metadata", "generateName"]).and_then(Node::text) {
            Some(prefix) if id.name.is_empty() => format_smolstr!("{prefix}*"),
            _ => id.name,
        };
        ObjectRef { group: id.gvk.group, kind: id.gvk.kind, namespace: id.namespace, name }
    }

    /// Reads `Kind.group namespace/name`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, object) = text.split_once(' ')?;
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let (namespace, name) = object.split_once('/').unwrap_or(("", object));
        let of = SmolStr::new;
        Some(ObjectRef { group: of(group), kind: of(kind), namespace: of(namespace), name: of(name) })
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

// ------------------------------------------------------------------------------------------------------------------------ writing

impl Index {
    /// The file.
    pub fn to_text(&self) -> String {
        let mut out =
            String::from("# generated by fleetc; do not edit\napiVersion: fleetc.dev/v1alpha1\nkind: Bundle\n");
        let scopes = self.scopes.iter().map(|(kind, record)| {
            let scope = if record.namespaced { "Namespaced" } else { "Cluster" };
            let fields = [("known", text(name_of(&KNOWN, record.known))), ("scope", text(scope))];
            (Node::str(kind.as_str()), record_of(fields))
        });
        let cluster = [("name", text(&self.cluster)), ("scopes", map(scopes)), ("server", text(&self.server))];
        field("cluster", &record_of(cluster), "", &mut out);
        if self.applications.is_empty() {
            out.push_str("applications: []\n");
        } else {
            out.push_str("applications:\n");
        }
        for entry in &self.applications {
            entry.write(&mut out);
        }
        out
    }

    /// The digest of its text for bundles.lock: with that in place of the digest of a file which may be shown. The places are those of the
    /// text itself, so that it is the same whoever read it.
    pub fn locked_digest(&self, text: &str) -> Digest {
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for entry in &self.applications {
            let digests = entry.shown.iter().filter_map(|(path, shown)| Some((entry.files.get(path)?, shown)));
            shown.extend(digests.map(|(digest, shown)| (digest.to_string(), shown.digest().to_string())));
        }
        if shown.is_empty() {
            return Digest::of(text.as_bytes());
        }
        let line = |line: &str| match line
            .rsplit_once(": ")
            .and_then(|(path, digest)| Some((path, shown.get(digest.trim_end())?)))
        {
            Some((path, digest)) => format!("{path}: {digest}\n"),
            None => line.to_owned(),
        };
        Digest::of(text.split_inclusive('\n').map(line).collect::<String>().as_bytes())
    }
}

impl Entry {
    /// Whether two entries say the same: as text, since what passes through may have its keys in any order.
    pub fn is_same(&self, other: &Entry) -> bool {
        let text = |entry: &Entry| {
            let mut out = String::new();
            entry.write(&mut out);
            out
        };
        self == other || text(self) == text(other)
    }

    /// Digest of all that it says, and so of its files: for inventories, saved plans and people, so that clear data of Secrets is in it only
    /// as [`Shown`] says.
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        let mut entry = Entry { step: None, ..self.clone() };
        for (path, shown) in &self.shown {
            entry.files.insert(path.clone(), shown.digest());
        }
        entry.write(&mut text);
        Digest::of(text.as_bytes())
    }

    fn write(&self, out: &mut String) {
        let [origin, parent] = [("applicationSet", text(&self.application_set)), ("parent", key(self.parent.as_ref()))];
        let namespaces = self.namespaces.iter().map(|namespace| {
            let passed = |node: &Option<Node>| node.clone().unwrap_or_else(Node::null);
            record_of([
                ("annotations", passed(&namespace.annotations)),
                ("labels", passed(&namespace.labels)),
                ("name", text(&namespace.name)),
            ])
        });
        let yields = self
            .yields
            .iter()
            .map(|(object, owner)| record_of([("object", text(&object.to_string())), ("owner", key(Some(owner)))]));
        let files = self.files.iter().map(|(path, digest)| (Node::str(path.as_str()), text(&digest.to_string())));
        let shown = self.shown.iter().map(|(path, shown)| (Node::str(path.as_str()), text(&shown.to_string())));
        let fields: [(&str, Node); 25] = [
            ("name", text(&self.key.name)),
            ("namespace", text(&self.key.namespace)),
            ("instance", text(&self.key.instance)),
            ("state", text(name_of(&STATES, self.state))),
            ("why", text(&self.why)),
            ("project", text(&self.project)),
            ("projectKnown", if self.project_known { Node::null() } else { Node::bool(false) }),
            ("impersonate", text(self.impersonate.as_deref().unwrap_or_default())),
            ("syncWindows", list(self.windows.iter().cloned())),
            ("origin", record_of([origin, parent])),
            ("rollingSync", self.step.as_ref().map_or_else(Node::null, Step::to_node)),
            ("sources", list(self.sources.iter().map(SourceRecord::node))),
            ("destinationNamespace", text(&self.namespace)),
            ("syncPolicy", self.sync_policy.clone().unwrap_or_else(Node::null)),
            ("syncOptions", texts(&self.sync_options)),
            ("finalizers", texts(&self.finalizers)),
            ("ignoreDifferences", self.ignore_differences.clone().unwrap_or_else(Node::null)),
            ("wave", if self.wave == 0 { Node::null() } else { Node::int(self.wave) }),
            ("createNamespaces", list(namespaces)),
            ("declares", list(self.declares.iter().map(|object| text(&object.to_string())))),
            ("excluded", list(self.excluded.iter().map(|object| text(&object.to_string())))),
            ("facts", self.facts.node()),
            ("yields", list(yields)),
            ("files", map(files)),
            ("shown", map(shown)),
        ];
        let mut dash = "- ";
        for (name, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
            let start = out.len();
            field(name, value, "  ", out);
            out.replace_range(start..start + 2, dash);
            dash = "  ";
        }
    }
}

impl SourceRecord {
    fn node(&self) -> Node {
        record_of([
            ("chart", text(&self.chart)),
            ("path", text(&self.path)),
            ("ref", text(&self.reference)),
            ("repoURL", text(&self.repo_url)),
            ("revision", text(&self.revision)),
            ("targetRevision", text(&self.target_revision)),
        ])
    }
}

/// Appends `name: value` with every line indented.
fn field(name: &str, value: &Node, indent: &str, out: &mut String) {
    let text = emit::to_yaml(&record_of([(name, value.clone())]));
    for line in text.split_inclusive('\n') {
        if line != "\n" {
            out.push_str(indent);
        }
        let _ = out.write_str(line);
    }
}

fn name_of<T: PartialEq + Copy>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|row| row.0 == value).map_or("", |row| row.1)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], name: &str) -> Option<T> {
    table.iter().find(|row| row.1 == name).map(|row| row.0)
}

/// Empty strings become null, so that nobody writes them.
fn text(text: &str) -> Node {
    if text.is_empty() { Node::null() } else { Node::str(text) }
}

fn texts(list: &[String]) -> Node {
    Node::seq(list.iter().map(|item| Node::str(item.as_str())).collect())
}

fn list(items: impl Iterator<Item = Node>) -> Node {
    Node::seq(items.collect())
}

fn map(entries: impl Iterator<Item = (Node, Node)>) -> Node {
    Node::map(entries.collect())
}

fn record_of<'a>(fields: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    let written = fields.into_iter().filter(|(_, value)| !is_empty(value));
    Node::map(written.map(|(name, value)| (Node::str(name), value)).collect())
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.as_seq().is_some_and(<[Node]>::is_empty) || node.as_map().is_some_and(Map::is_empty)
}

fn key(key: Option<&AppKey>) -> Node {
    let Some(key) = key else { return Node::null() };
    record_of([("instance", text(&key.instance)), ("name", text(&key.name)), ("namespace", text(&key.namespace))])
}

// ------------------------------------------------------------------------------------------------------------------------ reading

impl Index {
    /// Reads a bundle.yaml; the message says what is wrong with it otherwise.
    ///
    /// # Errors
    /// It is no YAML, no Bundle, or an application lacks what holding and removal need.
    pub fn parse(text: &str) -> Result<Self, String> {
        let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default())
            .map_err(|found| found.into_iter().next().map_or_else(String::new, |first| first.message))?;
        let root = documents.into_iter().next().unwrap_or_else(Node::null);
        if root.get("kind").and_then(Node::as_str) != Some("Bundle") {
            return Err("it is no Bundle".to_owned());
        }
        if root.get("apiVersion").and_then(Node::as_str) != Some("fleetc.dev/v1alpha1") {
            return Err("it has a format that this fleetc does not read".to_owned());
        }
        let mut index = Index {
            cluster: string(root.at(&["cluster", "name"])),
            server: string(root.at(&["cluster", "server"])),
            ..Index::default()
        };
        for (kind, record) in root.at(&["cluster", "scopes"]).and_then(Node::as_map).into_iter().flat_map(Map::iter) {
            let known = record.get("known").and_then(Node::as_str).and_then(|name| value_of(&KNOWN, name));
            let namespaced = record.get("scope").and_then(Node::as_str) != Some("Cluster");
            let record = ScopeRecord { namespaced, known: known.unwrap_or(Known::Assumed) };
            index.scopes.insert(kind.text().unwrap_or_default().to_owned(), record);
        }
        for item in root.get("applications").and_then(Node::as_seq).unwrap_or_default() {
            index.applications.push(Entry::read(item)?);
        }
        Ok(index)
    }
}

impl Entry {
    fn read(node: &Node) -> Result<Self, String> {
        let key = read_key(node).ok_or("an application has no name")?;
        let wrong = |what: &str| format!("application `{key}` has {what}");
        let state = node.get("state").and_then(Node::as_str).and_then(|name| value_of(&STATES, name));
        let mut files = BTreeMap::new();
        for (path, digest) in node.get("files").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
            let digest = digest.as_str().and_then(Digest::parse).ok_or_else(|| wrong("a file without digest"))?;
            files.insert(path.text().unwrap_or_default().to_owned(), digest);
        }
        let mut shown = BTreeMap::new();
        for (path, digest) in node.get("shown").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
            let digest = digest.as_str().and_then(Shown::parse).ok_or_else(|| wrong("a digest that cannot be read"))?;
            shown.insert(path.text().unwrap_or_default().to_owned(), digest);
        }
        let objects = |field: &str| strings(node.get(field)).iter().filter_map(|text| ObjectRef::parse(text)).collect();
        let items = |field: &str| node.get(field).and_then(Node::as_seq).unwrap_or_default();
        Ok(Entry {
            state: state.ok_or_else(|| wrong("no state"))?,
            why: string(node.get("why")),
            project: string(node.get("project")),
            project_known: node.get("projectKnown").and_then(Node::as_bool) != Some(false),
            impersonate: node.get("impersonate").and_then(Node::as_str).map(str::to_owned),
            windows: items("syncWindows").to_vec(),
            application_set: string(node.at(&["origin", "applicationSet"])),
            step: node.get("rollingSync").and_then(Step::from_node),
            parent: node.at(&["origin", "parent"]).and_then(read_key),
            sources: items("sources").iter().map(SourceRecord::read).collect(),
            namespace: string(node.get("destinationNamespace")),
            facts: node.get("facts").map(FactsRecord::read).unwrap_or_default(),
            sync_policy: node.get("syncPolicy").cloned(),
            sync_options: strings(node.get("syncOptions")),
            finalizers: strings(node.get("finalizers")),
            ignore_differences: node.get("ignoreDifferences").cloned(),
            wave: node.get("wave").and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or(0),
            namespaces: items("createNamespaces")
                .iter()
                .map(|namespace| NamespaceRecord {
                    name: string(namespace.get("name")),
                    labels: namespace.get("labels").cloned(),
                    annotations: namespace.get("annotations").cloned(),
                })
                .collect(),
            declares: objects("declares"),
            excluded: objects("excluded"),
            yields: items("yields")
                .iter()
                .filter_map(|item| {
                    let object = ObjectRef::parse(item.get("object")?.as_str()?)?;
                    Some((object, read_key(item.get("owner")?)?))
                })
                .collect(),
            files,
            shown,
            key,
        })
    }
}

impl SourceRecord {
    fn read(node: &Node) -> Self {
        let field = |name| string(node.get(name));
        SourceRecord {
            repo_url: field("repoURL"),
            target_revision: field("targetRevision"),
            path: field("path"),
            chart: field("chart"),
            reference: field("ref"),
            revision: field("revision"),
        }
    }
}

fn string(node: Option<&Node>) -> String {
    node.and_then(Node::as_str).unwrap_or_default().to_owned()
}

fn strings(node: Option<&Node>) -> Vec<String> {
    let items = node.and_then(Node::as_seq).unwrap_or_default();
    items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn read_key(node: &Node) -> Option<AppKey> {
    let name = node.get("name")?.as_str()?.to_owned();
    Some(AppKey { instance: string(node.get("instance")), namespace: string(node.get("namespace")), name })
}
