//! The networks that an opening is for, and whether this Mac is on one of them. Pure.
//!
//! ```
//! use portcullis::rules::home::{Home, Whereabouts};
//! use portcullis::system::NetworkFacts;
//! let on = |router: &str| NetworkFacts {
//!     interface: "en0".into(),
//!     prefixes: vec!["192.168.1.0/24".parse().unwrap()],
//!     gateway: router.parse().ok(),
//! };
//! let home = Home::of(&[on("a4:91:b1:00:00:01")]).unwrap();
//! assert_eq!(home.place(&[on("a4:91:b1:00:00:01")]), Whereabouts::Here);
//! assert_eq!(home.place(&[on("a4:91:b1:00:00:02")]), Whereabouts::Another);
//! assert_eq!(home.place(&[on("not known yet")]), Whereabouts::Unknown);
//! ```
//!
//! A hardware address can be forged, and some routers share theirs: this guards against forgetting, not against an attacker.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::rules::source::{host_text, is_link_local};
use crate::system::{Gateway, NetworkFacts};

/// The networks that this Mac was on: at least one of them with a router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Home {
    networks: BTreeSet<HomeNetwork>,
}

/// A network, as it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeNetwork {
    pub prefix: IpNet,
    pub gateway: Gateway,
}

/// Where this Mac is, by a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    Here,
    /// No router is known just now: before DHCP, while Wi-Fi reassociates.
    Unknown,
    /// On another network, and on none of the home.
    Another,
}

impl Home {
    /// The most networks that it has; what is more does not count.
    const MOST: usize = 64;

    /// The networks with a known gateway; `None` where none of them has a router: then it is not known which they are.
    pub fn of(now: &[NetworkFacts]) -> Option<Self> {
        let of = |facts: &NetworkFacts| {
            let gateway = facts.gateway;
            let prefixes = facts.prefixes.clone().into_iter();
            prefixes.filter_map(move |prefix| Some(HomeNetwork { prefix, gateway: gateway? }))
        };
        let known: BTreeSet<HomeNetwork> = now.iter().flat_map(of).collect();
        // Routers first: what is cut off is a virtual machine's.
        let (routed, others): (Vec<_>, Vec<_>) = known.into_iter().partition(HomeNetwork::has_router);
        let is_known = !routed.is_empty();
        let networks = routed.into_iter().chain(others).take(Self::MOST).collect();
        is_known.then_some(Home { networks })
    }

    /// Whether it has a router, and no more networks than it may.
    pub fn is_within_bounds(&self) -> bool {
        self.networks.len() <= Self::MOST && self.networks.iter().any(HomeNetwork::has_router)
    }

    /// Where this Mac is by it. Host-only networks are on every network.
    pub fn place(&self, now: &[NetworkFacts]) -> Whereabouts {
        let mut routers = self.networks.iter().filter(|network| network.has_router());
        let has_v4 = routers.clone().any(|network| network.prefix.addr().is_ipv4());
        let has_router = |facts: &&NetworkFacts| matches!(facts.gateway, Some(Gateway::Router(_)));
        let is_v4 = |facts: &NetworkFacts| facts.prefixes.iter().any(|prefix| prefix.addr().is_ipv4());
        // Where there is IPv6 alone, or as yet, the router counts: a provider gives the same network another prefix.
        let is_v6_alone = !has_v4 || !now.iter().filter(has_router).any(is_v4);
        let is_here = |network: &HomeNetwork| {
            let has_its_router = |facts: &NetworkFacts| facts.gateway == Some(network.gateway);
            network.is_there(now) || (is_v6_alone && now.iter().any(has_its_router))
        };
        if routers.any(is_here) {
            return Whereabouts::Here;
        }
        if now.iter().any(|facts| has_router(&facts)) { Whereabouts::Another } else { Whereabouts::Unknown }
    }

