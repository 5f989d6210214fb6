#!/usr/bin/env bash
# `make run`: sets up, builds, and starts the tray. Where there is no display, it shows the same job as text.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if is_mac; then
    # A tray icon needs a bundle (macOS 26 shows none without).
    exec bundle/app.sh --run
fi

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    scripts/setup.sh build tray
    cargo build --locked --bins
    say "The tray starts now. Quit from its menu, or with Ctrl-C."
    exec "$target/debug/portcullis"
fi

scripts/setup.sh build
cargo build --locked --bins --no-default-features
lab=$PWD/$target/lab
case $target in /*) lab=$target/lab ;; esac
say "There is no display here, so this is the same job as text, in the lab $lab:"
for command in status "guard on" "open 2345" status "close 2345"; do
    printf '\n$ portcullis %s\n' "$command"
    # shellcheck disable=SC2086 # the words of a command
    "$target/debug/portcullis" --lab "$lab" $command
done
