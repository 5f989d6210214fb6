//! Files: opened, looked at, locked, renamed, removed.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::mem::MaybeUninit;

use super::{directory, fail, last_error, place, shims, unknown};
use crate::abi::fcntl::{self as numbers, Flock};
use crate::abi::files::{Stat, Time};
use crate::abi::{flags_to_linux, flags_to_mac, to_linux, to_mac};
use crate::identity::host_owner;
use crate::root;
use crate::system::pf;

shims! {
    "open" => open,
    "open$NOCANCEL" => open,
    "openat" => openat,
    "openat$NOCANCEL" => openat,
    "stat$INODE64" => stat,
    "lstat$INODE64" => lstat,
    "fstat$INODE64" => fstat,
    "fstatat$INODE64" => fstatat,
    "access" => access,
    "faccessat" => faccessat,
    "chmod" => chmod,
    "fchmod" => fchmod,
    "fchmodat" => fchmodat,
    "chown" => chown,
    "lchown" => lchown,
    "fchown" => fchown,
    "umask" => umask,
    "link" => link,
    "linkat" => linkat,
    "symlink" => symlink,
    "readlink" => readlink,
    "rename" => rename,
    "renameat" => renameat,
    "unlink" => unlink,
    "unlinkat" => unlinkat,
    "truncate" => truncate,
    "realpath" => realpath,
    "realpath$DARWIN_EXTSN" => realpath,
    "futimens" => futimens,
    "utimensat" => utimensat,
    "fcntl" => fcntl,
    "fcntl$NOCANCEL" => fcntl,
    "ioctl" => ioctl,
}

unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: the caller's, by the same contract.
    unsafe { openat(numbers::AT_FDCWD, path, flags, mode) }
}

unsafe extern "C" fn openat(at: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: a program gives a C string.
    let name = unsafe { CStr::from_ptr(path) };
    if pf::is_device(name) {
        return pf::open(flags);
    }
    let linux = match flags_to_linux(numbers::OPEN_FLAGS, flags & !numbers::ACCESS) {
        Ok(linux) => linux | flags & numbers::ACCESS,
        Err(left) => unknown(format_args!("open: flag {left:#x}")),
    };
    // SAFETY: the path is a C string.
    let file = unsafe { libc::openat(directory(at), root::place(name).as_ptr(), linux, mode) };
    // A link in the place of a directory: Linux says that it is none, macOS that it is a link.
    let both = numbers::O_NOFOLLOW | numbers::O_DIRECTORY;
    if file < 0 && last_error() == libc::ENOTDIR && flags & both == both && is_link(at, path) {
        return fail(libc::ELOOP);
    }
    file
}

fn is_link(at: c_int, path: *const c_char) -> bool {
    // SAFETY: the path is the caller's C string.
    let found = unsafe { linux_stat(at, path, libc::AT_SYMLINK_NOFOLLOW) };
    found.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFLNK)
}

/// `None`: it failed, and `errno` says why.
///
/// # Safety
/// `path` is a C string.
unsafe fn linux_stat(at: c_int, path: *const c_char, flags: c_int) -> Option<libc::stat> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the path is a C string; there is room for the result, which is whole where the call succeeds.
    unsafe {
        let result = libc::fstatat(directory(at), place(path).as_ptr(), stat.as_mut_ptr(), flags);
        (result == 0).then(|| stat.assume_init())
    }
}

/// When the file was made, where the file system knows.
fn born(at: c_int, path: &CStr, flags: c_int) -> Option<Time> {
    // SAFETY: the path is a C string and there is room for the result, which zeroes are a value of.
    let found = unsafe {
        let mut found: libc::statx = std::mem::zeroed();
        let result = libc::statx(at, path.as_ptr(), flags, libc::STATX_BTIME, &raw mut found);
        (result == 0).then_some(found)
    };
    let found = found.filter(|found| found.stx_mask & libc::STATX_BTIME != 0)?;
    Some(Time { seconds: found.stx_btime.tv_sec, nanoseconds: found.stx_btime.tv_nsec.into() })
}

