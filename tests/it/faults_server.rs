//! The simulated API server against a real one: the same requests to both, the same statuses and bodies back, except for what a server
//! makes up (UIDs, versions, times, addresses) and what controllers write in their own time (`status`).

use std::fmt::Write as _;

use fleetc::api::{Content, Method, Request};
use fleetc::memory_cluster::MemoryCluster;
use serde_json::{Value, json};

/// What answers requests.
type Wire<'a> = dyn FnMut(&Request) -> (u16, String) + 'a;

/// A server with what was last seen of an object, for `{uid}` and `{rv}` in requests.
struct Side<'a> {
    wire: Box<Wire<'a>>,
    uid: String,
    version: String,
}

impl Side<'_> {
    fn send(&mut self, request: &Request) -> (u16, Value) {
        let mut request = request.clone();
        if let Some((_, text)) = &mut request.body {
            *text = text.replace("{uid}", &self.uid).replace("{rv}", &self.version).into();
        }
        let (status, text) = (self.wire)(&request);
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if let (Some(uid), Some(version)) =
            (value.pointer("/metadata/uid"), value.pointer("/metadata/resourceVersion").and_then(Value::as_str))
            && request.parameter("dryRun").is_none()
        {
            self.uid = uid.as_str().unwrap_or_default().to_owned();
            self.version = version.to_owned();
        }
        (status, value)
    }
}

/// Without what differs between any two servers.
fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("deployment.kubernetes.io/revision");
            map.remove("f:deployment.kubernetes.io/revision");
            // With the controller's annotation in it, the map is there before anybody else writes to it.
            if map.get("annotations").is_some_and(|found| {
                found.as_object().is_some_and(|all| all.keys().all(|key| key.starts_with("deployment.")))
            }) {
                map.remove("annotations");
            }
            if let Some(Value::Object(owned)) = map.get_mut("f:annotations") {
                owned.remove(".");
            }
            map.remove("status")
                .filter(|status| !status.is_object())
                .map(|status| map.insert("status".to_owned(), status));
            for (key, value) in map.iter_mut() {
                let made_up = [
                    "uid",
                    "resourceVersion",
                    "creationTimestamp",
                    "deletionTimestamp",
                    "time",
                    "clusterIP",
                    "continue",
                    "controller-uid",
                    "batch.kubernetes.io/controller-uid",
                ];
                if made_up.contains(&key.as_str()) && value.is_string() {
                    *value = json!(format!("<{key}>"));
                } else if key == "clusterIPs" {
                    *value = json!(["<clusterIP>"]);
                } else if key == "managedFields" {
                    if let Value::Array(entries) = value {
                        entries.retain(|entry| entry["subresource"] != "status");
                        entries.sort_by_key(|entry| format!("{}{}", entry["operation"], entry["manager"]));
                    }
                    plain(value);
                } else if key == "causes" {
                    if let Value::Array(causes) = value {
                        causes.sort_by_key(Value::to_string);
                    }
                    plain(value);
                } else if key == "message" {
                    *value = json!(message(value.as_str().unwrap_or_default()));
                } else {
                    plain(value);
                }
            }
            map.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// A message without UIDs, versions, and printed Go structs.
fn message(text: &str) -> String {
    let uid = regex::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let version = regex::Regex::new(r"(precondition|record) \(\d+\)").unwrap();
    let value =
        regex::Regex::new(r"(?s)Invalid value: .*?: (field is immutable|`selector`|cannot change|may not)").unwrap();
    let text = uid.replace_all(text, "<uid>");
    let text = version.replace_all(&text, "$1 (<rv>)");
    value.replace_all(&text, "Invalid value: <value>: $1").into_owned()
}

/// KIND, collection path, apiVersion, the object's own fields, the same changed, what nobody may change (or nothing).
struct Sample {
    path: &'static str,
    api_version: &'static str,
    kind: &'static str,
    fields: &'static str,
    changed: &'static str,
    refused: &'static str,
    /// Whether controllers write to it.
    busy: bool,
}

const POD: &str = r#""spec":{"containers":[{"name":"web","image":"nginx:1.27","ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}],"resources":{"limits":{"cpu":"100m"}}}],"volumes":[{"name":"v","configMap":{"name":"c"}}]}"#;

