//! `mac-run PROGRAM ARGUMENTS…`: see the library.

#![no_main]

use std::ffi::{c_char, c_int};

/// The C library's entry, so that nothing of Rust's own start-up (signals, stack guards) gets between it and the program.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    // SAFETY: the C library gives as many arguments as it says, for as long as the process lives; this is its only thread.
    unsafe { mac_run::main(std::slice::from_raw_parts(arguments, count as usize)) }
}
