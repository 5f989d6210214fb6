//! sysctl(3): the boot's id, every TCP socket, a process's arguments.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::net::IpAddr;

use super::{fail, shims, unknown};
use crate::abi;
use crate::abi::tables::{self, ListHeader, ListedInternet, ListedSocket, TCP_STATES};
use crate::host::processes;
use crate::host::sockets::{self, LISTEN, TcpSocket};
use crate::{identity, root};

shims! {
    "sysctl" => sysctl,
    "sysctlbyname" => sysctl_by_name,
}

unsafe extern "C" fn sysctl_by_name(
    name: *const c_char,
    value: *mut c_void,
    length: *mut usize,
    _new: *const c_void,
    _new_length: usize,
) -> c_int {
    // SAFETY: a program gives a C string.
    let name = unsafe { CStr::from_ptr(name) };
    let found = match name.to_bytes() {
        b"kern.bootsessionuuid" => boot().map(|text| [text.as_bytes(), &[0]].concat()),
        b"net.inet.tcp.pcblist_n" => sockets::tcp().ok().map(|sockets| list(&sockets)),
        _ => None,
    };
    match found {
        // SAFETY: a program gives a length, and as much room as that says, or null.
        Some(found) => unsafe { give(&found, value, length) },
        None => fail(libc::ENOENT),
    }
}

unsafe extern "C" fn sysctl(
    name: *const c_int,
    count: c_uint,
    value: *mut c_void,
    length: *mut usize,
    _new: *const c_void,
    _new_length: usize,
) -> c_int {
    /// `CTL_KERN`, `KERN_PROCARGS2`.
    const ARGUMENTS: [c_int; 2] = [1, 49];
    // SAFETY: a program gives as many numbers as it says.
    let name = unsafe { std::slice::from_raw_parts(name, count as usize) };
    match name {
        [first, second, pid] if [*first, *second] == ARGUMENTS => match process_arguments(*pid) {
            // SAFETY: as above.
            Ok(found) => unsafe { give(&found, value, length) },
            Err(error) => fail(error),
        },
        // `CTL_NET`, `PF_ROUTE`: no route and no neighbour.
        // SAFETY: as above.
        [4, 17, 0, _, _, _] => unsafe { give(&[], value, length) },
        other => unknown(format_args!("sysctl {other:?}")),
    }
}

/// Without a buffer, how much room is needed; with one that is too small, ENOMEM.
///
/// # Safety
/// `length` points to the size of `value`, which may be null.
unsafe fn give(found: &[u8], value: *mut c_void, length: *mut usize) -> c_int {
    // SAFETY: as the caller says.
    unsafe {
        let room = std::mem::replace(&mut *length, found.len());
        if value.is_null() {
            return 0;
        }
        if room < found.len() {
            return fail(libc::ENOMEM);
        }
        std::ptr::copy_nonoverlapping(found.as_ptr(), value.cast(), found.len());
    }
    0
}

/// This machine's, in the form of a UUID in capitals.
fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_uppercase())
}

/// `KERN_PROCARGS2` (xnu, `bsd/kern/kern_sysctl.c`, `sysctl_procargsx`): the number of arguments, the program's path filled up to
/// eight bytes, the arguments, the environment. Of other users' processes there is nothing.
fn process_arguments(pid: c_int) -> Result<Vec<u8>, c_int> {
    let pid = u32::try_from(pid).map_err(|_| libc::EINVAL)?;
    let process = processes::process(pid).ok_or(libc::EINVAL)?;
    let user = identity::user();
    if user != 0 && user != identity::user_of(pid, process.uid[0]) {
        return Err(libc::EINVAL);
    }
    let arguments = processes::arguments(pid).ok_or(libc::EINVAL)?;
    let path = root::name(&processes::path(pid).unwrap_or_default());
    let count = arguments.iter().filter(|byte| **byte == 0).count() as i32;
    let mut block = count.to_ne_bytes().to_vec();
    block.extend(&path);
    block.resize(4 + (path.len() + 1).next_multiple_of(8), 0);
    block.extend(&arguments);
    // The environment is nobody's business here; its place is.
    block.extend(b"LANG=C\0");
    Ok(block)
}

/// 1 for IPv4, 2 for IPv6, both for a listener that takes both.
pub fn families(socket: &TcpSocket) -> u8 {
    match socket.v6_only {
        None => 1,
        Some(false) if socket.state == LISTEN => 3,
        // XNU turns the accepted socket of such a listener into one of IPv4 where its peer is.
        Some(_) if v4_in_v6(socket.remote.0) => 1,
        Some(_) => 2,
    }
}

fn v4_in_v6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// An address in the sixteen bytes that the kernel keeps for both families: IPv4 in the last four. The kernel writes the
/// interface of a link-local address into its second two bytes.
pub fn address(address: IpAddr, socket: &TcpSocket) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address.to_canonical() {
        IpAddr::V4(v4) => bytes[12..].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => {
            bytes = v6.octets();
            if v6.is_unicast_link_local() {
                bytes[2..4].copy_from_slice(&(socket.interface as u16).to_be_bytes());
            }
        }
    }
    bytes
}

