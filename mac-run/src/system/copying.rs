//! Copies of whole files: clonefile(2) as APFS does it, and copyfile(3). Both carry extended attributes along, the
//! quarantine among them.

use std::ffi::{c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::{directory, fail, place, shims, unknown};

shims! {
    "fclonefileat" => clone_file,
    "fcopyfile" => copy_file,
    "copyfile_state_alloc" => make_state,
    "copyfile_state_free" => free_state,
    "copyfile_state_get" => ask_state,
}

/// `copyfile_state_t` points to it.
#[derive(Default)]
struct State {
    copied: i64,
}

/// The new file must not be there. It gets the mode and the attributes of the old one.
unsafe extern "C" fn clone_file(from: c_int, at: c_int, path: *const c_char, flags: c_int) -> c_int {
    /// `CLONE_NOFOLLOW`, of the source's path alone, and `CLONE_NOOWNERCOPY`.
    const KNOWN: c_int = 3;
    if flags & !KNOWN != 0 {
        unknown(format_args!("fclonefileat: flags {flags:#x}"));
    }
    // SAFETY: a program gives a C string; the new descriptor has no other owner.
    let to = unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        match libc::openat(directory(at), place(path).as_ptr(), flags, 0o600) {
            file if file < 0 => return -1,
            file => File::from_raw_fd(file),
        }
    };
    match source(from).and_then(|from| copy(&from, &to, DATA | ATTRIBUTES | MODE)) {
        Ok(_) => 0,
        Err(error) => fail(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// `COPYFILE_STAT`, `COPYFILE_XATTR`, `COPYFILE_DATA`; there are no access control lists (`COPYFILE_ACL`).
const MODE: u32 = 2;
const ATTRIBUTES: u32 = 4;
const DATA: u32 = 8;
const LISTS: u32 = 1;

unsafe extern "C" fn copy_file(from: c_int, to: c_int, state: *mut State, flags: u32) -> c_int {
    if flags & !(LISTS | MODE | ATTRIBUTES | DATA) != 0 {
        unknown(format_args!("fcopyfile: flags {flags:#x}"));
    }
    // SAFETY: a program gives a descriptor that stays open, and a state or null.
    let copied = unsafe { BorrowedFd::borrow_raw(to) }
        .try_clone_to_owned()
        .and_then(|to| copy(&source(from)?, &File::from(to), flags));
    match copied {
        Ok(copied) => {
            // SAFETY: as above.
            if let Some(state) = unsafe { state.as_mut() } {
                state.copied = copied as i64;
            }
            0
        }
        Err(error) => fail(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// The file from its start, wherever the program has read to.
fn source(file: c_int) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{file}"))
}

fn copy(mut from: &File, mut to: &File, what: u32) -> io::Result<u64> {
    let copied = if what & DATA == 0 { 0 } else { io::copy(&mut from, &mut to)? };
    if what & MODE != 0 {
        to.set_permissions(std::fs::Permissions::from_mode(from.metadata()?.mode() & 0o7777))?;
    }
    if what & ATTRIBUTES != 0 {
        copy_attributes(from, to)?;
    }
    Ok(copied)
}

/// Of this machine's attributes, those that users give: the others are the kernel's.
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let mut names = [0u8; 65536];
    let mut value = [0u8; 65536];
    // SAFETY: both buffers are as long as said, and every name of the list ends in NUL.
    unsafe {
        let length = libc::flistxattr(from.as_raw_fd(), names.as_mut_ptr().cast(), names.len());
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        for name in names[..length].split_inclusive(|byte| *byte == 0) {
            if !name.starts_with(b"user.") {
                continue;
            }
            let name = name.as_ptr().cast();
            let size = libc::fgetxattr(from.as_raw_fd(), name, value.as_mut_ptr().cast(), value.len());
            let size = usize::try_from(size).map_err(|_| io::Error::last_os_error())?;
            if libc::fsetxattr(to.as_raw_fd(), name, value.as_ptr().cast(), size, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

extern "C" fn make_state() -> *mut State {
    Box::into_raw(Box::default())
}

unsafe extern "C" fn free_state(state: *mut State) -> c_int {
    if !state.is_null() {
        // SAFETY: a program frees once what `make_state` gave.
        drop(unsafe { Box::from_raw(state) });
    }
    0
}

unsafe extern "C" fn ask_state(state: *const State, what: u32, value: *mut c_void) -> c_int {
    /// `COPYFILE_STATE_COPIED`.
    const COPIED: u32 = 8;
    if what != COPIED {
        unknown(format_args!("copyfile_state_get: number {what}"));
    }
    // SAFETY: a program gives a state, and room for a number of 64 bits.
    unsafe { value.cast::<i64>().write((*state).copied) };
    0
}
