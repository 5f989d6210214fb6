//! The stand-in for shasum in a lab: see [`portcullis::lab::shasum`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis::lab::shasum::main(std::env::args_os().skip(1)))
}
