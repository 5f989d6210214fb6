//! What `/dev/pf` takes and gives (xnu, `bsd/net/pfvar.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `_IO…('D', number, argument)`: direction, size of the argument, letter, number (xnu, `bsd/sys/ioccom.h`).
const fn request(direction: u64, number: u64, size: usize) -> u64 {
    direction | (size as u64 & 0x1fff) << 16 | (b'D' as u64) << 8 | number
}

const NONE: u64 = 0x2000_0000;
const OUT: u64 = 0x4000_0000;
const IN_OUT: u64 = 0xc000_0000;

pub const START: u64 = request(NONE, 1, 0);
pub const STOP: u64 = request(NONE, 2, 0);
pub const GET_STARTERS: u64 = request(IN_OUT, 5, size_of::<List>());
pub const START_REFERENCE: u64 = request(OUT, 8, size_of::<u64>());
pub const STOP_REFERENCE: u64 = request(IN_OUT, 9, size_of::<RemoveToken>());
pub const GET_STATES: u64 = request(IN_OUT, 25, size_of::<List>());
pub const KILL_STATES: u64 = request(IN_OUT, 41, size_of::<Kill>());

/// `struct pfioc_states` and `struct pfioc_tokens`: how many bytes there is room for, and where.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct List {
    pub length: i32,
    pub buffer: *mut u8,
}

/// `struct pfioc_remove_token`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RemoveToken {
    pub token: u64,
    /// How many hold pf after that.
    pub left: u64,
}

/// `struct pfioc_token`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Token {
    pub token: u64,
    pub since: u64,
    pub pid: i32,
    pub name: [u8; 64],
}

/// `struct pfioc_state_addr_kill`: one end of a connection, as it is to be compared.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KillEnd {
    pub address: [u8; 16],
    pub mask: [u8; 16],
    /// The rest of `struct pf_addr_wrap`.
    pub wrap: [u64; 2],
    pub reserved: [u8; 3],
    pub negated: u8,
    /// Big-endian; `union pf_rule_xport`.
    pub ports: [[u8; 2]; 2],
    /// `PF_OP_…`; 0 compares no port.
    pub operator: u8,
    pub padding: [u8; 7],
}

/// `struct pfioc_state_kill`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// Of macOS; 0 is any. The kernel gives back here how many states went.
    pub family: u8,
    /// 0 is any.
    pub protocol: u8,
    pub variant: u8,
    pub padding: u8,
    pub source: KillEnd,
    pub destination: KillEnd,
    /// Empty is any.
    pub interface: [u8; 16],
    pub owner: [u8; 64],
}

/// `struct pfsync_state_host`.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
pub struct StateHost {
    pub address: [u8; 16],
    /// Big-endian; `union pf_state_xport`.
    pub port: [u8; 2],
    pub padding: [u8; 6],
}

/// `struct pfsync_state`.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub struct State {
    pub id: [u8; 8],
    pub interface: [u8; 16],
    /// This machine's end, and the other's; before translation and after.
    pub lan: StateHost,
    pub gateway: StateHost,
    pub other_lan: StateHost,
    pub other_gateway: StateHost,
    pub peers: [[u8; 32]; 2],
    pub route: [u8; 16],
    pub hooks: [u8; 16],
    pub rule: u32,
    pub anchor: u32,
    pub translation: u32,
    pub created: u64,
    pub expires: u64,
    pub packets: [[u32; 2]; 2],
    pub bytes: [[u32; 2]; 2],
    pub creator: u32,
    pub tag: u16,
    pub family: u8,
    pub gateway_family: u8,
    pub protocol: u8,
    pub direction: u8,
    pub log: u8,
    pub options: u8,
    pub timeout: u8,
    pub synchronised: u8,
    pub updates: u8,
    pub variant: u8,
    pub padding: u8,
    pub flow: u32,
}

pub const IN: u8 = 1;
pub const OUTWARD: u8 = 2;

const _: () = assert!(size_of::<List>() == 16 && size_of::<RemoveToken>() == 16 && size_of::<Token>() == 88);
const _: () = assert!(size_of::<KillEnd>() == 64 && size_of::<Kill>() == 216);
const _: () =
    assert!(std::mem::offset_of!(KillEnd, ports) == 52 && std::mem::offset_of!(KillEnd, operator) == 56);
const _: () =
    assert!(std::mem::offset_of!(Kill, source) == 8 && std::mem::offset_of!(Kill, interface) == 136);
const _: () = assert!(size_of::<StateHost>() == 24 && size_of::<State>() == 297);
const _: () = assert!(std::mem::offset_of!(State, lan) == 24 && std::mem::offset_of!(State, other_lan) == 72);
const _: () = assert!(std::mem::offset_of!(State, rule) == 216 && std::mem::offset_of!(State, family) == 282);
const _: () =
    assert!(std::mem::offset_of!(State, direction) == 285 && std::mem::offset_of!(State, flow) == 293);

/// An address in the sixteen bytes of `struct pf_addr`: IPv4 in the first four.
pub fn address(address: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&Ipv4Addr::octets(&v4)),
        IpAddr::V6(v6) => bytes = Ipv6Addr::octets(&v6),
    }
    bytes
}

/// What a state is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// Of macOS.
    pub family: u8,
    pub protocol: u8,
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
}

