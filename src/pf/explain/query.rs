//! A query: which port, from which client.

use std::net::IpAddr;

use crate::pf::criteria::Family;
use crate::pf::origin::Origin;

/// The host that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHost {
    /// This Mac.
    Loopback,
    /// A host of the network that the interface is on, one that no rule names.
    Network,
    /// A host anywhere else, one that no rule names.
    Anyone,
    Host(IpAddr),
}

impl From<Origin> for ClientHost {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Loopback => ClientHost::Loopback,
            Origin::Network => ClientHost::Network,
            Origin::Anyone => ClientHost::Anyone,
        }
    }
}

/// Whether a client reaches a TCP port of this Mac.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// In host order.
    pub port: u16,
    pub from: ClientHost,
    /// The family of addresses; for a host that of its address is taken instead.
    pub family: Family,
    /// The interface that the packets come in by; `None`: the one on the host's network, else the first.
    pub interface: Option<String>,
}
