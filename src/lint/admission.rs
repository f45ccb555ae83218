//! ValidatingAdmissionPolicies of the fleet, applied to the objects of the clusters that get them, as an API server applies them to objects that
//! are made: with defaults filled in, once for each parameter. (apiserver pkg/admission/plugin/policy/validating)
//!
//! A policy counts where a binding names it, with the binding's own match. What only a cluster knows (who asks, the authorizer, what the
//! server sets, a namespace, parameters or definitions that no bundle has) leaves it undecided, which is said; nothing is guessed. Updates and
//! deletions are not played through, nor are webhooks and policies that change objects before.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Level::{Error, Warn};
use super::matching::{self, Asked, Match, Namespace};
use super::rules::{Found, Rule};
use super::sites::is_namespaced;
use super::subject::Subject;
use crate::expression::{Broken, Expression, Failure, Outcome, Values};
use crate::k8s::gaps::Gaps;
use crate::k8s::object::Gvk;
use crate::k8s::selector::{Selector, Values as SelectorValues};
use crate::span::Span;
use crate::validate::table::Minor;
use crate::validate::{Admitted, admitted};
use crate::yaml::{Map, Node};

/// The rules.
pub(super) static RULES: [Rule; 4] = [
    Rule {
        id: "admission/denied",
        level: Error,
        summary: "an object that a ValidatingAdmissionPolicy of its cluster refuses",
        why: "The cluster will not take the object.",
        fix: "change the object, or the policy or its binding",
    },
    Rule {
        id: "admission/warned",
        level: Warn,
        summary: "an object that a ValidatingAdmissionPolicy of its cluster warns about or audits",
        why: "The policy says why.",
        fix: "change the object, or the policy or its binding",
    },
    Rule {
        id: "admission/broken",
        level: Error,
        summary: "a ValidatingAdmissionPolicy with an expression that is none, or that fails on an object",
        why: "A cluster does not take such a policy; with `failurePolicy: Fail` it refuses objects on which one fails.",
        fix: "correct the expression",
    },
    Rule {
        id: "admission/undecided",
        level: Warn,
        summary: "a ValidatingAdmissionPolicy that needs what only the cluster knows",
        why: "Whether the cluster takes the object is not guessed; a plan asks it.",
        fix: "nothing, or suppress it with the reason",
    },
];

fn by(id: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.id == id).unwrap_or(&RULES[0])
}

/// Group of policies, bindings and webhooks.
pub(super) const GROUP: &str = "admissionregistration.k8s.io";

/// What expressions of a policy may name.
const NAMES: [&str; 7] = ["object", "oldObject", "request", "params", "namespaceObject", "authorizer", "variables"];

const SPECIFIC: &str = "ValidatingAdmissionPolicy";
const BINDING: &str = "ValidatingAdmissionPolicyBinding";

/// Whether an object is a policy or a binding.
pub(super) fn is_policy(gvk: &Gvk) -> bool {
    gvk.is(GROUP, SPECIFIC) || gvk.is(GROUP, BINDING)
}

/// What is wrong with a policy itself: a cluster would not take it.
pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Found>) {
    if !subject.gvk.is(GROUP, SPECIFIC) {
        return;
    }
    let body = &subject.resource.body;
    let name = body.str_at(&["metadata", "name"]);
    let Some(spec) = body.get("spec") else { return };
    let all = [
        ("matchConditions", "expression"),
        ("variables", "expression"),
        ("validations", "expression"),
        ("validations", "messageExpression"),
        ("auditAnnotations", "valueExpression"),
    ];
    for (list, field) in all {
        for (at, item) in items(spec, list).iter().enumerate() {
            let Some(node) = item.get(field) else { continue };
            let Some(text) = node.as_str() else { continue };
            let Err(broken) = compile(text, &NAMES) else { continue };
            let message = format!("`spec.{list}[{at}].{field}` is no expression: {broken}");
            found.push(Found {
                policy: Some((name.to_owned(), Error)),
                within: broken.at,
                ..Found::new(
                    by("admission/broken"),
                    format!("spec.{list}[{at}].{field}"),
                    subject.place(node.span()),
                    message,
                )
            });
        }
    }
}

/// An expression that names nothing but these.
pub(super) fn compile(text: &str, names: &[&str]) -> Result<Expression, Broken> {
    let expression = Expression::compile(text)?;
    match expression.unknown_name(names) {
        None => Ok(expression),
        Some(name) => {
            let hint = crate::diag::did_you_mean(&name, names.iter().copied());
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            Err(Broken { why: format!("there is no `{name}`{hint}"), at: place_of(&name, text) })
        }
    }
}

