#!/usr/bin/env bash
# Builds the root helper as it is released, and holds it to what `tests/helper_links.rs` asks: no test double, no parser of
# command lines, no toolkit, and a bounded size. Part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

cargo build --locked --profile small --no-default-features --bin portcullis-helper
helper=$PWD/$target/small/portcullis-helper
case $target in /*) helper=$target/small/portcullis-helper ;; esac
PORTCULLIS_RELEASED_HELPER=$helper cargo test --locked --no-default-features --test helper_links -- --nocapture
