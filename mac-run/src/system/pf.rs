//! `/dev/pf`.
use std::ffi::{CStr, c_int};
pub fn is_device(path: &CStr) -> bool {
    path == c"/dev/pf"
}
pub fn open() -> c_int {
    super::fail(libc::ENOENT)
}
pub fn is_open(_file: c_int) -> bool {
    false
}
pub unsafe fn ioctl(_request: u64, _argument: *mut u8) -> c_int {
    super::fail(libc::ENODEV)
}
