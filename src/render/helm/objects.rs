//! What templates of a chart see beside values: `.Release`, `.Chart`, `.Capabilities`, `.Files`, with the types that each profile gives them.

use std::any::Any;
use std::rc::Rc;

use crate::k8s::glob::Glob;
use crate::template::Object;
use crate::template::helm::{self, Profile};
use crate::template::value::{ANY_LIST, Element, List, ListType, MapType, STRING_MAP};
use crate::template::{Arguments, Bytes, Context, Failure, Map, Method, Outcome, Value};
use crate::yaml::Node;

use super::chart::{Chart, ChartFile, string};
use super::values::table;
use super::{Capabilities, Release};

/// Helm 3's type of `.Values`.
static VALUES_V3: MapType = MapType { name: "chartutil.Values", element: Element::Any, methods: VALUES };
/// Helm 4's.
static VALUES_V4: MapType = MapType { name: "common.Values", element: Element::Any, methods: VALUES };
static MAINTAINERS: ListType = ListType { name: "[]*chart.Maintainer", element: Element::Any, methods: &[] };
static DEPENDENCIES: ListType = ListType { name: "[]*chart.Dependency", element: Element::Any, methods: &[] };
static FILES: MapType = MapType { name: "engine.files", element: Element::ByteSlice, methods: FILES_METHODS };
static VERSIONS_V3: ListType = ListType { name: "chartutil.VersionSet", element: Element::String, methods: VERSIONS };
static VERSIONS_V4: ListType = ListType { name: "common.VersionSet", element: Element::String, methods: VERSIONS };

/// The type that a profile gives to values.
pub(super) fn values_type(profile: Profile) -> &'static MapType {
    match profile {
        Profile::V3 => &VALUES_V3,
        Profile::V4 => &VALUES_V4,
    }
}

const VALUES: &[Method] = &[
    Method { name: "YAML", signature: "", call: |_, args| Ok(Value::from(helm::to_yaml(&plain(args)) + "\n")) },
    Method { name: "Table", signature: "s", call: values_table },
    Method { name: "AsMap", signature: "", call: |_, args| Ok(plain(args)) },
    Method { name: "PathValue", signature: "s", call: path_value },
];

fn plain(args: Arguments<'_>) -> Value {
    Value::Map(args.map(0).with_type(&crate::template::value::DICT))
}

fn values_table(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let values = args.map(0);
    match table(&values, &args.text(1)) {
        Some(found) => Ok(Value::Map(found.with_type(values.map_type()))),
        None => Err(Failure::new(format!("\"{}\" is not a table", args.text(1)))),
    }
}

fn path_value(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let path = args.text(1);
    if path.is_empty() {
        return Err(Failure::new("YAML path cannot be empty"));
    }
    let key = path.rsplit('.').next().unwrap_or_default();
    super::values::scalar(&args.map(0), &path).ok_or_else(|| Failure::new(format!("\"{key}\" is not a value")))
}

const VERSIONS: &[Method] = &[Method {
    name: "Has",
    signature: "s",
    call: |context, args| {
        let wanted = args.bytes(1);
        let list = args.any(0);
        let has = list.as_list().is_some_and(|list| {
            list.to_vec().iter().any(|item| item.as_bytes().is_some_and(|bytes| &bytes[..] == wanted))
        });
        if let Some(watch) = context.options().watch {
            watch.asked(&args.text(1), has);
        }
        Ok(Value::Bool(has))
    },
}];

const FILES_METHODS: &[Method] = &[
    Method { name: "Get", signature: "s", call: |_, args| Ok(Value::String(file(args))) },
    Method { name: "GetBytes", signature: "s", call: |_, args| Ok(Value::ByteSlice(file(args))) },
    Method { name: "Glob", signature: "s", call: files_glob },
    Method {
        name: "AsConfig",
        signature: "",
        call: |_, args| Ok(flat(args, |bytes| Value::from(bytes.to_text().into_owned()))),
    },
    Method {
        name: "AsSecrets",
        signature: "",
        call: |_, args| Ok(flat(args, |bytes| Value::from(helm::base64(bytes)))),
    },
    Method { name: "Lines", signature: "s", call: lines },
];

