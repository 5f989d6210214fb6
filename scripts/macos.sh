#!/usr/bin/env bash
# `make macos`: type-checks and lints everything, tests included, for both Apple targets.
#
# On Linux the standard library is built from Debian's rust-web-src; where that is not to be had, rustup's is used.
# Nothing of it runs: what is caught are type errors, lints, and code that only Linux compiles.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh build lint macos

# RUSTC_BOOTSTRAP would let unstable features pass, so none may be asked for.
if grep -rnE '#!?\[(cfg_attr\(.*)?feature\(' --include='*.rs' src tests benches 2>/dev/null; then
    die "unstable features: Portcullis builds with stable Rust"
fi

targets=(--target aarch64-apple-darwin --target x86_64-apple-darwin)
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$target/macos-gate"
if [ -d /usr/lib/rustlib/src/rust/library ]; then
    # Debian's compiler and source belong together: rustup's cargo stays behind, and so does its compiler.
    export PATH="/usr/bin:/bin:${CARGO_HOME:-$HOME/.cargo}/bin" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    unset RUSTUP_TOOLCHAIN
    targets+=(-Zbuild-std=std,panic_abort)
fi
say "$(cargo --version), for aarch64-apple-darwin and x86_64-apple-darwin"
cargo clippy --locked --all-targets "${targets[@]}" -- -D warnings
say "macOS gate passed: type-checked and linted, not run"
