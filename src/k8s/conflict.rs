//! Field conflicts of server-side apply: what the API server says of them, and what to do about each.
//!
//! A conflict is the API server's word that another manager has set a field to another value. [`read`] takes its answer apart;
//! [`Policy::decide`] says whether we leave the field to the other ([`Decision::Yield`]), stop ([`Decision::Fail`]) or take it
//! ([`Decision::Take`]): the user's rules first, in order, then the table of controllers that are known to work on certain fields, then
//! people and other deployers, who always stop us. An unknown manager stops us, too: never guess about other people's fields.
//! Here nothing is dropped or forced; that is `apply`'s.

use regex::Regex;
use smol_str::SmolStr;

use super::glob::Glob;
use super::object::Gvk;
use crate::yaml::Node;

/// One field that another manager holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conflict {
    /// The other manager.
    pub manager: SmolStr,
    /// `scale`, `status`…; empty for a write of the object itself.
    pub subresource: SmolStr,
    /// The version it wrote; empty where it used server-side apply, too (the API server says it of other writes only).
    pub api_version: SmolStr,
    /// When it wrote, where the API server says so.
    pub time: SmolStr,
    /// The field, as the API server writes it: `.spec.template.spec.containers[name="web"].image`. Names with dots are not set off.
    pub field: String,
}

impl Conflict {
    /// The conflict that one cause of a Status tells of; `None` where it is about something else.
    pub fn of_cause(reason: &str, field: &str, message: &str) -> Option<Conflict> {
        (reason == "FieldManagerConflict").then(|| Conflict { field: field.to_owned(), ..manager_of(message) })
    }

    /// Whether the other manager used server-side apply.
    pub fn applied(&self) -> bool {
        self.api_version.is_empty()
    }
}

/// The conflicts in an answer of the API server (a `Status` with reason Conflict); `None` where it is none about fields: a conflict of
/// resource versions has the same reason.
pub fn read(status: &Node) -> Option<Vec<Conflict>> {
    let causes = status.at(&["details", "causes"])?.as_seq()?;
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
    let conflict =
        |cause: &Node| Conflict::of_cause(&text(cause, "reason"), &text(cause, "field"), &text(cause, "message"));
    let mut conflicts: Vec<Conflict> = causes.iter().filter_map(conflict).collect();
    // The API server gives them in any order.
    conflicts.sort_by(|a, b| (&a.field, &a.manager).cmp(&(&b.field, &b.manager)));
    (!conflicts.is_empty()).then_some(conflicts)
}

/// `conflict with "name" with subresource "scale" using apps/v1 at 2026-…` (apimachinery managedfields/internal/conflict.go).
fn manager_of(message: &str) -> Conflict {
    let rest = message.strip_prefix("conflict with ").unwrap_or(message);
    let (manager, rest) = quoted(rest).unwrap_or((rest.into(), ""));
    let subresource = rest.strip_prefix(" with subresource ").and_then(quoted);
    let (subresource, rest) = subresource.unwrap_or((SmolStr::default(), rest));
    let (api_version, time) = match rest.strip_prefix(" using ") {
        Some(written) => written.split_once(" at ").unwrap_or((written, "")),
        None => ("", ""),
    };
    Conflict { manager, subresource, api_version: api_version.into(), time: time.into(), field: String::new() }
}

/// A text in double quotes with Go's escapes of `"` and `\`, and what follows it.
fn quoted(text: &str) -> Option<(SmolStr, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut out = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out.into(), inner.get(at + 1..).unwrap_or_default())),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    None
}

/// What to do about a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Leave the field to the other manager, and say so.
    Yield(String),
    /// Stop, and why.
    Fail(String),
    /// Take the field.
    Take,
}

/// What a rule of a user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Leave it to the other.
    Yield,
    /// Stop.
    Fail,
    /// Take it.
    Take,
}

/// A rule of a user for conflicts: all of its parts have to match.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Managers.
    pub manager: Glob,
    /// API groups of objects.
    pub group: Glob,
    /// Kinds of objects.
    pub kind: Glob,
    /// Fields.
    pub field: FieldPattern,
    /// What to do.
    pub action: Action,
}

/// Fields by a pattern of the API server's notation: the field itself and all below it. `*` stands for any run within names, `[*]` for any
/// item of a list.
#[derive(Clone, Debug)]
pub struct FieldPattern(Regex);

