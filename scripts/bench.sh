#!/usr/bin/env bash
# `make bench`: sets up, then measures.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build
if ! ls benches/*.rs >/dev/null 2>&1; then
    say "There is nothing to measure yet: benches/ is empty."
    exit 0
fi
cargo bench --locked --no-default-features --benches
scripts/ratio.sh
