//! Random fields of a kustomization that change objects: names, labels, images, patches of every form, replacements, vars.

use std::fmt::Write as _;

use super::objects::{Files, Made, api_version};
use super::random::{Random, text, value, word};

/// The directory that is being written, and what it can see.
pub(super) struct Place<'a> {
    pub(super) dir: &'a str,
    pub(super) files: &'a mut Files,
    pub(super) made: &'a [Made],
}

impl Place<'_> {
    fn any(&self, random: &mut Random) -> Option<Made> {
        self.made.get(random.below(self.made.len())).cloned()
    }

    /// Writes a file that nothing else has the name of.
    pub(super) fn file(&mut self, stem: &str, text: String) -> String {
        let mut at = 0;
        loop {
            let name = format!("{stem}{at}.yaml");
            let path = format!("{}/{name}", self.dir);
            if let std::collections::btree_map::Entry::Vacant(e) = self.files.entry(path) {
                e.insert(text);
                return name;
            }
            at += 1;
        }
    }
}

/// Fields that change objects.
pub(super) fn transformers(random: &mut Random, place: &mut Place<'_>, out: &mut String) {
    if random.chance(30) {
        let _ = writeln!(out, "namePrefix: {}", random.pick(&["p-", "'1'", "x.", "ü"]));
    }
    if random.chance(20) {
        let _ = writeln!(out, "nameSuffix: {}", random.pick(&["-s", "'2'"]));
    }
    if random.chance(25) {
        let _ = writeln!(out, "namespace: {}", random.pick(&["one", "default", "two"]));
    }
    if random.chance(15) {
        let _ = writeln!(out, "commonLabels: {{cl: {}, app: {}}}", word(random), word(random));
    }
    labels(random, out);
    if random.chance(20) {
        let _ = writeln!(out, "commonAnnotations: {{ca: {}, b: {}}}", text(random), text(random));
    }
    if random.chance(30) {
        images(random, out);
    }
    if let Some(made) = place.made.iter().find(|made| made.is_workload() && made.kind != "DaemonSet")
        && random.chance(40)
    {
        let _ = write!(out, "replicas:\n- {{name: {}, count: {}}}\n", made.name, random.below(4));
    }
    patches(random, place, out);
    if random.chance(25) {
        replacements(random, place, out);
    }
}

fn labels(random: &mut Random, out: &mut String) {
    if !random.chance(35) {
        return;
    }
    out.push_str("labels:\n");
    for at in 0..1 + random.below(3) {
        let mut more = String::new();
        for field in ["includeSelectors", "includeTemplates", "includeVolumeClaimTemplates"] {
            if random.chance(25) {
                let _ = write!(more, ", {field}: {}", random.pick(&["true", "true", "false"]));
            }
        }
        if random.chance(20) {
            more.push_str(random.pick(&[
                ", fields: [{path: spec/lab, create: true}]",
                ", fields: [{path: spec/lab, kind: Widget, create: true}, {path: metadata/annotations, create: true}]",
                ", fields: [{path: spec/selector, kind: Service}]",
                ", fields: [{path: 'spec/volumeClaimTemplates[]/metadata/labels', kind: StatefulSet, create: true}]",
            ]));
        }
        let _ = writeln!(out, "- {{pairs: {{l{at}: {}, app: {}}}{more}}}", word(random), text(random));
    }
}

fn images(random: &mut Random, out: &mut String) {
    let field = if random.chance(90) { "images" } else { "imageTags" };
    let _ = writeln!(out, "{field}:");
    for _ in 0..1 + random.below(2) {
        let how = random.pick(&[
            "newTag: '2'",
            "newName: other/x",
            "digest: 'sha256:1'",
            "newTag: v1, tagSuffix: -z",
            "tagSuffix: -t",
            "newName: nn, newTag: '1.0', digest: 'sha256:2'",
        ]);
        let name = random.pick(&["nginx", "reg:5000/app", "redis", "ng.nx", "a/b/nginx", "n*"]);
        let _ = writeln!(out, "- {{name: '{name}', {how}}}");
    }
}

fn patches(random: &mut Random, place: &mut Place<'_>, out: &mut String) {
    if place.made.is_empty() {
        return;
    }
    let mut entries = String::new();
    if random.chance(55) {
        for _ in 0..1 + random.below(3) {
            entries.push_str(&patch(random, place));
        }
    }
    if !entries.is_empty() {
        let _ = write!(out, "patches:\n{entries}");
    }
    if random.chance(12)
        && let Some(made) = place.any(random)
    {
        let merge = merge_patch(random, &made);
        if random.chance(50) {
            let _ = write!(out, "patchesStrategicMerge:\n- |-\n  {}\n", merge.replace('\n', "\n  "));
        } else {
            let file = place.file("merge", merge);
            let _ = writeln!(out, "patchesStrategicMerge: [{file}]");
        }
    }
    if random.chance(12)
        && let Some(made) = place.any(random)
    {
        let target = format!("{{kind: {}, name: {}}}", made.kind, made.name);
        let operation = json_operation(random, &made);
        if random.chance(50) {
            let _ = write!(out, "patchesJson6902:\n- target: {target}\n  patch: |-\n    - {operation}\n");
        } else {
            let file = place.file("op", format!("- {operation}\n"));
            let _ = writeln!(out, "patchesJson6902: [{{target: {target}, path: {file}}}]");
        }
    }
}

