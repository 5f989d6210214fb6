//! Whether one thing is more open than another: two ledgers, or what pf has loaded and a ledger.
//!
//! ```
//! use portcullis::rules::ledger::{Ledger, Opening};
//! use portcullis::rules::named_port::NamedPort;
//! use portcullis::rules::openness::excess;
//! use portcullis::rules::source::Source;
//! let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
//! let mut open = Ledger::default();
//! open.open(Opening::new(&dlv, Source::Any, None, 0, "ada"));
//! let more = excess(&open, &Ledger::default()).unwrap();
//! assert_eq!(more.to_string(), "port 2345 is open for any, and is not to be");
//! assert_eq!(excess(&Ledger::default(), &open), None);
//! ```
//!
//! For one port and one address there are three levels, from the least open: our rules refuse it; we have no rule for
//! it, so this Mac's own policy decides; our rules let it in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::pf::criteria::{Direction, PortMatch};
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::load::Listing;
use crate::pf::packet::Packet;
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::{Because, Decision, verdict};
use crate::port::PortRange;
use crate::rules::anchor::links;
use crate::rules::half::pieces;
use crate::rules::ledger::{Guard, Ledger, Opening};
use crate::rules::order;
use crate::rules::source::{Source, covers, is_link_local};

/// Where something is more open than it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The ports.
    pub port: PortRange,
    /// In what way it is more open: for which clients, or for how long.
    pub what: String,
}

/// `port 2345 is open for any, and is not to be`.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is {}", self.port, self.what)
    }
}

/// Where `ledger` is more open than `bound`, with the guard of both taken as on; `None` where it nowhere is.
pub fn excess(ledger: &Ledger, bound: &Ledger) -> Option<Excess> {
    let ranges = [ledger, bound].into_iter().flat_map(|ledger| {
        let open = ledger.openings.iter().map(|opening| opening.port);
        open.chain(ledger.managed.iter().map(|managed| managed.range))
    });
    pieces(ranges).into_iter().find_map(|port| {
        let what = excess_of(&Openness::of(ledger, port), &Openness::of(bound, port))?;
        Some(Excess { port, what })
    })
}

/// How open a range of ports is, the guard taken as on.
enum Openness<'a> {
    /// For these; refused to everyone else.
    Open(&'a Opening),
    /// Refused to other machines.
    Closed,
    /// We have no rule.
    Unmanaged,
}

impl<'a> Openness<'a> {
    fn of(ledger: &'a Ledger, port: PortRange) -> Self {
        let opening = ledger.openings.iter().find(|opening| opening.port.overlaps(port));
        match opening {
            Some(opening) => Openness::Open(opening),
            None if ledger.managed.iter().any(|managed| managed.range.overlaps(port)) => Openness::Closed,
            None => Openness::Unmanaged,
        }
    }
}

fn excess_of(level: &Openness, bound: &Openness) -> Option<String> {
    match (level, bound) {
        (Openness::Closed, _) | (Openness::Unmanaged, Openness::Unmanaged) => None,
        (Openness::Unmanaged, Openness::Open(opening)) if opening.source_now() == Some(Source::Any) => None,
        (Openness::Unmanaged, _) => Some("not managed, and is to be closed".to_owned()),
        (Openness::Open(opening), Openness::Open(bound)) => excess_of_opening(opening, bound),
        (Openness::Open(opening), _) => Some(format!("open for {}, and is not to be", opening.from)),
    }
}

fn excess_of_opening(opening: &Opening, bound: &Opening) -> Option<String> {
    if !lies_within(&opening.from, &bound.from) {
        return Some(format!("open for {}, and is to be for {} alone", opening.from, bound.from));
    }
    match (opening.source_now(), bound.source_now()) {
        (Some(now), Some(bound)) if lies_within(&now, &bound) => {}
        (None, _) => {}
        (Some(now), _) => return Some(format!("open for {now}, and is to pause")),
    }
    if opening.stay && !bound.stay {
        return Some("open on every network".to_owned());
    }
    let home = |opening: &Opening| match opening.from {
        Source::Lan { .. } => opening.home.clone(),
        _ => None,
    };
    if home(bound).is_some() && home(opening) != home(bound) {
        return Some("open on another network".to_owned());
    }
    let ends_later = bound.until.is_some_and(|end| opening.until.is_none_or(|until| until > end));
    if ends_later || (bound.restart && !opening.restart) || (bound.away && !opening.away) {
        return Some("open for longer".to_owned());
    }
    None
}

/// Whether all that one source lets in the other does, too. Link-local addresses of `lan` count on the interfaces of
/// its networks alone, those of hosts on every link.
fn lies_within(inner: &Source, outer: &Source) -> bool {
    let (ours, theirs) = match (inner.networks(), outer.networks()) {
        (_, None) => return true,
        (None, _) => return false,
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let wider_links = matches!((inner, outer), (Source::Hosts { .. }, Source::Lan { .. }))
        && ours.iter().any(is_link_local);
    covers(theirs, ours) && !wider_links
}

/// An anchor of ours as pfctl lists it.
#[derive(Clone, Copy, Debug)]
pub struct LoadedAnchor<'a> {
    /// `pfctl -a ANCHOR -s rules`.
    pub rules: &'a str,
    /// The addresses of each of its tables.
    pub tables: &'a BTreeMap<String, Vec<String>>,
    /// The interfaces of this Mac, loopback apart.
    pub interfaces: &'a [InterfaceFacts],
}

