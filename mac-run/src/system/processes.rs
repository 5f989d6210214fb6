//! Processes: waited for, signalled, named; users and groups that they take.

use std::ffi::{CStr, c_char, c_int, c_long};

use super::{fail, shims, unknown};
use crate::abi::{flags_to_linux, processes, signals};

shims! {
    "waitpid" => waitpid,
    "waitid" => waitid,
    "getrlimit" => getrlimit,
    "setrlimit" => setrlimit,
    "setitimer" => setitimer,
    "kill" => kill,
    "killpg" => killpg,
    "raise" => raise,
    "getenv" => getenv,
    "setenv" => setenv,
    "unsetenv" => unsetenv,
    "setgroups" => setgroups,
    "uname" => uname,
    "sysconf" => sysconf,
    "confstr" => confstr,
    "getentropy" => getentropy,
    "CCRandomGenerateBytes" => getentropy,
}

unsafe extern "C" fn waitpid(pid: c_int, status: *mut c_int, flags: c_int) -> c_int {
    let flags = flags_to_linux(processes::WAIT_FLAGS, flags)
        .unwrap_or_else(|left| unknown(format_args!("waitpid: flag {left:#x}")));
    let mut linux = 0;
    // SAFETY: there is room for the status; a program gives room, or null.
    unsafe {
        let found = libc::waitpid(pid, &raw mut linux, flags);
        if found > 0 && !status.is_null() {
            status.write(processes::wait_status(linux));
        }
        found
    }
}

/// `idtype_t` has the same numbers. Of the information only what tells whether a process was found is given.
unsafe extern "C" fn waitid(kind: u32, id: u32, info: *mut signals::Info, flags: c_int) -> c_int {
    const EXITED: c_int = 0x04;
    const NO_WAIT: c_int = 0x20;
    if flags & !(EXITED | NO_WAIT | 1) != 0 {
        unknown(format_args!("waitid: flags {flags:#x}"));
    }
    let keeps = if flags & NO_WAIT == 0 { 0 } else { libc::WNOWAIT };
    // SAFETY: zeroes are a value of `siginfo_t`, which the kernel fills; a program gives room, or null.
    unsafe {
        let mut linux: libc::siginfo_t = std::mem::zeroed();
        let result = libc::waitid(kind, id, &raw mut linux, (flags & (EXITED | 1)) | keeps);
        if result == 0
            && let Some(info) = info.as_mut()
        {
            let (signal, pid) = (linux.si_signo, linux.si_pid());
            info.signal = if signal == 0 { 0 } else { signals::to_mac(signal) };
            (info.code, info.pid, info.status) = (linux.si_code, pid, linux.si_status());
        }
        result
    }
}

/// `RLIM_INFINITY` of macOS.
const NO_LIMIT: u64 = (1 << 63) - 1;

/// Numbers of xnu, `bsd/sys/resource.h`.
fn resource(mac: c_int) -> Option<libc::__rlimit_resource_t> {
    Some(match mac & !0x1000 {
        0 => libc::RLIMIT_CPU,
        1 => libc::RLIMIT_FSIZE,
        2 => libc::RLIMIT_DATA,
        3 => libc::RLIMIT_STACK,
        4 => libc::RLIMIT_CORE,
        5 => libc::RLIMIT_AS,
        6 => libc::RLIMIT_MEMLOCK,
        7 => libc::RLIMIT_NPROC,
        8 => libc::RLIMIT_NOFILE,
        _ => return None,
    })
}

unsafe extern "C" fn getrlimit(number: c_int, limit: *mut [u64; 2]) -> c_int {
    let Some(number) = resource(number) else { return fail(libc::EINVAL) };
    let mut linux = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: there is room for the limit; a program gives room for two numbers.
    unsafe {
        let result = libc::getrlimit(number, &raw mut linux);
        limit.write([linux.rlim_cur.min(NO_LIMIT), linux.rlim_max.min(NO_LIMIT)]);
        result
    }
}

unsafe extern "C" fn setrlimit(number: c_int, limit: *const [u64; 2]) -> c_int {
    let Some(number) = resource(number) else { return fail(libc::EINVAL) };
    let linux = |value: u64| if value == NO_LIMIT { libc::RLIM_INFINITY } else { value };
    // SAFETY: a program gives two numbers.
    unsafe {
        let [current, maximum] = *limit;
        let limit = libc::rlimit { rlim_cur: linux(current), rlim_max: linux(maximum) };
        libc::setrlimit(number, &raw const limit)
    }
}

