//! Loaded into programs of Linux that stand in for macOS's (`/bin/sh`, `/bin/cp`, a test's own script): they see the same
//! `/` as the Mac programs beside them, and can start those.
//!
//! The C library's functions that take a path are put in front of: a path is placed below `MAC_ROOT`, then the C library
//! goes on. What the C library does within itself (its own files, the dynamic loader) is not touched, nor are `/proc` and
//! `/sys`, which are Linux's alone.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicPtr, Ordering};

use mac_run::{root, start};

/// The C library calls this before the program's own code.
#[used]
#[unsafe(link_section = ".init_array")]
static PREPARE: extern "C" fn() = prepare;

/// Takes what is ours away from the environment, so that the program sees its own; the root stays, for a stand-in that asks
/// where it plays. Nothing is placed before: there is no root yet.
extern "C" fn prepare() {
    let settings = start::SETTINGS.map(|name| match name {
        start::ROOT => (name, std::env::var_os(name)),
        _ => (name, start::take(name)),
    });
    let own = start::take(start::OWN).map(PathBuf::from).unwrap_or_default();
    let library = start::take(start::PRELOAD).map(PathBuf::from);
    root::set(settings[0].1.clone().map(PathBuf::from));
    start::keep(&settings, own, library);
}

/// Where a path lies; null stays null.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn place(path: *const c_char) -> Placed {
    if path.is_null() {
        return Placed::Same(path);
    }
    // SAFETY: as the caller says.
    let text = unsafe { CStr::from_ptr(path) };
    if [&b"/proc/"[..], b"/sys/"].iter().any(|own| text.to_bytes().starts_with(own)) {
        return Placed::Same(path);
    }
    Placed::Other(root::place(text))
}

enum Placed {
    Same(*const c_char),
    Other(CString),
}

impl Placed {
    fn as_ptr(&self) -> *const c_char {
        match self {
            Placed::Same(path) => *path,
            Placed::Other(path) => path.as_ptr(),
        }
    }
}

/// The C library's function of this name, looked up once.
fn next(cell: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = cell.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        std::process::abort();
    }
    cell.store(found, Ordering::Relaxed);
    found
}

/// Functions with one path or two: `path` marks them.
macro_rules! placed {
    ($($name:ident ( $($argument:ident : $kind:ty),* ; $($path:ident),+ ) -> $result:ty;)*) => {$(
        /// # Safety
        /// As for the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            static NEXT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name with a NUL"),
            };
            // SAFETY: the C library's function has this form; the caller gives what it wants.
            unsafe {
                // A name that is taken again does not end what it stood for: the path lives until the call is over.
                $(let $path = place($path);
                let $path = $path.as_ptr();)+
                let function: unsafe extern "C" fn($($kind),*) -> $result = std::mem::transmute(next(&NEXT, NAME));
                function($($argument),*)
            }
        }
    )*};
}

type Text = *const c_char;
type Out = *mut c_void;

