#!/usr/bin/env python3
"""Writes ../types.txt: the fields of all built-in kinds of several minor versions. Run by hand when Kubernetes moves; never by a build
or a test.

  types.py FOLDER…      one a minor version, oldest first, named by its version (1.31.14), each with api/openapi-spec/swagger.json and
                        pkg/generated/openapi/zz_generated.openapi.go of the Go module k8s.io/kubernetes, side by side
The document has no enumerations (it is written with them off), so they are taken from the Go file. What a server asks for beyond both is in
types-more.txt.
"""
import json, pathlib, re, sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "types.txt"
FOLDERS = [pathlib.Path(p) for p in sys.argv[1:]]
MINORS = [int(p.name.split(".")[1]) for p in FOLDERS]
SHORT = [
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.", "apiextensions."),
    ("io.k8s.kube-aggregator.pkg.apis.apiregistration.", "apiregistration."),
    ("io.k8s.apimachinery.pkg.apis.meta.", "meta."),
    ("io.k8s.apimachinery.pkg.", ""),
    ("io.k8s.api.", ""),
]
# What Go decodes by code of its own.
SPECIAL = {
    "api.resource.Quantity": "q", "util.intstr.IntOrString": "x", "meta.v1.Time": "t", "meta.v1.MicroTime": "u", "meta.v1.Duration": "d",
    "runtime.RawExtension": "o", "meta.v1.FieldsV1": "o", "apiextensions.v1.JSON": "j", "apiextensions.v1.JSONSchemaPropsOrArray": "j",
    "apiextensions.v1.JSONSchemaPropsOrBool": "j", "apiextensions.v1.JSONSchemaPropsOrStringArray": "j", "meta.v1.Patch": "o",
}
PLAIN = {
    ("string", ""): "s", ("integer", "int32"): "i", ("integer", "int64"): "l", ("integer", ""): "l", ("boolean", ""): "b", ("number", "double"): "n",
    ("number", ""): "n", ("string", "byte"): "y", ("string", "date-time"): "t", ("object", ""): "o",
}


def short(name):
    for prefix, instead in SHORT:
        if name.startswith(prefix):
            return instead + name[len(prefix):]
    return name


def enums(path):
    """(type, field) to the values of the enumeration, and those fields that Go holds by value, from the generated Go."""
    found, held, ty, field = {}, set(), None, None
    names = [("k8sio_api_", ""), ("pkg_apis_meta_", "meta."), ("pkg_apis_apiextensions_", "apiextensions."), ("pkg_apis_apiregistration_", "apiregistration.")]
    for line in path.read_text().splitlines():
        if m := re.match(r"func schema_(\w+)\(ref", line):
            ty = None
            for prefix, instead in names:
                if m[1].startswith(prefix):
                    group, version, kind = re.match(r"(\w+?)_(v\d\w*?)_(\w+)$", (instead.rstrip(".") + "_" if instead else "") + m[1][len(prefix):]).groups()
                    ty = f"{group}.{version}.{kind}"
        elif m := re.match(r'\t{5}"([^"]+)": \{$', line):
            field = m[1]
        elif ty and (m := re.match(r"\t+Enum: +\[\]interface\{\}\{(.*)\},$", line)):
            found[ty, field] = json.loads(f"[{m[1]}]")
        elif ty and re.match(r"\t{7}Default: +map\[string\]interface\{\}\{\},$", line):
            held.add((ty, field))
    return found, held


def code(schema, values):
    if "$ref" in schema:
        name = short(schema["$ref"].rpartition("/")[2])
        return SPECIAL.get(name, name)
    kind = schema.get("type")
    if kind == "array":
        keys = ""
        if schema.get("x-kubernetes-list-type") == "map":
            keys = "@" + ",".join(schema["x-kubernetes-list-map-keys"])
        elif schema.get("x-kubernetes-list-type") == "set":
            keys = "@"
        return "[" + code(schema["items"], values) + keys
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "{" + code(schema["additionalProperties"], values)
    if kind is None:
        return "j"
    plain = PLAIN[kind, schema.get("format", "")]
    return plain + ("=" + "|".join(v.replace(" ", "+") for v in values) if values and plain == "s" else "")


