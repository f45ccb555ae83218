//! What is to be on a cluster of one application, from its entry in bundle.yaml and the texts of its files: so an in-memory build and a
//! folder of bundles give the same.
//!
//! Objects are made ready to be sent: with the label that makes them members of their parent's ApplySet, as JSON, with the digest by
//! which an unchanged one is known. Nothing is ordered and nothing is asked of a cluster.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use crate::bundle::{Entry, FactsRecord, ObjectRef, State, without_secret_values};
use crate::danger::Others;
use crate::digest::Digest;
use crate::inventory::{PART_OF_LABEL, ParentName, SliceKey};
use crate::k8s::object::{Gvk, ObjectId};
use crate::k8s::order::{self, Phase, Role};
use crate::rollout::Step;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Map, Node, json};

use super::options::{HookDelete, ObjectOptions, Policy};
use super::record::Record;

/// What the slices of a cluster have in common.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `metadata.name` of fleet.yaml.
    pub fleet: &'a str,
    /// Name of the cluster.
    pub cluster: &'a str,
    /// Namespace in which parents lie.
    pub parent_namespace: &'a str,
}

/// What is to be sent in place of an object, or why nothing can be; `None` where it is sent as it is.
pub type Open<'a> = &'a dyn Fn(&Node) -> Option<Result<Node, String>>;

/// One application as it is to be on one cluster.
#[derive(Clone, Debug)]
pub struct DesiredSlice {
    /// Fleet and application.
    pub key: SliceKey,
    /// Name of the cluster.
    pub cluster: String,
    /// Where its parent lies.
    pub parent: ParentName,
    /// Digest of all that it says: its entry and its files. A saved plan is bound to it. See [`Entry::digest`] for clear data of Secrets.
    pub digest: Digest,
    /// Whether it can be applied.
    pub state: SliceState,
    /// `spec.project`.
    pub project: String,
    /// The ApplicationSet that made it, with the instance in front where there are several; empty for none.
    pub set: String,
    /// Its step there.
    pub step: Option<Step>,
    /// Its objects, hooks included, in the order of the files.
    pub objects: Vec<Desired>,
    /// Namespaces to make sure of.
    pub namespaces: Vec<DesiredNamespace>,
    /// What it says about pruning and its end.
    pub policy: Policy,
    /// The user to act as; empty for oneself.
    pub impersonate: String,
    /// Sync windows that apply to it, as written.
    pub windows: Vec<Node>,
    /// `spec.ignoreDifferences`, as written.
    pub ignore_differences: Option<Node>,
    /// `spec.syncPolicy.retry`, as written.
    pub retry: Option<Node>,
    /// What its parent is to carry.
    pub record: Record,
    /// Objects that it would render but that are not in its files: excluded, declaring, or another application's. They are released, not deleted.
    pub released: Vec<ObjectRef>,
    /// Objects that it leaves to another application of the cluster.
    pub yields: Vec<(ObjectRef, crate::application::AppKey)>,
    /// What its renders asked about the cluster, with the answers that they got.
    pub facts: FactsRecord,
    /// Whether its sync policy says that what somebody changed is put back (`automated.selfHeal`).
    pub self_heal: bool,
    /// The commit of the fleet that it was compiled from; empty where that is not known.
    pub revision: String,
    /// Wave of the Application object among its siblings of an app-of-apps.
    pub wave: i64,
}

/// Whether a slice can be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceState {
    /// Its files are those of this build.
    Fresh,
    /// Its render failed: nothing happens to it, and why.
    Held(String),
    /// The same, and there never were good files.
    Absent(String),
    /// It may not be applied, and why: its project is not known, or its files are not what bundle.yaml says.
    Refused(String),
}

/// An object as it is to be.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// Namespace; empty for cluster-scoped ones.
    pub namespace: SmolStr,
    /// Name; empty with `generateName`.
    pub name: SmolStr,
    /// `metadata.generateName`; empty for none.
    pub generate_name: SmolStr,
    /// What is sent, the label of membership included (hooks are no members).
    pub body: Node,
    /// The same as JSON.
    pub json: Arc<str>,
    /// Digest of what is sent; of a Secret without the values of its data, which are compared with the live ones instead: a digest of a
    /// short secret in an inventory would give it away.
    pub digest: Digest,
    /// Whether it is a hook.
    pub role: Role,
    /// Its sync wave.
    pub wave: i64,
    /// Its sync options.
    pub options: ObjectOptions,
    /// Of a hook: when its object is deleted.
    pub hook_delete: Vec<HookDelete>,
    /// Whether all of its hook annotations that name a phase are Helm's install ones: then it runs with the first apply only.
    pub install_only: bool,
    /// What is wrong with it before any cluster is asked.
    pub problem: Option<String>,
}

impl Desired {
    /// What names it.
    pub fn reference(&self) -> ObjectRef {
        let name = if self.name.is_empty() && !self.generate_name.is_empty() {
            format_smolstr!("{}*", self.generate_name)
        } else {
            self.name.clone()
        };
        ObjectRef {
            group: self.gvk.group.clone(),
            kind: self.gvk.kind.clone(),
            namespace: self.namespace.clone(),
            name,
        }
    }

