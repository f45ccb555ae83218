//! What a cluster says when it is examined: who we are there, what we may do, whether it is as the fleet was told, and whether its
//! inventories are whole.
//!
//! Asks only: reviews of one's own rights are written nowhere. A question that gets no answer is a finding, never a pass.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::account;
use super::rights::Kind;
use crate::api::{Content, Method, Request};
use crate::cluster::Facts;
use crate::discovery;
use crate::machine::{Port, all};
use crate::plan::{ClusterInput, Ground, Record, Talk};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// Somebody should look.
    Warning,
    /// Planning or applying will fail, or does.
    Failed,
    /// It could not be found out.
    Unknown,
}

impl State {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which: `reached`, `login`, `version`, `apis`, `rights`, `inventory`, `certificate`, `clock`.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// One sentence.
    pub message: String,
}

/// What is asked about.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// The kinds that the fleet has there, with the namespaces that their objects lie in.
    pub kinds: BTreeMap<Kind, BTreeSet<String>>,
    /// What renders were told of the cluster.
    pub facts: Facts,
    /// Whose inventories: fleet, cluster and where they lie.
    pub input: ClusterInput,
}

/// What must be possible with every kind.
const VERBS: [&str; 4] = ["get", "create", "patch", "delete"];
/// Requests at a time.
const AT_ONCE: usize = 8;
/// Rights that are named; more are counted.
const NAMED: usize = 6;

/// Examines a cluster. The second part is the UID of its kube-system namespace, by which two names for one cluster are found.
pub async fn examine(port: Port, questions: Questions) -> (Vec<Finding>, String) {
    let mut found = Vec::new();
    let mut say = |check, state, message: String| found.push(Finding { check, state, message });
    let version = match discovery::version(&port).await {
        Ok(version) => version,
        Err(why) => {
            say("reached", State::Failed, why);
            return (found, String::new());
        }
    };
    say("reached", State::Ok, format!("Kubernetes {version}"));
    match account::who(&port).await {
        Ok(user) => say("login", State::Ok, user),
        // Servers before 1.28 have no such review.
        Err(why) if why.contains("404") || why.contains("could not find") => {
            say("login", State::Unknown, "the server does not say who we are".to_owned());
        }
        Err(why) => say("login", State::Failed, why),
    }
    say_version(&mut say, &questions.facts, &version);
    match discovery::catalogue(&port).await {
        Err(why) => say("apis", State::Failed, why),
        Ok(catalogue) => {
            let serves: BTreeSet<String> = discovery::facts(&version, &catalogue).api_versions.into_iter().collect();
            let told = &questions.facts.api_versions;
            let gone: Vec<&str> = told.iter().filter(|api| !serves.contains(*api)).map(String::as_str).collect();
            let silent: Vec<&str> = catalogue.silent.iter().map(|(api, _)| api.as_str()).collect();
            match (gone.is_empty(), silent.is_empty()) {
                (true, true) => say("apis", State::Ok, format!("{} served", serves.len())),
                (true, false) => say("apis", State::Warning, format!("no answer from {}", listed(&silent))),
                (false, _) => say(
                    "apis",
                    State::Failed,
                    format!(
                        "renders were told of {}, which it does not serve: `fleetc cluster facts` says what it does",
                        listed(&gone)
                    ),
                ),
            }
        }
    }
    match rights(&port, &questions).await {
        Err(why) => say("rights", State::Unknown, why),
        Ok(None) => say("rights", State::Ok, "everything is allowed".to_owned()),
        Ok(Some((asked, missing))) if missing.is_empty() => {
            say("rights", State::Ok, format!("all {asked} that the fleet needs"));
        }
        Ok(Some((asked, missing))) => {
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            say("rights", State::Failed, format!("{} of {asked} are missing: {}", missing.len(), listed(&missing)));
        }
    }
    let identity = match questions.input.fleet.is_empty() {
        true => {
            say("inventory", State::Unknown, "the fleet has no name, so it has no inventories".to_owned());
            String::new()
        }
        false => inventory(&port, &questions.input, &mut say).await,
    };
    (found, identity)
}

