//! Unknown facts that a verdict may depend on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A fact that decides whether a rule matches, and that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownFact {
    /// The rule could not be read.
    Unreadable,
    /// The contents of a table.
    Table(String),
    /// The addresses of a host's name.
    Name(String),
    /// The addresses of an interface.
    Interface(String),
    /// The rules of a file.
    File(String),
    /// The packet's address.
    Address,
    /// The packet's port.
    Port,
    /// The number of a service.
    Service(String),
    /// The routing table: `no-route`.
    NoRoute,
    /// The routing table: `urpf-failed`.
    UrpfFailed,
    /// The routing table: a label of a route.
    RouteLabel,
    /// The sender's operating system.
    System(String),
    /// The user and group of the socket.
    Owner,
    /// Chance.
    Probability,
    /// The packet's type of service.
    TypeOfService,
    /// The packet's ICMP type.
    Icmp,
    /// The packet's tag.
    Tag(String),
    /// Whether an earlier packet matched below this anchor, which the kernel does not forget.
    EarlierPacket(String),
    /// What a rule names, which is withheld.
    Withheld,
}

impl UnknownFact {
    /// The same without what only the rule's author is to know.
    pub fn without_name(self) -> Self {
        use UnknownFact::{EarlierPacket, File, Name, RouteLabel, Service, System, Table, Tag, Withheld};
        match self {
            Table(_) | Name(_) | File(_) | Service(_) | System(_) | Tag(_) | RouteLabel
            | EarlierPacket(_) => Withheld,
            other => other,
        }
    }
}

/// A clause that goes on from "depends on".
impl fmt::Display for UnknownFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnknownFact::Unreadable => f.write_str("a rule that could not be read"),
            UnknownFact::Table(name) => write!(f, "the contents of table <{name}>, which could not be read"),
            UnknownFact::Name(name) => {
                write!(f, "the addresses of {name}, which pfctl looks up when it loads the rule")
            }
            UnknownFact::Interface(name) => write!(f, "the addresses of {name}"),
            UnknownFact::File(path) => write!(f, "the rules in {path}, which could not be read"),
            UnknownFact::Address => f.write_str("an address that a translation leaves open"),
            UnknownFact::Port => f.write_str("the port at the other end"),
            UnknownFact::Service(text) => write!(f, "the number of the service in `port {text}`"),
            UnknownFact::NoRoute => f.write_str("the routing table (no-route)"),
            UnknownFact::UrpfFailed => f.write_str("the routing table (urpf-failed)"),
            UnknownFact::RouteLabel => f.write_str("the routing table (a route's label)"),
            UnknownFact::System(name) => write!(f, "the sender's operating system (\"{name}\")"),
            UnknownFact::Owner => f.write_str("the user who owns the socket"),
            UnknownFact::Probability => f.write_str("chance (probability)"),
            UnknownFact::TypeOfService => f.write_str("the packet's type of service"),
            UnknownFact::Icmp => f.write_str("the packet's ICMP type"),
            UnknownFact::Withheld => f.write_str("something that a rule names"),
            UnknownFact::Tag(name) => write!(f, "whether the packet has the tag {name}"),
            UnknownFact::EarlierPacket(anchor) => {
                write!(
                    f,
                    "whether an earlier packet matched in an anchor below {anchor}, which pf does not forget"
                )
            }
        }
    }
}
