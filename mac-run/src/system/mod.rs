//! libSystem: what a Mac program calls. One file for each area; each lists its functions under the names that programs
//! import, without the underscore in front.
//!
//! Conventions: a function that fails leaves Linux's number in this thread's `errno`; [`errno`] gives it to the program
//! as macOS's. Functions that give the number as their result translate it themselves. C functions with a variable
//! number of arguments are written with fixed ones: on x86_64 whole numbers and pointers come in the same registers.

pub mod attributes;
pub mod conditions;
pub mod copying;
pub mod directories;
pub mod dispatch;
pub mod errno;
pub mod files;
pub mod frameworks;
pub mod interfaces;
pub mod libproc;
pub mod loader;
pub mod memory;
pub mod pf;
pub mod processes;
pub mod signals;
pub mod sockets;
pub mod spawn;
pub mod sysctl;
pub mod threads;
pub mod time;
pub mod users;

use std::ffi::{CStr, CString, c_char, c_int};

use crate::root;

/// A function or a datum that a Mac program can import.
#[derive(Clone, Copy)]
pub struct Shim {
    pub name: &'static str,
    pub place: *const (),
}

// SAFETY: the pointer is the address of a function or of a static, valid on every thread.
unsafe impl Sync for Shim {}

/// Lists functions: `shims! { "open" => open, … }`.
macro_rules! shims {
    ($($name:literal => $function:expr),* $(,)?) => {
        pub const SHIMS: &[$crate::system::Shim] =
            &[$($crate::system::Shim { name: $name, place: $function as *const () }),*];
    };
}
pub(crate) use shims;

/// Every area.
pub const AREAS: &[&[Shim]] = &[
    attributes::SHIMS,
    conditions::SHIMS,
    copying::SHIMS,
    directories::SHIMS,
    dispatch::SHIMS,
    errno::SHIMS,
    files::SHIMS,
    interfaces::SHIMS,
    libproc::SHIMS,
    loader::SHIMS,
    processes::SHIMS,
    signals::SHIMS,
    sockets::SHIMS,
    spawn::SHIMS,
    sysctl::SHIMS,
    threads::SHIMS,
    time::SHIMS,
    users::SHIMS,
];

/// Fails with a number of Linux.
fn fail(error: c_int) -> c_int {
    // SAFETY: the place is this thread's own.
    unsafe { *libc::__errno_location() = error };
    -1
}

/// The number that the last failed call left.
fn last_error() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Ends the process: a Mac program asks for something that is not known here, and a guess would prove nothing.
fn unknown(what: std::fmt::Arguments<'_>) -> ! {
    eprintln!("mac-run: {what} is not known here");
    std::process::exit(crate::EXIT_UNKNOWN);
}

/// The path that a program gave, on this machine.
///
/// # Safety
/// `path` is a C string.
unsafe fn place(path: *const c_char) -> CString {
    // SAFETY: as the caller says.
    root::place(unsafe { CStr::from_ptr(path) })
}

/// Linux's directory for a directory of macOS: the current one has another number.
fn directory(mac: c_int) -> c_int {
    if mac == crate::abi::fcntl::AT_FDCWD { libc::AT_FDCWD } else { mac }
}
