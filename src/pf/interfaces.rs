//! What is known of this machine's interfaces.

use ipnet::IpNet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    pub name: String,
    /// Its addresses, each with the prefix length of its network.
    pub addresses: Vec<IpNet>,
}

/// Whether `driver` is the name of the interface without its number.
pub(super) fn is_driver(driver: &str, name: &str) -> bool {
    let unit = name.strip_prefix(driver).unwrap_or_default();
    !driver.is_empty()
        && !driver.ends_with(|last: char| last.is_ascii_digit())
        && unit.starts_with(|first: char| first.is_ascii_digit())
}