impl FieldPattern {
    /// Compiles a pattern; `None` where it does not start with `.` or is too long.
    pub fn new(pattern: &str) -> Option<Self> {
        if !pattern.starts_with('.') {
            return None;
        }
        let parts =
            pattern.split("[*]").map(|part| part.split('*').map(regex::escape).collect::<Vec<_>>().join(r"[^\[\]]*"));
        let item = r#"\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\]"#;
        let text = format!(r"\A{}(?:\z|[.\[])", parts.collect::<Vec<_>>().join(item));
        Regex::new(&text).ok().map(FieldPattern)
    }

    /// Whether a field matches, or lies below one that does.
    pub fn matches(&self, field: &str) -> bool {
        self.0.is_match(field)
    }
}

/// Managers, the subresource that it must be (empty: any), fields, and who they are. Globs as in argocd-cm.
struct Controller(&'static [&'static str], &'static str, &'static [&'static str], &'static str);

const REPLICAS: &[&str] = &[".spec.replicas"];
const CA_BUNDLES: &[&str] =
    &[".webhooks[*].clientConfig.caBundle", ".spec.conversion.webhook.clientConfig.caBundle", ".spec.caBundle"];
const RESOURCES: &[&str] = &[
    ".spec.template.spec.containers[*].resources",
    ".spec.template.spec.initContainers[*].resources",
    ".spec.containers[*].resources",
    ".spec.initContainers[*].resources",
];

/// Who is known to work on which fields of what others apply. A row yields; it names no more than what its controller is there for.
const CONTROLLERS: [Controller; 22] = [
    Controller(
        &["*"],
        "",
        &[".spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt"],
        "a rollout restart",
    ),
    Controller(
        &["kube-controller-manager", "horizontal-pod-autoscaler"],
        "scale",
        REPLICAS,
        "a HorizontalPodAutoscaler",
    ),
    Controller(&["keda", "keda-*"], "", REPLICAS, "KEDA"),
    Controller(&["keda", "keda-*"], "", &[".spec.minReplicas", ".spec.maxReplicas", ".spec.metrics"], "KEDA"),
    Controller(
        &[
            "py-kube-downscaler",
            "kube-downscaler",
            "kube-green*",
            "cluster-proportional-autoscaler",
            "knative-*",
            "autoscaler",
        ],
        "",
        REPLICAS,
        "a scaler",
    ),
    Controller(
        &["vpa-*", "vertical-pod-autoscaler*", "updater", "admission-controller", "recommender", "goldilocks*"],
        "",
        RESOURCES,
        "the VerticalPodAutoscaler",
    ),
    Controller(&["kubelet"], "", RESOURCES, "the kubelet"),
    Controller(&["cainjector", "cert-manager-cainjector*"], "", CA_BUNDLES, "the CA injector of cert-manager"),
    Controller(&["service-ca-operator", "service-ca*"], "", CA_BUNDLES, "the service CA of OpenShift"),
    Controller(
        &[
            "gatekeeper",
            "kyverno*",
            "cert-controller",
            "karpenter*",
            "webhook-cert*",
            "external-secrets*",
            "kueue*",
            "linkerd*",
            "olm",
        ],
        "",
        CA_BUNDLES,
        "the controller behind the webhook",
    ),
    Controller(
        &["pilot-discovery", "istiod*"],
        "",
        &[".webhooks[*].clientConfig.caBundle", ".webhooks[*].failurePolicy"],
        "istiod",
    ),
    Controller(
        &["kube-controller-manager", "deployment-controller"],
        "",
        &[".metadata.annotations.deployment.kubernetes.io/revision"],
        "the deployment controller",
    ),
    Controller(&["clusterrole-aggregation-controller"], "", &[".rules"], "the aggregation of cluster roles"),
    Controller(
        &["kube-controller-manager"],
        "",
        &[
            ".secrets",
            ".imagePullSecrets",
            ".spec.volumeName",
            ".spec.claimRef",
            ".metadata.finalizers",
            ".spec.finalizers",
        ],
        "kube-controller-manager",
    ),
    Controller(
        &["cloud-controller-manager", "*-cloud-controller-manager", "gce-*", "aws-load-balancer-controller"],
        "",
        &[
            ".spec.ports[*].nodePort",
            ".spec.loadBalancerIP",
            ".spec.healthCheckNodePort",
            ".metadata.finalizers",
            ".metadata.annotations",
        ],
        "the cloud's controller",
    ),
    Controller(
        &["rollouts-controller", "argo-rollouts*"],
        "",
        &[
            ".spec.replicas",
            ".spec.selector.rollouts-pod-template-hash",
            ".spec.http",
            ".spec.tcp",
            ".spec.tls",
            ".spec.rules",
            ".spec.subsets",
            ".metadata.annotations",
        ],
        "Argo Rollouts",
    ),
    Controller(
        &["flagger"],
        "",
        &[".spec.replicas", ".spec.http", ".spec.rules", ".spec.selector", ".spec.subsets"],
        "Flagger",
    ),
    Controller(
        &["linkerd-*", "sidecar-injector*", "istio*", "kuma-*", "consul-*"],
        "",
        &[".spec.template.metadata.annotations", ".metadata.annotations", ".metadata.labels"],
        "the service mesh",
    ),
    Controller(
        &["reloader", "reloader-*", "stakater-*", "wave*"],
        "",
        &[".spec.template.metadata.annotations", ".spec.template.spec.containers[*].env"],
        "the reloader",
    ),
    Controller(&["csi-resizer", "external-resizer*"], "", &[".spec.resources.requests.storage"], "the volume resizer"),
    Controller(&["cert-manager-*"], "", &[".metadata.annotations", ".metadata.labels", ".data"], "cert-manager"),
    Controller(
        &["image-automation-controller", "argocd-image-updater"],
        "",
        &[".spec.template.spec.containers[*].image"],
        "an image updater",
    ),
];

