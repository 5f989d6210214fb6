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
