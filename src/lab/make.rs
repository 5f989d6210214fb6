//! What lies in a new lab: the folders and files of a stock Mac, and our stand-ins for its programs.

use std::path::{Path, PathBuf};

use super::config;
use super::error::LabError;
use crate::os::Files;
use crate::system::PF_CONF;

/// `/etc/pf.conf` of a stock Mac: the statements of Apple's file.
pub const STOCK_PF_CONF: &str = include_str!("../../resources/stock-pf.conf");
/// `/etc/pf.anchors/com.apple` of a stock Mac: the statements of Apple's file.
pub const STOCK_COM_APPLE: &str = include_str!("../../resources/stock-com.apple");

/// The programs that stand in for the system's: where they are on a Mac, and what they are called beside
/// ours.
pub(super) const PROGRAMS: [(&str, &str); 8] = [
    ("sbin/pfctl", "pfctl-lab"),
    ("bin/launchctl", "launchctl-lab"),
    // No program of the system's: what root's copy of the helper is in a lab runs it.
    ("usr/libexec/helper-lab", "helper-lab"),
    ("usr/bin/osascript", "osascript-lab"),
    ("usr/bin/shasum", "shasum-lab"),
    ("sbin/ifconfig", "pflog-lab"),
    ("usr/sbin/tcpdump", "pflog-lab"),
    ("usr/libexec/ApplicationFirewall/socketfilterfw", "socketfilterfw-lab"),
];

/// The folders of a Mac that we or pf write to.
const FOLDERS: [&str; 15] = [
    "bin",
    "sbin",
    "usr/bin",
    "usr/libexec/ApplicationFirewall",
    "usr/sbin",
    "etc/pf.anchors",
    "Library/Application Support",
    "Library/Logs",
    "Library/LaunchDaemons",
    "Library/PrivilegedHelperTools",
    "private/var/db",
    "private/var/log",
    "private/var/pf",
    "private/var/root",
    "private/var/run",
];

/// Makes what lies in `directory` before the pretended Mac starts, for a caller that holds the lab.
pub(super) fn make(directory: &Path) -> Result<(), LabError> {
    for folder in FOLDERS {
        let path = directory.join(folder);
        std::fs::create_dir_all(&path).map_err(|source| LabError::Create { path, source })?;
    }
    let tree = Files::lab(directory);
    let files = [
        (PF_CONF, STOCK_PF_CONF),
        ("/etc/pf.anchors/com.apple", STOCK_COM_APPLE),
        (config::FILE, config::DEFAULT),
    ];
    for (path, text) in files {
        if tree.place(path).symlink_metadata().is_err() {
            tree.replace(path, text.as_bytes(), 0o644)?;
        }
    }
    PROGRAMS.iter().try_for_each(|(path, name)| link_program(&directory.join(path), name))
}

/// Makes `path` a link to our program `name`, if that is beside the running one; a copy of the helper that
/// runs elsewhere finds the links that were made before.
fn link_program(path: &Path, name: &str) -> Result<(), LabError> {
    let Some(program) = beside_us(name) else {
        return Ok(());
    };
    match std::fs::read_link(path) {
        Ok(target) if target == program => return Ok(()),
        // A program of another's is there.
        Err(_) if path.symlink_metadata().is_ok() => return Ok(()),
        _ => {}
    }
    let fail = |source| LabError::Create { path: path.to_owned(), source };
    let temporary = path.with_extension("new");
    let _ = std::fs::remove_file(&temporary);
    std::os::unix::fs::symlink(program, &temporary).map_err(fail)?;
    std::fs::rename(&temporary, path).map_err(fail)
}

/// The program of ours called `name`, in the folder of the running one (cargo keeps tests one folder deeper,
/// in `deps`).
fn beside_us(name: &str) -> Option<PathBuf> {
    let running = std::env::current_exe().ok()?.canonicalize().ok()?;
    let folder = running.parent()?;
    let folder = if folder.ends_with("deps") { folder.parent()? } else { folder };
    Some(folder.join(name)).filter(|program| program.is_file())
}
