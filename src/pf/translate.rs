//! Whether a translation matches, and the packet as it leaves it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::criteria::{Address, Compare, Direction, Family, Peer, PortMatch};
use super::effects::Redirect;
use super::matching::{Matches, matches, networks};
use super::packet::Packet;
use super::rule::{Action, Rule};
use super::rulesets::Rulesets;
use super::unknown::UnknownFact;

/// Whether a translation rule matches, but for its tag. On the way in a binat rule matches by the address that it
/// translates to; on the way out an rdr rule is turned round, and so is the call of an anchor of rdr rules: it matches
/// what comes from where it leads (XNU, net/pf.c: `pf_match_translation`).
pub(super) fn translation_matches(loaded: &Rulesets, anchor: &str, rule: &Rule, packet: &Packet) -> Matches {
    match (&rule.action, packet.direction) {
        (Action::Binat { .. }, Direction::In) if rule.anchor.is_none() => {
            let address = rule.redirect.as_ref().and_then(|redirect| redirect.addresses.first());
            let mut turned = turned(rule);
            if let Some(address) = address {
                turned.destination.address = address.clone();
            }
            matches(loaded, anchor, &turned, packet)
        }
        (Action::Rdr { .. }, Direction::Out) => match &rule.redirect {
            Some(redirect) => comes_from_target(loaded, anchor, rule, redirect, packet),
            None => matches(loaded, anchor, &turned(rule), packet),
        },
        _ => matches(loaded, anchor, rule, packet),
    }
}

fn turned(rule: &Rule) -> Rule {
    let mut turned = rule.clone();
    std::mem::swap(&mut turned.source, &mut turned.destination);
    turned
}

/// Whether the packet comes from an address and the port that the rule redirects to.
fn comes_from_target(
    loaded: &Rulesets,
    anchor: &str,
    rule: &Rule,
    redirect: &Redirect,
    packet: &Packet,
) -> Matches {
    let port = match (&redirect.service, redirect.ports.0) {
        (Some(service), _) => Some(PortMatch::Service(format!("= {service}").into())),
        (None, 0) => return Matches::No,
        (None, port) => Some(PortMatch::Number(Compare::Equal(port))),
    };
    let mut turned = turned(rule);
    let mut found = redirect.addresses.iter().map(|address| {
        turned.source = Peer { address: address.clone(), negated: false, port: port.clone() };
        matches(loaded, anchor, &turned, packet)
    });
    match redirect.addresses.len() {
        1 => found.next().unwrap_or(Matches::No),
        // Only the one that pf took last is compared.
        _ if found.all(|matched| matched == Matches::No) => Matches::No,
        _ => Matches::Maybe(UnknownFact::Address),
    }
}

/// The packet as a translation leaves it.
pub(super) fn translated(loaded: &Rulesets, rule: &Rule, packet: &Packet) -> Packet {
    let mut changed = packet.clone();
    let Some(redirect) = &rule.redirect else { return changed };
    let address = match redirect.addresses.as_slice() {
        [Address::Net(net)] if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
        [Address::Dynamic(interface) | Address::Static(interface)] => {
            let four = packet.family == Family::Inet;
            let own = networks(loaded, interface).unwrap_or_default();
            own.iter().map(IpNet::addr).find(|address| address.is_ipv4() == four)
        }
        _ => None,
    };
    match (&rule.action, packet.direction) {
        (Action::Rdr { .. }, Direction::Out) => {
            changed.source = turned_back(loaded, rule, packet);
            changed.source_port = match &rule.destination.port {
                Some(PortMatch::Number(compare)) => Some(compare.bounds().0).filter(|port| *port != 0),
                Some(PortMatch::Service(_)) => None,
                None => packet.source_port,
            };
        }
        (Action::Rdr { .. }, Direction::In) => {
            changed.destination = address;
            changed.destination_port = match redirect.service {
                Some(_) => None,
                None => redirected_port(rule, redirect.ports, packet.destination_port),
            };
        }
        (Action::Nat64 { .. }, _) => {
            // The IPv4 address is part of the IPv6 address, behind a prefix that the rule does not give.
            changed.family = Family::Inet;
            (changed.source, changed.source_port, changed.destination) = (None, None, None);
        }
        (Action::Binat { .. }, Direction::In) => {
            changed.destination = match &rule.source.address {
                Address::Net(net) if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
                _ => None,
            };
        }
        (Action::Binat { .. }, Direction::Out) => changed.source = address,
        _ => {
            changed.source = address;
            if !redirect.static_port {
                changed.source_port = None;
            }
        }
    }
    changed
}

/// The source that a packet from where the redirection leads gets: the address that is redirected; of a network the rest is
/// the packet's destination's.
fn turned_back(loaded: &Rulesets, rule: &Rule, packet: &Packet) -> Option<IpAddr> {
    match &rule.destination.address {
        Address::Any => packet.destination,
        Address::Net(net) => grafted(*net, packet.destination?),
        Address::Dynamic(interface) | Address::Static(interface) => {
            let own = networks(loaded, interface).unwrap_or_default();
            let mut own = own.iter().filter(|net| net.addr().is_ipv4() == (packet.family == Family::Inet));
            own.next().filter(|net| net.prefix_len() == net.max_prefix_len()).map(IpNet::addr)
        }
        _ => None,
    }
}

/// The address with its network part replaced.
fn grafted(net: IpNet, address: IpAddr) -> Option<IpAddr> {
    match (net, address) {
        (IpNet::V4(net), IpAddr::V4(address)) => Some(
            Ipv4Addr::from(net.network().to_bits() | address.to_bits() & net.hostmask().to_bits()).into(),
        ),
        (IpNet::V6(net), IpAddr::V6(address)) => Some(
            Ipv6Addr::from(net.network().to_bits() | address.to_bits() & net.hostmask().to_bits()).into(),
        ),
        _ => None,
    }
}

/// The port that a redirection leads to: as far into its range as the packet's port is into the rule's.
fn redirected_port(rule: &Rule, (first, last): (u16, u16), port: Option<u16>) -> Option<u16> {
    if first == 0 {
        return port;
    }
    if last == 0 {
        return Some(first);
    }
    let start = match rule.destination.port {
        Some(PortMatch::Number(Compare::Equal(start) | Compare::Range(start, _))) => start,
        _ => 0,
    };
    let width = u32::from(last).saturating_sub(u32::from(first)) + 1;
    let offset = u32::from(port?).saturating_sub(u32::from(start)) % width;
    u16::try_from(u32::from(first) + offset).ok()
}
