//! What a file has beside its bytes and its mode: extended attributes; no flags and no access control lists.

use std::ffi::{c_char, c_int, c_void};

use super::{fail, shims};

shims! {
    "flistxattr" => list,
    "fgetxattr" => get,
    "fsetxattr" => set,
    "fchflags" => set_flags,
    "acl_get_fd_np" => no_list,
    "acl_set_fd_np" => no_lists,
    "acl_get_entry" => no_lists,
    "acl_get_tag_type" => no_lists,
    "acl_get_permset_mask_np" => no_lists,
    "acl_free" => no_lists,
}

unsafe extern "C" fn list(file: c_int, names: *mut c_char, size: usize, _options: c_int) -> isize {
    // SAFETY: a program gives room for `size` bytes.
    unsafe { libc::flistxattr(file, names, size) }
}

/// macOS's calls take a place in the value, of resource forks alone, and options.
unsafe extern "C" fn get(
    file: c_int,
    name: *const c_char,
    value: *mut c_void,
    size: usize,
    _position: u32,
    _options: c_int,
) -> isize {
    // SAFETY: a program gives a C string, and room for `size` bytes.
    unsafe { libc::fgetxattr(file, name, value, size) }
}

unsafe extern "C" fn set(
    file: c_int,
    name: *const c_char,
    value: *const c_void,
    size: usize,
    _position: u32,
    _options: c_int,
) -> c_int {
    // SAFETY: a program gives a C string, and `size` bytes.
    unsafe { libc::fsetxattr(file, name, value, size, 0) }
}

extern "C" fn set_flags(_file: c_int, flags: u32) -> c_int {
    if flags == 0 { 0 } else { fail(libc::ENOTSUP) }
}

extern "C" fn no_list(_file: c_int, _kind: c_int) -> *mut c_void {
    fail(libc::ENOENT);
    std::ptr::null_mut()
}

/// Called only with a list, of which there is none.
extern "C" fn no_lists() -> c_int {
    fail(libc::EINVAL)
}
