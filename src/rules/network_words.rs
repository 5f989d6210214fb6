//! The network that an opening is for, in words. Pure.
//!
//! ```
//! use portcullis::rules::network_words::network_words;
//! use portcullis::rules::opening::Opening;
//! use portcullis::rules::source::Source;
//! let dlv = "2345".parse().map(portcullis::rules::named_port::NamedPort::unnamed).unwrap();
//! let opening = Opening { stay: true, ..Opening::new(&dlv, Source::Any, None, 0, "ada") };
//! assert_eq!(network_words(&opening), "on other networks too");
//! ```

use super::opening::Opening;
use super::source::{Source, host_text, is_link_local};

/// On which networks it is open, and what becomes of it on the one that this Mac is on, as a clause.
pub fn network_words(opening: &Opening) -> String {
    let home = opening.home.as_ref().map(ToString::to_string);
    match (&opening.let_in, home) {
        _ if opening.stay => "on other networks too".to_owned(),
        _ if opening.away => {
            "paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there"
                .to_owned()
        }
        (_, None) => "on the first network that is known".to_owned(),
        (Some(networks), Some(home)) if networks.is_empty() => {
            format!("paused: this Mac is not seen on its network ({home}) at the moment")
        }
        (Some(_), Some(_)) => {
            let there = let_in_words(opening);
            format!("while this Mac is on it; only {there} is let in at the moment")
        }
        (None, Some(_)) if matches!(opening.from, Source::Lan { .. }) => "while this Mac is on it".to_owned(),
        (None, Some(home)) => format!("while this Mac is on the network {home}"),
    }
}

/// The network whose leaving ends it; `None` where that does not, or where the network is not known yet.
pub fn ends_with(opening: &Opening) -> Option<String> {
    opening.home.as_ref().filter(|_| !opening.stay).map(ToString::to_string)
}

/// What of its network is let in now, link-local clients apart: they come with it.
pub fn let_in_words(opening: &Opening) -> String {
    let there = opening.let_in.iter().flatten().filter(|network| !is_link_local(network));
    there.map(host_text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::{home, opening, source};

    #[test]
    fn each_is_one_short_clause() {
        let lan =
            Opening { home: Some(home(1)), ..opening("2345", "lan:10.1.2.0/24,10.2.0.0/16,fe80::/10", 0) };
        let any = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
        let part = source("lan:10.1.2.0/24,fe80::/10").networks().map(<[_]>::to_vec);
        for (opening, words) in [
            (opening("2345", "any", 0), "on the first network that is known"),
            (any.clone(), "while this Mac is on the network 10.1.2.0/24"),
            (lan.clone(), "while this Mac is on it"),
            (
                Opening { let_in: part, ..lan.clone() },
                "while this Mac is on it; only 10.1.2.0/24 is let in at the moment",
            ),
            (
                Opening { let_in: Some(Vec::new()), ..lan.clone() },
                "paused: this Mac is not seen on its network (10.1.2.0/24) at the moment",
            ),
            (
                Opening { let_in: Some(Vec::new()), away: true, ..any },
                "paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there",
            ),
            (Opening { stay: true, ..lan }, "on other networks too"),
        ] {
            assert_eq!(network_words(&opening), words);
        }
    }

    #[test]
    fn an_opening_ends_with_its_network_once_that_is_known() {
        let known = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
        assert_eq!(ends_with(&known).unwrap(), "10.1.2.0/24");
        assert_eq!(ends_with(&Opening { stay: true, ..known }), None);
        assert_eq!(ends_with(&opening("2345", "any", 0)), None);
    }
}
