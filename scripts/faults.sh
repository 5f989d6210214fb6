#!/usr/bin/env bash
# `make faults`: sets up, then fails each call of the helper once and judges what is left. The last line is
# `points N, torn 0, disagree 0, leaked 0, foreign 0, lies 0`; otherwise it ends with 1.
#
# Before that it plants links, pipes, folders and sockets at the helper's paths while each call is held up, which ends with
# `planted N, astray 0, hung 0, open 0`.
#
#   POINT=NAME         only the faults whose names begin so; `together` is 20 helpers at once, `planted` what is planted
#   FAULTS_SAMPLE=N    only N faults, spread evenly over all of them, always the same; and 40 of what is planted
#   FAULTS_ROUNDS=N    how often 20 helpers start at once (500; with a sample 10)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if is_mac; then
    say "Faults are tried on Linux alone: calls are held up by seccomp."
    exit 0
fi
scripts/setup.sh build
# All of it is a million runs of pfctl, which is worth a build of its own.
profile=faults
[ -n "${FAULTS_SAMPLE:-}${POINT:-}" ] && profile=dev
build=(cargo test --locked --no-default-features --features faults --profile "$profile" --test faults --no-run)
"${build[@]}"
# Run by itself, since cargo has a word of its own after a test that fails.
program=$("${build[@]}" --color never 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
FAULTS=all exec "$program"
