//! Which lists merge, and by which keys; which maps are taken whole: for built-in kinds from a table, for custom ones from their CRD.
//!
//! The table holds what Kubernetes v1.34's OpenAPI says with `x-kubernetes-list-type` and `x-kubernetes-map-type`. Where the
//! CRD says nothing, lists are taken whole and maps are merged.

use smol_str::SmolStr;

use crate::yaml::Node;

/// How a list merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Taken whole.
    Atomic,
    /// By value.
    Set,
    /// By these keys, each with what stands in for an absent one.
    Keys(Vec<(SmolStr, Option<SmolStr>)>),
}

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type<'a> {
    /// In an object of a built-in kind, reached by a field below another.
    Built {
        /// The object's kind.
        kind: &'a str,
        /// The field above.
        parent: &'a str,
        /// The field that leads here.
        name: &'a str,
    },
    /// By an OpenAPI schema of a CRD; the flag is true at the object itself.
    Custom(&'a Node, bool),
    /// Nothing is known.
    Free,
}

/// FIELD, the field above or kind (`*`: any), keys (`=`: by value; `KEY:DEFAULT`). First match.
const LISTS: [(&str, &str, &str); 25] = [
    ("finalizers", "metadata", "="),
    ("ownerReferences", "metadata", "uid"),
    ("conditions", "status", "type"),
    ("containers", "spec", "name"),
    ("initContainers", "spec", "name"),
    ("ephemeralContainers", "spec", "name"),
    ("volumes", "spec", "name"),
    ("imagePullSecrets", "spec", "name"),
    ("hostAliases", "spec", "ip"),
    ("topologySpreadConstraints", "spec", "topologyKey,whenUnsatisfiable"),
    ("resourceClaims", "spec", "name"),
    ("schedulingGates", "spec", "name"),
    ("env", "*", "name"),
    ("volumeMounts", "*", "mountPath"),
    ("volumeDevices", "*", "devicePath"),
    ("claims", "resources", "name"),
    ("ports", "containers", "containerPort,protocol:TCP"),
    ("ports", "initContainers", "containerPort,protocol:TCP"),
    ("ports", "Service", "port,protocol:TCP"),
    ("webhooks", "*", "name"),
    ("secrets", "ServiceAccount", "name"),
    ("podIPs", "status", "ip"),
    ("matchConditions", "*", "name"),
    ("validations", "none", "name"),
    ("versions", "none", "name"),
];

/// Maps that are taken whole: FIELD and the field above or kind (`*`: any).
const MAPS: [(&str, &str); 19] = [
    ("selector", "*"),
    ("labelSelector", "*"),
    ("namespaceSelector", "*"),
    ("objectSelector", "*"),
    ("podSelector", "*"),
    ("nodeSelector", "*"),
    ("configMapKeyRef", "*"),
    ("secretKeyRef", "*"),
    ("fieldRef", "*"),
    ("resourceFieldRef", "*"),
    ("roleRef", "*"),
    ("requiredDuringSchedulingIgnoredDuringExecution", "nodeAffinity"),
    ("scaleTargetRef", "*"),
    ("secretRef", "volumes"),
    ("dataSource", "*"),
    ("claimRef", "none"),
    ("backend", "none"),
    ("localObjectReference", "*"),
    ("params", "none"),
];

/// Fields of built-in kinds that are there, if empty, wherever what they stand in is: Go structs, not pointers to them.
const VALUES: [&str; 9] =
    ["metadata", "spec", "status", "template", "strategy", "updateStrategy", "jobTemplate", "names", "containers"];

impl<'a> Type<'a> {
    /// Of an object of a built-in kind.
    pub(super) fn built(kind: &'a str) -> Self {
        Type::Built { kind, parent: "", name: "" }
    }

    /// Of a field.
    pub(super) fn field<'b>(self, field: &'b str) -> Type<'b>
    where
        'a: 'b,
    {
        match self {
            Type::Built { kind, name, .. } => Type::Built { kind, parent: name, name: field },
            Type::Custom(_, true) if field == "metadata" => Type::Built { kind: "", parent: "", name: "metadata" },
            Type::Custom(schema, _) => {
                let named = schema.get("properties").and_then(|all| all.get(field));
                let any = schema.get("additionalProperties").filter(|node| node.as_map().is_some());
                named.or(any).map_or(Type::Free, |found| Type::Custom(found, false))
            }
            Type::Free => Type::Free,
        }
    }

    /// Of a list's items. They are looked up by the list's name.
    pub(super) fn items(self) -> Type<'a> {
        match self {
            Type::Custom(schema, _) => schema.get("items").map_or(Type::Free, |found| Type::Custom(found, false)),
            other => other,
        }
    }

    /// Whether a field is one that the type names, other than any key of a map.
    pub(super) fn knows(self, field: &str) -> bool {
        match self {
            Type::Built { .. } => true,
            Type::Custom(_, true) if ["metadata", "apiVersion", "kind"].contains(&field) => true,
            Type::Custom(schema, _) => schema.get("properties").is_some_and(|all| all.get(field).is_some()),
            Type::Free => false,
        }
    }

    /// How it merges, if it is a list.
    pub(super) fn list(self) -> List {
        match self {
            Type::Built { kind, parent, name } => {
                let row = LISTS.iter().find(|(field, above, _)| {
                    *field == name
                        && (*above == "*"
                            || *above == parent
                            || (*above == kind && parent == "spec")
                            || (*above == kind && parent.is_empty()))
                });
                match row.map(|row| row.2) {
                    None => List::Atomic,
                    Some("=") => List::Set,
                    Some(keys) => List::Keys(
                        keys.split(',')
                            .map(|key| match key.split_once(':') {
                                Some((key, default)) => (key.into(), Some(default.into())),
                                None => (key.into(), None),
                            })
                            .collect(),
                    ),
                }
            }
            Type::Custom(schema, _) => match schema.get("x-kubernetes-list-type").and_then(Node::as_str) {
                Some("set") => List::Set,
                Some("map") => {
                    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Node::as_seq).unwrap_or_default();
                    let default =
                        |key: &SmolStr| schema.at(&["items", "properties", key, "default"]).and_then(Node::smol);
                    List::Keys(keys.iter().filter_map(Node::smol).map(|key| (key.clone(), default(&key))).collect())
                }
                _ => List::Atomic,
            },
            Type::Free => List::Atomic,
        }
    }

    /// Whether it is never absent.
    pub(super) fn is_always_there(self) -> bool {
        matches!(self, Type::Built { name, .. } if VALUES.contains(&name))
    }

    /// Whether it is taken whole, if it is a map.
    pub(super) fn is_atomic_map(self) -> bool {
        match self {
            Type::Built { kind, parent, name } => MAPS
                .iter()
                .any(|(field, above)| *field == name && (*above == "*" || *above == parent || *above == kind)),
            Type::Custom(schema, _) => schema.get("x-kubernetes-map-type").and_then(Node::as_str) == Some("atomic"),
            Type::Free => false,
        }
    }
}
