//! `stand-in NAME ARGUMENTS…`: what stands in for those of macOS's programs that are more than a line of shell. `MAC_ROOT` is
//! the lab in which the library's own stand-ins work.

use std::ffi::OsString;
use std::io::Read as _;
use std::process::ExitCode;

use portcullis::lab;
use sha2::{Digest as _, Sha256};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let name = arguments.next().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let root = std::env::var_os("MAC_ROOT").unwrap_or_else(|| "/".into());
    let in_lab = [OsString::from("--lab"), root].into_iter().chain(arguments);
    ExitCode::from(match name.as_str() {
        "pfctl" => lab::pfctl::main(in_lab),
        "osascript" => lab::osascript::main(in_lab),
        "socketfilterfw" => lab::socketfilterfw::main(in_lab),
        "ifconfig" | "tcpdump" => lab::pflog::main(&name, in_lab),
        "shasum" => shasum(&in_lab.skip(2).collect::<Vec<_>>()),
        other => {
            eprintln!("stand-in: nothing stands in for {other}");
            1
        }
    })
}

/// `shasum -a 256`, of standard input.
fn shasum(arguments: &[OsString]) -> u8 {
    if arguments != ["-a", "256"] {
        eprintln!("stand-in: shasum {arguments:?} is not known here");
        return 1;
    }
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut bytes) {
        eprintln!("shasum: {error}");
        return 1;
    }
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{digest}  -");
    0
}
