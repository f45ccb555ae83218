//! Rules about what an API server would take: fields, types and values by the schemas of the cluster's Kubernetes and of CRDs, and API versions
//! that it does not serve, or not for long.

use super::Level::{Error, Warn};
use super::rules::{Found, Rule};
use super::subject::Subject;
use crate::k8s::object::Gvk;
use crate::validate::apis::{Serving, serving};
use crate::validate::crd::Definition;
use crate::validate::{self, Kind, Problem};

const fn rule(
    id: &'static str,
    level: super::Level,
    summary: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { id, level, summary, why, fix }
}

/// The rules.
pub(super) static RULES: [Rule; 12] = [
    rule(
        "schema/unknown-field",
        Error,
        "a field that the kind does not have",
        "A server drops it without a word, or refuses the object where validation is strict: what it was to say is lost.",
        "correct its name, or move it to where it belongs",
    ),
    rule(
        "schema/wrong-type",
        Error,
        "a value of another type than the field has",
        "A server refuses the object.",
        "write a value of the field's type",
    ),
    rule(
        "schema/missing-field",
        Error,
        "a field that must be there and is not",
        "A server refuses the object.",
        "add the field",
    ),
    rule(
        "schema/unknown-value",
        Error,
        "a value that is none of those that the field may have",
        "A server refuses the object.",
        "write one of the values that there are",
    ),
    rule(
        "schema/bad-value",
        Error,
        "a value out of the bounds that its CRD sets: pattern, length, range, format",
        "A server refuses the object.",
        "write a value within the bounds",
    ),
    rule(
        "schema/duplicate-item",
        Warn,
        "two items of a list that are the same one to a server",
        "Server-side apply refuses the object; other ways of applying keep one of them, or both.",
        "keep one of them",
    ),
    rule(
        "schema/removed-api",
        Error,
        "an API version that the cluster's Kubernetes has no longer",
        "A server refuses the object; one that is there already cannot be changed in this version any more.",
        "move to the API version that took its place",
    ),
    rule(
        "schema/deprecated-api",
        Warn,
        "an API version that will go",
        "The next upgrades of the cluster take it away.",
        "move to the API version that takes its place",
    ),
    rule(
        "schema/preview-api",
        Warn,
        "an alpha or beta API version that no server has unless it is turned on",
        "On a cluster without it the object is refused.",
        "turn it on, name it under `apiVersions` in the facts of the cluster, or use a stable version",
    ),
    rule(
        "schema/unknown-api",
        Error,
        "a kind that its group does not have in the cluster's Kubernetes",
        "A server refuses the object.",
        "correct `apiVersion` and `kind`",
    ),
    rule(
        "schema/unknown-kind",
        Warn,
        "a custom kind that neither a CRD of the bundle nor the facts of the cluster know",
        "Unless something else brings its CRD, a server refuses the object.",
        "add the CRD, or ask the cluster again: `fleetc cluster facts NAME`",
    ),
    rule(
        "schema/unserved-version",
        Error,
        "a version of a custom kind that its CRD does not serve",
        "A server refuses the object.",
        "write a version that the CRD serves",
    ),
];

/// The rule of an id that this file has. The table is never empty.
fn by(id: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.id == id).unwrap_or(&RULES[0])
}

