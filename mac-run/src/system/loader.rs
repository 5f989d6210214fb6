//! What a program asks dyld and crt: its arguments, its environment, its own image; and memory maps.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::{fail, shims, unknown};
use crate::abi::{Pairs, flags_to_linux};
use crate::image::Image;
use crate::{symbols, thread_locals};

shims! {
    "_NSGetArgc" => argument_count,
    "_NSGetArgv" => arguments,
    "_NSGetEnviron" => environment,
    "_NSGetExecutablePath" => executable_path,
    "_dyld_image_count" => image_count,
    "_dyld_get_image_header" => image_header,
    "_dyld_get_image_name" => image_name,
    "_dyld_get_image_vmaddr_slide" => image_slide,
    "_tlv_atexit" => thread_locals::at_thread_exit,
    "_tlv_bootstrap" => never,
    "dyld_stub_binder" => never,
    "dlsym" => dlsym,
    "mmap" => mmap,
    "munmap" => libc::munmap,
    "mprotect" => libc::mprotect,
    "madvise" => libc::madvise,
}

static COUNT: AtomicI32 = AtomicI32::new(0);
static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());
static PROGRAM: OnceLock<CString> = OnceLock::new();
static IMAGE: OnceLock<Image> = OnceLock::new();

/// Remembers what the program may ask for. `program` is its path as it knows it.
pub fn prepare(image: Image, program: CString, arguments: &'static [*const c_char], count: c_int) {
    COUNT.store(count, Ordering::Relaxed);
    ARGUMENTS.store(arguments.as_ptr().cast_mut(), Ordering::Release);
    let _ = PROGRAM.set(program);
    let _ = IMAGE.set(image);
}

/// The program's path as it knows it.
pub fn program() -> &'static CStr {
    PROGRAM.get().map_or(c"", CString::as_c_str)
}

extern "C" fn argument_count() -> *mut c_int {
    COUNT.as_ptr()
}

extern "C" fn arguments() -> *mut *mut *const c_char {
    ARGUMENTS.as_ptr()
}

extern "C" fn environment() -> *mut *mut *mut c_char {
    unsafe extern "C" {
        static mut environ: *mut *mut c_char;
    }
    &raw mut environ
}

unsafe extern "C" fn executable_path(buffer: *mut c_char, length: *mut u32) -> c_int {
    let text = program().to_bytes_with_nul();
    // SAFETY: a program gives the length of its buffer.
    unsafe {
        let room = std::mem::replace(&mut *length, text.len() as u32) as usize;
        if room < text.len() {
            return -1;
        }
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, text.len());
    }
    0
}

extern "C" fn image_count() -> u32 {
    1
}

extern "C" fn image_header(index: u32) -> *const c_void {
    if index == 0 { IMAGE.get().map_or(0, |image| image.base) as *const c_void } else { std::ptr::null() }
}

extern "C" fn image_name(index: u32) -> *const c_char {
    if index == 0 { program().as_ptr() } else { std::ptr::null() }
}

extern "C" fn image_slide(index: u32) -> isize {
    if index == 0 { IMAGE.get().map_or(0, |image| image.slide) as isize } else { 0 }
}

/// The loader puts its own function in the place of these before the program runs.
extern "C" fn never() {
    unknown(format_args!("a call of dyld's own"));
}

/// A function that the program does without where the system is too old for it. Only what has a shim is found.
unsafe extern "C" fn dlsym(_library: *mut c_void, name: *const c_char) -> *const c_void {
    // SAFETY: a program gives a C string.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().and_then(symbols::find).unwrap_or_default() as *const c_void
}

/// xnu, `bsd/sys/mman.h`.
const MAP_FLAGS: &Pairs<c_int> = &[
    (0x0001, libc::MAP_SHARED),
    (0x0002, libc::MAP_PRIVATE),
    (0x0010, libc::MAP_FIXED),
    (0x0040, libc::MAP_NORESERVE),
    (0x1000, libc::MAP_ANONYMOUS),
];

unsafe extern "C" fn mmap(
    place: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: i64,
) -> *mut c_void {
    let Ok(flags) = flags_to_linux(MAP_FLAGS, flags) else {
        fail(libc::EINVAL);
        return libc::MAP_FAILED;
    };
    // SAFETY: what the program maps is its own affair.
    unsafe { libc::mmap(place, length, protection, flags, file, offset) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(super::MAP_FLAGS);
    }
}