fn target(random: &mut Random, made: &Made) -> String {
    let (kind, name) = (made.kind, made.name);
    match random.below(9) {
        0 => format!("{{kind: {kind}}}"),
        1 => format!("{{labelSelector: app=x, kind: {kind}}}"),
        2 => format!("{{name: '.*', kind: {kind}, annotationSelector: 'note'}}"),
        3 => format!("{{version: v1, kind: {kind}, labelSelector: 'app in (x, z),!nope'}}"),
        4 => format!("{{kind: {kind}, namespace: one}}"),
        _ => format!("{{kind: {kind}, name: {name}}}"),
    }
}

fn json_operation(random: &mut Random, made: &Made) -> String {
    let mut choices = vec![
        format!("{{op: add, path: /metadata/labels, value: {{p: {}}}}}", text(random)),
        format!("{{op: add, path: /metadata/annotations, value: {{q: {}}}}}", text(random)),
        format!("{{op: add, path: /extra, value: {}}}", value(random)),
        "{op: test, path: /kind, value: KIND}".replace("KIND", made.kind),
        format!("{{op: replace, path: /metadata/name, value: {}}}", made.name),
    ];
    if made.labelled {
        choices.push("{op: copy, from: /metadata/labels/app, path: /metadata/labels/copied}".to_owned());
        choices.push("{op: move, from: /metadata/labels/t, path: /metadata/labels/moved}".to_owned());
        choices.push("{op: remove, path: /metadata/labels/app}".to_owned());
    }
    if made.annotated {
        choices.push(format!("{{op: add, path: /metadata/annotations/a~1b~0c, value: {}}}", text(random)));
    }
    match made.kind {
        "ConfigMap" => {
            choices.push(format!("{{op: replace, path: /data/a, value: {}}}", value(random)));
            choices.push("{op: remove, path: /data/b}".to_owned());
        }
        "Widget" => {
            choices.push(format!("{{op: add, path: /spec/parts/-, value: {{name: c, n: {}}}}}", value(random)));
            choices.push(format!("{{op: add, path: /spec/list/0, value: {}}}", value(random)));
            choices.push("{op: remove, path: /spec/list/1}".to_owned());
            choices.push(format!("{{op: replace, path: /spec/size, value: {}}}", value(random)));
        }
        _ => {}
    }
    if let Some(pod) = made.pod() {
        let pod = pod.replace('.', "/");
        choices.push(format!("{{op: replace, path: /{pod}/containers/0/image, value: new:1}}"));
        choices.push(format!("{{op: add, path: /{pod}/containers/-, value: {{name: late, image: nginx}}}}"));
        choices.push(format!("{{op: add, path: /{pod}/x, value: {}}}", value(random)));
    }
    choices.swap_remove(random.below(choices.len()))
}