/// Line and column of a name in a text.
fn place_of(name: &str, text: &str) -> Option<(usize, usize)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let (at, _) = text.match_indices(name).find(|(at, _)| {
        let (before, behind) = (text.get(..*at), text.get(at + name.len()..));
        !before.is_some_and(|text| text.ends_with(is_word))
            && !behind.is_some_and(|text| text.starts_with(|c| is_word(c) && c != '.'))
    })?;
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    Some((line, before.rsplit('\n').next()?.chars().count() + 1))
}

/// The policies of one cluster, with what they ask of its bundle.
#[derive(Debug)]
pub(super) struct Admission {
    bound: Vec<Bound>,
    /// Namespaces of the bundle by name.
    namespaces: BTreeMap<String, Node>,
}

/// A policy with one of its bindings.
#[derive(Debug)]
struct Bound {
    name: String,
    /// Where the policy is written.
    span: Span,
    policy: Arc<Policy>,
    /// `spec.matchResources` of the binding.
    narrowed: Option<Node>,
    denies: bool,
    params: Params,
    /// Whether the parameters may hold what is not to be shown.
    secret_params: bool,
}

/// What expressions see as `params`.
#[derive(Debug)]
enum Params {
    /// Nothing.
    None,
    /// The objects that the binding means, with their namespaces. Without one of its own it means those of the object's.
    Of { found: Vec<(String, Admitted)>, namespace: Option<String>, namespaced: bool, what: String, by_name: bool },
}

#[derive(Debug)]
struct Policy {
    constraints: Node,
    ignores_failure: bool,
    conditions: Vec<(String, Expression)>,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    annotations: Vec<(String, Expression)>,
}

#[derive(Debug)]
struct Validation {
    text: String,
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
}

fn items<'a>(node: &'a Node, field: &str) -> &'a [Node] {
    node.get(field).and_then(Node::as_seq).unwrap_or_default()
}

/// Named expressions; `None` where one is none.
fn named(spec: &Node, list: &str, name: &str, field: &str) -> Option<Vec<(String, Expression)>> {
    let one = |node: &Node| Some((node.str_at(&[name]).to_owned(), compile(node.str_at(&[field]), &NAMES).ok()?));
    items(spec, list).iter().map(one).collect()
}

impl Policy {
    /// A policy that a cluster takes; of the others [`check`] tells.
    fn of(object: &Node) -> Option<Policy> {
        let spec = object.get("spec")?;
        let validation = |node: &Node| {
            let message = node.get("messageExpression").and_then(Node::as_str).filter(|text| !text.is_empty());
            Some(Validation {
                text: node.str_at(&["expression"]).trim().to_owned(),
                expression: compile(node.str_at(&["expression"]), &NAMES).ok()?,
                message: node.str_at(&["message"]).trim().to_owned(),
                message_expression: match message {
                    Some(text) => Some(compile(text, &NAMES).ok()?),
                    None => None,
                },
            })
        };
        Some(Policy {
            constraints: spec.get("matchConstraints")?.clone(),
            ignores_failure: spec.str_at(&["failurePolicy"]) == "Ignore",
            conditions: named(spec, "matchConditions", "name", "expression")?,
            variables: named(spec, "variables", "name", "expression")?,
            validations: items(spec, "validations").iter().map(validation).collect::<Option<_>>()?,
            annotations: named(spec, "auditAnnotations", "key", "valueExpression")?,
        })
    }
}

/// What an application and its cluster add to an object before a server sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Marks {
    /// Keys of annotations, and of labels.
    pub(super) annotations: Vec<String>,
    pub(super) labels: Vec<String>,
}

/// An object on its way to a cluster.
pub(super) struct Arriving<'a> {
    /// It is in its namespace.
    pub(super) object: &'a Node,
    pub(super) subject: &'a Subject<'a>,
    pub(super) plural: &'a str,
    pub(super) marks: &'a Marks,
}

impl Arriving<'_> {
    fn admitted(&self) -> Admitted {
        let Subject { gvk, site, .. } = self.subject;
        let mut made = admitted(self.object, gvk, self.subject.definition(), site.minor);
        if !gvk.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            for (field, keys) in [("annotations", &self.marks.annotations), ("labels", &self.marks.labels)] {
                let Some(metadata) = made.object.get_mut("metadata").and_then(Node::map_mut) else { continue };
                if !keys.is_empty() && metadata.get(field).is_none_or(|node| node.as_map().is_none()) {
                    metadata.insert(field, Node::map(Map::new()));
                }
                for key in keys {
                    made.gaps.at(["metadata", field, key.as_str()]).whole = Some("it is the mark of its application");
                }
            }
        }
        made
    }
}

