//! pf in a lab: see [`portcullis::lab`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis::lab::pfctl::main(std::env::args_os().skip(1)))
}