fn file(args: Arguments<'_>) -> Bytes {
    match args.map(0).get(args.bytes(1)) {
        Some(Value::ByteSlice(bytes)) => bytes,
        _ => Bytes::default(),
    }
}

fn files_glob(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    // A pattern that is none stands for every file.
    let glob = Glob::new(&args.text(1), "/").or_else(|| Glob::new("**", ""));
    let entries = args.map(0).entries().into_iter();
    let found = entries.filter(|(name, _)| glob.as_ref().is_some_and(|glob| glob.matches(&name.to_text())));
    Ok(Value::Map(Map::new(&FILES, found.collect())))
}

fn flat(args: Arguments<'_>, text: fn(&Bytes) -> Value) -> Value {
    if args.map(0).is_nil() {
        return Value::from("");
    }
    let entries = args.map(0).entries().into_iter().map(|(name, data)| {
        let name = name.to_text();
        let base = name.rsplit('/').next().unwrap_or(&name).to_owned();
        (Bytes::from(base), if let Value::ByteSlice(bytes) = &data { text(bytes) } else { Value::from("") })
    });
    Value::from(helm::to_yaml(&Value::Map(Map::new(&STRING_MAP, entries.collect()))))
}

fn lines(_: &mut Context<'_>, args: Arguments<'_>) -> Outcome {
    let data = file(args);
    if data.is_empty() {
        return Ok(Value::strings(Vec::<Bytes>::new()));
    }
    let text = data.strip_suffix(b"\n").unwrap_or(&data);
    Ok(Value::strings(text.split(|b| *b == b'\n')))
}

/// `.Files` of a chart.
pub(super) fn files(files: &[ChartFile]) -> Value {
    let entries = files.iter().map(|file| (Bytes::from(file.name.as_str()), Value::ByteSlice(file.data.clone())));
    Value::Map(Map::new(&FILES, entries.collect()))
}

/// `.Release`.
pub(super) fn release(release: &Release) -> Value {
    Value::dict([
        ("Name", Value::from(release.name.as_str())),
        ("Namespace", Value::from(release.namespace.as_str())),
        ("IsUpgrade", Value::Bool(release.is_upgrade)),
        ("IsInstall", Value::Bool(!release.is_upgrade)),
        ("Revision", Value::int(1)),
        ("Service", Value::from("Helm")),
    ])
}

/// The name of what `.Chart` of Helm 3 embeds.
const EMBEDDED: &str = "Metadata";

