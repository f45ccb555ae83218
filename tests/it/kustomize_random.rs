//! Random kustomizations against the original, to be run at will: `KUSTOMIZE=/path/to/kustomize cargo test --test it kustomize_random`.
//!
//! Bases, overlays, components, generators and every transformer over objects with odd texts are made from a seed and built by both; equal
//! bytes, or both refusing, is right. `FLEETC_RANDOM_CASES` says how many (200), `FLEETC_RANDOM_SEED` where to begin. The folders of those
//! that differ are kept, and their paths printed. Without `KUSTOMIZE` nothing is tested, and the test says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use fleetc::host::files::FileWorld;
use fleetc::path::{FilePath, TreePath};
use fleetc::render::{Stop, kustomize};

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True in `of` out of a hundred.
    fn chance(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const NAMES: [&str; 5] = ["a", "b", "web", "db-1", "x.y"];
const KINDS: [&str; 14] = [
    "ConfigMap",
    "Secret",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "Service",
    "Ingress",
    "Widget",
    "RoleBinding",
    "ServiceAccount",
    "HorizontalPodAutoscaler",
    "Namespace",
    "CustomResourceDefinition",
];
/// Values as they stand in YAML, inside brackets or not.
const SCALARS: [&str; 48] = [
    "plain",
    "yes",
    "off",
    "\"true\"",
    "true",
    "null",
    "~",
    "''",
    "1",
    "'1'",
    "017",
    "0x1F",
    "1_000",
    "1.0",
    "1e3",
    "'1e3'",
    "-0.5",
    "1000000.5",
    "9007199254740993",
    "2020-01-02",
    "'2020-01-02'",
    "2020-01-02T03:04:05Z",
    "1:30",
    "'22:22'",
    "'#x'",
    "'- a'",
    "'a: b'",
    "'a #b'",
    "\"tab\\there\"",
    "\"two\\nlines\"",
    "\"two\\nlines\\n\"",
    "\" lead\"",
    "\"trail \"",
    "\"trail \\nx\"",
    "größe",
    "日本",
    "'🚀 up'",
    "\"\\u2028\"",
    "\"\\x01\"",
    "'{{ x }}'",
    "'*'",
    "'=' ",
    "\"it's\"",
    "'say \"x\"'",
    "[]",
    "{}",
    "[a, 1, null, [b]]",
    "{k: v, n: 1, y: 2}",
];
const WORDS: [&str; 10] =
    ["lorem", "ipsum-dolor", "sit", "a", "éàü", "x: y", "'q'", "https://example.com/some/long/path", "  ", "#"];

/// A value as it stands in YAML.
fn value(random: &mut Random) -> String {
    if random.chance(15) {
        let mut text = String::new();
        for _ in 0..8 + random.below(24) {
            let word = random.pick(&WORDS);
            let _ = write!(text, "{word} ");
        }
        return format!("'{}'", text.replace('\'', "''"));
    }
    random.pick(&SCALARS).to_owned()
}

/// A text as it stands in YAML.
fn text(random: &mut Random) -> String {
    loop {
        let value = value(random);
        if value.starts_with(['\'', '"']) || matches!(&*value, "plain" | "größe" | "日本") {
            return value;
        }
    }
}

fn pod(random: &mut Random) -> String {
    let mut out = String::from("{containers: [");
    for name in ["main", "side"].iter().take(1 + random.below(2)) {
        let image = random.pick(&["nginx", "nginx:1.0", "reg:5000/app:2", "redis@sha256:0123", "ng-x/nginx:1"]);
        let _ = write!(out, "{{name: {name}, image: '{image}'");
        if random.chance(50) {
            let (key, other, value) = (random.pick(&NAMES), random.pick(&NAMES), value(random));
            let _ = write!(
                out,
                ", env: [{{name: A, value: {value}}}, {{name: B, valueFrom: {{configMapKeyRef: {{name: {key}, key: k}}}}}}, {{name: C, valueFrom: {{secretKeyRef: {{name: {other}, key: k}}}}}}]"
            );
        }
        if random.chance(40) {
            out.push_str(random.pick(&[
                ", ports: [{containerPort: 80}]",
                ", ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]",
                ", ports: [{containerPort: 80}, {containerPort: 81, name: x}]",
                ", args: [a, b]",
            ]));
        }
        out.push_str("}, ");
    }
    out.push(']');
    if random.chance(40) {
        let (one, two) = (random.pick(&NAMES), random.pick(&NAMES));
        let _ = write!(
            out,
            ", volumes: [{{name: v, configMap: {{name: {one}}}}}, {{name: w, secret: {{secretName: {two}}}}}]"
        );
    }
    if random.chance(30) {
        let _ = write!(out, ", serviceAccountName: {}", random.pick(&NAMES));
    }
    out.push('}');
    out
}

/// What stands below the metadata of an object.
fn body(random: &mut Random, kind: &str) -> String {
    let name = random.pick(&NAMES);
    match kind {
        "ConfigMap" => format!("data: {{a: {}, b: {}, k10: x, k9: {}}}\n", text(random), text(random), text(random)),
        "Secret" => "type: Opaque\ndata: {a: YQ==}\nstringData: {b: plain}\n".to_owned(),
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            let replicas = random.pick(&["", "  replicas: 2\n", "  serviceName: web\n"]);
            let labels =
                random.pick(&["", "metadata: {labels: {app: x}}, ", "metadata: {labels: null}, ", "metadata: {}, "]);
            format!(
                "spec:\n{replicas}  selector: {{matchLabels: {{app: x}}}}\n  template: {{{labels}spec: {}}}\n",
                pod(random)
            )
        }
        "CronJob" => {
            format!("spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{template: {{spec: {}}}}}}}}}\n", pod(random))
        }
        "Service" => {
            let ports = random.pick(&["[{port: 80}]", "[{port: 80, protocol: TCP}, {port: 80, protocol: UDP}]", "[]"]);
            format!("spec: {{selector: {{app: x}}, ports: {ports}}}\n")
        }
        "Ingress" => format!(
            "spec: {{tls: [{{secretName: {name}}}], rules: [{{http: {{paths: [{{backend: {{service: {{name: {name}}}}}}}]}}}}]}}\n"
        ),
        "RoleBinding" => format!(
            "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\nsubjects: [{{kind: ServiceAccount, name: {name}, namespace: default}}, {{kind: ServiceAccount, name: default}}]\n"
        ),
        "HorizontalPodAutoscaler" => format!("spec: {{scaleTargetRef: {{kind: Deployment, name: {name}}}}}\n"),
        "Widget" => {
            let mut out = String::from("spec:\n");
            for key in ["size", "n", "A", "a10", "a9", "deep.er"] {
                let _ = writeln!(out, "  {key}: {}", value(random));
            }
            let _ = write!(out, "  parts: [{{name: a, n: {}}}, {{name: b}}]\n  ref: {name}\n", value(random));
            if random.chance(30) {
                out.push_str(random.pick(&[
                    "  block: |\n    one\n\n    two\n",
                    "  block: >-\n    one\n    two\n\n      three\n    four\n",
                    "  block: |+\n    one \n\n",
                    "  anchor: &x {q: 1}\n  alias: *x\n  merged: {<<: *x, r: 2}\n",
                    "  long: one two three four five six seven eight nine ten eleven twelve thirteen fourteen\n    fifteen\n",
                ]));
            }
            out
        }
        _ => String::new(),
    }
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
        "CronJob" => "batch/v1",
        "Ingress" => "networking.k8s.io/v1",
        "Widget" => "example.com/v1",
        "RoleBinding" => "rbac.authorization.k8s.io/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        _ => "v1",
    }
}

