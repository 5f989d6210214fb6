//! Whether a translation matches, and the packet as it leaves it.

use ipnet::IpNet;

use super::criteria::{Address, Compare, Direction, Family, PortMatch};
use super::matching::{Matches, matches, networks};
use super::packet::Packet;
use super::rule::{Action, Rule};
use super::rulesets::Rulesets;

/// Whether a translation rule matches; on the way in a binat rule matches by the address that it translates to.
pub(super) fn translation_matches(
    loaded: &Rulesets,
    anchor: &str,
    rule: &Rule,
    packet: &Packet,
    tags: &[Option<&str>],
) -> Matches {
    let back = packet.direction == Direction::In && matches!(rule.action, Action::Binat { .. });
    if !back || rule.anchor.is_some() {
        return matches(loaded, anchor, rule, packet, tags);
    }
    let mut turned = rule.clone();
    std::mem::swap(&mut turned.source, &mut turned.destination);
    if let Some(address) = rule.redirect.as_ref().and_then(|redirect| redirect.addresses.first()) {
        turned.destination.address = address.clone();
    }
    matches(loaded, anchor, &turned, packet, tags)
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
        (Action::Rdr { .. }, _) => {
            changed.destination = address;
            changed.destination_port = redirected_port(rule, redirect.ports, packet.destination_port);
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
