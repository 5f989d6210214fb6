//! What sysctl(3) tells of routes and neighbours, byte by byte.
//!
//! From XNU's `bsd/net/route.h` and `bsd/net/if_dl.h` (xnu-11417, macOS 15.4), as arp(8), ndp(8) and netstat(1) read them:
//! messages of `struct rt_msghdr`, 92 bytes, each with the addresses that its mask names behind it, filled up to 4 bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::os::gateway::{Gateway, HardwareAddress, NetworkFacts, is_hardware, may_be_host_only};

/// `AF_INET`, `AF_INET6`.
pub const FAMILIES: [i32; 2] = [2, 30];

/// The bytes of `struct rt_msghdr`.
const HEADER: usize = 92;
/// `RTM_VERSION`.
const VERSION: u8 = 5;
const RTF_UP: u32 = 0x1;
const RTF_GATEWAY: u32 = 0x2;
const RTF_HOST: u32 = 0x4;

/// A default route by a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The number of its interface: a tunnel that takes the default route for itself leaves that of the hardware, which
    /// counts on its interface alone (`RTF_IFSCOPE`).
    pub interface: u16,
    pub router: IpAddr,
}

/// A machine whose hardware address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub interface: u16,
    pub address: IpAddr,
    pub hardware: HardwareAddress,
}

/// An interface that is up, with its number and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedInterface {
    pub name: String,
    pub index: u16,
    pub addresses: Vec<IpNet>,
}

/// The default routes in an answer to `NET_RT_DUMP`.
pub fn default_routes(answer: &[u8]) -> Vec<DefaultRoute> {
    let default = |message: RouteMessage| {
        let is_by_router = message.flags & (RTF_UP | RTF_GATEWAY | RTF_HOST) == RTF_UP | RTF_GATEWAY;
        let Some(SocketAddress::Ip(destination)) = message.addresses[0] else { return None };
        let Some(SocketAddress::Ip(router)) = message.addresses[1] else { return None };
        let is_default = is_by_router && destination.is_unspecified() && message.mask_is_empty;
        is_default.then_some(DefaultRoute { interface: message.interface, router })
    };
    messages(answer).into_iter().filter_map(default).collect()
}

/// The neighbours in an answer to `NET_RT_FLAGS` whose hardware address it tells.
pub fn neighbours(answer: &[u8]) -> Vec<Neighbour> {
    let neighbour = |message: RouteMessage| {
        let Some(SocketAddress::Ip(address)) = message.addresses[0] else { return None };
        let Some(SocketAddress::Link(Some(hardware))) = message.addresses[1] else { return None };
        Some(Neighbour { interface: message.interface, address, hardware })
    };
    messages(answer).into_iter().filter_map(neighbour).collect()
}

/// The networks of hardware interfaces and those of which this Mac is the gateway, each family by its own gateways.
pub fn network_facts(
    interfaces: &[IndexedInterface],
    routes: &[DefaultRoute],
    neighbours: &[Neighbour],
) -> Vec<NetworkFacts> {
    let mut facts = Vec::new();
    for IndexedInterface { name, index, addresses } in interfaces {
        let at = |interface: u16| interface == *index;
        let has_route = routes.iter().any(|route| at(route.interface));
        if !is_hardware(name) && !may_be_host_only(name) {
            continue;
        }
        for is_v4 in [true, false] {
            let near = |address: &&IpNet| address.addr().is_ipv4() == is_v4 && !is_link_local(address.addr());
            let mut prefixes: Vec<IpNet> = addresses.iter().filter(near).map(IpNet::trunc).collect();
            prefixes.sort();
            prefixes.dedup();
            if prefixes.is_empty() {
                continue;
            }
            let of_family =
                routes.iter().filter(|route| at(route.interface) && route.router.is_ipv4() == is_v4);
            let mut gateways: Vec<Gateway> = of_family
                .filter_map(|route| {
                    let mut known = neighbours.iter().filter(|one| at(one.interface));
                    Some(Gateway::Router(known.find(|one| one.address == route.router)?.hardware))
                })
                .collect();
            if !has_route && !is_hardware(name) {
                gateways.push(Gateway::ThisMac);
            }
            gateways.sort();
            gateways.dedup();
            let network =
                |gateway| NetworkFacts { interface: name.clone(), prefixes: prefixes.clone(), gateway };
            match gateways.is_empty() {
                true => facts.push(network(None)),
                false => facts.extend(gateways.into_iter().map(|gateway| network(Some(gateway)))),
            }
        }
    }
    facts
}

/// Addresses that a Mac gives itself, on any network.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// One message: what of it counts here.
struct RouteMessage {
    interface: u16,
    flags: u32,
    /// `RTA_DST`, `RTA_GATEWAY`.
    addresses: [Option<SocketAddress>; 2],
    /// Whether `RTA_NETMASK` is there, without a bit.
    mask_is_empty: bool,
}

/// `struct sockaddr_in`, `sockaddr_in6` or `sockaddr_dl`.
#[derive(Clone, Copy)]
enum SocketAddress {
    Ip(IpAddr),
    Link(Option<HardwareAddress>),
}

