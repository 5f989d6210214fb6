//! Runs x86_64 programs of macOS on Linux: `mac-run PROGRAM ARGUMENTS…`.
//!
//! Code for x86_64 is the same on both, functions are called alike (System V ABI): what differs is the file's form and the
//! system behind it. In reading order:
//!
//! | module | what |
//! |---|---|
//! | [`macho`] | the program's file |
//! | [`fixups`] | the places in it that depend on where it lies and what the system has |
//! | [`image`] | the program in memory |
//! | [`thread_locals`], [`initialisers`], [`unwind`] | what must be ready before `main`, and for panics |
//! | [`symbols`] | where each imported function is |
//! | [`system`] | libSystem, one file for each area |
//! | [`abi`] | numbers and layouts of both systems |
//! | [`root`], [`identity`], [`start`] | the directory that plays `/`, the user; programs that start programs |
//! | [`host`] | what this machine says of its processes and sockets |
//! | [`trace`] | which functions were called by whom |

mod abi;
mod fixups;
mod host;
mod identity;
mod image;
mod initialisers;
mod macho;
pub mod root;
pub mod start;
mod symbols;
mod system;
mod thread_locals;
mod trace;
mod unwind;

use std::ffi::{CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use image::{Image, Source};
use initialisers::Start;

/// The exit status where a program asks for something that is not known here.
const EXIT_UNKNOWN: c_int = 99;
/// The exit status where the program cannot be run at all, as a shell has it.
const EXIT_UNRUNNABLE: c_int = 126;

const USAGE: &str = "usage: mac-run PROGRAM [ARGUMENT]...
Runs an x86_64 program of macOS. MAC_ROOT=DIR plays / for it.";

/// Runs what the arguments and the environment say. Gives the exit status where nothing could be run.
///
/// # Safety
/// No other thread runs yet; the arguments live as long as the process.
pub unsafe fn main(arguments: &'static [*const c_char]) -> c_int {
    let result = match start::take(start::PROGRAM) {
        Some(program) => run(Path::new(&program), arguments),
        None => hand_over(arguments.len()),
    };
    let Err(message) = result;
    eprintln!("mac-run: {message}");
    EXIT_UNRUNNABLE
}

/// `!` that is not yet a type of stable Rust.
enum Never {}

/// Starts this program again, with the Mac program's arguments as its own.
fn hand_over(count: usize) -> Result<Never, String> {
    use std::os::unix::process::CommandExt as _;
    let texts: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    let (Some(program), true) = (texts.first(), count > 1) else { return Err(USAGE.into()) };
    let path = std::path::absolute(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let own = start::own_path();
    let mut command = std::process::Command::new(own);
    command.arg0(program).args(&texts[1..]).env(start::PROGRAM, path);
    Err(format!("cannot start itself again: {}", command.exec()))
}

/// Whether Gatekeeper would kill it: a quarantined program of nobody's, outside of an app that was let through. The
/// attribute has its name of this machine.
fn is_stopped(path: &Path) -> bool {
    let name = root::name(path.as_os_str().as_bytes());
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: C strings; nothing is written.
    let found = unsafe {
        libc::getxattr(path.as_ptr(), c"user.com.apple.quarantine".as_ptr(), std::ptr::null_mut(), 0)
    };
    root::get().is_some() && found >= 0 && !name.starts_with(b"/Applications/")
}

/// Loads the program and runs it to its end.
fn run(path: &Path, arguments: &'static [*const c_char]) -> Result<Never, String> {
    let fail = |problem: String| format!("{}: {problem}", path.display());
    let [root, user, trace, fault, test] = start::SETTINGS.map(start::take);
    start::take(start::PRELOAD);
    let settings =
        [(start::ROOT, &root), (start::USER, &user), (start::TRACE, &trace), (start::FAULT, &fault)];
    start::keep(&settings.map(|(name, value)| (name, value.clone())), start::own_path(), start::library());
    if let Some(directory) = trace {
        trace::begin(&directory, test, path);
    }
    if let Some(fault) = fault {
        trace::arm(&fault, path)?;
    }
    identity::set(user.as_deref());
    // Without links on the way, so that what the kernel calls a file can be told to lie below it.
    root::set(root.map(|root| std::fs::canonicalize(&root).unwrap_or(PathBuf::from(root))));

    if is_stopped(path) {
        // SAFETY: ends this process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    let source = Source::open(path).map_err(|error| fail(error.to_string()))?;
    let program = macho::parse(source.part).map_err(|error| fail(error.to_string()))?;
    let entry = program.entry.ok_or_else(|| fail("it has no entry point".into()))?;
    let image = Image::map(&source, &program, &symbols::place).map_err(|error| fail(error.to_string()))?;
    thread_locals::prepare(&image, &program);
    unwind::register(&image, &program);

    let name =
        CString::new(root::name(path.as_os_str().as_bytes())).map_err(|error| fail(error.to_string()))?;
    let arguments = [arguments, &[std::ptr::null()]].concat().leak();
    let count = arguments.len() as c_int - 1;
    system::loader::prepare(image, name.clone(), arguments, count);
    let executable = CString::new([b"executable_path=", name.as_bytes()].concat()).unwrap_or_default();
    let apple: &[*const c_char] = vec![executable.into_raw().cast_const(), std::ptr::null()].leak();
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the image is complete; `main` has this form, and what it is given lives as long as the process.
    unsafe {
        let start =
            Start { count, arguments: arguments.as_ptr(), environment: environ, apple: apple.as_ptr() };
        initialisers::run(&image, &program, start);
        type Main = unsafe extern "C" fn(
            c_int,
            *const *const c_char,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        let main: Main = std::mem::transmute(image.base + entry as usize);
        libc::exit(main(start.count, start.arguments, start.environment, start.apple))
    }
}
