#!/usr/bin/env bash
# `make debuggers`: sets up the real debug servers, looks at them for 30 s at full rate, and shows that none was harmed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build debuggers
python=$PWD/target/tools/python/bin/python
[ -x "$python" ] && export PORTCULLIS_PYTHON=$python
PORTCULLIS_DEBUGGERS_SECONDS=${PORTCULLIS_DEBUGGERS_SECONDS:-30} \
    cargo test --locked --no-default-features --test debuggers