unsafe extern "C" fn stat(path: *const c_char, out: *mut Stat) -> c_int {
    // SAFETY: the caller's, by the same contract.
    unsafe { fstatat(numbers::AT_FDCWD, path, out, 0) }
}

unsafe extern "C" fn lstat(path: *const c_char, out: *mut Stat) -> c_int {
    // SAFETY: the caller's, by the same contract.
    unsafe { fstatat(numbers::AT_FDCWD, path, out, 0x20) }
}

unsafe extern "C" fn fstatat(at: c_int, path: *const c_char, out: *mut Stat, flags: c_int) -> c_int {
    let flags = at_flags(flags);
    // SAFETY: a program gives a C string and room for the result.
    unsafe {
        let Some(found) = linux_stat(at, path, flags) else { return -1 };
        out.write(Stat::of(&found, born(directory(at), &place(path), flags)));
    }
    0
}

unsafe extern "C" fn fstat(file: c_int, out: *mut Stat) -> c_int {
    let mut found = MaybeUninit::uninit();
    // SAFETY: there is room for both results; the first is whole where the call succeeds.
    unsafe {
        if libc::fstat(file, found.as_mut_ptr()) != 0 {
            return -1;
        }
        out.write(Stat::of(&found.assume_init(), born(file, c"", libc::AT_EMPTY_PATH)));
    }
    0
}

fn at_flags(mac: c_int) -> c_int {
    flags_to_linux(numbers::AT_FLAGS, mac)
        .unwrap_or_else(|left| unknown(format_args!("flag {left:#x} of a call at a directory")))
}

unsafe extern "C" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::access(place(path).as_ptr(), mode) }
}

unsafe extern "C" fn faccessat(at: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::faccessat(directory(at), place(path).as_ptr(), mode, at_flags(flags)) }
}

// `mode_t` has 16 bits on macOS; what stands above them in the register is no part of it.

unsafe extern "C" fn chmod(path: *const c_char, mode: u16) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::chmod(place(path).as_ptr(), mode.into()) }
}

extern "C" fn fchmod(file: c_int, mode: u16) -> c_int {
    // SAFETY: takes numbers alone.
    unsafe { libc::fchmod(file, mode.into()) }
}

unsafe extern "C" fn fchmodat(at: c_int, path: *const c_char, mode: u16, flags: c_int) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::fchmodat(directory(at), place(path).as_ptr(), mode.into(), at_flags(flags)) }
}

unsafe extern "C" fn chown(path: *const c_char, user: u32, group: u32) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::chown(place(path).as_ptr(), host_owner(user), group) }
}

unsafe extern "C" fn lchown(path: *const c_char, user: u32, group: u32) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::lchown(place(path).as_ptr(), host_owner(user), group) }
}

extern "C" fn fchown(file: c_int, user: u32, group: u32) -> c_int {
    // SAFETY: takes numbers alone.
    unsafe { libc::fchown(file, host_owner(user), group) }
}

extern "C" fn umask(mode: u16) -> u16 {
    // SAFETY: takes numbers alone.
    unsafe { libc::umask(mode.into()) as u16 }
}

unsafe extern "C" fn link(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: a program gives C strings.
    unsafe { libc::link(place(old).as_ptr(), place(new).as_ptr()) }
}

unsafe extern "C" fn linkat(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: c_int,
) -> c_int {
    let flags = at_flags(flags);
    // SAFETY: a program gives C strings.
    unsafe { libc::linkat(directory(from), place(old).as_ptr(), directory(to), place(new).as_ptr(), flags) }
}

/// An absolute target is kept as this machine's path: the kernel follows it.
unsafe extern "C" fn symlink(target: *const c_char, path: *const c_char) -> c_int {
    // SAFETY: a program gives C strings.
    unsafe { libc::symlink(place(target).as_ptr(), place(path).as_ptr()) }
}

