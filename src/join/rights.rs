//! What a manager of a cluster may do there: everything, everything in some namespaces, or only what the objects need that the fleet has
//! for it.
//!
//! Narrow rights hold what fleetc itself needs too: its inventories and leases, and reading which cluster it is. Kubernetes lets nobody hand
//! out what he does not hold: so the smallest role holds the rules of the roles that the fleet brings, may `bind` the roles that it only
//! refers to, and `escalate` those that are put together by aggregation. It never asks a cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::api::Resource;
use crate::k8s::object::Gvk;
use crate::yaml::Node;

/// What may be done with objects that are managed.
const MANAGE: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
const RBAC: &str = "rbac.authorization.k8s.io";

/// A rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// API groups; the core group is empty.
    pub groups: Vec<String>,
    /// Resources, as paths name them.
    pub resources: Vec<String>,
    /// Names; none for all.
    pub names: Vec<String>,
    /// Paths that are no resources.
    pub urls: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
}

impl Rule {
    fn new(group: &str, resources: &[&str], verbs: &[&str]) -> Rule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Rule { groups: texts(&[group]), resources: texts(resources), verbs: texts(verbs), ..Rule::default() }
    }

    fn named<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Rule {
        self.names = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// As a role has it.
    pub fn to_json(&self) -> Value {
        let fields = [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
            ("verbs", &self.verbs),
        ];
        let fields = fields.into_iter().filter(|(_, list)| !list.is_empty());
        Value::Object(fields.map(|(key, list)| (key.to_owned(), json!(list))).collect())
    }

    /// As a role has it.
    pub fn read(node: &Node) -> Rule {
        let texts = |key: &str| -> Vec<String> {
            let items = node.get(key).and_then(Node::as_seq).unwrap_or_default();
            items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        Rule {
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            urls: texts("nonResourceURLs"),
            verbs: texts("verbs"),
        }
    }
}

/// What an account may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// In the whole cluster.
    pub cluster: Vec<Rule>,
    /// In single namespaces.
    pub namespaces: BTreeMap<String, Vec<Rule>>,
    /// The namespaces of inventories, where the account may not make them itself.
    pub inventories: BTreeSet<String>,
}

impl Rights {
    /// Everything, as `argocd cluster add` gives it.
    pub fn full() -> Rights {
        let all = || vec!["*".to_owned()];
        let urls = Rule { urls: all(), verbs: all(), ..Rule::default() };
        Rights { cluster: vec![Rule::new("*", &["*"], &["*"]), urls], ..Rights::default() }
    }

    /// Everything in some namespaces; in the whole cluster only what fleetc itself needs.
    pub fn within(namespaces: &[String], inventories: &[String]) -> Rights {
        let mut rights = Rights::own(inventories);
        for namespace in namespaces {
            rights.namespaces.insert(namespace.clone(), vec![Rule::new("*", &["*"], &["*"])]);
        }
        rights
    }

    /// What fleetc itself needs: to see which cluster it is, and inventories with their leases.
    fn own(inventories: &[String]) -> Rights {
        let mut rights = Rights::default();
        let names = ["kube-system"].into_iter().chain(inventories.iter().map(String::as_str));
        rights.cluster.push(Rule::new("", &["namespaces"], &["get"]).named(names));
        for namespace in inventories {
            let rules = vec![
                Rule::new("", &["configmaps"], &MANAGE),
                Rule::new("coordination.k8s.io", &["leases"], &["get", "create", "update", "delete"]),
            ];
            rights.namespaces.insert(namespace.clone(), rules);
            rights.inventories.insert(namespace.clone());
        }
        rights
    }

    /// Only what some objects need: in the whole cluster, or where namespaces are given in those alone.
    pub fn minimal(needs: &Needs, namespaces: &[String], inventories: &[String]) -> Rights {
        let mut rights = Rights::own(inventories);
        let grouped = |namespaced: Option<bool>| -> Vec<Rule> {
            let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            let kinds = needs.kinds.iter().filter(|kind| namespaced.is_none_or(|wanted| kind.namespaced == wanted));
            for kind in kinds {
                groups.entry(&kind.group).or_default().push(&kind.plural);
            }
            groups.into_iter().map(|(group, plurals)| Rule::new(group, &plurals, &MANAGE)).collect()
        };
        let handed: Vec<Rule> = needs.handed_out.iter().cloned().chain(needs.binds()).collect();
        if namespaces.is_empty() {
            rights.cluster.extend(grouped(None));
            rights.cluster.extend(handed);
        } else {
            // Kinds of the whole cluster stay out, and so do roles that hold in all of it.
            let mut rules = grouped(Some(true));
            rules.extend(handed.into_iter().filter(|rule| rule.urls.is_empty()));
            for namespace in namespaces {
                rights.namespaces.entry(namespace.clone()).or_default().extend(rules.iter().cloned());
            }
        }
        if needs.makes_namespaces && namespaces.is_empty() {
            rights.cluster.push(Rule::new("", &["namespaces"], &["get", "create", "patch"]));
        }
        for (namespace, names) in &needs.impersonates {
            let rule = Rule::new("", &["serviceaccounts"], &["impersonate"]).named(names.iter().map(String::as_str));
            // The namespace need not be there yet, and a Role would have to lie in it.
            match namespaces.contains(namespace) {
                true => rights.namespaces.entry(namespace.clone()).or_default().push(rule),
                false => rights.cluster.push(rule),
            }
        }
        rights
    }

