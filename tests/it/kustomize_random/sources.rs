//! Random generators, plugins configured by objects, and the files that teach kustomize about kinds: configurations, crds, openapi.

use std::fmt::Write as _;

use super::changes::Place;
use super::random::{Random, text, word};

/// A generator that was written: its field and name.
pub(super) type Generated = (&'static str, &'static str);

/// `configMapGenerator` and `secretGenerator`. Those of a base are `known` and can be merged into or replaced.
pub(super) fn generators(
    random: &mut Random,
    place: &mut Place<'_>,
    known: &[Generated],
    out: &mut String,
) -> Vec<Generated> {
    let mut made: Vec<Generated> = Vec::new();
    for field in ["configMapGenerator", "secretGenerator"] {
        if !random.chance(60) {
            continue;
        }
        let mut entries = String::new();
        for name in ["gen", "gen-2", "x.y"] {
            if !random.chance(50) {
                continue;
            }
            let behavior = if known.contains(&(field, name)) {
                random.pick(&[", behavior: merge", ", behavior: replace"])
            } else {
                made.push((field, name));
                random.pick(&["", "", ", behavior: create", ", behavior: unspecified"])
            };
            let _ = writeln!(entries, "- {{name: {name}{behavior}{}, {}}}", options(random, field), source(random));
        }
        if !entries.is_empty() {
            let _ = write!(out, "{field}:\n{entries}");
        }
    }
    let file = random.pick(&[
        "hello\n",
        "one\n\ttwo\n",
        "<a>&\"b\"\n",
        "trail \n",
        "",
        "\n\nx\n\n",
        "🚀 größe",
        "x\r\ny\r\n",
        "{\"a\": 1}\n",
        "\u{feff}bom\n",
    ]);
    place.files.insert(format!("{}/f.txt", place.dir), file.repeat(1 + random.below(5)));
    let env = random.pick(&[
        "A=1\nB=two words \n",
        "# c\n\nA='q'\nBARE\n",
        "\u{feff}A=1\r\nB=x=y\r\n",
        "  A=\"1\"\n=x\nC.d-e=ü\n",
    ]);
    place.files.insert(format!("{}/e.env", place.dir), env.to_owned());
    if random.chance(20) {
        out.push_str(random.pick(&[
            "generatorOptions: {labels: {go: '1'}, annotations: {ga: x}}\n",
            "generatorOptions: {disableNameSuffixHash: true}\n",
            "generatorOptions: {immutable: true, labels: {g: other}}\n",
        ]));
    }
    made
}

fn options(random: &mut Random, field: &str) -> String {
    let mut out = random
        .pick(&[
            "",
            "",
            ", options: {disableNameSuffixHash: true}",
            ", options: {labels: {g: h}, immutable: true}",
            ", options: {annotations: {g: '1'}}",
            ", namespace: one",
        ])
        .to_owned();
    if field == "secretGenerator" && random.chance(25) {
        out.push_str(", type: kubernetes.io/tls");
    }
    out
}

fn source(random: &mut Random) -> String {
    let fixed = random.pick(&[
        "files: [f.txt]",
        "envs: [e.env]",
        "env: e.env",
        "files: [k=f.txt], literals: [a=1]",
        "literals: [\"q='x y'\", b=, 'e=a=b', \"t=\\ttab\"]",
        "files: [f.txt, other=f.txt], envs: [e.env]",
        "",
    ]);
    if fixed.is_empty() { format!("literals: ['k=v', {}]", quoted_pair(random)) } else { fixed.to_owned() }
}

fn quoted_pair(random: &mut Random) -> String {
    let text = text(random);
    match text.chars().next() {
        Some('"') => format!("\"u={}", &text[1..]),
        Some('\'') => format!("'u={}", &text[1..]),
        _ => format!("'u={text}'"),
    }
}

