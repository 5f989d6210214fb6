//! The stand-ins for `/sbin/ifconfig` and `/usr/sbin/tcpdump` in a lab, by the name it is called by: see
//! [`portcullis::lab::pflog`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().map(std::path::PathBuf::from).unwrap_or_default();
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ExitCode::from(portcullis::lab::pflog::main(&name, arguments))
}