/// Where what is loaded is more open than `bound`, the guard as `bound` has it; `None` where it nowhere is. Asked is the
/// first packet of a connection, on each interface, from each address at which an answer may change, to each port at
/// which it may. What cannot be told counts as open.
pub fn loaded_excess(loaded: &LoadedAnchor, bound: &Ledger) -> Option<Excess> {
    let listing = Listing { rules: loaded.rules, nat: "", tables: loaded.tables };
    let (alone, _) = Rulesets::from_listings([("", listing)], []);
    let alone = alone.with_interfaces(loaded.interfaces.to_vec());
    let clients = clients(loaded, bound);
    let ports = telling_ports(&alone, bound);
    let outside = loaded.interfaces.iter().filter(|facts| !facts.name.starts_with("lo"));
    outside.flat_map(|facts| ports.iter().map(move |port| (facts, *port))).find_map(|(facts, port)| {
        let client = clients.iter().find(|client| is_more_open(&alone, bound, facts, port, **client))?;
        Some(Excess {
            port: PortRange::single(port)?,
            what: format!("open for {client} on {}, and is not to be", facts.name),
        })
    })
}

fn is_more_open(alone: &Rulesets, bound: &Ledger, facts: &InterfaceFacts, port: u16, client: IpAddr) -> bool {
    let own = facts.addresses.iter().map(IpNet::addr).find(|own| own.is_ipv4() == client.is_ipv4());
    let local = own.unwrap_or(if client.is_ipv4() { [192, 168, 1, 2].into() } else { FALLBACK.into() });
    let found = verdict(alone, &Packet::syn(Direction::In, &facts.name, client, local, port));
    if lets_in(bound, facts, port, client) || found.outcome == Decision::Block {
        return false;
    }
    let open = bound.openings.iter().any(|opening| opening.port.contains(port));
    let managed = bound.managed.iter().any(|managed| managed.range.contains(port));
    let is_refused = bound.guard == Guard::On && (open || managed);
    // Where we have no rule this Mac's policy decides: only a rule of ours would be too much.
    is_refused || found.because != Because::NoRule
}

/// Whether the ledger lets in `client`, whose packet comes in on the interface `facts`.
fn lets_in(ledger: &Ledger, facts: &InterfaceFacts, port: u16, client: IpAddr) -> bool {
    let Some(opening) = ledger.openings.iter().find(|opening| opening.port.contains(port)) else {
        return false;
    };
    let Some(from) = opening.source_now() else { return false };
    match &from {
        Source::Any => true,
        Source::Hosts { hosts } => hosts.iter().any(|host| host.contains(&client)),
        Source::Lan { networks } => {
            let is_near = is_link_local(&IpNet::from(client));
            let mut links = links(networks, std::slice::from_ref(facts));
            networks.iter().any(|network| network.contains(&client)) && (!is_near || links.next().is_some())
        }
    }
}

/// A unique local address.
const FALLBACK: [u16; 8] = [0xfd00, 0x6d61, 0x6300, 1, 0, 0, 0, 0x10];

/// Addresses at which an answer may change: the first and the last of each network that is named and those just
/// outside of it, and a few that nothing names.
fn clients(loaded: &LoadedAnchor, bound: &Ledger) -> Vec<IpAddr> {
    let tables = loaded.tables.values().flatten().filter_map(|text| parse_network(text.trim()));
    let let_in = bound.openings.iter().filter_map(|opening| opening.from.networks()).flatten().copied();
    let own = loaded.interfaces.iter().flat_map(|facts| &facts.addresses).copied();
    let mut clients: Vec<IpAddr> = tables.chain(let_in).chain(own).flat_map(|net| edges(&net)).collect();
    clients.extend(STRANGERS.iter().filter_map(|text| text.parse::<IpAddr>().ok()));
    order::sort(&mut clients);
    clients.dedup();
    clients.retain(|client| !client.is_loopback() && !client.is_unspecified());
    clients
}

/// Addresses that no rule of ours names unless it names all.
const STRANGERS: [&str; 4] = ["198.41.96.7", "2a00:1450:4007:80e::20", "fe80::1234", "169.254.7.7"];

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn edges(network: &IpNet) -> Vec<IpAddr> {
    let (first, last) = match network {
        IpNet::V4(four) => (u128::from(four.network().to_bits()), u128::from(four.broadcast().to_bits())),
        IpNet::V6(six) => (six.network().to_bits(), six.broadcast().to_bits()),
    };
    let address = |bits: u128| match network {
        IpNet::V4(_) => Some(IpAddr::from(u32::try_from(bits).ok()?.to_be_bytes())),
        IpNet::V6(_) => Some(IpAddr::from(bits.to_be_bytes())),
    };
    let edges = [first.checked_sub(1), Some(first), Some(last), last.checked_add(1)];
    edges.into_iter().flatten().filter_map(address).collect()
}

