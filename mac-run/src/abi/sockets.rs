//! Sockets, their addresses and options (xnu, `bsd/sys/socket.h`, `bsd/netinet/in.h`, `in6.h`, `tcp.h`,
//! `bsd/net/if.h`; Libinfo's `netdb.h`).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::c_int;

use super::Pairs;

pub const FAMILIES: &Pairs<c_int> =
    &[(0, libc::AF_UNSPEC), (1, libc::AF_UNIX), (2, libc::AF_INET), (30, libc::AF_INET6)];
pub const AF_UNIX: u8 = 1;
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 30;

/// Flags of `send` and `recv`.
pub const MESSAGE_FLAGS: &Pairs<c_int> = &[
    (0x01, libc::MSG_OOB),
    (0x02, libc::MSG_PEEK),
    (0x04, libc::MSG_DONTROUTE),
    (0x08, libc::MSG_EOR),
    (0x10, libc::MSG_TRUNC),
    (0x20, libc::MSG_CTRUNC),
    (0x40, libc::MSG_WAITALL),
    (0x80, libc::MSG_DONTWAIT),
    (0x8_0000, libc::MSG_NOSIGNAL),
];

/// `SOL_SOCKET`.
pub const SOCKET_LEVEL: c_int = 0xffff;

/// Options: level and number on macOS, level and number on Linux.
pub const OPTIONS: &Pairs<(c_int, c_int)> = &[
    ((SOCKET_LEVEL, 0x0001), (libc::SOL_SOCKET, libc::SO_DEBUG)),
    ((SOCKET_LEVEL, 0x0002), (libc::SOL_SOCKET, libc::SO_ACCEPTCONN)),
    ((SOCKET_LEVEL, 0x0004), (libc::SOL_SOCKET, libc::SO_REUSEADDR)),
    ((SOCKET_LEVEL, 0x0008), (libc::SOL_SOCKET, libc::SO_KEEPALIVE)),
    ((SOCKET_LEVEL, 0x0020), (libc::SOL_SOCKET, libc::SO_BROADCAST)),
    ((SOCKET_LEVEL, 0x0200), (libc::SOL_SOCKET, libc::SO_REUSEPORT)),
    ((SOCKET_LEVEL, 0x1001), (libc::SOL_SOCKET, libc::SO_SNDBUF)),
    ((SOCKET_LEVEL, 0x1002), (libc::SOL_SOCKET, libc::SO_RCVBUF)),
    ((SOCKET_LEVEL, SO_SNDTIMEO), (libc::SOL_SOCKET, libc::SO_SNDTIMEO)),
    ((SOCKET_LEVEL, SO_RCVTIMEO), (libc::SOL_SOCKET, libc::SO_RCVTIMEO)),
    ((SOCKET_LEVEL, SO_ERROR), (libc::SOL_SOCKET, libc::SO_ERROR)),
    ((SOCKET_LEVEL, 0x1008), (libc::SOL_SOCKET, libc::SO_TYPE)),
    // SO_LINGER_SEC: in seconds, as on Linux.
    ((SOCKET_LEVEL, 0x1080), (libc::SOL_SOCKET, libc::SO_LINGER)),
    ((libc::IPPROTO_IP, 3), (libc::IPPROTO_IP, libc::IP_TOS)),
    ((libc::IPPROTO_IP, 4), (libc::IPPROTO_IP, libc::IP_TTL)),
    ((libc::IPPROTO_IPV6, 4), (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)),
    ((libc::IPPROTO_IPV6, 27), (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)),
    ((libc::IPPROTO_TCP, 1), (libc::IPPROTO_TCP, libc::TCP_NODELAY)),
    ((libc::IPPROTO_TCP, 2), (libc::IPPROTO_TCP, libc::TCP_MAXSEG)),
    ((libc::IPPROTO_TCP, 0x10), (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE)),
    ((libc::IPPROTO_TCP, 0x101), (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL)),
    ((libc::IPPROTO_TCP, 0x102), (libc::IPPROTO_TCP, libc::TCP_KEEPCNT)),
];
pub const SO_SNDTIMEO: c_int = 0x1005;
pub const SO_RCVTIMEO: c_int = 0x1006;
pub const SO_ERROR: c_int = 0x1007;
/// No SIGPIPE from this socket: Linux has that for each message only.
pub const SO_NOSIGPIPE: c_int = 0x1022;

/// `struct timeval`, whose microseconds are 32 bits wide.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeValue {
    pub seconds: i64,
    pub microseconds: i32,
}

/// Hints of `getaddrinfo`.
pub const ADDRINFO_FLAGS: &Pairs<c_int> = &[
    (0x0001, libc::AI_PASSIVE),
    (0x0002, libc::AI_CANONNAME),
    (0x0004, libc::AI_NUMERICHOST),
    (0x0100, libc::AI_ALL),
    (0x0400, libc::AI_ADDRCONFIG),
    (0x0800, libc::AI_V4MAPPED),
    (0x1000, libc::AI_NUMERICSERV),
];
/// `EAI_…`
pub const NAME_ERRORS: &Pairs<c_int> = &[
    (0, 0),
    (2, libc::EAI_AGAIN),
    (3, libc::EAI_BADFLAGS),
    (4, libc::EAI_FAIL),
    (5, libc::EAI_FAMILY),
    (6, libc::EAI_MEMORY),
    (8, libc::EAI_NONAME),
    (9, libc::EAI_SERVICE),
    (10, libc::EAI_SOCKTYPE),
    (11, libc::EAI_SYSTEM),
];

