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
is_mac && exit
# The tray, as it is released: medians.
scripts/setup.sh build tray test
cargo test --locked --profile small --test tray_dbus --no-run
PORTCULLIS_ROUNDS=${PORTCULLIS_ROUNDS:-11} NO_AT_BRIDGE=1 dbus-run-session -- xvfb-run -a \
    cargo test --locked --profile small --test tray_dbus -- --nocapture a_tray_starts 2>/dev/null | grep '^start to icon'
