//! ValidatingAdmissionPolicies: what an API server has of an object when it asks them, and what it says, against what `fleetc lint` says.
//!
//! Answers of a kube-apiserver v1.34 are recorded (`fixtures/admission`); where there is a control plane the same is asked again, and each
//! pair of a policy and an object goes to it as a dry run. `FLEETC_RECORD=1` writes the answers anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetc::k8s::gaps::Gaps;
use fleetc::k8s::object::Gvk;
use fleetc::span::FileId;
use fleetc::validate::admitted;
use fleetc::validate::table::Minor;
use fleetc::yaml::{self, Dialect, Limits, Node, json};
use serde_json::{Map, Value};

const NAMESPACE: &str = "e2e-admission";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/admission")
}

fn documents(path: &Path) -> Vec<Node> {
    let text = std::fs::read(path).unwrap();
    let parsed = yaml::parse(FileId::NONE, &text, Dialect::V2, &Limits::default());
    assert!(parsed.error.is_none(), "{:?}", parsed.error);
    parsed.documents.into_iter().map(|document| document.root).collect()
}

fn value(node: &Node) -> Value {
    serde_json::from_slice(json::to_json(node).unwrap().as_ref()).unwrap()
}

fn node(value: &Value) -> Node {
    json::parse(FileId::NONE, value.to_string().as_bytes()).unwrap()
}

/// Objects of ours, the ones whose fields are checked, and those of the latter with a field changed at random that a server takes.
fn objects() -> Vec<Value> {
    let mut all: Vec<Value> = documents(&folder().join("objects.yaml")).iter().map(value).collect();
    let validate = folder().join("../validate");
    let base: Vec<Value> = documents(&validate.join("objects.yaml")).iter().map(value).collect();
    let answers = std::fs::read_to_string(validate.join("answers.jsonl")).unwrap();
    for row in answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if row["answer"] != "valid" {
            continue;
        }
        let mut object = base[row["of"].as_u64().unwrap() as usize].clone();
        let steps = row["at"].as_array().unwrap();
        let slot = steps.iter().fold(&mut object, |at, step| match step.as_u64() {
            Some(index) => &mut at[index as usize],
            None => &mut at[step.as_str().unwrap()],
        });
        if !steps.is_empty() {
            *slot = row["set"].clone();
        }
        all.push(object);
    }
    let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
    all.retain(|object| !kind(object).starts_with("ValidatingAdmissionPolicy"));
    for object in &mut all {
        // A name of its own, in the namespace of the test.
        if object["metadata"].get("namespace").is_some() {
            object["metadata"]["namespace"] = NAMESPACE.into();
        }
    }
    all
}

/// Takes away what is not known, here from what a server says.
fn without(value: &mut Value, gaps: &Gaps) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| gaps.below(name).is_none_or(|gaps| gaps.whole.is_none()));
            for (name, below) in map.iter_mut() {
                if let Some(gaps) = gaps.below(name) {
                    without(below, gaps);
                }
            }
        }
        Value::Array(items) => {
            for (at, below) in items.iter_mut().enumerate() {
                if let Some(gaps) = gaps.below(&at.to_string()) {
                    without(below, gaps);
                }
            }
        }
        _ => {}
    }
}

/// Whether a server has all that we know, and no more; where others may add entries, more.
fn same(ours: &Value, theirs: &Value, gaps: Option<&Gaps>, path: &str, wrong: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(two)) => {
            let more = gaps.is_some_and(|gaps| gaps.others.is_some());
            for name in one.keys().chain(two.keys().filter(|name| !one.contains_key(*name) && !more)) {
                let below = gaps.and_then(|gaps| gaps.below(name));
                let place = format!("{path}.{name}");
                match (one.get(name), two.get(name)) {
                    (Some(one), Some(two)) => same(one, two, below, &place, wrong),
                    (one, two) => wrong.push(format!("{place}: {one:?}, server {two:?}")),
                }
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (at, (one, two)) in one.iter().zip(two).enumerate() {
                let below = gaps.and_then(|gaps| gaps.below(&at.to_string()));
                same(one, two, below, &format!("{path}[{at}]"), wrong);
            }
        }
        (Value::Number(one), Value::Number(two)) if one.as_f64() == two.as_f64() => {}
        (one, two) if one == two => {}
        (one, two) => wrong.push(format!("{path}: {one}, server {two}")),
    }
}