impl Admission {
    /// Reads the objects of a cluster's bundle; `None` where nothing is bound.
    pub(super) fn of(objects: &[&Node], minor: Minor) -> Option<Admission> {
        let name = |object: &Node| object.str_at(&["metadata", "name"]).to_owned();
        let of_kind = |kind: &'static str| objects.iter().filter(move |object| Gvk::of(object).is(GROUP, kind));
        let mut policies: BTreeMap<String, (&Node, Arc<Policy>)> = BTreeMap::new();
        for object in of_kind(SPECIFIC) {
            if let Some(policy) = Policy::of(object) {
                policies.insert(name(object), (object, Arc::new(policy)));
            }
        }
        let mut bound = Vec::new();
        for binding in of_kind(BINDING) {
            let Some(spec) = binding.get("spec") else { continue };
            let Some((object, policy)) = policies.get(spec.str_at(&["policyName"])) else { continue };
            bound.push(Bound {
                name: name(object),
                span: object.span(),
                policy: Arc::clone(policy),
                narrowed: spec.get("matchResources").filter(|node| !node.is_null()).cloned(),
                denies: items(spec, "validationActions").iter().any(|action| action.as_str() == Some("Deny")),
                params: params(object, spec, objects, minor),
                secret_params: object.str_at(&["spec", "paramKind", "kind"]) == "Secret",
            });
        }
        if bound.is_empty() {
            return None;
        }
        let namespaces = objects.iter().filter(|object| Gvk::of(object).is("", "Namespace"));
        Some(Admission { bound, namespaces: namespaces.map(|object| (name(object), (*object).clone())).collect() })
    }

    /// Names of the policies.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.bound.iter().map(|bound| bound.name.as_str())
    }

    /// Applies them to an object.
    pub(super) fn check(&self, arriving: &Arriving<'_>, place: Span, found: &mut Vec<Found>) {
        let Subject { gvk, site, .. } = arriving.subject;
        let namespace = match arriving.object.str_at(&["metadata", "namespace"]) {
            _ if gvk.is("", "Namespace") => Namespace::Itself,
            "" => Namespace::None,
            name => self.namespaces.get(name).map_or(Namespace::Elsewhere(name), Namespace::Known),
        };
        let asked = Asked {
            gvk,
            plural: arriving.plural,
            name: arriving.object.str_at(&["metadata", "name"]),
            namespace,
            definition: arriving.subject.definition(),
            minor: site.minor,
        };
        let made: OnceCell<Admitted> = OnceCell::new();
        let values: OnceCell<Values<'_>> = OnceCell::new();
        for bound in &self.bound {
            let taken = matching::rules(&bound.policy.constraints, &asked, true)
                .and(|| bound.narrowed.as_ref().map_or(Match::Yes, |node| matching::rules(node, &asked, false)));
            if taken == Match::No {
                continue;
            }
            let admitted = made.get_or_init(|| arriving.admitted());
            let selected = |node: &Node| matching::selectors(node, admitted, namespace);
            let taken = taken
                .and(|| selected(&bound.policy.constraints))
                .and(|| bound.narrowed.as_ref().map_or(Match::Yes, selected));
            match taken {
                Match::No => {}
                Match::Yes => {
                    let values = values.get_or_init(|| request(admitted, &asked));
                    bound.check(values, &asked, place, found);
                }
                Match::Unknown(why) => found.push(bound.undecided(&why)),
            }
        }
    }
}