/// Applies the rules.
pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let Subject { gvk, site, resource, .. } = *subject;
    let api = gvk.api_version();
    let mut say = |id: &str, message: String, hint: Option<String>| {
        let span =
            subject.place(resource.body.get("apiVersion").map_or(crate::span::Span::NONE, crate::yaml::Node::span));
        let mut one = Found::new(by(id), "apiVersion", span, message);
        one.hint = hint;
        found.push(one);
    };
    let version =
        if site.told { format!("Kubernetes {}", site.minor) } else { format!("Kubernetes {} (assumed)", site.minor) };
    match serving(gvk, site.minor) {
        Serving::Custom => {
            custom(subject, found);
            return;
        }
        Serving::Served => {}
        Serving::OffByDefault => {
            let told = site
                .served
                .as_ref()
                .is_some_and(|served| served.contains(&*api) || served.contains(&format!("{api}/{}", gvk.kind)));
            if !told {
                say("schema/preview-api", format!("`{api}` is off in {version} unless somebody turns it on"), None);
            }
        }
        Serving::Deprecated(since, gone, instead) => {
            let gone = gone.map(|gone| format!(", and gone from {gone} on")).unwrap_or_default();
            say("schema/deprecated-api", format!("`{api}` is deprecated since {since}{gone}"), Some(instead));
        }
        Serving::Removed(gone, instead) => {
            say(
                "schema/removed-api",
                format!("`{api}` is gone since {gone}, and the cluster has {version}"),
                Some(instead),
            );
        }
        Serving::Unknown(hint) => {
            say("schema/unknown-api", format!("{version} has no `{}` in `{api}`", gvk.kind), hint);
        }
    }
    // What SOPS encrypted has other fields and values than what a server gets.
    if crate::sops::is_encrypted(&resource.body) {
        return;
    }
    let problems = validate::check(&resource.body, gvk, site.minor).unwrap_or_default();
    found.extend(problems.into_iter().map(|problem| of(problem, subject)));
}

fn custom(subject: &Subject<'_>, found: &mut Vec<Found>) {
    let Subject { gvk, site, resource, .. } = *subject;
    let place =
        |field: &str| subject.place(resource.body.get(field).map_or(crate::span::Span::NONE, crate::yaml::Node::span));
    let Some(definition) = subject.definition() else {
        let served = site.served.as_ref().filter(|served| {
            let name = format!("{}/{}", gvk.api_version(), gvk.kind);
            let kinds = served.iter().any(|known| known.matches('/').count() > 1);
            kinds && !served.contains(&name)
        });
        if let Some(served) = served {
            let message = format!("the cluster serves no `{}` in `{}`", gvk.kind, gvk.api_version());
            let mut one = Found::new(by("schema/unknown-kind"), "kind", place("kind"), message);
            let others = served.iter().filter_map(|name| {
                let (api, kind) = name.rsplit_once('/')?;
                (api.split('/').next() == Some(&*gvk.group) && kind == gvk.kind).then_some(api)
            });
            one.hint = others.map(|api| format!("it serves it in `{api}`")).next();
            found.push(one);
        }
        return;
    };
    let served = definition.served();
    if !served.contains(&&*gvk.version) {
        let message = format!("the CRD of `{}` serves no version `{}`", gvk.kind, gvk.version);
        let mut one = Found::new(by("schema/unserved-version"), "apiVersion", place("apiVersion"), message);
        one.hint =
            Some(format!("it serves {}", served.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ")));
        found.push(one);
        return;
    }
    if let Some(warning) = definition.deprecated(&gvk.version) {
        let message = format!("version `{}` of `{}` is deprecated by its CRD", gvk.version, gvk.kind);
        let mut one = Found::new(by("schema/deprecated-api"), "apiVersion", place("apiVersion"), message);
        one.hint = Some(warning).filter(|text| !text.is_empty());
        found.push(one);
    }
    let problems = definition.check(&resource.body, site.minor).unwrap_or_default();
    found.extend(problems.into_iter().map(|problem| of(problem, subject)));
}

/// Whether nothing can be said about the fields of an object: its kind is custom, and its CRD is not known.
pub(super) fn is_unjudged(gvk: &Gvk, definition: Option<&Definition>, minor: validate::table::Minor) -> bool {
    serving(gvk, minor) == Serving::Custom && definition.is_none_or(|known| known.schema(&gvk.version).is_none())
}

fn of(problem: Problem, subject: &Subject<'_>) -> Found {
    let id = match problem.kind {
        Kind::UnknownField => "schema/unknown-field",
        Kind::WrongType => "schema/wrong-type",
        Kind::MissingField => "schema/missing-field",
        Kind::UnknownValue => "schema/unknown-value",
        Kind::BadValue | Kind::Rule => "schema/bad-value",
        Kind::DuplicateItem => "schema/duplicate-item",
    };
    Found {
        rule: by(id),
        policy: None,
        path: problem.path,
        span: subject.place(problem.span),
        within: None,
        message: problem.message,
        hint: problem.hint,
    }
}
