//! The socket table of Linux: netlink `sock_diag` for the sockets, `/proc` for their owners.
//!
//! A socket's owner is the process one of whose `/proc/PID/fd` entries reads `socket:[INODE]`. Entries of other
//! users' processes may not be read: their sockets are there all the same, without the process.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::redact::redact;
use super::table::{
    LONGEST_ARGUMENTS, MalformedTable, Process, Socket, SocketOwner, SocketTable, SocketsError, TcpState,
    is_watched, options_in, split_arguments,
};
use crate::os::user_of;
use crate::port::PortRange;

const NETLINK: &str = "netlink sock_diag";
const PROC: &str = "/proc";

pub(super) fn read(watched: &[PortRange]) -> Result<SocketTable, SocketsError> {
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
    let inodes = found.iter().map(|socket| socket.inode).filter(|inode| *inode != 0).collect();
    let owners = owners(&inodes)?;
    let mut users = Users::default();
    let mut table = SocketTable::default();
    for socket in found {
        let owner = match owners.get(&socket.inode) {
            Some(process) => SocketOwner::Process(Arc::clone(process)),
            None => SocketOwner::Unknown { user: Some(users.name(socket.uid)) },
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
    let mut users = Users::default();
    let own_network = open_folder("/proc/self").ok().and_then(|folder| network(&folder));
    let found = pids()?.into_iter().filter_map(|pid| {
        let folder = open_folder(&format!("/proc/{pid}")).ok()?;
        // A script's interpreter may rename itself, so both names count: the thread's and the program's.
        let name = name_and_parent(&folder).map(|(name, _)| name);
        let is_wanted = name.as_deref().is_some_and(wanted) || {
            let path = path(&folder);
            let file = path.as_deref().and_then(|path| path.file_name()).and_then(OsStr::to_str);
            file.is_some_and(wanted)
        };
        // One in a container has its listeners there, in no table of ours.
        let is_elsewhere = || network(&folder).is_some_and(|network| own_network.as_ref() != Some(&network));
        (is_wanted && !is_elsewhere()).then(|| process(pid, &folder, &mut users))
    });
    Ok(found.collect())
}

/// The network namespace of a process, as the kernel names it; `None` where it may not be read.
fn network(folder: &OwnedFd) -> Option<Vec<u8>> {
    Some(rustix::fs::readlinkat(folder, "ns/net", Vec::new()).ok()?.into_bytes())
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
            return Err(malformed(MalformedTable::EndsEarly));
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
                None => return Err(malformed(MalformedTable::CutMessage)),
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

fn malformed(source: MalformedTable) -> SocketsError {
    SocketsError::Form { from: NETLINK, source }
}

/// The owner of each socket: of those that hold it a parent before its children, which were only handed it (lldb-dap does
/// that to the lldb-server it starts), else the lowest process id. A socket that no readable process holds has none.
///
/// Nearly all the time goes into asking the kernel for every file of every process, so a few threads share them where there
/// are many.
fn owners(inodes: &HashSet<u32>) -> Result<HashMap<u32, Arc<Process>>, SocketsError> {
    let mut owners: HashMap<u32, Arc<Process>> = HashMap::with_capacity(inodes.len());
    if inodes.is_empty() {
        return Ok(owners);
    }
    let pids = pids()?;
    /// For so many processes another thread is worth its start.
    const SHARE: usize = 64;
    let most = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let threads = (pids.len() / SHARE).clamp(1, most);
    // This thread is one of them, and each takes the next process as it gets to it: on a busy machine a thread that is
    // late delays the others little.
    let next = AtomicUsize::new(0);
    let take = || pids.get(next.fetch_add(1, Ordering::Relaxed));
    let share = || held_by(std::iter::from_fn(take), inodes);
    let shares: Vec<Vec<(Vec<u32>, Process)>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(share)).collect();
        let own = share();
        others.into_iter().filter_map(|thread| thread.join().ok()).chain([own]).collect()
    });
    for (held, process) in shares.into_iter().flatten() {
        let process = Arc::new(process);
        for inode in held {
            match owners.entry(inode) {
                Entry::Occupied(known) if !comes_before(&process, known.get()) => {}
                Entry::Occupied(mut known) => drop(known.insert(Arc::clone(&process))),
                Entry::Vacant(free) => drop(free.insert(Arc::clone(&process))),
            }
        }
    }
    Ok(owners)
}

/// Whether `one` rather than `other` is the owner of a socket that both hold.
fn comes_before(one: &Process, other: &Process) -> bool {
    match (one.parent == Some(other.pid), other.parent == Some(one.pid)) {
        (true, _) => false,
        (_, true) => true,
        _ => one.pid < other.pid,
    }
}

/// Which of the sockets each of the processes holds; those that hold none are left out.
fn held_by<'a>(pids: impl Iterator<Item = &'a u32>, inodes: &HashSet<u32>) -> Vec<(Vec<u32>, Process)> {
    let mut users = Users::default();
    let mut entries = [MaybeUninit::uninit(); 8192];
    let mut link = [MaybeUninit::uninit(); 64];
    let mut found = Vec::new();
    for &pid in pids {
        // No permission, or the process has ended: its sockets, if any are left, stay without an owner.
        let Ok(folder) = open_folder(&format!("/proc/{pid}")) else { continue };
        let Ok(files) = open_folder_at(&folder, "fd") else { continue };
        let mut held = Vec::new();
        let mut names = RawDir::new(&files, &mut entries);
        while let Some(Ok(entry)) = names.next() {
            let target = rustix::fs::readlinkat_raw(&files, entry.file_name(), &mut link);
            let inode = target.ok().and_then(|(target, _)| socket_inode(target));
            held.extend(inode.filter(|inode| inodes.contains(inode)));
        }
        if !held.is_empty() {
            found.push((held, process(pid, &folder, &mut users)));
        }
    }
    found
}

