//! Renders our anchor: the ledger as rules of pf.
//!
//! Every rule is `quick`, so that what a ruleset says after our anchor cannot overrule it, and none matches
//! anything but TCP to the ports in the ledger.

use crate::port::PortRange;
use crate::rules::ledger::{Guard, Ledger, Opening};
use crate::rules::source::host_text;
use crate::system::NAME;

/// The header of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// When it was written, RFC 3339 in UTC.
    pub written: &'a str,
    /// The user who asked, from the alphabet that a request allows.
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
    let open = ledger.openings.iter().map(|opening| (opening.port, open_rules(opening, ledger.guard)));
    let closed = ledger.closed().into_iter().map(|port| {
        let label = label(port.name.as_str(), port.range);
        (port.range, block_rule(port.range, &label))
    });
    let mut by_range: Vec<(PortRange, String)> = open.chain(closed).collect();
    by_range.sort_by_key(|(range, _)| *range);
    let tables = ledger.openings.iter().filter_map(table);
    tables.chain(by_range.into_iter().map(|(_, rules)| rules)).collect()
}

/// The table of those let in, where they are not all.
fn table(opening: &Opening) -> Option<String> {
    let hosts: Vec<String> = opening.from.networks()?.iter().map(host_text).collect();
    Some(format!("table <{}> const {{ {} }}\n", table_name(opening.port), hosts.join(", ")))
}

fn open_rules(opening: &Opening, guard: Guard) -> String {
    let label = label(opening.name.as_str(), opening.port);
    let port = port_term(opening.port);
    let chosen = opening.from.networks().map(|_| format!("<{}>", table_name(opening.port)));
    let source = chosen.as_deref().unwrap_or("any");
    let rest =
        if guard == Guard::On && chosen.is_some() { block_rule(opening.port, &label) } else { String::new() };
    format!(
        "pass quick on lo0 proto tcp from any to any port {port} flags S/SA keep state label {label}\n\
         pass in quick on ! lo0 proto tcp from {source} to any port {port} flags S/SA keep state label {label}\n{rest}"
    )
}

/// `return` rather than `drop`: the client sees a refusal at once, and does not wait for a time-out. `log`, so that a
/// capture of pflog0 shows who tried; where there is no pflog0, the kernel does nothing more (XNU: bsd/net/if_pflog.c).
fn block_rule(range: PortRange, label: &str) -> String {
    let port = port_term(range);
    format!("block return in log quick on ! lo0 proto tcp from any to any port {port} label {label}\n")
}

/// The name of the table that holds the addresses let in to `port`: `portcullis_2345`,
/// `portcullis_30000_30100`. At most 23 characters; pf allows 31.
pub fn table_name(port: PortRange) -> String {
    match port.as_single() {
        Some(port) => format!("portcullis_{port}"),
        None => format!("portcullis_{}_{}", port.first(), port.last()),
    }
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
    use crate::rules::named_port::NamedPort;
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
