//! The stand-in for socketfilterfw in a lab: see [`portcullis::lab::socketfilterfw`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis::lab::socketfilterfw::main(std::env::args_os().skip(1)))
}