/// The number in `socket:[NUMBER]`.
fn socket_inode(link: &[u8]) -> Option<u32> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Every process id, in rising order.
fn pids() -> Result<Vec<u32>, SocketsError> {
    let failed = |error: rustix::io::Errno| SocketsError::Read { from: PROC, source: error.into() };
    let folder = open_folder(PROC).map_err(failed)?;
    let mut entries = [MaybeUninit::uninit(); 8192];
    let mut names = RawDir::new(&folder, &mut entries);
    let mut pids = Vec::new();
    while let Some(entry) = names.next() {
        let entry = entry.map_err(failed)?;
        pids.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids)
}

fn open_folder(path: &str) -> rustix::io::Result<OwnedFd> {
    open_folder_at(rustix::fs::CWD, path)
}

fn open_folder_at(folder: impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(folder, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The names of users, each asked for once.
#[derive(Default)]
struct Users(HashMap<u32, String>);

impl Users {
    fn name(&mut self, uid: u32) -> String {
        self.0.entry(uid).or_insert_with(|| user_of(uid)).clone()
    }
}

/// A process by its folder in `/proc`: all of it is of the same process, even where its id is given anew meanwhile.
fn process(pid: u32, folder: &OwnedFd, users: &mut Users) -> Process {
    let (name, parent) = name_and_parent(folder).unzip();
    Process {
        pid,
        parent: parent.flatten(),
        name,
        path: path(folder),
        user: rustix::fs::fstat(folder).ok().map(|stat| users.name(stat.st_uid)),
        arguments: redact(split_arguments(&contents(folder, "cmdline"))),
        environment: options_in(&contents(folder, "environ")),
    }
}

/// A file of a process, or what can be had of it: the process may end while it is read. The kernel gives such a file
/// in one piece, as long as there is room.
fn contents(folder: &OwnedFd, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = rustix::fs::openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        while bytes.len() < LONGEST_ARGUMENTS {
            bytes.reserve(4096);
            match rustix::io::read(&file, spare_capacity(&mut bytes)) {
                Ok(read) if read > 0 && bytes.len() == bytes.capacity() => {}
                Ok(_) | Err(_) => break,
            }
        }
    }
    bytes
}

fn path(folder: &OwnedFd) -> Option<PathBuf> {
    let path = rustix::fs::readlinkat(folder, "exe", Vec::new()).ok()?;
    Some(without_deleted(OsStr::from_bytes(path.to_bytes()).into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A netlink message with one listener, as the kernel lays it out.
    fn message(port: u16, inode: u32) -> Vec<u8> {
        let mut body = vec![0; 72];
        body[0] = 10;
        body[1] = 10;
        body[4..6].copy_from_slice(&port.to_be_bytes());
        body[56..60].copy_from_slice(&3u32.to_ne_bytes());
        body[68..72].copy_from_slice(&inode.to_ne_bytes());
        for (kind, value) in [(5u16, 0u8), (INET_DIAG_SKV6ONLY, 1)] {
            body.extend(5u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend([value, 0, 0, 0]);
        }
        let mut message = Vec::new();
        message.extend((16 + body.len() as u32).to_ne_bytes());
        message.extend(20u16.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    #[test]
    fn a_process_in_another_network_is_none_of_ours() {
        use std::process::{Command, Stdio};
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "1000"]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return };
        let comm = format!("/proc/{}/comm", child.id());
        // Where it may not make one it ends.
        while std::fs::read_to_string(&comm).is_ok_and(|name| name.trim() == "unshare")
            && child.try_wait().is_ok_and(|end| end.is_none())
        {
            std::thread::yield_now();
        }
        let found = processes(&|name| name == "sleep").unwrap();
        assert!(found.iter().all(|process| process.pid != child.id()));
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn a_parent_owns_what_its_child_was_handed() {
        let process = |pid, parent| Process {
            pid,
            parent: Some(parent),
            name: None,
            path: None,
            user: None,
            arguments: vec![],
            environment: vec![],
        };
        // Process ids begin anew when they are used up.
        let (parent, child, other) = (process(30_000, 1), process(400, 30_000), process(500, 1));
        assert!(comes_before(&parent, &child) && !comes_before(&child, &parent));
        assert!(comes_before(&other, &parent) && !comes_before(&parent, &other));
    }

    #[test]
    fn every_port_may_be_listened_to() {
        let bytes: Vec<u8> = (1..=u16::MAX).flat_map(|port| message(port, u32::from(port))).collect();
        let mut rest = &bytes[..];
        let mut ports = 0u32;
        while let Some((Message::Row(body), next)) = Message::split(rest) {
            ports += 1;
            let row = Diagnosed::parse(body).unwrap();
            assert_eq!((u32::from(row.local.port()), row.inode), (ports, ports));
            assert_eq!((row.state, row.receive_queue, row.v6_only), (TcpState::Listen, 3, Some(true)));
            rest = next;
        }
        assert_eq!((ports, rest.len()), (65_535, 0));
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0usize..200, byte: u8) {
            let mut bent = message(2345, 7);
            let at = at % bent.len();
            bent[at] = byte;
            for bytes in [&junk, &bent] {
                let _ = Diagnosed::parse(bytes);
                let _ = attribute(bytes, INET_DIAG_SKV6ONLY);
                if let Some((Message::Row(body), _)) = Message::split(bytes) {
                    let _ = Diagnosed::parse(body);
                }
                let _ = socket_inode(bytes);
            }
        }
    }
}