/// Ports at which an answer may change: the first and the last of each range and those just outside of it.
fn telling_ports(loaded: &Rulesets, bound: &Ledger) -> Vec<u16> {
    let mut ports: Vec<u16> = vec![1, u16::MAX];
    let mut add = |first: u16, last: u16| {
        ports.extend([first.saturating_sub(1).max(1), first, last, last.saturating_add(1)]);
    };
    let open = bound.openings.iter().map(|opening| opening.port);
    for range in open.chain(bound.managed.iter().map(|managed| managed.range)) {
        add(range.first(), range.last());
    }
    let rules = loaded.anchor("").into_iter().flat_map(|ruleset| &ruleset.filter);
    for placed in rules {
        if let Some(PortMatch::Number(compare)) = &placed.item.destination.port {
            let (first, last) = compare.bounds();
            add(first, last);
        }
    }
    order::sort(&mut ports);
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::anchor;
    use crate::rules::named_port::NamedPort;
    use crate::rules::sample::{ledgers, opening};

    fn en0() -> Vec<InterfaceFacts> {
        let addresses = vec!["10.1.2.9/24".parse().unwrap(), "fd00::9/64".parse().unwrap()];
        vec![
            InterfaceFacts { name: "en0".into(), addresses },
            InterfaceFacts { name: "en7".into(), addresses: vec!["192.168.7.9/24".parse().unwrap()] },
            InterfaceFacts { name: "utun3".into(), addresses: vec!["10.1.2.200/24".parse().unwrap()] },
        ]
    }

    fn loaded(ledger: &Ledger, bound: &Ledger) -> Option<Excess> {
        let (interfaces, tables) = (en0(), anchor::tables(ledger));
        let rules = anchor::rules(ledger, &interfaces);
        let rules: String =
            rules.lines().filter(|line| !line.starts_with("table")).map(|line| format!("{line}\n")).collect();
        loaded_excess(&LoadedAnchor { rules: &rules, tables: &tables, interfaces: &interfaces }, bound)
    }

    #[test]
    fn what_is_more_open_is_named() {
        let mut bound = Ledger { guard: Guard::On, ..Ledger::default() };
        bound.manage(&NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() });
        let mut more = bound.clone();
        more.open(opening("2345", "hosts:10.1.2.3", 0));
        let what = |more: &Ledger, bound: &Ledger| excess(more, bound).map(|excess| excess.to_string());
        assert_eq!(what(&more, &bound).unwrap(), "port 2345 is open for 10.1.2.3, and is not to be");
        assert_eq!(
            loaded(&more, &bound).unwrap().to_string(),
            "port 2345 is open for 10.1.2.3 on en0, and is not to be"
        );
        assert_eq!((what(&bound, &more), loaded(&bound, &more)), (None, None));
        assert_eq!(
            what(&Ledger::default(), &bound).unwrap(),
            "port 2345 is not managed, and is to be closed"
        );
        assert!(loaded(&Ledger::default(), &bound).is_some(), "no rule at all is not closed");
        let longer = |until, restart| {
            let mut ledger = Ledger::default();
            ledger.open(Opening { until, restart, ..opening("2345", "any", 0) });
            ledger
        };
        assert_eq!(
            what(&longer(Some(5), false), &longer(Some(4), false)).unwrap(),
            "port 2345 is open for longer"
        );
        assert!(what(&longer(Some(4), false), &longer(Some(4), true)).is_some());
        assert_eq!(what(&longer(Some(4), true), &longer(None, false)), None);
    }

    #[test]
    fn link_local_clients_count_by_interface() {
        let lan = |networks: &str| {
            let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
            ledger.open(opening("2345", networks, 0));
            ledger
        };
        let (home, other) = (lan("lan:10.1.2.0/24,fe80::/10"), lan("lan:192.168.7.0/24,fe80::/10"));
        assert_eq!(loaded(&home, &home), None);
        assert!(loaded(&home, &other).unwrap().what.contains("on en0"));
        let everywhere = lan("hosts:10.1.2.0/24,192.168.7.0/24,fe80::/10");
        assert_eq!(excess(&home, &everywhere), None);
        assert!(excess(&everywhere, &home).is_some() && loaded(&everywhere, &home).is_some());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// What a ledger renders to is just as open as it is: the two comparisons agree.
        #[test]
        fn rules_are_as_open_as_their_ledger(one in ledgers(), other in ledgers()) {
            let guarded = |ledger: Ledger| Ledger { guard: Guard::On, ..ledger };
            let (one, other) = (guarded(one), guarded(other));
            proptest::prop_assert_eq!(loaded(&one, &one), None);
            if excess(&one, &other).is_none() {
                proptest::prop_assert_eq!(loaded(&one, &other), None);
            }
        }
    }
}
