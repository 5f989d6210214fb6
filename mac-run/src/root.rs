//! The directory that plays `/` for a Mac program (`MAC_ROOT`). Without it the program sees this machine's own files.
//!
//! ```text
//! the program says          the file is
//! /etc/pf.conf              $MAC_ROOT/etc/pf.conf
//! etc/pf.conf               etc/pf.conf, as everywhere
//! /dev/null, /dev/fd/3      the same: the kernel's, whatever the root
//! ```

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Sets the root, once, before the program runs.
pub fn set(root: Option<PathBuf>) {
    let _ = ROOT.set(root.filter(|root| root != Path::new("/")));
}

/// The root, where it is another than this machine's.
pub fn get() -> Option<&'static Path> {
    ROOT.get()?.as_deref()
}

/// Where a path of the program lies on this machine.
pub fn place(path: &CStr) -> CString {
    match get() {
        Some(root) => CString::new(inside(root, path.to_bytes())).unwrap_or_else(|_| path.to_owned()),
        None => path.to_owned(),
    }
}

/// The same for text.
pub fn place_path(path: &Path) -> PathBuf {
    match get() {
        Some(root) => PathBuf::from(std::ffi::OsString::from_vec(inside(root, path.as_os_str().as_bytes()))),
        None => path.to_owned(),
    }
}

/// What the program calls a path of this machine.
pub fn name(path: &[u8]) -> Vec<u8> {
    match get() {
        Some(root) => outside(root, path),
        None => path.to_vec(),
    }
}

fn inside(root: &Path, path: &[u8]) -> Vec<u8> {
    let is_below = || Path::new(OsStr::from_bytes(path)).starts_with(root);
    if path.first() != Some(&b'/') || is_device(path) || is_below() {
        return path.to_vec();
    }
    [root.as_os_str().as_bytes(), path].concat()
}

fn outside(root: &Path, path: &[u8]) -> Vec<u8> {
    match Path::new(OsStr::from_bytes(path)).strip_prefix(root) {
        Ok(rest) => [b"/", rest.as_os_str().as_bytes()].concat(),
        Err(_) => path.to_vec(),
    }
}

/// Devices that a directory cannot hold.
fn is_device(path: &[u8]) -> bool {
    const FILES: [&[u8]; 5] = [b"/dev/null", b"/dev/zero", b"/dev/tty", b"/dev/random", b"/dev/urandom"];
    const STANDARD: [&[u8]; 3] = [b"/dev/stdin", b"/dev/stdout", b"/dev/stderr"];
    FILES.contains(&path) || STANDARD.contains(&path) || path.starts_with(b"/dev/fd/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_lie_below_the_root() {
        let root = Path::new("/tmp/mac");
        for (mac, linux) in [
            ("/etc/pf.conf", "/tmp/mac/etc/pf.conf"),
            ("etc/pf.conf", "etc/pf.conf"),
            ("/", "/tmp/mac/"),
            ("/dev/null", "/dev/null"),
            ("/dev/pf", "/tmp/mac/dev/pf"),
            // A program of Linux is told where it lies by its whole path.
            ("/tmp/mac/usr/bin/osascript", "/tmp/mac/usr/bin/osascript"),
            ("/tmp/macintosh", "/tmp/mac/tmp/macintosh"),
        ] {
            assert_eq!(inside(root, mac.as_bytes()), linux.as_bytes());
        }
    }

    #[test]
    fn what_lies_below_the_root_has_its_own_name() {
        let root = Path::new("/tmp/mac");
        for (linux, mac) in [
            ("/tmp/mac/etc/pf.conf", "/etc/pf.conf"),
            ("/tmp/mac", "/"),
            ("/tmp/macintosh", "/tmp/macintosh"),
            ("/usr/bin/sleep", "/usr/bin/sleep"),
        ] {
            assert_eq!(outside(root, linux.as_bytes()), mac.as_bytes());
        }
    }
}
