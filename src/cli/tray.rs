//! Starts the tray, which is a program of its own in the same folder.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Becomes the tray; comes back only where there is none.
pub fn start(lab: Option<&Path>) -> ExitCode {
    let program = match std::env::current_exe().and_then(|program| program.canonicalize()) {
        Ok(program) => program.with_file_name("portcullis-tray"),
        Err(error) => {
            eprintln!("portcullis: cannot find the tray: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut tray = Command::new(&program);
    if let Some(directory) = lab {
        tray.arg("--lab").arg(directory);
    }
    let error = tray.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let missing = program.display();
        eprintln!(
            "portcullis: this build has no tray ({missing} is missing); see `portcullis --help` for the commands"
        );
    } else {
        eprintln!("portcullis: cannot start the tray {}: {error}", program.display());
    }
    ExitCode::FAILURE
}
