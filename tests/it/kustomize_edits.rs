//! `fixtures/render/kustomize-edits`: an Application's `spec.source.kustomize` over kustomizations, against what the original's commands
//! make of it, byte for byte, or that they refuse it.

use std::fs;
use std::path::Path;

use fleetc::memory_world::MemoryWorld;
use fleetc::path::FilePath;
use fleetc::render::{Rendered, Stop, kustomize};
use fleetc::span::FileId;
use fleetc::world::World;
use fleetc::yaml::{self, Dialect, Limits, Map, Node, emit};

fn table(name: &str) -> Node {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/render/kustomize-edits").join(name);
    let text = fs::read_to_string(path).unwrap();
    let (world, root) = MemoryWorld::of([(name, text.as_str())]).unwrap();
    let source = world.read(&root.join(name).unwrap()).unwrap();
    let parsed = yaml::parse(source.id, &source.bytes, Dialect::V3, &Limits::default());
    assert!(parsed.error.is_none(), "{name}: {:?}", parsed.error);
    parsed.documents.into_iter().next().unwrap().root
}

fn files(node: Option<&Node>) -> impl Iterator<Item = (String, String)> {
    let entries = node.and_then(Node::as_map).into_iter().flat_map(Map::iter);
    entries.map(|(path, text)| (path.as_str().unwrap().to_owned(), text.as_str().unwrap().to_owned()))
}

fn build(files: &[(String, String)], edits: &Node, build_options: &str) -> Result<Rendered, Vec<String>> {
    let files = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let (world, root): (MemoryWorld, FilePath) = MemoryWorld::of(files).unwrap();
    let options = kustomize::Options::for_application(Some(edits.clone()), build_options, None);
    kustomize::build(&world, &root, &options, &kustomize::Tools::new()).map_err(|stop| match stop {
        Stop::Wants(wants) => vec![format!("wants {wants:?}")],
        Stop::Failed(errors) => errors.iter().map(|error| error.message.clone()).collect(),
    })
}

#[test]
fn edits_as_the_original() {
    let (cases, expected) = (table("cases.yaml"), table("expected.yaml"));
    let mut wrong = Vec::new();
    let list = cases.get("cases").and_then(Node::as_seq).unwrap();
    assert_eq!(Some(list.len()), expected.as_map().map(Map::len), "cases without an answer");
    for case in list {
        let name = case.get("name").and_then(Node::as_str).unwrap();
        let mut all: Vec<_> = files(cases.get("base")).chain(files(case.get("files"))).collect();
        all.push(("kustomization.yaml".to_owned(), emit::to_yaml(case.get("kustomization").unwrap())));
        let ours = build(&all, case.get("edits").unwrap(), "");
        let wanted = expected.get(name).unwrap();
        match (ours, wanted.get("output").and_then(Node::as_str)) {
            (Ok(ours), Some(wanted)) => {
                let ours = ours.to_yaml();
                if ours != wanted {
                    let difference = similar::TextDiff::from_lines(wanted, &ours).unified_diff().to_string();
                    wrong.push(format!("{name}:\n{difference}"));
                }
            }
            (Ok(_), None) => {
                wrong.push(format!("{name}: not refused: {:?}", wanted.get("refused").and_then(Node::as_str)));
            }
            (Err(errors), Some(_)) => wrong.push(format!("{name}: {}", errors.join("; "))),
            (Err(errors), None) => assert!(!errors.is_empty(), "{name}: refused without a word"),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), list.len(), wrong.join("\n"));
}

#[test]
fn build_options_that_are_not_followed_are_named() {
    let files = [
        ("kustomization.yaml".to_owned(), "resources: [c.yaml]\n".to_owned()),
        ("c.yaml".to_owned(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n".to_owned()),
    ];
    let table: [(&str, &[&str]); 5] = [
        ("", &[]),
        ("--enable-helm --load-restrictor LoadRestrictionsNone --helm-command /bin/helm --enable-exec=false", &[]),
        ("--load-restrictor=LoadRestrictionsRootOnly -e A=1 --network", &[]),
        ("--enable-hlem --reorder none --output x", &["--enable-hlem", "--output"]),
        ("--load-restrictor=sometimes other", &["--load-restrictor=sometimes", "other"]),
    ];
    for (options, named) in table {
        let rendered = build(&files, &Node::map(Map::default()), options).unwrap();
        let warnings: Vec<_> = rendered.warnings.iter().map(|warning| warning.message.clone()).collect();
        let wanted: Vec<_> = named
            .iter()
            .map(|option| format!("`kustomize.buildOptions` has `{option}`, which is not supported and left out"))
            .collect();
        assert_eq!(warnings, wanted, "{options}");
    }
}

#[test]
fn charts_see_the_versions_of_build_options_and_of_the_application() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Namespace }}}\ndata:\n  kube: {{ .Capabilities.KubeVersion }}\n  a: '{{ .Capabilities.APIVersions.Has \"example.com/v1\" }}'\n  b: '{{ .Capabilities.APIVersions.Has \"example.com/v2\" }}'\n";
    let files = [
        ("kustomization.yaml", "helmCharts: [{name: web}]\n"),
        ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("charts/web/values.yaml", "{}\n"),
        ("charts/web/templates/c.yaml", template),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()));
    let edits =
        |text: &str| yaml::parse_strict(FileId::NONE, text.as_bytes(), Dialect::V3, &Limits::default()).unwrap();
    let options = "--enable-helm --helm-kube-version=1.20.3 --helm-api-versions example.com/v1";
    let expected = |name: &str, kube: &str, b: &str| {
        format!(
            "apiVersion: v1\ndata:\n  a: \"true\"\n  b: \"{b}\"\n  kube: {kube}\nkind: ConfigMap\nmetadata:\n  name: {name}\n"
        )
    };
    let plain = build(&files, &edits("{}")[0], options).unwrap();
    assert_eq!(plain.to_yaml(), expected("default", "v1.20.3", "false"));
    let edited = edits("{kubeVersion: v1.31.2+k3s1, apiVersions: [example.com/v2], namespace: there}");
    assert_eq!(build(&files, &edited[0], options).unwrap().to_yaml(), expected("there", "v1.31.2", "true"));
    let refused = build(&files, &edited[0], "").unwrap_err();
    assert_eq!(refused, ["must specify --enable-helm"]);
}