/// Objects that configure transformers.
const TRANSFORMERS: [&str; 15] = [
    "kind: PrefixTransformer\nmetadata: {name: t}\nprefix: t-\nfieldSpecs: [{path: metadata/name, kind: ConfigMap}]",
    "kind: SuffixTransformer\nmetadata: {name: t}\nsuffix: -t\nfieldSpecs: [{path: metadata/name}]",
    "kind: PrefixSuffixTransformer\nmetadata: {name: t}\nprefix: a-\nsuffix: -z\nfieldSpecs: [{path: metadata/name, kind: Secret}]",
    "kind: NamespaceTransformer\nmetadata: {name: t, namespace: three}\nunsetOnly: true\nsetRoleBindingSubjects: allServiceAccounts\nfieldSpecs: [{path: metadata/name, kind: Namespace, create: true}]",
    "kind: NamespaceTransformer\nmetadata: {name: t, namespace: three}\nsetRoleBindingSubjects: none",
    "kind: LabelTransformer\nmetadata: {name: t}\nlabels: {tl: '1', app: z}\nfieldSpecs: [{path: metadata/labels, create: true}, {path: spec/selector/matchLabels, kind: Deployment, create: true}]",
    "kind: AnnotationsTransformer\nmetadata: {name: t}\nannotations: {ta: yes-x, b: '2'}\nfieldSpecs: [{path: metadata/annotations, create: true}]",
    "kind: ImageTagTransformer\nmetadata: {name: t}\nimageTag: {name: nginx, newTag: t1}\nfieldSpecs: [{path: spec/pod/containers/image, kind: Widget}]",
    "kind: ReplicaCountTransformer\nmetadata: {name: t}\nreplica: {name: b, count: 5}\nfieldSpecs: [{path: spec/replicas, create: true, kind: Deployment}]",
    "kind: PatchTransformer\nmetadata: {name: t}\npatch: '[{\"op\": \"add\", \"path\": \"/metadata/annotations\", \"value\": {\"pt\": \"x\"}}]'\ntarget: {kind: Deployment}",
    "kind: PatchTransformer\nmetadata: {name: t}\npatch: '{apiVersion: v1, kind: X, metadata: {name: x}, late: {a: 1}}'\ntarget: {kind: Widget}",
    "kind: PatchJson6902Transformer\nmetadata: {name: t}\ntarget: {kind: Service, name: web}\njsonOp: '- {op: add, path: /spec/type, value: NodePort}'",
    "kind: ReplacementTransformer\nmetadata: {name: t}\nreplacements: [{sourceValue: rt, targets: [{select: {kind: ConfigMap}, fieldPaths: [data.rt], options: {create: true}}]}]",
    "kind: ValueAddTransformer\nmetadata: {name: t}\nvalue: added\ntargets: [{selector: {kind: Widget}, fieldPath: spec/added}, {fieldPath: metadata/annotations/va}]",
    "kind: HashTransformer\nmetadata: {name: t}",
];

/// Objects that configure generators.
const GENERATORS: [&str; 4] = [
    "kind: ConfigMapGenerator\nmetadata: {name: plug}\nliterals: [a=b, c=1]",
    "kind: SecretGenerator\nmetadata: {name: plug, namespace: one}\nliterals: [a=b]\ntype: T\noptions: {disableNameSuffixHash: true}",
    "kind: ConfigMapGenerator\nmetadata: {name: other}\nname: plug-2\nbehavior: create\nliterals: [x=y]",
    "kind: IAMPolicyGenerator\nmetadata: {name: plug}\ncloud: gke\nkubernetesService: {name: ksa, namespace: one}\nserviceAccount: {name: gsa, projectId: p}",
];

/// Objects that configure validators: they may change nothing but one label.
const VALIDATORS: [&str; 2] = [
    "kind: LabelTransformer\nmetadata: {name: v}\nlabels: {validated-by: us}\nfieldSpecs: [{path: metadata/labels, create: true}]",
    "kind: PrefixTransformer\nmetadata: {name: v}\nprefix: v-\nfieldSpecs: [{path: metadata/name, kind: Nothing}]",
];

