//! Ledgers for tests: made by hand, or at random.

use ipnet::IpNet;
use proptest::prelude::*;

use crate::port::PortRange;
use crate::rules::ends::EveningEnd;
use crate::rules::home::Home;
use crate::rules::ledger::{Ledger, Opening};
use crate::rules::named_port::NamedPort;
use crate::rules::source::{Source, is_link_local};
use crate::system::NetworkFacts;

/// `any`, `lan:10.0.0.0/8,fe80::/10`, `hosts:10.0.0.1`.
pub fn source(text: &str) -> Source {
    let networks = |list: &str| {
        let network =
            |text: &str| text.parse().or_else(|_| text.parse().map(|host: std::net::IpAddr| host.into()));
        list.split(',').map(|text| network(text).unwrap()).collect()
    };
    match text.split_once(':') {
        Some(("lan", list)) => Source::Lan { networks: networks(list) },
        Some((_, list)) => Source::Hosts { hosts: networks(list) },
        None => Source::Any,
    }
}

pub fn opening(port: &str, from: &str, since: i64) -> Opening {
    let named = NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() };
    Opening::new(&named, source(from), None, since, "ada")
}

prop_compose! {
    fn openings()(first in 1024u16..1044, count in 0u16..6, from in 0usize..SOURCES.len(), since in 0i64..3,
                  until in proptest::option::of(0i64..3), restart: bool, network in 0usize..3, name in 0usize..2,
                  stay: bool, away: bool, present in proptest::option::of(0usize..4),
                  clocks in proptest::collection::btree_map("[AB]", 0u64..3, 0..3),
                  evening in 0usize..3)
                 -> Opening {
        let port = PortRange::new(first, first + count).unwrap();
        let named = NamedPort { name: ["dlv", "node"][name].parse().unwrap(), range: port };
        let home = [None, Some(home(1)), Some(home(2))][network].clone();
        let evening = [None, Some(EveningEnd::Due), Some(EveningEnd::Extended)][evening];
        let from = source(SOURCES[from]);
        let let_in = present.map(|present| some_of(&from, present));
        let opening = Opening::new(&named, from, until, since, "ada");
        Opening { restart, evening, home, stay, away, let_in, clocks, ..opening }
    }
}

/// A home by the router of this number.
pub fn home(router: u8) -> Home {
    let gateway = format!("a4:91:b1:00:00:0{router}").parse().ok();
    let prefixes = vec!["10.1.2.0/24".parse().unwrap()];
    Home::of(&[NetworkFacts { interface: "en0".into(), prefixes, gateway }]).unwrap()
}

/// Its first networks, as many as `most`; none where it is not for a network.
fn some_of(from: &Source, most: usize) -> Vec<IpNet> {
    match from {
        Source::Lan { networks } => {
            let present: Vec<IpNet> = networks.iter().take(most).copied().collect();
            if present.iter().all(is_link_local) { Vec::new() } else { present }
        }
        Source::Any | Source::Hosts { .. } => Vec::new(),
    }
}

const SOURCES: [&str; 9] = [
    "any",
    "hosts:10.0.0.0/8,fe80::1",
    "hosts:10.1.0.0/16,10.1.2.3",
    "hosts:fd00::/64,192.168.0.0/16",
    "lan:10.1.2.0/24",
    "lan:10.1.2.0/24,fd00::/64,fe80::/10",
    "lan:10.1.0.0/16,192.168.7.0/24,fe80::/10",
    "lan:192.168.7.0/24,fe80::/10",
    "hosts:10.1.2.3,192.168.7.7",
];

pub fn ledgers() -> impl Strategy<Value = Ledger> {
    let managed = proptest::collection::vec((1024u16..1044, 0u16..6, 0usize..2), 0..4);
    (proptest::collection::vec(openings(), 0..5), managed).prop_map(|(openings, managed)| {
        let mut ledger = Ledger::default();
        for (first, count, name) in managed {
            let port = PortRange::new(first, first + count).unwrap();
            ledger.manage(&NamedPort { name: ["dlv", "node"][name].parse().unwrap(), range: port });
        }
        openings.into_iter().for_each(|opening| ledger.open(opening));
        ledger
    })
}
