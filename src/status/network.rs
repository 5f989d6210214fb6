//! The network that an open port is for, and whether this Mac is on it.

use serde::{Deserialize, Serialize};

use crate::rules::home::{Home, Whereabouts};
use crate::rules::ledger::Opening;
use crate::rules::network_words::{let_in_words, network_words};
use crate::rules::source::Source;
use crate::system::NetworkFacts;

/// Where this Mac is, by the network of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkPlace {
    Here,
    Another,
    /// No router is known just now; or the opening is for the first network that will be.
    Unknown,
}

/// The network that an opening is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortNetwork {
    /// Its prefixes, such as `192.168.1.0/24`; `None` until one is known.
    pub name: Option<String>,
    /// The interface that it is on now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    pub place: NetworkPlace,
    /// Whether other machines are not let in just now.
    pub paused: bool,
    /// Whether the port stays open on other networks.
    pub stay: bool,
    /// As a clause.
    pub words: String,
}

impl PortNetwork {
    /// By the ledger, which root keeps, and by the networks that this program sees.
    pub(super) fn of(opening: &Opening, now: &[NetworkFacts]) -> Self {
        let home = opening.home.as_ref();
        let seen = home.map_or(Whereabouts::Unknown, |home| home.place(now));
        let place = match seen {
            Whereabouts::Another => NetworkPlace::Another,
            Whereabouts::Here => NetworkPlace::Here,
            Whereabouts::Unknown if opening.away => NetworkPlace::Another,
            // root may see what is hidden from this program.
            Whereabouts::Unknown if is_let_in(opening) => NetworkPlace::Here,
            Whereabouts::Unknown => NetworkPlace::Unknown,
        };
        let interface = home.and_then(|home| home.interface(now)).map(str::to_owned);
        PortNetwork {
            name: home.map(ToString::to_string),
            place,
            paused: opening.is_paused(),
            stay: opening.stay,
            words: words(opening, place, interface.as_deref()),
            interface,
        }
    }
}

/// Whether it is open for a network that root last saw this Mac on.
fn is_let_in(opening: &Opening) -> bool {
    let is_of_network = matches!(opening.from, Source::Lan { .. }) && opening.home.is_some();
    is_of_network && !opening.stay && !opening.is_paused()
}

fn words(opening: &Opening, place: NetworkPlace, interface: Option<&str>) -> String {
    let name = |home: &Home| match interface {
        Some(interface) => format!("{home} on {interface}"),
        None => home.to_string(),
    };
    let Some(home) = opening.home.as_ref().map(name) else {
        return format!("open {}", network_words(opening));
    };
    match place {
        _ if opening.stay => format!("opened on the network {home}, and open on others too"),
        NetworkPlace::Another if opening.is_paused() && !opening.away => {
            format!("paused: this Mac is on another network than {home}")
        }
        _ if opening.is_paused() => network_words(opening),
        _ if opening.let_in.is_some() => {
            let there = let_in_words(opening);
            format!("for the network {home}, of which only {there} is let in at the moment")
        }
        NetworkPlace::Here => format!("for the network {home}, which this Mac is on now"),
        NetworkPlace::Another => {
            format!("for the network {home}, and this Mac is on another now: it pauses within a minute")
        }
        NetworkPlace::Unknown => {
            format!("for the network {home}, which is not known to be there at the moment")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::{home, opening};

    #[test]
    fn the_network_is_named_and_where_this_mac_is() {
        let on = |router: u8| NetworkFacts {
            interface: "en0".into(),
            prefixes: vec!["10.1.2.0/24".parse().unwrap()],
            gateway: format!("a4:91:b1:00:00:0{router}").parse().ok(),
        };
        let any = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
        let lan = Opening { home: Some(home(1)), ..opening("2345", "lan:10.1.2.0/24", 0) };
        let paused = |opening: &Opening| Opening { let_in: Some(Vec::new()), ..opening.clone() };
        let mut said = String::new();
        for (opening, now) in [
            (any.clone(), vec![on(1)]),
            (any.clone(), vec![on(2)]),
            (any.clone(), vec![]),
            (Opening { away: true, ..paused(&any) }, vec![on(2)]),
            (Opening { stay: true, ..any }, vec![on(2)]),
            (lan.clone(), vec![]),
            (paused(&lan), vec![]),
            (opening("2345", "any", 0), vec![]),
        ] {
            let network = PortNetwork::of(&opening, &now);
            assert!(network.words.len() < 120, "{}", network.words);
            said += &format!("{:?} {}\n", network.place, network.words);
        }
        insta::assert_snapshot!(said, @r"
        Here for the network 10.1.2.0/24 on en0, which this Mac is on now
        Another for the network 10.1.2.0/24, and this Mac is on another now: it pauses within a minute
        Unknown for the network 10.1.2.0/24, which is not known to be there at the moment
        Another paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
        Another opened on the network 10.1.2.0/24, and open on others too
        Here for the network 10.1.2.0/24, which this Mac is on now
        Unknown paused: this Mac is not seen on its network (10.1.2.0/24) at the moment
        Unknown open on the first network that is known
        ");
    }
}