/// What a strategic merge patch says beside identity.
fn merge_patch(random: &mut Random, made: &Made) -> String {
    let mut metadata = made.metadata();
    if random.chance(30) {
        let _ = write!(metadata, ", labels: {{p: {}, t: {}}}", text(random), random.pick(&["null", "'1'", "yes"]));
    }
    if random.chance(30) {
        let _ = write!(metadata, ", annotations: {{b: {}, new: {}}}", random.pick(&["null", "x"]), text(random));
    }
    let mut out = format!("apiVersion: {}\nkind: {}\nmetadata: {{{metadata}}}", api_version(made.kind), made.kind);
    let more = match made.kind {
        "ConfigMap" => format!("data: {{a: {}, c: {}}}", random.pick(&["null", "x", "'1'"]), text(random)),
        "Secret" => "stringData: {c: x}".to_owned(),
        "Service" => random
            .pick(&[
                "spec: {ports: [{port: 80, name: x}, {port: 81}]}",
                "spec: {ports: [{port: 80, protocol: UDP, name: u}]}",
                "spec: {selector: {app: null, more: x}}",
                "spec: {ports: [{port: 80, $patch: delete}]}",
            ])
            .to_owned(),
        "Widget" => match random.below(5) {
            0 => format!("spec: {{size: {}, parts: [{{name: b, z: 1}}]}}", value(random)),
            1 => format!("spec: {{$patch: replace, size: {}}}", value(random)),
            2 => "spec: {parts: [{name: a, $patch: delete}], list: [two, three]}".to_owned(),
            3 => format!("spec: {{new: {{a: null, b: {}}}, A: null}}", value(random)),
            _ => "spec: {parts: null, $retainKeys: [size]}".to_owned(),
        },
        "ServiceAccount" => "secrets: [{name: late}]".to_owned(),
        "ValidatingWebhookConfiguration" => {
            "webhooks: [{name: a.b.c, failurePolicy: Ignore}, {name: d.e.f}]".to_owned()
        }
        _ if made.pod().is_some() => {
            let pod = random.pick(&[
                "{containers: [{name: side, image: late}, {name: main, env: [{name: B, $patch: delete}, {name: Z, value: z}]}]}",
                "{containers: [{name: main, ports: [{containerPort: 80, name: p}, {containerPort: 82, protocol: UDP}]}]}",
                "{containers: [{name: main, $patch: delete}], volumes: [{name: v, emptyDir: {}}]}",
                "{volumes: null, nodeSelector: {a: b}}",
                "{$patch: replace, containers: []}",
                "{containers: [{name: main, env: [{name: A, value: null}, {name: Y, value: 'yes'}], args: [z]}]}",
                "{containers: [{name: new, image: nginx, env: [{name: n, value: '1'}]}, {$patch: replace}]}",
                "{volumes: [{name: v, configMap: null, emptyDir: {}}, {name: z, configMap: {name: gen}}]}",
                "{tolerations: [{key: z}], imagePullSecrets: [{name: third}], hostAliases: [{ip: 10.0.0.1, hostnames: [b]}]}",
                "{initContainers: [{name: init, image: i}], topologySpreadConstraints: [{topologyKey: z, whenUnsatisfiable: DoNotSchedule, maxSkew: 2}]}",
                "{containers: [{name: main, volumeMounts: [{mountPath: /w, $patch: delete}, {mountPath: /z, name: z}]}]}",
                "{containers: [{image: unnamed}]}",
            ]);
            let mut text = pod.to_owned();
            for part in made.pod().unwrap_or_default().rsplit('.') {
                text = format!("{{{part}: {text}}}");
            }
            text[1..text.len() - 1].to_owned()
        }
        _ => format!("extra: {{a: {}}}", value(random)),
    };
    let _ = write!(out, "\n{more}");
    if random.chance(4) {
        out.push_str("\n$patch: delete");
    }
    out
}

/// One entry of `patches`, aimed at one of the objects.
fn patch(random: &mut Random, place: &mut Place<'_>) -> String {
    let Some(made) = place.any(random) else { return String::new() };
    if random.chance(35) {
        let target = format!("{{kind: {}, name: {}}}", made.kind, made.name);
        let mut text = format!("- {}\n", json_operation(random, &made));
        if random.chance(25) {
            let _ = writeln!(text, "- {}", json_operation(random, &made));
        }
        return if random.chance(25) {
            let file = place.file("json", text);
            format!("- {{path: {file}, target: {target}}}\n")
        } else {
            format!("- target: {target}\n  patch: |-\n    {}\n", text.trim_end().replace('\n', "\n    "))
        };
    }
    let mut merge = merge_patch(random, &made);
    let mut head = String::new();
    if random.chance(45) {
        let _ = writeln!(head, "  target: {}", target(random, &made));
        if random.chance(25) {
            let _ = writeln!(
                head,
                "  options: {}",
                random.pick(&["{allowNameChange: true}", "{allowKindChange: true}", "{}"])
            );
        }
    } else {
        if random.chance(10) {
            let name = random.pick(&["{allowNameChange: true}", "{allowNameChange: true, allowKindChange: true}"]);
            let _ = writeln!(head, "  options: {name}");
        }
        if random.chance(10)
            && let Some(other) = place.any(random)
        {
            merge = format!("{merge}\n---\n{}", merge_patch(random, &other));
        }
    }
    if random.chance(30) {
        let file = place.file("patch", format!("{merge}\n"));
        format!("- path: {file}\n{head}")
    } else {
        format!("- patch: |-\n    {}\n{head}", merge.replace('\n', "\n    "))
    }
}

