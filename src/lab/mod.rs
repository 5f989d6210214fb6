//! A pf that lives in a directory: the surface of pfctl over [`crate::pf`], for trying the app and for
//! testing it.
//!
//! ```
//! use portcullis::{lab::Lab, system::System};
//! let directory = tempfile::tempdir().unwrap();
//! let lab = Lab::open(directory.path())?;
//! assert!(lab.place("/etc/pf.conf").is_file());
//! # Ok::<(), portcullis::lab::LabError>(())
//! ```
//!
//! The directory plays `/` of a stock Mac. What the kernel would hold is in `private/var/pf`; how a person
//! would answer is in `lab.toml` ([`config`]). Nothing outside the directory is ever written.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub mod arguments;
pub mod config;
pub mod helper;
pub mod kernel;
pub mod load;
pub mod osascript;
pub mod pfctl;
pub mod pflog;
pub mod socketfilterfw;
pub mod states;
pub mod store;
mod system;

pub use config::LabConfig;
use states::StateError;
use store::Store;
pub use system::{Lab, choose};

use crate::os::{BootError, FileError, Files};
use crate::system::PF_CONF;

/// `/etc/pf.conf` of a stock Mac: the statements of Apple's file.
pub const STOCK_PF_CONF: &str = include_str!("../../resources/stock-pf.conf");
/// `/etc/pf.anchors/com.apple` of a stock Mac: the statements of Apple's file.
pub const STOCK_COM_APPLE: &str = include_str!("../../resources/stock-com.apple");

/// The programs that stand in for the system's: where they are on a Mac, and what they are called beside
/// ours.
const PROGRAMS: [(&str, &str); 5] = [
    ("sbin/pfctl", "pfctl-lab"),
    ("usr/bin/osascript", "osascript-lab"),
    ("sbin/ifconfig", "pflog-lab"),
    ("usr/sbin/tcpdump", "pflog-lab"),
    ("usr/libexec/ApplicationFirewall/socketfilterfw", "socketfilterfw-lab"),
];

/// The folders of a Mac that we or pf write to.
const FOLDERS: [&str; 13] = [
    "sbin",
    "usr/bin",
    "usr/libexec/ApplicationFirewall",
    "usr/sbin",
    "etc/pf.anchors",
    "Library/Application Support",
    "Library/Logs",
    "Library/LaunchDaemons",
    "Library/PrivilegedHelperTools",
    "private/var/log",
    "private/var/pf",
    "private/var/root",
    "private/var/run",
];

/// Where the lab is unless told otherwise: below the user's data folder.
///
/// Errors: a user without a home folder.
pub fn default_dir() -> Result<PathBuf, LabError> {
    directories::ProjectDirs::from("dev", "portcullis", "Portcullis")
        .map(|folders| folders.data_local_dir().join("lab"))
        .ok_or(LabError::NoHome)
}

/// Takes the lab's directory off the front of a program's arguments: `--lab DIR`, `--lab=DIR`, else the
/// default one. It comes out absolute. Errors: no directory behind `--lab`, or none to be found.
fn take_directory(arguments: &mut Vec<OsString>) -> Result<PathBuf, String> {
    let first = arguments.first().map(|word| word.as_encoded_bytes().to_vec()).unwrap_or_default();
    let directory = match first.strip_prefix(b"--lab=") {
        Some(directory) => {
            arguments.remove(0);
            PathBuf::from(OsStr::from_bytes(directory))
        }
        None if first != b"--lab" => return default_dir().map_err(|error| error.to_string()),
        None if arguments.len() < 2 => return Err("option requires an argument -- --lab".to_owned()),
        None => arguments.drain(..2).next_back().unwrap_or_default().into(),
    };
    std::path::absolute(directory).map_err(|error| format!("--lab needs a directory: {error}"))
}

/// Makes `directory` the `/` of a stock Mac just after its start: Apple's pf.conf and anchors on disk and
/// loaded, pf disabled, our stand-ins for its programs, `lab.toml` with its defaults. Files that are there
/// already stay as they are; two calls at once do no harm.
///
/// Errors: a file or folder that cannot be made, what pf holds is damaged.
pub fn init(directory: &Path) -> Result<(), LabError> {
    Store::open(directory)?.kernel().map(drop)
}