type Files = BTreeMap<String, String>;
/// Kind and name of an object.
type Made = Vec<(&'static str, &'static str)>;

/// Objects of a directory, no kind and name twice.
fn objects(random: &mut Random, dir: &str, files: &mut Files) -> Made {
    let mut made = Made::new();
    let mut out = String::new();
    for _ in 0..1 + random.below(5) {
        let id = (random.pick(&KINDS), random.pick(&NAMES));
        if made.contains(&id) {
            continue;
        }
        made.push(id);
        let (kind, name) = id;
        let _ = write!(out, "---\napiVersion: {}\nkind: {kind}\nmetadata:\n  name: {name}\n", api_version(kind));
        if random.chance(25) {
            out.push_str(random.pick(&["  namespace: default\n", "  namespace: one\n"]));
        }
        if random.chance(30) {
            let _ = writeln!(out, "  labels: {{app: x, t: {}}}", text(random));
        }
        if random.chance(25) {
            let _ = writeln!(out, "  annotations: {{note: {}, b: {}}}", text(random), text(random));
        }
        out.push_str(&body(random, kind));
    }
    files.insert(format!("{dir}/r.yaml"), out);
    made
}

fn generators(random: &mut Random, dir: &str, files: &mut Files, overlay: bool, out: &mut String) {
    let field = random.pick(&["configMapGenerator", "secretGenerator"]);
    let name = random.pick(&["gen", "gen2"]);
    let behavior = if overlay { random.pick(&["", ", behavior: merge", ", behavior: replace"]) } else { "" };
    let options = random.pick(&[
        "",
        ", options: {disableNameSuffixHash: true}",
        ", options: {labels: {g: h}, immutable: true}",
        ", options: {annotations: {g: '1'}}",
    ]);
    let source = random.pick(&[
        "files: [f.txt]",
        "envs: [e.env]",
        "files: [k=f.txt], literals: [a=1]",
        "literals: [\"q='x y'\", b=]",
    ]);
    let _ = write!(out, "{field}:\n- {{name: {name}{behavior}{options}, {source}}}\n");
    let file =
        random.pick(&["hello\n", "one\n\ttwo\n", "<a>&\"b\"\n", "trail \n", "", "\n\nx\n\n", "🚀 größe", "x\r\ny\r\n"]);
    files.insert(format!("{dir}/f.txt"), file.repeat(1 + random.below(5)));
    let env = random.pick(&["A=1\nB=two words \n", "# c\n\nA='q'\nBARE\n", "\u{feff}A=1\r\nB=x=y\r\n"]);
    files.insert(format!("{dir}/e.env"), env.to_owned());
    if random.chance(15) {
        out.push_str("generatorOptions: {labels: {go: '1'}, annotations: {ga: x}}\n");
    }
}

