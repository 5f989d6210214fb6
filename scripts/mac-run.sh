#!/usr/bin/env bash
# `make mac-run`: builds the helper, the command line and the tests for x86_64 Macs, and runs them here (see mac-run/).
# The last line counts. `-v` adds which function of the system each test called.
#
# On a Mac there is nothing to pretend: `make test` runs the same there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

verbose=
case "$*" in
'') ;;
-v) verbose=yes ;;
*) die "usage: scripts/mac-run.sh [-v]" ;;
esac
[ "$(uname -sm)" = "Linux x86_64" ] || die "x86_64 code for macOS runs on x86_64 Linux alone, and this is $(uname -sm)"

scripts/setup.sh build lint macos mac-run
can_run_macs_programs || die "programs of macOS are linked with Debian's compiler and its source (rust-web-src), which are not to be had here"

work=$PWD/target/mac-run
case $target in /*) work=$target/mac-run ;; esac
programs=$work/programs
logs=$work/logs
trace=$work/trace
rm -rf "$logs" "$trace" "$programs"
mkdir -p "$logs" "$trace" "$programs"
# NAME # REASON: tests that cannot be run here, and files of tests that are not run here.
names() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }
mapfile -t skipped < <(names mac-run/skipped.txt)
mapfile -t left_out < <(names mac-run/left-out.txt)

. mac-run/cargo.sh

section "mac-run: lint, build, its own tests"
(cd mac-run && cargo fmt --all --check)
(cd mac-run/probe && cargo fmt --check)
host clippy --locked --manifest-path mac-run/Cargo.toml --workspace --all-targets -- -D warnings
host build --locked --manifest-path mac-run/Cargo.toml --workspace
host test --locked --manifest-path mac-run/Cargo.toml --lib 2>&1 | tee "$logs/own"

# Where every user gets at it: a test has another user run a program, and a home may be its owner's alone.
runner=$(mktemp -d -t mac-run.XXXXXX)
trap 'rm -rf "$runner"' EXIT
chmod 755 "$runner"
cp "$work/host/debug/mac-run" "$work/host/debug/libmac_run_preload.so" "$runner/"

section "Programs for $triple"
tests=(--lib --bin portcullis --bin portcullis-helper)
for file in tests/*.rs; do
    name=$(basename "$file" .rs)
    [[ " ${left_out[*]} " == *" $name "* ]] || tests+=(--test "$name")
done
# As small as a bundle's, nearly: the helper installs a copy of itself, and reads no file of more than 16 MiB.
export PORTCULLIS_LINK="-x -no_exported_symbols"
mac test "${options[@]}" "${tests[@]}" --no-run

export MAC_RUN_TRACE=$trace
failed=
section "Tests of the Mac build"
skips=()
for name in "${skipped[@]}"; do skips+=(--skip "$name"); done
mac test "${options[@]}" "${tests[@]}" --no-fail-fast -- "${skips[@]}" 2>&1 | tee "$logs/mac" || failed=yes

section "Programs as they are in the bundle"
# With a test, so that what they depend on is compiled as it was for the tests, and not once more.
mac build "${options[@]}" --bin portcullis-helper --test pf_alone
cp "$work/$triple/debug/portcullis-helper" "$programs/"
# The app is compiled with the hash of its helper. It is linked with the fixups of newer linkers, the helper with those of older ones.
sha256=$(sha256sum <"$programs/portcullis-helper" | cut -d' ' -f1)
PORTCULLIS_HELPER_SHA256=$sha256 PORTCULLIS_LINK="$PORTCULLIS_LINK -fixup_chains" mac build "${options[@]}" --bin portcullis --test pf_alone
cp "$work/$triple/debug/portcullis" "$programs/"
# There are backtraces in it.
unset PORTCULLIS_LINK

section "What a Mac program may ask of its system, asked from the Mac's side"
mac test --locked --manifest-path mac-run/probe/Cargo.toml --target "$triple" -Zbuild-std=std,panic_abort,test 2>&1 | tee "$logs/probe" || failed=yes

section "As on a Mac"
MAC_RUN_PROGRAMS=$programs host test --locked --manifest-path mac-run/Cargo.toml --test as_on_a_mac 2>&1 | tee "$logs/as-on-a-mac" || failed=yes

section "Count"
# Sums one column of libtest's last lines, of the programs that ran as a Mac's.
sum() {
    cat "$logs/mac" "$logs/probe" "$logs/as-on-a-mac" |
        awk -v what="$1;" '/^test result: / { for (i = 1; i < NF; i++) if ($(i + 1) == what) sum += $i } END { print sum + 0 }'
}
cat "$trace"/* >"$logs/trace" 2>/dev/null || : >"$logs/trace"
count_programs() { awk -F '\t' '$1 == "" { n = split($2, parts, "/"); name = parts[n]; sub(/-[0-9a-f]+$/, "", name); seen[name] } END { print length(seen) }' "$logs/trace"; }
crossing=$(awk -F '\t' '$1 != "" { seen[$1] } END { print length(seen) }' "$logs/trace")
functions=$(awk -F '\t' '$1 != "" { seen[$2] } END { print length(seen) }' "$logs/trace")
if [ -n "$verbose" ]; then
    say "function of the system, number of tests that called it, the tests"
    awk -F '\t' '$1 != "" && !(($1, $2) in seen) { seen[$1, $2]; count[$2]++; tests[$2] = tests[$2] " " $1 }
        END { for (name in count) printf "%s\t%d\t%s\n", name, count[name], tests[name] }' "$logs/trace" | sort -t "$(printf '\t')" -k2,2nr -k1,1
fi
say "$functions functions of the system were called, by $crossing tests and programs"
reason() { sed -n "s/^$2[[:space:]]*# *//p" "$1"; }
for name in "${left_out[@]}"; do say "not run: tests/$name.rs ($(reason mac-run/left-out.txt "$name"))"; done
for name in "${skipped[@]}"; do say "skipped: $name ($(reason mac-run/skipped.txt "$name"))"; done
failures=$(sum failed)
printf 'programs %s, tests %s passed, %s failed, %s skipped\n' "$(count_programs)" "$(sum passed)" "$failures" "${#skipped[@]}"
[ -z "$failed" ] && [ "$failures" = 0 ]
