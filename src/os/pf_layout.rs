//! What `/dev/pf` takes and gives, byte by byte.
//!
//! From XNU's `bsd/net/pfvar.h` (apple-oss-distributions/xnu, commit 1031c584a5e3; the same in xnu-11417, macOS 15.4):
//! the structs of a 64-bit process. Ports and addresses are in network order, all else is in the processor's.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::os::connection::TrackedConnection;

/// `struct pfioc_remove_token`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveToken {
    /// What DIOCSTARTREF gave.
    pub token: u64,
    /// How many hold pf enabled afterwards: the kernel's answer.
    pub references: u64,
}

/// `struct pfioc_states`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StatesRequest {
    /// Room in the buffer, in bytes; the kernel puts there how many it filled, or, for 0, how many there are.
    pub length: i32,
    pub padding: i32,
    /// The buffer's address.
    pub buffer: u64,
}

/// `struct pfioc_state_addr_kill`: one end of a connection, as it is to be compared.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct EndToMatch {
    address: [u8; 16],
    mask: [u8; 16],
    /// The rest of `struct pf_addr_wrap`. Its type 0 is PF_ADDR_ADDRMASK.
    wrap: [u64; 2],
    reserved: [u8; 3],
    is_negated: u8,
    /// `struct pf_port_range`.
    ports: [[u8; 2]; 2],
    operator: u8,
    padding: [u8; 7],
}

/// `struct pfioc_state_kill`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StatesToKill {
    /// Before the call the address family, after it how many states were dropped, modulo 256.
    pub family_then_count: u8,
    protocol: u8,
    variant: u8,
    padding: [u8; 5],
    source: EndToMatch,
    destination: EndToMatch,
    interface: [u8; 16],
    owner: [u8; 64],
}

const _: () = assert!(size_of::<RemoveToken>() == 16);
const _: () = assert!(size_of::<StatesRequest>() == 16 && offset_of!(StatesRequest, buffer) == 8);
const _: () = assert!(size_of::<EndToMatch>() == 64 && offset_of!(EndToMatch, is_negated) == 51);
const _: () = assert!(offset_of!(EndToMatch, ports) == 52 && offset_of!(EndToMatch, operator) == 56);
const _: () = assert!(size_of::<StatesToKill>() == 216 && offset_of!(StatesToKill, source) == 8);
const _: () =
    assert!(offset_of!(StatesToKill, destination) == 72 && offset_of!(StatesToKill, interface) == 136);

/// `_IOR('D', 8, u_int64_t)`.
pub const DIOCSTARTREF: u64 = request(READ, 8, size_of::<u64>());
/// `_IOWR('D', 9, struct pfioc_remove_token)`.
pub const DIOCSTOPREF: u64 = request(READ | WRITE, 9, size_of::<RemoveToken>());
/// `_IOWR('D', 25, struct pfioc_states)`.
pub const DIOCGETSTATES: u64 = request(READ | WRITE, 25, size_of::<StatesRequest>());
/// `_IOWR('D', 41, struct pfioc_state_kill)`.
pub const DIOCKILLSTATES: u64 = request(READ | WRITE, 41, size_of::<StatesToKill>());

// As they stand in decompiled pfctls of macOS.
const _: () = assert!(DIOCSTARTREF == 1_074_283_528 && DIOCSTOPREF == 3_222_291_465);
const _: () = assert!(DIOCGETSTATES == 0xc010_4419 && DIOCKILLSTATES == 0xc0d8_4429);

const READ: u64 = 0x4000_0000;
const WRITE: u64 = 0x8000_0000;

/// The number of a request of the device group D (`bsd/sys/ioccom.h`).
const fn request(direction: u64, number: u64, size: usize) -> u64 {
    direction | (size as u64) << 16 | (b'D' as u64) << 8 | number
}

/// IPPROTO_TCP.
const TCP: u8 = 6;
/// AF_INET of macOS.
const FOUR: u8 = 2;
/// AF_INET6 of macOS.
const SIX: u8 = 30;
/// PF_OP_EQ: `pf_match_port` compares with the first port.
const EQUAL: u8 = 2;

