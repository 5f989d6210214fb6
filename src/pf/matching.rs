//! Whether a rule matches a packet: yes, no, or maybe, which depends on an unknown fact.

use std::net::IpAddr;

use ipnet::IpNet;

use super::contents::TableContents;
use super::criteria::{
    Address, Compare, InterfaceAddress, InterfaceMatch, OwnerMatch, Peer, PortMatch, range_holds,
};
use super::interfaces::{InterfaceFacts, is_driver};
use super::packet::{Packet, PacketSocket, TCP, UDP};
use super::rule::{Action, Rule};
use super::rulesets::{Rulesets, TableLookup};
use super::unknown::UnknownFact;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    Yes,
    No,
    Maybe(UnknownFact),
}

impl Matches {
    fn from(yes: bool) -> Self {
        if yes { Matches::Yes } else { Matches::No }
    }

    fn negated(self, negated: bool) -> Self {
        match self {
            Matches::Yes if negated => Matches::No,
            Matches::No if negated => Matches::Yes,
            same => same,
        }
    }

    /// Whether both hold: a certain no decides, then a doubt.
    pub(super) fn and(self, other: impl FnOnce() -> Matches) -> Self {
        match self {
            Matches::No => Matches::No,
            Matches::Yes => other(),
            Matches::Maybe(why) => match other() {
                Matches::No => Matches::No,
                _ => Matches::Maybe(why),
            },
        }
    }
}

/// Whether `rule`, which stands in `anchor`, matches the packet, but for its tag.
pub(super) fn matches(loaded: &Rulesets, anchor: &str, rule: &Rule, packet: &Packet) -> Matches {
    // The cheap and certain criteria first: most rules end there.
    if rule.direction.is_some_and(|direction| direction != packet.direction)
        || rule.family.is_some_and(|family| family != packet.family)
        || rule.protocol.is_some_and(|protocol| protocol != packet.protocol)
        || rule.fragment
    {
        return Matches::No;
    }
    if let Some(text) = &rule.unreadable {
        return Matches::Maybe(match rule.action {
            Action::Unread => UnknownFact::File(text.to_string()),
            _ => UnknownFact::Unreadable,
        });
    }
    if packet.protocol == TCP && rule.flags.is_some_and(|flags| packet.flags & flags.of != flags.set) {
        return Matches::No;
    }
    let with_ports = packet.protocol == TCP || packet.protocol == UDP;
    on_interface(rule.interface.as_ref(), &packet.interface)
        .and(|| port_matches(rule.destination.port.as_ref(), packet.destination_port, with_ports))
        .and(|| port_matches(rule.source.port.as_ref(), packet.source_port, with_ports))
        .and(|| peer_matches(loaded, anchor, &rule.source, packet, packet.source))
        .and(|| peer_matches(loaded, anchor, &rule.destination, packet, packet.destination))
        .and(|| rest_matches(rule))
        .and(|| owner_matches(rule.user.as_ref(), packet.socket))
        .and(|| owner_matches(rule.group.as_ref(), of_group(packet.socket)))
}

/// Whether a rule on `wanted` applies to packets of the interface `name`.
pub(super) fn on_interface(wanted: Option<&InterfaceMatch>, name: &str) -> Matches {
    let Some(wanted) = wanted else { return Matches::Yes };
    Matches::from(*wanted.name == *name).negated(wanted.negated)
}

/// Whether `set skip on filter` covers the interface `name`. macOS compares whole names. Up to macOS 14 the name of a driver
/// covers its interfaces (XNU, net/pf_if.c: `pfi_skip_if`). There are no groups of interfaces as on other systems:
/// `on egress` names an interface that does not exist.
pub(super) fn is_skipped(loaded: &Rulesets, filter: &str, name: &str) -> bool {
    filter == name || (loaded.skips_drivers() && is_driver(filter, name))
}

