#!/usr/bin/env bash
# A part of `make bench`: `check` of 10,000 rules, and a verdict by them, by this commit and by BASE (f1c44e8), timed in turn.
# Says the least time of each, and the ratio: below 1 this commit is faster.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

base=${BASE:-f1c44e8} rounds=${ROUNDS:-15}
if ! git cat-file -e "$base^{commit}" 2>/dev/null; then
    say "$base is not in this clone: no comparison."
    exit 0
fi
section "Against $base"
tree=$PWD/target/base-$base
[ -d "$tree" ] || git worktree add -q --detach "$tree" "$base"
cargo build --locked --release --no-default-features --bin portcullis
CARGO_TARGET_DIR=$PWD/target/base cargo build --locked --release --no-default-features --bin portcullis \
    --manifest-path "$tree/Cargo.toml"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk 'BEGIN { for (n = 0; n < 10000; n++) {
    a = int(n / 250) % 250; b = n % 250; port = 1024 + n % 60000
    if (n % 4 == 0) printf "pass in on en0 inet proto tcp from 10.%d.%d.0/24 to any port %d label \"r%d\"\n", a, b, port, n
    if (n % 4 == 1) printf "block drop in log on ! lo0 proto udp from any to any port %d\n", port
    if (n % 4 == 2) printf "pass in proto tcp from any to 192.168.%d.%d port %d:%d\n", a, b, port, port + 9
    if (n % 4 == 3) printf "block return in inet6 proto tcp from fd00:%x:%x::/48 to any\n", a, b
} }' >"$folder/pf.conf"
echo 'pass in on en0 proto tcp to any port 2345' >"$folder/one.conf"

# Microseconds that a command takes; what it says and its exit status do not count.
timed() {
    local begun=${EPOCHREALTIME/./}
    "$@" >/dev/null 2>&1 || true
    echo $((${EPOCHREALTIME/./} - begun))
}
compare() {
    local what=$1 here=999999999 there=999999999 took round
    shift
    for ((round = 0; round < rounds; round++)); do
        took=$(timed target/release/portcullis "$@") && ((took < here)) && here=$took
        took=$(timed target/base/release/portcullis "$@") && ((took < there)) && there=$took
    done
    awk -v what="$what" -v here=$here -v there=$there 'BEGIN {
        printf "%-40s here %7.1f ms, there %7.1f ms, ratio %.2f\n", what, here / 1000, there / 1000, here / there }'
}
compare "check of 10,000 rules" check "$folder/pf.conf"
compare "a verdict by 10,000 rules" explain 2345 --from 192.168.1.20 --on en0 --conf "$folder/pf.conf"
compare "a verdict by one rule" explain 2345 --from 192.168.1.20 --on en0 --conf "$folder/one.conf"