placed! {
    open(path: Text, flags: c_int, mode: c_int; path) -> c_int;
    open64(path: Text, flags: c_int, mode: c_int; path) -> c_int;
    openat(at: c_int, path: Text, flags: c_int, mode: c_int; path) -> c_int;
    openat64(at: c_int, path: Text, flags: c_int, mode: c_int; path) -> c_int;
    creat(path: Text, mode: c_int; path) -> c_int;
    creat64(path: Text, mode: c_int; path) -> c_int;
    fopen(path: Text, mode: Text; path) -> Out;
    fopen64(path: Text, mode: Text; path) -> Out;
    freopen64(path: Text, mode: Text, stream: Out; path) -> Out;
    stat(path: Text, out: Out; path) -> c_int;
    stat64(path: Text, out: Out; path) -> c_int;
    lstat(path: Text, out: Out; path) -> c_int;
    lstat64(path: Text, out: Out; path) -> c_int;
    fstatat(at: c_int, path: Text, out: Out, flags: c_int; path) -> c_int;
    fstatat64(at: c_int, path: Text, out: Out, flags: c_int; path) -> c_int;
    statx(at: c_int, path: Text, flags: c_int, mask: c_int, out: Out; path) -> c_int;
    access(path: Text, mode: c_int; path) -> c_int;
    eaccess(path: Text, mode: c_int; path) -> c_int;
    euidaccess(path: Text, mode: c_int; path) -> c_int;
    faccessat(at: c_int, path: Text, mode: c_int, flags: c_int; path) -> c_int;
    readlink(path: Text, out: Out, length: usize; path) -> isize;
    readlinkat(at: c_int, path: Text, out: Out, length: usize; path) -> isize;
    realpath(path: Text, out: Out; path) -> Out;
    canonicalize_file_name(path: Text; path) -> Out;
    mkdir(path: Text, mode: c_int; path) -> c_int;
    mkdirat(at: c_int, path: Text, mode: c_int; path) -> c_int;
    rmdir(path: Text; path) -> c_int;
    unlink(path: Text; path) -> c_int;
    unlinkat(at: c_int, path: Text, flags: c_int; path) -> c_int;
    rename(old: Text, new: Text; old, new) -> c_int;
    renameat(from: c_int, old: Text, to: c_int, new: Text; old, new) -> c_int;
    renameat2(from: c_int, old: Text, to: c_int, new: Text, flags: c_int; old, new) -> c_int;
    link(old: Text, new: Text; old, new) -> c_int;
    linkat(from: c_int, old: Text, to: c_int, new: Text, flags: c_int; old, new) -> c_int;
    symlink(target: Text, path: Text; target, path) -> c_int;
    symlinkat(target: Text, at: c_int, path: Text; target, path) -> c_int;
    chmod(path: Text, mode: c_int; path) -> c_int;
    fchmodat(at: c_int, path: Text, mode: c_int, flags: c_int; path) -> c_int;
    chown(path: Text, user: c_int, group: c_int; path) -> c_int;
    lchown(path: Text, user: c_int, group: c_int; path) -> c_int;
    fchownat(at: c_int, path: Text, user: c_int, group: c_int, flags: c_int; path) -> c_int;
    utimensat(at: c_int, path: Text, times: Out, flags: c_int; path) -> c_int;
    truncate(path: Text, length: c_long; path) -> c_int;
    opendir(path: Text; path) -> Out;
    chdir(path: Text; path) -> c_int;
    getxattr(path: Text, name: Text, out: Out, size: usize; path) -> isize;
    setxattr(path: Text, name: Text, value: Out, size: usize, flags: c_int; path) -> c_int;
    listxattr(path: Text, out: Out, size: usize; path) -> isize;
    lgetxattr(path: Text, name: Text, out: Out, size: usize; path) -> isize;
    llistxattr(path: Text, out: Out, size: usize; path) -> isize;
}

/// Texts of an array that ends in null.
///
/// # Safety
/// `list` is such an array, or null.
unsafe fn texts(list: *const Text) -> Vec<CString> {
    let mut texts = Vec::new();
    // SAFETY: as the caller says.
    unsafe {
        let mut place = list;
        while !place.is_null() && !(*place).is_null() {
            texts.push(CStr::from_ptr(*place).to_owned());
            place = place.add(1);
        }
    }
    texts
}

fn pointers(texts: &[CString]) -> Vec<Text> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execve(path: Text, arguments: *const Text, environment: *const Text) -> c_int {
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    type Function = unsafe extern "C" fn(Text, *const Text, *const Text) -> c_int;
    // SAFETY: the C library's function has this form; the arrays live until it returns.
    unsafe {
        let program = start::Program::of(CStr::from_ptr(path), texts(environment));
        let function: Function = std::mem::transmute(next(&NEXT, c"execve"));
        function(program.file.as_ptr(), arguments, pointers(&program.environment).as_ptr())
    }
}

unsafe extern "C" {
    static environ: *const Text;
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execv(path: Text, arguments: *const Text) -> c_int {
    // SAFETY: as for the caller; the environment is this process's.
    unsafe { execve(path, arguments, environ) }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execvpe(file: Text, arguments: *const Text, environment: *const Text) -> c_int {
    // SAFETY: as for the caller.
    unsafe {
        match start::search(CStr::from_ptr(file)) {
            Some(path) => execve(path.as_ptr(), arguments, environment),
            None => {
                *libc::__errno_location() = libc::ENOENT;
                -1
            }
        }
    }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn execvp(file: Text, arguments: *const Text) -> c_int {
    // SAFETY: as for the caller; the environment is this process's.
    unsafe { execvpe(file, arguments, environ) }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawn(
    pid: *mut c_int,
    path: Text,
    actions: Out,
    attributes: Out,
    arguments: *const Text,
    environment: *const Text,
) -> c_int {
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    type Function = unsafe extern "C" fn(*mut c_int, Text, Out, Out, *const Text, *const Text) -> c_int;
    // SAFETY: the C library's function has this form; the arrays live until it returns.
    unsafe {
        let program = start::Program::of(CStr::from_ptr(path), texts(environment));
        let function: Function = std::mem::transmute(next(&NEXT, c"posix_spawn"));
        let environment = pointers(&program.environment);
        function(pid, program.file.as_ptr(), actions, attributes, arguments, environment.as_ptr())
    }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut c_int,
    file: Text,
    actions: Out,
    attributes: Out,
    arguments: *const Text,
    environment: *const Text,
) -> c_int {
    // SAFETY: as for the caller.
    unsafe {
        match start::search(CStr::from_ptr(file)) {
            Some(path) => posix_spawn(pid, path.as_ptr(), actions, attributes, arguments, environment),
            None => libc::ENOENT,
        }
    }
}