/// The parameters that a binding names.
fn params(policy: &Node, binding: &Node, objects: &[&Node], minor: Minor) -> Params {
    let Some(kind) = policy.at(&["spec", "paramKind"]).filter(|node| !node.is_null()) else { return Params::None };
    let Some(reference) = binding.get("paramRef").filter(|node| !node.is_null()) else { return Params::None };
    let gvk = Gvk::new(kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]));
    let definitions = objects.iter().filter_map(|object| crate::validate::crd::Definition::of(object));
    let definition = definitions.into_iter().find(|one| one.group == gvk.group && one.kind == gvk.kind);
    let (name, namespace) = (reference.str_at(&["name"]), reference.str_at(&["namespace"]));
    let selector = reference.get("selector").filter(|_| name.is_empty());
    let selector = selector.and_then(|node| Selector::read(node, SelectorValues::Labels).ok());
    let is = |object: &&&Node| {
        let labels = object.at(&["metadata", "labels"]);
        let label =
            |key: &str| labels.and_then(|all| all.get(key)).and_then(Node::text).map(|text| text.to_owned().into());
        let meant = match &selector {
            Some(selector) => selector.matches(label),
            None => object.str_at(&["metadata", "name"]) == name,
        };
        Gvk::of(object).is(&gvk.group, &gvk.kind) && meant
    };
    let found = objects.iter().filter(is).map(|object| {
        let of = object.str_at(&["metadata", "namespace"]).to_owned();
        // In another version its fields may be others.
        let mut made = admitted(object, &Gvk::of(object), definition.as_ref(), minor);
        if Gvk::of(object).version != gvk.version {
            made = Admitted { object: Node::map(Map::new()), gaps: Gaps::default() };
            made.gaps.deep = Some("the parameters are written in another version than the policy asks for");
        }
        (of, made)
    });
    Params::Of {
        found: found.collect(),
        namespace: Some(namespace.to_owned()).filter(|name| !name.is_empty()),
        namespaced: is_namespaced(&gvk, definition.as_ref()),
        what: if name.is_empty() { format!("`{gvk}` by labels") } else { format!("`{gvk} {name}`") },
        by_name: !name.is_empty(),
    }
}

fn map(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    Node::map(entries.into_iter().map(|(key, value)| (Node::str(key), value)).collect::<Map>())
}

impl Bound {
    fn undecided(&self, why: &str) -> Found {
        // Of the policy, not of the object: all objects share it.
        let message = format!("{SPECIFIC} `{}` is not decided here: {why}", self.name);
        Found {
            policy: Some((self.name.clone(), Warn)),
            ..Found::new(by("admission/undecided"), "", self.span, message)
        }
    }

    fn check(&self, values: &Values<'_>, asked: &Asked<'_>, place: Span, found: &mut Vec<Found>) {
        let (all, namespace, namespaced, what, by_name) = match &self.params {
            Params::None => {
                let mut own = Values::over(values);
                own.set_node("params", &Node::null());
                return self.evaluate(own, asked, place, found);
            }
            Params::Of { found, namespace, namespaced, what, by_name } => {
                (found, namespace, *namespaced, what, *by_name)
            }
        };
        let own = match asked.namespace {
            Namespace::None | Namespace::Itself => None,
            Namespace::Known(given) => Some(given.str_at(&["metadata", "name"])),
            Namespace::Elsewhere(name) => Some(name),
        };
        let wanted = if namespaced { namespace.as_deref().or(own) } else { Some("") };
        let Some(wanted) = wanted else {
            let why = "the binding names parameters in the namespace of an object, and this one has none";
            return self.fails(why, place, found);
        };
        let meant = || all.iter().filter(|(of, _)| !namespaced || of == wanted);
        match meant().count() {
            0 => {
                let within = if namespaced { format!(" in the namespace `{wanted}`") } else { String::new() };
                found.push(self.undecided(&format!("the parameters {what}{within} are in no bundle of the cluster")));
            }
            2.. if by_name => {
                found.push(self.undecided(&format!("the parameters {what} are there more than once")));
            }
            _ => {
                for (_, params) in meant() {
                    let mut own = Values::over(values);
                    own.set_partly("params", &params.object, &params.gaps);
                    self.evaluate(own, asked, place, found);
                }
            }
        }
    }

