//! How a Mac program is handed from one process to the next.
//!
//! `mac-run PROGRAM ARGUMENTS…` starts itself again with the program's own arguments as its arguments, so that whoever
//! looks at the process sees the program's; which program that is stands in `MAC_RUN_PROGRAM`. What is set for this
//! program stands in variables that are taken away before the Mac program sees its environment, and given to every program
//! that it starts. A program of Linux, which stands in for one of macOS's, is given the same root by a library that is
//! loaded into it (the package `preload`).

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{macho, root, trace};

/// The program to run, as a path of this machine.
pub const PROGRAM: &str = "MAC_RUN_PROGRAM";
/// The directory that plays `/`.
pub const ROOT: &str = "MAC_ROOT";
/// The number of the user that programs are run as.
pub const USER: &str = "MAC_USER";
/// A directory for what [`crate::trace`] finds.
pub const TRACE: &str = "MAC_RUN_TRACE";
/// A call that fails.
pub const FAULT: &str = "MAC_RUN_FAULT";
/// The test that a program was started by.
pub const TEST: &str = "MAC_RUN_TEST";
/// This program, for the library that is loaded into programs of Linux.
pub const OWN: &str = "MAC_RUN";
/// What is handed on.
pub const SETTINGS: [&str; 5] = [ROOT, USER, TRACE, FAULT, TEST];
/// The C library's list of libraries to load first.
pub const PRELOAD: &str = "LD_PRELOAD";
/// The library's file, beside this program's.
const LIBRARY: &str = "libmac_run_preload.so";

static KEPT: OnceLock<Kept> = OnceLock::new();

/// What every program that is started from here gets.
#[derive(Debug)]
struct Kept {
    settings: Vec<CString>,
    /// This program's file, and the library's where it was built.
    own: PathBuf,
    library: Option<PathBuf>,
}

/// A variable of ours, which is gone for the program.
pub fn take(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: no other thread runs yet.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Remembers what every program started by this process gets; `own` is the file of `mac-run`. Touches no file: the
/// library calls it while a function that takes a path is under way.
pub fn keep(settings: &[(&str, Option<OsString>)], own: PathBuf, library: Option<PathBuf>) {
    let given = settings.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let settings = given.filter_map(|(name, value)| variable(name, value)).collect();
    let _ = KEPT.set(Kept { settings, own, library });
}

fn variable(name: &str, value: &OsStr) -> Option<CString> {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
}

/// This program's file.
pub fn own_path() -> PathBuf {
    std::fs::read_link("/proc/self/exe").unwrap_or_default()
}

/// The library beside this program, where it was built.
pub fn library() -> Option<PathBuf> {
    Some(own_path().with_file_name(LIBRARY)).filter(|library| library.is_file())
}

/// A program that is to be started: its file on this machine, and its environment.
pub struct Program {
    pub file: CString,
    pub environment: Vec<CString>,
}

impl Program {
    /// `program` is its path as the caller knows it, `environment` what the caller gives it. What this machine needs to
    /// know comes last.
    pub fn of(program: &CStr, environment: Vec<CString>) -> Self {
        let file = root::place(program);
        let Some(kept) = KEPT.get() else { return Program { file, environment } };
        let is_macho = is_macho(Path::new(OsStr::from_bytes(file.to_bytes())));
        // A user that the caller names, as a program does that becomes root, takes the place of its own.
        let named = |line: &&CString| line.to_bytes().starts_with(b"MAC_USER=");
        let user = environment.iter().find(named).cloned();
        let mut all: Vec<CString> = environment.into_iter().filter(|line| !is_ours(line)).collect();
        all.extend(kept.settings.iter().filter(|line| user.is_none() || !named(line)).cloned());
        all.extend(user);
        all.extend(trace::test().and_then(|test| variable(TEST, &test)));
        if is_macho {
            all.extend(variable(PROGRAM, OsStr::from_bytes(file.to_bytes())));
            let own = CString::new(kept.own.as_os_str().as_bytes()).unwrap_or_default();
            return Program { file: own, environment: all };
        }
        if let Some(library) = &kept.library {
            all.extend(variable(PRELOAD, library.as_os_str()));
            all.extend(variable(OWN, kept.own.as_os_str()));
        }
        Program { file, environment: all }
    }
}

/// Whether a variable is set anew for every program.
fn is_ours(line: &CStr) -> bool {
    let name = line.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
    [PROGRAM, ROOT, USER, TRACE, FAULT, TEST, OWN, PRELOAD].iter().any(|ours| ours.as_bytes() == name)
}

fn is_macho(path: &Path) -> bool {
    let mut first = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && macho::is_macho(&first)
}

/// A program by its name alone is looked for along `PATH`, as the caller has it; gives its path as the caller knows it.
pub fn search(file: &CStr) -> Option<CString> {
    if file.to_bytes().contains(&b'/') {
        return Some(file.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let candidates =
        std::env::split_paths(&path).map(|folder| folder.join(OsStr::from_bytes(file.to_bytes())));
    let found = candidates.into_iter().find(|candidate| is_executable(&root::place_path(candidate)))?;
    CString::new(found.as_os_str().as_bytes()).ok()
}

fn is_executable(path: &Path) -> bool {
    let Ok(text) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: a C string.
    path.is_file() && unsafe { libc::access(text.as_ptr(), libc::X_OK) } == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_no_part_of_a_programs_environment() {
        assert!(is_ours(c"MAC_ROOT=/tmp/x") && is_ours(c"LD_PRELOAD=x") && is_ours(c"MAC_USER"));
        assert!(!is_ours(c"MAC_ROOTS=1") && !is_ours(c"PATH=/usr/bin"));
    }

    #[test]
    fn programs_are_found_along_the_path() {
        assert_eq!(search(c"/no/such/program").as_deref(), Some(c"/no/such/program"));
        assert!(search(c"sh").unwrap().to_bytes().ends_with(b"/sh"));
        assert_eq!(search(c"no-such-program-anywhere"), None);
    }
}
