#!/usr/bin/env bash
# Installs what is missing, and says what before it does.
#
#   scripts/setup.sh PART...
#
#   build   a Rust compiler and a linker                 tray   the tray's libraries
#   lint    rustfmt and clippy                           test   a display and a bus without a screen, a debugger
#   pictures  a panel, and what takes pictures of it     desktop  what a session of Xfce runs
#   macos   the standard library for both Apple targets  app    linker, signer and packer of the app
#   fuzz    cargo-fuzz, and a compiler for its library
#   mac-run  the linker for programs of macOS that are run here
#   debuggers  the real debug servers and their clients, as far as they are to be had, and strace
#
# On Debian and Ubuntu by apt, as root or through sudo; on a Mac with Apple's command line tools and rustup.
# A Rust toolchain that is there and new enough is used as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

rust_is_new_enough() {
    have cargo && have rustc && at_least "$(rustc --version | cut -d' ' -f2 | cut -d- -f1)" "$wanted"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "cannot run \"$*\": it needs root and there is no sudo; run it as root, then try again"
    fi
}

# Refreshes the package lists, once in a run.
refreshed=
refresh() {
    [ -n "$refreshed" ] && return
    say "setup: apt-get update"
    as_root apt-get update -qq
    refreshed=yes
}

# The version that apt would install of $1, without epoch and Debian revision; nothing if there is none.
candidate() {
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '(none)' | sed 's/[+-].*//' || true
}

# Installs those of the named packages that are missing.
packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -q '^installed$' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    say "setup: apt-get install ${missing[*]}"
    refresh
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null </dev/null
}

rustup_install() {
    say "setup: Rust by rustup, into ~/.rustup and ~/.cargo"
    have curl || packages curl ca-certificates
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default --no-modify-path
}

build() {
    if is_mac; then
        xcode-select -p >/dev/null 2>&1 || die "Apple's command line tools are missing: run xcode-select --install, then try again"
    else
        have cc || packages gcc libc6-dev
        packages ca-certificates
    fi
    rust_is_new_enough && return
    if have rustup && rustup show active-toolchain >/dev/null 2>&1; then
        say "setup: rustup update stable (Rust $wanted or later is needed)"
        rustup update stable
    elif ! is_mac && { refresh; at_least "$(candidate rustc-web)" "$wanted"; }; then
        packages rustc-web cargo-web
    else
        rustup_install
    fi
    hash -r
    rust_is_new_enough || die "Rust $wanted or later is needed, and $(rustc --version 2>&1) is first on the PATH: remove it, or put the newer one before it"
}

lint() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
    if have rustup; then
        say "setup: rustup component add rustfmt clippy"
        rustup component add rustfmt clippy
    else
        packages rustfmt-web rust-web-clippy
    fi
}

tray() {
    is_mac || packages libgtk-3-dev pkg-config libayatana-appindicator3-1
}

test() {
    is_mac && return
    packages xvfb xauth dbus xclip
    # A debugger that the tests must not disturb; they say so where there is none.
    have dlv || { refresh; [ -z "$(candidate delve)" ] || packages delve; }
}

pictures() {
    packages xfce4-panel xfconf dbus xvfb xauth xdotool imagemagick x11-utils fonts-dejavu-core adwaita-icon-theme iproute2 perl delve
}

desktop() {
    packages xfce4 xfce4-notifyd xfce4-power-manager network-manager-gnome dbus xvfb xauth iproute2
}

macos() {
    if is_mac; then
        have rustup || die "the standard library for both Apple targets comes by rustup, and this Rust is not rustup's: install rustup, then try again"
        rustup target add aarch64-apple-darwin x86_64-apple-darwin
    elif [ -n "$(candidate rust-web-src)" ] || { refresh; [ -n "$(candidate rust-web-src)" ]; }; then
        packages rustc-web cargo-web rust-web-src rust-web-clippy
    else
        have rustup || rustup_install
        rustup target add aarch64-apple-darwin x86_64-apple-darwin
    fi
}

app() {
    is_mac && return
    packages lld-22 llvm-22 python3-minimal zip
    local tools=$PWD/target/tools
    [ -x "$tools/bin/rcodesign" ] && return
    say "setup: cargo install apple-codesign, into target/tools (five minutes, once)"
    CARGO_TARGET_DIR=$tools/build cargo install apple-codesign --version 0.29.0 --locked --no-default-features --root "$tools" --quiet
    rm -rf "$tools/build"
}

mac_run() {
    packages lld-22 python3-minimal
}

fuzz() {
    is_mac || have g++ || packages g++
    local tools=$PWD/target/tools
    [ -x "$tools/bin/cargo-fuzz" ] && return
    say "setup: cargo install cargo-fuzz, into target/tools (a minute, once)"
    CARGO_TARGET_DIR=$tools/build cargo install cargo-fuzz --version 0.13.2 --locked --root "$tools" --quiet
    rm -rf "$tools/build"
}

# Those that cannot be had are skipped by the tests, with a word.
debuggers() {
    is_mac && return
    local package python=$PWD/target/tools/python
    # dropbear-bin is an SSH server that runs only where it is started.
    for package in strace delve golang-go nodejs default-jdk-headless gdbserver gdb lldb ruby socat python3-venv iproute2 \
        openssh-client dropbear-bin; do
        { have "$(command_of "$package")" || packages "$package"; } || say "setup: $package is not to be had"
    done
    [ -x "$python/bin/python" ] && return
    say "setup: debugpy from PyPI, into target/tools/python"
    { python3 -m venv "$python" && "$python/bin/pip" install --quiet debugpy; } || {
        # Else a half-made one would pass for one next time.
        rm -rf "$python"
        say "setup: debugpy is not to be had"
    }
}

# The command by which a package is known to be there already.
command_of() {
    case $1 in
    delve) echo dlv ;;
    golang-go) echo go ;;
    nodejs) echo node ;;
    default-jdk-headless) echo java ;;
    lldb) echo lldb-server ;;
    iproute2) echo ip ;;
    openssh-client) echo ssh ;;
    dropbear-bin) echo dropbear ;;
    python3-venv) echo nothing-tells ;;
    *) echo "$1" ;;
    esac
}

is_mac || have apt-get || die "set-up knows Debian, Ubuntu and macOS; elsewhere install Rust $wanted, GTK 3 and libayatana-appindicator, then use cargo"
for part in "$@"; do
    case $part in
    build | lint | tray | test | pictures | desktop | macos | app | fuzz | debuggers) "$part" ;;
    mac-run) mac_run ;;
    *) die "no such part: $part" ;;
    esac
done