/// Names by which people's tools write.
const PEOPLE: [&str; 14] = [
    "kubectl",
    "kubectl-*",
    "oc",
    "k9s",
    "Lens",
    "OpenLens",
    "Freelens",
    "node-fetch",
    "Mozilla",
    "headlamp*",
    "dashboard*",
    "kubernetes-dashboard*",
    "octant",
    "rancher*",
];

/// Names by which other deployers write.
const DEPLOYERS: [&str; 24] = [
    "argocd-controller",
    "argocd-application-controller",
    "argocd*",
    "helm",
    "Helm",
    "helm-controller",
    "kustomize-controller",
    "flux*",
    "gotk-*",
    "kapp*",
    "kluctl*",
    "kpt*",
    "config-sync*",
    "configsync*",
    "fleetagent*",
    "fleetc",
    "fleetc-*",
    "pulumi*",
    "Terraform*",
    "terraform*",
    "HashiCorp",
    "OpenAPI-Generator",
    "spinnaker*",
    "crossplane*",
];

/// The API server's name for whatever was there before the first server-side apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// How conflicts are decided.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The user's rules, first match counts.
    pub rules: Vec<Rule>,
    /// Take what people and other deployers hold (`--take-ownership`).
    pub take_ownership: bool,
}

impl Policy {
    /// What to do about one conflict on an object of this kind.
    pub fn decide(&self, gvk: &Gvk, conflict: &Conflict) -> Decision {
        let who = &conflict.manager;
        let rule = self.rules.iter().find(|rule| {
            rule.manager.matches(who)
                && rule.group.matches(&gvk.group)
                && rule.kind.matches(&gvk.kind)
                && rule.field.matches(&conflict.field)
        });
        if let Some(rule) = rule {
            return match rule.action {
                Action::Take => Decision::Take,
                Action::Yield => Decision::Yield(format!("left to {who} by a rule of the fleet")),
                Action::Fail => Decision::Fail(format!("{who} holds it, and a rule of the fleet forbids to take it")),
            };
        }
        let known = CONTROLLERS.iter().find(|Controller(managers, subresource, fields, _)| {
            (subresource.is_empty() || *subresource == conflict.subresource)
                && any(managers, who)
                && fields
                    .iter()
                    .filter_map(|field| FieldPattern::new(field))
                    .any(|field| field.matches(&conflict.field))
        });
        if let Some(Controller(.., name)) = known {
            return Decision::Yield(format!("left to {name} ({who})"));
        }
        if self.take_ownership {
            return Decision::Take;
        }
        Decision::Fail(if any(&PEOPLE, who) {
            format!("somebody changed it with {who}")
        } else if any(&DEPLOYERS, who) {
            format!("{who} deploys it, too")
        } else if who == BEFORE_FIRST_APPLY {
            "it was there before anybody used server-side apply, with another value".to_owned()
        } else {
            format!("{who} holds it, which is no controller that we know to yield to")
        })
    }
}

/// Whether a manager is a deployer: one that writes whole objects from somewhere else, and would write them again.
pub fn is_deployer(manager: &str) -> bool {
    any(&DEPLOYERS, manager)
}

fn any(globs: &[&str], name: &str) -> bool {
    globs.iter().any(|glob| super::glob::matches(glob, name))
}

#[cfg(test)]
mod tests;
