//! The stand-in for `/usr/bin/osascript` in a lab: see [`portcullis::lab::osascript`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis::lab::osascript::main(std::env::args_os().skip(1)))
}