/// The numbers and the form are the same.
unsafe extern "C" fn setitimer(
    timer: c_int,
    new: *const libc::itimerval,
    old: *mut libc::itimerval,
) -> c_int {
    // SAFETY: a program gives a value, and room, or null.
    unsafe { libc::setitimer(timer, new, old) }
}

extern "C" fn kill(pid: c_int, signal: c_int) -> c_int {
    match signals::to_linux(signal) {
        // SAFETY: takes numbers alone.
        Some(signal) => unsafe { libc::kill(pid, signal) },
        None => fail(libc::EINVAL),
    }
}

extern "C" fn killpg(group: c_int, signal: c_int) -> c_int {
    match signals::to_linux(signal) {
        // SAFETY: takes numbers alone.
        Some(signal) => unsafe { libc::killpg(group, signal) },
        None => fail(libc::EINVAL),
    }
}

extern "C" fn raise(signal: c_int) -> c_int {
    match signals::to_linux(signal) {
        // SAFETY: takes a number alone.
        Some(signal) => unsafe { libc::raise(signal) },
        None => fail(libc::EINVAL),
    }
}

// The environment is the C library's own array, which `_NSGetEnviron` gives to the program: see `loader`.

unsafe extern "C" fn getenv(name: *const c_char) -> *const c_char {
    // SAFETY: a program gives a C string.
    unsafe { libc::getenv(name) }
}

unsafe extern "C" fn setenv(name: *const c_char, value: *const c_char, replace: c_int) -> c_int {
    // SAFETY: a program gives C strings.
    unsafe { libc::setenv(name, value, replace) }
}

unsafe extern "C" fn unsetenv(name: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::unsetenv(name) }
}

unsafe extern "C" fn setgroups(count: c_int, groups: *const u32) -> c_int {
    // SAFETY: a program gives as many groups as it says.
    unsafe { libc::setgroups(count as usize, groups) }
}

/// `struct utsname`: five texts of 256 bytes (xnu, `bsd/sys/utsname.h`). The kernel of macOS 14.5, which the stand-in for
/// sw_vers names.
unsafe extern "C" fn uname(texts: *mut [[u8; 256]; 5]) -> c_int {
    const TEXTS: [&str; 5] =
        ["Darwin", "mac.local", "23.5.0", "Darwin Kernel Version 23.5.0: RELEASE_X86_64", "x86_64"];
    let mut filled = [[0; 256]; 5];
    for (place, text) in filled.iter_mut().zip(TEXTS) {
        place[..text.len()].copy_from_slice(text.as_bytes());
    }
    // SAFETY: a program gives room for the texts.
    unsafe { texts.write(filled) };
    0
}

/// Numbers of xnu, `bsd/sys/unistd.h` and Libc's `unistd.h`.
extern "C" fn sysconf(name: c_int) -> c_long {
    let linux = match name {
        1 => libc::_SC_ARG_MAX,
        2 => libc::_SC_CHILD_MAX,
        3 => libc::_SC_CLK_TCK,
        5 => libc::_SC_OPEN_MAX,
        29 => libc::_SC_PAGESIZE,
        56 => libc::_SC_IOV_MAX,
        57 => libc::_SC_NPROCESSORS_CONF,
        58 => libc::_SC_NPROCESSORS_ONLN,
        70 => libc::_SC_GETGR_R_SIZE_MAX,
        71 => libc::_SC_GETPW_R_SIZE_MAX,
        other => unknown(format_args!("sysconf: number {other}")),
    };
    // SAFETY: takes a number alone.
    unsafe { libc::sysconf(linux) }
}

/// The one name that is asked for: `_CS_DARWIN_USER_TEMP_DIR`, where a user's temporary files go without `TMPDIR`.
unsafe extern "C" fn confstr(name: c_int, buffer: *mut c_char, length: usize) -> usize {
    const USER_TEMP_DIR: c_int = 65537;
    const FOLDER: &CStr = c"/tmp/";
    if name != USER_TEMP_DIR {
        unknown(format_args!("confstr: number {name}"));
    }
    let text = FOLDER.to_bytes_with_nul();
    if length >= text.len() {
        // SAFETY: a program gives room for `length` bytes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, text.len()) };
    }
    text.len()
}

unsafe extern "C" fn getentropy(buffer: *mut u8, length: usize) -> c_int {
    // SAFETY: a program gives room for `length` bytes.
    unsafe { if libc::getrandom(buffer.cast(), length, 0) == length as isize { 0 } else { -1 } }
}
