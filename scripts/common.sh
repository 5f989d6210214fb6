# What the scripts share: read with `. scripts/common.sh` from the package's root.
# shellcheck shell=bash

# Cargo's own folder last: a compiler that the system or the caller chose comes first.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH

# Where cargo puts what it builds.
target=${CARGO_TARGET_DIR:-target}

section() { printf '\n=== %s\n' "$*"; }
say() { printf '%s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
is_mac() { [ "$(uname -s)" = Darwin ]; }
# Whether programs of macOS can be linked and run here: by x86_64 Linux, and with Debian's compiler and its source.
can_run_macs_programs() { [ "$(uname -sm)" = "Linux x86_64" ] && [ -d /usr/lib/rustlib/src/rust/library ]; }

# Starts a real panel on this screen and bus; its process joins those in the array `started`. An icon that comes before the panel
# has its watcher on the bus falls back to the old kind of tray.
start_panel() {
    xfce4-panel --disable-wm-check >/dev/null 2>&1 &
    started+=($!)
    for _ in $(seq 300); do
        dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
            string:org.kde.StatusNotifierWatcher 2>/dev/null | grep -q 'boolean true' && break
        sleep 0.1
    done
}
