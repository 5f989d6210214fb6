//! The root helper in a lab: see [`portcullis::lab::helper`].

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::lab::helper::main(std::env::args_os().skip(1))
}
