#!/usr/bin/env python3
"""Writes ../apply.txt from an API server's own OpenAPI document. Run by hand when Kubernetes moves; never by a build or a test.

  apply.py SCHEMAS      {"definitions": {…}} with all components.schemas of GET /openapi/v3/… of a kube-apiserver v1.34
                        (/openapi/v2 lacks the defaults of keys)
"""
import json, pathlib, sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "apply.txt"
definitions = json.load(open(sys.argv[1]))["definitions"]
SHORT = "io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis."


def short(name):
    for prefix in SHORT:
        name = name.removeprefix(prefix)
    return name


def target(schema):
    for one in [schema, *schema.get("allOf", [])]:
        if "$ref" in one:
            return one["$ref"].rpartition("/")[2]
    return ""


def is_struct(name):
    return bool(definitions.get(name, {}).get("properties"))


def default_of(name, key):
    value = definitions.get(name, {}).get("properties", {}).get(key, {}).get("default")
    # Go's zero values stand as defaults of required fields; they are defaults there, too.
    return "" if value is None else "=" + json.dumps(value, separators=(",", ":"))


def shape(schema):
    """Shape and target of a field, or None for what is by default: scalars, lists replaced whole, structs without more."""
    ref = target(schema)
    described = definitions.get(ref, {}) if ref else schema
    if schema.get("x-kubernetes-map-type", described.get("x-kubernetes-map-type")) == "atomic":
        return "whole", None
    kind = described.get("type")
    if "oneOf" in described:  # a quantity, a number or a text
        return None
    if kind == "array":
        items = target(described.get("items", {}))
        match schema.get("x-kubernetes-list-type", described.get("x-kubernetes-list-type")):
            case "set":
                return "set", None
            case "map":
                keys = schema["x-kubernetes-list-map-keys"]
                atomic = definitions.get(items, {}).get("x-kubernetes-map-type") == "atomic"
                return "keys " + ",".join(k + default_of(items, k) for k in keys), "whole" if atomic else items
        return None
    if kind == "object" or (kind is None and ref):
        if described.get("properties"):
            return "one", ref
        if "additionalProperties" in described:
            below = described["additionalProperties"]
            return ("map", None) if shape(below) else None
        return "whole", None  # RawExtension: asked of a server, ControllerRevision.data is one field
    return None


fields = {}
for name, definition in definitions.items():
    fields[name] = {f: s for f, schema in definition.get("properties", {}).items() if (s := shape(schema))}
# A type matters when something that is not by default can be reached.
matters = set()
while True:
    more = {n for n in fields if n not in matters and any(s != "one" or t in matters for s, t in fields[n].values())}
    if not more:
        break
    matters |= more
lines, roots, seen = [], [], set()


def visit(name):
    if name in seen or name not in matters:
        return
    seen.add(name)
    for _, below in fields[name].values():
        if below:
            visit(below)


for name, definition in sorted(definitions.items()):
    for gvk in definition.get("x-kubernetes-group-version-kind", []):
        props = definition.get("properties", {})
        if "metadata" in props and name in matters and not name.endswith("List"):
            api = "/".join(p for p in (gvk.get("group", ""), gvk["version"]) if p)
            roots.append(f"root {api} {gvk['kind']} {short(name)}")
            visit(name)
for name in sorted(seen, key=short):
    lines.append(f"type {short(name)}")
    for field, (kind, below) in sorted(fields[name].items()):
        if kind == "one" and below not in matters:
            continue
        assert kind != "map", f"{name}.{field}: a map of maps, which the table cannot say and v1.34 has in whole lists only"
        lines.append(f"  {field} {kind} {short(below) if below in matters else below if below == 'whole' else '-'}")
head = """How server-side apply of Kubernetes v1.34 divides built-in kinds into fields. Written by record/apply.py.
type NAME, then its fields: NAME SHAPE TYPE ('-': a type with nothing but the default below). Shapes: one; set (a list of scalars, each
owned by itself); keys KEY=DEFAULT,… (a list of maps, each owned by itself, TYPE being `whole` where each is one); whole (owned as one).
Fields that are not here are the default: maps by field, lists whole.
root APIVERSION KIND TYPE."""
OUT.write_text("".join(f"# {l}\n" for l in head.split("\n")) + "\n".join(lines + sorted(set(roots))) + "\n")
