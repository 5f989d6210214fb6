//! Reads what the macOS kernel gives as `net.inet.tcp.pcblist_n`: every TCP socket, those of other users too.
//!
//! The form is the kernel's own (XNU: bsd/netinet/in_pcblist.c `get_pcblist_n`, with `xinpgen` and `xinpcb_n` of
//! in_pcb.h, `xsocket_n` of sys/socketvar.h, `xtcpcb_n` of tcp_var.h; fields packed to 4 bytes, numbers little-endian,
//! ports big-endian): a header, then for each socket a run of records, each with its length and kind, padded to 8
//! bytes; at last the header again. Records of an unknown kind are passed over, a record that is too short ends the
//! reading with a problem.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::table::{MalformedTable, TcpState};

/// A row of the kernel's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelSocket {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) state: TcpState,
    pub(super) v6_only: Option<bool>,
    pub(super) accept_queue: u32,
    /// Whether a program took it from the listener's queue.
    pub(super) accepted: bool,
    pub(super) uid: u32,
    /// The process that used the socket last.
    pub(super) pid: u32,
}

const KIND_SOCKET: u32 = 0x001;
const KIND_INPCB: u32 = 0x010;
const KIND_TCPCB: u32 = 0x020;

/// Every row, or what is wrong with the form.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<KernelSocket>, MalformedTable> {
    let header = number(bytes, 0).ok_or(MalformedTable::Empty)? as usize;
    if header < 8 {
        return Err(MalformedTable::HeaderLength(header));
    }
    let mut rest = bytes.get(header..).ok_or(MalformedTable::CutHeader)?;
    let mut rows = Vec::new();
    let mut row = SocketRecords::default();
    while let (Some(length), Some(kind)) = (number(rest, 0), number(rest, 4)) {
        let length = length as usize;
        if length == header {
            break;
        }
        let record =
            rest.get(..length).filter(|record| record.len() >= 8).ok_or(MalformedTable::CutRecord)?;
        match kind {
            KIND_INPCB => {
                row.internet =
                    Some(InternetRecord::parse(record).ok_or(MalformedTable::ShortRecord("xinpcb_n"))?)
            }
            KIND_SOCKET => {
                row.socket =
                    Some(SocketRecord::parse(record).ok_or(MalformedTable::ShortRecord("xsocket_n"))?)
            }
            KIND_TCPCB => {
                row.state = Some(state(number(record, 36).ok_or(MalformedTable::ShortRecord("xtcpcb_n"))?))
            }
            _ => {}
        }
        if let SocketRecords { internet: Some(internet), socket: Some(socket), state: Some(state) } = &row {
            rows.extend(internet.row(socket, *state));
            row = SocketRecords::default();
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(rows)
}

/// The records of one socket so far.
#[derive(Default)]
struct SocketRecords {
    internet: Option<InternetRecord>,
    socket: Option<SocketRecord>,
    state: Option<TcpState>,
}

/// Of `xinpcb_n`: ports, addresses, families.
struct InternetRecord {
    local_port: u16,
    remote_port: u16,
    flags: u8,
    local: [u8; 16],
    remote: [u8; 16],
}

/// Of `xsocket_n`: state, queue, user, process.
struct SocketRecord {
    state: u16,
    queue: u16,
    uid: u32,
    pid: u32,
}

impl InternetRecord {
    fn parse(record: &[u8]) -> Option<Self> {
        let port = |at: usize| Some(u16::from_be_bytes(record.get(at..at + 2)?.try_into().ok()?));
        Some(InternetRecord {
            remote_port: port(16)?,
            local_port: port(18)?,
            flags: *record.get(44)?,
            remote: record.get(48..64)?.try_into().ok()?,
            local: record.get(64..80)?.try_into().ok()?,
        })
    }

    /// `None` for a socket that is neither IPv4 nor IPv6.
    fn row(&self, socket: &SocketRecord, state: TcpState) -> Option<KernelSocket> {
        const IPV4: u8 = 1;
        const IPV6: u8 = 2;
        const UNACCEPTED: u16 = 0x0800 | 0x1000;
        let address = |bytes: &[u8; 16]| -> Option<IpAddr> {
            if self.flags & IPV6 != 0 {
                Some(Ipv6Addr::from(*bytes).into())
            } else if self.flags & IPV4 != 0 {
                let [.., a, b, c, d] = *bytes;
                Some(Ipv4Addr::new(a, b, c, d).into())
            } else {
                None
            }
        };
        Some(KernelSocket {
            local: without_interface(SocketAddr::new(address(&self.local)?, self.local_port)),
            remote: without_interface(SocketAddr::new(address(&self.remote)?, self.remote_port)),
            state,
            v6_only: (self.flags & IPV6 != 0).then_some(self.flags & IPV4 == 0),
            accept_queue: u32::from(socket.queue),
            accepted: socket.state & UNACCEPTED == 0,
            uid: socket.uid,
            pid: socket.pid,
        })
    }
}

impl SocketRecord {
    fn parse(record: &[u8]) -> Option<Self> {
        let short = |at: usize| Some(u16::from_le_bytes(record.get(at..at + 2)?.try_into().ok()?));
        Some(SocketRecord {
            state: short(26)?,
            queue: short(44)?,
            uid: number(record, 64)?,
            pid: number(record, 68)?,
        })
    }
}

/// An end of a socket as it is on the wire, from the kernel's list or libproc: the kernel keeps the interface of a link-local
/// address in its second two bytes (XNU: bsd/netinet6/scope6.c `in6_setscope`), which are zero in packets.
pub(super) fn without_interface(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            let [first, _, rest @ ..] = address.segments();
            let [a, b, c, d, e, f] = rest;
            SocketAddr::new(Ipv6Addr::new(first, 0, a, b, c, d, e, f).into(), end.port())
        }
        _ => end,
    }
}

