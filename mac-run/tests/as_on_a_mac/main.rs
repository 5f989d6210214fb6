//! The Mac build of the helper and of the command line, as on a Mac: no lab and no option, absolute paths, a directory that
//! plays `/` ([`root`]) with stand-ins for macOS's programs at their places.
//!
//! `make mac-run` builds the programs and says where they are (`MAC_RUN_PROGRAMS`).

mod command_line;
mod faults;
mod first_start;
mod helper;
mod loading;
#[path = "../../../tests/common/program.rs"]
mod program;
mod root;
mod sockets;
