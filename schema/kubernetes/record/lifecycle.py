#!/usr/bin/env python3
"""Writes ../lifecycle.txt: API versions of built-in kinds that are deprecated or gone. Run by hand when Kubernetes moves; never by a build
or a test.

  lifecycle.py API…     unpacked modules k8s.io/api, old ones too (v0.21 has what went in 1.22), oldest first: the last word counts
"""
import pathlib, re, sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "lifecycle.txt"
rows = {
    # In modules of their own.
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): (16, 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService"): (19, 22, "apiregistration.k8s.io/v1"),
}
for module in sys.argv[1:]:
    for path in sorted(pathlib.Path(module).glob("*/v*/zz_generated.prerelease-lifecycle.go")):
        register = (path.parent / "register.go").read_text()
        group = re.search(r'GroupName += "([^"]*)"', register)[1]
        text = path.read_text()
        found = {}
        for kind, what, major, minor in re.findall(r"func \(in \*(\w+)\) APILifecycle(Deprecated|Removed)\(\) \(major, minor int\) \{\s+return (\d+), (\d+)", text):
            assert major == "1"
            found.setdefault(kind, {})[what] = int(minor)
        for kind, g, v, k in re.findall(r'func \(in \*(\w+)\) APILifecycleReplacement\(\) schema.GroupVersionKind \{\s+return schema.GroupVersionKind\{Group: "([^"]*)", Version: "([^"]*)", Kind: "([^"]*)"', text):
            found.setdefault(kind, {})["Replacement"] = (f"{g}/{v}" if g else v) + ("" if k == kind else f" {k}")
        # Alpha versions come and go without notice.
        if "alpha" in path.parent.name:
            continue
        for kind, what in found.items():
            if kind.endswith("List") or kind.endswith("Options"):
                continue
            api = f"{group}/{path.parent.name}" if group else path.parent.name
            rows[api, kind] = (what.get("Deprecated"), what.get("Removed"), what.get("Replacement", "-"))
head = """API versions of built-in kinds that are deprecated or gone. Written by record/lifecycle.py.
APIVERSION KIND DEPRECATED REMOVED REPLACEMENT: minor versions of 1.x, `-` for none; the replacement with its kind where that is another one."""
lines = [f"{api} {kind} {d or '-'} {r or '-'} {new}" for (api, kind), (d, r, new) in sorted(rows.items())]
OUT.write_text("".join(f"# {l}\n" for l in head.split("\n")) + "\n".join(lines) + "\n")
