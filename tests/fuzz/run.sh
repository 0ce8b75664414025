#!/usr/bin/env bash
# Fuzzes every target, or those that are named, each for a while; then says how many inputs were tried and what was reached.
#
#   bash tests/fuzz/run.sh                       every target, 10 s each
#   FUZZ_SECONDS=3600 bash tests/fuzz/run.sh sql journal
#
# What new was found on the way stays in target/fuzz, and is begun with the next time. An input that breaks a target is kept in
# target/fuzz/broken: put it into tests/fuzz/corpus/TARGET once the defect is mended.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-10}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)

# Only the crates of this workspace are instrumented: the dependencies are those that the tests were built with.
cargo build --locked --quiet -p cockpit-fuzz --bins --config 'build.rustc-workspace-wrapper="tests/fuzz/sancov.sh"'
mkdir -p target/fuzz/broken
failed=()
for target in "${targets[@]}"; do
  found=target/fuzz/$target
  mkdir -p "$found"
  log=target/fuzz/$target.log
  if ! "target/debug/$target" "$found" "tests/fuzz/corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix=target/fuzz/broken/ >"$log" 2>&1; then
    failed+=("$target")
    grep -v '^#' "$log" | tail -40
  fi
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rss=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  reached=$(sed -n 's/.*cov: \([0-9]*\) ft: \([0-9]*\).*/\1 edges, \2 features/p' "$log" | tail -1)
  printf '%-9s %9s inputs in %s s, %s, %s MiB\n' "$target" "${tried:-?}" "$seconds" "${reached:-?}" "${rss:-?}"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "broken: ${failed[*]}; the inputs are in target/fuzz/broken" >&2
  exit 1
fi