/// Makes what lies in `directory` before the pretended Mac starts; whoever calls holds the lab.
fn make(directory: &Path) -> Result<(), LabError> {
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
        // Somebody put a program of their own there.
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

/// Forgets the TCP connections that came in from other machines and are `refused` (local port, remote
/// address), as the kernel's DIOCKILLSTATES would. Gives how many.
///
/// Errors: a lab that cannot be used.
pub fn drop_states(directory: &Path, refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, LabError> {
    let store = Store::open(directory)?;
    let (dropped, kept): (Vec<_>, Vec<_>) = store.states()?.into_iter().partition(|state| {
        let (remote, port) = (state.source.address, state.destination.port);
        state.is_inbound_tcp() && !remote.is_loopback() && port.is_some_and(|port| refused(port, remote))
    });
    if !dropped.is_empty() {
        store.keep_states(&kept)?;
    }
    Ok(dropped.len())
}

/// Why a lab cannot be used.
#[derive(Debug, Error)]
pub enum LabError {
    /// It was to be there already.
    #[error("{} is no absolute path of a directory", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// A stand-in for a program of the system is not where it belongs.
    #[error("cannot find the lab's pf: {} leads to no program; build `pfctl-lab` and start the lab anew", path.display())]
    NoProgram {
        /// Where it belongs.
        path: PathBuf,
    },
    /// There is no folder for a user's data.
    #[error("cannot find a place for the lab: this user has no home folder; name a directory with --lab DIR")]
    NoHome,
    /// A part of it could not be made.
    #[error("cannot make the lab's {}: {source}", path.display())]
    Create {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its settings do not read.
    #[error("cannot read the lab's settings in {}: {why}", path.display())]
    Settings {
        /// `lab.toml`.
        path: PathBuf,
        /// What is wrong, with the line.
        why: String,
    },
    /// A file of its pf cannot be read or written, or another call never ends.
    #[error("cannot use the lab's pf: {0}")]
    File(#[from] FileError),
    /// Which boot this is cannot be told.
    #[error("cannot use the lab's pf: {0}")]
    Boot(#[from] BootError),
    /// More rules than a lab can hold.
    #[error("the lab's pf holds {max} bytes of rules and tables at most; nothing was changed")]
    Full {
        /// The bound in bytes.
        max: usize,
    },
    /// What its kernel holds does not read.
    #[error("cannot use the lab's pf: {} is damaged ({why}); remove it to restart the pretended Mac", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A connection does not read.
    #[error("cannot use the lab's pf: {}:{line}: {source}; correct the line or remove it", path.display())]
    StateEntry {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: StateError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let lab = directory.path().join("a/b");
        init(&lab).unwrap();
        assert_eq!(std::fs::read_to_string(lab.join("etc/pf.conf")).unwrap(), STOCK_PF_CONF);
        std::fs::write(lab.join("etc/pf.conf"), "pass\n").unwrap();
        std::fs::write(lab.join("lab.toml"), "prompt = \"cancel\"\n").unwrap();
        init(&lab).unwrap();
        assert_eq!(std::fs::read_to_string(lab.join("etc/pf.conf")).unwrap(), "pass\n");
        assert_eq!(LabConfig::read(&lab).unwrap().prompt, config::Prompt::Cancel);
        let left: Vec<_> =
            std::fs::read_dir(lab.join("etc")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn the_directory_stands_first() {
        let take = |words: &[&str]| {
            let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
            take_directory(&mut words).map(|directory| (directory, words.len()))
        };
        assert_eq!(take(&["--lab", "/a b", "-sr"]), Ok(("/a b".into(), 1)));
        assert_eq!(take(&["--lab=/a", "-sr"]), Ok(("/a".into(), 1)));
        assert!(take(&["--lab", "a"]).unwrap().0.is_absolute());
        assert_eq!(take(&["--lab"]).unwrap_err(), "option requires an argument -- --lab");
        assert!(take(&["--lab", ""]).is_err() && take(&["--lab="]).is_err());
    }

    #[test]
    fn many_may_make_it_at_once() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in [(); 8].map(|()| scope.spawn(|| init(directory.path()))) {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(
            std::fs::read_to_string(directory.path().join("etc/pf.anchors/com.apple")).unwrap(),
            STOCK_COM_APPLE
        );
    }

    #[test]
    fn states_of_other_machines_are_dropped() {
        let directory = tempfile::tempdir().unwrap();
        init(directory.path()).unwrap();
        let states = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 192.168.1.2:9229 <- 192.168.1.9:50001       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50002       ESTABLISHED:ESTABLISHED\n\
            ALL tcp 192.168.1.2:50003 -> 192.168.1.9:2345       ESTABLISHED:ESTABLISHED\n";
        let path = directory.path().join(&store::STATES[1..]);
        std::fs::write(&path, states).unwrap();
        assert_eq!(drop_states(directory.path(), &|port, _| port == 2345).unwrap(), 1);
        let expected: String = states.lines().skip(1).map(|line| format!("{line}\n")).collect();
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn says_what_could_not_be_made() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("etc"), "").unwrap();
        let error = init(directory.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the lab's ") && error.contains("/etc/pf.anchors"), "{error}");
    }
}