unsafe extern "C" fn readlink(path: *const c_char, buffer: *mut c_char, length: usize) -> isize {
    let mut found = [0u8; libc::PATH_MAX as usize];
    // SAFETY: a program gives a C string; `found` is as long as said.
    let size = unsafe { libc::readlink(place(path).as_ptr(), found.as_mut_ptr().cast(), found.len()) };
    let Ok(size) = usize::try_from(size) else { return -1 };
    let name = root::name(&found[..size]);
    let kept = name.len().min(length);
    // SAFETY: a program gives room for `length` bytes.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr().cast(), buffer, kept) };
    kept as isize
}

unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: a program gives C strings.
    unsafe { libc::rename(place(old).as_ptr(), place(new).as_ptr()) }
}

unsafe extern "C" fn renameat(from: c_int, old: *const c_char, to: c_int, new: *const c_char) -> c_int {
    // SAFETY: a program gives C strings.
    unsafe { libc::renameat(directory(from), place(old).as_ptr(), directory(to), place(new).as_ptr()) }
}

unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { unlinked(libc::unlink(place(path).as_ptr())) }
}

unsafe extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    let linux = match flags {
        0 => 0,
        numbers::AT_REMOVEDIR => libc::AT_REMOVEDIR,
        other => unknown(format_args!("unlinkat: flags {other:#x}")),
    };
    // SAFETY: a program gives a C string.
    unsafe { unlinked(libc::unlinkat(directory(at), place(path).as_ptr(), linux)) }
}

/// A directory cannot be unlinked: POSIX wants EPERM, which macOS gives; Linux says EISDIR.
fn unlinked(result: c_int) -> c_int {
    if result != 0 && last_error() == libc::EISDIR { fail(libc::EPERM) } else { result }
}

unsafe extern "C" fn truncate(path: *const c_char, length: i64) -> c_int {
    // SAFETY: a program gives a C string.
    unsafe { libc::truncate(place(path).as_ptr(), length) }
}

/// The result is allocated where `buffer` is null.
unsafe extern "C" fn realpath(path: *const c_char, buffer: *mut c_char) -> *mut c_char {
    // SAFETY: a program gives a C string; the C library allocates the result, which is copied and freed.
    let name = unsafe {
        let found = libc::realpath(place(path).as_ptr(), std::ptr::null_mut());
        if found.is_null() {
            return found;
        }
        let name = root::name(CStr::from_ptr(found).to_bytes());
        libc::free(found.cast());
        name
    };
    let text = [&name[..], &[0]].concat();
    // SAFETY: a buffer of the program's has PATH_MAX bytes; else as many as are needed are allocated.
    unsafe {
        let out = if buffer.is_null() { libc::malloc(text.len()).cast() } else { buffer };
        if !out.is_null() {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        }
        out
    }
}

/// Times that are "now" or "as they are" have other numbers.
fn times(mac: *const Time) -> Option<[libc::timespec; 2]> {
    const NOW: i64 = -1;
    const OMIT: i64 = -2;
    if mac.is_null() {
        return None;
    }
    // SAFETY: a program gives two times.
    let both = unsafe { [mac.read(), mac.add(1).read()] };
    Some(both.map(|time| libc::timespec {
        tv_sec: time.seconds,
        tv_nsec: match time.nanoseconds {
            NOW => libc::UTIME_NOW,
            OMIT => libc::UTIME_OMIT,
            other => other,
        },
    }))
}

unsafe extern "C" fn futimens(file: c_int, mac: *const Time) -> c_int {
    let times = times(mac);
    let times = times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: two times or null.
    unsafe { libc::futimens(file, times) }
}

unsafe extern "C" fn utimensat(at: c_int, path: *const c_char, mac: *const Time, flags: c_int) -> c_int {
    let times = times(mac);
    let times = times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: a program gives a C string; two times or null.
    unsafe { libc::utimensat(directory(at), place(path).as_ptr(), times, at_flags(flags)) }
}

