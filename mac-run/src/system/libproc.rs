//! libproc(3): what the kernel tells of processes and of the files that they hold.

use std::ffi::{c_int, c_void};

use super::{fail, loader, shims, unknown};
use crate::abi::tables::{self, FileInfo, InternetInfo, ProcessInfo, SocketInfo, TCP_STATES, TcpInfo};
use crate::host::processes::{self, Process};
use crate::host::sockets::{self, TcpSocket};
use crate::{abi, identity, root};

shims! {
    "proc_listpids" => list_pids,
    "proc_listallpids" => list_all_pids,
    "proc_pidinfo" => pid_info,
    "proc_pidfdinfo" => file_info,
    "proc_pidpath" => pid_path,
    "proc_name" => name,
}

/// Copies as many whole values as fit; gives the number of bytes, or that of all where there is no buffer.
///
/// # Safety
/// `buffer` is null or has room for `size` bytes.
unsafe fn give<T: Copy>(values: &[T], buffer: *mut c_void, size: c_int) -> c_int {
    let whole = size_of_val(values);
    if buffer.is_null() {
        return whole as c_int;
    }
    let count = values.len().min(usize::try_from(size).unwrap_or(0) / size_of::<T>());
    // SAFETY: `count` values fit; the buffer may be of any alignment.
    unsafe {
        std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), buffer.cast(), count * size_of::<T>())
    };
    (count * size_of::<T>()) as c_int
}

unsafe extern "C" fn list_pids(kind: u32, _of: u32, buffer: *mut c_void, size: c_int) -> c_int {
    const ALL: u32 = 1;
    if kind != ALL {
        unknown(format_args!("proc_listpids: kind {kind}"));
    }
    // The kernel lists itself as process 0.
    let pids = [&[0], &processes::pids()[..]].concat();
    // SAFETY: a program gives a buffer of `size` bytes, or null.
    unsafe { give(&pids, buffer, size) }
}

unsafe extern "C" fn list_all_pids(buffer: *mut c_void, size: c_int) -> c_int {
    // SAFETY: as above.
    unsafe { list_pids(1, 0, buffer, size) / 4 }
}

/// A process that this user may look into; else 0, with the error that XNU gives.
fn own(pid: c_int) -> Result<Process, c_int> {
    let process = u32::try_from(pid).ok().and_then(processes::process).ok_or(libc::ESRCH)?;
    let user = identity::user();
    if user == 0 || user == identity::user_of(process.pid, process.uid[0]) {
        Ok(process)
    } else {
        Err(libc::EPERM)
    }
}

fn refuse(error: c_int) -> c_int {
    fail(error);
    0
}

unsafe extern "C" fn pid_info(
    pid: c_int,
    kind: c_int,
    argument: u64,
    buffer: *mut c_void,
    size: c_int,
) -> c_int {
    const FILES: c_int = 1;
    const PROCESS: c_int = 3;
    /// The argument by which one is told that has ended and was not waited for; without it there is none.
    const ENDED_TOO: u64 = 1;
    let process = match own(pid) {
        Ok(process) if process.has_ended && (kind, argument) != (PROCESS, ENDED_TOO) => {
            return refuse(libc::ESRCH);
        }
        Ok(process) => process,
        Err(error) => return refuse(error),
    };
    let files = || processes::files(process.pid).unwrap_or_default();
    match kind {
        // SAFETY: a program gives a buffer of `size` bytes.
        FILES => unsafe { give(&files().iter().map(file_of).collect::<Vec<_>>(), buffer, size) },
        PROCESS if (size as usize) < size_of::<ProcessInfo>() => refuse(libc::ENOMEM),
        // SAFETY: as above.
        PROCESS => unsafe { give(&[process_info(&process, files().len())], buffer, size) },
        other => unknown(format_args!("proc_pidinfo: kind {other}")),
    }
}

fn file_of((number, target): &(u32, String)) -> FileInfo {
    let kind = if target.starts_with("socket:") {
        tables::FILE_SOCKET
    } else if target.starts_with("pipe:") {
        tables::FILE_PIPE
    } else {
        tables::FILE_VNODE
    };
    FileInfo { number: *number as i32, kind }
}