/// A Go struct of the program.
#[derive(Debug)]
struct Struct {
    type_name: &'static str,
    pointer: bool,
    fields: Vec<(&'static str, Value)>,
    methods: &'static [Method],
    /// What `String()` of a pointer to it returns.
    text: Option<String>,
    /// What encoding/json writes, where that is not the fields.
    json: Option<Vec<(&'static str, Value)>>,
}

impl Object for Struct {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn is_pointer(&self) -> bool {
        self.pointer
    }

    /// Fields of what is embedded are found as its own.
    fn field(&self, name: &str) -> Option<Value> {
        let own = self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone());
        own.or_else(|| match self.fields.first() {
            Some((EMBEDDED, Value::Object(inner))) => inner.field(name),
            _ => None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.fields.clone()
    }

    fn methods(&self) -> &'static [Method] {
        self.methods
    }

    fn addressed_text(&self) -> Option<String> {
        self.text.clone()
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        self.json.clone().unwrap_or_else(|| self.fields.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

const KUBE_VERSION: &[Method] = &[
    Method { name: "GitVersion", signature: "", call: |_, args| Ok(version_of(args, "Version")) },
    Method { name: "String", signature: "", call: |_, args| Ok(version_of(args, "")) },
];

fn version_of(args: Arguments<'_>, field: &str) -> Value {
    let object = args.object(0).and_then(|object| object.as_any().downcast_ref::<Struct>());
    match object {
        Some(object) if field.is_empty() => Value::from(object.text.clone().unwrap_or_default()),
        Some(object) => object.field(field).unwrap_or_default(),
        None => Value::Nil,
    }
}

/// `.Capabilities`.
pub(super) fn capabilities(capabilities: &Capabilities, profile: Profile) -> Value {
    let of = |text: &str| Value::from(text);
    let version = &capabilities.kube_version;
    let (versions, kube, top) = match profile {
        Profile::V3 => (&VERSIONS_V3, "chartutil.KubeVersion", "*chartutil.Capabilities"),
        Profile::V4 => (&VERSIONS_V4, "common.KubeVersion", "*common.Capabilities"),
    };
    let mut fields =
        vec![("Version", of(&version.version)), ("Major", of(&version.major)), ("Minor", of(&version.minor))];
    let json = Some(fields.clone());
    if profile == Profile::V4 {
        fields.insert(1, ("normalizedVersion", of(&version.normalized)));
    }
    let text = Some(version.normalized.clone());
    let kube_version = Struct { type_name: kube, pointer: false, fields, methods: KUBE_VERSION, text, json };
    let mut json = vec![("version", of(capabilities.helm_version)), ("go_version", of(capabilities.go_version))];
    let mut helm = vec![
        ("Version", of(capabilities.helm_version)),
        ("GitCommit", of("")),
        ("GitTreeState", of("")),
        ("GoVersion", of(capabilities.go_version)),
    ];
    if profile == Profile::V4 {
        helm.push(("KubeClientVersion", of("v1.37")));
        json.push(("kube_client_version", of("v1.37")));
    }
    let helm_version = Struct {
        type_name: "version.BuildInfo",
        pointer: false,
        fields: helm,
        methods: &[],
        text: None,
        json: Some(json),
    };
    let list = capabilities.api_versions.iter().map(|version| Value::from(version.as_str())).collect();
    let fields = vec![
        ("KubeVersion", Value::Object(Rc::new(kube_version))),
        ("APIVersions", Value::List(List::new(versions, list))),
        ("HelmVersion", Value::Object(Rc::new(helm_version))),
    ];
    Value::Object(Rc::new(Struct { type_name: top, pointer: true, fields, methods: &[], text: None, json: None }))
}

/// The fields of Chart.yaml: name in Go, name in YAML, kind.
const FIELDS: &[(&str, &str, Kind)] = &[
    ("Name", "name", Kind::Text),
    ("Home", "home", Kind::Text),
    ("Sources", "sources", Kind::Texts),
    ("Version", "version", Kind::Text),
    ("Description", "description", Kind::Text),
    ("Keywords", "keywords", Kind::Texts),
    ("Maintainers", "maintainers", Kind::Maintainers),
    ("Icon", "icon", Kind::Text),
    ("APIVersion", "apiVersion", Kind::Text),
    ("Condition", "condition", Kind::Text),
    ("Tags", "tags", Kind::Text),
    ("AppVersion", "appVersion", Kind::Text),
    ("Deprecated", "deprecated", Kind::Flag),
    ("Annotations", "annotations", Kind::TextMap),
    ("KubeVersion", "kubeVersion", Kind::Text),
    ("Dependencies", "dependencies", Kind::Dependencies),
    ("Type", "type", Kind::Text),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    TextMap,
    Flag,
    Maintainers,
    Dependencies,
}

const MAINTAINER: &[(&str, &str, Kind)] =
    &[("Name", "name", Kind::Text), ("Email", "email", Kind::Text), ("URL", "url", Kind::Text)];

/// `.Chart`: Helm 3 gives the struct, Helm 4 a map of its fields.
pub(super) fn chart(
    chart: &Chart,
    name: &str,
    dependencies: &[super::chart::Dependency],
    root: bool,
    profile: Profile,
) -> Value {
    let mut fields: Vec<(&'static str, Value)> = FIELDS
        .iter()
        .map(|(go, yaml, kind)| {
            let value = match *go {
                "Name" => Value::from(name),
                "APIVersion" if chart.field("apiVersion").is_empty() => Value::from("v1"),
                "Dependencies" => {
                    let list_type = if profile == Profile::V3 { &DEPENDENCIES } else { &ANY_LIST };
                    let items = dependencies.iter().map(|d| dependency(d, profile)).collect();
                    Value::List(List::new(list_type, items))
                }
                _ => field(super::chart::field(&chart.metadata, yaml), *kind, profile),
            };
            (*go, value)
        })
        .collect();
    let mut written: Vec<(&'static str, Value)> = FIELDS
        .iter()
        .zip(&fields)
        .filter(|(_, (_, value))| value.is_true())
        .map(|((_, yaml, _), (_, value))| (*yaml, value.clone()))
        .collect();
    if profile == Profile::V4 {
        fields.push(("IsRoot", Value::Bool(root)));
        return Value::dict(fields);
    }
    written.push(("IsRoot", Value::Bool(root)));
    let object = |type_name, fields, json| {
        Value::Object(Rc::new(Struct { type_name, pointer: false, fields, methods: &[], text: None, json }))
    };
    let metadata = object("chart.Metadata", fields, None);
    let fields = vec![(EMBEDDED, metadata), ("IsRoot", Value::Bool(root))];
    object("struct { chart.Metadata; IsRoot bool }", fields, Some(written))
}

fn field(node: Option<&Node>, kind: Kind, profile: Profile) -> Value {
    let texts = || {
        let items = node.and_then(Node::as_seq).unwrap_or_default();
        items.iter().filter_map(string).map(Bytes::from).collect::<Vec<_>>()
    };
    match kind {
        Kind::Text => Value::from(node.and_then(string).unwrap_or_default()),
        Kind::Flag => Value::Bool(node.and_then(Node::as_bool).unwrap_or_default()),
        Kind::Texts if profile == Profile::V4 => Value::list(texts().into_iter().map(Value::String).collect()),
        Kind::Texts => Value::strings(texts()),
        Kind::TextMap => {
            let entries = node.and_then(Node::as_map).map(|map| {
                let pairs = map.iter().filter_map(|(key, value)| Some((string(key)?, string(value)?)));
                pairs.collect::<Vec<_>>()
            });
            match entries {
                Some(entries) => Value::string_map(entries),
                None => Value::Map(Map::nil(&STRING_MAP)),
            }
        }
        Kind::Maintainers | Kind::Dependencies => {
            let items = node.and_then(Node::as_seq).unwrap_or_default();
            let one = |item: &Node| {
                let fields: Vec<(&'static str, Value)> =
                    MAINTAINER.iter().map(|(go, yaml, kind)| (*go, field(item.get(yaml), *kind, profile))).collect();
                record("*chart.Maintainer", fields, &["name", "email", "url"], profile)
            };
            let list_type = if profile == Profile::V3 { &MAINTAINERS } else { &ANY_LIST };
            Value::List(List::new(list_type, items.iter().map(one).collect()))
        }
    }
}

fn dependency(dependency: &super::chart::Dependency, profile: Profile) -> Value {
    let of = |text: &str| Value::from(text);
    let fields = vec![
        ("Name", of(&dependency.name)),
        ("Version", of(&dependency.version)),
        ("Repository", of(&dependency.repository)),
        ("Condition", of(&dependency.condition)),
        ("Tags", Value::strings(dependency.tags.iter().map(String::as_str))),
        ("Enabled", Value::Bool(true)),
        (
            "ImportValues",
            Value::list(dependency.import_values.iter().map(crate::template::convert::from_json).collect()),
        ),
        ("Alias", of(&dependency.alias)),
    ];
    const JSON: [&str; 8] = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
    record("*chart.Dependency", fields, &JSON, profile)
}

/// A struct with the names of its fields in JSON, where empty ones are left out but for a dependency's repository.
fn record(
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
    names: &[&'static str],
    profile: Profile,
) -> Value {
    if profile == Profile::V4 {
        return Value::dict(fields);
    }
    let named = names.iter().zip(&fields).map(|(name, (_, value))| (*name, value.clone()));
    let json = Some(named.filter(|(name, value)| *name == "repository" || value.is_true()).collect());
    Value::Object(Rc::new(Struct { type_name, pointer: true, fields, methods: &[], text: None, json }))
}
