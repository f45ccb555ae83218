#!/usr/bin/env python3
"""Writes ../scope-custom.txt: scopes of public custom kinds, from CustomResourceDefinitions in folders and git repositories, and from
custom-more.txt. Run by hand; never by a build or a test.

  custom.py FOLDER...     a folder of files, or a bare git repository (its HEAD)

Only facts are taken: group, kind, scope. Kinds whose definitions disagree are left out, and so are those that built-in tables have.
"""
import pathlib, re, subprocess, sys

OUT = pathlib.Path(__file__).resolve().parent.parent
CRD = r"^kind: *[\"']?CustomResourceDefinition"
PRIVATE = re.compile(r"test|example|deliveryhero|curator|sap\.cc$|cloud\.sap|lsst|prow\.k8s|monax|samsung|xcrypt|^platform\.|tkestack")


def rows(path):
    return [tuple(l.split()) for l in path.read_text().splitlines() if l and not l.startswith("#")]


def texts(root):
    if (root / "HEAD").exists():
        git = ["git", "--git-dir", str(root)]
        found = subprocess.run([*git, "grep", "-lIE", CRD, "HEAD", "--", "*.yaml", "*.yml"], capture_output=True, text=True).stdout
        for name in found.splitlines():
            yield subprocess.run([*git, "show", name], capture_output=True).stdout.decode(errors="replace")
        return
    found = subprocess.run(["grep", "-rlIE", "--exclude-dir=.git", "--include=*.y*ml", CRD, str(root)], capture_output=True, text=True).stdout
    for name in found.splitlines():
        yield pathlib.Path(name).read_text(errors="replace")


def crds(text):
    for document in re.split(r"(?m)^---.*$", text):
        start = re.search(CRD, document, re.M) and re.search(r"(?m)^spec:\s*$", document)
        if not start:
            continue
        spec = re.split(r"(?m)^[^\s#]", document[start.end():])[0]
        group = re.search(r"(?m)^( +)group: *[\"']?([a-z0-9.-]+)[\"']?\s*$", spec)
        if not group:
            continue
        indent = group[1]
        names = re.search(rf"(?m)^{indent}names:\s*$((?:\n{indent}[ -].*)*)", spec)
        kind = names and re.search(r"(?m)^ +kind: *[\"']?([A-Za-z0-9]+)[\"']?\s*$", names[1])
        scope = re.search(rf"(?m)^{indent}scope: *[\"']?(Namespaced|Cluster)[\"']?\s*$", spec)
        if kind and scope:
            yield group[2], kind[1], scope[1].lower()


known = {}
for root in map(pathlib.Path, sys.argv[1:]):
    for text in texts(root):
        for group, kind, scope in crds(text):
            if not PRIVATE.search(group):
                known.setdefault((group, kind), set()).add(scope)
for group, kind, scope in rows(OUT / "record/custom-more.txt"):
    before = known.get((group, kind), {scope})
    assert before == {scope}, (group, kind, before, scope)
    known[group, kind] = {scope}
built_in = {(group, kind) for group, kind, _ in rows(OUT / "scope.txt")}
lines = [f"{g} {k} {min(s)}\n" for (g, k), s in sorted(known.items()) if len(s) == 1 and (g, k) not in built_in]
head = "# Scopes of public custom kinds, any version: GROUP KIND SCOPE. Written by record/custom.py.\n"
(OUT / "scope-custom.txt").write_text(head + "".join(lines))