fn process_info(process: &Process, files: usize) -> ProcessInfo {
    let name = name_of(process);
    let mut info = ProcessInfo {
        // SZOMB, SRUN.
        status: if process.has_ended { 5 } else { 2 },
        pid: process.pid,
        parent: process.parent,
        uid: identity::user_of(process.pid, process.uid[1]),
        gid: process.gid[1],
        real_uid: identity::user_of(process.pid, process.uid[0]),
        real_gid: process.gid[0],
        saved_uid: identity::user_of(process.pid, process.uid[2]),
        saved_gid: process.gid[2],
        files: files as u32,
        group: process.group,
        start_seconds: process.started / 1_000_000,
        start_microseconds: process.started % 1_000_000,
        ..ProcessInfo::default()
    };
    for field in [&mut info.command[..15], &mut info.name[..31]] {
        let kept = name.len().min(field.len());
        field[..kept].copy_from_slice(&name[..kept]);
    }
    info
}

/// The file's name of the program that it runs.
fn name_of(process: &Process) -> Vec<u8> {
    match processes::path(process.pid) {
        Some(path) => path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec(),
        None => process.name.clone().into_bytes(),
    }
}

unsafe extern "C" fn file_info(
    pid: c_int,
    file: c_int,
    kind: c_int,
    buffer: *mut c_void,
    size: c_int,
) -> c_int {
    const SOCKET: c_int = 3;
    if kind != SOCKET {
        unknown(format_args!("proc_pidfdinfo: kind {kind}"));
    }
    let process = match own(pid) {
        Ok(process) => process,
        Err(error) => return refuse(error),
    };
    let Ok(target) = std::fs::read_link(format!("/proc/{}/fd/{file}", process.pid)) else {
        return refuse(libc::EBADF);
    };
    let Some(inode) = target.to_str().and_then(processes::socket_inode) else { return refuse(libc::ENOTSUP) };
    if (size as usize) < size_of::<SocketInfo>() {
        return refuse(libc::ENOMEM);
    }
    let found = sockets::tcp().unwrap_or_default().into_iter().find(|socket| socket.inode == inode);
    // SAFETY: a program gives a buffer of `size` bytes.
    unsafe { give(&[socket_info(found.as_ref())], buffer, size) }
}

/// `None`: a socket of another kind.
fn socket_info(tcp: Option<&TcpSocket>) -> SocketInfo {
    // SAFETY: numbers alone, of which zero is one.
    let mut info: SocketInfo = unsafe { std::mem::zeroed() };
    info.which = tables::SOCKET_GENERIC;
    if let Some(tcp) = tcp {
        info.which = tables::SOCKET_TCP;
        info.protocol = libc::IPPROTO_TCP;
        info.kind = libc::SOCK_STREAM;
        info.family = if tcp.v6_only.is_none() { 2 } else { 30 };
        if tcp.state == sockets::LISTEN {
            info.queue = tcp.waiting as i16;
            info.queue_limit = tcp.room as i16;
        }
        info.tcp = TcpInfo {
            internet: internet_info(tcp),
            state: abi::to_mac(TCP_STATES, tcp.state).unwrap_or_default().into(),
            ..TcpInfo::default()
        };
    }
    info
}

fn internet_info(tcp: &TcpSocket) -> InternetInfo {
    let port = |port: u16| i32::from(port.to_be());
    InternetInfo {
        remote_port: port(tcp.remote.1),
        local_port: port(tcp.local.1),
        families: super::sysctl::families(tcp),
        remote: super::sysctl::address(tcp.remote.0, tcp),
        local: super::sysctl::address(tcp.local.0, tcp),
        ..InternetInfo::default()
    }
}

/// The path can be had of every process.
unsafe extern "C" fn pid_path(pid: c_int, buffer: *mut c_void, size: u32) -> c_int {
    let path = match u32::try_from(pid) {
        Ok(own) if own == std::process::id() => Some(loader::program().to_bytes().to_vec()),
        Ok(other) => processes::path(other).map(|path| root::name(&path)),
        Err(_) => None,
    };
    match path {
        // SAFETY: a program gives a buffer of `size` bytes.
        Some(path) => unsafe { text(&path, buffer, size) },
        None => refuse(libc::ESRCH),
    }
}

unsafe extern "C" fn name(pid: c_int, buffer: *mut c_void, size: u32) -> c_int {
    match u32::try_from(pid).ok().and_then(processes::process) {
        // SAFETY: a program gives a buffer of `size` bytes.
        Some(process) => unsafe { text(&name_of(&process), buffer, size) },
        None => refuse(libc::ESRCH),
    }
}

/// Copies a text and its NUL; gives its length.
///
/// # Safety
/// `buffer` has room for `size` bytes.
unsafe fn text(text: &[u8], buffer: *mut c_void, size: u32) -> c_int {
    let kept = text.len().min((size as usize).saturating_sub(1));
    let closed = [&text[..kept], &[0]].concat();
    // SAFETY: as the caller says; no less than one byte.
    unsafe { give(&closed, buffer, size as c_int) };
    kept as c_int
}