/// `generators`, `transformers`, `validators`: in place, from files and from directories.
pub(super) fn plugins(random: &mut Random, place: &mut Place<'_>, out: &mut String) {
    let all: [(&str, &[&'static str], usize); 3] =
        [("generators", &GENERATORS, 15), ("transformers", &TRANSFORMERS, 25), ("validators", &VALIDATORS, 3)];
    for (field, list, chance) in all {
        if !random.chance(chance) {
            continue;
        }
        let _ = writeln!(out, "{field}:");
        let several = 1 + random.below(2);
        for at in 0..several {
            // No two of a kind, as they have one name.
            let config = format!(
                "apiVersion: builtin\n{}",
                list[(random.below(list.len() / several) * several + at) % list.len()]
            );
            let config = config.replace("name: t", &format!("name: t{at}"));
            let scaled = place.made.iter().find(|made| made.kind == "Deployment").map(|made| made.name);
            let config = match scaled {
                Some(name) => config.replace("name: b, count", &format!("name: {name}, count")),
                None if config.contains("count: 5") => format!("apiVersion: builtin\n{}", list[0]),
                None => config,
            };
            match random.below(3) {
                0 => {
                    let file = place.file("plugin", format!("{config}\n"));
                    let _ = writeln!(out, "- {file}");
                }
                1 => {
                    let dir = format!("{}-{field}{at}", place.dir);
                    place.files.insert(format!("{dir}/p.yaml"), format!("{config}\n"));
                    place.files.insert(format!("{dir}/kustomization.yaml"), "resources: [p.yaml]\n".to_owned());
                    let _ = writeln!(out, "- ../{dir}");
                }
                _ => {
                    let _ = writeln!(out, "- |-\n  {}", config.replace('\n', "\n  "));
                }
            }
        }
    }
}

/// `configurations`, `crds` and `openapi`.
pub(super) fn knowledge(random: &mut Random, place: &mut Place<'_>, root: bool, out: &mut String) {
    if random.chance(15) {
        let conf = random.pick(&[
            "nameReference:\n- {kind: ConfigMap, version: v1, fieldSpecs: [{kind: Widget, path: spec/ref}]}\nnamePrefix: [{kind: Widget, path: spec/ref}]\ncommonLabels: [{kind: Widget, path: spec/lab, create: true}]\n",
            "nameReference:\n- {kind: Widget, fieldSpecs: [{kind: Widget, path: spec/ref}, {path: spec/template/spec/volumes/configMap/name}]}\nimages: [{path: spec/pod/containers/image, kind: Widget}]\nreplicas: [{path: spec/count, create: true, kind: Widget}]\n",
            "varReference: [{path: spec/text, kind: Widget}, {path: data/a}]\ncommonAnnotations: [{path: spec/ann, kind: Widget, create: true}]\nlabels: [{path: spec/lab2, kind: Widget, create: true}]\ntemplateLabels: [{path: spec/lab3, kind: Widget, create: true}]\n",
            "namespace: [{path: spec/ns, kind: Widget, create: true}]\nnameSuffix: [{path: spec/text, kind: Widget}]\nvolumeClaimTemplateLabels: [{path: spec/lab4, kind: Widget, create: true}]\n",
        ]);
        let file = place.file("conf", conf.to_owned());
        let _ = writeln!(out, "configurations: [{file}]");
    }
    if random.chance(12) {
        let property = random.pick(&[
            r#""pod": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "Secret", "x-kubernetes-object-ref-name-key": "containers/name"}"#,
            r#""pod": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap", "x-kubernetes-object-ref-name-key": "x"}"#,
            r#""lab": {"x-kubernetes-label-selector": ""}, "ann": {"x-kubernetes-annotation": ""}"#,
            r#""text": {"x-kubernetes-identity": ""}, "parts": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap"}"#,
        ]);
        let crd = format!(
            r##"{{"com.example.v1.Widget": {{"Schema": {{"properties": {{"apiVersion": {{}}, "kind": {{}}, "metadata": {{}}, "spec": {{"$ref": "com.example.v1.Spec"}}}}}}}}, "com.example.v1.Spec": {{"Schema": {{"properties": {{{property}}}}}}}}}"##
        );
        let file = place.file("crd", crd);
        let _ = writeln!(out, "crds: [{file}]");
    }
    if random.chance(if root { 10 } else { 3 }) {
        let strategy = random.pick(&[
            r#""x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name""#,
            r#""x-kubernetes-list-map-keys": ["name"], "x-kubernetes-list-type": "map""#,
            r#""x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-map-keys": ["name"]"#,
        ]);
        let schema = format!(
            r##"{{"definitions": {{"W": {{"type": "object", "x-kubernetes-group-version-kind": [{{"group": "example.com", "kind": "Widget", "version": "v1"}}], "properties": {{"spec": {{"$ref": "#/definitions/S"}}}}}}, "S": {{"type": "object", "properties": {{"parts": {{"type": "array", {strategy}, "items": {{"type": "object"}}}}, "list": {{"type": "array", "x-kubernetes-patch-strategy": "merge", "items": {{"type": "string"}}}}}}}}}}}}"##
        );
        let file = place.file("schema", schema);
        let _ = writeln!(out, "openapi: {{path: {file}}}");
    } else if random.chance(3) {
        out.push_str("openapi: {version: v1.21.2}\n");
    }
    if root && random.chance(20) {
        out.push_str(random.pick(&[
            "buildMetadata: [originAnnotations]\n",
            "buildMetadata: [transformerAnnotations, managedByLabel]\n",
            "buildMetadata: [originAnnotations, transformerAnnotations]\n",
            "sortOptions: {order: fifo}\n",
            "sortOptions: {order: legacy, legacySortOptions: {orderFirst: [Widget], orderLast: [Secret]}}\n",
        ]));
    }
    if random.chance(3) {
        let _ = writeln!(out, "metadata: {{name: {}, labels: {{a: b}}}}", word(random));
    }
}
