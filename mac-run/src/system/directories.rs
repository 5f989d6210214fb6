//! Directories: made, read, removed, walked to.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};

use super::{directory, fail, last_error, place, shims};
use crate::abi::errno;
use crate::abi::files::DirectoryEntry;
use crate::root;

shims! {
    "mkdir" => mkdir,
    "mkdirat" => mkdirat,
    "mkdtemp" => mkdtemp,
    "rmdir" => rmdir,
    "opendir$INODE64" => opendir,
    "fdopendir$INODE64" => libc::fdopendir,
    "readdir$INODE64" => readdir,
    "readdir_r$INODE64" => readdir_r,
    "rewinddir$INODE64" => libc::rewinddir,
    "closedir" => libc::closedir,
    "dirfd" => libc::dirfd,
    "chdir" => chdir,
    "fchdir" => libc::fchdir,
    "chroot" => chroot,
    "getcwd" => getcwd,
}

unsafe extern "C" fn mkdir(path: *const c_char, mode: u16) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::mkdir(place(path).as_ptr(), mode.into()) }
}

unsafe extern "C" fn mkdirat(at: c_int, path: *const c_char, mode: u16) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::mkdirat(directory(at), place(path).as_ptr(), mode.into()) }
}

/// Writes the name that it found into the template.
unsafe extern "C" fn mkdtemp(template: *mut c_char) -> *mut c_char {
    // SAFETY: a program gives a C string that may be written; the letters at its end are as many on this machine.
    unsafe {
        let made = place(template).into_raw();
        let result = libc::mkdtemp(made);
        let made = std::ffi::CString::from_raw(made);
        if result.is_null() {
            return result;
        }
        let name = root::name(made.as_bytes());
        std::ptr::copy_nonoverlapping(name.as_ptr().cast(), template, name.len());
        template
    }
}

unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::rmdir(place(path).as_ptr()) }
}

unsafe extern "C" fn opendir(path: *const c_char) -> *mut libc::DIR {
    // SAFETY: a program gives a C string.
    unsafe { libc::opendir(place(path).as_ptr()) }
}

thread_local! {
    /// What `readdir` gave last on this thread; it is the program's until its next call.
    static ENTRY: RefCell<Option<Box<DirectoryEntry>>> = const { RefCell::new(None) };
}

unsafe extern "C" fn readdir(stream: *mut libc::DIR) -> *const DirectoryEntry {
    // SAFETY: the program's stream is one of this C library's.
    match unsafe { next(stream) } {
        None => std::ptr::null(),
        Some(entry) => ENTRY.with_borrow_mut(|kept| &raw const **kept.insert(Box::new(entry))),
    }
}

unsafe extern "C" fn readdir_r(
    stream: *mut libc::DIR,
    entry: *mut DirectoryEntry,
    result: *mut *mut DirectoryEntry,
) -> c_int {
    // SAFETY: the program's stream is one of this C library's; a program gives room for entry and result.
    unsafe {
        *libc::__errno_location() = 0;
        match next(stream) {
            Some(found) => {
                entry.write(found);
                result.write(entry);
                0
            }
            None => {
                result.write(std::ptr::null_mut());
                errno::to_mac(last_error())
            }
        }
    }
}

/// # Safety
/// `stream` is open.
unsafe fn next(stream: *mut libc::DIR) -> Option<DirectoryEntry> {
    // SAFETY: the entry is the C library's until the next call; its name is a C string.
    let (linux, name) = unsafe {
        let linux = libc::readdir(stream).as_ref()?;
        (linux, CStr::from_ptr(linux.d_name.as_ptr()).to_bytes())
    };
    let mut entry = DirectoryEntry {
        inode: linux.d_ino,
        offset: linux.d_off as u64,
        // The fixed part, the name and its NUL, filled up to four bytes.
        length: (21 + name.len() as u16 + 1).next_multiple_of(4),
        name_length: name.len() as u16,
        kind: linux.d_type,
        name: [0; 1024],
    };
    for (to, from) in entry.name.iter_mut().zip(name) {
        *to = *from as c_char;
    }
    Some(entry)
}

unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::chdir(place(path).as_ptr()) }
}

unsafe extern "C" fn chroot(path: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::chroot(place(path).as_ptr()) }
}

/// The result is allocated where `buffer` is null.
unsafe extern "C" fn getcwd(buffer: *mut c_char, length: usize) -> *mut c_char {
    let mut found = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the buffer is as long as said.
    if unsafe { libc::getcwd(found.as_mut_ptr().cast(), found.len()) }.is_null() {
        return std::ptr::null_mut();
    }
    let end = found.iter().position(|byte| *byte == 0).unwrap_or(found.len());
    let text = [root::name(&found[..end]), vec![0]].concat();
    if !buffer.is_null() && text.len() > length {
        fail(libc::ERANGE);
        return std::ptr::null_mut();
    }
    // SAFETY: the text fits into the program's buffer, or into what is allocated for it.
    unsafe {
        let out = if buffer.is_null() { libc::malloc(text.len().max(length)).cast() } else { buffer };
        if !out.is_null() {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        }
        out
    }
}