    fn evaluate(&self, mut values: Values<'_>, asked: &Asked<'_>, place: Span, found: &mut Vec<Found>) {
        let hides = self.secret_params || is_secret(asked.gvk);
        let because = |why: &str| if hides { String::new() } else { format!(": {why}") };
        for (name, expression) in &self.policy.variables {
            let value = expression.value(&values);
            values.add("variables", name, value);
        }
        // One that does not hold leaves the object out, whatever becomes of the others.
        let mut failed = None;
        for (name, condition) in &self.policy.conditions {
            match condition.evaluate(&values) {
                Ok(Outcome::Bool(true)) => {}
                Ok(Outcome::Bool(false)) => return,
                Ok(_) => failed = failed.or(Some(Err(format!("the match condition `{name}` gives no boolean")))),
                Err(Failure::Error(why)) => {
                    failed = failed.or(Some(Err(format!("the match condition `{name}` fails{}", because(&why)))));
                }
                Err(Failure::Undecided(why)) => failed = Some(Ok(format!("the match condition `{name}`: {why}"))),
            }
        }
        match failed {
            None => {}
            Some(Ok(why)) => return found.push(self.undecided(&why)),
            Some(Err(why)) => return self.fails(&why, place, found),
        }
        for validation in &self.policy.validations {
            match validation.expression.evaluate(&values) {
                Ok(Outcome::Bool(true)) => {}
                Ok(Outcome::Bool(false)) => {
                    let made = validation.message_expression.as_ref().filter(|_| !hides);
                    let made = made.and_then(|one| one.evaluate(&values).ok());
                    let message = match made {
                        Some(Outcome::Text(text)) if is_message(&text) => text.trim().to_owned(),
                        _ if !validation.message.is_empty() => validation.message.clone(),
                        _ => format!("failed expression: {}", validation.text),
                    };
                    let (id, level) =
                        if self.denies { ("admission/denied", Error) } else { ("admission/warned", Warn) };
                    let policy = Some((self.name.clone(), level));
                    found.push(Found { policy, ..Found::new(by(id), "", place, message) });
                }
                Ok(_) => self.fails(&format!("`{}` gives no boolean", validation.text), place, found),
                Err(Failure::Undecided(why)) => found.push(self.undecided(&format!("`{}`: {why}", validation.text))),
                Err(Failure::Error(why)) => {
                    self.fails(&format!("`{}` fails{}", validation.text, because(&why)), place, found);
                }
            }
        }
        for (key, annotation) in &self.policy.annotations {
            match annotation.evaluate(&values) {
                Ok(Outcome::Text(_) | Outcome::Null) => {}
                Ok(_) => self.fails(&format!("the audit annotation `{key}` gives no text"), place, found),
                Err(Failure::Undecided(why)) => {
                    found.push(self.undecided(&format!("the audit annotation `{key}`: {why}")));
                }
                Err(Failure::Error(why)) => {
                    self.fails(&format!("the audit annotation `{key}` fails{}", because(&why)), place, found);
                }
            }
        }
    }

    /// A failure counts as a refusal unless the policy ignores failures.
    fn fails(&self, why: &str, place: Span, found: &mut Vec<Found>) {
        if !self.policy.ignores_failure {
            let level = if self.denies { Error } else { Warn };
            let policy = Some((self.name.clone(), level));
            found.push(Found { policy, ..Found::new(by("admission/broken"), "", place, why) });
        }
    }
}

/// Whether what an expression makes of an object may hold what is not to be shown.
pub(super) fn is_secret(gvk: &Gvk) -> bool {
    gvk.is("", "Secret")
}

/// Whether a server would show this as a message.
pub(super) fn is_message(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && !text.contains('\n') && text.len() <= 5 << 10
}

/// The object and what a server would say of the request, as far as it is known.
fn request<'v>(admitted: &Admitted, asked: &Asked<'_>) -> Values<'v> {
    let gvk = asked.gvk;
    let text = |text: &str| Node::str(text);
    let kind = map([("group", text(&gvk.group)), ("version", text(&gvk.version)), ("kind", text(&gvk.kind))]);
    let plural = text(asked.plural);
    let resource = map([("group", text(&gvk.group)), ("version", text(&gvk.version)), ("resource", plural)]);
    let mut values = Values::new();
    values.set_partly("object", &admitted.object, &admitted.gaps);
    values.set_node("oldObject", &Node::null());
    for (name, value) in [
        ("kind", kind.clone()),
        ("requestKind", kind),
        ("resource", resource.clone()),
        ("requestResource", resource),
        ("name", text(asked.name)),
        ("operation", text("CREATE")),
    ] {
        values.add_node("request", name, &value);
    }
    let mut unknown = BTreeSet::from(["userInfo", "options", "uid", "dryRun", "subResource", "requestSubResource"]);
    if matches!(asked.namespace, Namespace::Itself) {
        unknown.insert("namespace");
    } else {
        values.add_node("request", "namespace", &text(admitted.object.str_at(&["metadata", "namespace"])));
    }
    for name in unknown {
        let why = format!("`request.{name}` is known to the cluster only");
        values.add("request", name, Err(Failure::Undecided(why)));
    }
    match asked.namespace {
        Namespace::None | Namespace::Itself => values.set_node("namespaceObject", &Node::null()),
        Namespace::Known(given) => {
            let mut made = self::admitted(given, &Gvk::new("v1", "Namespace"), None, asked.minor);
            // The cluster may have marked it, and others may have.
            made.gaps.at(["metadata", "annotations"]).others = Some("others may annotate it");
            values.set_partly("namespaceObject", &made.object, &made.gaps);
        }
        Namespace::Elsewhere(name) => {
            let mut gaps = Gaps::default();
            gaps.deep = Some("no bundle of the cluster has the namespace");
            let named = map([("metadata", map([("name", text(name))]))]);
            values.set_partly("namespaceObject", &named, &gaps);
        }
    }
    values
}
