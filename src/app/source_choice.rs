//! Who a port is to be opened for, as `--from` and the preferences say it, and on which terms.

use ipnet::IpNet;

use super::error::AppError;
use crate::rules::end_choice::EndChoice;
use crate::rules::ledger::{Guard, Ledger};
use crate::rules::named_port::NamedPort;
use crate::rules::source::{Source, host_text};

/// A source before it is known which networks this Mac is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceChoice {
    Any,
    /// The networks this Mac is on.
    Lan,
    Hosts(Vec<IpNet>),
}

impl SourceChoice {
    /// Reads what `--from` was given, each item on its own or with commas between; `anyone` and `network` are what `explain`
    /// calls `any` and `lan`. Errors: an item that is neither
    /// `any`, `lan`, an address nor a network; one of the words together with something else.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, AppError> {
        let items: Vec<&str> = items.into_iter().flat_map(|item| item.split(',')).map(word).collect();
        match items.as_slice() {
            ["any"] => return Ok(SourceChoice::Any),
            ["lan"] => return Ok(SourceChoice::Lan),
            list if list.contains(&"any") => return Err(AppError::MixedSource("any")),
            list if list.contains(&"lan") => return Err(AppError::MixedSource("lan")),
            _ => {}
        }
        let host = |item: &&str| -> Result<IpNet, AppError> {
            let address = item.parse::<std::net::IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| item.parse::<IpNet>().map(|network| network.trunc()));
            network.map_err(|_| AppError::Source(item.chars().take(80).collect()))
        };
        let mut hosts = items.iter().map(host).collect::<Result<Vec<_>, _>>()?;
        hosts.sort();
        hosts.dedup();
        Ok(SourceChoice::Hosts(hosts))
    }
}

/// One item, by the word that stands for it.
fn word(item: &str) -> &str {
    let item = item.trim();
    let is = |words: &[&str]| words.iter().any(|word| item.eq_ignore_ascii_case(word));
    match () {
        () if is(&["any", "anyone"]) => "any",
        () if is(&["lan", "network"]) => "lan",
        () => item,
    }
}

/// On which terms ports are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningTerms {
    pub from: Source,
    pub end: EndChoice,
    /// Whether they stay open on other networks.
    pub stay: bool,
}

/// The clause that says who was let in to these ports until now, and is not among those that they are open for. Nothing where
/// nobody is kept out: the guard is off.
pub(super) fn shut_out(before: &Ledger, ports: &[NamedPort], from: &Source) -> String {
    let Some(now) = from.networks().filter(|_| before.guard == Guard::On) else { return String::new() };
    // Two halves are the whole.
    let now = IpNet::aggregate(&now.to_vec());
    let again =
        before.openings.iter().filter(|opening| ports.iter().any(|port| port.range.overlaps(opening.port)));
    let mut out: Vec<&IpNet> = Vec::new();
    for opening in again {
        match opening.from.networks() {
            None => return "; nobody else is let in any more".to_owned(),
            Some(all) => out.extend(all),
        }
    }
    let is_out = |old: &&IpNet| {
        let is_in_another = out.iter().any(|other| other != old && other.contains(*old));
        !is_in_another && !now.iter().any(|one| one.contains(*old))
    };
    let in_words = |old: &IpNet| match now.iter().any(|one| old.contains(one)) {
        true => format!("the rest of {}", host_text(old)),
        false => host_text(old),
    };
    let mut out: Vec<String> = out.iter().copied().filter(is_out).map(in_words).collect();
    out.sort();
    out.dedup();
    match out.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} is no longer let in"),
        all => format!("; {} are no longer let in", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read() {
        let read = |items: &[&str]| SourceChoice::parse(items.iter().copied());
        assert_eq!(read(&["any"]).unwrap(), SourceChoice::Any);
        assert_eq!(read(&["lan"]).unwrap(), SourceChoice::Lan);
        assert_eq!(read(&["Anyone"]).unwrap(), SourceChoice::Any);
        assert_eq!(read(&[" LAN "]).unwrap(), SourceChoice::Lan);
        assert_eq!(read(&["network"]).unwrap(), SourceChoice::Lan);
        let hosts =
            |list: &[&str]| SourceChoice::Hosts(list.iter().map(|host| host.parse().unwrap()).collect());
        assert_eq!(read(&["10.0.0.5,10.0.0.5", "::1"]).unwrap(), hosts(&["10.0.0.5/32", "::1/128"]));
        assert_eq!(read(&["192.168.1.7/24"]).unwrap(), hosts(&["192.168.1.0/24"]));
        for bad in
            [&["any", "10.0.0.1"][..], &["lan,any"], &[""], &["all"], &["10.0.0.1/33"], &["example.com"]]
        {
            assert_eq!(read(bad).unwrap_err().exit_status(), 2, "{bad:?}");
        }
    }

    #[test]
    fn who_is_shut_out_is_named() {
        use crate::rules::sample::{opening, source};
        let out = |before: &str, from: &str| {
            let openings = vec![opening("2345-2350", before, 0)];
            let part = NamedPort::unnamed("2345".parse().unwrap());
            let [on, off] = [Guard::On, Guard::Off].map(|guard| Ledger {
                openings: openings.clone(),
                guard,
                ..Ledger::default()
            });
            assert_eq!(shut_out(&off, std::slice::from_ref(&part), &source(from)), "", "nobody is kept out");
            shut_out(&on, &[part], &source(from))
        };
        assert_eq!(out("hosts:10.0.0.5,10.0.0.6", "hosts:10.0.0.6"), "; 10.0.0.5 is no longer let in");
        assert_eq!(out("hosts:10.0.0.5,10.0.0.6", "lan:10.0.0.0/24"), "");
        assert_eq!(out("lan:10.0.0.0/24", "hosts:10.0.0.6"), "; the rest of 10.0.0.0/24 is no longer let in");
        let other = "; 10.0.0.0/24, fe80::/10 are no longer let in";
        assert_eq!(out("lan:10.0.0.0/24,fe80::/10", "hosts:10.1.0.6"), other);
        assert_eq!(out("lan:10.0.0.0/24", "hosts:10.0.0.0/25,10.0.0.128/25"), "");
        let two = "; 10.0.1.0/24, the rest of 10.0.0.0/24 are no longer let in";
        assert_eq!(out("hosts:10.0.0.0/24,10.0.0.7,10.0.1.0/24", "hosts:10.0.0.6"), two);
        assert_eq!(out("any", "lan:10.0.0.0/24"), "; nobody else is let in any more");
        assert_eq!(out("lan:10.0.0.0/24", "any"), "");
        assert_eq!(shut_out(&Ledger::default(), &[], &source("hosts:10.0.0.6")), "");
    }
}