fn say_version(say: &mut impl FnMut(&'static str, State, String), facts: &Facts, version: &str) {
    let minor = |text: &str| text.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    match &facts.kube_version {
        None => say(
            "version",
            State::Warning,
            format!("renders are not told that it is {version}: `fleetc cluster facts` writes it down"),
        ),
        Some(told) if minor(told) != minor(version) => say(
            "version",
            State::Failed,
            format!(
                "renders are told Kubernetes {told}, and it is {version}: applications that ask for it are refused"
            ),
        ),
        Some(told) => say("version", State::Ok, format!("renders are told {told}")),
    }
}

async fn inventory(port: &Port, input: &ClusterInput, say: &mut impl FnMut(&'static str, State, String)) -> String {
    let talk = Talk::new(port.clone(), AT_ONCE);
    let ground = match Ground::load(&talk, input).await {
        Ok(ground) => ground,
        Err(why) => {
            say("inventory", State::Failed, why.to_string());
            return String::new();
        }
    };
    if let Some((name, why)) = ground.broken.iter().next() {
        let number = ground.broken.len();
        say(
            "inventory",
            State::Failed,
            format!("{number} cannot be used: ConfigMap {}/{}: {why}", name.namespace, name.name),
        );
        return ground.identity;
    }
    let strangers: Vec<String> = ground
        .parents
        .iter()
        .map(|(app, parent)| (app, Record::read(&parent.record).cluster))
        .filter(|(_, cluster)| !cluster.is_empty() && *cluster != input.cluster && !input.clusters.contains(cluster))
        .map(|(app, cluster)| format!("{app} of `{cluster}`"))
        .collect();
    let objects: usize = ground.parents.values().map(|parent| parent.items.len()).sum();
    let gone = ground.parents.keys().filter(|app| !input.known.contains(app)).count();
    if strangers.is_empty() {
        let more = if gone == 0 { String::new() } else { format!("; {gone} of them the fleet does not have there") };
        say("inventory", State::Ok, format!("{} applications, {objects} objects{more}", ground.parents.len()));
    } else {
        let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
        let message =
            format!("recorded under the name of a cluster that the fleet does not have: {}", listed(&strangers));
        say("inventory", State::Warning, message);
    }
    ground.identity
}

/// How many rights were asked for and which are missing; `None` where everything is allowed.
async fn rights(port: &Port, questions: &Questions) -> Result<Option<(usize, Vec<String>)>, String> {
    if allowed(port, "*", "*", "*", "", "").await? {
        return Ok(None);
    }
    let mut pieces = Vec::new();
    for (kind, namespaces) in &questions.kinds {
        pieces.extend(VERBS.map(|verb| of_kind(port, kind, namespaces, verb)));
    }
    let mut answers = all(AT_ONCE, pieces).await;
    let own = questions.input.parent_namespaces.iter().flat_map(|namespace| {
        let need = |group: &str, plural: &str, verb: &'static str| {
            let kind = Kind { group: group.to_owned(), plural: plural.to_owned(), namespaced: true };
            (kind, namespace.clone(), verb)
        };
        let mut needs: Vec<_> = ["list", "create", "update", "delete"].map(|verb| need("", "configmaps", verb)).into();
        needs.extend(["get", "create", "update", "delete"].map(|verb| need("coordination.k8s.io", "leases", verb)));
        needs
    });
    let own: Vec<(Kind, BTreeSet<String>, &str)> =
        own.map(|(kind, namespace, verb)| (kind, BTreeSet::from([namespace]), verb)).collect();
    answers
        .extend(all(AT_ONCE, own.iter().map(|(kind, namespaces, verb)| of_kind(port, kind, namespaces, verb))).await);
    if !allowed(port, "", "namespaces", "get", "", "kube-system").await? {
        answers.push(Ok(vec!["get namespaces kube-system".to_owned()]));
    }
    let mut missing = Vec::new();
    let asked = answers.len();
    for answer in answers {
        missing.extend(answer?);
    }
    Ok(Some((asked, missing)))
}

/// What of a verb is missing for a kind: in the whole cluster, else in each namespace.
async fn of_kind(port: &Port, kind: &Kind, namespaces: &BTreeSet<String>, verb: &str) -> Result<Vec<String>, String> {
    if allowed(port, &kind.group, &kind.plural, verb, "", "").await? {
        return Ok(Vec::new());
    }
    let dot = if kind.group.is_empty() { "" } else { "." };
    let what = format!("{verb} {}{dot}{}", kind.plural, kind.group);
    if !kind.namespaced || namespaces.is_empty() {
        return Ok(vec![what]);
    }
    let mut missing = Vec::new();
    for namespace in namespaces {
        if !allowed(port, &kind.group, &kind.plural, verb, namespace, "").await? {
            missing.push(format!("{what} in {namespace}"));
        }
    }
    Ok(missing)
}

async fn allowed(
    port: &Port,
    group: &str,
    resource: &str,
    verb: &str,
    namespace: &str,
    name: &str,
) -> Result<bool, String> {
    let attributes = json!({"group": group, "resource": resource, "verb": verb, "namespace": namespace, "name": name});
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let request = Request::new(Method::Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    let response =
        port.send(request.body(Content::Json, body.to_string())).await.map_err(|failure| failure.to_string())?;
    if !response.is_success() {
        return Err(format!("the server does not say what is allowed: it answered {}", response.status));
    }
    let answer: Value = serde_json::from_str(&response.text).map_err(|_| "the answer is no JSON".to_owned())?;
    Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
}

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}
