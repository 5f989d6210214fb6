//! The clients that loaded rules name: they may fare otherwise than a client that no rule names.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::pf::criteria::{Address, Compare, Direction, Family, PortMatch};
use crate::pf::grounds::{DecidingRule, Grounds};
use crate::pf::matching::networks;
use crate::pf::rule::{Rule, Ruleset};
use crate::pf::rulesets::{Rulesets, TableLookup};
use crate::port::PortRange;

use super::endpoints::{stranger, unnamed_in};
use super::query::{ClientHost, Query};

/// The clients that a rule names, as far as every user may know them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SomeClients {
    /// As it stands in a rule about the port.
    Network(IpNet),
    /// Those of a table or of a general policy, which are their owner's to show.
    Withheld,
    /// Any that come in by this interface.
    Interface(String),
}

impl SomeClients {
    /// How `explain` is asked about one of them, such as `--from 203.0.113.2`; `None` where they are withheld.
    pub fn asked_for(&self) -> Option<String> {
        match self {
            SomeClients::Network(network) => {
                Some(format!("--from {}", network.hosts().nth(1).unwrap_or(network.addr())))
            }
            SomeClients::Interface(name) => Some(format!("--from anyone --on {name}")),
            SomeClients::Withheld => None,
        }
    }
}

/// `203.0.113.0/24`, `clients that come in by utun3`
impl fmt::Display for SomeClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SomeClients::Network(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            SomeClients::Network(net) => net.fmt(f),
            SomeClients::Withheld => f.write_str("some addresses"),
            SomeClients::Interface(name) => write!(f, "clients that come in by {name}"),
        }
    }
}

/// One of the clients that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedClient {
    pub clients: SomeClients,
    pub host: IpAddr,
    /// The interface that the rule names, where it names one.
    interface: Option<String>,
    /// The rule that names it, where that is about some ports of the range, and no general policy.
    about_port: Option<(String, usize)>,
}

impl NamedClient {
    /// Whether a decision is that of a rule which is about the port and names this client.
    pub fn is_meant_by(&self, because: &Grounds) -> bool {
        let place = |rule: &DecidingRule| (rule.anchor.clone(), rule.number);
        self.about_port.is_some() && self.about_port == because.rule().map(place)
    }

    pub fn query(&self, port: u16) -> Query {
        let family = if self.host.is_ipv4() { Family::Inet } else { Family::Inet6 };
        Query { port, from: ClientHost::Host(self.host), family, interface: self.interface.clone() }
    }
}

/// So many clients are asked about; those of rules about the port come first, then those of quick rules.
const MAXIMUM_CLIENTS: usize = 24;
/// The addresses of a table that stand for the others.
const OF_A_TABLE: usize = 3;

/// What a rule names, before a host of it is chosen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mention {
    is_general: bool,
    is_passed_over: bool,
    clients: SomeClients,
    /// `None`: any address of the family.
    network: Option<IpNet>,
    is_v4: bool,
    interface: Option<String>,
    about_port: Option<(String, usize)>,
}

/// The clients that evaluated rules name which may decide on a connection to the range, but for those in the anchors
/// `ours`.
pub fn named_clients<'a>(loaded: &'a Rulesets, range: PortRange, ours: &[&str]) -> Vec<NamedClient> {
    let unused = loaded.never_evaluated();
    let paths = loaded.anchor_paths().filter(|path| !ours.contains(path) && !unused.contains(path));
    let mut mentions: Vec<Mention> = Vec::new();
    for path in paths {
        let numbered = |rules: &'a Ruleset| {
            let filter = rules.filter.iter().enumerate();
            filter.chain(rules.rdr.iter().enumerate())
        };
        let rules = loaded.anchor(path).into_iter().flat_map(numbered);
        let rules = rules.filter(|(_, placed)| may_decide(&placed.item, range));
        mentions.extend(rules.flat_map(|(number, placed)| mentions_of(loaded, (path, number), &placed.item)));
    }
    mentions.sort();
    mentions.dedup();
    let chosen = mentions.into_iter().filter_map(|mention| {
        let Mention { clients, network, is_v4, interface, about_port, .. } = mention;
        let host = network.map_or_else(|| stranger(loaded, is_v4), |network| unnamed_in(loaded, network));
        may_come_in(loaded, host).then_some(NamedClient { clients, host, interface, about_port })
    });
    chosen.take(MAXIMUM_CLIENTS).collect()
}

fn may_decide(rule: &Rule, range: PortRange) -> bool {
    const TCP: u8 = 6;
    let is_for_port = match &rule.destination.port {
        Some(PortMatch::Number(compare)) => {
            let (a, b) = compare.bounds();
            compare.matches(range.first()) || range.contains(a) || range.contains(b)
        }
        Some(PortMatch::Service(_)) | None => true,
    };
    is_for_port && rule.direction != Some(Direction::Out) && rule.protocol.is_none_or(|number| number == TCP)
}

fn mentions_of(loaded: &Rulesets, (anchor, number): (&str, usize), rule: &Rule) -> Vec<Mention> {
    let named = rule.interface.as_ref().filter(|interface| !interface.negated);
    let facts = named.and_then(|named| loaded.interfaces().iter().find(|facts| facts.name == *named.name));
    if named.is_some() && facts.is_none_or(|facts| facts.name.starts_with("lo")) {
        return Vec::new();
    }
    let interface = facts.map(|facts| facts.name.clone());
    let is_about = matches!(
        &rule.destination.port,
        Some(PortMatch::Number(Compare::Equal(_) | Compare::Range(..) | Compare::Inside(..)))
    );
    let mention = |clients, network: Option<IpNet>, is_v4| Mention {
        is_general: !is_about,
        is_passed_over: !rule.quick,
        clients,
        network,
        is_v4,
        interface: interface.clone(),
        about_port: is_about.then(|| (anchor.to_owned(), number)),
    };
    let of_network = |net: IpNet| {
        let clients = if is_about { SomeClients::Network(net.trunc()) } else { SomeClients::Withheld };
        mention(clients, Some(net), net.addr().is_ipv4())
    };
    match &rule.source.address {
        Address::Net(net) if net.prefix_len() > 0 => vec![of_network(*net)],
        Address::Range(range) => vec![of_network(range.0.into()), of_network(range.1.into())],
        Address::Table(name) => match loaded.table(anchor, name) {
            TableLookup::Known(contents) => {
                let some = contents.included(OF_A_TABLE).into_iter();
                some.map(|net| mention(SomeClients::Withheld, Some(net), net.addr().is_ipv4())).collect()
            }
            TableLookup::Missing | TableLookup::Unknown => Vec::new(),
        },
        Address::Dynamic(of) | Address::Static(of) => {
            networks(loaded, of).unwrap_or_default().into_iter().map(of_network).collect()
        }
        Address::Any | Address::Net(_) => {
            let has = |four| {
                facts.is_some_and(|facts| facts.addresses.iter().any(|net| net.addr().is_ipv4() == four))
            };
            let by = |name: &String| SomeClients::Interface(name.clone());
            let both = [true, false].into_iter().filter(|four| has(*four));
            interface.iter().flat_map(|name| both.clone().map(|four| mention(by(name), None, four))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a packet of this source can come in from outside by a route. Link-local clients are asked about by their link.
fn may_come_in(loaded: &Rulesets, host: IpAddr) -> bool {
    let is_own = loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(|net| net.addr() == host));
    let is_local = host.is_loopback() || host.is_unspecified() || host.is_multicast();
    let is_link_local = matches!(host, IpAddr::V6(six) if six.is_unicast_link_local());
    !is_own && !is_local && !is_link_local
}
