#!/usr/bin/env bash
# Fuzzes one target on stable Rust: fuzz/run.sh TARGET [SECONDS] (0: build only). Seeds come from fixtures/; findings lie in fuzz/artifacts/TARGET.
# Instead of cargo-fuzz (nightly), the coverage counters that libFuzzer reads are asked for here.
set -euo pipefail
cd "$(dirname "$0")"
target=$1 seconds=${2:-600}
corpus=corpus/$target artifacts=artifacts/$target
mkdir -p "$corpus" "$artifacts"
case $target in
  yaml) pick='*.yaml' ;;
  kustomization) pick='kustomization.yaml' ;;
  json_patch) pick='*patch*' ;;
  template | appset) pick='*set*.yaml' ;;
  helm_template) pick='*.tpl' ;;
  helm_values | helm_set | helm_archive) pick='values.yaml' ;;
esac
find ../fixtures ../examples -name "$pick" -type f -size -16k | while read -r file; do
  # A kustomization is followed by one resource beside it.
  { cat "$file"; if [ "$target" = kustomization ]; then printf '\n%%%%\n'; find "$(dirname "$file")" -maxdepth 1 -name '*.yaml' ! -name kustomization.yaml -exec cat {} + ; fi; } \
    > "$corpus/seed-$(echo "$file" | sha256sum | cut -c1-16)"
done
if [ "$target" = template ]; then grep -rhoE '\{\{.*\}\}' ../fixtures/template ../fixtures/expand | sort -u | split -l 1 -a 5 - "$corpus/line-"; fi
if [ "$target" = helm_template ]; then sed -n 's/^{"n":[0-9]*,"t":"\(.*\)","[oe3]":.*/\1/p' ../fixtures/helm-expressions/*.jsonl | awk 'NR <= 2000' | split -l 1 -a 5 - "$corpus/line-"; fi
if [ "$target" = helm_set ]; then cat ../fixtures/helm/set-*/args | grep = | split -l 1 -a 5 - "$corpus/line-"; fi
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code -Ccodegen-units=16"
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$flags" cargo build --release --target "$host" --bin "$target"
[ "$seconds" = 0 ] && exit
exec "target/$host/release/$target" "$corpus" -artifact_prefix="$artifacts/" -max_total_time="$seconds" \
  -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1