unsafe extern "C" fn fcntl(file: c_int, command: c_int, argument: c_long) -> c_int {
    if let Some(linux) = to_linux(numbers::COMMANDS, command) {
        // SAFETY: these commands take a number or nothing.
        return unsafe { libc::fcntl(file, linux, argument) };
    }
    if let Some(linux) = to_linux(numbers::LOCKS, command) {
        // SAFETY: with these commands a program gives a lock.
        return unsafe { lock(file, linux, &mut *(argument as *mut Flock)) };
    }
    match command {
        numbers::F_GETFL => {
            // SAFETY: takes nothing more.
            let flags = unsafe { libc::fcntl(file, libc::F_GETFL) };
            if flags < 0 { flags } else { flags & numbers::ACCESS | flags_to_mac(numbers::OPEN_FLAGS, flags) }
        }
        numbers::F_SETFL => match flags_to_linux(numbers::OPEN_FLAGS, argument as c_int & !numbers::ACCESS) {
            // SAFETY: takes a number.
            Ok(flags) => unsafe { libc::fcntl(file, libc::F_SETFL, flags) },
            Err(left) => unknown(format_args!("fcntl(F_SETFL): flag {left:#x}")),
        },
        // SAFETY: takes a number.
        numbers::F_FULLFSYNC | numbers::F_BARRIERFSYNC => unsafe { libc::fsync(file) },
        // Hints that change nothing that a program could see; without SIGPIPE see `sockets`.
        numbers::F_NOCACHE | numbers::F_SETNOSIGPIPE => 0,
        // SAFETY: with this command a program gives room for PATH_MAX bytes.
        numbers::F_GETPATH => unsafe { path_of(file, argument as *mut c_char) },
        other => unknown(format_args!("fcntl: command {other}")),
    }
}

fn lock(file: c_int, command: c_int, mac: &mut Flock) -> c_int {
    let Some(kind) = to_linux(numbers::LOCK_KINDS, mac.kind) else { return fail(libc::EINVAL) };
    let mut linux =
        libc::flock { l_type: kind, l_whence: mac.whence, l_start: mac.start, l_len: mac.length, l_pid: 0 };
    // SAFETY: these commands take a lock.
    let result = unsafe { libc::fcntl(file, command, &raw mut linux) };
    mac.kind = to_mac(numbers::LOCK_KINDS, linux.l_type).unwrap_or(mac.kind);
    (mac.whence, mac.start, mac.length, mac.pid) = (linux.l_whence, linux.l_start, linux.l_len, linux.l_pid);
    result
}

/// # Safety
/// `buffer` has room for PATH_MAX bytes.
unsafe fn path_of(file: c_int, buffer: *mut c_char) -> c_int {
    let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{file}")) else { return fail(libc::EBADF) };
    let text = [root::name(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())), vec![0]].concat();
    // SAFETY: no path is longer than PATH_MAX, the NUL included.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, text.len()) };
    0
}

/// Requests have the size of their argument in them (xnu, `bsd/sys/ioccom.h`, `bsd/sys/filio.h`).
unsafe extern "C" fn ioctl(file: c_int, request: u64, argument: *mut c_void) -> c_int {
    const FIOCLEX: u64 = 0x2000_6601;
    const FIONCLEX: u64 = 0x2000_6602;
    const FIONREAD: u64 = 0x4004_667f;
    const FIONBIO: u64 = 0x8004_667e;
    const TIOCGWINSZ: u64 = 0x4008_7468;
    if let Some(mode) = pf::opened(file) {
        // SAFETY: a program gives what its request says.
        return unsafe { pf::ioctl(mode, request, argument.cast()) };
    }
    let linux = match request {
        FIOCLEX => libc::FIOCLEX,
        FIONCLEX => libc::FIONCLEX,
        FIONREAD => libc::FIONREAD,
        FIONBIO => libc::FIONBIO,
        TIOCGWINSZ => libc::TIOCGWINSZ,
        other => unknown(format_args!("ioctl {other:#x}")),
    };
    // SAFETY: the argument of each of these has the same form on both systems.
    unsafe { libc::ioctl(file, linux, argument) }
}
