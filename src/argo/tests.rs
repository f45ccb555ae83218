//! Normalizing against recorded answers of Argo CD itself, and the walk over strings.

use std::collections::BTreeSet;

use super::schema::{Shape, Type};
use super::tables::{APP_PROJECT, APPLICATION, APPLICATION_SET, APPLICATION_SPEC};
use super::{map_strings, normalize, normalize_spec};
use crate::span::FileId;
use crate::yaml::emit::to_yaml;
use crate::yaml::{Dialect, Limits, Map, Node, parse};

fn documents(text: &str) -> Vec<Node> {
    let parsed = parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
    assert_eq!(parsed.error, None);
    parsed.documents.into_iter().map(|document| document.root).filter(|root| !root.is_null()).collect()
}

fn printed(object: &Node, engine: (u32, u32)) -> String {
    let normal = normalize(object, &APPLICATION, engine);
    let mut out = Map::new();
    out.insert("metadata", normal.get("metadata").cloned().unwrap());
    out.insert("spec", normalize_spec(normal.get("spec").cloned().unwrap()));
    to_yaml(&Node::map(out))
}

/// `applications-3.2.yaml` is what argo-cd v3.2.12 prints of `applications.yaml`; its first line says how it was recorded.
#[test]
fn applications_print_as_argo_cd_prints_them() {
    let inputs = documents(include_str!("../../fixtures/read/argo/applications.yaml"));
    let recorded = include_str!("../../fixtures/read/argo/applications-3.2.yaml").split_once('\n').unwrap().1;
    let recorded: Vec<&str> = recorded.split_terminator("---\n").collect();
    assert_eq!(inputs.len(), recorded.len());
    for (input, want) in inputs.iter().zip(recorded) {
        assert_eq!(printed(input, (3, 2)), *want, "{:?}", input.at(&["metadata", "name"]));
        // What the API has printed is printed the same again.
        assert_eq!(printed(&documents(want)[0], (3, 2)), *want);
    }
}

/// Between 3.3 and 3.4 some fields came behind pointers, and an empty `jsonnet` is no longer printed (argo-cd v3.3.9 and v3.4.7, `types.go`).
#[test]
fn engines_differ() {
    let text = "metadata: {name: a}\nspec:\n  source: {repoURL: x, path: p, tagPrefix: v, directory: {recurse: true}}\n  \
                syncPolicy: {automated: {prune: false}}\n";
    let head = "metadata:\n  name: a\nspec:\n  destination: {}\n  project: default\n  source:\n    directory:\n";
    let [object] = &documents(text)[..] else { panic!() };
    let old = "      jsonnet: {}\n      recurse: true\n    path: p\n    repoURL: x\n  syncPolicy:\n    automated: {}\n";
    assert_eq!(printed(object, (3, 3)), format!("{head}{old}"));
    let new = "      recurse: true\n    path: p\n    repoURL: x\n  syncPolicy:\n    automated:\n      prune: false\n";
    assert_eq!(printed(object, (3, 4)), format!("{head}{new}"));
    let newest = new.replace("repoURL: x\n", "repoURL: x\n    tagPrefix: v\n");
    assert_eq!(printed(object, (3, 5)), format!("{head}{newest}"));
}

#[test]
fn every_string_is_offered_and_nothing_else() {
    let text = "{project: s1, revisionHistoryLimit: 3, unknown: no, sources: [{repoURL: s2, helm: {skipCrds: true, \
                valuesObject: {k1: s3, k2: [s4, 5, null], k3: null, k4: true}, parameters: [{name: s5, value: s6}]}, \
                kustomize: {commonLabels: {k5: s7}, replicas: [{name: s8, count: s9}, {name: '', count: 2}]}}], \
                syncPolicy: {syncOptions: [s10]}, destination: {servers: [s11, {name: s12}]}}";
    let [spec] = &documents(text)[..] else { panic!() };
    let mut seen = BTreeSet::new();
    let walked = map_strings::<()>(spec, &APPLICATION_SPEC, (3, 5), &mut |text, _| {
        seen.insert(text.to_owned());
        Ok(Some(text.to_uppercase()))
    })
    .unwrap();
    let want = (1..=12).map(|n| format!("s{n}")).chain((1..=5).filter(|n| *n != 3).map(|n| format!("k{n}")));
    assert_eq!(seen, want.collect());
    assert_eq!(
        to_yaml(&walked),
        "destination:\n  servers:\n  - S11\n  - name: S12\nproject: S1\nrevisionHistoryLimit: 3\nsources:\n- helm:\n    \
         parameters:\n    - name: S5\n      value: S6\n    skipCrds: true\n    valuesObject:\n      K1: S3\n      K2:\n      - S4\n      \
         - 5\n      - null\n      K4: true\n  kustomize:\n    commonLabels:\n      K5: S7\n    replicas:\n    - count: S9\n      \
         name: S8\n    - count: 2\n      name: \"\"\n  repoURL: S2\nsyncPolicy:\n  syncOptions:\n  - S10\nunknown: \"no\"\n"
            .replace("unknown: \"no\"", "unknown: false")
    );
    let untouched = map_strings::<()>(spec, &APPLICATION_SPEC, (3, 5), &mut |_, _| Ok(None)).unwrap();
    assert_eq!(untouched.get("project"), spec.get("project"));
    assert_eq!(map_strings(spec, &APPLICATION_SPEC, (3, 5), &mut |text, _| Err(text.to_owned())), Err("s1".to_owned()));
}

/// Names in a table are unique for every engine, and no type holds itself: the interpreter's recursion ends.
#[test]
fn tables_are_sound() {
    fn visit(ty: &'static Type, above: &mut Vec<&'static str>, done: &mut BTreeSet<&'static str>) {
        assert!(!above.contains(&ty.name), "{} holds itself: {above:?}", ty.name);
        if !done.insert(ty.name) {
            return;
        }
        above.push(ty.name);
        for engine in [(3, 2), (3, 3), (3, 4), (3, 5)] {
            let mut names = BTreeSet::new();
            for field in ty.fields_of(engine) {
                assert!(names.insert(field.name), "{}.{} is there twice", ty.name, field.name);
            }
        }
        for field in ty.fields {
            let mut shape = &field.shape;
            while let Shape::List(item) | Shape::Map(item) = shape {
                shape = item;
            }
            if let Shape::Struct(inner) | Shape::RawOf(inner) | Shape::StringOr(inner) = shape {
                visit(inner, above, done);
            }
        }
        above.pop();
    }
    for root in [&APPLICATION, &APPLICATION_SET, &APP_PROJECT] {
        visit(root, &mut Vec::new(), &mut BTreeSet::new());
    }
}
