//! The one door to the system: atomic files, processes, locks, the clipboard. All `unsafe` lives here.

#[cfg(target_os = "macos")]
mod acl;
mod boot;
pub mod cancel;
pub mod children;
pub mod clipboard;
mod clock;
mod connection;
pub mod directory;
mod gateway;
pub mod hash;
#[cfg(target_os = "macos")]
pub mod held;
pub mod holds;
mod inherited;
#[cfg(all(target_os = "linux", feature = "gui"))]
pub mod library;
mod networks;
#[cfg(target_os = "macos")]
pub mod pf_device;
#[cfg(any(target_os = "macos", test))]
mod pf_layout;
mod plain;
pub mod process;
#[cfg(any(target_os = "macos", test))]
mod routes;
pub mod states;
pub mod stream;
#[cfg(target_os = "macos")]
pub mod sysctl;
pub mod time_limit;
mod tree;
mod user;
mod zone;

pub use boot::{BootError, boot_id};
pub use children::process_exists;
pub use clock::clock;
pub use connection::TrackedConnection;
pub use gateway::{Gateway, GatewayError, HardwareAddress, NetworkFacts, is_hardware, may_be_host_only};
pub use inherited::{hold_signals, keep_ends_of_children, put_away_inherited};
pub use networks::{Interface, LINK_LOCAL, interfaces, network_facts, networks};
pub use plain::{PlainFileError, read_plain};
pub use tree::bell::BellFile;
pub use tree::{Expected, FileError, Files, Lock};
pub use user::{is_root, own_uid, sudo_uid, user_of};
pub use zone::zone;

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC by the wall clock; negative before that.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// Whether the kernel is that of macOS. Asked at run time, so that a program which refuses to run elsewhere is the same
/// program here, and can be measured.
pub fn is_macos() -> bool {
    rustix::system::uname().sysname() == c"Darwin"
}

/// Leaves the session and the terminal of our caller, so that we outlive it. Errors: this process leads a
/// group.
pub fn leave_session() -> std::io::Result<()> {
    Ok(rustix::process::setsid().map(drop)?)
}

/// Lets go of standard output: its reader sees its end, and what is printed from now on goes nowhere.
pub fn let_go_of_stdout() -> std::io::Result<()> {
    std::io::Write::flush(&mut std::io::stdout())?;
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

/// Asks a process of the user's own to end (TERM). Errors: there is none of that number, or it is another's.
pub fn end_process(pid: u32) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or(std::io::ErrorKind::NotFound)?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
}

/// The number of this process's group, which is that of the process that leads it; 0 where that one is outside of a
/// container that this one is in, for which rustix has no value.
#[expect(unsafe_code, reason = "a C function")]
pub fn process_group() -> u32 {
    // SAFETY: getpgrp(2) takes nothing and cannot fail.
    unsafe { libc::getpgrp() }.unsigned_abs()
}

/// The name of the user, as it may stand in a request: letters, digits, `.`, `_` and `-`; `uid-N` where the
/// environment has no name, or one with other letters. For people to read; nothing is decided by it.
pub fn user_name() -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(plain);
    let named = ["USER", "LOGNAME"].iter().filter_map(|key| std::env::var(key).ok()).find(fits);
    named.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}

/// Replaces a file of the user's own, its folder made where it is missing: written beside, then renamed.
/// The file behind a symbolic link is replaced, not the link: people keep their settings in one place that way.
pub fn replace_own(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(std::path::Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&beside, &path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}