fn compare(objects: &[Value], answers: &BTreeMap<usize, Value>) -> Vec<String> {
    let mut all = Vec::new();
    for (at, theirs) in answers {
        let mut object = objects[*at].clone();
        if theirs["metadata"].get("namespace").is_some() {
            object["metadata"]["namespace"] = NAMESPACE.into();
        }
        let object = node(&object);
        let made = admitted(&object, &Gvk::of(&object), None, Minor(34));
        if made.gaps.deep.is_some() {
            continue;
        }
        let (mut ours, mut theirs) = (value(&made.object), theirs.clone());
        without(&mut ours, &made.gaps);
        without(&mut theirs, &made.gaps);
        let mut wrong = Vec::new();
        same(&ours, &theirs, Some(&made.gaps), "", &mut wrong);
        if !wrong.is_empty() {
            all.push(format!(
                "{} {}\n    {}",
                objects[*at]["kind"],
                objects[*at]["metadata"]["name"],
                wrong.join("\n    ")
            ));
        }
    }
    all
}

fn recorded() -> BTreeMap<usize, Value> {
    let text = std::fs::read_to_string(folder().join("answers.jsonl")).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["of"].as_u64().unwrap() as usize, row["made"].clone())
    };
    text.lines().map(row).collect()
}

#[test]
fn objects_are_made_as_a_server_makes_them() {
    let (objects, answers) = (objects(), recorded());
    let wrong = compare(&objects, &answers);
    assert!(answers.len() >= 150, "{} answers", answers.len());
    assert!(wrong.is_empty(), "{} of {} differ (ours, server)\n{}", wrong.len(), answers.len(), wrong.join("\n"));
}

/// What a server makes of objects, by their number.
#[cfg(all(feature = "host", unix))]
fn asked(plane: &super::control_plane::ControlPlane, objects: &[Value]) -> BTreeMap<usize, Value> {
    let folder = tempfile::tempdir().unwrap();
    for (at, object) in objects.iter().enumerate() {
        let mut object = object.clone();
        let mark = Value::from(at.to_string());
        if !object["metadata"]["annotations"].is_object() {
            object["metadata"]["annotations"] = Map::new().into();
        }
        object["metadata"]["annotations"]["number"] = mark;
        std::fs::write(folder.path().join(format!("{at:04}.json")), object.to_string()).unwrap();
    }
    let path = folder.path().display().to_string();
    let output =
        plane.kubectl(&["create", "--dry-run=server", "--validate=ignore", "-n", NAMESPACE, "-o", "json", "-f", &path]);
    let mut found = BTreeMap::new();
    let stream = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let documents: Vec<Value> = stream.map(Result::unwrap).collect();
    let listed = |document: Value| match document["kind"].as_str() {
        Some("List") => document["items"].as_array().cloned().unwrap_or_default(),
        _ => vec![document],
    };
    for mut object in documents.into_iter().flat_map(listed) {
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        let at: usize = annotations.remove("number").unwrap().as_str().unwrap().parse().unwrap();
        let had = objects[at]["metadata"]["annotations"].as_object().is_some_and(|map| !map.is_empty());
        if annotations.is_empty() && !had {
            object["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        found.insert(at, object);
    }
    found
}

#[cfg(all(feature = "host", unix))]
fn namespaced(plane: &super::control_plane::ControlPlane) {
    plane.apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}, labels: {{team: shop}}}}\n"));
}

#[cfg(all(feature = "host", unix))]
#[test]
fn recorded_objects_are_those_of_a_control_plane() {
    let Some(plane) = super::control_plane::cluster() else { return };
    namespaced(plane);
    let objects = objects();
    let answers = asked(plane, &objects);
    if std::env::var_os("FLEETC_RECORD").is_some() {
        let mut text = String::new();
        for (at, made) in &answers {
            let mut made = made.clone();
            for field in ["uid", "creationTimestamp", "managedFields", "resourceVersion"] {
                made["metadata"].as_object_mut().unwrap().remove(field);
            }
            text += &format!("{}\n", serde_json::json!({"of": at, "made": made}));
        }
        std::fs::write(folder().join("answers.jsonl"), text).unwrap();
    }
    let wrong = compare(&objects, &answers);
    assert!(answers.len() >= 150, "{} answers", answers.len());
    assert!(wrong.is_empty(), "{} of {} differ (ours, server)\n{}", wrong.len(), answers.len(), wrong.join("\n"));
}

/// A policy with its object, and what is said to it.
#[cfg(all(feature = "host", unix))]
struct Pair {
    name: String,
    policy: Value,
    binding: Value,
    object: Value,
    expect: String,
}

#[cfg(all(feature = "host", unix))]
fn set(object: &mut Value, path: &str, value: &Value) {
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    let slot = above.split('.').filter(|step| !step.is_empty()).fold(object, |at, step| &mut at[step]);
    if value.is_null() {
        slot.as_object_mut().unwrap().remove(last);
    } else {
        slot[last] = value.clone();
    }
}

#[cfg(all(feature = "host", unix))]
fn merged(mut into: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
    into
}