impl Kill {
    /// Whether XNU drops such a state (`pf_ioctl.c`, `pfioctl_ioc_state_kill`): every field that is set must fit, and an
    /// address is compared under its mask, so that a mask of zeroes fits every address.
    pub fn fits(&self, state: &Compared, interface: &str) -> bool {
        let wanted = self.interface.split(|byte| *byte == 0).next().unwrap_or_default();
        (self.family == 0 || self.family == state.family)
            && (self.protocol == 0 || self.protocol == state.protocol)
            && self.source.fits(self.protocol, state.source)
            && self.destination.fits(self.protocol, state.destination)
            && (wanted.is_empty() || wanted == interface.as_bytes())
            // No rule of the lab has an owner.
            && self.owner[0] == 0
    }
}

impl KillEnd {
    fn fits(&self, protocol: u8, (other, port): (IpAddr, u16)) -> bool {
        let other_bytes = address(other);
        let length = if other.is_ipv4() { 4 } else { 16 };
        let same = (0..length).all(|at| self.address[at] & self.mask[at] == other_bytes[at] & self.mask[at]);
        // Ports are compared only where the call names a protocol that has some (`pf_match_xport`).
        let has_ports = [1, 6, 17, 58].contains(&protocol);
        same != (self.negated != 0) && (!has_ports || self.port_fits(port))
    }

    /// `pf_match_port`.
    fn port_fits(&self, port: u16) -> bool {
        let [first, last] = self.ports.map(u16::from_be_bytes);
        match self.operator {
            0 => true,
            1 => first < port && port < last,
            2 => port == first,
            3 => port != first,
            4 => port < first,
            5 => port <= first,
            6 => port > first,
            7 => port >= first,
            8 => port < first || port > last,
            9 => first <= port && port <= last,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str, mask: u8, operator: u8) -> KillEnd {
        let end: std::net::SocketAddr = text.parse().unwrap();
        KillEnd {
            address: address(end.ip()),
            mask: [mask; 16],
            wrap: [0; 2],
            reserved: [0; 3],
            negated: 0,
            ports: [end.port().to_be_bytes(), [0; 2]],
            operator,
            padding: [0; 7],
        }
    }

    fn kill(protocol: u8, mask: u8, operator: u8) -> Kill {
        let (source, destination) =
            (end("192.168.1.9:50000", mask, operator), end("192.168.1.2:2345", mask, operator));
        let (interface, owner) = ([0; 16], [0; 64]);
        Kill { family: 2, protocol, variant: 0, padding: 0, source, destination, interface, owner }
    }

    fn state(source: &str, destination: &str) -> Compared {
        let end = |text: &str| {
            let end: std::net::SocketAddr = text.parse().unwrap();
            (end.ip(), end.port())
        };
        Compared { family: 2, protocol: 6, source: end(source), destination: end(destination) }
    }

    #[test]
    fn requests_are_those_of_the_header() {
        assert_eq!((START, STOP), (536_888_321, 536_888_322));
        assert_eq!((START_REFERENCE, STOP_REFERENCE), (1_074_283_528, 3_222_291_465));
        assert_eq!((GET_STARTERS, GET_STATES), (3_222_291_461, 0xc010_4419));
        assert_eq!(KILL_STATES, 0xc0d8_4429);
    }

    #[test]
    fn masks_and_ports_single_out_one_state() {
        let one = state("192.168.1.9:50000", "192.168.1.2:2345");
        let others = [
            state("192.168.1.9:50001", "192.168.1.2:2345"),
            state("192.168.1.9:50000", "192.168.1.2:22"),
            state("192.168.1.8:50000", "192.168.1.2:2345"),
        ];
        let exact = kill(6, 0xff, 2);
        assert!(exact.fits(&one, "en0") && !others.iter().any(|other| exact.fits(other, "en0")));
        // Masks and operators of zero: every state of the family goes.
        let careless = kill(6, 0, 0);
        assert!(careless.fits(&one, "en0") && others.iter().all(|other| careless.fits(other, "en0")));
        assert!(!kill(17, 0xff, 2).fits(&one, "en0"), "another protocol");
        // Without a protocol no port is compared.
        assert!(kill(0, 0xff, 2).fits(&others[0], "en0"));
    }

    #[test]
    fn the_other_fields_narrow() {
        let one = state("192.168.1.9:50000", "192.168.1.2:2345");
        let mut named = kill(6, 0xff, 2);
        named.interface[..3].copy_from_slice(b"en0");
        assert!(named.fits(&one, "en0") && !named.fits(&one, "en1"));
        let mut negated = kill(6, 0xff, 2);
        negated.source.negated = 1;
        assert!(!negated.fits(&one, "en0"));
        let mut six = kill(6, 0, 0);
        six.family = 30;
        assert!(!six.fits(&one, "en0"));
    }

    #[test]
    fn every_operator() {
        for (operator, fitting) in [
            (1, [false, true, false, false]),
            (2, [true, false, false, false]),
            (3, [false, true, true, true]),
            (4, [false, false, false, false]),
            (5, [true, false, false, false]),
            (6, [false, true, true, true]),
            (7, [true, true, true, true]),
            (8, [false, false, false, true]),
            (9, [true, true, true, false]),
        ] {
            let range = KillEnd { ports: [10u16, 20].map(u16::to_be_bytes), ..end("0.0.0.0:0", 0, operator) };
            assert_eq!([10, 15, 20, 21].map(|port| range.port_fits(port)), fitting, "{operator}");
        }
    }
}