    /// The interface that one of its networks is on now.
    pub fn interface<'a>(&self, now: &'a [NetworkFacts]) -> Option<&'a str> {
        let mut routed = self.networks.iter().filter(|network| network.has_router());
        routed.find_map(|network| {
            let there = now.iter().find(|facts| network.is_on(facts))?;
            Some(there.interface.as_str())
        })
    }

    /// Which of `networks`, those of an opening, are there now: each by its own gateway.
    pub fn present(&self, networks: &[IpNet], now: &[NetworkFacts]) -> Vec<IpNet> {
        let is_here = self.place(now) == Whereabouts::Here;
        let is_there = |network: &&IpNet| {
            let mut own = self.networks.iter().filter(|own| overlap(&own.prefix, network)).peekable();
            // One of which no gateway was known goes with the rest.
            if own.peek().is_none() { is_here } else { own.any(|own| own.is_there(now)) }
        };
        let routed = networks.iter().filter(|network| !is_link_local(network));
        let there: Vec<IpNet> = routed.clone().filter(is_there).copied().collect();
        let is_on_a_link = if routed.count() == 0 { is_here } else { !there.is_empty() };
        let near = networks.iter().filter(|network| is_on_a_link && is_link_local(network));
        // In their order.
        let there: Vec<&IpNet> = there.iter().chain(near).collect();
        networks.iter().filter(|network| there.contains(network)).copied().collect()
    }
}

impl HomeNetwork {
    fn has_router(&self) -> bool {
        matches!(self.gateway, Gateway::Router(_))
    }

    fn is_there(&self, now: &[NetworkFacts]) -> bool {
        now.iter().any(|facts| self.is_on(facts))
    }

