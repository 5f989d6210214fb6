//! Portcullis, the command line. Without a command it starts the tray, which is a program of its own: nothing but
//! `portcullis-tray` links a toolkit, and the root helper, which is built from the library alone, no argument parser either.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