impl EndToMatch {
    /// This address and this port, and no other.
    fn exactly(end: SocketAddr) -> Self {
        let (mut address, mut mask) = ([0; 16], [0; 16]);
        match end.ip() {
            IpAddr::V4(four) => {
                address[..4].copy_from_slice(&four.octets());
                mask[..4].fill(0xff);
            }
            IpAddr::V6(six) => {
                address = six.octets();
                mask.fill(0xff);
            }
        }
        EndToMatch {
            address,
            mask,
            wrap: [0; 2],
            reserved: [0; 3],
            is_negated: 0,
            ports: [end.port().to_be_bytes(), [0; 2]],
            operator: EQUAL,
            padding: [0; 7],
        }
    }
}

impl StatesToKill {
    /// What names the states of `connection` alone: masks and ports are whole, since the kernel takes zero for "any"
    /// (`pfioctl_ioc_state_kill`). Of an inbound state it compares the remote end with the source.
    pub fn of(connection: &TrackedConnection) -> Self {
        let mut interface = [0; 16];
        let name = connection.interface.as_deref().unwrap_or_default().bytes();
        // The last byte stays 0.
        interface[..15].iter_mut().zip(name).for_each(|(place, byte)| *place = byte);
        StatesToKill {
            family_then_count: if connection.local.is_ipv4() { FOUR } else { SIX },
            protocol: TCP,
            variant: 0,
            padding: [0; 5],
            source: EndToMatch::exactly(connection.source()),
            destination: EndToMatch::exactly(connection.destination()),
            interface,
            owner: [0; 64],
        }
    }
}

/// Size of `struct pfsync_state`, which is packed.
pub const STATE_SIZE: usize = 297;
/// Where in it the fields are that are read here: `ifname`, `lan`, `ext_lan`, `af_lan`, `proto`, `direction`.
const INTERFACE: usize = 8;
const LOCAL: usize = 24;
const REMOTE: usize = 72;
const FAMILY: usize = 282;
const PROTOCOL: usize = 284;
const DIRECTION: usize = 285;
/// PF_IN.
const IN: u8 = 1;
/// PF_OUT.
const OUT: u8 = 2;

/// The TCP connections among the states that DIOCGETSTATES gave.
pub fn tcp_connections(states: &[u8]) -> Vec<TrackedConnection> {
    states.chunks_exact(STATE_SIZE).filter_map(tcp_connection).collect()
}

/// `None` for a state of another protocol, or in a form that is not known.
fn tcp_connection(state: &[u8]) -> Option<TrackedConnection> {
    let is_inbound = match (state.get(PROTOCOL)?, state.get(DIRECTION)?) {
        (&TCP, &IN) => true,
        (&TCP, &OUT) => false,
        _ => return None,
    };
    let name = state.get(INTERFACE..INTERFACE + 16)?.split(|byte| *byte == 0).next()?;
    let name = String::from_utf8_lossy(name).into_owned();
    let family = *state.get(FAMILY)?;
    Some(TrackedConnection {
        // A state that is bound to no interface hangs on the kernel's `pfi_all`.
        interface: (name != "all" && !name.is_empty()).then_some(name),
        is_inbound,
        local: end(family, state.get(LOCAL..)?)?,
        remote: end(family, state.get(REMOTE..)?)?,
    })
}

