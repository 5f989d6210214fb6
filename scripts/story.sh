#!/usr/bin/env bash
# `make story`: reads back what every face prints of 10,000 random worlds. The last line is `worlds N, lies 0`; otherwise it
# ends with 1.
#
#   STORY_WORLDS=N     so many of them
#   STORY_SEED=N       other worlds than the usual ones
#   STORY_WORLD=N      one of them, printed
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build
build=(cargo test --locked --no-default-features --profile faults --bin portcullis --no-run)
"${build[@]}"
# Run by itself, since cargo has a word of its own after a test that fails.
program=$("${build[@]}" --color never 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
STORY_WORLDS=${STORY_WORLDS:-10000} "$program" --nocapture --test-threads 1 one_story::no_face >"$said" || status=1
cat "$said"
grep '^worlds ' "$said" | tail -n 1
exit "$status"