/// One patch, aimed at one of the objects.
fn patch(random: &mut Random, made: &Made) -> String {
    let Some(&(kind, name)) = made.get(random.below(made.len().max(1))) else { return String::new() };
    let target = match random.below(4) {
        0 => format!("{{kind: {kind}}}"),
        1 => "{labelSelector: app=x}".to_owned(),
        _ => format!("{{kind: {kind}, name: {name}}}"),
    };
    if random.chance(35) {
        let operation = match random.below(5) {
            0 => format!("{{op: add, path: /metadata/labels, value: {{p: {}}}}}", text(random)),
            1 => format!("{{op: add, path: /metadata/annotations/p, value: {}}}", text(random)),
            2 => format!("{{op: replace, path: /metadata/name, value: {name}}}"),
            3 => format!("{{op: add, path: /spec, value: {{new: {}}}}}", value(random)),
            _ => "{op: test, path: /kind, value: Deployment}".to_owned(),
        };
        return format!("- target: {target}\n  patch: |-\n    - {operation}\n");
    }
    let change = match (kind, random.below(4)) {
        (_, 0) => format!("metadata: {{name: {name}, labels: {{p: {}}}, annotations: {{b: null}}}}", text(random)),
        ("ConfigMap", _) => format!("metadata: {{name: {name}}}\n    data: {{a: null, c: {}}}", text(random)),
        ("Deployment" | "StatefulSet" | "DaemonSet", _) => {
            let pod = random.pick(&[
                "{containers: [{name: side, image: late}, {name: main, env: [{name: B, $patch: delete}, {name: Z, value: z}]}]}",
                "{containers: [{name: main, ports: [{containerPort: 80, name: p}, {containerPort: 82, protocol: UDP}]}]}",
                "{containers: [{name: main, $patch: delete}], volumes: [{name: v, emptyDir: {}}]}",
                "{volumes: null, nodeSelector: {a: b}}",
                "{$patch: replace, containers: []}",
            ]);
            format!("metadata: {{name: {name}}}\n    spec: {{template: {{spec: {pod}}}}}")
        }
        ("Service", _) => {
            format!("metadata: {{name: {name}}}\n    spec: {{ports: [{{port: 80, name: x}}, {{port: 81}}]}}")
        }
        ("Widget", _) => {
            let value = value(random);
            format!("metadata: {{name: {name}}}\n    spec: {{size: {value}, parts: [{{name: b, z: 1}}]}}")
        }
        _ => format!("metadata: {{name: {name}}}\n    extra: {{a: {}}}", value(random)),
    };
    let target = if random.chance(50) { format!("- target: {target}\n") } else { "- ".to_owned() };
    let lead = if target == "- " { "" } else { "  " };
    let delete = if random.chance(6) { "\n    $patch: delete" } else { "" };
    format!("{target}{lead}patch: |-\n    apiVersion: {}\n    kind: {kind}\n    {change}{delete}\n", api_version(kind))
}

