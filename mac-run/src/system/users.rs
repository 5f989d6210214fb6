//! Users by number and by name. `struct passwd` has more fields on macOS (Libinfo, `pwd.h`).

use std::ffi::{CStr, c_char, c_int};

use super::shims;
use crate::abi::errno;
use crate::identity;

shims! {
    "getuid" => getuid,
    "geteuid" => getuid,
    "getpwuid_r" => getpwuid_r,
    "getpwnam_r" => getpwnam_r,
    "getgrnam_r" => getgrnam_r,
    "getservbyname" => getservbyname,
}

/// `struct passwd`.
#[repr(C)]
struct User {
    name: *mut c_char,
    password: *mut c_char,
    number: u32,
    group: u32,
    password_changed: i64,
    class: *mut c_char,
    about: *mut c_char,
    home: *mut c_char,
    shell: *mut c_char,
    expires: i64,
}

const _: () = assert!(size_of::<User>() == 72);

extern "C" fn getuid() -> u32 {
    identity::user()
}

unsafe extern "C" fn getpwuid_r(
    number: u32,
    user: *mut User,
    buffer: *mut c_char,
    length: usize,
    result: *mut *mut User,
) -> c_int {
    // SAFETY: a program gives room for the user, the texts and the result.
    unsafe { fill(user, result, |linux, found| libc::getpwuid_r(number, linux, buffer, length, found)) }
}

unsafe extern "C" fn getpwnam_r(
    name: *const c_char,
    user: *mut User,
    buffer: *mut c_char,
    length: usize,
    result: *mut *mut User,
) -> c_int {
    // SAFETY: as above; the name is a C string.
    unsafe { fill(user, result, |linux, found| libc::getpwnam_r(name, linux, buffer, length, found)) }
}

/// `struct group` (`grp.h`) has the same fields on both.
unsafe extern "C" fn getgrnam_r(
    name: *const c_char,
    group: *mut libc::group,
    buffer: *mut c_char,
    length: usize,
    result: *mut *mut libc::group,
) -> c_int {
    // SAFETY: a program gives a C string, and room for the group, the texts and the result.
    errno::to_mac(unsafe { libc::getgrnam_r(name, group, buffer, length, result) })
}

/// `struct servent` (`netdb.h`) has the same fields on both.
unsafe extern "C" fn getservbyname(name: *const c_char, protocol: *const c_char) -> *mut libc::servent {
    // SAFETY: a program gives C strings.
    unsafe { libc::getservbyname(name, protocol) }
}

/// # Safety
/// There is room for user and result.
unsafe fn fill(
    user: *mut User,
    result: *mut *mut User,
    ask: impl Fn(*mut libc::passwd, *mut *mut libc::passwd) -> c_int,
) -> c_int {
    static CLASS: &CStr = c"";
    // SAFETY: zeroes are a value of `passwd`; the caller gives the rest.
    unsafe {
        let mut linux: libc::passwd = std::mem::zeroed();
        let mut found = std::ptr::null_mut();
        let error = ask(&raw mut linux, &raw mut found);
        result.write(std::ptr::null_mut());
        if error == 0 && !found.is_null() {
            user.write(User {
                name: linux.pw_name,
                password: linux.pw_passwd,
                number: linux.pw_uid,
                group: linux.pw_gid,
                password_changed: 0,
                class: CLASS.as_ptr().cast_mut(),
                about: linux.pw_gecos,
                home: linux.pw_dir,
                shell: linux.pw_shell,
                expires: 0,
            });
            result.write(user);
        }
        errno::to_mac(error)
    }
}
