#!/usr/bin/env bash
# Makes shims wrong on purpose, one at a time, and expects a test to fail for each: those of ours that the most tests of
# `make mac-run` call, and the app's own asking of /dev/pf. Needs a `make mac-run` before it; takes some minutes.
#
#   mac-run/mutations.sh [NAME...]    all, or these
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

only=("$@")
work=$PWD/target/mac-run
programs=$work/programs
. mac-run/cargo.sh
probe=$(find "$work/$triple/debug/deps" -name 'mac_run_probe-*' -perm -u+x ! -name '*.*' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2)
[ -x "$probe" ] && [ -d "$programs" ] || die "run make mac-run first"
copy=$(mktemp -d -t mac-run.mutations.XXXXXX)
trap 'rm -rf "$copy"' EXIT
# The library lies beside the package.
cp -r mac-run src "$copy/"
for each in Cargo.toml Cargo.lock resources benches tests bundle; do ln -s "$PWD/$each" "$copy/$each"; done

# What does not change is built already.
[ -d "$work/mutations" ] || cp -r "$work/host" "$work/mutations"

killed=0 alive=0
# told NAME TEST: what became of a mutation; no test where none failed.
told() {
    if [ -n "$2" ]; then
        killed=$((killed + 1))
        printf '%-28s caught by %s\n' "$1" "$2"
    else
        alive=$((alive + 1))
        printf '%-28s NOT CAUGHT\n' "$1"
    fi
}

# replace FILE FROM TO: the first FROM in FILE becomes TO.
replace() {
    python3 - "$@" <<'PYTHON' || die "there is no such text in $1: $2"
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
sys.exit(1) if old not in text else open(path, "w").write(text.replace(old, new, 1))
PYTHON
}

# as_on_a_mac PROGRAMS TEST...: the first of the tests that fails; all where none is named.
as_on_a_mac() {
    local folder=$1
    shift
    (cd "$copy/mac-run" && MAC_RUN_PROGRAMS=$folder CARGO_TARGET_DIR=$work/mutations timeout 600 cargo test --locked --quiet --test as_on_a_mac "$@") >"$copy/log" 2>&1 && return
    sed -n 's/^    \([a-z_]*::[a-z0-9_]*\)$/\1/p; $ s/.*/as_on_a_mac, which ends early/p' "$copy/log" | head -n 1
}

