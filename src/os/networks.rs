//! The networks this machine is on.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::os::gateway::NetworkFacts;

/// Clients of a network that use their link-local address.
pub const LINK_LOCAL: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10));

/// The networks of every interface that is up, loopback and point-to-point tunnels apart, each once: IPv4 with the
/// interface's own mask, of IPv6 the interface's prefix, and [`LINK_LOCAL`] where there is one at all. Errors:
/// getifaddrs(3) fails.
pub fn networks() -> std::io::Result<Vec<IpNet>> {
    let found = if_addrs::get_if_addrs()?;
    let mut networks: Vec<IpNet> = found
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .filter_map(|interface| match interface.addr {
            if_addrs::IfAddr::V4(v4) => Ipv4Net::with_netmask(v4.ip, v4.netmask).ok().map(IpNet::V4),
            if_addrs::IfAddr::V6(v6) => Ipv6Net::with_netmask(v6.ip, v6.netmask).ok().map(IpNet::V6),
        })
        // A tunnel to one peer is no network; a prefix this short is none that a machine is on.
        .filter(|network| match network {
            IpNet::V4(v4) => (8..31).contains(&v4.prefix_len()),
            IpNet::V6(v6) => (10..127).contains(&v6.prefix_len()),
        })
        .map(|network| network.trunc())
        .collect();
    if !networks.is_empty() {
        networks.push(LINK_LOCAL);
    }
    networks.sort();
    networks.dedup();
    Ok(networks)
}

/// An interface and its addresses, each with the bits of its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub addresses: Vec<IpNet>,
}

/// Every interface; loopback apart. Errors: getifaddrs(3) fails.
pub fn interfaces() -> std::io::Result<Vec<Interface>> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for found in if_addrs::get_if_addrs()?.into_iter().filter(|found| !found.is_loopback()) {
        let bits = match &found.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        let Ok(address) = IpNet::new(found.ip(), bits) else { continue };
        match interfaces.iter_mut().find(|interface| interface.name == found.name) {
            Some(interface) => interface.addresses.push(address),
            None => interfaces.push(Interface { name: found.name, addresses: vec![address] }),
        }
    }
    Ok(interfaces)
}

/// The networks of this Mac's hardware and of its virtual machines, each with its gateway. No program is run and nothing is
/// sent. Errors: getifaddrs(3) or sysctl(3) fails.
#[cfg(target_os = "macos")]
pub fn network_facts() -> std::io::Result<Vec<NetworkFacts>> {
    use crate::os::routes::{self, IndexedInterface};
    use crate::os::sysctl;

    let mut interfaces: Vec<IndexedInterface> = Vec::new();
    for found in if_addrs::get_if_addrs()?.into_iter().filter(|found| !found.is_loopback()) {
        let bits = match &found.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        let index = found.index.and_then(|index| u16::try_from(index).ok());
        let (Ok(address), Some(index)) = (IpNet::new(found.ip(), bits), index) else { continue };
        match interfaces.iter_mut().find(|interface| interface.index == index) {
            Some(interface) => interface.addresses.push(address),
            None => {
                interfaces.push(IndexedInterface { name: found.name, index, addresses: vec![address] });
            }
        }
    }
    let (mut defaults, mut neighbours) = (Vec::new(), Vec::new());
    for family in routes::FAMILIES {
        defaults.extend(routes::default_routes(&sysctl::routes(family)?));
        neighbours.extend(routes::neighbours(&sysctl::neighbours(family)?));
    }
    Ok(routes::network_facts(&interfaces, &defaults, &neighbours))
}

/// Elsewhere no gateway is known: what is opened there ends on no other network.
#[cfg(not(target_os = "macos"))]
pub fn network_facts() -> std::io::Result<Vec<NetworkFacts>> {
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn are_networks_without_loopback() {
        for network in super::networks().unwrap() {
            assert_eq!(network, network.trunc());
            assert!(!network.addr().is_loopback());
        }
    }
}