/// Fields that change objects.
fn transformers(random: &mut Random, made: &Made, out: &mut String) {
    if random.chance(35) {
        let _ = writeln!(out, "namePrefix: {}", random.pick(&["p-", "'1'", "x."]));
    }
    if random.chance(20) {
        out.push_str("nameSuffix: -s\n");
    }
    if random.chance(30) {
        let _ = writeln!(out, "namespace: {}", random.pick(&["one", "default", "two"]));
    }
    if random.chance(20) {
        let _ = writeln!(out, "commonLabels: {{cl: {}}}", text(random));
    }
    if random.chance(30) {
        let more = random.pick(&[
            "",
            ", includeSelectors: true",
            ", includeTemplates: true",
            ", fields: [{path: spec/lab, create: true}]",
        ]);
        let _ = write!(out, "labels:\n- {{pairs: {{l: {}}}{more}}}\n", text(random));
    }
    if random.chance(25) {
        let _ = writeln!(out, "commonAnnotations: {{ca: {}}}", text(random));
    }
    if random.chance(30) {
        let how = random.pick(&["newTag: '2'", "newName: other/x", "digest: 'sha256:1'", "newTag: v1, tagSuffix: -z"]);
        let name = random.pick(&["nginx", "reg:5000/app", "redis", "ng.nx"]);
        let _ = write!(out, "images:\n- {{name: '{name}', {how}}}\n");
    }
    if let Some((_, name)) = made.iter().find(|(kind, _)| matches!(*kind, "Deployment" | "StatefulSet"))
        && random.chance(40)
    {
        let _ = write!(out, "replicas:\n- {{name: {name}, count: {}}}\n", random.below(4));
    }
    if random.chance(50) && !made.is_empty() {
        out.push_str("patches:\n");
        for _ in 0..1 + random.below(2) {
            out.push_str(&patch(random, made));
        }
    }
    if let (Some((kind, name)), true) = (made.first(), random.chance(25)) {
        let path = random.pick(&[
            "metadata.labels.r",
            "metadata.annotations.[a.b/c]",
            "spec.size",
            "data.a",
            "spec.parts.[name=a].n",
        ]);
        let options = random.pick(&[
            "",
            ", options: {create: true}",
            ", options: {delimiter: '-', index: 1}",
            ", options: {delimiter: '-', index: -1, create: true}",
        ]);
        let target = random.pick(&KINDS);
        let from = random.pick(&["", ", fieldPath: kind", ", fieldPath: metadata.namespace"]);
        let _ = write!(
            out,
            "replacements:\n- source: {{kind: {kind}, name: {name}{from}}}\n  targets: [{{select: {{kind: {target}}}, fieldPaths: ['{path}']{options}}}]\n"
        );
    }
}

