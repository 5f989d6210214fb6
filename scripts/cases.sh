#!/usr/bin/env bash
# `make cases`: every case, and how many are right. BASE=COMMIT builds that commit beside this one and counts the cases that
# it gets wrong: `new N, wrong there N; controls M; …`. A new case that is right there too is named, and a control that is not.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if [ -n "${BASE:-}" ]; then
    section "The command line of $BASE"
    tree=$PWD/target/base-$BASE
    [ -d "$tree" ] || git worktree add -q --detach "$tree" "$BASE"
    build=(env CARGO_TARGET_DIR="$PWD/target/base" cargo build --locked --no-default-features --manifest-path "$tree/Cargo.toml")
    # A change of it starts the helper and the stand-ins that lie beside it.
    "${build[@]}" --bins
    # Its library, which is asked for packets that its command line cannot ask for: as f1c44e8 has it.
    rm -f target/base/debug/examples/base_verdict
    mkdir -p "$tree/examples"
    cp tests/cases/base_verdict.rs "$tree/examples/"
    "${build[@]}" --example base_verdict || say "Its library is another: verdicts are asked by its explain."
    export PORTCULLIS_BASE=$PWD/target/base/debug/portcullis
fi
cargo test --locked --no-default-features --test cases -- --nocapture | grep -E '^(wrong|right there|a control|cases|new)' -A 3 |
    grep -v '^test ' | grep -v '^$'