def span(minors):
    """The minor versions as ranges, nothing for all."""
    if len(minors) == len(MINORS):
        return ""
    runs = []
    for minor in minors:
        if runs and runs[-1][1] == minor - 1:
            runs[-1][1] = minor
        else:
            runs.append([minor, minor])
    ends = lambda first, last: f"{first if first != MINORS[0] else ''}-{last if last != MINORS[-1] else ''}"
    return " " + ",".join(ends(*run) for run in runs)


types, roots = {}, {}
for minor, folder in zip(MINORS, FOLDERS):
    definitions = json.load(open(folder / "swagger.json"))["definitions"]
    listed, held = enums(folder / "zz_generated.openapi.go")
    todo, seen = [], set()
    for name, definition in definitions.items():
        if "metadata" not in definition.get("properties", {}):
            continue
        for gvk in definition.get("x-kubernetes-group-version-kind", []):
            if short(name).endswith("List") and "items" in definition["properties"]:
                continue
            api = "/".join(p for p in (gvk.get("group", ""), gvk["version"]) if p)
            roots.setdefault((api, gvk["kind"], short(name)), []).append(minor)
            todo.append(name)
    while todo:
        name = todo.pop()
        if name in seen or short(name) in SPECIAL:
            continue
        seen.add(name)
        definition = definitions[name]
        todo += [r.rpartition("/")[2] for r in re.findall(r'"\$ref": "([^"]+)"', json.dumps(definition.get("properties", {})))]
        if "properties" not in definition and definition.get("type") != "object":
            sys.exit(f"{name}: no struct and not known")
        fields = types.setdefault(short(name), {})
        for field, schema in definition.get("properties", {}).items():
            text = code(schema, listed.get((short(name), field)))
            text += "~" if (short(name), field) in held and "." in text else ""
            text += "!" if field in definition.get("required", []) else ""
            fields.setdefault(field, {}).setdefault(text, []).append(minor)
for line in (pathlib.Path(__file__).parent / "types-more.txt").read_text().splitlines():
    if line.startswith("#"):
        continue
    name, field, what = line.split(" ")
    if field == "*":
        types[name]["*"] = {what: sorted({m for texts in types[name].values() for minors in texts.values() for m in minors})}
        continue
    before, after = types[name][field], {}
    for text, minors in before.items():
        bare = text.rstrip("!")
        if what[0] == "=":
            text = text if "=" in text else bare.split("@")[0] + what + text[len(bare.split("@")[0]):]
        else:
            text = bare + what.rstrip("?")
        after.setdefault(text, []).extend(minors)
    types[name][field] = {text: sorted(minors) for text, minors in after.items()}
lines = []
for name, fields in sorted(types.items()):
    of_type = [m for texts in fields.values() for minors in texts.values() for m in minors]
    lines.append(f"type {name}")
    for field, texts in sorted(fields.items()):
        for text, minors in texts.items():
            # A type that came or went says so by its kinds; its fields need not.
            all_of_type = sorted(set(of_type)) == minors
            lines.append(f" {field} {text}{'' if all_of_type else span(minors)}")
for (api, kind, name), minors in sorted(roots.items()):
    lines.append(f"root {api} {kind} {name}{span(minors)}")
head = f"""Fields of the built-in kinds of Kubernetes v1.{MINORS[0]} to v1.{MINORS[-1]}. Written by record/types.py.
type NAME, then its fields: NAME CODE RANGE. CODE is a letter (s string, i int32, l int64, n number, b boolean, y base64, t time, u time with
fractions, d duration, q quantity, x number or string, o any mapping, j anything) or a type; before it [ for a list and {{ for a map of it; after
it =A|B values (+ for a blank), ~ for a type that is there, empty, where nothing is written, @KEYS keys of a list (@ alone: no value twice), ! required; `* %A|B` asks for one of these fields. RANGE is FIRST-LAST minor version, empty for no limit.
root APIVERSION KIND TYPE RANGE."""
OUT.write_text("".join(f"# {l}\n" for l in head.split("\n")) + f"minors {MINORS[0]} {MINORS[-1]}\n" + "\n".join(lines) + "\n")
