//! What a process inherits from its caller and the kernel keeps across exec: put away before root acts on anything.
//!
//! A caller can start root's helper with signals ignored or blocked, with timers running, small limits, open files, and
//! an environment of its own, each of which would end or lead astray a change at a step of the caller's choice. The
//! streams 0 to 2 are open when `main` begins: Rust's runtime opens /dev/null for those that are not.

use std::os::fd::AsFd as _;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit};

/// The whole environment of root's helper and of every child: the system's own folders, and answers in English.
pub(super) const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"), ("LANG", "C")];
/// Above the number of every signal, real-time signals of Linux among them.
const SIGNALS: std::ffi::c_int = if cfg!(target_os = "linux") { 65 } else { 32 };
/// More files than a change opens. macOS refuses a number beyond OPEN_MAX (10240).
const OPEN_FILES: u64 = 4096;
/// What a file, a process or all processes of a user may take, that root needs without bound.
const RAISED: [Resource; 6] =
    [Resource::Fsize, Resource::Cpu, Resource::As, Resource::Data, Resource::Stack, Resource::Nproc];

/// Makes this process what it would be if launchd had started it: signals, timers, limits, open files, file mode mask,
/// environment and working directory. To be called first in `main`, while there is one thread.
pub fn put_away_inherited() {
    stop_timers();
    reset_signals();
    raise_limits();
    close_files();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    replace_environment();
    // Nothing is opened by a relative path. Where even this fails, the folder is only one that cannot be unmounted.
    let _ = rustix::process::chdir("/");
}

/// Has the kernel keep the end of a child until we ask for it: where the caller ignored SIGCHLD, it would forget it.
#[expect(unsafe_code, reason = "no crate we have reads or sets what a signal does")]
pub fn keep_ends_of_children() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| {
        // SAFETY: zeroes are a value of `sigaction`, which the kernel fills; the default action runs no code of ours.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let read = libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut action) == 0;
            if read && (action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0) {
                libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            }
        }
    });
}

/// Has signals by which a caller would end a change midway (HUP, INT, TERM) wait until this process has ended by itself.
/// Threads that are started from now on, and no children, do so too.
#[expect(unsafe_code, reason = "no crate we have blocks signals")]
pub fn hold_signals() {
    // SAFETY: zeroes are a value of `sigset_t`, which `sigemptyset` makes a valid one; every pointer is valid for its call.
    unsafe {
        let mut held: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut held);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            libc::sigaddset(&raw mut held, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const held, std::ptr::null_mut());
    }
}

/// The default of every signal but SIGPIPE, and none of them blocked. A pipe whose reader is gone is an error of a write,
/// as Rust's runtime has it.
#[expect(unsafe_code, reason = "no crate we have sets what a signal does")]
fn reset_signals() {
    // SAFETY: neither the default action nor ignoring runs code of ours; the kernel refuses numbers that are no signal.
    // `unblocked` is made valid by `sigemptyset`, and every pointer is valid for its call.
    unsafe {
        for signal in 1..SIGNALS {
            libc::signal(signal, if signal == libc::SIGPIPE { libc::SIG_IGN } else { libc::SIG_DFL });
        }
        let mut unblocked: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut unblocked);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const unblocked, std::ptr::null_mut());
    }
}

/// Timers that end the process by a signal, `alarm` among them, go on across exec.
#[expect(unsafe_code, reason = "no crate we have stops these timers")]
fn stop_timers() {
    /// `struct itimerval` of sys/time.h.
    #[repr(C)]
    struct TimerValue {
        interval: libc::timeval,
        left: libc::timeval,
    }
    // The crate libc has it for Linux alone; the numbers of the three timers (real, virtual, profiling) are the same.
    unsafe extern "C" {
        fn setitimer(timer: std::ffi::c_int, new: *const TimerValue, old: *mut TimerValue)
        -> std::ffi::c_int;
    }
    let none = || libc::timeval { tv_sec: 0, tv_usec: 0 };
    let off = TimerValue { interval: none(), left: none() };
    for timer in 0..3 {
        // SAFETY: `off` has the form that is asked for, and a null pointer asks for no old value.
        unsafe { setitimer(timer, &raw const off, std::ptr::null_mut()) };
    }
}

/// Root may raise what its caller lowered; another user as far as the caller left room.
fn raise_limits() {
    for resource in RAISED {
        raise(resource, None);
    }
    raise(Resource::Nofile, Some(OPEN_FILES));
    // What root has in memory is not to lie in a file.
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

fn raise(resource: Resource, wanted: Option<u64>) {
    let now = rustix::process::getrlimit(resource);
    // A hard limit beyond what is wanted stays.
    let maximum = match (now.maximum, wanted) {
        (Some(maximum), Some(wanted)) => Some(maximum.max(wanted)),
        _ => None,
    };
    if rustix::process::setrlimit(resource, Rlimit { current: wanted, maximum }).is_err() {
        let current = match (now.maximum, wanted) {
            (Some(maximum), Some(wanted)) => Some(maximum.min(wanted)),
            (maximum, wanted) => maximum.or(wanted),
        };
        let _ = rustix::process::setrlimit(resource, Rlimit { current, maximum: now.maximum });
    }
}

/// Closes every file but the three streams. /dev/fd lists them, on macOS too.
#[expect(unsafe_code, reason = "files that no value of ours owns are closed by number")]
fn close_files() {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open("/dev/fd", flags, Mode::empty()) else { return };
    let Ok(entries) = rustix::fs::Dir::read_from(folder.as_fd()) else { return };
    let number = |name: &std::ffi::CStr| name.to_str().ok()?.parse::<std::ffi::c_int>().ok();
    let open: Vec<_> = entries.flatten().filter_map(|entry| number(entry.file_name())).collect();
    drop(folder);
    for file in open.into_iter().filter(|file| *file > 2) {
        // SAFETY: at the start of `main` no value of ours owns a file; the folder that was listed is closed already, and a
        // number that is not open any more is an error without effect.
        unsafe { libc::close(file) };
    }
}

/// No variable of the caller's is left: neither a locale nor a time zone, a path or a switch of the dynamic linker.
#[expect(unsafe_code, reason = "the environment is one of the whole process")]
fn replace_environment() {
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    // SAFETY: at the start of `main` there is one thread.
    unsafe {
        names.iter().for_each(|name| std::env::remove_var(name));
        ENVIRONMENT.iter().for_each(|(name, value)| std::env::set_var(name, value));
    }
}