fn port_matches(wanted: Option<&PortMatch>, port: Option<u16>, with_ports: bool) -> Matches {
    match (wanted, port) {
        (None, _) => Matches::Yes,
        (Some(_), _) if !with_ports => Matches::No,
        (Some(PortMatch::Service(text)), _) => Matches::Maybe(UnknownFact::Service(text.to_string())),
        (Some(PortMatch::Number(compare)), Some(port)) => Matches::from(compare.matches(port)),
        (Some(PortMatch::Number(compare)), None) => some_high_port(compare),
    }
}

/// Whether the condition holds for a client's port, which its system chose from 1024 up.
fn some_high_port(compare: &Compare<u16>) -> Matches {
    let (a, b) = compare.bounds();
    // The answer changes at these ports only.
    let ports = [
        1024,
        u16::MAX,
        a.saturating_sub(1),
        a,
        a.saturating_add(1),
        b.saturating_sub(1),
        b,
        b.saturating_add(1),
    ];
    let mut answers = ports.iter().filter(|port| **port >= 1024).map(|port| compare.matches(*port));
    let first = answers.next().unwrap_or_default();
    if answers.all(|answer| answer == first) {
        Matches::from(first)
    } else {
        Matches::Maybe(UnknownFact::Port)
    }
}

fn peer_matches(
    loaded: &Rulesets,
    anchor: &str,
    peer: &Peer,
    packet: &Packet,
    address: Option<IpAddr>,
) -> Matches {
    if let Address::Static(interface) = &peer.address {
        return static_matches(loaded, interface, peer.negated, address);
    }
    address_matches(loaded, anchor, &peer.address, packet, address).negated(peer.negated)
}

fn address_matches(
    loaded: &Rulesets,
    anchor: &str,
    wanted: &Address,
    packet: &Packet,
    address: Option<IpAddr>,
) -> Matches {
    if *wanted == Address::Any {
        return Matches::Yes;
    }
    let Some(address) = address else { return Matches::Maybe(UnknownFact::Address) };
    match wanted {
        Address::Any => Matches::Yes,
        Address::Net(net) => Matches::from(net.contains(&address)),
        Address::Range(range) => Matches::from(range_holds(range.0, range.1, address)),
        Address::Table(name) => match loaded.table(anchor, name) {
            TableLookup::Known(contents) => table_matches(loaded, name, contents, address),
            TableLookup::Missing => Matches::No,
            TableLookup::Unknown => Matches::Maybe(UnknownFact::Table(name.to_string())),
        },
        Address::Dynamic(interface) => dynamic_matches(loaded, interface, address),
        Address::Static(interface) => of_interface(loaded, interface, address),
        Address::Name(name, _) => Matches::Maybe(UnknownFact::Name(name.to_string())),
        // The route to a connected network leads to the interface that the packet came in on.
        Address::NoRoute | Address::UrpfFailed if is_near(loaded, packet, address) => Matches::No,
        Address::NoRoute => Matches::Maybe(UnknownFact::NoRoute),
        Address::UrpfFailed => Matches::Maybe(UnknownFact::UrpfFailed),
        Address::RouteLabel(_) => Matches::Maybe(UnknownFact::RouteLabel),
    }
}

/// Whether the address is on a network of the packet's own interface.
fn is_near(loaded: &Rulesets, packet: &Packet, address: IpAddr) -> bool {
    let own = loaded.interfaces().iter().find(|facts| facts.name == packet.interface);
    let loopback = packet.interface.starts_with("lo") && address.is_loopback();
    loopback || own.is_some_and(|facts| facts.addresses.iter().any(|net| net.contains(&address)))
}

