//! What the kernel tells of processes and sockets: libproc's structures (xnu, `bsd/sys/proc_info.h`), and the list
//! `net.inet.tcp.pcblist_n` (xnu, `bsd/netinet/in_pcblist.c`, `in_pcb.h`, `tcp_var.h`, `bsd/sys/socketvar.h`).

use super::Pairs;

/// Numbers of TCP's states: xnu, `bsd/netinet/tcp_fsm.h`; linux, `net/tcp_states.h`.
pub const TCP_STATES: &Pairs<u8> =
    &[(0, 7), (1, 10), (2, 2), (3, 3), (4, 1), (5, 8), (6, 4), (7, 11), (8, 9), (9, 5), (10, 6)];

/// `struct proc_bsdinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessInfo {
    pub flags: u32,
    pub status: u32,
    pub exit_status: u32,
    pub pid: u32,
    pub parent: u32,
    pub uid: u32,
    pub gid: u32,
    pub real_uid: u32,
    pub real_gid: u32,
    pub saved_uid: u32,
    pub saved_gid: u32,
    pub reserved: u32,
    pub command: [u8; 16],
    pub name: [u8; 32],
    pub files: u32,
    pub group: u32,
    pub job_control: u32,
    pub terminal: u32,
    pub terminal_group: u32,
    pub nice: i32,
    pub start_seconds: u64,
    pub start_microseconds: u64,
}

/// `struct proc_fdinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    pub number: i32,
    pub kind: u32,
}

/// `PROX_FDTYPE_…`
pub const FILE_VNODE: u32 = 1;
pub const FILE_SOCKET: u32 = 2;
pub const FILE_PIPE: u32 = 6;

/// `struct in_sockinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct InternetInfo {
    /// Ports are in network order, in the low half.
    pub remote_port: i32,
    pub local_port: i32,
    pub generation: u64,
    pub flags: u32,
    pub flow: u32,
    /// 1 for IPv4, 2 for IPv6, both for a socket that takes both.
    pub families: u8,
    pub ttl: u8,
    pub reserved: u32,
    /// An IPv4 address is in the last four bytes.
    pub remote: [u8; 16],
    pub local: [u8; 16],
    pub tos: u8,
    pub tos_padding: [u8; 3],
    pub hop_limit: u8,
    pub checksum: i32,
    pub interface: u16,
    pub hops: i16,
}

/// `struct tcp_sockinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpInfo {
    pub internet: InternetInfo,
    pub state: i32,
    pub timers: [i32; 4],
    pub segment_size: i32,
    pub flags: u32,
    pub reserved: u32,
    pub control_block: u64,
}

/// `struct socket_fdinfo`, with the TCP member of its union.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SocketInfo {
    /// `struct proc_fileinfo`.
    pub file: [u64; 3],
    /// `struct vinfo_stat`.
    pub stat: [u64; 17],
    pub socket: u64,
    pub control_block: u64,
    pub kind: i32,
    pub protocol: i32,
    pub family: i32,
    pub options: i16,
    pub linger: i16,
    pub state: i16,
    pub queue: i16,
    pub incomplete_queue: i16,
    pub queue_limit: i16,
    pub timeout: i16,
    pub error: u16,
    pub out_of_band: u32,
    /// Two of `struct sockbuf_info`.
    pub buffers: [u32; 12],
    /// `SOCKINFO_…`
    pub which: i32,
    pub reserved: u32,
    pub tcp: TcpInfo,
    /// The largest member, of a Unix socket, is longer.
    pub rest: [u8; 408],
}

/// `SOCKINFO_GENERIC`, `SOCKINFO_TCP`.
pub const SOCKET_GENERIC: i32 = 0;
pub const SOCKET_TCP: i32 = 2;

const _: () = assert!(size_of::<ProcessInfo>() == 136 && size_of::<FileInfo>() == 8);
const _: () = assert!(size_of::<TcpInfo>() == 120 && size_of::<SocketInfo>() == 792);
const _: () = assert!(
    std::mem::offset_of!(InternetInfo, remote) == 32 && std::mem::offset_of!(InternetInfo, interface) == 76
);
const _: () = assert!(std::mem::offset_of!(SocketInfo, queue) == 24 + 136 + 16 + 12 + 6);
const _: () = assert!(std::mem::offset_of!(SocketInfo, tcp) == 24 + 240);

