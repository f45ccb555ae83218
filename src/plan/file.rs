//! A saved plan: JSON with a format version and a checksum. Schema: `schema/plan.schema.json`.
//!
//! What is saved is what was decided and on what grounds: per slice the digest of its bundle, the identity of the cluster, its parent, the
//! UIDs and resource versions that were seen, and the actions. What is sent is not in it (`apply` takes it from the bundle and compares
//! digests), and so no value of a Secret is. A newer minor format is read, a newer major one refused; a text that was changed is refused.

use std::collections::BTreeSet;

use super::action::{Action, ClusterPlan, Seen, SlicePlan, Status, Verb};
use super::input::{HookRuns, Options, Prune};
use super::options::Propagation;
use super::order::Place;
use super::record::Record;
use crate::application::AppKey;
use crate::bundle::ObjectRef;
use crate::danger::{Danger, Dangers};
use crate::digest::Digest;
use crate::inventory::{Parent, ParentName, SliceKey};
use crate::k8s::difference::ChangedField;
use crate::k8s::object::Gvk;
use crate::k8s::order::Phase;
use crate::rollout::Rollout;
use crate::rule::Level;
use crate::span::FileId;
use crate::yaml::{Map, Node, json};

/// The version of the format that is written: major and minor.
const FORMAT: (u32, u32) = (1, 2);

/// A plan of a fleet.
#[derive(Clone, Debug, Default)]
pub struct PlanFile {
    /// `metadata.name` of fleet.yaml.
    pub fleet: String,
    /// Choices that the plan was made with; a slice planned anew with others would be another plan.
    pub options: Options,
    /// The plans of the clusters, by name.
    pub clusters: Vec<ClusterPlan>,
    /// In which waves they go.
    pub rollout: Rollout,
}

const PHASES: [(Phase, &str); 6] = [
    (Phase::PreSync, "PreSync"),
    (Phase::Sync, "Sync"),
    (Phase::PostSync, "PostSync"),
    (Phase::SyncFail, "SyncFail"),
    (Phase::PreDelete, "PreDelete"),
    (Phase::PostDelete, "PostDelete"),
];
const PRUNES: [(Prune, &str); 3] = [(Prune::Policy, "policy"), (Prune::Always, "always"), (Prune::Never, "never")];
const HOOKS: [(HookRuns, &str); 2] = [(HookRuns::OnChange, "on-change"), (HookRuns::EverySync, "argocd")];
/// The verbs that have nothing beside them.
const VERBS: [Verb; 13] = [
    Verb::Create,
    Verb::Change,
    Verb::Recreate,
    Verb::Overwrite,
    Verb::Adopt,
    Verb::Keep,
    Verb::Release,
    Verb::Forget,
    Verb::Note,
    Verb::Ensure,
    Verb::Hook,
    Verb::Unknown,
    Verb::Refuse,
];

fn name_of<T: PartialEq + Copy>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|row| row.0 == value).map_or("", |row| row.1)
}

