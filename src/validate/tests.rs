//! Versions, API versions and custom objects; built-in kinds are compared with a server's answers in `tests/it/lint_answers.rs`.

use super::apis::{Serving, serving};
use super::crd::Definition;
use super::format::{has_format, is_base64, is_quantity, is_time};
use super::table::Minor;
use super::{Kind, check};
use crate::k8s::object::Gvk;
use crate::span::FileId;
use crate::yaml::{self, Dialect, Limits, Node};

fn node(text: &str) -> Node {
    let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    parsed.documents.into_iter().next().unwrap().root
}

#[test]
fn versions_of_kubernetes_are_told_apart() {
    assert_eq!(Minor::parse("v1.34.1+k3s1"), Some(Minor(34)));
    assert_eq!(Minor::parse("1.33"), Some(Minor(33)));
    assert_eq!(Minor::parse("2.1"), None);
    assert_eq!((Minor::oldest(), Minor::newest()), (Minor(31), Minor(36)));
    let pod = node(
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a, restartPolicyRules: []}]}}",
    );
    let kinds =
        |minor| check(&pod, &Gvk::of(&pod), Minor(minor)).unwrap().into_iter().map(|p| p.kind).collect::<Vec<_>>();
    assert_eq!(kinds(33), [Kind::UnknownField]);
    assert_eq!(kinds(34), []);
    // Older and newer than the tables count as the nearest.
    assert_eq!(kinds(20), [Kind::UnknownField]);
    assert_eq!(kinds(99), []);
}

#[test]
fn api_versions_come_and_go() {
    let ask = |api: &str, kind: &str, minor: u32| serving(&Gvk::new(api, kind), Minor(minor));
    assert_eq!(ask("apps/v1", "Deployment", 34), Serving::Served);
    assert!(
        matches!(ask("extensions/v1beta1", "Ingress", 34), Serving::Removed(Minor(22), hint) if hint.contains("networking.k8s.io/v1"))
    );
    assert!(matches!(
        ask("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 31),
        Serving::Deprecated(Minor(29), Some(Minor(32)), _)
    ));
    assert!(matches!(ask("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", 32), Serving::Removed(Minor(32), _)));
    assert_eq!(ask("resource.k8s.io/v1alpha3", "DeviceTaintRule", 34), Serving::OffByDefault);
    assert!(
        matches!(ask("resource.k8s.io/v1", "ResourceClaim", 31), Serving::Unknown(Some(hint)) if hint.contains("from 1.34 on"))
    );
    assert!(matches!(ask("apps/v1", "Deploymnet", 34), Serving::Unknown(Some(hint)) if hint.contains("Deployment")));
    assert!(matches!(ask("v1", "Deployment", 34), Serving::Unknown(_)));
    assert_eq!(ask("example.com/v1", "Widget", 34), Serving::Custom);
    // Named like a group of Kubernetes, and none.
    assert_eq!(ask("gateway.networking.k8s.io/v1", "Gateway", 34), Serving::Custom);
}

#[test]
fn texts_have_their_forms() {
    for good in ["1", "1.5", "100m", "1Gi", "1e3", "+2", "-1", ".5", "5.", "1E3", "1E"] {
        assert!(is_quantity(good), "{good}");
    }
    for bad in ["", "half", "1 Gi", "1gi", "--1", "1.2.3", "e3", "1e", "Ki"] {
        assert!(!is_quantity(bad), "{bad}");
    }
    for good in ["2026-01-31T12:00:00Z", "2024-02-29T00:00:00.123+02:00"] {
        assert!(is_time(good), "{good}");
    }
    for bad in ["2026-01-31", "2026-02-30T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", ""] {
        assert!(!is_time(bad), "{bad}");
    }
    assert!(is_base64("aGVsbG8=") && is_base64("aGVs\nbG8=") && !is_base64("aGVsbG8") && !is_base64("a b"));
    assert!(has_format("10.0.0.0/8", "cidr") && !has_format("10.0.0.0/33", "cidr") && has_format("x", "unheard-of"));
}

#[test]
fn custom_objects_follow_their_schema() {
    let definition = node(
        r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec:
  group: example.com
  names: {kind: Widget}
  versions:
  - name: v1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size, kept]
            properties:
              size: {type: integer, minimum: 1, exclusiveMaximum: true, maximum: 9}
              kept: {type: string, default: a}
              color: {type: string, enum: [red, green], nullable: true}
              names: {type: array, maxItems: 2, x-kubernetes-list-type: set, items: {type: string, pattern: "^\\d+$"}}
              ports: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [port], items: {type: object, properties: {port: {type: integer}}}}
              any: {x-kubernetes-int-or-string: true}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: integer}}}
              one: {oneOf: [{required: [a]}, {required: [b]}], type: object, properties: {a: {type: integer}, b: {type: integer}}}
              not: {type: string, not: {enum: [x]}}
              pod: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object}}}
"#,
    );
    let definition = Definition::of(&definition).unwrap();
    let kinds = |spec: &str| {
        let object =
            node(&format!("{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: a}}, spec: {spec}}}"));
        definition.check(&object, Minor(34)).unwrap().into_iter().map(|problem| problem.kind).collect::<Vec<_>>()
    };
    use Kind::{BadValue, DuplicateItem, MissingField, UnknownField, UnknownValue, WrongType};
    for (spec, want) in [
        ("{size: 3}", vec![]),
        ("{size: 3.0, color: null, kept: null}", vec![]),
        ("{}", vec![MissingField]),
        ("{size: 9}", vec![BadValue]),
        ("{size: 0}", vec![BadValue]),
        ("{size: \"1\"}", vec![WrongType]),
        ("{size: 1.5}", vec![WrongType]),
        ("{size: null}", vec![WrongType]),
        ("{size: 1, colour: red}", vec![UnknownField]),
        ("{size: 1, color: blue}", vec![UnknownValue]),
        ("{size: 1, names: [\"1\", \"1\"]}", vec![DuplicateItem]),
        ("{size: 1, names: [\"1\", \"2\", \"3\"]}", vec![BadValue]),
        ("{size: 1, names: [\"١\"]}", vec![BadValue]),
        ("{size: 1, ports: [{port: 1}, {port: 1}]}", vec![DuplicateItem]),
        ("{size: 1, any: x}", vec![]),
        ("{size: 1, any: 1}", vec![]),
        ("{size: 1, any: true}", vec![WrongType]),
        ("{size: 1, free: {b: 1, a: 2}}", vec![]),
        ("{size: 1, free: {a: x}}", vec![WrongType]),
        ("{size: 1, one: {a: 1}}", vec![]),
        ("{size: 1, one: {}}", vec![MissingField]),
        ("{size: 1, one: {a: 1, b: 1}}", vec![BadValue]),
        ("{size: 1, not: x}", vec![BadValue]),
        ("{size: 1, not: z}", vec![]),
        ("{size: 1, pod: {apiVersion: v1, kind: Pod, metadata: {name: a, labls: {}}}}", vec![UnknownField]),
        ("[]", vec![WrongType]),
    ] {
        assert_eq!(kinds(spec), want, "{spec}");
    }
}
