#!/usr/bin/env bash
# `make fuzz`: sets up, then fuzzes each target for FUZZ_SECONDS (60) seconds, from the golden files on.
# Ends at the first fault, and says where the text that shows it is. What was found worth keeping stays in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build fuzz
PATH="$PWD/target/tools/bin:$PATH"
seconds=${FUZZ_SECONDS:-60}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Without a sanitizer, since the code fuzzed has no unsafe; so any toolchain will do.
say "Building the targets."
cargo fuzz build --sanitizer none
for target in parse print verdict recipes; do
    mkdir -p "fuzz/corpus/$target"
    cp tests/data/pf/*.conf tests/data/pf/*.bad "fuzz/corpus/$target/"
    if ! cargo fuzz run --sanitizer none "$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        die "fuzzing $target found a fault: the text is in fuzz/artifacts/$target"
    fi
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    say "$target: $executed texts in $seconds s, no fault"
done
