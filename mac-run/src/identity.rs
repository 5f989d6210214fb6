//! Who a Mac program is. Below a root it is root, or the user whose number `MAC_USER` says; what lies below the root
//! belongs to root, whoever made it. Without a root it is who runs this program.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use crate::host::processes;
use crate::{root, start};

static USER: OnceLock<Option<u32>> = OnceLock::new();

/// Sets the user, once, before the program runs.
pub fn set(user: Option<&OsStr>) {
    let _ = USER.set(user.and_then(number));
}

fn number(text: &OsStr) -> Option<u32> {
    text.to_str()?.parse().ok()
}

/// The user of this program.
pub fn user() -> u32 {
    match USER.get().copied().flatten() {
        Some(user) => user,
        None if root::get().is_some() => 0,
        None => host_user(),
    }
}

/// The user of another process.
pub fn user_of(pid: u32, host: u32) -> u32 {
    if root::get().is_none() {
        return host;
    }
    processes::variable(pid, start::USER).and_then(|value| number(OsStr::from_bytes(&value))).unwrap_or(0)
}

/// The owner of a file, as the program sees it.
pub fn owner(host: u32) -> u32 {
    if root::get().is_some() && host == host_user() { 0 } else { host }
}

/// The owner that a program gives a file, on this machine.
pub fn host_owner(mac: u32) -> u32 {
    if root::get().is_some() && mac == 0 { host_user() } else { mac }
}

/// Who runs this program on this machine.
fn host_user() -> u32 {
    // SAFETY: takes nothing.
    unsafe { libc::geteuid() }
}