/// The messages of an answer, as far as they read.
fn messages(answer: &[u8]) -> Vec<RouteMessage> {
    let mut messages = Vec::new();
    let mut rest = answer;
    while let Some(length) = rest.first_chunk::<2>().map(|bytes| usize::from(u16::from_ne_bytes(*bytes)))
        && let Some((message, behind)) = rest.split_at_checked(length)
        && length >= HEADER
    {
        messages.extend(message_of(message));
        rest = behind;
    }
    messages
}

fn message_of(message: &[u8]) -> Option<RouteMessage> {
    let number = |at: usize| Some(u32::from_ne_bytes(*message.get(at..)?.first_chunk()?));
    if message.get(2) != Some(&VERSION) {
        return None;
    }
    let (interface, flags, named) =
        (u16::from_ne_bytes(*message.get(4..)?.first_chunk()?), number(8)?, number(12)?);
    let mut found = RouteMessage { interface, flags, addresses: [None; 2], mask_is_empty: false };
    let mut rest = message.get(HEADER..)?;
    for place in (0..3).filter(|place| named & (1 << place) != 0) {
        let length = usize::from(*rest.first()?);
        let address = rest.get(..length)?;
        match place {
            2 => found.mask_is_empty = address.get(4..).unwrap_or_default().iter().all(|byte| *byte == 0),
            place => *found.addresses.get_mut(place)? = socket_address(address),
        }
        rest = rest.get(length.max(1).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(found)
}

fn socket_address(bytes: &[u8]) -> Option<SocketAddress> {
    const LINK: u8 = 18;
    let [inet, inet6] = FAMILIES;
    match i32::from(*bytes.get(1)?) {
        family if family == inet => {
            Some(SocketAddress::Ip(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?).into()))
        }
        family if family == inet6 => {
            let mut address = *bytes.get(8..)?.first_chunk::<16>()?;
            // The kernel keeps the number of the interface within a link-local address.
            if address.starts_with(&[0xfe]) && address[1] & 0xc0 == 0x80 {
                address[2..4].fill(0);
            }
            Some(SocketAddress::Ip(Ipv6Addr::from(address).into()))
        }
        family if family == i32::from(LINK) => {
            let (name, length) = (usize::from(*bytes.get(5)?), usize::from(*bytes.get(6)?));
            let hardware = bytes.get(8 + name..).and_then(|rest| rest.first_chunk::<6>());
            Some(SocketAddress::Link(
                hardware.filter(|_| length == 6).and_then(|bytes| HardwareAddress::known(*bytes)),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: [u8; 6] = [0xa4, 0x91, 0xb1, 0, 0, 1];

    /// A message for the interface of this number; `addresses`: destination, gateway and mask, where it has one, of which the
    /// first byte is the length.
    fn message(interface: u16, flags: u32, addresses: &[Vec<u8>]) -> Vec<u8> {
        let body: Vec<u8> = addresses
            .iter()
            .flat_map(|address| {
                let mut padded = address.clone();
                padded.resize(address.len().max(1).next_multiple_of(4), 0xee);
                padded
            })
            .collect();
        let mut message = vec![0; HEADER];
        let length = u16::try_from(HEADER + body.len()).unwrap();
        message[..2].copy_from_slice(&length.to_ne_bytes());
        message[2..4].copy_from_slice(&[VERSION, 4]);
        message[4..6].copy_from_slice(&interface.to_ne_bytes());
        message[8..12].copy_from_slice(&flags.to_ne_bytes());
        message[12..16].copy_from_slice(&((1u32 << addresses.len()) - 1).to_ne_bytes());
        message.extend(body);
        message
    }

    fn v4(address: &str) -> Vec<u8> {
        let octets = address.parse::<Ipv4Addr>().unwrap().octets();
        [&[16, 2, 0, 0][..], &octets, &[0; 8]].concat()
    }

    fn v6(address: &str) -> Vec<u8> {
        let octets = address.parse::<Ipv6Addr>().unwrap().octets();
        [&[28, 30, 0, 0, 0, 0, 0, 0][..], &octets, &[0; 4]].concat()
    }

    /// `struct sockaddr_dl`, with as many letters of a name before the address.
    fn link(name: &str, hardware: &[u8]) -> Vec<u8> {
        let lengths = [u8::try_from(name.len()).unwrap(), u8::try_from(hardware.len()).unwrap(), 0];
        let mut bytes = [&[20, 18, 4, 0, 6][..], &lengths, name.as_bytes(), hardware].concat();
        bytes.resize(20, 0);
        bytes
    }

    /// `RTF_UP`, `RTF_GATEWAY`; `RTF_IFSCOPE`.
    const BY_ROUTER: u32 = 0x3;
    const SCOPED: u32 = 0x100_0000;

    #[test]
    fn the_default_route_of_the_hardware_is_found_behind_a_tunnel() {
        let no_mask = vec![0];
        let answer = [
            // A tunnel has the default route; that of en0 counts for en0 alone.
            message(9, 0x1, &[v4("0.0.0.0"), link("utun4", &[]), no_mask.clone()]),
            message(4, BY_ROUTER | SCOPED, &[v4("0.0.0.0"), v4("192.168.1.1"), no_mask.clone()]),
            message(9, BY_ROUTER, &[v4("0.0.0.0"), v4("10.8.0.1"), vec![5, 0, 0, 0, 0x80]]),
            message(4, BY_ROUTER | RTF_HOST, &[v4("0.0.0.0"), v4("192.168.1.2")]),
            message(4, BY_ROUTER, &[v4("10.0.0.0"), v4("192.168.1.3"), vec![5, 0, 0, 0, 0xff]]),
            message(4, BY_ROUTER, &[v6("::"), v6("fe80:4::1"), no_mask]),
        ]
        .concat();
        let route = |router: &str| DefaultRoute { interface: 4, router: router.parse().unwrap() };
        assert_eq!(default_routes(&answer), [route("192.168.1.1"), route("fe80::1")]);
    }

    #[test]
    fn neighbours_are_those_whose_address_is_known() {
        let answer = [
            message(4, 0x405, &[v4("192.168.1.1"), link("", &ROUTER)]),
            message(4, 0x405, &[v4("192.168.1.7"), link("", &[])]),
            message(4, 0x405, &[v4("192.168.1.8"), link("", &[2, 0, 0, 0, 0, 0])]),
            message(4, 0x405, &[v6("fe80:4::1"), link("en0", &ROUTER)]),
        ]
        .concat();
        let hardware = HardwareAddress::known(ROUTER).unwrap();
        let neighbour =
            |address: &str| Neighbour { interface: 4, address: address.parse().unwrap(), hardware };
        assert_eq!(neighbours(&answer), [neighbour("192.168.1.1"), neighbour("fe80::1")]);
    }

    #[test]
    fn what_is_cut_off_or_of_another_version_is_no_message() {
        let whole = message(4, BY_ROUTER, &[v4("0.0.0.0"), v4("192.168.1.1"), vec![0]]);
        assert_eq!(default_routes(&whole).len(), 1);
        for length in 0..whole.len() {
            assert_eq!(default_routes(&whole[..length]), [], "{length}");
        }
        let mut other = whole.clone();
        other[2] = 6;
        assert_eq!(default_routes(&[other, whole].concat()).len(), 1, "the next one reads");
        assert_eq!(default_routes(&[0; 200]), []);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut headed = message(4, 3, &[bytes.clone(), bytes.clone(), bytes.clone()]);
            headed.truncate(300);
            for answer in [bytes, headed] {
                let _ = (default_routes(&answer), neighbours(&answer));
            }
        }
    }

    #[test]
    fn each_family_has_its_own_gateway() {
        let interface = |name: &str, index: u16, addresses: &[&str]| IndexedInterface {
            name: name.to_owned(),
            index,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        let interfaces = [
            interface("en0", 4, &["192.168.1.9/24", "2001:db8::9/64", "2001:db8::a/64", "fe80::9/64"]),
            interface("en7", 7, &["169.254.3.4/16", "10.0.0.9/16"]),
            interface("utun4", 9, &["10.8.0.2/24"]),
            interface("bridge100", 11, &["192.168.64.1/24"]),
            interface("bridge0", 12, &["172.16.0.9/24"]),
        ];
        let route = |interface, router: &str| DefaultRoute { interface, router: router.parse().unwrap() };
        let routes = [
            route(4, "192.168.1.1"),
            route(4, "fe80::1"),
            route(4, "fe80::2"),
            route(9, "10.8.0.1"),
            route(7, "10.0.0.1"),
            route(12, "172.16.0.1"),
        ];
        let hardware = |last: u8| HardwareAddress::known([0xa4, 0x91, 0xb1, 0, 0, last]).unwrap();
        let neighbour = |interface, address: &str, last: u8| Neighbour {
            interface,
            address: address.parse().unwrap(),
            hardware: hardware(last),
        };
        let neighbours = [
            neighbour(4, "192.168.1.1", 1),
            neighbour(4, "fe80::1", 1),
            neighbour(4, "fe80::2", 2),
            neighbour(9, "10.8.0.1", 9),
            neighbour(4, "10.0.0.1", 7),
            neighbour(12, "172.16.0.1", 5),
        ];
        let shown: Vec<String> = network_facts(&interfaces, &routes, &neighbours)
            .iter()
            .map(|facts| {
                let gateway = facts.gateway.map_or("unknown".to_owned(), |gateway| gateway.to_string());
                let prefixes: Vec<String> = facts.prefixes.iter().map(ToString::to_string).collect();
                format!("{} {} {gateway}", facts.interface, prefixes.join(","))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "en0 192.168.1.0/24 a4:91:b1:00:00:01",
                "en0 2001:db8::/64 a4:91:b1:00:00:01",
                "en0 2001:db8::/64 a4:91:b1:00:00:02",
                "en7 10.0.0.0/16 unknown",
                "bridge100 192.168.64.0/24 this-mac",
                "bridge0 172.16.0.0/24 a4:91:b1:00:00:05",
            ]
        );
    }
}