fn value_of<T: Copy>(table: &[(T, &'static str)], name: &str) -> Result<T, String> {
    table.iter().find(|row| row.1 == name).map(|row| row.0).ok_or_else(|| format!("`{name}` is not known"))
}

// ------------------------------------------------------------------------------------------------------------------------ writing

/// A map without its empty values.
fn map(fields: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let mut map = Map::new();
    for (key, value) in fields {
        let empty = value.is_null()
            || value.as_str() == Some("")
            || value.as_seq().is_some_and(<[Node]>::is_empty)
            || value.as_map().is_some_and(Map::is_empty);
        if !empty {
            map.push(Node::str(key), value);
        }
    }
    Node::map(map)
}

fn list<T>(items: &[T], of: impl Fn(&T) -> Node) -> Node {
    Node::seq(items.iter().map(of).collect())
}

fn texts(items: &[String]) -> Node {
    list(items, |text| Node::str(text.as_str()))
}

fn text(text: &str) -> Node {
    Node::str(text)
}

fn maybe(text: Option<&String>) -> Node {
    text.map_or_else(Node::null, |text| Node::str(text.as_str()))
}

fn number(number: usize) -> Node {
    Node::int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn flag(flag: bool) -> Node {
    if flag { Node::bool(true) } else { Node::null() }
}

impl PlanFile {
    /// The file.
    ///
    /// # Errors
    /// A live value that has no JSON.
    pub fn to_text(&self) -> Result<String, String> {
        let body = self.body();
        let checksum = Digest::of(compact(&body)?.as_bytes());
        let mut whole = Map::new();
        whole.push(Node::str("checksum"), Node::str(checksum.to_string()));
        for (key, value) in body.as_map().into_iter().flat_map(Map::iter) {
            whole.push(key.clone(), value.clone());
        }
        let mut out = compact(&Node::map(whole))?;
        out.push('\n');
        Ok(out)
    }

    fn body(&self) -> Node {
        let options = &self.options;
        let allow: Vec<String> = options.allow_delete.iter().cloned().collect();
        map([
            ("apiVersion", text("fleetc.dev/v1alpha1")),
            ("kind", text("Plan")),
            ("format", Node::str(format!("{}.{}", FORMAT.0, FORMAT.1))),
            ("fleetc", text(env!("CARGO_PKG_VERSION"))),
            ("fleet", text(&self.fleet)),
            (
                "options",
                map([
                    ("prune", text(name_of(&PRUNES, options.prune))),
                    ("hooks", text(name_of(&HOOKS, options.hooks))),
                    ("takeOwnership", flag(options.take_ownership)),
                    ("readOnly", flag(options.read_only)),
                    ("compareAs", maybe(options.compare_as.as_ref())),
                    ("allowEmpty", flag(options.allow_empty)),
                    ("release", flag(options.release)),
                    ("allowDelete", texts(&allow)),
                ]),
            ),
            ("clusters", list(&self.clusters, cluster)),
            ("rollout", self.rollout.to_node()),
        ])
    }
}

fn compact(node: &Node) -> Result<String, String> {
    json::to_json(node).map_err(|errors| errors.iter().next().map(|error| error.message.clone()).unwrap_or_default())
}

/// A cluster's plan as data, as in the file.
pub fn cluster(plan: &ClusterPlan) -> Node {
    map([
        ("name", text(&plan.cluster)),
        ("identity", text(&plan.identity)),
        ("version", text(&plan.version)),
        ("failed", maybe(plan.failed.as_ref())),
        ("refusals", texts(&plan.refusals)),
        ("notes", texts(&plan.notes)),
        ("owned", number(plan.owned)),
        ("others", number(plan.others)),
        ("slices", list(&plan.slices, slice)),
    ])
}

fn slice(plan: &SlicePlan) -> Node {
    let (status, why) = match &plan.status {
        Status::Ready => ("ready", ""),
        Status::Blocked => ("blocked", ""),
        Status::Held(why) => ("held", why.as_str()),
        Status::Refused(why) => ("refused", why.as_str()),
        Status::Failed(why) => ("failed", why.as_str()),
    };
    let app = &plan.key.application;
    let parent = plan.parent.as_ref();
    map([
        ("application", application(app)),
        ("project", text(&plan.project)),
        ("status", text(status)),
        ("why", text(why)),
        ("removal", flag(plan.removal)),
        ("withheld", maybe(plan.withheld.as_ref())),
        ("bundle", plan.bundle.map_or_else(Node::null, |digest| Node::str(digest.to_string()))),
        (
            "parent",
            map([
                ("namespace", text(&plan.parent_name.namespace)),
                ("name", text(&plan.parent_name.name)),
                ("uid", text(parent.map(|parent| parent.uid.as_str()).unwrap_or_default())),
                ("resourceVersion", text(parent.map(|parent| parent.resource_version.as_str()).unwrap_or_default())),
            ]),
        ),
        ("digest", Node::str(plan.digest.to_string())),
        ("changes", flag(plan.has_changes())),
        ("unchanged", number(plan.same.len())),
        ("notes", texts(&plan.notes)),
        ("actions", list(&plan.actions, action)),
    ])
}

fn application(app: &AppKey) -> Node {
    map([("instance", text(&app.instance)), ("namespace", text(&app.namespace)), ("name", text(&app.name))])
}

fn action(action: &Action) -> Node {
    let (from, to, propagation) = match &action.verb {
        Verb::TakeOver { from } => (application(from), Node::null(), Node::null()),
        Verb::HandOver { to } => (Node::null(), application(to), Node::null()),
        Verb::Delete(propagation) => (Node::null(), Node::null(), text(propagation.name())),
        _ => (Node::null(), Node::null(), Node::null()),
    };
    let seen = action.live.clone().unwrap_or_default();
    map([
        ("verb", text(action.verb.name())),
        ("phase", text(name_of(&PHASES, action.place.phase))),
        ("wave", Node::int(action.place.wave)),
        ("group", text(&action.gvk.group)),
        ("version", text(&action.gvk.version)),
        ("kind", text(&action.gvk.kind)),
        ("namespace", text(&action.object.namespace)),
        ("name", text(&action.object.name)),
        ("from", from),
        ("to", to),
        ("propagation", propagation),
        ("uid", Node::str(seen.uid)),
        ("resourceVersion", Node::str(seen.resource_version)),
        ("force", flag(action.force)),
        (
            "changes",
            list(&action.changes, |change| {
                // An empty value is one.
                let mut fields = Map::new();
                fields.push(Node::str("path"), text(&change.path));
                for (key, value) in [("before", &change.before), ("after", &change.after)] {
                    if let Some(value) = value {
                        fields.push(Node::str(key), value.clone());
                    }
                }
                Node::map(fields)
            }),
        ),
        ("yields", texts(&action.yields)),
        ("dangers", list(&action.dangers.list, danger)),
        ("suppressed", list(&action.dangers.suppressed, danger)),
        ("why", text(&action.why)),
        ("withheld", maybe(action.withheld.as_ref())),
        ("uncounted", flag(!action.counts)),
    ])
}

fn danger(danger: &Danger) -> Node {
    map([
        ("rule", text(&danger.rule)),
        ("level", text(danger.level.word())),
        ("path", text(&danger.path)),
        ("message", text(&danger.message)),
        ("reason", maybe(danger.reason.as_ref())),
    ])
}

// ------------------------------------------------------------------------------------------------------------------------ reading

impl PlanFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it is no plan that can be carried out: one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole = json::parse(FileId::NONE, text.as_bytes()).map_err(|_| "it is no JSON".to_owned())?;
        if string(&whole, "kind") != "Plan" {
            return Err("it is no plan".to_owned());
        }
        let format = string(&whole, "format");
        let major = format.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major != Some(FORMAT.0) {
            return Err(format!("it has format {format}; this fleetc reads format {}", FORMAT.0));
        }
        let mut body = whole.clone();
        let checksum = body.map_mut().and_then(|map| map.remove("checksum"));
        let told = checksum.as_ref().and_then(Node::as_str).unwrap_or_default();
        if Digest::of(compact(&body)?.as_bytes()).to_string() != told {
            return Err("its checksum is not that of its content: it was changed or cut off".to_owned());
        }
        let fleet = string(&whole, "fleet").to_owned();
        let given = whole.get("options").cloned().unwrap_or_else(Node::null);
        let options = Options {
            prune: value_of(&PRUNES, string(&given, "prune"))?,
            hooks: value_of(&HOOKS, string(&given, "hooks"))?,
            take_ownership: is_set(&given, "takeOwnership"),
            read_only: is_set(&given, "readOnly"),
            compare_as: optional(&given, "compareAs"),
            allow_empty: is_set(&given, "allowEmpty"),
            release: is_set(&given, "release"),
            allow_delete: strings(&given, "allowDelete").into_iter().collect::<BTreeSet<_>>(),
            ..Options::default()
        };
        let clusters =
            items(&whole, "clusters").iter().map(|node| read_cluster(node, &fleet)).collect::<Result<_, _>>()?;
        let rollout = whole.get("rollout").map_or_else(|| Ok(Rollout::default()), Rollout::from_node)?;
        Ok(PlanFile { fleet, options, clusters, rollout })
    }
}

fn string<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

fn optional(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::as_str).map(str::to_owned)
}

