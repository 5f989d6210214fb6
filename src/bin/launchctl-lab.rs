//! The stand-in for `/bin/launchctl` in a lab: see [`portcullis::lab::launchctl`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis::lab::launchctl::main(std::env::args_os().skip(1)))
}
