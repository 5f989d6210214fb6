#!/usr/bin/env bash
# `make app`: Portcullis.app for both Apple targets, ad-hoc signed, as dist/Portcullis.zip. `--run`: on a Mac, for this Mac
# only, not zipped, and started (`make run`).
#
# The helper is built and signed first: the tray, which is the app's program, and the command line are compiled with the
# SHA-256 of exactly that file, and ask for root for no other. On Linux everything is cross-built and linked without an SDK (see `link`); nothing of that has run on a Mac.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

run=
case "$*" in
'') ;;
--run)
    is_mac || die "the app runs on a Mac"
    run=yes
    ;;
*) die "usage: bundle/app.sh [--run]" ;;
esac

scripts/setup.sh build
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$PWD/target/bundle
case $target in /*) work=$target/bundle ;; esac
app=$work/Portcullis.app
identifier=dev.portcullis
export MACOSX_DEPLOYMENT_TARGET=11.0

targets=(aarch64-apple-darwin x86_64-apple-darwin)
if [ -n "$run" ]; then
    targets=("$(rustc -vV | sed -n 's/^host: //p')")
else
    scripts/setup.sh macos app
fi

# compile PROGRAM FEATURES: a stripped PROGRAM for every target, as one file in $work.
compile() {
    local program=$1 features=$2 each built=() profile=small
    [ "$program" != portcullis ] || profile=release
    for each in "${targets[@]}"; do
        say "building $program for $each"
        # shellcheck disable=SC2086 # options
        cross build --locked --profile "$profile" --target "$each" --bin "$program" $features
        cp "$target/bundle/cargo/$each/$profile/$program" "$work/$program.$each"
        strip_program "$work/$program.$each"
        built+=("$work/$program.$each")
    done
    lipo_program -create "${built[@]}" -output "$work/$program"
}

if is_mac; then
    # Headers of the system are read while libproc is built; without the command line tools only Xcode has them.
    export SDKROOT="${SDKROOT:-$(xcrun --show-sdk-path)}"
    cross() { CARGO_TARGET_DIR="$target/bundle/cargo" cargo "$@"; }
    strip_program() { strip "$1"; }
    lipo_program() { lipo "$@"; }
    sign_program() { codesign --force --sign - --options runtime --identifier "$2" "$1"; }
    sign_app() { codesign --force --sign - --options runtime --entitlements bundle/entitlements.plist "$1"; }
    check_signature() { codesign --verify --strict --deep "$1"; }
else
    # Our package has a profile of its own, for which cargo has rustc strip whatever the environment says; it does so by
    # the name that rustup gives LLVM's objcopy.
    mkdir -p "$work/bin"
    ln -sf "$(command -v llvm-objcopy-22)" "$work/bin/rust-objcopy"
    cross() {
        PATH="$work/bin:/usr/bin:/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 SDKROOT="$PWD/bundle" \
            CARGO_TARGET_DIR="$target/bundle/cargo" CARGO_PROFILE_RELEASE_STRIP=false CARGO_PROFILE_SMALL_STRIP=false \
            env -u RUSTUP_TOOLCHAIN /usr/bin/cargo --config bundle/cargo-cross.toml "$@" -Zbuild-std=std,panic_abort
    }
    strip_program() { llvm-strip-22 "$1"; }
    lipo_program() { llvm-lipo-22 "$@"; }
    rcodesign=$PWD/target/tools/bin/rcodesign
    sign_program() { "$rcodesign" sign --code-signature-flags runtime --binary-identifier "$2" "$1"; }
    sign_app() {
        "$rcodesign" sign --code-signature-flags runtime --entitlements-xml-file bundle/entitlements.plist \
            --exclude 'Contents/MacOS/portcullis' --exclude 'Contents/MacOS/portcullis-helper' "$1"
    }
    check_signature() { bundle/check-signature "$1"; }
fi

sha256() {
    if is_mac; then shasum -a 256 "$1"; else sha256sum "$1"; fi | cut -d' ' -f1
}

mkdir -p "$work"
section "The helper"
compile portcullis-helper --no-default-features
sign_program "$work/portcullis-helper" "$identifier.helper"
PORTCULLIS_HELPER_SHA256=$(sha256 "$work/portcullis-helper")
export PORTCULLIS_HELPER_SHA256
say "its SHA-256, which the app is compiled with: $PORTCULLIS_HELPER_SHA256"

# What the app and the command line say that they are; of a copy without its history, the version alone.
commit=$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || true)
export PORTCULLIS_BUILD="$version${commit:+ ($commit)}"

section "The app"
compile portcullis --no-default-features
sign_program "$work/portcullis" "$identifier.cli"
compile portcullis-tray ''

section "The bundle"
rm -rf "$app"
mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources"
sed "s/@VERSION@/$version/g" bundle/Info.plist >"$app/Contents/Info.plist"
printf 'APPL????' >"$app/Contents/PkgInfo"
cp "$work/portcullis" "$work/portcullis-tray" "$work/portcullis-helper" "$app/Contents/MacOS/"
cp bundle/Portcullis.icns LICENSE-MIT LICENSE-APACHE "$app/Contents/Resources/"
sign_app "$app"
[ "$(sha256 "$app/Contents/MacOS/portcullis-helper")" = "$PORTCULLIS_HELPER_SHA256" ] ||
    die "signing the app changed its helper, which the app would refuse"
check_signature "$app"

if [ -n "$run" ]; then
    section "Starting $app"
    # `open` would show the one that runs already, which may be another build.
    pkill -U "$(id -u)" -x portcullis-tray || :
    while pgrep -U "$(id -u)" -x portcullis-tray >/dev/null; do sleep 0.2; done
    exec open -W "$app"
fi
mkdir -p dist
rm -f dist/Portcullis.zip
root=$PWD
if is_mac; then
    ditto -c -k --keepParent "$app" dist/Portcullis.zip
else
    (cd "$work" && zip -qry "$root/dist/Portcullis.zip" Portcullis.app)
fi
say "dist/Portcullis.zip: $(wc -c <dist/Portcullis.zip) bytes, for ${targets[*]}"
is_mac || say "It was built and checked on Linux; it has not run on a Mac. Signed by nobody: Gatekeeper will warn."