/// The numbers of netinet/tcp_fsm.h, for libproc too.
pub(super) fn state(number: u32) -> TcpState {
    match number {
        0 => TcpState::Closed,
        1 => TcpState::Listen,
        2 => TcpState::SynSent,
        3 => TcpState::SynReceived,
        4 => TcpState::Established,
        5 => TcpState::CloseWait,
        6 => TcpState::FinWait1,
        7 => TcpState::Closing,
        8 => TcpState::LastAck,
        9 => TcpState::FinWait2,
        10 => TcpState::TimeWait,
        other => TcpState::Unknown(u8::try_from(other).unwrap_or(u8::MAX)),
    }
}

/// The arguments in what `KERN_PROCARGS2` gives (XNU: bsd/kern/kern_sysctl.c `sysctl_procargsx`): their number, the
/// program's path, NULs up to the first argument, the arguments, then the environment.
pub(super) fn argument_block(bytes: &[u8]) -> &[u8] {
    arguments_and_environment(bytes).0
}

/// The environment in what `KERN_PROCARGS2` gives: `NAME=VALUE`, each ended by a NUL. The kernel leaves it out for a
/// process that may not be looked into.
pub(super) fn environment_block(bytes: &[u8]) -> &[u8] {
    arguments_and_environment(bytes).1
}