/// The narrowest network that holds the address decides, as in pf's tables.
fn table_matches(loaded: &Rulesets, name: &str, contents: &TableContents, address: IpAddr) -> Matches {
    let narrowest = contents.narrowest(address);
    let unknown = || Matches::Maybe(UnknownFact::Table(name.to_owned()));
    if contents.unreadable().is_some() {
        return unknown();
    }
    let mut found = narrowest == Some(false);
    for other in contents.unresolved() {
        match other {
            Address::Static(interface) => match of_interface(loaded, interface, address) {
                Matches::Yes => found = true,
                Matches::No => {}
                Matches::Maybe(why) => return Matches::Maybe(why),
            },
            Address::Name(name, _) => return Matches::Maybe(UnknownFact::Name(name.to_string())),
            _ => return unknown(),
        }
    }
    Matches::from(found)
}

/// `from en0` is loaded as a rule for each address that en0 then has. So `from ! en0` is as many rules, each of which
/// matches every address but one: with two addresses of a family it matches everything.
fn static_matches(
    loaded: &Rulesets,
    interface: &InterfaceAddress,
    negated: bool,
    address: Option<IpAddr>,
) -> Matches {
    let Some(address) = address else { return Matches::Maybe(UnknownFact::Address) };
    if !negated {
        return of_interface(loaded, interface, address);
    }
    match networks(loaded, interface) {
        Some(networks) => Matches::from(
            networks.iter().any(|net| net.addr().is_ipv4() == address.is_ipv4() && !net.contains(&address)),
        ),
        None => Matches::Maybe(UnknownFact::Interface(interface.name.to_string())),
    }
}

/// `(en0)`: the addresses that en0 has when the packet comes, but for link-local ones (XNU, net/pf_if.c:
/// `pfi_instance_add`). A text that cannot name an interface has none.
fn dynamic_matches(loaded: &Rulesets, interface: &InterfaceAddress, address: IpAddr) -> Matches {
    // The kernel keeps `(self)` by the name of a group, which macOS does not fill.
    let is_interface = |name: &str| name != "self" && name.ends_with(|last: char| last.is_ascii_digit());
    let link_local = matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
    let meant = loaded.masked(interface);
    if !is_interface(&interface.name) || !is_interface(&meant.name) || link_local {
        return Matches::No;
    }
    of_interface(loaded, meant, address)
}

/// Whether the address is one of the interface's.
fn of_interface(loaded: &Rulesets, interface: &InterfaceAddress, address: IpAddr) -> Matches {
    match networks(loaded, interface) {
        Some(networks) => Matches::from(networks.iter().any(|net| net.contains(&address))),
        None => Matches::Maybe(UnknownFact::Interface(interface.name.to_string())),
    }
}

fn is_link_local(net: &IpNet) -> bool {
    matches!(net.addr(), IpAddr::V6(six) if six.is_unicast_link_local())
}

/// The networks that an interface's addresses stand for; `None` where they are unknown.
pub(super) fn networks(loaded: &Rulesets, interface: &InterfaceAddress) -> Option<Vec<IpNet>> {
    if interface.peer {
        return None;
    }
    let known = loaded.interfaces();
    let facts: Vec<&InterfaceFacts> = if &*interface.name == "self" {
        known.iter().collect()
    } else {
        known.iter().filter(|facts| facts.name == *interface.name).collect()
    };
    let mut addresses: Vec<IpNet> = Vec::new();
    for facts in &facts {
        let first_of = |four: bool| facts.addresses.iter().find(|net| net.addr().is_ipv4() == four);
        match interface.no_alias {
            true => addresses.extend([true, false].into_iter().filter_map(first_of)),
            false => addresses.extend(&facts.addresses),
        }
    }
    if matches!(&*interface.name, "lo0" | "lo") && facts.is_empty() {
        addresses.extend(LOOPBACK.iter().filter_map(|text| text.parse::<IpNet>().ok()));
    }
    if addresses.is_empty() {
        return None;
    }
    let narrowed = addresses.into_iter().filter_map(|net| {
        // pfctl leaves the networks of link-local addresses out.
        if interface.network && is_link_local(&net) {
            return None;
        }
        let bits = match (interface.network, interface.broadcast, interface.bits) {
            (true, _, _) => net.prefix_len(),
            (_, true, _) if net.addr().is_ipv6() => return None,
            (_, true, _) => return IpNet::new(net.broadcast(), 32).ok(),
            (_, _, Some(bits)) => bits.min(net.max_prefix_len()),
            _ => net.max_prefix_len(),
        };
        IpNet::new(net.addr(), bits).ok().map(|net| net.trunc())
    });
    Some(narrowed.collect())
}

