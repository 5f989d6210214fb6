//! How a Mac program is handed from one process to the next.
//!
//! `mac-run PROGRAM ARGUMENTS…` starts itself again with the program's own arguments as its arguments, so that whoever
//! looks at the process sees the program's; which program that is stands in `MAC_RUN_PROGRAM`. What is set for this
//! program stands in variables of the same prefix, which are taken away before the Mac program sees its environment
//! and given to every program that it starts.

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

/// The program to run, as a path of this machine.
pub const PROGRAM: &str = "MAC_RUN_PROGRAM";
/// The directory that plays `/`.
pub const ROOT: &str = "MAC_ROOT";
/// A file for what [`crate::trace`] finds.
pub const TRACE: &str = "MAC_RUN_TRACE";

static SETTINGS: OnceLock<Vec<CString>> = OnceLock::new();
static OWN_PATH: OnceLock<CString> = OnceLock::new();

/// A variable of ours, which is gone for the program.
pub fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: no other thread runs yet.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Remembers what every program started by this one gets.
pub fn keep(settings: &[(&str, Option<OsString>)]) {
    let given = settings.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let lines = given
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok());
    let _ = SETTINGS.set(lines.collect());
    // Now: a program may change its root.
    own_path();
}

/// What is added to the environment of a program that is started, `program` where it is a Mac's.
pub fn inherited(program: Option<&CStr>) -> Vec<CString> {
    let program =
        program.and_then(|path| CString::new([PROGRAM.as_bytes(), b"=", path.to_bytes()].concat()).ok());
    SETTINGS.get().into_iter().flatten().cloned().chain(program).collect()
}

/// This program's file.
pub fn own_path() -> CString {
    let path = OWN_PATH.get_or_init(|| {
        let path = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
    });
    path.clone()
}
