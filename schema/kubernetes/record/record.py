#!/usr/bin/env python3
"""Writes the tables beside this folder from the originals' own data. Run by hand when an original moves; never by a build or a test.

  record.py KYAML KUBERNETES
    KYAML       unpacked module sigs.k8s.io/kustomize/kyaml v0.21.2 (kustomize v5.8.2)
    KUBERNETES  unpacked module k8s.io/kubernetes v1.34.2
"""
import gzip, json, pathlib, re, sys

OUT = pathlib.Path(__file__).resolve().parent.parent
KYAML, KUBERNETES = (pathlib.Path(p) for p in sys.argv[1:3])


def write(name, head, lines):
    (OUT / name).write_text("".join(f"# {l}\n" for l in head) + "".join(f"{l}\n" for l in lines))


def merge_keys(prop):
    """Keys of a list that kyaml merges element by element: None when it does not, [] for a list of scalars."""
    if "merge" not in prop.get("x-kubernetes-patch-strategy", "").split(",") or prop.get("type") != "array":
        return None
    if "x-kubernetes-list-map-keys" in prop:
        return prop["x-kubernetes-list-map-keys"]
    return [prop["x-kubernetes-patch-merge-key"]] if "x-kubernetes-patch-merge-key" in prop else []


def strategic_merge():
    bundle = json.load(gzip.open(next((KYAML / "openapi/kubernetesapi/data").glob("*.json.gz"))))
    definitions = dict(bundle["definitions"])
    definitions.update(json.load(open(KYAML / "openapi/kustomizationapi/swagger.json"))["definitions"])
    target = lambda schema: schema.get("$ref", "").removeprefix("#/definitions/")
    roots = {}
    for name, definition in definitions.items():
        for gvk in definition.get("x-kubernetes-group-version-kind", []):
            api = "/".join(p for p in (gvk.get("group", ""), gvk["version"]) if p)
            roots[api, gvk["kind"]] = name
    for resource in bundle["resources"]:
        if "definition" in resource:
            roots[resource["apiVersion"], resource["kind"]] = resource["definition"]

    def field(prop):
        """(shape, type name or '') of one property; nested inline schemas do not occur on a way to a merge."""
        if target(prop):
            return "one", target(prop)
        if prop.get("type") == "array":
            keys = merge_keys(prop)
            shape = "list" if keys is None else "merge " + (",".join(keys) or "=")
            return shape, target(prop["items"])
        values = prop.get("additionalProperties")
        return ("map", target(values)) if isinstance(values, dict) else ("scalar", "")

    keep, grown = set(), True
    while grown:  # the types from which a merged list can be reached
        grown = False
        for name, definition in definitions.items():
            props = [field(p) for p in definition.get("properties", {}).values()]
            if name not in keep and any(s.startswith("merge") or t in keep for s, t in props):
                keep.add(name)
                grown = True
    used, queue = set(), [n for n in roots.values() if n in keep]
    while queue:
        name = queue.pop()
        if name in used:
            continue
        used.add(name)
        queue += [t for _, t in map(field, definitions[name].get("properties", {}).values()) if t in keep]
    short = lambda n: re.sub(r"^(io\.k8s\.)(api|kube-aggregator\.pkg\.apis|apiextensions-apiserver\.pkg\.apis|apimachinery\.pkg\.apis)\.", "", n)
    assert len({short(n) for n in used}) == len(used)
    lines = []
    for name in sorted(used, key=short):
        lines.append(f"type {short(name)}")
        for prop, schema in sorted(definitions[name]["properties"].items()):
            shape, to = field(schema)
            if shape.startswith("merge") or to in keep:
                assert shape != "map", "maps of such types have no shape in the table yet"
                lines.append(f"  {prop} {shape} {short(to) if to in keep else '-'}")
    by_type = {}
    for (api, kind), name in roots.items():
        if name in keep:
            by_type.setdefault((api, kind), short(name))
    lines += [f"root {api} {kind} {name}" for (api, kind), name in sorted(by_type.items())]
    write("strategic-merge.txt", [
        "What kustomize v5.8.2 knows for strategic merges (kyaml v0.21.2: Kubernetes OpenAPI v1.21.2 and its own Kustomization schema),",
        "cut down to the types from which a list that merges by key can be reached. Written by record/record.py.",
        "type NAME, then its fields: NAME SHAPE TYPE ('-': a type from which nothing more is reached). Shapes: one; list (replaced whole);",
        "merge KEY,KEY (list of maps merged by all these keys); merge = (list of scalars merged by value).",
        "root APIVERSION KIND TYPE.",
    ], lines)


def kustomize_scope():
    source = (KYAML / "openapi/openapi.go").read_text()
    rows = re.findall(r'\{APIVersion: "([^"]+)", Kind: "([^"]+)"\}:\s*(true|false)', source)
    write("scope-kustomize.txt", [
        "Scopes that kustomize v5.8.2 knows (kyaml v0.21.2, precomputedIsNamespaceScoped): APIVERSION KIND SCOPE. Written by record/record.py.",
        "Everything else is unknown to it, and treated as namespaced.",
    ], sorted(f"{api} {kind} {'namespaced' if ns == 'true' else 'cluster'}" for api, kind, ns in rows))


def current_scope():
    swagger = json.load(open(KUBERNETES / "api/openapi-spec/swagger.json"))
    scopes = {}
    for path, item in swagger["paths"].items():
        for verb, operation in item.items():
            gvk = operation.get("x-kubernetes-group-version-kind") if isinstance(operation, dict) else None
            if gvk and verb == "post" and not re.search(r"\{name\}", path):
                namespaced = "{namespace}" in path
                scopes[gvk["group"], gvk["kind"]] = namespaced or scopes.get((gvk["group"], gvk["kind"]), False)
    for line in (OUT / "record/scope-more.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            group, kind, scope = line.split()
            assert scopes.setdefault(("" if group == "-" else group, kind), scope == "namespaced") == (scope == "namespaced"), line
    write("scope.txt", [
        "Scopes of Kubernetes' built-in kinds (v1.34.2 API, all versions of a group alike) and of the kinds in record/scope-more.txt:",
        "GROUP KIND SCOPE, '-' is the core group. Written by record/record.py.",
    ], sorted(f"{g or '-'} {k} {'namespaced' if ns else 'cluster'}" for (g, k), ns in scopes.items()))


strategic_merge()
kustomize_scope()
current_scope()