/// `struct xinpgen`, first and last in the list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ListHeader {
    pub length: u32,
    pub count: u32,
    pub generation: u64,
    pub socket_generation: u64,
}

/// `struct xinpcb_n`; these structures are packed to four bytes.
#[repr(C, packed(4))]
#[derive(Clone, Copy, Debug, Default)]
pub struct ListedInternet {
    pub length: u32,
    pub record: u32,
    pub address: u64,
    /// Ports are in network order.
    pub remote_port: [u8; 2],
    pub local_port: [u8; 2],
    pub control_block: u64,
    pub generation: u64,
    pub flags: i32,
    pub flow: u32,
    pub families: u8,
    pub ttl: u8,
    pub protocol: u8,
    pub padding: u8,
    pub remote: [u8; 16],
    pub local: [u8; 16],
    pub tos: u8,
    pub tos_padding: [u8; 3],
    pub hop_limit: u8,
    pub hop_padding: [u8; 3],
    pub checksum: i32,
    pub interface: u16,
    pub hops: i16,
    pub flow_hash: u32,
    pub flags2: u32,
}

/// `struct xsocket_n`.
#[repr(C, packed(4))]
#[derive(Clone, Copy, Debug, Default)]
pub struct ListedSocket {
    pub length: u32,
    pub record: u32,
    pub socket: u64,
    pub kind: i16,
    pub kind_padding: i16,
    pub options: u32,
    pub linger: i16,
    pub state: u16,
    pub control_block: u64,
    pub protocol: i32,
    pub family: i32,
    pub queue: i16,
    pub incomplete_queue: i16,
    pub queue_limit: i16,
    pub timeout: i16,
    pub error: u16,
    pub error_padding: u16,
    pub group: i32,
    pub out_of_band: u32,
    pub uid: u32,
    pub last_pid: i32,
    pub effective_pid: i32,
    pub generation: u64,
    pub flags: u32,
    pub flags1: u32,
    pub uses: i32,
    pub retained: i32,
    pub filters: u32,
}

/// `so_state`: in a listener's queue, its handshake under way or done (`SS_INCOMP`, `SS_COMP`).
pub const SOCKET_INCOMPLETE: u16 = 0x0800;
pub const SOCKET_COMPLETE: u16 = 0x1000;
pub const SOCKET_CONNECTED: u16 = 0x0002;

const _: () = assert!(size_of::<ListHeader>() == 24 && size_of::<ListedInternet>() == 104);
const _: () = assert!(std::mem::offset_of!(ListedInternet, local_port) == 18);
const _: () = assert!(std::mem::offset_of!(ListedInternet, families) == 44);
const _: () = assert!(std::mem::offset_of!(ListedInternet, local) == 64);
const _: () = assert!(size_of::<ListedSocket>() == 104 && std::mem::offset_of!(ListedSocket, state) == 26);
const _: () =
    assert!(std::mem::offset_of!(ListedSocket, queue) == 44 && std::mem::offset_of!(ListedSocket, uid) == 64);

/// Kinds of records (`XSO_…`) and the lengths of those that are told by their state alone: both buffers, the statistics,
/// and TCP's control block (`struct xtcpcb_n`), whose state is at 36.
pub const RECORD_SOCKET: u32 = 0x001;
pub const RECORD_RECEIVE_BUFFER: u32 = 0x002;
pub const RECORD_SEND_BUFFER: u32 = 0x004;
pub const RECORD_STATISTICS: u32 = 0x008;
pub const RECORD_INTERNET: u32 = 0x010;
pub const RECORD_TCP: u32 = 0x020;
pub const BUFFER_LENGTH: usize = 32;
pub const STATISTICS_LENGTH: usize = 136;
pub const TCP_LENGTH: usize = 208;
pub const TCP_STATE: usize = 36;

#[cfg(test)]
mod tests {
    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(super::TCP_STATES);
    }
}
