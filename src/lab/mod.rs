//! A pf that lives in a directory: the surface of pfctl over [`crate::pf`], for trying the app and for testing it.
//!
//! ```
//! use portcullis::{lab, world::World};
//! let directory = tempfile::tempdir().unwrap();
//! lab::init(directory.path())?;
//! let world = World::Lab(directory.path().to_owned());
//! assert!(world.path("/etc/pf.conf").is_file());
//! # Ok::<(), lab::LabError>(())
//! ```
//!
//! The directory plays `/` of a stock Mac. What the kernel would hold is in `private/var/pf`; how a person would answer is in
//! `lab.toml` ([`config`]). Nothing outside the directory is ever written.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub mod config;
pub mod osascript;

pub use config::LabConfig;

/// `/etc/pf.conf` of a stock Mac: the statements of Apple's file.
pub const STOCK_PF_CONF: &str = include_str!("../../resources/stock-pf.conf");
/// `/etc/pf.anchors/com.apple` of a stock Mac: the statements of Apple's file.
pub const STOCK_COM_APPLE: &str = include_str!("../../resources/stock-com.apple");

/// The folders of a Mac that we or pf write to.
const FOLDERS: [&str; 9] = [
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

/// Makes `directory` the `/` of a stock Mac just after its start: Apple's pf.conf and anchors on disk and loaded, pf disabled,
/// `lab.toml` with its defaults. What is there already stays as it is; two calls at once do no harm.
///
/// Errors: a file or folder that cannot be made.
pub fn init(directory: &Path) -> Result<(), LabError> {
    for folder in FOLDERS {
        let path = directory.join(folder);
        std::fs::create_dir_all(&path).map_err(|source| LabError::Create { path, source })?;
    }
    create(&directory.join("etc/pf.conf"), STOCK_PF_CONF)?;
    create(&directory.join("etc/pf.anchors/com.apple"), STOCK_COM_APPLE)?;
    create(&directory.join(config::FILE), config::DEFAULT)
}

/// Writes a file that is not there yet, whole or not at all: it is written under another name and then linked.
fn create(path: &Path, text: &str) -> Result<(), LabError> {
    let fail = |source| LabError::Create { path: path.to_owned(), source };
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(name);
    std::fs::write(&temporary, text).map_err(fail)?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(fail)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}

/// Why there is no lab.
#[derive(Debug, Error)]
pub enum LabError {
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
}
