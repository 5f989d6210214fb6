//! Rules that do on macOS what their text does not say, each as a sentence.

use std::fmt;
use std::net::IpAddr;

use super::criteria::{Address, Peer, range_holds};
use super::packet::Packet;
use super::rule::Rule;
use super::rulesets::Rulesets;

/// What pf does otherwise than the text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surprise {
    /// The kernel compares the addresses of a range from their last byte on (XNU, net/pf.c: `pf_match_addr_range`).
    Range(IpAddr, IpAddr),
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Surprise::Range(first, last) => write!(
                f,
                "macOS compares the addresses of a range from their last byte on, so {first} - {last} holds other \
                 addresses than those between: write networks, or a table of addresses"
            ),
        }
    }
}

/// The surprises in one rule, whatever the packet.
pub fn of_rule(rule: &Rule) -> Vec<Surprise> {
    let ranges = [&rule.source, &rule.destination].into_iter().filter_map(range);
    ranges.filter(|(first, last)| first != last).map(|(first, last)| Surprise::Range(first, last)).collect()
}

/// The surprises that change which filter rules match the packet, each once.
pub(super) fn of_packet(loaded: &Rulesets, packet: &Packet) -> Vec<Surprise> {
    let mut found = Vec::new();
    let rules =
        loaded.anchor_paths().filter_map(|path| loaded.anchor(path)).flat_map(|ruleset| &ruleset.filter);
    for rule in rules.map(|placed| &placed.item) {
        for (peer, address) in [(&rule.source, packet.source), (&rule.destination, packet.destination)] {
            let (Some((first, last)), Some(address)) = (range(peer), address) else { continue };
            let by_text = first.is_ipv4() == address.is_ipv4() && first <= address && address <= last;
            let surprise = Surprise::Range(first, last);
            if by_text != range_holds(first, last, address) && !found.contains(&surprise) {
                found.push(surprise);
            }
        }
    }
    found
}

fn range(peer: &Peer) -> Option<(IpAddr, IpAddr)> {
    match &peer.address {
        Address::Range(range) => Some(**range),
        _ => None,
    }
}
