//! Processes: waited for, signalled, named; users and groups that they take.

use std::ffi::{CStr, c_char, c_int, c_long};

use super::{fail, shims, unknown};
use crate::abi::{flags_to_linux, processes, signals};

shims! {
    "waitpid" => waitpid,
    "kill" => kill,
    "killpg" => killpg,
    "raise" => raise,
    "getenv" => getenv,
    "setenv" => setenv,
    "unsetenv" => unsetenv,
    "setgroups" => setgroups,
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
