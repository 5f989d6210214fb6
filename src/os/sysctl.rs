//! What the macOS kernel tells by sysctl(3).

use std::ffi::CStr;
use std::io;

use libc::{c_int, c_uint, c_void};

/// The value of the variable `name`, as the kernel's bytes. What grows between asking for its size and reading it is
/// asked for again, a few times.
#[expect(unsafe_code, reason = "sysctlbyname is a C function")]
pub fn by_name(name: &CStr) -> io::Result<Vec<u8>> {
    read(&mut |value, length| {
        // SAFETY: `name` ends in NUL; `value` is null or has room for `*length` bytes; nothing new is set.
        unsafe { libc::sysctlbyname(name.as_ptr(), value, length, std::ptr::null_mut(), 0) }
    })
}

/// The arguments of a process as `KERN_PROCARGS2` gives them: their number, the program's path, the arguments and the
/// environment. Errors: another user's process, or none.
#[expect(unsafe_code, reason = "sysctl is a C function")]
pub fn process_arguments(pid: c_int) -> io::Result<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid];
    read(&mut |value, length| {
        // SAFETY: `name` has as many numbers as said; `value` is null or has room for `*length` bytes.
        unsafe {
            libc::sysctl(name.as_mut_ptr(), name.len() as c_uint, value, length, std::ptr::null_mut(), 0)
        }
    })
}

/// All routes of an address family.
pub fn routes(family: c_int) -> io::Result<Vec<u8>> {
    of_routing(family, [libc::NET_RT_DUMP, 0])
}

/// Its routes that hold the hardware address of a neighbour.
pub fn neighbours(family: c_int) -> io::Result<Vec<u8>> {
    of_routing(family, [libc::NET_RT_FLAGS, libc::RTF_LLINFO])
}

#[expect(unsafe_code, reason = "sysctl is a C function")]
fn of_routing(family: c_int, [what, flags]: [c_int; 2]) -> io::Result<Vec<u8>> {
    let mut name = [libc::CTL_NET, libc::PF_ROUTE, 0, family, what, flags];
    read(&mut |value, length| {
        // SAFETY: `name` has as many numbers as said; `value` is null or has room for `*length` bytes.
        unsafe {
            libc::sysctl(name.as_mut_ptr(), name.len() as c_uint, value, length, std::ptr::null_mut(), 0)
        }
    })
}

fn read(ask: &mut dyn FnMut(*mut c_void, *mut usize) -> c_int) -> io::Result<Vec<u8>> {
    for _ in 0..4 {
        let mut length = 0;
        if ask(std::ptr::null_mut(), &raw mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        length += length / 8 + 1024;
        let mut value = vec![0u8; length];
        if ask(value.as_mut_ptr().cast(), &raw mut length) == 0 {
            value.truncate(length);
            return Ok(value);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOMEM) {
            return Err(error);
        }
    }
    Err(io::ErrorKind::OutOfMemory.into())
}
