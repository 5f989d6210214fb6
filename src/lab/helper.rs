//! The program `helper-lab`: the root helper on a lab.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::directory::take_directory;
use super::error::LabError;
use super::system::Lab;
use crate::os;
use crate::root::answer::{Outcome, Response};
use crate::root::helper;

/// Its arguments (without its own name) in, its exit status out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    // A lab may be named by a relative path.
    let directory = take_directory(&mut arguments);
    if helper::says_version(&arguments) {
        return ExitCode::SUCCESS;
    }
    helper::prepare();
    match directory.and_then(|directory| lab(&directory)) {
        Ok(lab) => helper::run(&lab, &arguments),
        Err(why) => {
            Response::failed(Outcome::Unchanged, format!("{why}; nothing was changed")).print();
            ExitCode::from(2)
        }
    }
}

/// A lab has files and programs that its owner made: root does not run them on a machine that has a pf to harm.
fn lab(directory: &Path) -> Result<Lab, LabError> {
    if os::is_root() && Path::new("/sbin/pfctl").exists() {
        return Err(LabError::RealPf);
    }
    Lab::existing(directory)
}