/// The files of a random kustomization whose root is `ov`.
fn kustomization(random: &mut Random) -> Files {
    let mut files = Files::new();
    let mut all = Made::new();
    let mut bases = vec!["base"];
    if random.chance(30) {
        bases.push("more");
    }
    for base in &bases {
        let made = objects(random, base, &mut files);
        let mut out = String::from("resources: [r.yaml]\n");
        if random.chance(40) {
            generators(random, base, &mut files, false, &mut out);
        }
        if random.chance(60) {
            transformers(random, &made, &mut out);
        }
        files.insert(format!("{base}/kustomization.yaml"), out);
        all.extend(made);
    }
    let mut out = String::new();
    let list: Vec<String> = bases.iter().map(|base| format!("../{base}")).collect();
    let own = if random.chance(40) {
        let made = objects(random, "ov", &mut files);
        all.extend(made);
        ", r.yaml"
    } else {
        ""
    };
    let _ = writeln!(out, "resources: [{}{own}]", list.join(", "));
    if random.chance(25) {
        generators(random, "ov", &mut files, true, &mut out);
    }
    if random.chance(30) {
        let mut component = String::from("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
        transformers(random, &all, &mut component);
        files.insert("part/kustomization.yaml".to_owned(), component);
        out.push_str("components: [../part]\n");
    }
    if random.chance(20) {
        out.push_str("configurations: [conf.yaml]\n");
        let conf = "nameReference:\n- {kind: ConfigMap, version: v1, fieldSpecs: [{kind: Widget, path: spec/ref}]}\nnamePrefix: [{kind: Widget, path: spec/ref}]\ncommonLabels: [{kind: Widget, path: spec/lab, create: true}]\n";
        files.insert("ov/conf.yaml".to_owned(), conf.to_owned());
    }
    if random.chance(15) {
        out.push_str("crds: [crd.json]\n");
        let crd = r##"{"com.example.v1.Widget": {"Schema": {"properties": {"apiVersion": {}, "kind": {}, "metadata": {}, "spec": {"$ref": "com.example.v1.Spec"}}}}, "com.example.v1.Spec": {"Schema": {"properties": {"ref": {"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "Secret"}}}}}"##;
        files.insert("ov/crd.json".to_owned(), crd.to_owned());
    }
    if random.chance(20) {
        out.push_str(random.pick(&[
            "buildMetadata: [originAnnotations]\n",
            "buildMetadata: [transformerAnnotations, managedByLabel]\n",
            "sortOptions: {order: fifo}\n",
            "sortOptions: {order: legacy, legacySortOptions: {orderFirst: [Widget], orderLast: [Secret]}}\n",
        ]));
    }
    if random.chance(15) {
        out.push_str("transformers:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: t}\n  prefix: t-\n  fieldSpecs: [{path: metadata/name, kind: ConfigMap}]\n");
    }
    transformers(random, &all, &mut out);
    files.insert("ov/kustomization.yaml".to_owned(), out);
    files
}

/// What our build prints, or why it does not.
fn ours(root: &Path) -> Result<String, String> {
    let world = FileWorld::open(root).map_err(|e| e.to_string())?;
    let dir = FilePath::new(FileWorld::TREE, TreePath::new("ov").map_err(|e| e.to_string())?);
    match kustomize::build(&world, &dir, &kustomize::Options::default(), &kustomize::Tools::new()) {
        Ok(rendered) => Ok(rendered.to_yaml()),
        Err(Stop::Wants(wants)) => Err(format!("wants {wants:?}")),
        Err(Stop::Failed(errors)) => Err(errors.iter().map(|e| e.message.clone()).collect::<Vec<_>>().join("\n")),
    }
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

#[test]
fn random_kustomizations_are_as_the_original_has_them() {
    let Some(original) = std::env::var_os("KUSTOMIZE") else {
        println!("skipped: KUSTOMIZE does not say where the original is");
        return;
    };
    let (cases, first) = (number("FLEETC_RANDOM_CASES", 200), number("FLEETC_RANDOM_SEED", 1));
    println!("seeds {first} to {}", first + cases - 1);
    let (mut equal, mut refused, mut failures) = (0, 0, Vec::new());
    for seed in first..first + cases {
        let scratch = tempfile::tempdir().unwrap();
        for (path, text) in kustomization(&mut Random::new(seed)) {
            let path = scratch.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let output = Command::new(&original).args(["build", "ov"]).current_dir(scratch.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let difference = match (output.status.success(), ours(scratch.path())) {
            (true, Ok(text)) if text.as_bytes() == output.stdout => {
                equal += 1;
                continue;
            }
            (false, Err(_)) => {
                refused += 1;
                continue;
            }
            (true, Ok(text)) => similar::TextDiff::from_lines(&*String::from_utf8_lossy(&output.stdout), &text)
                .unified_diff()
                .context_radius(2)
                .to_string(),
            (true, Err(why)) => format!("only we refuse: {why}"),
            (false, Ok(_)) => format!("only the original refuses: {error}"),
        };
        let kept = scratch.keep();
        failures.push(format!("seed {seed}, {}:\n{difference}", kept.display()));
    }
    println!("random kustomizations: {equal} equal, {refused} refused by both, {} differ", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
