//! `errno`: macOS gives its place by `__error`.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

use super::shims;
use crate::abi;

shims! {
    "__error" => error,
    "strerror_r" => strerror_r,
    "strerror" => strerror,
}

thread_local! {
    static NUMBER: Cell<c_int> = const { Cell::new(0) };
}

/// Where the program reads and writes its number. What a call has left since it last asked is put there first; this
/// machine's own number is then cleared, so that what the program writes is not overwritten by an old failure.
extern "C" fn error() -> *mut c_int {
    NUMBER.with(|number| {
        // SAFETY: the place is this thread's own.
        let linux = unsafe { &mut *libc::__errno_location() };
        if *linux != 0 {
            number.set(abi::errno::to_mac(*linux));
            *linux = 0;
        }
        number.as_ptr()
    })
}

/// # Safety
/// `buffer` has room for `length` bytes.
unsafe extern "C" fn strerror_r(mac: c_int, buffer: *mut c_char, length: usize) -> c_int {
    let text = text(mac);
    let bytes = text.as_bytes();
    let kept = bytes.len().min(length.saturating_sub(1));
    if length > 0 {
        // SAFETY: `kept` and the NUL behind it fit into `length`.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), buffer, kept);
            *buffer.add(kept) = 0;
        }
    }
    const ERANGE: c_int = 34;
    if kept < bytes.len() { ERANGE } else { 0 }
}

extern "C" fn strerror(mac: c_int) -> *const c_char {
    let number = abi::errno::to_linux(mac).unwrap_or(mac);
    // SAFETY: the C library's text stays until the next call on this thread, as on macOS.
    unsafe { libc::strerror(number) }
}

/// The C library's text for a number of macOS.
fn text(mac: c_int) -> String {
    let Some(linux) = abi::errno::to_linux(mac) else { return format!("Unknown error: {mac}") };
    let mut buffer = [0; 256];
    // SAFETY: the buffer is as long as said, and the text in it ends in NUL.
    unsafe {
        libc::strerror_r(linux, buffer.as_mut_ptr(), buffer.len());
        CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
    }
}