/// `IFF_…`
pub const INTERFACE_FLAGS: &Pairs<c_int> = &[
    (0x0001, libc::IFF_UP),
    (0x0002, libc::IFF_BROADCAST),
    (0x0008, libc::IFF_LOOPBACK),
    (0x0010, libc::IFF_POINTOPOINT),
    (0x0040, libc::IFF_RUNNING),
    (0x0080, libc::IFF_NOARP),
    (0x0100, libc::IFF_PROMISC),
    (0x8000, libc::IFF_MULTICAST),
];

/// An address of a socket, of the kinds that both systems have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `sockaddr_in`, `sockaddr_in6`.
    Internet(SocketAddr),
    /// `sockaddr_un`; empty where the socket has no name.
    Path(Vec<u8>),
    /// A family without an address, as `connect` takes it to part a datagram socket.
    None,
}

impl Address {
    /// Reads macOS's form: one byte of length, one of family, then as on Linux. `None`: another family, or too short.
    pub fn from_mac(bytes: &[u8]) -> Option<Self> {
        let port = || Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
        match *bytes.get(1)? {
            AF_INET => {
                let address = Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?);
                Some(Address::Internet(SocketAddrV4::new(address, port()?).into()))
            }
            AF_INET6 => {
                let number = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok();
                let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?);
                let (flow, scope) = (u32::from_ne_bytes(number(4)?), u32::from_ne_bytes(number(24)?));
                Some(Address::Internet(SocketAddrV6::new(address, port()?, flow, scope).into()))
            }
            AF_UNIX => {
                let path = bytes.get(2..)?;
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                Some(Address::Path(path[..end].to_vec()))
            }
            0 => Some(Address::None),
            _ => None,
        }
    }

    /// macOS's form, with its length in the first byte.
    pub fn to_mac(&self) -> Vec<u8> {
        let mut bytes = match self {
            Address::Internet(SocketAddr::V4(v4)) => {
                let mut bytes = vec![0, AF_INET];
                bytes.extend(v4.port().to_be_bytes());
                bytes.extend(v4.ip().octets());
                bytes.resize(16, 0);
                bytes
            }
            Address::Internet(SocketAddr::V6(v6)) => {
                let mut bytes = vec![0, AF_INET6];
                bytes.extend(v6.port().to_be_bytes());
                bytes.extend(v6.flowinfo().to_ne_bytes());
                bytes.extend(v6.ip().octets());
                bytes.extend(v6.scope_id().to_ne_bytes());
                bytes
            }
            Address::Path(path) => {
                // The kernel gives the whole of an unnamed socket's address: length, family, and 14 zeroes.
                let mut bytes = [&[0, AF_UNIX][..], path, &[0]].concat();
                bytes.resize(bytes.len().max(16), 0);
                bytes
            }
            Address::None => vec![0; 16],
        };
        bytes[0] = bytes.len() as u8;
        bytes
    }

    /// Reads Linux's form.
    pub fn from_linux(bytes: &[u8]) -> Option<Self> {
        let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
        let mac = super::to_mac(FAMILIES, c_int::from(family))?;
        let mut same = bytes.to_vec();
        same[..2].copy_from_slice(&[0, mac as u8]);
        Self::from_mac(&same)
    }

    /// Linux's form.
    pub fn to_linux(&self) -> Vec<u8> {
        let mut bytes = self.to_mac();
        let family = super::to_linux(FAMILIES, c_int::from(bytes[1])).unwrap_or_default() as u16;
        bytes[..2].copy_from_slice(&family.to_ne_bytes());
        if let Address::Path(path) = self {
            // No name at all is the family alone; a name ends in NUL.
            bytes.truncate(if path.is_empty() { 2 } else { 2 + path.len() + 1 });
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(FAMILIES);
        crate::abi::assert_one_to_one(MESSAGE_FLAGS);
        crate::abi::assert_one_to_one(OPTIONS);
        crate::abi::assert_one_to_one(ADDRINFO_FLAGS);
        crate::abi::assert_one_to_one(NAME_ERRORS);
        crate::abi::assert_one_to_one(INTERFACE_FLAGS);
    }

    #[test]
    fn addresses_survive_both_forms() {
        for text in ["127.0.0.1:2345", "[::1]:9229", "[fe80::1%4]:80"] {
            let address = Address::Internet(text.parse().unwrap());
            let (mac, linux) = (address.to_mac(), address.to_linux());
            assert_eq!(mac.len(), usize::from(mac[0]));
            assert_eq!(Address::from_mac(&mac), Some(address.clone()));
            assert_eq!(Address::from_linux(&linux), Some(address));
            assert_eq!(mac[2..], linux[2..]);
        }
        for path in [&b"/tmp/socket"[..], b""] {
            let address = Address::Path(path.to_vec());
            assert_eq!(Address::from_mac(&address.to_mac()), Some(address.clone()));
            assert_eq!(Address::from_linux(&address.to_linux()), Some(address));
        }
    }

    #[test]
    fn the_forms_are_those_of_the_headers() {
        let four = Address::Internet("192.168.1.2:2345".parse().unwrap());
        assert_eq!(four.to_mac()[..8], [16, 2, 0x09, 0x29, 192, 168, 1, 2]);
        assert_eq!(four.to_linux()[..4], [2, 0, 0x09, 0x29]);
        let six = Address::Internet("[::1]:1".parse().unwrap());
        assert_eq!((six.to_mac().len(), six.to_mac()[1], six.to_linux()[0]), (28, 30, 10));
        assert_eq!(Address::from_mac(&[16, 18, 0, 0]), None);
    }
}
