//! What moves, and what does not.

use super::*;

fn node(text: &str) -> Node {
    json::parse(FileId::NONE, text.as_bytes()).expect("JSON")
}

fn live(entries: &[(&str, &str, &str, &str)]) -> Node {
    let entries: Vec<String> = entries
        .iter()
        .map(|(manager, operation, version, fields)| {
            format!(
                r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"{version}","time":"2026-01-0{}T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{fields}}}"#,
                manager.len() % 9 + 1
            )
        })
        .collect();
    node(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","uid":"u","resourceVersion":"7","managedFields":[{}]}},"data":{{"a":"1","b":"2","c":"3"}}}}"#,
        entries.join(",")
    ))
}

fn from(deployers: &[Deployer]) -> Route {
    Route::From(deployers.iter().copied().collect())
}

const A: &str = r#"{"f:data":{"f:a":{}}}"#;
const B: &str = r#"{"f:data":{"f:b":{}}}"#;
const C: &str = r#"{"f:data":{"f:c":{}}}"#;

/// Managers afterwards, and what they own.
fn afterwards(transfer: &Transfer) -> Vec<String> {
    let after =
        node(&format!(r#"{{"metadata":{{"managedFields":{}}}}}"#, json::to_json(&transfer.managed).expect("JSON")));
    let all = managers(&after).expect("managers");
    all.iter().map(|one| format!("{} {} {}", one.name, one.applied, one.fields.text())).collect()
}

#[test]
fn exactly_what_the_chosen_own_moves() {
    let live = live(&[
        ("argocd-controller", "Apply", "v1", A),
        ("kubectl-client-side-apply", "Update", "v1", B),
        ("before-first-apply", "Update", "v1", C),
        ("kubectl-edit", "Update", "v1", C),
    ]);
    let one = transfer(&live, "v1", &from(&[Deployer::ArgoCd])).expect("readable").expect("something moves");
    assert_eq!(
        afterwards(&one),
        [
            format!("kubectl-client-side-apply false {B}"),
            format!("before-first-apply false {C}"),
            format!("kubectl-edit false {C}"),
            format!("fleetc true {A}"),
        ]
    );
    let both = transfer(&live, "v1", &from(&[Deployer::ArgoCd, Deployer::Kubectl])).expect("readable").expect("moves");
    assert_eq!(afterwards(&both).last(), Some(&r#"fleetc true {"f:data":{"f:a":{},"f:b":{}}}"#.to_owned()));
    assert_eq!(both.moves.iter().map(|moved| moved.fields).collect::<Vec<_>>(), [1, 1]);
    assert!(transfer(&live, "v1", &from(&[Deployer::Helm])).expect("readable").is_none());
}

#[test]
fn what_is_ours_already_stays_ours() {
    let live = live(&[("fleetc", "Apply", "v1", C), ("helm", "Update", "v1", A)]);
    let found = transfer(&live, "v1", &from(&[Deployer::Helm])).expect("readable").expect("something moves");
    assert_eq!(afterwards(&found), [r#"fleetc true {"f:data":{"f:a":{},"f:c":{}}}"#]);
}

#[test]
fn paths_of_another_version_move_where_they_are_there() {
    let old = r#"{"f:data":{"f:a":{},"f:gone":{}}}"#;
    let live = live(&[("helm", "Update", "v1beta1", old)]);
    let found = transfer(&live, "v1", &from(&[Deployer::Helm])).expect("readable").expect("something moves");
    assert_eq!(afterwards(&found), [format!("fleetc true {A}")]);
}

#[test]
fn the_patch_names_the_version_that_was_read_and_no_value() {
    let live = live(&[("helm", "Update", "v1", A)]);
    let found = transfer(&live, "v1", &from(&[Deployer::Helm])).expect("readable").expect("something moves");
    let patch = found.patch(&live::seen(&live)).expect("JSON");
    assert!(patch.ends_with(r#"{"op":"replace","path":"/metadata/resourceVersion","value":"7"}]"#), "{patch}");
    assert!(!patch.contains("\"1\"") && !patch.contains("/data"), "{patch}");
}

#[test]
fn managers_that_cannot_be_read_move_nothing() {
    let live = node(
        r#"{"metadata":{"managedFields":[{"manager":"helm","operation":"Update","apiVersion":"v1","fieldsV1":{"x":{}}}]}}"#,
    );
    assert!(transfer(&live, "v1", &from(&[Deployer::Helm])).is_err());
}

#[test]
fn the_way_back_gives_what_is_ours_to_a_deployer() {
    let live = live(&[
        ("fleetc", "Apply", "v1", C),
        ("argocd-controller", "Apply", "v1", A),
        ("kubectl-edit", "Update", "v1", B),
    ]);
    let found = transfer(&live, "v1", &Route::BackTo(Deployer::ArgoCd)).expect("readable").expect("something moves");
    assert_eq!(
        afterwards(&found),
        [format!("kubectl-edit false {B}"), r#"argocd-controller true {"f:data":{"f:a":{},"f:c":{}}}"#.to_owned()]
    );
    assert_eq!(Deployer::ALL.map(Deployer::applier), ["argocd-controller", "helm", "kustomize-controller", "kubectl"]);
}