fn samples() -> Vec<Sample> {
    let sample = |path, api_version, kind, fields, changed, refused, busy| Sample {
        path,
        api_version,
        kind,
        fields,
        changed,
        refused,
        busy,
    };
    let workload = |labels: &str, extra: &str, image: &str| -> &'static str {
        let pod = POD.replace("nginx:1.27", image);
        format!(r#""spec":{{"selector":{{"matchLabels":{{"app":"{labels}"}}}},"template":{{"metadata":{{"labels":{{"app":"{labels}"}}}},{pod}}}{extra}}}"#).leak()
    };
    let job = |image: &str| -> &'static str {
        let pod = POD.replace("nginx:1.27", image).replace(r#""spec":{"#, r#""spec":{"restartPolicy":"Never","#);
        format!(r#""spec":{{"suspend":true,"template":{{{pod}}}}}"#).leak()
    };
    let cron = |schedule: &str| -> &'static str {
        let pod = POD.replace(r#""spec":{"#, r#""spec":{"restartPolicy":"Never","#);
        format!(
            r#""spec":{{"suspend":true,"schedule":"{schedule}","jobTemplate":{{"spec":{{"template":{{{pod}}}}}}}}}"#
        )
        .leak()
    };
    vec![
        sample(
            "/api/v1/namespaces/NS/configmaps",
            "v1",
            "ConfigMap",
            r#""data":{"a":"1","b":"2"}"#,
            r#""data":{"a":"2","c":"3"}"#,
            "",
            false,
        ),
        sample(
            "/api/v1/namespaces/NS/secrets",
            "v1",
            "Secret",
            r#""stringData":{"a":"1"}"#,
            r#""data":{"a":"Mg=="}"#,
            r#""type":"example.com/other","data":{"a":"Mg=="}"#,
            false,
        ),
        sample(
            "/api/v1/namespaces/NS/services",
            "v1",
            "Service",
            r#""spec":{"selector":{"app":"web"},"ports":[{"port":80,"name":"http"},{"port":443,"name":"https","targetPort":"tls"}]}"#,
            r#""spec":{"selector":{"app":"web","x":"y"},"ports":[{"port":80,"name":"http","targetPort":8080}]}"#,
            r#""spec":{"clusterIP":"10.0.0.77","selector":{"app":"web"},"ports":[{"port":80,"name":"http"}]}"#,
            false,
        ),
        sample(
            "/api/v1/namespaces/NS/serviceaccounts",
            "v1",
            "ServiceAccount",
            r#""automountServiceAccountToken":false,"imagePullSecrets":[{"name":"a"}]"#,
            r#""imagePullSecrets":[{"name":"b"}]"#,
            "",
            false,
        ),
        sample(
            "/apis/apps/v1/namespaces/NS/deployments",
            "apps/v1",
            "Deployment",
            workload("web", r#","replicas":0"#, "nginx:1.27"),
            workload("web", r#","replicas":0,"minReadySeconds":1"#, "nginx"),
            workload("other", r#","replicas":0"#, "nginx:1.27"),
            true,
        ),
        sample(
            "/apis/apps/v1/namespaces/NS/statefulsets",
            "apps/v1",
            "StatefulSet",
            workload("web", r#","replicas":0,"serviceName":"web""#, "nginx:1.27"),
            workload("web", r#","replicas":0,"serviceName":"web""#, "nginx:1.28"),
            workload("web", r#","replicas":0,"serviceName":"other""#, "nginx:1.27"),
            true,
        ),
        sample("/apis/batch/v1/namespaces/NS/jobs", "batch/v1", "Job", job("busybox:1"), "", job("busybox:2"), true),
        sample(
            "/apis/batch/v1/namespaces/NS/cronjobs",
            "batch/v1",
            "CronJob",
            cron("0 0 * * *"),
            cron("1 0 * * *"),
            "",
            false,
        ),
        sample(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles",
            "rbac.authorization.k8s.io/v1",
            "Role",
            r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#,
            r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get","list"]}]"#,
            "",
            false,
        ),
        sample(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            r#""roleRef":{"kind":"Role","name":"probe","apiGroup":"rbac.authorization.k8s.io"},"subjects":[{"kind":"User","name":"u"}]"#,
            r#""roleRef":{"kind":"Role","name":"probe","apiGroup":"rbac.authorization.k8s.io"},"subjects":[{"kind":"ServiceAccount","name":"s","namespace":"x"}]"#,
            r#""roleRef":{"kind":"Role","name":"other","apiGroup":"rbac.authorization.k8s.io"}"#,
            false,
        ),
        sample(
            "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies",
            "networking.k8s.io/v1",
            "NetworkPolicy",
            r#""spec":{"podSelector":{"matchLabels":{"app":"web"}}}"#,
            r#""spec":{"podSelector":{"matchLabels":{"app":"db"}}}"#,
            "",
            false,
        ),
        sample(
            "/apis/networking.k8s.io/v1/namespaces/NS/ingresses",
            "networking.k8s.io/v1",
            "Ingress",
            r#""spec":{"rules":[{"host":"a.example.com","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}"#,
            r#""spec":{"rules":[{"host":"b.example.com","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}"#,
            "",
            false,
        ),
        sample(
            "/apis/policy/v1/namespaces/NS/poddisruptionbudgets",
            "policy/v1",
            "PodDisruptionBudget",
            r#""spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}}}"#,
            r#""spec":{"minAvailable":2,"selector":{"matchLabels":{"app":"web"}}}"#,
            "",
            true,
        ),
        sample(
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases",
            "coordination.k8s.io/v1",
            "Lease",
            r#""spec":{"holderIdentity":"a","leaseDurationSeconds":30}"#,
            r#""spec":{"holderIdentity":"b","leaseDurationSeconds":30}"#,
            "",
            false,
        ),
        sample(
            "/apis/example.com/v1/namespaces/NS/widgets",
            "example.com/v1",
            "Widget",
            r#""spec":{"size":1,"parts":[{"name":"a","n":1},{"name":"b","n":2}],"tags":["x","y"]}"#,
            r#""spec":{"size":2,"parts":[{"name":"b","n":3}],"tags":["y","z"]}"#,
            "",
            false,
        ),
        sample(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#,
            r#""rules":[]"#,
            "",
            false,
        ),
        sample(
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            "scheduling.k8s.io/v1",
            "PriorityClass",
            r#""value":1000,"description":"d""#,
            r#""value":1000,"description":"e""#,
            "",
            false,
        ),
        sample(
            "/apis/storage.k8s.io/v1/storageclasses",
            "storage.k8s.io/v1",
            "StorageClass",
            r#""provisioner":"example.com/p","parameters":{"a":"b"}"#,
            r#""provisioner":"example.com/p","parameters":{"a":"b"},"allowVolumeExpansion":true"#,
            r#""provisioner":"example.com/p","parameters":{"a":"c"}"#,
            false,
        ),
    ]
}

const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,
"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
"properties":{"size":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"},
"parts":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],
"properties":{"name":{"type":"string"},"n":{"type":"integer"}}}}}},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}"#;

fn apply(path: &str, manager: &str, body: &str) -> Request {
    Request::new(Method::Patch, path).with("fieldManager", manager).body(Content::Apply, body)
}

fn write(method: Method, path: &str, body: &str) -> Request {
    Request::new(method, path).with("fieldManager", "person").body(Content::Json, body)
}

/// What is sent for a sample; names are `probe`.
fn requests(sample: &Sample, namespace: &str) -> Vec<Request> {
    let collection = sample.path.replace("NS", namespace);
    let path = format!("{collection}/probe");
    let object = |metadata: &str, fields: &str| {
        let comma = if fields.is_empty() { "" } else { "," };
        format!(
            r#"{{"apiVersion":"{}","kind":"{}","metadata":{{"name":"probe"{metadata}}}{comma}{fields}}}"#,
            sample.api_version, sample.kind
        )
    };
    let label = r#","labels":{"app":"web"},"annotations":{"note":"1"}"#;
    let changed = if sample.changed.is_empty() { sample.fields } else { sample.changed };
    let get = || Request::get(&path);
    let patch =
        |content, body: &str| Request::new(Method::Patch, &path).with("fieldManager", "person").body(content, body);
    let delete = |body: &str| Request::new(Method::Delete, &path).body(Content::Json, body);
    let mut all = vec![
        get(),
        delete("{}"),
        write(Method::Put, &path, &object("", sample.fields)).with("dryRun", "All"),
        apply(&path, "a", &object(label, sample.fields)).with("dryRun", "All"),
        get(),
        apply(&path, "a", &object(label, sample.fields)),
        get(),
        apply(&path, "a", &object(label, sample.fields)),
        write(Method::Post, &collection, &object("", sample.fields)),
        apply(&path, "b", &object(r#","labels":{"app":"other","new":"x"}"#, changed)),
        apply(&path, "b", &object(r#","labels":{"app":"web","new":"x"}"#, "")),
        apply(&path, "a", &object(label, changed)).with("dryRun", "All"),
        apply(&path, "a", &object(label, changed)),
        apply(&path, "a", &object(r#","labels":{"app":"web"}"#, changed)),
        apply(&path, "a", &object("", changed)),
        apply(&path, "c", &object(r#","labels":{"app":"forced"}"#, "")),
        apply(&path, "c", &object(r#","labels":{"app":"forced"}"#, "")).with("force", "true"),
        get(),
        apply(&path, "c", &object(r#","resourceVersion":"1""#, "")),
        apply(&path, "", &object("", "")),
        patch(Content::MergePatch, r#"{"metadata":{"labels":{"merged":"1","new":null}}}"#),
        patch(Content::JsonPatch, r#"[{"op":"add","path":"/metadata/annotations","value":{"j":"1"}}]"#),
        patch(Content::JsonPatch, r#"[{"op":"test","path":"/metadata/name","value":"none"}]"#),
        write(Method::Put, &path, &object(r#","resourceVersion":"1""#, changed)),
        apply(&path, "a", &object(r#","labels":{"merged":"2"}"#, changed)),
        Request::get(&collection).with("labelSelector", "merged=1"),
        Request::get(&collection).with("labelSelector", "merged!=1,absent").with("limit", "1"),
    ];
    // A Job says more about its labels, a PodDisruptionBudget says it once.
    if !sample.busy || sample.kind == "Deployment" {
        all.push(apply(&path, "c", &object(r#","uid":"00000000-0000-0000-0000-000000000000""#, "")));
    }
    if !sample.refused.is_empty() {
        all.push(apply(&path, "a", &object("", sample.refused)).with("force", "true"));
    }
    all.push(patch(Content::MergePatch, r#"{"metadata":{"managedFields":[{}]}}"#));
    all.push(apply(&path, "a", &object(r#","labels":{"merged":"2"}"#, changed)));
    all.push(get());
    all.push(delete(r#"{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}"#));
    all.push(delete(r#"{"preconditions":{"resourceVersion":"1"}}"#));
    all.push(patch(Content::MergePatch, r#"{"metadata":{"finalizers":["example.com/hold"]}}"#));
    if !sample.busy {
        all.push(get());
        all.push(delete(
            r#"{"preconditions":{"uid":"{uid}","resourceVersion":"{rv}"},"propagationPolicy":"Background"}"#,
        ));
    } else {
        all.push(delete(r#"{"propagationPolicy":"Background"}"#));
    }
    all.push(get());
    all.push(apply(&path, "a", &object(r#","labels":{"merged":"3"}"#, changed)).with("force", "true"));
    all.push(patch(Content::MergePatch, r#"{"metadata":{"finalizers":null}}"#));
    all.push(get());
    all
}

/// Requests that are about no kind.
fn others() -> Vec<Request> {
    let config = |name: &str| format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
    vec![
        Request::get("/apis/nothing.example.com/v1"),
        Request::get("/apis/nothing.example.com/v1/namespaces/default/things/x"),
        Request::get("/api/v1/namespaces/default/things"),
        Request::get("/apis/example.com/v1/namespaces/default/gadgets"),
        apply("/apis/nothing.example.com/v1/namespaces/default/things/x", "a", &config("x")),
        Request::get("/api/v1/namespaces/absent"),
        write(Method::Post, "/api/v1/namespaces/absent/configmaps", &config("x")),
        apply("/api/v1/namespaces/absent/configmaps/x", "a", &config("x")),
        apply("/api/v1/namespaces/absent/configmaps/x", "a", &config("x")).with("dryRun", "All"),
        apply("/api/v1/namespaces/default/configmaps/x", "a", &config("y")),
        apply("/api/v1/namespaces/default/configmaps/Upper", "a", &config("Upper")),
        write(
            Method::Post,
            "/api/v1/namespaces/default/configmaps",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}"#,
        ),
        write(
            Method::Post,
            "/api/v1/namespaces/default/configmaps",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"other"}}"#,
        ),
    ]
}

fn compare(real: &mut Side<'_>, namespace: &str, wait: &mut dyn FnMut()) -> (usize, String) {
    let memory = std::cell::RefCell::new(MemoryCluster::default());
    let mut simulated = Side {
        wire: Box::new(|request| {
            let answer = memory.borrow_mut().answer(request);
            (answer.status, answer.text.to_string())
        }),
        uid: String::new(),
        version: String::new(),
    };
    let make = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
    let mut all = vec![
        apply(&format!("/api/v1/namespaces/{namespace}"), "a", &make),
        apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", "a", CRD),
    ];
    all.extend(others());
    for sample in samples() {
        all.extend(requests(&sample, namespace));
    }
    let mut report = String::new();
    for (number, request) in all.iter().enumerate() {
        let (mut ours, mut theirs) = (simulated.send(request), real.send(request));
        plain(&mut ours.1);
        plain(&mut theirs.1);
        if ours != theirs {
            let parameters: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let body =
                request.body.as_ref().map(|(_, text)| text.chars().take(160).collect::<String>()).unwrap_or_default();
            let _ = writeln!(
                report,
                "#{number} {} {} {} {body}",
                request.method.name(),
                request.path,
                parameters.join(" ")
            );
            let pretty =
                |side: &(u16, Value)| format!("{}\n{}\n", side.0, serde_json::to_string_pretty(&side.1).unwrap());
            let (ours, theirs) = (pretty(&ours), pretty(&theirs));
            let diff = similar::TextDiff::from_lines(&theirs, &ours);
            let _ = writeln!(report, "{}", diff.unified_diff().context_radius(2).header("real", "simulated"));
        }
        // CRDs are served, and namespaces furnished, after a while.
        if number == 1 {
            wait();
            let mut memory = memory.borrow_mut();
            let later = memory.now() + 10_000;
            memory.advance(later);
        }
    }
    (all.len(), report)
}

/// The address of a running server with the token `admin-token`, until the control plane of the tests is here.
const SERVER: &str = "FLEETC_TEST_SERVER";

#[test]
fn the_simulated_server_answers_as_a_real_one() {
    let Ok(server) = std::env::var(SERVER) else {
        eprintln!("NOT RUN: the_simulated_server_answers_as_a_real_one: {SERVER} is not set");
        return;
    };
    let wire = |request: &Request| {
        let mut command = std::process::Command::new("curl");
        command.args([
            "-sk",
            "-H",
            "Authorization: Bearer admin-token",
            "-w",
            "\n%{http_code}",
            "-X",
            request.method.name(),
        ]);
        let query: Vec<String> =
            request.query.iter().map(|(key, value)| format!("{key}={}", fleetc::api::encode(value))).collect();
        if let Some((content, text)) = &request.body {
            command.args(["-H", &format!("Content-Type: {}", content.media_type()), "--data-binary", text]);
        }
        let output = command.arg(format!("{server}{}?{}", request.path, query.join("&"))).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    };
    let mut real = Side { wire: Box::new(wire), uid: String::new(), version: String::new() };
    let namespace = format!("probe-{}", std::process::id());
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    real.send(&Request::new(Method::Delete, crd));
    std::thread::sleep(std::time::Duration::from_secs(2));
    let (count, report) = compare(&mut real, &namespace, &mut || std::thread::sleep(std::time::Duration::from_secs(3)));
    println!("{count} requests compared");
    assert!(report.is_empty(), "{report}");
}
