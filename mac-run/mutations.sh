#!/usr/bin/env bash
# Makes shims wrong on purpose, one at a time, and expects a test to fail for each: the ten that the most tests of
# `make mac-run` call, and what the crate pfctl 0.7.0 asked /dev/pf for. Needs a `make mac-run` before it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

work=$PWD/target/mac-run
programs=$work/programs
probe=$(find "$work/x86_64-apple-darwin/debug/deps" -name 'mac_run_probe-*' -perm -u+x ! -name '*.*' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2)
[ -x "$probe" ] && [ -d "$programs" ] || die "run make mac-run first"
copy=$(mktemp -d -t mac-run.mutations.XXXXXX)
trap 'rm -rf "$copy"' EXIT
# The library lies beside the package.
cp -r mac-run "$copy/mac-run"
for each in Cargo.toml Cargo.lock src resources benches tests; do ln -s "$PWD/$each" "$copy/$each"; done

killed=0 alive=0
# mutate NAME FILE FROM TO: the first FROM in FILE becomes TO.
mutate() {
    local name=$1 file=$copy/mac-run/src/$2
    cp "mac-run/src/$2" "$file"
    python3 - "$file" "$3" "$4" <<'PYTHON' || die "$name: there is no such text in $2"
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
sys.exit(1) if old not in text else open(path, "w").write(text.replace(old, new, 1))
PYTHON
    if ! (cd "$copy/mac-run" && CARGO_TARGET_DIR=$work/mutations cargo build --locked --quiet --workspace 2>"$copy/log"); then
        cat "$copy/log" >&2
        die "$name does not compile"
    fi
    local failing=
    if ! timeout 120 "$work/mutations/debug/mac-run" "$probe" >"$copy/log" 2>&1; then
        failing=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$copy/log" | head -n 1)
        failing=${failing:-the probe ends early}
    elif ! (cd "$copy/mac-run" && MAC_RUN_PROGRAMS=$programs CARGO_TARGET_DIR=$work/mutations timeout 600 cargo test --locked --quiet --test as_on_a_mac) >"$copy/log" 2>&1; then
        failing=$(sed -n 's/^    \([a-z_]*::[a-z_]*\)$/\1/p' "$copy/log" | head -n 1)
        failing=${failing:-as_on_a_mac ends early}
    fi
    cp "mac-run/src/$2" "$file"
    if [ -n "$failing" ]; then
        killed=$((killed + 1))
        printf '%-28s caught by %s\n' "$name" "$failing"
    else
        alive=$((alive + 1))
        printf '%-28s NOT CAUGHT\n' "$name"
    fi
}

mutate __error system/errno.rs 'number.set(abi::errno::to_mac(*linux));' 'number.set(*linux);'
mutate open abi/fcntl.rs '(0x0000_0200, libc::O_CREAT)' '(0x0000_0200, libc::O_EXCL | libc::O_CREAT)'
mutate fstat abi/files.rs 'pub links: u16,' 'pub links: u32,'
mutate clock_gettime abi/clocks.rs '(0, libc::CLOCK_REALTIME)' '(0, libc::CLOCK_PROCESS_CPUTIME_ID)'
mutate fcntl system/files.rs 'flags & numbers::ACCESS | flags_to_mac(numbers::OPEN_FLAGS, flags)' 'flags'
mutate pthread_create system/threads.rs 'Inherited::new(start, argument)' 'Inherited::new(start, std::ptr::null_mut())'
mutate pthread_mutex_lock system/threads.rs 'errno::to_mac(libc::pthread_mutex_lock(inner(mutex)))' '{ inner(mutex); 0 }'
mutate _tlv_atexit thread_locals.rs '__cxa_thread_atexit_impl(function, argument, (&raw mut __dso_handle).cast())' '{ let _ = (function, argument); 0 }'
mutate sysconf system/processes.rs '29 => libc::_SC_PAGESIZE' '29 => libc::_SC_OPEN_MAX'
mutate sigaction abi/signals.rs '(31, libc::SIGUSR2)' '(31, libc::SIGUSR1)'
mutate posix_spawn abi/processes.rs 'signals::to_mac(libc::WTERMSIG(linux))' 'libc::WTERMSIG(linux)'
mutate readdir system/directories.rs 'kind: linux.d_type,' 'kind: 0,'
mutate getsockname abi/sockets.rs 'bytes[0] = bytes.len() as u8;' 'bytes[0] = 0;'
mutate DIOCKILLSTATES abi/pf.rs 'self.address[at] & self.mask[at] == other_bytes[at] & self.mask[at]' 'self.mask[at] & 0 == other_bytes[at] & 0'
say "mutations $((killed + alive)), caught $killed, not caught $alive"
[ "$alive" = 0 ]
