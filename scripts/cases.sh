#!/usr/bin/env bash
# `make cases`: every case, and how many are right. BASE=COMMIT builds that commit beside this one and counts the cases that
# it gets wrong; a case that is not of the ones handed over and right there too is named.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if [ -n "${BASE:-}" ]; then
    section "The command line of $BASE"
    tree=$PWD/target/base-$BASE
    [ -d "$tree" ] || git worktree add -q --detach "$tree" "$BASE"
    CARGO_TARGET_DIR=$PWD/target/base cargo build --locked --no-default-features --bin portcullis \
        --manifest-path "$tree/Cargo.toml"
    export PORTCULLIS_BASE=$PWD/target/base/debug/portcullis
fi
cargo test --locked --no-default-features --test cases -- --nocapture | grep -E '^(wrong|right there|cases|[0-9]+ asked)' -A 3 |
    grep -v '^test ' | grep -v '^$'
