//! Why a lab cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::kernel::KernelError;
use super::states::StateError;
use crate::os::{BootError, FileError};

/// Why a lab cannot be used.
#[derive(Debug, Error)]
pub enum LabError {
    /// It was to be there already.
    #[error("{} is no absolute path of a directory", path.display())]
    NoDirectory { path: PathBuf },
    /// A stand-in for a program of the system is not where it belongs.
    #[error("cannot find the lab's pf: {} leads to no program; build `pfctl-lab` and start the lab anew", path.display())]
    NoProgram { path: PathBuf },
    #[error("a lab is not run as root on a machine with a pf of its own")]
    RealPf,
    #[error("option requires an argument -- --lab")]
    NoValue,
    #[error("--lab needs a directory: {0}")]
    BadDirectory(#[source] io::Error),
    /// There is no folder for a user's data.
    #[error("cannot find a place for the lab: this user has no home folder; name a directory with --lab DIR")]
    NoHome,
    /// A part of it could not be made.
    #[error("cannot make the lab's {}: {source}", path.display())]
    Create { path: PathBuf, source: io::Error },
    /// Its settings do not read.
    #[error("cannot read the lab's settings in {}: {source}", path.display())]
    Settings {
        /// `lab.toml`.
        path: PathBuf,
        source: SettingsError,
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
    #[error("cannot use the lab's pf: {} is damaged ({source}); remove it to restart the pretended Mac", path.display())]
    Damaged { path: PathBuf, source: KernelError },
    /// A connection does not read.
    #[error("cannot use the lab's pf: {}:{line}: {source}; correct the line or remove it", path.display())]
    StateEntry {
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        source: StateError,
    },
}

/// Why settings do not read.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error(transparent)]
    Read(io::Error),
    /// Says the line, shows it, and says what was expected.
    #[error("{}", .0.to_string().trim_end())]
    Toml(#[from] toml_edit::de::Error),
}