    /// Whether it is an ordinary object, not a hook.
    pub fn is_plain(&self) -> bool {
        self.role == Role::Plain
    }

    /// The phases in which it runs as a hook of a sync.
    pub fn sync_phases(&self) -> impl Iterator<Item = Phase> + '_ {
        let phases = if let Role::Hook(phases) = &self.role { phases.as_slice() } else { &[] };
        phases.iter().copied().filter(|phase| !matches!(phase, Phase::PreDelete | Phase::PostDelete))
    }

    fn new(mut body: Node, application: &[String], part_of: &str) -> Result<Self, String> {
        let id = ObjectId::of(&body);
        let text = |path: &[&str]| body.at(path).and_then(Node::smol).unwrap_or_default();
        let generate_name = if id.name.is_empty() { text(&["metadata", "generateName"]) } else { SmolStr::default() };
        let role = order::role(&body);
        let problem = match body.at(&["metadata", "labels", PART_OF_LABEL]).and_then(Node::text) {
            Some(other) if other != part_of => {
                Some(format!("its manifest carries the label `{PART_OF_LABEL}`, by which ApplySets know their members"))
            }
            _ if role == Role::Plain && id.name.is_empty() => {
                Some("it has no name: with `generateName` every apply would make another one".to_owned())
            }
            _ => None,
        };
        let hook_delete = if role == Role::Plain { Vec::new() } else { HookDelete::of(&body) };
        let install_only = is_install_only(&body);
        let options = ObjectOptions::of(application, &body);
        let wave = order::sync_wave(&body);
        if role == Role::Plain && problem.is_none() {
            label(&mut body, part_of);
        }
        let message = |errors: crate::diag::Diagnostics| errors.iter().next().map(|e| e.message.clone());
        let json: Arc<str> = json::to_json(&body).map_err(|errors| message(errors).unwrap_or_default())?.into();
        let digest = match without_secret_values(&body) {
            None => Digest::of(json.as_bytes()),
            Some(masked) => {
                Digest::of(json::to_json(&masked).map_err(|errors| message(errors).unwrap_or_default())?.as_bytes())
            }
        };
        Ok(Desired {
            gvk: id.gvk,
            namespace: id.namespace,
            name: id.name,
            generate_name,
            json,
            digest,
            role,
            wave,
            options,
            hook_delete,
            install_only,
            problem,
            body,
        })
    }
}

/// `helm.sh/hook` with install phases only, where Argo CD's own annotation says nothing.
fn is_install_only(object: &Node) -> bool {
    use crate::k8s::object::{annotation, annotation_list};
    let helm = annotation_list(object, order::HELM_HOOK);
    let install = helm.iter().any(|word| matches!(*word, "pre-install" | "post-install"));
    let upgrade = helm.iter().any(|word| matches!(*word, "pre-upgrade" | "post-upgrade"));
    install && !upgrade && annotation(object, order::HOOK).is_none()
}

/// Makes an object a member of an ApplySet.
fn label(body: &mut Node, part_of: &str) {
    let Some(metadata) = body.get_mut("metadata").and_then(Node::map_mut) else { return };
    match metadata.get_mut("labels").and_then(Node::map_mut) {
        Some(labels) => labels.insert(PART_OF_LABEL, Node::str(part_of)),
        None => {
            let mut labels = Map::with_capacity(1);
            labels.insert(PART_OF_LABEL, Node::str(part_of));
            metadata.insert("labels", Node::map(labels));
        }
    }
}

/// A namespace that is made sure of: created where it is missing, its managed labels and annotations applied; never ours, never pruned.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredNamespace {
    /// Its name.
    pub name: SmolStr,
    /// The Namespace as it is sent.
    pub body: Node,
    /// Whether labels or annotations are managed: else an existing one is not touched.
    pub managed: bool,
}

impl Others for DesiredSlice {
    fn all(&self) -> Vec<&Node> {
        self.objects.iter().map(|object| &object.body).collect()
    }
}

impl DesiredSlice {
    /// A slice from its entry in bundle.yaml and the texts of its files, by path below the cluster's folder. Files of a held application
    /// are not asked for. What is wrong with the files makes the slice [`SliceState::Refused`].
    pub fn new(context: Context<'_>, entry: &Entry, text: &dyn Fn(&str) -> Option<Arc<str>>) -> Self {
        Self::opened(context, entry, text, &|_| None)
    }

