//! Small directories: which objects come out, and what is said.

use super::build;
use crate::memory_world::MemoryWorld;
use crate::render::Stop;
use crate::span::FileId;
use crate::yaml::{Dialect, Limits, Node, parse};

/// What a directory renders to: `kind/name` of each object, then warnings and errors.
fn render(files: &[(&str, &str)], options: &str, jsonnet: bool) -> Vec<String> {
    let bytes: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    render_bytes(&bytes, options, jsonnet)
}

fn render_bytes(files: &[(&str, &[u8])], options: &str, jsonnet: bool) -> Vec<String> {
    let mut world = MemoryWorld::new();
    let root = world.add_tree("", files.iter().copied()).unwrap();
    let directory = root.join("app").unwrap();
    let options = parse(FileId::NONE, options.as_bytes(), Dialect::V2, &Limits::default());
    let options = options.documents.first().map(|document| document.root.clone());
    let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or_default().to_owned();
    let place =
        |span| world.sources().locate(span).map(|place| format!("{}:{}: ", place.file, place.line)).unwrap_or_default();
    match build(&world, &directory, options.as_ref(), jsonnet, None) {
        Ok(rendered) => {
            let objects = rendered.resources.iter().map(|resource| {
                let name = text(resource.body.at(&["metadata", "name"]));
                let name = if name.is_empty() { text(resource.body.at(&["metadata", "generateName"])) } else { name };
                format!("{}{}/{name}", place(resource.origin.span), text(resource.body.get("kind")))
            });
            objects
                .chain(
                    rendered
                        .warnings
                        .iter()
                        .map(|found| format!("{:?} {}{}", found.severity, place(found.span), found.message)),
                )
                .collect()
        }
        Err(Stop::Failed(errors)) => {
            errors.iter().map(|found| format!("Error {}{}", place(found.span), found.message)).collect()
        }
        Err(Stop::Wants(wants)) => wants.iter().map(|want| format!("Want {}", want.request)).collect(),
    }
}

