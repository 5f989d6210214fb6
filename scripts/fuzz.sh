#!/usr/bin/env bash
# `make fuzz`: sets up, then fuzzes each target for FUZZ_SECONDS (60) seconds, from the golden files on.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build
if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    say "Installing the nightly toolchain, which cargo-fuzz needs."
    rustup toolchain install nightly --profile minimal
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    say "Installing cargo-fuzz."
    cargo install cargo-fuzz --locked
fi
seconds=${FUZZ_SECONDS:-60}
for target in parse print verdict; do
    say "Fuzzing $target for $seconds s."
    mkdir -p "fuzz/corpus/$target"
    cp tests/data/pf/*.conf tests/data/pf/*.bad "fuzz/corpus/$target/"
    cargo +nightly fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1
done
