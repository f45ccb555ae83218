#!/bin/sh
# Packs a built fleetc for a release: program, licence, manual pages, completions, schemas. The same program gives the same bytes.
#
#   package.sh PROGRAM TARGET OUT      writes OUT/fleetc-TARGET.tar.gz
set -eu

usage='usage: package.sh PROGRAM TARGET OUT'
program=${1:?$usage}
target=${2:?$usage}
out=${3:?$usage}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/completions" "$work/schema" "$out"
cp "$program" "$work/fleetc"
chmod 755 "$work/fleetc"
cp "$here/LICENSE" "$here/README.md" "$work/"
cp "$here"/schema/*.schema.json "$work/schema/"
"$work/fleetc" man --dir "$work/man" 2> /dev/null
for shell in bash zsh fish; do
  "$work/fleetc" completions "$shell" > "$work/completions/fleetc.$shell"
done
# Names in one order, no times, nobody's user: https://reproducible-builds.org/docs/archives/
(cd "$work" && tar --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
  --format=gnu -cf - LICENSE README.md completions fleetc man schema) | gzip -9n > "$out/fleetc-$target.tar.gz"
