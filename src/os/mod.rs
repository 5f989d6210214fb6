//! The one door to the system: atomic files, processes, locks. All `unsafe` lives here.

mod boot;
pub mod process;
mod tree;

pub use boot::{BootError, boot_id};
pub use tree::{FileError, Lock, Tree};

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC by the wall clock; negative before that.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
