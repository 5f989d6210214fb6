//! Programs that a test makes and then runs.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that can be run, in the place of what was there.
///
/// A child writes it. If this process did, a child that another thread starts meanwhile would hold the file open
/// for writing until it runs its own program, and the kernel refuses to run a file that is held so (`ETXTBSY`,
/// execve(2)).
pub fn write(place: &Path, bytes: impl AsRef<[u8]>) {
    let mut child = Command::new("/bin/sh")
        .args(["-c", r#"rm -f "$1" && cat >"$1" && chmod 755 "$1""#, "sh"])
        .arg(place)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes.as_ref()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", place.display());
}

/// Writes a shell script that can be run, in the place of what was there.
pub fn script(place: &Path, text: &str) {
    write(place, format!("#!/bin/sh\n{text}\n"));
}

/// Copies a program, as [`write`] would.
pub fn copy(from: impl AsRef<Path>, place: &Path) {
    write(place, std::fs::read(from).unwrap());
}
