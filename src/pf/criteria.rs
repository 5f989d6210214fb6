//! The criteria of a rule: what a packet must have for the rule to match.
//!
//! What depends on the system (a host's name, an interface's addresses, a user's name) is kept by name: its value is
//! unknown until the caller supplies it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The way a packet goes, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    In,
    Out,
}

/// The address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Inet,
    Inet6,
}

/// `on en0`, `on ! lo0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceMatch {
    pub name: Box<str>,
    pub negated: bool,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    pub address: Address,
    /// Every address but this one.
    pub negated: bool,
    pub port: Option<PortMatch>,
}

/// What stands for an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Address {
    #[default]
    Any,
    /// A network, or one host.
    Net(IpNet),
    /// From one to another, both included.
    Range(Box<(IpAddr, IpAddr)>),
    Table(Box<str>),
    /// `(en0)`: the interface's addresses as they are when the packet passes.
    Dynamic(Box<InterfaceAddress>),
    /// `en0`, `self`: the interface's addresses as they were when the rule was loaded.
    Static(Box<InterfaceAddress>),
    /// A host's name with its prefix length; pfctl looks the name up when it loads the rule.
    Name(Box<str>, Option<u8>),
    /// An address that no route leads to.
    NoRoute,
    /// A source that no route leads back to by the packet's interface.
    UrpfFailed,
    /// An address whose route has this label.
    RouteLabel(Box<str>),
}

/// Whether the kernel takes `address` to be in the range: it compares the words of addresses in network order as
/// numbers of a little-endian machine, from the last byte on (XNU, net/pf.c: `pf_match_addr_range`).
pub(super) fn range_holds(first: IpAddr, last: IpAddr, address: IpAddr) -> bool {
    fn words(address: IpAddr) -> Vec<u32> {
        let words = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        match address {
            IpAddr::V4(four) => words(&four.octets()),
            IpAddr::V6(six) => words(&six.octets()),
        }
    }
    let address = words(address);
    let (first, last) = (words(first), words(last));
    first.len() == address.len() && (first..=last).contains(&address)
}

/// Addresses of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface, or `self` for all of them.
    pub name: Box<str>,
    /// `:network`: the networks that it is on.
    pub network: bool,
    /// `:broadcast`: their broadcast addresses.
    pub broadcast: bool,
    /// `:peer`: the other end of a point-to-point line.
    pub peer: bool,
    /// `:0`: without its aliases.
    pub no_alias: bool,
    /// `/24`: the prefix length.
    pub bits: Option<u8>,
}

/// A condition on a number: a port, a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare<T> {
    /// `= a`
    Equal(T),
    /// `!= a`
    NotEqual(T),
    /// `< a`
    Less(T),
    /// `<= a`
    LessOrEqual(T),
    /// `> a`
    Greater(T),
    /// `>= a`
    GreaterOrEqual(T),
    /// `a >< b`: strictly between the two.
    Inside(T, T),
    /// `a <> b`: less than the first or greater than the second.
    Outside(T, T),
    /// `a:b`: from one to the other, both included.
    Range(T, T),
}

impl<T: PartialOrd + Copy> Compare<T> {
    /// The two numbers in it; one twice where there is one.
    pub fn bounds(&self) -> (T, T) {
        match *self {
            Compare::Equal(a)
            | Compare::NotEqual(a)
            | Compare::Less(a)
            | Compare::LessOrEqual(a)
            | Compare::Greater(a)
            | Compare::GreaterOrEqual(a) => (a, a),
            Compare::Inside(a, b) | Compare::Outside(a, b) | Compare::Range(a, b) => (a, b),
        }
    }

    pub fn matches(&self, value: T) -> bool {
        match *self {
            Compare::Equal(a) => value == a,
            Compare::NotEqual(a) => value != a,
            Compare::Less(a) => value < a,
            Compare::LessOrEqual(a) => value <= a,
            Compare::Greater(a) => value > a,
            Compare::GreaterOrEqual(a) => value >= a,
            Compare::Inside(a, b) => a < value && value < b,
            Compare::Outside(a, b) => value < a || value > b,
            Compare::Range(a, b) => a <= value && value <= b,
        }
    }
}

/// A condition on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMatch {
    /// Ports in host order.
    Number(Compare<u16>),
    /// With the name of a service that is not in our table; as written.
    Service(Box<str>),
}

/// A condition on the socket's user or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerMatch {
    Number(Compare<u32>),
    /// `unknown`: the socket is not one of this machine's.
    Unknown {
        negated: bool,
    },
    /// With a name, which only the system can turn into a number; as written.
    Name(Box<str>),
}

/// `flags set/of`: of the TCP flags in `of`, exactly those in `set`. By bit, FIN lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    pub set: u8,
    pub of: u8,
}

/// ICMP type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub kind: u8,
    pub code: Option<u8>,
}

/// The type of service that a packet asks for, in one of three ways to read its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeOfService {
    /// The whole byte.
    Tos(u8),
    /// The code point of differentiated services, in its place in the byte (Apple).
    Dscp(u8),
    /// Apple's service class.
    Class(u8),
}

/// `tagged x`, `! tagged x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    pub name: Box<str>,
    pub negated: bool,
}