    /// The same, with what is to be sent in place of objects whose values lie encrypted. `open` says `None` for those that are sent as they
    /// are; why one cannot be opened makes the slice [`SliceState::Refused`]. Digests are made of what lies there, or without values.
    pub fn opened(
        context: Context<'_>,
        entry: &Entry,
        text: &dyn Fn(&str) -> Option<Arc<str>>,
        open: Open<'_>,
    ) -> Self {
        let key = SliceKey { fleet: context.fleet.to_owned(), application: entry.key.clone() };
        let parent = ParentName::of(&key, context.parent_namespace);
        let digest = entry.digest();
        let mut slice = DesiredSlice {
            cluster: context.cluster.to_owned(),
            digest,
            state: match entry.state {
                State::Held => SliceState::Held(entry.why.clone()),
                State::Absent => SliceState::Absent(entry.why.clone()),
                State::Ok if !entry.project_known => SliceState::Refused(format!(
                    "its project `{}` is not declared in the fleet, so nobody has checked its rules",
                    entry.project
                )),
                State::Ok => SliceState::Fresh,
            },
            project: entry.project.clone(),
            set: set_name(&entry.key.instance, &entry.application_set),
            step: entry.step.clone(),
            objects: Vec::new(),
            namespaces: entry.namespaces.iter().map(namespace).collect(),
            policy: Policy::of(entry.sync_policy.as_ref(), &entry.sync_options, &entry.finalizers),
            impersonate: entry.impersonate.clone().unwrap_or_default(),
            windows: entry.windows.clone(),
            ignore_differences: entry.ignore_differences.clone(),
            retry: entry.sync_policy.as_ref().and_then(|policy| policy.get("retry")).cloned(),
            record: Record::of(entry, context.cluster, digest),
            released: entry.excluded.iter().chain(&entry.declares).cloned().collect(),
            yields: entry.yields.clone(),
            facts: entry.facts.clone(),
            self_heal: heals(entry.sync_policy.as_ref()),
            revision: String::new(),
            wave: entry.wave,
            key,
            parent,
        };
        if slice.state == SliceState::Fresh
            && let Err(why) = slice.read_files(entry, text, open)
        {
            slice.objects.clear();
            slice.state = SliceState::Refused(why);
        }
        slice.record.content = Some(slice.content());
        slice
    }

    /// Digest of its objects, whatever files they are in.
    fn content(&self) -> Digest {
        let mut objects: Vec<(String, Digest)> =
            self.objects.iter().map(|object| (object.reference().to_string(), object.digest)).collect();
        objects.sort();
        let parts: Vec<String> = objects.into_iter().map(|(name, digest)| format!("{name} {digest}")).collect();
        Digest::of_parts(parts.iter().map(String::as_bytes))
    }

    fn read_files(
        &mut self,
        entry: &Entry,
        text: &dyn Fn(&str) -> Option<Arc<str>>,
        open: Open<'_>,
    ) -> Result<(), String> {
        let part_of = self.parent.id();
        for (path, digest) in &entry.files {
            let text = text(path).ok_or_else(|| format!("its file `{path}` is not there"))?;
            if Digest::of(text.as_bytes()) != *digest {
                return Err(format!("its file `{path}` is not what bundle.yaml says; run `fleetc build`"));
            }
            let documents = yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            let documents = documents.map_err(|errors| {
                let first = errors.iter().next().map(|error| error.message.clone()).unwrap_or_default();
                format!("its file `{path}` cannot be read: {first}")
            })?;
            for body in documents.into_iter().filter(|document| !document.is_null()) {
                let name = ObjectRef::of(&body);
                let body = match open(&body) {
                    None => body,
                    Some(opened) => opened.map_err(|why| format!("{name} in `{path}` cannot be applied: {why}"))?,
                };
                let desired = Desired::new(body, &entry.sync_options, &part_of);
                self.objects.push(desired.map_err(|why| format!("{name} in `{path}` has no JSON: {why}"))?);
            }
        }
        Ok(())
    }

    /// The object of a name.
    pub fn object(&self, reference: &ObjectRef) -> Option<&Desired> {
        self.objects.iter().find(|object| object.reference() == *reference)
    }
}

/// `automated.selfHeal`, where `automated.enabled` does not say that nothing is automated.
fn heals(policy: Option<&Node>) -> bool {
    let flag = |key: &str| policy.and_then(|policy| policy.at(&["automated", key])).and_then(Node::as_bool);
    flag("selfHeal") == Some(true) && flag("enabled") != Some(false)
}

/// An ApplicationSet (`namespace/name`) of an instance; empty for none.
pub fn set_name(instance: &str, set: &str) -> String {
    if instance.is_empty() || set.is_empty() { set.to_owned() } else { format!("{instance}/{set}") }
}

fn namespace(record: &crate::bundle::NamespaceRecord) -> DesiredNamespace {
    let mut metadata = Map::new();
    metadata.insert("name", Node::str(record.name.as_str()));
    for (field, value) in [("labels", &record.labels), ("annotations", &record.annotations)] {
        if let Some(value) = value {
            metadata.insert(field, value.clone());
        }
    }
    let mut body = Map::new();
    body.insert("apiVersion", Node::str("v1"));
    body.insert("kind", Node::str("Namespace"));
    body.insert("metadata", Node::map(metadata));
    DesiredNamespace {
        name: record.name.as_str().into(),
        body: Node::map(body),
        managed: record.labels.is_some() || record.annotations.is_some(),
    }
}