    /// Whether it is everything.
    pub fn is_full(&self) -> bool {
        *self == Rights::full()
    }
}

/// A kind that is managed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Group.
    pub group: String,
    /// As paths name it.
    pub plural: String,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
}

/// What objects need of whoever applies them.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Their kinds.
    pub kinds: BTreeSet<Kind>,
    /// The namespaces that they lie in.
    pub namespaces: BTreeSet<String>,
    /// The rules of the roles among them.
    pub handed_out: BTreeSet<Rule>,
    /// Kind and name of roles that are referred to and not among them.
    pub referred: BTreeSet<(String, String)>,
    /// Names of ClusterRoles that others put together.
    pub aggregated: BTreeSet<String>,
    /// Whether namespaces are made on the side.
    pub makes_namespaces: bool,
    /// Service accounts that are acted as, by namespace.
    pub impersonates: BTreeMap<String, BTreeSet<String>>,
    /// Kinds whose name in paths nobody knows: neither is it served, nor is its definition among the objects.
    pub unknown: BTreeSet<String>,
}

impl Needs {
    /// What some objects need. `resources` is what the cluster serves.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Node>, resources: &[Resource]) -> Needs {
        let objects: Vec<&Node> = objects.into_iter().collect();
        let mut served: BTreeMap<(&str, &str), (String, bool)> = BTreeMap::new();
        for resource in resources {
            let of = (resource.gvk.group.as_str(), resource.gvk.kind.as_str());
            served.entry(of).or_insert_with(|| (resource.plural.to_string(), resource.namespaced));
        }
        for object in &objects {
            if Gvk::of(object).is("apiextensions.k8s.io", "CustomResourceDefinition") {
                let text = |path: &[&str]| object.at(path).and_then(Node::as_str);
                if let (Some(group), Some(kind), Some(plural)) =
                    (text(&["spec", "group"]), text(&["spec", "names", "kind"]), text(&["spec", "names", "plural"]))
                {
                    let namespaced = text(&["spec", "scope"]) == Some("Namespaced");
                    served.insert((group, kind), (plural.to_owned(), namespaced));
                }
            }
        }
        let mut needs = Needs::default();
        let mut brought: BTreeSet<(String, String)> = BTreeSet::new();
        for object in objects {
            let gvk = Gvk::of(object);
            match served.get(&(gvk.group.as_str(), gvk.kind.as_str())) {
                Some((plural, namespaced)) => {
                    let (group, plural) = (gvk.group.to_string(), plural.clone());
                    needs.kinds.insert(Kind { group, plural, namespaced: *namespaced });
                }
                None => drop(needs.unknown.insert(gvk.to_string())),
            }
            let namespace = object.str_at(&["metadata", "namespace"]);
            if !namespace.is_empty() {
                needs.namespaces.insert(namespace.to_owned());
            }
            if gvk.group != RBAC {
                continue;
            }
            let name = object.str_at(&["metadata", "name"]).to_owned();
            let rules = object.get("rules").and_then(Node::as_seq).unwrap_or_default();
            needs.handed_out.extend(rules.iter().map(Rule::read));
            if object.get("aggregationRule").is_some_and(|node| !node.is_null()) {
                needs.aggregated.insert(name.clone());
            }
            if let Some(role) = object.get("roleRef") {
                needs.referred.insert((role.str_at(&["kind"]).to_owned(), role.str_at(&["name"]).to_owned()));
            } else {
                brought.insert((gvk.kind.to_string(), name));
            }
        }
        needs.referred.retain(|role| !brought.contains(role) || needs.aggregated.contains(&role.1));
        needs
    }

    /// The verbs without which a role cannot be handed out that one does not hold.
    fn binds(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (kind, resource) in [("ClusterRole", "clusterroles"), ("Role", "roles")] {
            let names: Vec<&str> =
                self.referred.iter().filter(|(of, _)| of == kind).map(|(_, name)| name.as_str()).collect();
            if !names.is_empty() {
                rules.push(Rule::new(RBAC, &[resource], &["bind"]).named(names));
            }
        }
        if !self.aggregated.is_empty() {
            let names = self.aggregated.iter().map(String::as_str);
            rules.push(Rule::new(RBAC, &["clusterroles"], &["escalate"]).named(names));
        }
        rules
    }
}
