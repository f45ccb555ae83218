#!/usr/bin/env python3
"""Writes ../forms.txt: how Go writes the fields of ../types.txt that hold nothing. Run by hand when Kubernetes moves; never by a build or a test.

  forms.py FOLDER…      a Go module cache's k8s.io/ (with api@…, apimachinery@…, apiextensions-apiserver@…, kube-aggregator@…), then the
                        versions to compare: forms.py ~/go/pkg/mod/k8s.io v0.31.14 v0.34.4 v0.36.1
"""
import collections, pathlib, re, sys

HERE = pathlib.Path(__file__).resolve().parent.parent
CACHE, VERSIONS = pathlib.Path(sys.argv[1]), sys.argv[2:]
FOLDERS = [("api", "", ""), ("apimachinery", "pkg/apis/meta", "meta"), ("apiextensions-apiserver", "pkg/apis/apiextensions", "apiextensions"), ("kube-aggregator", "pkg/apis/apiregistration", "apiregistration")]


def structs(version):
    """Type to its fields: (name, Go type, options), embedded ones as (None, type, …)."""
    found = {}
    for module, below, group in FOLDERS:
        root = CACHE / f"{module}@{version}"
        for path in (root / below).glob("v*/types*.go") if group else root.glob("*/v*/types*.go"):
            prefix = f"{group or path.parent.parent.name}.{path.parent.name}."
            name = None
            for line in path.read_text().splitlines():
                if m := re.match(r"type (\w+) struct \{", line):
                    name = prefix + m[1]
                    found[name] = []
                elif line.startswith("}"):
                    name = None
                elif name and (m := re.match(r'\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`.*?json:"([^"]*)"', line)):
                    word, *options = m[3].split(",")
                    found[name].append((word, m[2], options, prefix))
    return found


def full(ty, prefix):
    alias = {"metav1": "meta.v1", "v1": "core.v1", "corev1": "core.v1"}
    package, dot, name = ty.rpartition(".")
    return f"{alias.get(package, package)}.{name}" if dot else prefix + ty


def forms(all_, name):
    for word, ty, options, prefix in all_.get(name, []):
        if "inline" in options or not word:
            yield from forms(all_, full(ty.lstrip("*"), prefix))
            continue
        if word == "-":
            continue
        yield word, ("p" if ty.startswith("*") else "") + ("" if {"omitempty", "omitzero"} & set(options) else "k")


types = [line.split(" ")[1] for line in (HERE / "types.txt").read_text().splitlines() if line.startswith("type ")]
table = {}
for version in VERSIONS:
    if not (CACHE / f"api@{version}").is_dir():
        sys.exit(f"no {version}")
    all_ = structs(version)
    for name in types:
        for field, form in forms(all_, name):
            table.setdefault(name, {}).setdefault(field, set()).add(form)
lines = [
    "# How Go writes fields that hold nothing (k8s.io/api " + ", ".join(VERSIONS) + "). Written by record/forms.py.",
    "# TYPE FIELD:FORM…: p held by a pointer, so that what is written stays, be it empty; k written also where it holds nothing; ? one or the other,",
    "# by version. Fields that are not here are left out where they hold nothing.",
]
for name in sorted(table):
    words = []
    for field, form in sorted(table[name].items()):
        text = form.pop() if len(form) == 1 else "?"
        if text:
            words.append(f"{field}:{text}")
    if words:
        lines.append(" ".join([name] + words))
(HERE / "forms.txt").write_text("\n".join(lines) + "\n")
print(len(types), "types", len(table), "found", sum(":?" in line for line in lines), "types with ?")
print("missing", [name for name in types if name not in table][:40])
