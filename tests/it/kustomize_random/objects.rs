//! Random objects: workloads, what they refer to, and kinds of no known schema, with bodies that transformers, patches and references reach.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::random::{Random, text, value};

/// An object that was written somewhere, as far as others must know it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) namespace: &'static str,
    pub(super) annotated: bool,
    pub(super) labelled: bool,
}

impl Made {
    /// `metadata` of a patch for it, open for more fields.
    pub(super) fn metadata(&self) -> String {
        let space = if self.namespace.is_empty() { String::new() } else { format!(", namespace: {}", self.namespace) };
        format!("name: {}{space}", self.name)
    }

    pub(super) fn is_workload(&self) -> bool {
        matches!(self.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
    }

    /// Where its pod's spec is.
    pub(super) fn pod(&self) -> Option<&'static str> {
        match self.kind {
            "Pod" => Some("spec"),
            "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
            "Job" => Some("spec.template.spec"),
            _ if self.is_workload() => Some("spec.template.spec"),
            _ => None,
        }
    }
}

pub(super) type Files = BTreeMap<String, String>;

const NAMES: [&str; 7] = ["a", "b", "web", "db-1", "x.y", "largest-of-them", "n10"];
/// Kinds and their API versions.
const KINDS: [(&str, &str); 30] = [
    ("ConfigMap", "v1"),
    ("ConfigMap", "v1"),
    ("Secret", "v1"),
    ("Deployment", "apps/v1"),
    ("Deployment", "apps/v1"),
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("CronJob", "batch/v1"),
    ("Job", "batch/v1"),
    ("Pod", "v1"),
    ("Service", "v1"),
    ("Ingress", "networking.k8s.io/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("Widget", "example.com/v1"),
    ("Widget", "example.com/v1"),
    ("Role", "rbac.authorization.k8s.io/v1"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1"),
    ("ClusterRole", "rbac.authorization.k8s.io/v1"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
    ("ServiceAccount", "v1"),
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("PodDisruptionBudget", "policy/v1"),
    ("PersistentVolumeClaim", "v1"),
    ("PersistentVolume", "v1"),
    ("Namespace", "v1"),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    ("APIService", "apiregistration.k8s.io/v1"),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
];

pub(super) fn api_version(kind: &str) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("v1", |(_, version)| version)
}

fn container(random: &mut Random, name: &str) -> String {
    let image =
        random.pick(&["nginx", "nginx:1.0", "reg:5000/app:2", "redis@sha256:0123", "ng-x/nginx:1", "a/b/nginx"]);
    let mut out = format!("{{name: {name}, image: '{image}'");
    if random.chance(50) {
        let (key, other, value) = (random.pick(&NAMES), random.pick(&NAMES), value(random));
        let _ = write!(
            out,
            ", env: [{{name: A, value: {value}}}, {{name: B, valueFrom: {{configMapKeyRef: {{name: {key}, key: k}}}}}}, {{name: C, valueFrom: {{secretKeyRef: {{name: {other}, key: k}}}}}}, {{name: D, value: '$(VAR_A)-$(VAR_B)'}}]"
        );
    }
    if random.chance(40) {
        out.push_str(random.pick(&[
            ", ports: [{containerPort: 80}]",
            ", ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]",
            ", ports: [{containerPort: 80}, {containerPort: 81, name: x}]",
        ]));
    }
    if random.chance(30) {
        out.push_str(random.pick(&[
            ", args: [a, b]",
            ", args: ['$(VAR_A)', '--x=$(VAR_B)', '$$(VAR_A)', '$(NOBODY)']",
            ", command: [sh, -c, 'echo $(VAR_A)']",
        ]));
    }
    if random.chance(25) {
        out.push_str(random.pick(&[
            ", envFrom: [{configMapRef: {name: gen}}, {secretRef: {name: web}}]",
            ", volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]",
            ", resources: {limits: {cpu: 1, memory: 1Gi}}",
            ", livenessProbe: {httpGet: {path: /, port: 80}}",
        ]));
    }
    out.push('}');
    out
}

fn pod(random: &mut Random) -> String {
    let mut out = String::from("{containers: [");
    out.push_str(&container(random, "main"));
    if random.chance(40) {
        let _ = write!(out, ", {}", container(random, "side"));
    }
    out.push(']');
    if random.chance(20) {
        let _ = write!(out, ", initContainers: [{}]", container(random, "init"));
    }
    if random.chance(40) {
        let (one, two) = (random.pick(&NAMES), random.pick(&NAMES));
        let _ = write!(
            out,
            ", volumes: [{{name: v, configMap: {{name: {one}}}}}, {{name: w, secret: {{secretName: {two}}}}}, {{name: p, projected: {{sources: [{{configMap: {{name: gen}}}}]}}}}, {{name: c, persistentVolumeClaim: {{claimName: {one}}}}}]"
        );
    }
    if random.chance(30) {
        let _ = write!(out, ", serviceAccountName: {}", random.pick(&NAMES));
    }
    if random.chance(25) {
        out.push_str(random.pick(&[
            ", imagePullSecrets: [{name: web}, {name: other}]",
            ", hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]",
            ", tolerations: [{key: k, operator: Exists}]",
            ", topologySpreadConstraints: [{topologyKey: z, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: x}}}]",
            ", affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z, labelSelector: {matchLabels: {app: x}}}]}}",
            ", nodeSelector: {a: b}, priorityClassName: web",
        ]));
    }
    out.push('}');
    out
}

/// What stands below the metadata of an object.
fn body(random: &mut Random, kind: &str) -> String {
    let name = random.pick(&NAMES);
    match kind {
        "ConfigMap" => format!(
            "data:\n  a: {}\n  b: {}\n  k10: x\n  k9: a-b-c\n  j: {}\n  t: {}\n",
            text(random),
            text(random),
            random.pick(&[
                "'{\"k\": {\"n\": 1, \"t\": \"x\"}, \"l\": [1, 2]}'",
                "|-\n    {\n      \"k\": {\n        \"t\": \"<x>\"\n      },\n      \"l\": [1]\n    }",
                "'{\"k\":{\"t\":\"x\"}}'",
            ]),
            random.pick(&[
                "|\n    k:\n      t: x\n      n: 1\n    l: [a, b]\n",
                "|-\n    k: {t: 'x', z: 2020-01-02}\n    l:\n    - a\n",
                "\"k:\\n  t: x\\n\"",
            ])
        ),
        "Secret" => random
            .pick(&[
                "type: Opaque\ndata: {a: YQ==}\nstringData: {b: plain}\n",
                "data: {a: YQ==, b: null}\n",
                "type: kubernetes.io/tls\nstringData: {k: '1'}\n",
            ])
            .to_owned(),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            let replicas = random.pick(&[
                "",
                "  replicas: 2\n",
                "  serviceName: web\n",
                "  replicas: 1\n  serviceName: b\n  volumeClaimTemplates: [{metadata: {name: d}, spec: {storageClassName: fast}}]\n",
            ]);
            let labels = random.pick(&[
                "metadata: {labels: {app: x}}, ",
                "metadata: {labels: {app: x}, annotations: {t: '1'}}, ",
                "metadata: {labels: null}, ",
                "metadata: {}, ",
                "",
            ]);
            format!(
                "spec:\n{replicas}  selector: {{matchLabels: {{app: x}}}}\n  template: {{{labels}spec: {}}}\n",
                pod(random)
            )
        }
        "Pod" => format!("spec: {}\n", pod(random)),
        "Job" => format!("spec: {{template: {{spec: {}}}}}\n", pod(random)),
        "CronJob" => {
            format!("spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{template: {{spec: {}}}}}}}}}\n", pod(random))
        }
        "Service" => {
            let ports = random.pick(&["[{port: 80}]", "[{port: 80, protocol: TCP}, {port: 80, protocol: UDP}]", "[]"]);
            format!("spec: {{selector: {{app: x}}, ports: {ports}}}\n")
        }
        "Ingress" => format!(
            "spec: {{tls: [{{secretName: {name}, hosts: ['$(VAR_A).example.com']}}], rules: [{{host: a.example.com, http: {{paths: [{{backend: {{service: {{name: {name}}}}}}}]}}}}]}}\n"
        ),
        "NetworkPolicy" => {
            "spec: {podSelector: {matchLabels: {app: x}}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}]}]}\n".to_owned()
        }
        "Role" | "ClusterRole" => {
            format!("rules: [{{apiGroups: [''], resources: [configmaps], resourceNames: [{name}, gen]}}]\n")
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = random.pick(&["Role", "ClusterRole"]);
            format!(
                "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role}, name: {name}}}\nsubjects: [{{kind: ServiceAccount, name: {name}, namespace: default}}, {{kind: ServiceAccount, name: default}}]\n"
            )
        }
        "ServiceAccount" => "secrets: [{name: web}]\nimagePullSecrets: [{name: gen}]\n".to_owned(),
        "HorizontalPodAutoscaler" => {
            format!("spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}}}\n")
        }
        "PodDisruptionBudget" => "spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}\n".to_owned(),
        "PersistentVolumeClaim" => format!("spec: {{volumeName: {name}, storageClassName: fast}}\n"),
        "PersistentVolume" => "spec: {storageClassName: fast, capacity: {storage: 1Gi}}\n".to_owned(),
        "CustomResourceDefinition" => {
            format!("spec: {{conversion: {{webhook: {{clientConfig: {{service: {{name: {name}, namespace: one}}}}}}}}}}\n")
        }
        "APIService" => format!("spec: {{service: {{name: {name}}}}}\n"),
        "ValidatingWebhookConfiguration" => {
            format!("webhooks: [{{name: a.b.c, clientConfig: {{service: {{name: {name}, namespace: default}}}}}}]\n")
        }
        "Widget" => widget(random, name),
        _ => String::new(),
    }
}

fn widget(random: &mut Random, name: &str) -> String {
    let mut out = String::from("spec:\n");
    for key in ["size", "n", "A", "a10", "a9", "deep.er"] {
        let _ = writeln!(out, "  {key}: {}", value(random));
    }
    let _ = write!(out, "  parts: [{{name: a, n: {}}}, {{name: b}}]\n  ref: {name}\n", value(random));
    let _ =
        writeln!(out, "  text: a-b-c\n  list: [one, two]\n  pod: {{containers: [{{name: main, image: 'nginx:1'}}]}}");
    if random.chance(30) {
        out.push_str(random.pick(&[
            "  block: |\n    one\n\n    two\n",
            "  block: >-\n    one\n    two\n\n      three\n    four\n",
            "  block: |+\n    one \n\n",
            "  block: |2\n      lead\n    two\n",
            "  anchor: &x {q: 1}\n  alias: *x\n  merged: {<<: *x, r: 2}\n",
            "  long: one two three four five six seven eight nine ten eleven twelve thirteen fourteen\n    fifteen\n",
            "  # a comment\n  after: x # another\n",
            "  tagged: [!!str 1, !!int '2', !!float 3, !!binary YQ==]\n",
        ]));
    }
    out
}

/// Objects of a directory. No kind and name is there twice over all directories, but where `all` is left out.
pub(super) fn objects(random: &mut Random, dir: &str, files: &mut Files, all: &[Made]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    let mut documents: Vec<String> = Vec::new();
    for _ in 0..1 + random.below(6) {
        let (kind, version) = KINDS[random.below(KINDS.len())];
        let name = NAMES[random.below(NAMES.len())];
        let careless = random.below(400) == 0;
        if made.iter().chain(all).any(|other| (other.kind, other.name) == (kind, name)) && !careless {
            continue;
        }
        let namespace = if random.chance(20) { random.pick(&["default", "one"]) } else { "" };
        let (labelled, annotated) = (random.chance(45), random.chance(30));
        let mut out = format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n");
        if !namespace.is_empty() {
            let _ = writeln!(out, "  namespace: {namespace}");
        }
        if labelled {
            let _ = writeln!(out, "  labels: {{app: x, t: {}}}", text(random));
        }
        if annotated {
            let _ = writeln!(out, "  annotations: {{note: {}, b: {}}}", text(random), text(random));
        }
        out.push_str(&body(random, kind));
        documents.push(out);
        made.push(Made { kind, name, namespace, annotated, labelled });
    }
    let file = match random.below(12) {
        0 => documents.iter().fold(String::from("# head\n"), |all, one| format!("{all}--- # next\n{one}\n")),
        1 => documents.join("---\n").replace('\n', "\r\n"),
        2 => {
            let items =
                documents.iter().map(|one| format!("- {}", one.trim_end().replace('\n', "\n  "))).collect::<Vec<_>>();
            format!("apiVersion: v1\nkind: List\nitems:\n{}\n", items.join("\n"))
        }
        3 => format!("\u{feff}{}", documents.join("---\n---\n")),
        _ => documents.join("---\n"),
    };
    files.insert(format!("{dir}/r.yaml"), file);
    made
}
