#!/usr/bin/env bash
# `make evening`: sets up, then lives through two years beside the oracle, after it has seen what is planted. The last line is
# `days N, ticks T, late 0, revived 0, cut 0`; otherwise it ends with 1.
#
#   EVENING_SEED=N     other days than the usual ones
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build
build=(cargo test --locked --no-default-features --test evenings --no-run)
cargo build --locked --no-default-features --bins
"${build[@]}"
# Run by itself, since cargo has a word of its own after a test that fails.
program=$("${build[@]}" --color never 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
# Labs are written to all the while: in memory where there is such a place.
[ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && export TMPDIR=/dev/shm
EVENING=all exec "$program"
