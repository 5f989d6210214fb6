//! How a client connects to a port.

use std::net::IpAddr;

use crate::debuggers::port_view::PortView;
use crate::debuggers::settings::Setting;
use crate::diagnosis::Assessment;
use crate::os::Interface;

/// How to connect to a port.
#[derive(Debug)]
pub struct Connection {
    /// The port as the socket table shows it.
    pub view: PortView,
    pub said: Assessment,
    /// The settings for each client; where it is not known who is there, those of what usually is. At least one.
    pub settings: Vec<Setting>,
    /// The addresses by which other machines find this Mac, IPv4 first; those of one link apart.
    pub addresses: Vec<IpAddr>,
}

/// The addresses that machines of other links can name, IPv4 first.
pub fn named_elsewhere(interfaces: &[Interface]) -> Vec<IpAddr> {
    let addresses = interfaces.iter().flat_map(|interface| &interface.addresses).map(|net| net.addr());
    let is_of_link = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let mut addresses: Vec<IpAddr> = addresses.filter(|address| !is_of_link(address)).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}