/// `struct pfsync_state_host`: 16 bytes of address, then the port.
fn end(family: u8, host: &[u8]) -> Option<SocketAddr> {
    let address = match family {
        FOUR => IpAddr::V4(Ipv4Addr::from(*host.first_chunk::<4>()?)),
        SIX => IpAddr::V6(Ipv6Addr::from(*host.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_be_bytes(*host.get(16..)?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state as XNU exports it.
    fn exported(connection: &TrackedConnection) -> Vec<u8> {
        let mut state = vec![0xaa; STATE_SIZE];
        state[INTERFACE..INTERFACE + 16].fill(0);
        let name = connection.interface.as_deref().unwrap_or("all").as_bytes();
        state[INTERFACE..INTERFACE + name.len()].copy_from_slice(name);
        for (place, end) in [(LOCAL, connection.local), (REMOTE, connection.remote)] {
            match end.ip() {
                IpAddr::V4(four) => state[place..place + 4].copy_from_slice(&four.octets()),
                IpAddr::V6(six) => state[place..place + 16].copy_from_slice(&six.octets()),
            }
            state[place + 16..place + 18].copy_from_slice(&end.port().to_be_bytes());
        }
        state[FAMILY] = if connection.local.is_ipv4() { FOUR } else { SIX };
        state[PROTOCOL] = TCP;
        state[DIRECTION] = if connection.is_inbound { IN } else { OUT };
        state
    }

    /// Whether the kernel would drop the state, by `pfioctl_ioc_state_kill`, `pf_match_addr` and `pf_match_port`.
    fn is_killed(kill: &StatesToKill, state: &TrackedConnection) -> bool {
        let address = |end: SocketAddr| match end.ip() {
            IpAddr::V4(four) => [four.octets().as_slice(), &[0; 12]].concat(),
            IpAddr::V6(six) => six.octets().to_vec(),
        };
        let matches = |wanted: &EndToMatch, end: SocketAddr| {
            let address = address(end);
            let same =
                (0..16).all(|at| wanted.address[at] & wanted.mask[at] == address[at] & wanted.mask[at]);
            let port = u16::from_be_bytes(wanted.ports[0]);
            same && (wanted.operator == 0 || (wanted.operator == EQUAL && port == end.port()))
        };
        let family = if state.local.is_ipv4() { FOUR } else { SIX };
        let name: Vec<u8> = kill.interface.iter().copied().take_while(|byte| *byte != 0).collect();
        let bound = state.interface.as_deref().unwrap_or("all").as_bytes();
        (kill.family_then_count == 0 || kill.family_then_count == family)
            && (name.is_empty() || name == bound)
            && matches(&kill.source, state.source())
            && matches(&kill.destination, state.destination())
    }

    fn connection(text: &str) -> TrackedConnection {
        let (interface, rest) = text.split_once(' ').unwrap();
        let (is_inbound, (local, remote)) = match rest.split_once(" <- ") {
            Some(ends) => (true, ends),
            None => (false, rest.split_once(" -> ").unwrap()),
        };
        TrackedConnection {
            interface: (interface != "all").then(|| interface.to_owned()),
            is_inbound,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    const STATES: [&str; 9] = [
        "all 192.168.1.2:2345 <- 192.168.1.9:50000",
        "all 192.168.1.2:2345 <- 192.168.1.9:50001",
        "all 192.168.1.2:2346 <- 192.168.1.9:50000",
        "all 192.168.1.2:2345 <- 192.168.1.8:50000",
        "all 192.168.1.2:22 <- 192.168.1.9:50002",
        "all 192.168.1.2:50003 -> 192.168.1.9:2345",
        "en0 [fd00::2]:2345 <- [fd00::9]:50000",
        "all 127.0.0.1:2345 <- 127.0.0.1:50000",
        "all 127.0.0.1:50000 -> 127.0.0.1:2345",
    ];

    #[test]
    fn states_are_read_where_xnu_puts_them() {
        let states = STATES.map(connection);
        let mut exported: Vec<u8> = states.iter().flat_map(exported).collect();
        assert_eq!(tcp_connections(&exported), states);
        exported[PROTOCOL] = 17;
        assert_eq!(tcp_connections(&exported), states[1..], "UDP is left out");
        exported[STATE_SIZE + FAMILY] = 99;
        assert_eq!(tcp_connections(&exported[..exported.len() - 1]), states[2..8], "half a state is none");
    }

    #[test]
    fn a_state_is_dropped_alone() {
        let states = STATES.map(connection);
        for named in &states {
            let kill = StatesToKill::of(named);
            let killed: Vec<String> =
                states.iter().filter(|state| is_killed(&kill, state)).map(ToString::to_string).collect();
            // The two states of a connection over lo0 have the same ends.
            let expected = if named.local.ip().is_loopback() { 2 } else { 1 };
            assert_eq!(killed.len(), expected, "{named} drops {killed:?}");
        }
        let zero = EndToMatch { mask: [0; 16], operator: 0, ..EndToMatch::exactly(states[0].local) };
        let all = StatesToKill { source: zero, destination: zero, ..StatesToKill::of(&states[0]) };
        assert_eq!(
            states.iter().filter(|state| is_killed(&all, state)).count(),
            8,
            "as the crate pfctl does"
        );
    }
}