/// The pairs of the file, and as many of objects and expressions by chance: whether a field is there, and what it is.
#[cfg(all(feature = "host", unix))]
fn pairs(answers: &BTreeMap<usize, Value>, objects: &[Value]) -> (Vec<Value>, Vec<Pair>) {
    let all = value(&documents(&folder().join("pairs.yaml"))[0]);
    let mut found = Vec::new();
    let mut add = |mut object: Value, spec: Value, matched: Option<&Value>, binding: &Value, expect: &str| {
        let name = format!("e2e-admission-{}", found.len());
        object["metadata"]["name"] = format!("{}-{}", object["metadata"]["name"].as_str().unwrap(), found.len()).into();
        if !object["metadata"]["labels"].is_object() {
            object["metadata"]["labels"] = Map::new().into();
        }
        object["metadata"]["labels"]["pair"] = name.as_str().into();
        let every = serde_json::json!({"resourceRules": [
            {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}]});
        let mut constraints = matched.cloned().unwrap_or(every);
        constraints["objectSelector"] = serde_json::json!({"matchLabels": {"pair": name}});
        let spec = merged(serde_json::json!({"matchConstraints": constraints}), &spec);
        let binding = merged(serde_json::json!({"policyName": name, "validationActions": ["Deny"]}), binding);
        let head = |kind: &str, spec: Value| serde_json::json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        found.push(Pair {
            policy: head("ValidatingAdmissionPolicy", spec),
            binding: head("ValidatingAdmissionPolicyBinding", binding),
            object,
            expect: expect.to_owned(),
            name,
        });
    };
    for pair in all["pairs"].as_array().unwrap() {
        let mut object = all["bases"][pair["object"].as_str().unwrap()].clone();
        for (path, value) in pair["with"].as_object().into_iter().flatten() {
            set(&mut object, path, value);
        }
        let spec = merged(serde_json::json!({"validations": [{"expression": pair["say"]}]}), &pair["spec"]);
        add(object, spec, pair.get("match"), &pair["binding"], pair["expect"].as_str().unwrap());
    }
    // By chance, the same every time.
    let mut seed = 7_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let numbers: Vec<&usize> = answers.keys().collect();
    for _ in 0..40 {
        let at = *numbers[next(numbers.len())];
        let mut places = Vec::new();
        paths(&answers[&at]["spec"], "object.spec", &mut places);
        let (path, value) = match places.len() {
            0 => ("object.metadata.name".to_owned(), Value::from("x")),
            many => places.swap_remove(next(many)),
        };
        let say = match (next(3), &value) {
            (0, _) | (_, Value::Object(_) | Value::Array(_) | Value::Null)
                if path.contains('.') && !path.ends_with(']') =>
            {
                format!("has({path})")
            }
            (1, value) if !value.is_object() => format!("{path} != {value}"),
            (_, value) if !value.is_object() => format!("{path} == {value}"),
            _ => "has(object.spec)".to_owned(),
        };
        let spec = serde_json::json!({"validations": [{"expression": say}]});
        add(objects[at].clone(), spec, None, &Value::Null, "");
    }
    (all["setup"].as_array().unwrap().clone(), found)
}

