//! The socket table of Linux: netlink `sock_diag` for the sockets, `/proc` for their owners.
//!
//! A socket's owner is the process one of whose `/proc/PID/fd` entries reads `socket:[INODE]`. Entries of other
//! users' processes may not be read: their sockets are there all the same, without the process.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::{
    LONGEST_ARGUMENTS, Owner, Process, Socket, SocketsError, Table, TcpState, is_watched, redact,
    split_arguments,
};
use crate::os::user_of;
use crate::port::PortRange;

const NETLINK: &str = "netlink sock_diag";
const PROC: &str = "/proc";

pub(super) fn read(watched: &[PortRange]) -> Result<Table, SocketsError> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        dump(family, !watched.is_empty(), &mut |message| {
            if let Some(socket) = Diagnosed::parse(message)
                && (socket.state == TcpState::Listen || is_watched(watched, socket.local, socket.remote))
            {
                found.push(socket);
            }
        })?;
    }
    let inodes = found.iter().map(|socket| socket.inode).filter(|inode| *inode != 0).collect::<Vec<u32>>();
    let owners = owners(&inodes)?;
    let mut details = Details::default();
    let mut processes: HashMap<u32, Arc<Process>> = HashMap::new();
    let mut table = Table::default();
    for socket in found {
        let owner = match owners.get(&socket.inode) {
            Some(Some(pid)) => Owner::Process(Arc::clone(
                processes.entry(*pid).or_insert_with(|| Arc::new(details.process(*pid))),
            )),
            _ => Owner::Unknown { user: Some(details.user(socket.uid)) },
        };
        let listens = socket.state == TcpState::Listen;
        let rows = if listens { &mut table.listeners } else { &mut table.connections };
        rows.push(Socket {
            local: socket.local,
            remote: (!listens).then_some(socket.remote),
            state: socket.state,
            v6_only: socket.v6_only,
            accept_queue: listens.then_some(socket.receive_queue),
            accepted: (!listens).then_some(socket.inode != 0),
            owner,
        });
    }
    Ok(table)
}

pub(super) fn processes(wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Process>, SocketsError> {
    let mut found = Vec::new();
    let mut details = Details::default();
    for_each_pid(&mut |pid| {
        // A script's interpreter may rename itself, so both names count: the thread's and the program's.
        let name = short_name(pid);
        let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let file = path.as_deref().and_then(|path| path.file_name()).and_then(|file| file.to_str());
        if name.as_deref().is_some_and(wanted) || file.is_some_and(wanted) {
            found.push(details.process(pid));
        }
        true
    })?;
    Ok(found)
}

/// A row of `struct inet_diag_msg` (linux/inet_diag.h).
struct Diagnosed {
    local: SocketAddr,
    remote: SocketAddr,
    state: TcpState,
    v6_only: Option<bool>,
    receive_queue: u32,
    uid: u32,
    inode: u32,
}

impl Diagnosed {
    /// Reads the message's body; `None` for one that is cut short or of another family.
    fn parse(body: &[u8]) -> Option<Self> {
        let family = *body.first()?;
        let address = |at: usize| -> Option<IpAddr> {
            let bytes = body.get(at..at + 16)?;
            match i32::from(family) {
                2 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?).into()),
                10 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
                _ => None,
            }
        };
        let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
        let number = |at: usize| Some(u32::from_ne_bytes(body.get(at..at + 4)?.try_into().ok()?));
        Some(Diagnosed {
            local: SocketAddr::new(address(8)?, port(4)?),
            remote: SocketAddr::new(address(24)?, port(6)?),
            state: state(*body.get(1)?),
            receive_queue: number(56)?,
            uid: number(64)?,
            inode: number(68)?,
            v6_only: attribute(body.get(72..)?, INET_DIAG_SKV6ONLY)
                .and_then(|value| Some(*value.first()? != 0)),
        })
    }
}

/// `INET_DIAG_SKV6ONLY`: the attribute that tells `IPV6_V6ONLY`.
const INET_DIAG_SKV6ONLY: u16 = 11;

/// The value of the first netlink attribute of this `kind`.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let found = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if found == kind {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// The kernel's numbers (net/tcp_states.h).
fn state(number: u8) -> TcpState {
    match number {
        1 => TcpState::Established,
        2 => TcpState::SynSent,
        3 | 12 => TcpState::SynReceived,
        4 => TcpState::FinWait1,
        5 => TcpState::FinWait2,
        6 => TcpState::TimeWait,
        7 => TcpState::Closed,
        8 => TcpState::CloseWait,
        9 => TcpState::LastAck,
        10 => TcpState::Listen,
        11 => TcpState::Closing,
        other => TcpState::Unknown(other),
    }
}

/// Asks the kernel for every TCP socket of a family (listeners only, unless `connections`) and hands each
/// message's body to `each`. The request goes to the kernel (netlink port 0), to no network.
fn dump(family: AddressFamily, connections: bool, each: &mut dyn FnMut(&[u8])) -> Result<(), SocketsError> {
    const LISTEN: u32 = 1 << 10;
    const TIME_WAIT: u32 = 1 << 6;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
    const TCP: u8 = 6;
    let failed = |error: rustix::io::Errno| SocketsError::Read { from: NETLINK, source: error.into() };

    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )
    .map_err(failed)?;
    let states = if connections { !TIME_WAIT & 0xfff } else { LISTEN };
    let mut request = Vec::with_capacity(72);
    request.extend(72u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(REQUEST_AND_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([u8::try_from(family.as_raw()).unwrap_or(0), TCP, 0, 0]);
    request.extend(states.to_ne_bytes());
    request.extend([0; 48]);
    rustix::net::send(&socket, &request, SendFlags::empty()).map_err(failed)?;

    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (_, length) =
            rustix::io::retry_on_intr(|| rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()))
                .map_err(failed)?;
        let mut rest = buffer.get(..length).unwrap_or(&buffer);
        if rest.is_empty() {
            return Err(form(NETLINK, "the answer ends too early"));
        }
        while !rest.is_empty() {
            match Message::split(rest) {
                Some((Message::Done, _)) => return Ok(()),
                Some((Message::Failed(code), _)) => {
                    return Err(SocketsError::Read {
                        from: NETLINK,
                        source: io::Error::from_raw_os_error(code),
                    });
                }
                Some((Message::Row(body), next)) => {
                    each(body);
                    rest = next;
                }
                None => return Err(form(NETLINK, "a message is cut short")),
            }
        }
    }
}