    fn is_on(&self, facts: &NetworkFacts) -> bool {
        facts.gateway == Some(self.gateway) && facts.prefixes.contains(&self.prefix)
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// `192.168.1.0/24`: its prefixes that have a router, IPv4 before IPv6.
impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routers = self.networks.iter().filter(|network| network.has_router());
        let mut prefixes: Vec<String> = routers.map(|network| host_text(&network.prefix)).collect();
        prefixes.dedup();
        f.write_str(&prefixes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `en0 192.168.1.0/24,fd00::/64 1`: the last letter of the router's address, `?` or `this-mac`.
    fn now(networks: &[&str]) -> Vec<NetworkFacts> {
        let facts = |text: &&str| {
            let mut words = text.split(' ');
            let (interface, prefixes) = (words.next().unwrap().to_owned(), words.next().unwrap());
            let gateway = match words.next().unwrap() {
                "?" => None,
                "this-mac" => Some(Gateway::ThisMac),
                last => Some(format!("a4:91:b1:00:00:0{last}").parse().unwrap()),
            };
            let prefixes = prefixes.split(',').map(|prefix| prefix.parse().unwrap()).collect();
            NetworkFacts { interface, prefixes, gateway }
        };
        networks.iter().map(facts).collect()
    }

    #[test]
    fn where_this_mac_is() {
        use Whereabouts::{Another, Here, Unknown};
        let (home, six) = ("en0 192.168.1.0/24 1", "en0 2001:db8::/64 1");
        for (what, home, there, place) in [
            ("the same", &[home][..], &[home][..], Here),
            ("a dock", &[home], &["en7 192.168.1.0/24 1"], Here),
            ("both", &[home], &["en0 10.0.0.0/16 2", "en7 192.168.1.0/24 1"], Here),
            ("same prefix, another gateway", &[home], &["en0 192.168.1.0/24 2"], Another),
            ("same gateway, another prefix", &[home], &["en0 192.168.2.0/24 1"], Another),
            ("a hot spot", &[home], &["en0 172.20.10.0/28 3"], Another),
            ("no address", &[home], &[], Unknown),
            ("no gateway yet", &[home], &["en0 192.168.1.0/24 ?"], Unknown),
            ("a virtual machine alone", &[home], &["bridge100 192.168.64.0/24 this-mac"], Unknown),
            ("one of two", &[home, "en7 10.0.0.0/16 2"], &["en7 10.0.0.0/16 2"], Here),
            ("one not known yet", &[home], &["en0 10.0.0.0/16 ?", "en7 10.1.0.0/16 4"], Another),
            ("IPv6 alone", &[six], &[six], Here),
            ("IPv6 with another prefix", &[six], &["en0 2001:db8:1::/64 1"], Here),
            ("IPv6 by another router", &[six], &["en0 2001:db8::/64 2"], Another),
            ("both families, IPv6 first", &[home, six], &["en0 192.168.1.0/24 ?", six], Here),
            (
                "both, IPv6 with another prefix",
                &[home, six],
                &["en0 192.168.1.0/24 ?", "en0 2001:db8:1::/64 1"],
                Here,
            ),
            ("a guest network", &[home, six], &["en0 192.168.2.0/24 1", "en0 2001:db8:1::/64 1"], Another),
        ] {
            assert_eq!(Home::of(&now(home)).unwrap().place(&now(there)), place, "{what}");
        }
        assert_eq!(Home::of(&now(&["en0 10.0.0.0/16 ?", "bridge100 192.168.64.0/24 this-mac"])), None);
    }

    #[test]
    fn each_network_is_there_by_its_own_gateway() {
        let home = Home::of(&now(&[
            "en0 192.168.1.0/24 1",
            "en7 10.0.0.0/16 2",
            "bridge100 192.168.64.0/24 this-mac",
        ]));
        let networks: Vec<IpNet> =
            ["192.168.1.0/24", "10.0.0.0/16", "192.168.64.0/24", "10.8.0.0/24", "fe80::/10"]
                .map(|network| network.parse().unwrap())
                .into();
        let present = |there: &[&str]| {
            let present = home.as_ref().unwrap().present(&networks, &now(there));
            present.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let container = "bridge100 192.168.64.0/24 this-mac";
        assert_eq!(
            present(&["en0 192.168.1.0/24 1", "en7 10.0.0.0/16 2", container]),
            "192.168.1.0/24 10.0.0.0/16 192.168.64.0/24 10.8.0.0/24 fe80::/10"
        );
        assert_eq!(present(&["en0 192.168.1.0/24 1"]), "192.168.1.0/24 10.8.0.0/24 fe80::/10");
        // Another network has the prefix of the one that is gone, or of a container.
        assert_eq!(
            present(&["en0 192.168.1.0/24 1", "en7 10.0.0.0/16 3", "en8 192.168.64.0/24 4"]),
            "192.168.1.0/24 10.8.0.0/24 fe80::/10"
        );
        assert_eq!(present(&[container]), "192.168.64.0/24 fe80::/10");
        assert_eq!(present(&[]), "");
    }

    #[test]
    fn it_reads_back_and_is_named_by_its_prefixes() {
        let home = Home::of(&now(&[
            "en0 2001:db8::/64 1",
            "en0 192.168.1.0/24 1",
            "bridge100 192.168.64.0/24 this-mac",
        ]));
        let home = home.unwrap();
        assert_eq!(home.to_string(), "192.168.1.0/24, 2001:db8::/64");
        let json = serde_json::to_string(&home).unwrap();
        assert_eq!(
            json,
            r#"[{"prefix":"192.168.1.0/24","gateway":"a4:91:b1:00:00:01"},{"prefix":"192.168.64.0/24","gateway":"this-mac"},{"prefix":"2001:db8::/64","gateway":"a4:91:b1:00:00:01"}]"#
        );
        assert_eq!(serde_json::from_str::<Home>(&json).unwrap(), home);
        for bad in [
            r#"[{"prefix":"192.168.1.0/24","gateway":"02:00:00:00:00:00"}]"#,
            r#"[{"prefix":"192.168.1.0/24","gateway":"a4:91:b1:00:00:01","x":1}]"#,
        ] {
            assert!(serde_json::from_str::<Home>(bad).is_err(), "{bad}");
        }
    }
}
