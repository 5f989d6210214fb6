//! Where a lab is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::error::LabError;

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
pub(super) fn take_directory(arguments: &mut Vec<OsString>) -> Result<PathBuf, LabError> {
    let first = arguments.first().map(|word| word.as_encoded_bytes().to_vec()).unwrap_or_default();
    let directory = match first.strip_prefix(b"--lab=") {
        Some(directory) => {
            arguments.remove(0);
            PathBuf::from(OsStr::from_bytes(directory))
        }
        None if first != b"--lab" => return default_dir(),
        None if arguments.len() < 2 => return Err(LabError::NoValue),
        None => arguments.drain(..2).next_back().unwrap_or_default().into(),
    };
    std::path::absolute(directory).map_err(LabError::BadDirectory)
}