/// Fields that an expression can name, with their values.
#[cfg(all(feature = "host", unix))]
fn paths(value: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    let plain = |name: &str| {
        name.chars().all(|c| c.is_ascii_alphanumeric()) && !["namespace", "default", "package"].contains(&name)
    };
    match value {
        Value::Object(map) => {
            for (name, below) in map.iter().filter(|(name, _)| plain(name)) {
                found.push((format!("{at}.{name}"), below.clone()));
                paths(below, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, below) in items.iter().enumerate() {
                paths(below, &format!("{at}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// What `fleetc lint` says about each policy.
#[cfg(all(feature = "host", unix))]
fn ours(setup: &[Value], pairs: &[Pair]) -> BTreeMap<String, (String, String)> {
    let fleet = tempfile::tempdir().unwrap();
    let write = |path: &str, text: String| {
        let path = fleet.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "fleet.yaml",
        "apiVersion: fleetc.dev/v1alpha1\nkind: Fleet\nrepositories: [{url: https://git.example.com/fleet.git, path: .}]\n\
         clusters: [{name: one, server: 'https://one.example.com', kubeVersion: '1.34.4'}]\n"
            .to_owned(),
    );
    write(
        "app.yaml",
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: all, namespace: argocd}}\n\
             spec: {{project: default, source: {{repoURL: https://git.example.com/fleet.git, path: all}}, destination: {{name: one, namespace: {NAMESPACE}}}}}\n"
        ),
    );
    let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"team": "shop"}}});
    let parts = pairs.iter().flat_map(|pair| [&pair.policy, &pair.binding, &pair.object]);
    let text: Vec<String> = [&namespace].into_iter().chain(setup).chain(parts).map(Value::to_string).collect();
    write("all/all.yaml", text.join("\n---\n"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleetc"));
    let output = command.args(["lint", "--offline", "--format", "json"]).arg(fleet.path()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}\n{}", String::from_utf8_lossy(&output.stderr)));
    let mut said = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let verdict = match finding["rule"].as_str().unwrap() {
            "admission/denied" | "admission/broken" => "deny",
            "admission/undecided" => "undecided",
            _ => continue,
        };
        if let Some(name) = finding["policy"].as_str() {
            said.insert(name.to_owned(), (verdict.to_owned(), finding["message"].as_str().unwrap().to_owned()));
        }
    }
    said
}

#[cfg(all(feature = "host", unix))]
#[test]
fn verdicts_are_those_of_a_control_plane() {
    let Some(plane) = super::control_plane::cluster() else { return };
    namespaced(plane);
    let (setup, pairs) = pairs(&recorded(), &objects());
    let said = ours(&setup, &pairs);
    let verdict = |name: &str| said.get(name).cloned().unwrap_or_else(|| ("allow".to_owned(), String::new()));
    let mut wrong = Vec::new();
    for pair in pairs.iter().filter(|pair| !pair.expect.is_empty()) {
        let (ours, why) = verdict(&pair.name);
        if ours != pair.expect {
            wrong
                .push(format!("{}: expected {}, ours {ours} {why}\n  {}", pair.name, pair.expect, pair.policy["spec"]));
        }
    }
    let list = |items: Vec<Value>| serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let mut setup = setup;
    for object in setup.iter_mut().filter(|object| object["kind"] == "ConfigMap") {
        object["metadata"]["namespace"] = NAMESPACE.into();
    }
    plane.apply(&list(setup));
    let guards = || pairs.iter().flat_map(|pair| [pair.policy.clone(), pair.binding.clone()]);
    plane.apply(&list(guards().collect()));
    // The last one that is in force: it denies what has its label.
    let sentinel = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sentinel", "labels": {"pair": "e2e-admission-last"}}});
    let mut last = (pairs[0].policy.clone(), pairs[0].binding.clone());
    for part in [&mut last.0, &mut last.1] {
        part["metadata"]["name"] = "e2e-admission-last".into();
    }
    last.0["spec"]["validations"] = serde_json::json!([{"expression": "false"}]);
    last.0["spec"]["matchConstraints"]["objectSelector"]["matchLabels"]["pair"] = "e2e-admission-last".into();
    last.1["spec"]["policyName"] = "e2e-admission-last".into();
    plane.apply(&list(vec![last.0.clone(), last.1.clone()]));
    let folder = tempfile::tempdir().unwrap();
    let ask = |object: &Value, name: &str| {
        let file = folder.path().join(format!("{name}.json"));
        std::fs::write(&file, object.to_string()).unwrap();
        let path = file.display().to_string();
        plane.kubectl(&["create", "--dry-run=server", "--validate=ignore", "-n", NAMESPACE, "-o", "name", "-f", &path])
    };
    let begin = std::time::Instant::now();
    while ask(&sentinel, "sentinel").status.success() {
        assert!(begin.elapsed().as_secs() < 60, "policies do not come into force");
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (mut compared, mut undecided) = (0, 0);
    for pair in &pairs {
        let output = ask(&pair.object, &pair.name);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let theirs = match output.status.success() {
            true => "allow",
            false if text.contains(&format!("ValidatingAdmissionPolicy '{}'", pair.name)) => "deny",
            false => {
                // Another reason to refuse it: of objects by chance, whose expression may be none for it.
                if !pair.expect.is_empty() {
                    wrong.push(format!("{}: {text}", pair.name));
                }
                continue;
            }
        };
        let (ours, why) = verdict(&pair.name);
        compared += 1;
        undecided += usize::from(ours == "undecided");
        if ours != "undecided" && ours != theirs {
            let say = &pair.policy["spec"]["validations"];
            wrong.push(format!("{}: server {theirs} {text}, ours {ours} {why}\n  {say} {}", pair.name, pair.object));
        }
    }
    let all: Vec<String> = guards()
        .map(|guard| format!("{}/{}", guard["kind"].as_str().unwrap(), guard["metadata"]["name"].as_str().unwrap()))
        .collect();
    let mut delete = vec!["delete", "--ignore-not-found", "--wait=false"];
    delete.extend(all.iter().map(String::as_str));
    plane.kubectl(&delete);
    assert!(compared >= 110 && undecided <= compared / 4, "{compared} compared, {undecided} undecided");
    assert!(wrong.is_empty(), "{} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
}
