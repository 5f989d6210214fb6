# Cargo for this machine and for the Mac: read with `. mac-run/cargo.sh` from the package's root, where $work is the folder of
# what is built.
# shellcheck shell=bash
triple=x86_64-apple-darwin

# The loader and the stand-ins, for this machine.
host() { CARGO_TARGET_DIR=$work/host cargo "$@"; }

# The Mac's programs, with the toolchain and the stubs of the app's bundle.
mac() {
    PATH="/usr/bin:/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 SDKROOT="$PWD/bundle" MACOSX_DEPLOYMENT_TARGET=11.0 \
        CARGO_TARGET_DIR=$work CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=false CARGO_PROFILE_TEST_DEBUG=0 CARGO_PROFILE_TEST_STRIP=false \
        CARGO_TARGET_X86_64_APPLE_DARWIN_RUNNER="${runner:-$work/host/debug}/mac-run" \
        env -u RUSTUP_TOOLCHAIN /usr/bin/cargo --config bundle/cargo-cross.toml "$@"
}
options=(--locked --no-default-features --target "$triple" -Zbuild-std=std,panic_abort,test)
