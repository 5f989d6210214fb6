#!/usr/bin/env bash
# `make test`: sets up, then runs everything that CI runs. Stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

section "Set-up"
scripts/setup.sh build lint tray test debuggers
say "$(rustc --version), $(cargo fmt --version), $(cargo clippy --version)"

section "Format"
cargo fmt --check
say "formatted"

section "Lint, without the tray"
cargo clippy --locked --no-default-features --features faults --all-targets -- -D warnings

section "Lint, with the tray"
cargo clippy --locked --all-targets -- -D warnings

section "macOS gate"
scripts/macos.sh

section "The Mac's own programs, run here"
if can_run_macs_programs; then
    scripts/mac-run.sh
else
    say "not here: a Mac needs no other to run them, and elsewhere it takes x86_64 and Debian's source of the standard library"
fi

section "Tray tests, on a bus and a display of their own"
on_a_screen() {
    if is_mac; then
        "$@"
    else
        env NO_AT_BRIDGE=1 dbus-run-session -- xvfb-run -a "$@"
    fi
}
# What the helper links matters most in a build that has the tray.
tests=(--test helper_links --test tray_menu)
for file in tests/tray*.rs; do
    [ -e "$file" ] && tests+=(--test "$(basename "$file" .rs)")
done
on_a_screen cargo test --locked --bin portcullis-tray
on_a_screen cargo test --locked "${tests[@]}"

section "Real debuggers, looked at by every command and the tray"
# `make debuggers` looks at them for longer. A Mac has what its owner has installed.
[ -x "$PWD/target/tools/python/bin/python" ] && export PORTCULLIS_PYTHON=$PWD/target/tools/python/bin/python
least=${PORTCULLIS_DEBUGGERS_LEAST:-8}
is_mac && least=0
env PORTCULLIS_DEBUGGERS_SECONDS="${PORTCULLIS_DEBUGGERS_SECONDS:-3}" PORTCULLIS_DEBUGGERS_LEAST="$least" \
    cargo test --locked --test debuggers

section "Next steps: what is said to do, done with real servers"
# A Mac has no network namespaces.
least=${PORTCULLIS_NEXT_STEPS_LEAST:-15}
is_mac && least=0
env PORTCULLIS_NEXT_STEPS_LEAST="$least" cargo test --locked --no-default-features --test next_steps

section "Tests, without the tray: units, examples, command line, helper, the debuggers once more and quickly"
cargo test --locked --no-default-features

section "Faults, some of them: make faults tries all"
# Calls are held up by seccomp, which Linux alone has.
FAULTS_SAMPLE=${FAULTS_SAMPLE:-400} scripts/faults.sh

section "The helper as it is released"
scripts/helper.sh

section "Fuzz, shortly: make fuzz takes longer"
FUZZ_SECONDS=${FUZZ_SECONDS:-15} scripts/fuzz.sh
