//! The addresses and the interface of the packets that a query is about.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::pf::criteria::Family;
use crate::pf::rulesets::Rulesets;

use super::query::{ClientHost, Query};

/// The two addresses and the interface between them.
pub(super) struct Endpoints {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) interface: String,
}

pub(super) fn endpoints(loaded: &Rulesets, query: &Query) -> Endpoints {
    let four = match query.from {
        ClientHost::Host(address) => address.is_ipv4(),
        _ => query.family == Family::Inet,
    };
    let loopback =
        if four { IpAddr::from([127, 0, 0, 1]) } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]) };
    let is_own = |address: IpAddr| {
        address.is_loopback()
            || loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(|net| net.addr() == address))
    };
    match query.from {
        ClientHost::Loopback => {
            return Endpoints { from: loopback, to: loopback, interface: "lo0".to_owned() };
        }
        // A Mac reaches its own addresses over lo0, whatever interface they belong to.
        ClientHost::Host(address) if is_own(address) => {
            return Endpoints { from: address, to: address, interface: "lo0".to_owned() };
        }
        _ => {}
    }
    let outside = || loaded.interfaces().iter().filter(|facts| !facts.name.starts_with("lo"));
    let holds = |net: &IpNet| matches!(query.from, ClientHost::Host(address) if net.contains(&address));
    let facts = match &query.interface {
        Some(name) => loaded.interfaces().iter().find(|facts| facts.name == *name),
        None => outside()
            .find(|facts| facts.addresses.iter().any(holds))
            .or_else(|| {
                outside().find(|facts| facts.addresses.iter().any(|net| net.addr().is_ipv4() == four))
            })
            .or_else(|| outside().next()),
    };
    let interface = query.interface.clone().or_else(|| facts.map(|facts| facts.name.clone()));
    let default = if four { "192.168.1.10/24" } else { "fd00:6d61:6300:1::10/64" };
    let own =
        facts.and_then(|facts| facts.addresses.iter().find(|net| net.addr().is_ipv4() == four).copied());
    let own = own.or_else(|| default.parse().ok()).unwrap_or(IpNet::from(loopback));
    let from = match query.from {
        ClientHost::Host(address) => address,
        ClientHost::Network => unnamed_in(loaded, own),
        _ => stranger(loaded, four),
    };
    Endpoints { from, to: own.addr(), interface: interface.unwrap_or_else(|| "en0".to_owned()) }
}

/// A host of the network, other than `own`, that no rule names by itself.
pub fn unnamed_in(loaded: &Rulesets, own: IpNet) -> IpAddr {
    let is_own = |host: &IpAddr| {
        loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(|net| net.addr() == *host))
    };
    let hosts = || own.hosts().filter(|host| *host != own.addr() && !is_own(host)).take(256);
    // A rule that names the whole network names every host of it.
    let whole = loaded.names_address(own.network()) && own.prefix_len() < own.max_prefix_len();
    let unnamed = hosts().skip(1).find(|host| whole || !loaded.names_address(*host));
    unnamed.or_else(|| hosts().next()).unwrap_or(own.addr())
}

/// A host on the internet that no rule names, where there is one.
pub(super) fn stranger(loaded: &Rulesets, four: bool) -> IpAddr {
    // Public addresses of different blocks, none of them reserved, so that no list of bogus networks holds them all.
    const FOUR: [[u8; 4]; 5] =
        [[198, 41, 96, 7], [81, 2, 69, 160], [45, 33, 32, 156], [133, 242, 0, 3], [17, 253, 144, 10]];
    const SIX: [u16; 4] = [0x2a00, 0x2400, 0x2600, 0x2c00];
    let candidates: Vec<IpAddr> = if four {
        FOUR.into_iter().map(IpAddr::from).collect()
    } else {
        SIX.into_iter().map(|first| IpAddr::from([first, 0x1450, 0x4007, 0x80e, 0, 0, 0, 0x20])).collect()
    };
    let unnamed = candidates.iter().find(|address| !loaded.names_address(**address));
    unnamed.or(candidates.first()).copied().unwrap_or(IpAddr::from([198, 41, 96, 7]))
}