/// A path in an object that most likely leads somewhere.
fn field_path(random: &mut Random, made: &Made) -> String {
    let mut choices = vec!["metadata.name".to_owned(), "kind".to_owned()];
    if made.labelled {
        choices.push("metadata.labels.app".to_owned());
    }
    if made.annotated {
        choices.push("metadata.annotations.note".to_owned());
    }
    match made.kind {
        "ConfigMap" => {
            for path in ["data.a", "data.k9", "data.k10", "data.j.k.t", "data.t.k.t", "data.j.l.0", "data.t.l.0"] {
                choices.push(path.to_owned());
            }
        }
        "Widget" => {
            for path in [
                "spec.size",
                "spec.text",
                "spec.deep\\.er",
                "spec.[deep.er]",
                "spec.parts.[name=a].name",
                "spec.parts.0.name",
                "spec.parts.*.name",
                "spec.list.[=one]",
                "spec.list.1",
                "spec.ref",
                "spec.parts",
                "spec",
            ] {
                choices.push(path.to_owned());
            }
        }
        "Service" => choices.push("spec.selector.app".to_owned()),
        _ => {}
    }
    if let Some(pod) = made.pod() {
        for path in
            ["containers.[name=main].image", "containers.0.name", "containers.*.image", "containers.[name=main]"]
        {
            choices.push(format!("{pod}.{path}"));
        }
    }
    choices.swap_remove(random.below(choices.len()))
}

fn replacement(random: &mut Random, place: &Place<'_>) -> Option<String> {
    let (from, to) = (place.any(random)?, place.any(random)?);
    let mut out = if random.chance(15) {
        format!("sourceValue: {}\n", text(random))
    } else {
        let mut path = field_path(random, &from);
        if (path.contains(['*', '=']) || path.starts_with("data.j.") || path.starts_with("data.t."))
            && random.chance(90)
        {
            path = "metadata.name".to_owned();
        }
        let options = random.pick(&[
            "",
            "",
            "",
            ", options: {delimiter: '-', index: 0}",
            ", options: {delimiter: '', index: 3}",
            ", options: {delimiter: '.', index: 0}",
        ]);
        format!("source: {{kind: {}, name: {}, fieldPath: '{path}'{options}}}\n", from.kind, from.name)
    };
    out.push_str("targets:\n");
    for _ in 0..1 + random.below(2) {
        let mut path = field_path(random, &to);
        let mut options = random.pick(&[
            "",
            "",
            ", options: {delimiter: '-', index: 1}",
            ", options: {delimiter: '-', index: -1}",
            ", options: {delimiter: '-', index: 9}",
            ", options: {create: true}",
            ", options: {encoding: base64}",
        ]);
        if random.chance(30) {
            path = random
                .pick(&[
                    "metadata.labels.r",
                    "metadata.annotations.[a.b/c]",
                    "spec.made.up",
                    "spec.parts.[name=z].n",
                    "metadata.annotations.r",
                    "spec.fresh.0",
                ])
                .to_owned();
            options =
                random.pick(&[", options: {create: true}", ", options: {create: true, delimiter: '/', index: 0}"]);
        }
        if path == "kind" || path == "spec" {
            path = "metadata.annotations.r".to_owned();
            options = ", options: {create: true}";
        }
        let select = match random.below(4) {
            0 => format!("{{kind: {}}}, reject: [{{name: nobody}}]", to.kind),
            1 => format!("{{kind: {}}}, reject: [{{kind: {}, name: {}}}]", to.kind, from.kind, from.name),
            2 => format!("{{name: {}, kind: {}, labelSelector: app=x}}", to.name, to.kind),
            _ => format!("{{kind: {}, name: {}}}", to.kind, to.name),
        };
        let _ = writeln!(out, "- {{select: {select}, fieldPaths: ['{path}']{options}}}");
    }
    Some(out)
}

fn replacements(random: &mut Random, place: &mut Place<'_>, out: &mut String) {
    let mut entries = String::new();
    for _ in 0..1 + random.below(2) {
        let Some(text) = replacement(random, place) else { return };
        let item = format!("- {}\n", text.trim_end().replace('\n', "\n  "));
        entries.push_str(&match random.below(8) {
            0 => format!("- path: {}\n", place.file("replacement", text)),
            1 => format!("- path: {}\n", place.file("replacement", item)),
            _ => item,
        });
    }
    let _ = write!(out, "replacements:\n{entries}");
}

/// Vars of the names that objects use.
pub(super) fn vars(random: &mut Random, place: &Place<'_>, names: &[&str], out: &mut String) {
    let mut entries = String::new();
    for name in names {
        let Some(made) = place.any(random) else { return };
        let path = match random.below(4) {
            0 => {
                let path = field_path(random, &made);
                if path.contains(['*', '=', '[', '\\']) {
                    String::new()
                } else {
                    format!(", fieldref: {{fieldPath: {path}}}")
                }
            }
            1 => ", fieldref: {fieldPath: kind}".to_owned(),
            _ => String::new(),
        };
        let _ = writeln!(
            entries,
            "- {{name: {name}, objref: {{apiVersion: {}, kind: {}, name: {}}}{path}}}",
            api_version(made.kind),
            made.kind,
            made.name
        );
    }
    let _ = write!(out, "vars:\n{entries}");
}
