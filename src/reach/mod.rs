//! Who listens, how, and what a connection would do to them. Looks only, never touches: nothing here connects to a
//! debug port or binds one, but for the one probe that a person asks for, and only where it is harmless.

pub mod sockets;

use ipnet::IpNet;

use crate::status::Listener;
use sockets::SocketsError;

/// Every TCP listener of this machine, as the status needs it. Errors: see [`sockets::read`].
pub fn listeners() -> Result<Vec<Listener>, SocketsError> {
    Ok(sockets::listeners()?.iter().map(Listener::from).collect())
}

/// The networks that this machine is on: those of its interfaces' addresses, each once, without loopback and without
/// links that lead to a single host (tunnels).
pub fn networks() -> std::io::Result<Vec<IpNet>> {
    let mut networks: Vec<IpNet> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| !interface.is_loopback())
        .filter_map(|interface| {
            let prefix = match &interface.addr {
                if_addrs::IfAddr::V4(address) => address.prefixlen,
                if_addrs::IfAddr::V6(address) => address.prefixlen,
            };
            IpNet::new(interface.ip(), prefix).ok()
        })
        .filter(|network| network.prefix_len() < network.max_prefix_len())
        .map(|network| network.trunc())
        .collect();
    networks.sort();
    networks.dedup();
    Ok(networks)
}

#[cfg(test)]
mod tests {
    #[test]
    fn networks_are_not_loopback_and_not_hosts() {
        for network in super::networks().unwrap() {
            assert!(!network.addr().is_loopback(), "{network}");
            assert_eq!(network, network.trunc());
        }
    }
}
