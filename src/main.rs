//! Portcullis: the tray, or the command line.
//!
//! Both faces live in this program and not in the library, so that the root helper, which is built from the library
//! alone, cannot link a toolkit or an argument parser, whatever the linker.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cli;
#[cfg(feature = "gui")]
mod tray;

fn main() -> std::process::ExitCode {
    cli::main()
}
