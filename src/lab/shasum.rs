//! The stand-in for `/usr/bin/shasum`, so that a lab's prompt runs the very line that a Mac's does: `shasum -a 256` of
//! standard input, printed as `DIGEST  -` (shasum(1), "output").

use std::ffi::OsString;

use crate::os::hash;

/// The program `shasum-lab`: its arguments (without its own name) in, its exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments != ["-a", "256"] {
        eprintln!("a lab's shasum does `-a 256` of its standard input alone");
        return 2;
    }
    match hash::of_stream(std::io::stdin().lock()) {
        Ok(digest) => {
            println!("{digest}  -");
            0
        }
        Err(error) => {
            eprintln!("shasum-lab: cannot read standard input: {error}");
            1
        }
    }
}