fn manifest(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

#[test]
fn files_are_walked_in_lexical_order() {
    let text = ["z", "a", "b", "hidden", "deep", "json"].map(manifest);
    let files = [
        ("app/z.yml", text[0].as_str()),
        ("app/a.yaml", &text[1]),
        ("app/a/b.yaml", &text[2]),
        ("app/.hidden/x.yaml", &text[3]),
        ("app/a/c/d.yaml", &text[4]),
        ("app/README.md", "text"),
        ("app/x.YAML", &text[5]),
        ("other/x.yaml", &text[5]),
    ];
    assert_eq!(render(&files, "{}", true), ["app/a.yaml:1: ConfigMap/a", "app/z.yml:1: ConfigMap/z"]);
    let want = [
        "app/.hidden/x.yaml:1: ConfigMap/hidden",
        "app/a/b.yaml:1: ConfigMap/b",
        "app/a/c/d.yaml:1: ConfigMap/deep",
        "app/a.yaml:1: ConfigMap/a",
        "app/z.yml:1: ConfigMap/z",
    ];
    assert_eq!(render(&files, "recurse: true", true), want);
}

#[test]
fn globs_select_by_path_below_the_directory() {
    let text = ["a", "b", "c"].map(manifest);
    let files = [("app/a.yaml", text[0].as_str()), ("app/sub/b.yaml", &text[1]), ("app/sub/deep/c.yml", &text[2])];
    for (options, want) in [
        ("include: '*.yaml'", "ab"),
        ("include: 'sub/*'", "bc"),
        ("include: '{a.yaml,*c.yml}'", "ac"),
        ("exclude: '*'", ""),
        ("exclude: sub", "abc"),
        ("exclude: 'sub/*', include: '*'", "a"),
        ("exclude: '{**/deep/*,a*}'", "b"),
        ("include: '?.yaml'", "a"),
        ("include: ''", "abc"),
    ] {
        let found = render(&files, &format!("{{recurse: true, {options}}}"), true);
        let names: String = found.iter().map(|line| line.rsplit('/').next().unwrap_or_default()).collect();
        let mut names: Vec<char> = names.chars().collect();
        names.sort_unstable();
        assert_eq!(String::from_iter(names), want, "{options}");
    }
    assert_eq!(render(&files, "include: '[a'", true), ["Error the pattern `[a` of `directory.include` is malformed"]);
}

#[test]
fn documents_lists_and_nothing() {
    let text = "# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\nnull\n---\n\
                apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n\
                - {apiVersion: v1, kind: Secret, metadata: {generateName: c-}}\n---\n\
                apiVersion: v1\nkind: ConfigMapList\nitems: null\n---\n\
                apiVersion: x/v1\nkind: Thing\nmetadata: {name: d}\nspec: {}\nitems: null\n";
    assert_eq!(
        render(&[("app/x.yaml", text)], "{}", true),
        [
            "app/x.yaml:3: ConfigMap/a",
            "app/x.yaml:13: ConfigMap/b",
            "app/x.yaml:14: Secret/c-",
            "app/x.yaml:20: Thing/d"
        ]
    );
    assert_eq!(render(&[("app/x.yaml", "")], "{}", true), Vec::<String>::new());
    let json = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}"#;
    assert_eq!(render(&[("app/x.json", json)], "{}", true), ["app/x.json:1: ConfigMap/a"]);
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(manifest("wide").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(render_bytes(&[("app/x.yaml", &utf16)], "{}", true), ["app/x.yaml:1: ConfigMap/wide"]);
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(json.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert_eq!(render_bytes(&[("app/x.json", &utf16)], "{}", true).len(), 1);
}

#[test]
fn what_is_no_manifest_is_left_out_and_what_looks_like_one_is_an_error() {
    for (file, text, want) in [
        (
            "values.yaml",
            "replicas: 3\n",
            "Note app/values.yaml:1: `app/values.yaml` is no manifest (the object has no `kind`) and left out, as Argo CD does",
        ),
        (
            "list.yaml",
            "- a\n",
            "Note app/list.yaml:1: `app/list.yaml` is no manifest (an object is expected, not a list) and left out, as Argo CD does",
        ),
        ("skip.yaml", "# +argocd:skip-file-rendering\na: [", ""),
        ("skip.json", "{\"a\": \"+argocd:skip-file-rendering\"}", ""),
        ("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", "Error app/x.yaml:1: the Pod has no `metadata.name`"),
        ("x.yaml", "kind: Pod\nmetadata: {name: a}\n", "Error app/x.yaml:1: the Pod has no `apiVersion`"),
        (
            "x.yaml",
            "apiVersion: v1\nkind: 3\nmetadata: {name: a}\n",
            "Error app/x.yaml:1: `kind` must be a string, not a number",
        ),
        (
            "x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n",
            "Error app/x.yaml:3: `metadata.name` of the Pod must be a string, not a number",
        ),
        (
            "x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\na: 1\n",
            "Error app/x.yaml:5: the object has no `kind`",
        ),
        (
            "x.yaml",
            "apiVersion: v1\nkind: L\nitems: [3]\n",
            "Error app/x.yaml:3: an item of a list must be an object, not a number",
        ),
        ("x.json", "{\"a\": 1}", "Error app/x.json:1: the object has no `kind`"),
        (
            "x.json",
            "{} {}",
            "Error app/x.json:1: `app/x.json` holds several JSON values; Argo CD takes one object from a JSON file",
        ),
        ("x.jsonnet", "{}", "Error app/x.jsonnet:1: the object has no `kind`"),
        ("x.jsonnet", "[1]", "Error app/x.jsonnet:1: an object is expected, not a number"),
        ("x.jsonnet", "null", ""),
        ("x.jsonnet", "{\n a: b}", "Error app/x.jsonnet:2: undefined local: b"),
        (
            "x.jsonnet",
            "local o = {apiVersion: 'v1', kind: 'Pod'};\n[\n o {metadata: {name: n}} for n in ['a', 'b']]",
            "app/x.jsonnet:1: Pod/a\napp/x.jsonnet:1: Pod/b",
        ),
        ("x.libsonnet", "{}", ""),
    ] {
        let found = render(&[(&format!("app/{file}"), text)], "{}", true).join("\n");
        assert_eq!(found, want, "{text}");
    }
    assert_eq!(render(&[("app/x.jsonnet", "{}")], "{}", false), Vec::<String>::new());
    let broken = render(&[("app/x.yaml", "a: [\n")], "{}", true).join("\n");
    assert!(broken.starts_with("Warning app/x.yaml:") && broken.contains("cannot be read"), "{broken}");
    let broken = render(&[("app/x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: [\n")], "{}", true).join("\n");
    assert!(broken.starts_with("Error app/x.yaml:"), "{broken}");
}

#[test]
fn duplicate_keys_are_said_and_the_later_counts() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, name: b}\n";
    let found = render(&[("app/x.yaml", text)], "{}", true);
    assert_eq!(found, ["app/x.yaml:1: ConfigMap/b", "Warning app/x.yaml:3: the key `name` is here twice"]);
}

#[test]
fn all_errors_of_a_directory_are_said() {
    let files = [
        ("app/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n"),
        ("app/b.json", "{"),
        ("app/c.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"),
    ];
    assert_eq!(render(&files, "{}", true).len(), 2);
    assert_eq!(render(&[("other/x.yaml", "")], "{}", true), ["Error there is no directory `app`"]);
}
