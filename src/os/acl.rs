//! Access control lists and flags of files on macOS (acl(3), chflags(2); the numbers are those of sys/acl.h).

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

type AclPointer = *mut c_void;
type AclEntry = *mut c_void;

const EXTENDED: c_int = 0x100;
const FIRST_ENTRY: c_int = 0;
const NEXT_ENTRY: c_int = -1;
/// `ACL_EXTENDED_ALLOW`.
const ALLOW: c_int = 1;
/// What changes a file, a folder, or who may: write or add a file, delete, append or add a folder, delete a child, write
/// attributes, extended ones and security, change the owner.
const WRITING: u64 = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 13;

#[expect(unsafe_code, reason = "the crate libc does not declare them")]
unsafe extern "C" {
    fn acl_get_fd_np(file: c_int, kind: c_int) -> AclPointer;
    fn acl_set_fd_np(file: c_int, acl: AclPointer, kind: c_int) -> c_int;
    fn acl_get_entry(acl: AclPointer, which: c_int, entry: *mut AclEntry) -> c_int;
    fn acl_get_tag_type(entry: AclEntry, tag: *mut c_int) -> c_int;
    fn acl_get_permset_mask_np(entry: AclEntry, mask: *mut u64) -> c_int;
    fn acl_free(object: *mut c_void) -> c_int;
}

/// A list that is given back when it is dropped.
struct AccessList(AclPointer);

impl AccessList {
    /// The list of an open file; `None` where it has none.
    #[expect(unsafe_code, reason = "a C function")]
    fn of(file: BorrowedFd) -> io::Result<Option<Self>> {
        // SAFETY: takes an open file and a number.
        let list = unsafe { acl_get_fd_np(file.as_raw_fd(), EXTENDED) };
        if !list.is_null() {
            return Ok(Some(AccessList(list)));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTSUP | libc::EOPNOTSUPP) => Ok(None),
            _ => Err(error),
        }
    }
}

impl Drop for AccessList {
    #[expect(unsafe_code, reason = "a C function")]
    fn drop(&mut self) {
        // SAFETY: the list is one that `acl_get_fd_np` gave, and is given back once.
        unsafe { acl_free(self.0) };
    }
}

/// Whether an entry allows any user to change the file or the folder. One that denies takes nothing from that: their order
/// is not looked at.
#[expect(unsafe_code, reason = "C functions")]
pub fn grants_writing(file: BorrowedFd) -> io::Result<bool> {
    let Some(list) = AccessList::of(file)? else { return Ok(false) };
    let mut which = FIRST_ENTRY;
    loop {
        let mut entry = std::ptr::null_mut();
        // SAFETY: the list is valid, and there is room for the pointer to an entry, which lies in the list.
        if unsafe { acl_get_entry(list.0, which, &raw mut entry) } != 0 {
            return Ok(false);
        }
        which = NEXT_ENTRY;
        let (mut tag, mut mask) = (0, 0);
        // SAFETY: the entry is of the list, which lives; there is room for what is asked.
        let read = unsafe {
            acl_get_tag_type(entry, &raw mut tag) == 0 && acl_get_permset_mask_np(entry, &raw mut mask) == 0
        };
        // What does not read is not trusted.
        if !read || (tag == ALLOW && mask & WRITING != 0) {
            return Ok(true);
        }
    }
}

/// Gives a file the list of another; one without a list leaves it as it is.
#[expect(unsafe_code, reason = "a C function")]
pub fn copy(from: BorrowedFd, to: BorrowedFd) -> io::Result<()> {
    let Some(list) = AccessList::of(from)? else { return Ok(()) };
    // SAFETY: the list is valid, and the file is open.
    let result = unsafe { acl_set_fd_np(to.as_raw_fd(), list.0, EXTENDED) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the flags of a file (`st_flags`).
#[expect(unsafe_code, reason = "a C function")]
pub fn set_flags(file: BorrowedFd, flags: u32) -> io::Result<()> {
    // SAFETY: takes an open file and a number.
    let result = unsafe { libc::fchflags(file.as_raw_fd(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