is_wanted() { [ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

# mutate NAME FILE FROM TO: a shim is wrong.
mutate() {
    local name=$1 file=$copy/mac-run/src/$2 failing
    is_wanted "$name" || return 0
    replace "$file" "$3" "$4"
    if ! (cd "$copy/mac-run" && CARGO_TARGET_DIR=$work/mutations cargo build --locked --quiet --workspace 2>"$copy/log"); then
        cat "$copy/log" >&2
        die "$name does not compile"
    fi
    # In a shell of its own, which is not told of a program that ends by a signal.
    if ! (timeout 30 "$work/mutations/debug/mac-run" "$probe" >"$copy/log" 2>&1) 2>/dev/null; then
        failing=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$copy/log" | head -n 1)
        failing=${failing:-the probe, which ends early}
    else
        failing=$(as_on_a_mac "$programs")
    fi
    cp "mac-run/src/$2" "$file"
    told "$name" "$failing"
}

# What the most tests call.
mutate __error system/errno.rs 'number.set(abi::errno::to_mac(*linux));' 'number.set(*linux);'
mutate mmap system/loader.rs '(0x1000, libc::MAP_ANONYMOUS)' '(0x1000, libc::MAP_NORESERVE)'
mutate pthread_get_stackaddr_np system/threads.rs '    start + size' '    start'
mutate pthread_get_stacksize_np system/threads.rs '    stack(thread).1' '    stack(thread).1 * 2'
mutate pthread_mutex_init system/threads.rs 'libc::pthread_mutex_init(inner, attributes)' '{ let _ = attributes; libc::pthread_mutex_init(inner, std::ptr::null()) }'
mutate pthread_mutex_destroy system/threads.rs 'let result = libc::pthread_mutex_destroy(inner);' 'let result = 0;'
mutate pthread_mutex_lock system/threads.rs 'errno::to_mac(libc::pthread_mutex_lock(inner(mutex)))' '{ inner(mutex); 0 }'
mutate pthread_mutex_trylock system/threads.rs 'errno::to_mac(libc::pthread_mutex_trylock(inner(mutex)))' '{ libc::pthread_mutex_trylock(inner(mutex)); 0 }'
mutate pthread_mutex_unlock system/threads.rs 'errno::to_mac(libc::pthread_mutex_unlock(inner(mutex)))' '{ inner(mutex); 0 }'
mutate pthread_mutexattr_settype system/threads.rs '2 => libc::PTHREAD_MUTEX_RECURSIVE' '2 => libc::PTHREAD_MUTEX_NORMAL'
mutate pthread_mutexattr_init system/threads.rs 'errno::to_mac(libc::pthread_mutexattr_init(&raw mut (*attributes).inner))' '{ libc::pthread_mutexattr_init(&raw mut (*attributes).inner); 22 }'
mutate pthread_mutexattr_destroy system/threads.rs 'errno::to_mac(libc::pthread_mutexattr_destroy(&raw mut (*attributes).inner))' '{ libc::pthread_mutexattr_destroy(&raw mut (*attributes).inner); 22 }'
mutate pthread_self system/threads.rs '"pthread_self" => libc::pthread_self' '"pthread_self" => libc::getpid'
mutate munmap system/loader.rs '"munmap" => libc::munmap' '"munmap" => libc::sched_yield'
mutate mprotect system/loader.rs '"mprotect" => libc::mprotect' '"mprotect" => libc::munmap'
mutate pthread_threadid_np system/threads.rs 'libc::gettid() as u64' 'libc::getpid() as u64'
mutate sigaltstack system/signals.rs 'ss_size: new.size,' 'ss_size: 0,'
mutate dispatch_semaphore_signal system/dispatch.rs '+= 1;' '+= 0;'
# What most of those call that start no thread alone.
mutate open abi/fcntl.rs '(0x0000_0200, libc::O_CREAT)' '(0x0000_0200, libc::O_EXCL | libc::O_CREAT)'
mutate fstat abi/files.rs 'mode: stat.st_mode as u16,' 'mode: stat.st_mode as u16 & 0o777,'
mutate clock_gettime abi/clocks.rs '(0, libc::CLOCK_REALTIME)' '(0, libc::CLOCK_PROCESS_CPUTIME_ID)'
mutate fcntl system/files.rs 'flags & numbers::ACCESS | flags_to_mac(numbers::OPEN_FLAGS, flags)' 'flags'
mutate pthread_create system/threads.rs 'Inherited::new(start, argument)' 'Inherited::new(start, std::ptr::null_mut())'
mutate _tlv_atexit thread_locals.rs '__cxa_thread_atexit_impl(function, argument, (&raw mut __dso_handle).cast())' '{ let _ = (function, argument); 0 }'
mutate sysconf system/processes.rs '29 => libc::_SC_PAGESIZE' '29 => libc::_SC_OPEN_MAX'
mutate sigaction abi/signals.rs '(31, libc::SIGUSR2)' '(31, libc::SIGUSR1)'
mutate posix_spawn abi/processes.rs 'signals::to_mac(libc::WTERMSIG(linux))' 'libc::WTERMSIG(linux)'
mutate readdir system/directories.rs '.zip(name)' '.zip(name.iter().skip(1))'
mutate getsockname abi/sockets.rs 'bytes[0] = bytes.len() as u8;' 'bytes[0] = 0;'
mutate DIOCKILLSTATES abi/pf.rs 'self.address[at] & self.mask[at] == other_bytes[at] & self.mask[at]' 'self.mask[at] & 0 == other_bytes[at] & 0'

# The app cuts connections as the crate pfctl 0.7.0 did: masks and ports are zero, which is every connection.
if is_wanted kill_state; then
    replace "$copy/src/os/pf_layout.rs" 'mask[..4].fill(0xff);' 'mask[..4].fill(0);'
    replace "$copy/src/os/pf_layout.rs" 'operator: EQUAL,' 'operator: EQUAL - EQUAL,'
    mkdir "$copy/programs"
    cp "$programs/portcullis" "$copy/programs/"
    (cd "$copy" && PORTCULLIS_LINK="-x -no_exported_symbols" mac build --quiet --locked --no-default-features --target "$triple" -Zbuild-std=std,panic_abort,test --bin portcullis-helper --test pf_alone)
    cp "$work/$triple/debug/portcullis-helper" "$copy/programs/"
    told kill_state "$(as_on_a_mac "$copy/programs" closing_cuts)"
fi

say "mutations $((killed + alive)), caught $killed, not caught $alive"
[ "$alive" = 0 ]
