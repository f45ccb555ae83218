//! Joining a cluster and leaving it: the service account, the roles and the token that a cluster gets, the Secret by which an Argo CD knows
//! it, the stub that the fleet keeps of it, and the requests that make, renew and remove them.
//!
//! Names are those of `argocd cluster add` (argo-cd `util/clusterauth`, `util/db`), so that either tool finds what the other made. What is
//! made is data ([`objects`], [`Registration`]); only [`account`] talks to a cluster, through a [`Port`](crate::machine::Port). Nothing is
//! read from or written to a disk here, nothing is asked, and no function puts a token into a message.

pub mod account;
pub mod doctor;
pub mod rights;
pub mod secret;
pub mod stub;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use rights::{Rights, Rule};
pub use secret::{Login, Registration, Trust, secret_name};

/// The service account that manages a cluster.
pub const SERVICE_ACCOUNT: &str = "argocd-manager";
/// The namespace it lies in.
pub const SYSTEM_NAMESPACE: &str = "kube-system";
/// Its role: a ClusterRole, and with narrow rights a Role in each namespace.
pub const ROLE: &str = "argocd-manager-role";
/// What gives it the role.
pub const BINDING: &str = "argocd-manager-role-binding";
/// What the name of its token's Secret ends with.
pub const TOKEN_SUFFIX: &str = "-long-lived-token";
/// Label of what we made there; what does not carry it is not removed.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub const FLEETC: &str = "fleetc";

const RBAC: &str = "rbac.authorization.k8s.io";

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Account {
    /// The user that it is to an API server.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// From that user.
    pub fn of_user(user: &str) -> Option<Account> {
        let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        Some(Account { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// What is made on a cluster for an account with these rights, in the order in which it is made. The namespaces of inventories are among
/// it where the account may not make them itself.
pub fn objects(account: &Account, rights: &Rights) -> Vec<Value> {
    let labels = json!({MANAGED_BY: FLEETC});
    let group = format!("{RBAC}/v1");
    let mut made: Vec<Value> = Vec::new();
    for namespace in &rights.inventories {
        made.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    }
    made.push(json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": account.name, "namespace": account.namespace, "labels": labels},
    }));
    let mut pair = |kind: &str, namespace: Option<&str>, rules: &[Rule]| {
        let rules: Vec<Value> = rules.iter().map(Rule::to_json).collect();
        let mut role =
            json!({"apiVersion": group, "kind": kind, "metadata": {"name": ROLE, "labels": labels}, "rules": rules});
        let mut binding = json!({
            "apiVersion": group, "kind": format!("{kind}Binding"), "metadata": {"name": BINDING, "labels": labels},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}],
        });
        for object in [&mut role, &mut binding] {
            if let (Some(namespace), Some(metadata)) =
                (namespace, object.get_mut("metadata").and_then(Value::as_object_mut))
            {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
        }
        made.extend([role, binding]);
    };
    if !rights.cluster.is_empty() {
        pair("ClusterRole", None, &rights.cluster);
    }
    for (namespace, rules) in &rights.namespaces {
        pair("Role", Some(namespace), rules);
    }
    made
}

/// The Secret that makes the API server issue a token for an account. Without a name the server chooses one.
pub fn token_secret(account: &Account, named: bool) -> Value {
    let stem = format!("{}{TOKEN_SUFFIX}", account.name);
    let mut metadata = json!({
        "namespace": account.namespace, "labels": {MANAGED_BY: FLEETC},
        "annotations": {"kubernetes.io/service-account.name": account.name},
    });
    if let Some(fields) = metadata.as_object_mut() {
        let (key, name) = if named { ("name", stem) } else { ("generateName", format!("{stem}-")) };
        fields.insert(key.to_owned(), name.into());
    }
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token"})
}

/// `Kind namespace/name`, for people.
pub fn title(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// Where an object of these kinds is: collection and name.
pub(crate) fn path(object: &Value) -> (String, String) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (version, kind, namespace) = (text("/apiVersion"), text("/kind"), text("/metadata/namespace"));
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let mut path = format!("{root}/{version}");
    if !namespace.is_empty() {
        path.push_str("/namespaces/");
        path.push_str(&crate::api::encode(namespace));
    }
    // All kinds here form their plural so.
    path.push_str(&format!("/{}s", kind.to_lowercase()));
    let object = format!("{path}/{}", crate::api::encode(text("/metadata/name")));
    (path, object)
}
