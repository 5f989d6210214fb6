//! What is known of this machine's interfaces.

use ipnet::IpNet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    pub name: String,
    /// Its addresses, each with the prefix length of its network.
    pub addresses: Vec<IpNet>,
}