fn arguments_and_environment(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some(count) = number(bytes, 0) else { return (&[], &[]) };
    let rest = bytes.get(4..).unwrap_or(&[]);
    let path = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let padding = rest.iter().skip(path).take_while(|byte| **byte == 0).count();
    let start = rest.get(path + padding..).unwrap_or(&[]);
    let mut ends = start.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
    match usize::try_from(count).ok().and_then(|count| count.checked_sub(1)).map(|last| ends.nth(last)) {
        None => (&[], start),
        Some(None) => (start, &[]),
        Some(Some(end)) => start.split_at(end),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(record: &mut [u8], at: usize, bytes: &[u8]) {
        record[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn record(kind: u32, length: u32) -> Vec<u8> {
        let mut record = vec![0; length.next_multiple_of(8) as usize];
        put(&mut record, 0, &length.to_le_bytes());
        put(&mut record, 4, &kind.to_le_bytes());
        record
    }

    /// The list as the kernel's sources lay it out, with the sizes of macOS 14: one dual-stack listener on 2345
    /// with two in its queue, and one of these two.
    fn list() -> Vec<u8> {
        let mut header = vec![0; 24];
        put(&mut header, 0, &24u32.to_le_bytes());
        let mut bytes = header.clone();
        for (state, flags, queue, so_state, remote_port) in
            [(1u32, 3u8, 2u16, 0u16, 0u16), (4, 2, 0, 0x1002, 50000)]
        {
            let mut internet = record(KIND_INPCB, 104);
            put(&mut internet, 16, &remote_port.to_be_bytes());
            put(&mut internet, 18, &2345u16.to_be_bytes());
            internet[44] = flags;
            if state == 4 {
                put(&mut internet, 48, &Ipv6Addr::LOCALHOST.octets());
                put(&mut internet, 64, &Ipv6Addr::LOCALHOST.octets());
            }
            let mut socket = record(KIND_SOCKET, 100);
            put(&mut socket, 26, &so_state.to_le_bytes());
            put(&mut socket, 44, &queue.to_le_bytes());
            put(&mut socket, 64, &501u32.to_le_bytes());
            put(&mut socket, 68, &4711u32.to_le_bytes());
            let mut tcp = record(KIND_TCPCB, 204);
            put(&mut tcp, 36, &state.to_le_bytes());
            bytes.extend([internet, socket, record(2, 32), record(4, 32), record(8, 136), tcp].concat());
        }
        bytes.extend(header);
        bytes
    }

    #[test]
    fn reads_a_listener_and_its_queue() {
        let rows = parse(&list()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].local, "[::]:2345".parse().unwrap());
        assert_eq!(
            (rows[0].state, rows[0].v6_only, rows[0].accept_queue),
            (TcpState::Listen, Some(false), 2)
        );
        assert_eq!((rows[0].uid, rows[0].pid, rows[0].accepted), (501, 4711, true));
        assert_eq!(rows[1].remote, "[::1]:50000".parse().unwrap());
        assert_eq!(
            (rows[1].state, rows[1].v6_only, rows[1].accepted),
            (TcpState::Established, Some(true), false)
        );
    }

    #[test]
    fn a_link_local_address_has_no_interface_in_it() {
        let end = |text: &str| without_interface(text.parse().unwrap()).to_string();
        assert_eq!(end("[fe80:4::1c2a:3bff:fe4c:5d6e]:2345"), "[fe80::1c2a:3bff:fe4c:5d6e]:2345");
        for same in ["[fd00:4::1]:2345", "[::]:2345", "192.168.1.2:2345"] {
            assert_eq!(end(same), same);
        }
    }

    #[test]
    fn what_is_cut_short_is_a_problem_and_never_a_panic() {
        let whole = list();
        for end in 0..whole.len() {
            if let Ok(rows) = parse(&whole[..end]) {
                assert!(rows.len() <= 2);
            }
        }
        assert_eq!(parse(&[]), Err(MalformedTable::Empty));
        assert_eq!(parse(&whole[..100]), Err(MalformedTable::CutRecord));
    }

    #[test]
    fn arguments_end_where_the_environment_begins() {
        let block = b"\x02\0\0\0/usr/bin/dlv\0\0\0\0dlv\0dap\0SECRET=1\0";
        assert_eq!(argument_block(block), b"dlv\0dap");
        assert_eq!(argument_block(b"\0\0\0\0/x\0\0SECRET=1\0"), b"");
        assert_eq!(argument_block(b"\xff\xff\xff\xff/x\0a\0b"), b"a\0b");
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), at in 0usize..700, byte: u8) {
            let _ = parse(&bytes);
            let _ = argument_block(&bytes);
            let mut bent = list();
            let at = at % bent.len();
            bent[at] = byte;
            let _ = parse(&bent);
        }
    }
}
