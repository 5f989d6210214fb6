#!/usr/bin/env bash
# `make debuggers`: sets up the real debug servers, looks at them for 30 s at full rate, lets their real clients in, and
# shows that none was harmed; the tray, too, where it can be shown. The last line is `servers N, skipped S, harmed H`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

# The tray is shown on a virtual screen, which a Mac does not have.
features=--no-default-features
is_mac || features=
scripts/setup.sh build debuggers
is_mac || scripts/setup.sh tray test
python=$PWD/target/tools/python/bin/python
[ -x "$python" ] && export PORTCULLIS_PYTHON=$python
export PORTCULLIS_DEBUGGERS_SECONDS=${PORTCULLIS_DEBUGGERS_SECONDS:-30}
build=(cargo test --locked $features --test debuggers --no-run)
"${build[@]}"
# Run by itself, since cargo has a word of its own after a test that fails.
program=$("${build[@]}" --color never 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
exec "$program"