/// lo0's addresses on every Mac.
const LOOPBACK: &[&str] = &["127.0.0.1/8", "::1/128", "fe80::1/64"];

/// Whether a packet with this tag meets the rule's `tagged`.
pub(super) fn has_tag(rule: &Rule, tag: Option<&str>) -> bool {
    let wanted = rule.tagged.as_ref();
    wanted.is_none_or(|tagged| (tag == Some(&*tagged.name)) != tagged.negated)
}

/// Criteria that `Packet` does not model.
fn rest_matches(rule: &Rule) -> Matches {
    if let Some(system) = &rule.os {
        return Matches::Maybe(UnknownFact::System(system.to_string()));
    }
    if rule.icmp.is_some() {
        return Matches::Maybe(UnknownFact::Icmp);
    }
    if rule.tos.is_some() {
        return Matches::Maybe(UnknownFact::TypeOfService);
    }
    if rule.probability.is_some_and(|probability| probability < u32::MAX) {
        return Matches::Maybe(UnknownFact::Probability);
    }
    Matches::Yes
}

/// The socket as its group is known: never by number.
fn of_group(socket: PacketSocket) -> PacketSocket {
    match socket {
        PacketSocket::Owned(_) => PacketSocket::Present,
        other => other,
    }
}

/// Whether the socket's user or group meets the condition. Where no socket is, only "not equal" and "unknown" hold (XNU,
/// net/pf.c: `pf_match_uid`).
fn owner_matches(wanted: Option<&OwnerMatch>, socket: PacketSocket) -> Matches {
    let Some(wanted) = wanted else { return Matches::Yes };
    match (wanted, socket) {
        (_, PacketSocket::Unknown) => {
            let missing = owner_matches(Some(wanted), PacketSocket::Missing);
            let same = missing == owner_matches(Some(wanted), PacketSocket::Present);
            if same { missing } else { Matches::Maybe(UnknownFact::Owner) }
        }
        (OwnerMatch::Unknown { negated }, PacketSocket::Missing) => Matches::from(!negated),
        (OwnerMatch::Unknown { negated }, _) => Matches::from(*negated),
        (OwnerMatch::Name(text), PacketSocket::Missing) => Matches::from(text.starts_with("!=")),
        (OwnerMatch::Number(compare), PacketSocket::Missing) => {
            Matches::from(matches!(compare, Compare::NotEqual(_)))
        }
        (OwnerMatch::Number(compare), PacketSocket::Owned(user)) => Matches::from(compare.matches(user)),
        (OwnerMatch::Number(compare), PacketSocket::Present) => some_owner(compare),
        (OwnerMatch::Name(_), _) => Matches::Maybe(UnknownFact::Owner),
    }
}

/// Whether the condition holds for an unknown user or group: a number below the highest, which stands for none.
fn some_owner(compare: &Compare<u32>) -> Matches {
    const HIGHEST: u32 = u32::MAX - 1;
    let (a, b) = compare.bounds();
    // The answer changes at these numbers only.
    let numbers = [a.saturating_sub(1), a, a.saturating_add(1), b.saturating_sub(1), b, b.saturating_add(1)];
    let all = numbers.into_iter().chain([0]).map(|number| compare.matches(number.min(HIGHEST)));
    let highest = compare.matches(HIGHEST);
    if all.into_iter().all(|holds| holds == highest) {
        Matches::from(highest)
    } else {
        Matches::Maybe(UnknownFact::Owner)
    }
}