/// One netlink message (linux/netlink.h).
enum Message<'a> {
    Row(&'a [u8]),
    Done,
    Failed(i32),
}

impl<'a> Message<'a> {
    /// The first message of `bytes`, and what comes after it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const HEADER: usize = 16;
        let length = usize::try_from(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?)).ok()?;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        let message = match kind {
            2 => Message::Failed(i32::from_ne_bytes(body.get(..4)?.try_into().ok()?).wrapping_neg()),
            3 => Message::Done,
            _ => Message::Row(body),
        };
        Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or(&[])))
    }
}

fn form(from: &'static str, problem: &str) -> SocketsError {
    SocketsError::Form { from, problem: problem.to_owned() }
}

/// The owner of each socket: the lowest process id that holds it, `None` where no readable process does.
fn owners(inodes: &[u32]) -> Result<HashMap<u32, Option<u32>>, SocketsError> {
    let mut owners: HashMap<u32, Option<u32>> = inodes.iter().map(|inode| (*inode, None)).collect();
    let mut missing = owners.len();
    if missing == 0 {
        return Ok(owners);
    }
    let mut entries = [MaybeUninit::uninit(); 8192];
    let mut link = [MaybeUninit::uninit(); 64];
    for_each_pid(&mut |pid| {
        // No permission, or the process has ended: its sockets, if any are left, stay without an owner.
        let Ok(folder) = open_folder(&format!("/proc/{pid}/fd")) else { return true };
        let mut names = RawDir::new(&folder, &mut entries);
        while let Some(Ok(entry)) = names.next() {
            let Ok((target, _)) = rustix::fs::readlinkat_raw(&folder, entry.file_name(), &mut link) else {
                continue;
            };
            let owner = socket_inode(target).and_then(|inode| owners.get_mut(&inode));
            if let Some(owner @ None) = owner {
                *owner = Some(pid);
                missing -= 1;
            }
        }
        missing > 0
    })?;
    Ok(owners)
}

/// The number in `socket:[NUMBER]`.
fn socket_inode(link: &[u8]) -> Option<u32> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Calls `each` with every process id in rising order, until it says `false`.
fn for_each_pid(each: &mut dyn FnMut(u32) -> bool) -> Result<(), SocketsError> {
    let failed = |error: rustix::io::Errno| SocketsError::Read { from: PROC, source: error.into() };
    let folder = open_folder(PROC).map_err(failed)?;
    let mut entries = [MaybeUninit::uninit(); 8192];
    let mut names = RawDir::new(&folder, &mut entries);
    while let Some(entry) = names.next() {
        let entry = entry.map_err(failed)?;
        if let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok())
            && !each(pid)
        {
            break;
        }
    }
    Ok(())
}

fn open_folder(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Reads processes, asking for the name of each user once.
#[derive(Default)]
struct Details {
    users: HashMap<u32, String>,
}

impl Details {
    fn user(&mut self, uid: u32) -> String {
        self.users.entry(uid).or_insert_with(|| user_of(uid)).clone()
    }

    fn process(&mut self, pid: u32) -> Process {
        let nothing =
            Process { pid, parent: None, name: None, path: None, user: None, arguments: Vec::new() };
        // Through one handle, so that all of it is of the same process even where its id is given anew.
        let Ok(folder) = open_folder(&format!("/proc/{pid}")) else { return nothing };
        let (name, parent) = name_and_parent(&folder).unzip();
        let path = rustix::fs::readlinkat(&folder, "exe", Vec::new()).ok();
        Process {
            pid,
            parent: parent.flatten(),
            name,
            path: path.map(|path| without_deleted(OsStr::from_bytes(path.to_bytes()).into())),
            user: rustix::fs::fstat(&folder).ok().map(|stat| self.user(stat.st_uid)),
            arguments: redact(split_arguments(&contents(&folder, "cmdline"))),
        }
    }
}

/// A file of a process, or what can be had of it; the process may end while it is read.
fn contents(folder: &OwnedFd, name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4096);
    if let Ok(file) = rustix::fs::openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        while bytes.len() < LONGEST_ARGUMENTS {
            bytes.reserve(4096);
            match rustix::io::read(&file, spare_capacity(&mut bytes)) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
    bytes
}

fn short_name(pid: u32) -> Option<String> {
    let folder = open_folder(&format!("/proc/{pid}")).ok()?;
    name_and_parent(&folder).map(|(name, _)| name)
}

/// The first fields of `/proc/PID/stat` (proc_pid_stat(5)): `PID (NAME) STATE PARENT …`, where NAME may hold
/// anything, parentheses too.
fn name_and_parent(folder: &OwnedFd) -> Option<(String, Option<u32>)> {
    let stat = contents(folder, "stat");
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let after = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    Some((name, after.split_ascii_whitespace().nth(1).and_then(|parent| parent.parse().ok())))
}

/// The kernel adds ` (deleted)` to the path of a program whose file is gone, as after an update.
fn without_deleted(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(kept) => PathBuf::from(OsStr::from_bytes(kept)),
        None => path,
    }
}
