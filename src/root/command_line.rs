//! Has terminals find the command line: one line in a file of /etc/paths.d, which login shells read by path_helper(8).
//!
//! It is no link in /usr/local/bin: that folder is missing on many Macs, and belongs to a user on others.

use crate::os::{FileError, Files};
use crate::root::answer::{Outcome, Response};
use crate::system::{APP_PROGRAMS, PATHS_FILE};

const MODE: u32 = 0o644;

/// Writes the line, and answers what that came to.
pub fn answer(files: &Files) -> Response {
    match install(files) {
        Ok(Outcome::Unchanged) => Response::done(Outcome::Unchanged, "terminals find portcullis already"),
        Ok(outcome) => Response::done(outcome, "terminals that are opened from now on find portcullis"),
        Err(error) => {
            Response::failed(Outcome::Unchanged, format!("{PATHS_FILE} could not be written: {error}"))
        }
    }
}

fn install(files: &Files) -> Result<Outcome, FileError> {
    let line = format!("{APP_PROGRAMS}\n").into_bytes();
    let is_there = files.mode(PATHS_FILE)? == Some(MODE) && files.read(PATHS_FILE)?.as_ref() == Some(&line);
    if is_there {
        return Ok(Outcome::Unchanged);
    }
    files.put(PATHS_FILE, &line, MODE)?;
    Ok(Outcome::Changed)
}

/// Takes the file away.
pub fn remove(files: &Files) -> Result<(), FileError> {
    files.remove(PATHS_FILE).map(drop)
}