/// The whole list: a header, six records for each socket, the header again.
fn list(sockets: &[TcpSocket]) -> Vec<u8> {
    let holders = holders(sockets);
    let header = ListHeader { length: 24, count: sockets.len() as u32, generation: 1, socket_generation: 1 };
    let mut list = bytes_of(&header).to_vec();
    for socket in sockets {
        let pid = holders.get(&socket.inode).or_else(|| holders.get(&listener_of(socket, sockets)));
        list.extend(bytes_of(&internet(socket)));
        list.extend(bytes_of(&listed_socket(socket, pid.copied().unwrap_or(0))));
        for (record, length) in [
            (tables::RECORD_RECEIVE_BUFFER, tables::BUFFER_LENGTH),
            (tables::RECORD_SEND_BUFFER, tables::BUFFER_LENGTH),
            (tables::RECORD_STATISTICS, tables::STATISTICS_LENGTH),
        ] {
            list.extend(plain_record(record, length));
        }
        let mut tcp = plain_record(tables::RECORD_TCP, tables::TCP_LENGTH);
        let state = i32::from(abi::to_mac(TCP_STATES, socket.state).unwrap_or_default());
        tcp[tables::TCP_STATE..tables::TCP_STATE + 4].copy_from_slice(&state.to_ne_bytes());
        list.extend(tcp);
    }
    list.extend(bytes_of(&header));
    list
}

/// The first process that holds each of the sockets, by their inodes.
fn holders(sockets: &[TcpSocket]) -> HashMap<u32, u32> {
    let wanted: HashMap<u32, ()> = sockets.iter().map(|socket| (socket.inode, ())).collect();
    let mut holders = HashMap::new();
    for pid in processes::pids() {
        for (_, target) in processes::files(pid).unwrap_or_default() {
            if let Some(inode) = processes::socket_inode(&target).filter(|inode| wanted.contains_key(inode)) {
                holders.entry(inode).or_insert(pid);
            }
        }
    }
    holders
}

/// A connection that waits belongs to the process that listens.
fn listener_of(socket: &TcpSocket, sockets: &[TcpSocket]) -> u32 {
    let listens = |other: &&TcpSocket| other.state == LISTEN && other.local.1 == socket.local.1;
    sockets.iter().find(listens).map_or(0, |listener| listener.inode)
}

fn internet(socket: &TcpSocket) -> ListedInternet {
    ListedInternet {
        length: size_of::<ListedInternet>() as u32,
        record: tables::RECORD_INTERNET,
        remote_port: socket.remote.1.to_be_bytes(),
        local_port: socket.local.1.to_be_bytes(),
        families: families(socket),
        remote: address(socket.remote.0, socket),
        local: address(socket.local.0, socket),
        ..ListedInternet::default()
    }
}

fn listed_socket(socket: &TcpSocket, pid: u32) -> ListedSocket {
    const SYN_RECEIVED: u8 = 3;
    let state = match socket.state {
        LISTEN => 0,
        SYN_RECEIVED => tables::SOCKET_INCOMPLETE,
        _ if socket.inode == 0 => tables::SOCKET_COMPLETE | tables::SOCKET_CONNECTED,
        _ => tables::SOCKET_CONNECTED,
    };
    ListedSocket {
        length: size_of::<ListedSocket>() as u32,
        record: tables::RECORD_SOCKET,
        kind: libc::SOCK_STREAM as i16,
        state,
        protocol: libc::IPPROTO_TCP,
        family: if socket.v6_only.is_none() { 2 } else { 30 },
        queue: if socket.state == LISTEN { socket.waiting as i16 } else { 0 },
        queue_limit: if socket.state == LISTEN { socket.room as i16 } else { 0 },
        uid: if pid == 0 { identity::owner(socket.uid) } else { identity::user_of(pid, socket.uid) },
        last_pid: pid as i32,
        ..ListedSocket::default()
    }
}

/// A record that says its length and kind alone, filled up to eight bytes.
fn plain_record(record: u32, length: usize) -> Vec<u8> {
    let mut bytes = [length as u32, record].map(u32::to_ne_bytes).concat();
    bytes.resize(length.next_multiple_of(8), 0);
    bytes
}

/// The bytes of one of the kernel's structures.
fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: the structures of `abi::tables` have no padding that is not named.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(local: &str, state: u8, v6_only: Option<bool>) -> TcpSocket {
        let local: std::net::SocketAddr = local.parse().unwrap();
        TcpSocket {
            local: (local.ip(), local.port()),
            remote: (local.ip(), 0),
            interface: 4,
            state,
            v6_only,
            waiting: 2,
            room: 128,
            uid: 501,
            inode: 0,
        }
    }

    #[test]
    fn the_list_has_the_kernels_form() {
        let list = list(&[socket("127.0.0.1:2345", LISTEN, None)]);
        let word = |at: usize| u32::from_le_bytes(list[at..at + 4].try_into().unwrap());
        let mut at = 0;
        let mut records = Vec::new();
        while at < list.len() {
            records.push((word(at), word(at + 4)));
            at += (word(at) as usize).next_multiple_of(8);
        }
        let expected = [(24, 1), (104, 0x10), (104, 1), (32, 2), (32, 4), (136, 8), (208, 0x20), (24, 1)];
        assert_eq!(records, expected);
        assert_eq!(list[24 + 18..24 + 20], 2345u16.to_be_bytes());
        assert_eq!(list[24 + 104 + 44], 2);
        assert_eq!(word(24 + 104 + 64), 501);
    }

    #[test]
    fn families_and_addresses() {
        assert_eq!(families(&socket("[::]:1", LISTEN, Some(false))), 3);
        assert_eq!(families(&socket("[::]:1", LISTEN, Some(true))), 2);
        let accepted = socket("[::ffff:127.0.0.1]:1", 1, Some(false));
        assert_eq!(
            (families(&accepted), address(accepted.local.0, &accepted)[12..].to_vec()),
            (1, vec![127, 0, 0, 1])
        );
        let linked = socket("[fe80::1]:1", LISTEN, Some(true));
        assert_eq!(address(linked.local.0, &linked)[..4], [0xfe, 0x80, 0, 4]);
    }
}
