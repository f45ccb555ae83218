//! Our verdict on objects of built-in kinds against that of a real API server: recorded answers to some 640 objects, valid ones and ones with
//! a field taken away or changed at random (`fixtures/validate/record/mutate.py`), and where there is a control plane the same questions again.

use fleetc::k8s::object::Gvk;
use fleetc::span::FileId;
use fleetc::validate::table::Minor;
use fleetc::validate::{self, Kind, Problem};
use fleetc::yaml::{self, Dialect, Limits, Node, json};
use serde_json::Value;

/// A question and the recorded answer.
struct Row {
    object: Node,
    answer: String,
    fields: Vec<String>,
    message: String,
}

fn rows() -> Vec<Row> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/validate");
    let text = std::fs::read(folder.join("objects.yaml")).unwrap();
    let parsed = yaml::parse(FileId::NONE, &text, Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none());
    let objects: Vec<Node> = parsed.documents.into_iter().map(|document| document.root).collect();
    let answers = std::fs::read_to_string(folder.join("answers.jsonl")).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let mut object = objects[row["of"].as_u64().unwrap() as usize].clone();
        let path = row["at"].as_array().unwrap();
        if !(path.is_empty() && row["set"].is_null()) {
            let value = json::parse(FileId::NONE, row["set"].to_string().as_bytes()).unwrap();
            let slot = path.iter().fold(&mut object, |node, step| match step.as_u64() {
                Some(at) => &mut node.seq_mut().unwrap()[at as usize],
                None => node.get_mut(step.as_str().unwrap()).unwrap(),
            });
            *slot = value;
        }
        Row {
            object,
            answer: row["answer"].as_str().unwrap().to_owned(),
            fields: row["fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap().to_owned()).collect(),
            message: row["message"].as_str().unwrap().to_owned(),
        }
    };
    answers.lines().map(row).collect()
}

/// What only code of the server knows, since it depends on another field: the end of a field's path, and why.
const OWN: [(&str, &str); 18] = [
    ("].apiGroups", "only where a rule names no URLs"),
    ("].resources", "only where a rule names no URLs"),
    (".type", "of a CRD's schema: only of fields, not of alternatives"),
    (".openAPIV3Schema", "a schema without anything in it"),
    ("clientConfig", "one of two, and not both"),
    (".ports", "only of a Service that has addresses"),
    ("].name", "only where a Service has several ports"),
    (".persistentVolumeClaim.claimName", "of a volume that the server makes of a claim template"),
    (".values", "only of some operators"),
    (".averageValue", "one of several, by the type"),
    ("[storage]", "an entry of a map"),
    ("spec.capacity", "an entry of a map"),
    ("].namespaces", "only of resources in namespaces"),
    (".policies", "only beside a policy of selection"),
    (".restartPolicy", "of Jobs, whose default is none that they may have"),
    ("clusterRoleSelectors", "only where rules are aggregated"),
    (".accessModes", "only of claims that are not made by a template"),
    (".resource", "one of several, by the type"),
];

/// Whether two verdicts agree: on type, unknown fields, missing fields and values. What a server says first hides the rest.
fn agrees(row: &Row, problems: &[Problem]) -> bool {
    let has = |kind: Kind| problems.iter().any(|problem| problem.kind == kind);
    let decodes = !has(Kind::WrongType) && !has(Kind::UnknownField);
    let own = |field: &String| OWN.iter().any(|(end, _)| field.ends_with(end));
    let judged = has(Kind::MissingField) || has(Kind::UnknownValue);
    match row.answer.as_str() {
        "type" => has(Kind::WrongType),
        "unknown" => has(Kind::UnknownField) && !has(Kind::WrongType),
        // An empty text is another value than none only where Go holds a pointer, which no document says.
        "value" if row.message.contains("Unsupported value: \"\"") => decodes,
        "missing" | "value" => decodes && (judged || row.fields.iter().any(own)),
        // Refused as well, with another word: a name that is missing is an empty one, and that is no name.
        "other" if [": \"\": ", "Invalid value: 0: "].iter().any(|empty| row.message.contains(empty)) => decodes,
        _ => decodes && !judged,
    }
}

fn verdict(object: &Node) -> Vec<Problem> {
    validate::check(object, &Gvk::of(object), Minor(34)).expect("a built-in kind")
}

#[test]
fn verdicts_are_those_of_an_api_server() {
    let rows = rows();
    let mut wrong = Vec::new();
    for row in &rows {
        let problems = verdict(&row.object);
        if !agrees(row, &problems) {
            let ours: Vec<String> = problems.iter().map(|p| format!("{:?}: {}", p.kind, p.message)).collect();
            wrong.push(format!("{} {:?}\n  server: {}\n  ours: {ours:?}", row.answer, row.fields, row.message));
        }
    }
    assert!(rows.len() >= 200, "{} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// The answers are still those of the server.
#[cfg(all(feature = "host", unix))]
#[test]
fn recorded_answers_are_those_of_a_control_plane() {
    let Some(plane) = super::control_plane::cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows = rows();
    let mut wrong = Vec::new();
    // One file for all that is taken, and some of those that are not, each alone: kubectl takes its time.
    let taken: Vec<&Row> = rows.iter().filter(|row| row.answer == "valid").step_by(4).collect();
    for (number, row) in taken.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number:03}.json")), json::to_json(&row.object).unwrap()).unwrap();
    }
    let path = folder.path().display().to_string();
    let arguments = |path: &str| {
        ["create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", path].map(str::to_owned).to_vec()
    };
    let run = |path: &str| plane.kubectl(&arguments(path).iter().map(String::as_str).collect::<Vec<_>>());
    let output = run(&path);
    let named = String::from_utf8_lossy(&output.stdout).lines().count();
    // Objects that need another one first, or whose name a server has: an answer, but no refusal of their fields.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let others = text.lines().filter(|line| !line.trim().is_empty()).count();
    if named + others < taken.len() || text.contains("strict decoding") || text.contains("is invalid") {
        wrong.push(format!("{named} of {} taken: {text}", taken.len()));
    }
    for row in rows.iter().filter(|row| row.answer != "valid" && row.answer != "other").step_by(12) {
        let file = folder.path().join("one.json");
        std::fs::write(&file, json::to_json(&row.object).unwrap()).unwrap();
        let output = run(&file.display().to_string());
        if output.status.success() {
            wrong.push(format!("taken, and was not: {}", row.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