fn is_set(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::as_bool) == Some(true)
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::as_seq).unwrap_or_default()
}

fn strings(node: &Node, key: &str) -> Vec<String> {
    items(node, key).iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn count(node: &Node, key: &str) -> usize {
    node.get(key).and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn read_application(node: Option<&Node>) -> Result<AppKey, String> {
    let node = node.ok_or("an application is not named")?;
    let name = string(node, "name");
    if name.is_empty() {
        return Err("an application has no name".to_owned());
    }
    Ok(AppKey {
        instance: string(node, "instance").to_owned(),
        namespace: string(node, "namespace").to_owned(),
        name: name.to_owned(),
    })
}

fn read_cluster(node: &Node, fleet: &str) -> Result<ClusterPlan, String> {
    let name = string(node, "name");
    let wrong = |why: String| format!("cluster `{name}`: {why}");
    let slices = items(node, "slices").iter().map(|slice| read_slice(slice, fleet).map_err(wrong));
    Ok(ClusterPlan {
        cluster: name.to_owned(),
        identity: string(node, "identity").to_owned(),
        version: string(node, "version").to_owned(),
        slices: slices.collect::<Result<_, _>>()?,
        failed: optional(node, "failed"),
        refusals: strings(node, "refusals"),
        notes: strings(node, "notes"),
        owned: count(node, "owned"),
        others: count(node, "others"),
    })
}

fn read_slice(node: &Node, fleet: &str) -> Result<SlicePlan, String> {
    let key = SliceKey { fleet: fleet.to_owned(), application: read_application(node.get("application"))? };
    let wrong = |why: String| format!("application `{}`: {why}", key.application);
    let why = string(node, "why").to_owned();
    let status = match string(node, "status") {
        "ready" => Status::Ready,
        "blocked" => Status::Blocked,
        "held" => Status::Held(why),
        "refused" => Status::Refused(why),
        "failed" => Status::Failed(why),
        other => return Err(wrong(format!("the status `{other}` is not known"))),
    };
    let digest = Digest::parse(string(node, "digest")).ok_or_else(|| wrong("it has no digest".to_owned()))?;
    let parent = node.get("parent").cloned().unwrap_or_else(Node::null);
    let parent_name =
        ParentName { namespace: string(&parent, "namespace").to_owned(), name: string(&parent, "name").to_owned() };
    let uid = string(&parent, "uid");
    let actions = items(node, "actions").iter().enumerate().map(|(at, node)| read_action(at, node).map_err(wrong));
    Ok(SlicePlan {
        project: string(node, "project").to_owned(),
        status,
        removal: is_set(node, "removal"),
        withheld: optional(node, "withheld"),
        bundle: Digest::parse(string(node, "bundle")),
        parent: (!uid.is_empty()).then(|| Parent {
            name: parent_name.clone(),
            key: key.clone(),
            uid: uid.into(),
            resource_version: string(&parent, "resourceVersion").into(),
            record: Node::null(),
            items: Vec::new(),
        }),
        parent_name,
        record: Record::default(),
        actions: actions.collect::<Result<_, _>>()?,
        same: Vec::new(),
        digest,
        notes: strings(node, "notes"),
        key,
    })
}

fn read_dangers(action: &Node) -> Dangers {
    let read = |node: &Node| Danger {
        rule: string(node, "rule").into(),
        level: Level::parse(string(node, "level")).unwrap_or(Level::Warn),
        path: string(node, "path").to_owned(),
        // Up to format 1.1 a danger was its sentence.
        message: node.as_str().unwrap_or(string(node, "message")).to_owned(),
        reason: optional(node, "reason"),
    };
    let all = |key: &str| items(action, key).iter().map(read).collect();
    Dangers { list: all("dangers"), suppressed: all("suppressed") }
}

fn read_action(at: usize, node: &Node) -> Result<Action, String> {
    let of = |key: &str| -> smol_str::SmolStr { string(node, key).into() };
    let gvk = Gvk { group: of("group"), version: of("version"), kind: of("kind") };
    let object =
        ObjectRef { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace: of("namespace"), name: of("name") };
    let verb = match string(node, "verb") {
        "take-over" => Verb::TakeOver { from: read_application(node.get("from"))? },
        "hand-over" => Verb::HandOver { to: read_application(node.get("to"))? },
        "delete" => {
            let propagation = string(node, "propagation");
            Verb::Delete(Propagation::parse(propagation).ok_or_else(|| format!("`{propagation}` is no propagation"))?)
        }
        name => VERBS
            .iter()
            .find(|verb| verb.name() == name)
            .cloned()
            .ok_or_else(|| format!("the action `{name}` is not known; a newer fleetc made the plan"))?,
    };
    let change = |node: &Node| ChangedField {
        path: string(node, "path").to_owned(),
        before: node.get("before").cloned(),
        after: node.get("after").cloned(),
    };
    let seen = Seen { uid: of("uid"), resource_version: of("resourceVersion") };
    let wave = node.get("wave").and_then(Node::text).and_then(|text| text.parse().ok());
    Ok(Action {
        place: Place {
            phase: value_of(&PHASES, string(node, "phase"))?,
            wave: wave.ok_or("an action has no wave")?,
            position: at,
        },
        live: (!seen.uid.is_empty()).then_some(seen),
        force: is_set(node, "force"),
        changes: items(node, "changes").iter().map(change).collect(),
        yields: strings(node, "yields"),
        dangers: read_dangers(node),
        why: string(node, "why").to_owned(),
        withheld: optional(node, "withheld"),
        counts: !is_set(node, "uncounted"),
        ..Action::new(object, gvk, verb)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PlanFile {
        let key = SliceKey {
            fleet: "platform".into(),
            application: AppKey { instance: String::new(), namespace: "argocd".into(), name: "shop".into() },
        };
        let gvk = Gvk::new("apps/v1", "Deployment");
        let object = ObjectRef::parse("Deployment.apps shop/web").expect("a reference");
        let mut change = Action::new(object.clone(), gvk.clone(), Verb::Change);
        change.live = Some(Seen { uid: "u".into(), resource_version: "7".into() });
        change.changes =
            vec![ChangedField { path: ".spec.replicas".into(), before: Some(Node::int(1)), after: Some(Node::int(2)) }];
        change.place.wave = -3;
        let mut delete = Action::new(object.clone(), gvk.clone(), Verb::Delete(Propagation::Orphan));
        delete.withheld = Some("too many".into());
        delete.counts = false;
        delete.place.position = 1;
        let mut over = Action::new(object, gvk, Verb::HandOver { to: key.application.clone() });
        over.place.position = 2;
        let slice = SlicePlan {
            project: "default".into(),
            status: Status::Refused("no".into()),
            removal: true,
            withheld: Some("budget".into()),
            bundle: Some(Digest::of(b"b")),
            parent_name: ParentName::of(&key, "fleetc-system"),
            parent: None,
            record: Record::default(),
            actions: vec![change, delete, over],
            same: Vec::new(),
            digest: Digest::of(b"d"),
            notes: vec!["a note".into()],
            key,
        };
        let cluster = ClusterPlan {
            cluster: "eu".into(),
            identity: "id".into(),
            version: "1.34.1".into(),
            slices: vec![slice],
            owned: 4,
            ..ClusterPlan::default()
        };
        let options = Options { prune: Prune::Never, take_ownership: true, ..Options::default() };
        PlanFile { fleet: "platform".into(), options, clusters: vec![cluster], rollout: Rollout::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let file = sample();
        let text = file.to_text().expect("JSON");
        let read = PlanFile::parse(&text).expect("a plan");
        assert_eq!(read.to_text().expect("JSON"), text);
        assert_eq!(read.options, file.options);
        assert_eq!(format!("{:?}", read.clusters), format!("{:?}", file.clusters));
    }

    #[test]
    fn what_was_changed_and_what_is_newer_is_refused() {
        let text = sample().to_text().expect("JSON");
        let refused = |text: String| PlanFile::parse(&text).expect_err("refused");
        assert!(refused(text.replace("\"wave\":-3", "\"wave\":-4")).contains("checksum"));
        assert!(refused(text.replace("\"format\":\"1.2\"", "\"format\":\"2.0\"")).contains("format 2.0"));
        assert!(refused("{}".to_owned()).contains("no plan"));
        assert!(refused(text.get(..40).unwrap_or_default().to_owned()).contains("no JSON"));
        // A newer minor format has more fields; its checksum is over all of them.
        let mut body = json::parse(FileId::NONE, text.as_bytes()).expect("JSON");
        let map = body.map_mut().expect("a map");
        map.remove("checksum");
        map.insert("format", Node::str("1.7"));
        map.insert("new", Node::str("field"));
        let checksum = Digest::of(json::to_json(&body).expect("JSON").as_bytes());
        body.map_mut().expect("a map").insert("checksum", Node::str(checksum.to_string()));
        assert!(PlanFile::parse(&json::to_json(&body).expect("JSON")).is_ok());
    }
}
