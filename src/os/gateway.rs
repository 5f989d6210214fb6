//! What tells a network from another one: the hardware address of its router.
//!
//! ```
//! use portcullis::system::{Gateway, HardwareAddress};
//! let router: Gateway = "a4:91:b1:00:00:01".parse()?;
//! assert_eq!(router.to_string(), "a4:91:b1:00:00:01");
//! assert_eq!("this-mac".parse::<Gateway>()?, Gateway::ThisMac);
//! assert!("02:00:00:00:00:00".parse::<HardwareAddress>().is_err());
//! # Ok::<(), portcullis::system::GatewayError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The hardware address of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HardwareAddress([u8; 6]);

/// How a network is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gateway {
    Router(HardwareAddress),
    /// It ends at this Mac, as those of virtual machines and containers do.
    ThisMac,
}

/// A network that this Mac is on, by one of its gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFacts {
    pub interface: String,
    /// Link-local ones apart.
    pub prefixes: Vec<IpNet>,
    /// `None`: it has a router that is not known just now, or none yet.
    pub gateway: Option<Gateway>,
}

/// A text that is no gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not the hardware address of a router, such as a4:91:b1:00:00:01", .0.escape_debug())]
pub struct GatewayError(String);

impl HardwareAddress {
    /// `None` for what stands where the address is not known, or is hidden from the program that asks.
    pub fn known(bytes: [u8; 6]) -> Option<Self> {
        const HIDDEN: [u8; 6] = [2, 0, 0, 0, 0, 0];
        let is_unknown = [[0; 6], [0xff; 6], HIDDEN].contains(&bytes);
        (!is_unknown).then_some(HardwareAddress(bytes))
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for HardwareAddress {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let invalid = || GatewayError(text.chars().take(40).collect());
        let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
        let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).ok_or_else(invalid)?;
        // Each has one spelling.
        Self::known(bytes).filter(|address| address.to_string() == text).ok_or_else(invalid)
    }
}

const THIS_MAC: &str = "this-mac";

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gateway::Router(address) => address.fmt(f),
            Gateway::ThisMac => f.write_str(THIS_MAC),
        }
    }
}

impl FromStr for Gateway {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        if text == THIS_MAC { Ok(Gateway::ThisMac) } else { Ok(Gateway::Router(text.parse()?)) }
    }
}

impl TryFrom<String> for Gateway {
    type Error = GatewayError;

    fn try_from(text: String) -> Result<Self, GatewayError> {
        text.parse()
    }
}

impl From<Gateway> for String {
    fn from(gateway: Gateway) -> Self {
        gateway.to_string()
    }
}

/// Whether this is an interface of hardware: macOS names tunnels, bridges and virtual interfaces otherwise.
pub fn is_hardware(interface: &str) -> bool {
    is_numbered(interface, "en")
}

/// Whether a network of virtual machines or containers may hang at the interface.
pub fn may_be_host_only(interface: &str) -> bool {
    ["bridge", "vmnet", "vboxnet"].iter().any(|kind| is_numbered(interface, kind))
}

fn is_numbered(interface: &str, kind: &str) -> bool {
    let unit = interface.strip_prefix(kind).unwrap_or_default();
    !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for text in
            ["", "a4:91:b1", "A4:91:b1:00:00:01", "a4:91:b1:0:0:1", "a4-91-b1-00-00-01", "+4:91:b1:00:00:01"]
        {
            assert!(text.parse::<HardwareAddress>().is_err(), "{text}");
        }
        for unknown in ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:00"] {
            assert!(unknown.parse::<Gateway>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn interfaces_are_told_by_their_names() {
        assert!(is_hardware("en0") && is_hardware("en12"));
        assert!(!["en", "enx0", "utun4", "bridge100", "lo0"].iter().any(|name| is_hardware(name)));
        assert!(may_be_host_only("bridge100") && may_be_host_only("vmnet8"));
        assert!(
            !["utun4", "ipsec0", "ppp0", "awdl0", "llw0", "en0"].iter().any(|name| may_be_host_only(name))
        );
    }
}
