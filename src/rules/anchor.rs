//! Renders our anchor: the ledger as rules of pf.
//!
//! Every rule is `quick`, so that what a ruleset says after our anchor cannot overrule it, and none matches
//! anything but TCP to the ports in the ledger.

use std::fmt::Write as _;

use crate::port::PortRange;
use crate::rules::ledger::{Guard, Ledger, Opening};
use crate::rules::named_port::NamedPort;
use crate::rules::source::host_text;
use crate::system::NAME;

/// What the header of the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// When it was written, RFC 3339 in UTC.
    pub written: &'a str,
    /// For whom: the user who asked, from the alphabet that a request allows.
    pub user: &'a str,
}

/// The text of `/etc/pf.anchors/dev.portcullis`: a header of comments, then [`rules`].
pub fn render(ledger: &Ledger, header: &Header) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# {NAME}: written by Portcullis {version} at {} for {}.\n\
         # Do not edit: this file is rendered anew at every change. See what is open with `portcullis status`.\n{}",
        header.written,
        header.user,
        rules(ledger)
    )
}

/// The rules alone: tables first, then for each range, rising, what passes and what is blocked.
/// Empty where the ledger needs no rules.
pub fn rules(ledger: &Ledger) -> String {
    let mut tables = String::new();
    let mut rules = String::new();
    let mut ranges: Vec<Entry> = ledger.openings.iter().map(Entry::Open).collect();
    let closed = ledger.closed();
    ranges.extend(closed.iter().map(Entry::Closed));
    ranges.sort_by_key(Entry::port);
    for entry in ranges {
        match entry {
            Entry::Closed(managed) => {
                block(&mut rules, managed.range, &label(managed.name.as_str(), managed.range))
            }
            Entry::Open(opening) => {
                let label = label(opening.name.as_str(), opening.port);
                let port = port_term(opening.port);
                let source = match opening.from.networks() {
                    None => "any".to_owned(),
                    Some(networks) => {
                        let table = table_name(opening.port);
                        let hosts: Vec<String> = networks.iter().map(host_text).collect();
                        let _ = writeln!(tables, "table <{table}> const {{ {} }}", hosts.join(", "));
                        format!("<{table}>")
                    }
                };
                let _ = writeln!(
                    rules,
                    "pass quick on lo0 proto tcp from any to any port {port} flags S/SA keep state label {label}"
                );
                let _ = writeln!(
                    rules,
                    "pass in quick on ! lo0 proto tcp from {source} to any port {port} flags S/SA keep state label {label}"
                );
                if ledger.guard == Guard::On && opening.from.networks().is_some() {
                    block(&mut rules, opening.port, &label);
                }
            }
        }
    }
    tables + &rules
}

/// The name of the table that holds the addresses let in to `port`: `portcullis_2345`,
/// `portcullis_30000_30100`. At most 23 characters; pf allows 31.
pub fn table_name(port: PortRange) -> String {
    match port.as_single() {
        Some(port) => format!("portcullis_{port}"),
        None => format!("portcullis_{}_{}", port.first(), port.last()),
    }
}

enum Entry<'a> {
    Open(&'a Opening),
    Closed(&'a NamedPort),
}

impl Entry<'_> {
    fn port(&self) -> PortRange {
        match self {
            Entry::Open(opening) => opening.port,
            Entry::Closed(managed) => managed.range,
        }
    }
}

/// `return` rather than `drop`: the client is told at once, instead of waiting for a time-out. `log`, so that a capture
/// of pflog0 tells who tried; where there is no pflog0, the kernel does nothing more (XNU: bsd/net/if_pflog.c).
fn block(rules: &mut String, port: PortRange, label: &str) {
    let port = port_term(port);
    let _ = writeln!(
        rules,
        "block return in log quick on ! lo0 proto tcp from any to any port {port} label {label}"
    );
}

fn port_term(port: PortRange) -> String {
    match port.as_single() {
        Some(port) => format!("= {port}"),
        None => format!("{}:{}", port.first(), port.last()),
    }
}

fn label(name: &str, port: PortRange) -> String {
    format!("\"portcullis:{name}:{port}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::source::Source;

    fn opening(name: &str, port: &str, from: Source) -> Opening {
        Opening {
            name: name.parse().unwrap(),
            port: port.parse().unwrap(),
            from,
            until: None,
            since: 0,
            by: "ada".into(),
        }
    }

    fn ledger(guard: Guard) -> Ledger {
        let mut ledger = Ledger { guard, ..Ledger::default() };
        for (name, port) in [("dlv", "2345"), ("node", "9229"), ("many", "30000-30100")] {
            ledger.manage(&NamedPort { name: name.parse().unwrap(), range: port.parse().unwrap() });
        }
        ledger
    }

    #[test]
    fn all_closed_and_no_guard_is_no_rule() {
        assert_eq!(rules(&ledger(Guard::Off)), "");
        assert_eq!(rules(&ledger(Guard::Unset)), "");
    }

    #[test]
    fn guard_blocks_what_is_not_open() {
        let mut ledger = ledger(Guard::On);
        let hosts = vec!["192.168.1.0/24".parse().unwrap(), "10.0.0.5/32".parse().unwrap()];
        ledger.open(opening("dlv", "2345", Source::Hosts { hosts }));
        ledger.open(opening("node", "9229", Source::Any));
        insta::assert_snapshot!(rules(&ledger), @r#"
        table <portcullis_2345> const { 192.168.1.0/24, 10.0.0.5 }
        pass quick on lo0 proto tcp from any to any port = 2345 flags S/SA keep state label "portcullis:dlv:2345"
        pass in quick on ! lo0 proto tcp from <portcullis_2345> to any port = 2345 flags S/SA keep state label "portcullis:dlv:2345"
        block return in log quick on ! lo0 proto tcp from any to any port = 2345 label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any to any port = 9229 flags S/SA keep state label "portcullis:node:9229"
        pass in quick on ! lo0 proto tcp from any to any port = 9229 flags S/SA keep state label "portcullis:node:9229"
        block return in log quick on ! lo0 proto tcp from any to any port 30000:30100 label "portcullis:many:30000-30100"
        "#);
    }

    #[test]
    fn without_guard_only_what_is_open_has_rules() {
        let mut ledger = ledger(Guard::Off);
        ledger.open(opening("dlv", "2345", Source::Lan { networks: vec!["fe80::/10".parse().unwrap()] }));
        let text = render(&ledger, &Header { written: "2026-11-23T17:00:00Z", user: "ada" });
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
        # dev.portcullis: written by Portcullis VERSION at 2026-11-23T17:00:00Z for ada.
        # Do not edit: this file is rendered anew at every change. See what is open with `portcullis status`.
        table <portcullis_2345> const { fe80::/10 }
        pass quick on lo0 proto tcp from any to any port = 2345 flags S/SA keep state label "portcullis:dlv:2345"
        pass in quick on ! lo0 proto tcp from <portcullis_2345> to any port = 2345 flags S/SA keep state label "portcullis:dlv:2345"
        "#);
    }
}
