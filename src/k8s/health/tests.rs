//! Health against `fixtures/k8s/health.yaml`, and what others wait for.

use super::established::{Established, established};
use super::*;
use crate::span::FileId;
use crate::yaml::{Dialect, Limits, parse};

fn documents(text: &str) -> Vec<Node> {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    assert!(parsed.error.is_none(), "{:?}", parsed.error);
    parsed.documents.into_iter().map(|document| document.root).collect()
}

#[test]
fn cases() {
    let cases = documents(include_str!("../../../fixtures/k8s/health.yaml"));
    assert!(cases.len() > 120);
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.get("case").and_then(Node::text).unwrap();
        let scripts = case.get("scripts").map(Scripts::read);
        assert!(scripts.iter().all(|read| read.diagnostics.is_empty()), "{name}");
        let got = health(case.get("object").unwrap(), &scripts.map(|read| read.value).unwrap_or_default());
        let good = match (&got, case.get("error").and_then(Node::text), case.get("expect")) {
            (Err(message), Some(part), _) => message.contains(part) && !message.contains('\n'),
            (Ok(None), None, Some(expect)) => expect.is_null(),
            (Ok(Some(health)), None, Some(expect)) => {
                let written: Vec<&str> = expect.as_seq().unwrap_or_default().iter().filter_map(Node::text).collect();
                written == [health.status.name(), &*health.message, &*format!("{:?}", health.by)]
            }
            _ => false,
        };
        if !good {
            wrong.push(format!("{name}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn malformed_keys_are_reported() {
    for (key, value) in [
        ("resource.customizations.health.a_b_c", "return {}"),
        ("resource.customizations.useOpenLibs.Pod", "maybe"),
        ("resource.customizations", "- {"),
    ] {
        let mut data = crate::yaml::Map::new();
        data.insert(key, Node::str(value));
        let read = Scripts::read(&Node::map(data));
        assert_eq!(read.diagnostics.iter().count(), 1, "{key}");
        assert_eq!(read.value, Scripts::default());
    }
}

#[test]
fn what_others_wait_for() {
    let objects = "
- {apiVersion: v1, kind: Namespace, status: {phase: Active}}
- {apiVersion: v1, kind: Namespace, status: {phase: Terminating}}
- {apiVersion: v1, kind: Namespace, metadata: {deletionTimestamp: now}, status: {phase: Active}}
- {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: 'True'}]}}
- {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition}
- {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: NamesAccepted, status: 'False'}]}}
- {apiVersion: apiregistration.k8s.io/v1, kind: APIService, status: {conditions: [{type: Available, status: 'True'}]}}
- {apiVersion: apiregistration.k8s.io/v1, kind: APIService, status: {conditions: [{type: Available, status: 'False'}]}}
- {apiVersion: v1, kind: ConfigMap}
";
    let letters: String = documents(objects)[0]
        .as_seq()
        .unwrap()
        .iter()
        .map(|object| match established(object) {
            Some(Established::Yes) => 'y',
            Some(Established::NotYet(_)) => 'n',
            Some(Established::Never(_)) => '!',
            None => '-',
        })
        .collect();
    assert_eq!(letters, "ynnyn!yn-");
}
