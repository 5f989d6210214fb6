//! Renders our anchor: the ledger as rules of pf.
//!
//! Every rule is `quick`, so that what a ruleset says after our anchor cannot overrule it, and none matches
//! anything but TCP to the ports in the ledger, and on lo0 from them. Every rule has a label: pfctl's optimizer moves no
//! rule past one that has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipnet::IpNet;

use crate::pf::explain::NearNetwork;
use crate::pf::interfaces::InterfaceFacts;
use crate::port::PortRange;
use crate::rules::ledger::{Guard, Ledger, Opening};
use crate::rules::named_port::PortName;
use crate::rules::order;
use crate::rules::source::{Source, host_text, is_link_local};
use crate::system::{NAME, is_hardware};

/// The header of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// When it was written, RFC 3339 in UTC.
    pub written: &'a str,
    /// The user who asked, from the alphabet that a request allows.
    pub user: &'a str,
}

/// The text of `/etc/pf.anchors/dev.portcullis`: a header of comments, then the [`rules`] of what is true at boot.
pub fn render(ledger: &Ledger, interfaces: &[InterfaceFacts], header: &Header) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# {NAME}: written by Portcullis {version} at {} for {}.\n\
         # Do not edit: this file is rendered anew at every change. See what is open with `portcullis status`.\n{}",
        header.written,
        header.user,
        rules(&ledger.at_boot(), interfaces)
    )
}

/// The rules alone: tables first, then for each range, rising, what passes and what is blocked. `interfaces` are those
/// of this Mac: link-local clients are let in by interface. Empty where the ledger needs no rules.
pub fn rules(ledger: &Ledger, interfaces: &[InterfaceFacts]) -> String {
    let tables = tables(ledger).into_iter();
    let tables =
        tables.map(|(name, addresses)| format!("table <{name}> const {{ {} }}\n", addresses.join(", ")));
    let open = ledger.openings.iter();
    let open = open.map(|opening| (opening.port, open_rules(opening, interfaces, ledger.guard)));
    let closed = ledger.closed().into_iter();
    let closed = closed.map(|port| (port.range, close_rules(port.range, &label(&port.name, port.range))));
    let mut by_range: Vec<(PortRange, String)> = open.chain(closed).collect();
    order::by_key(&mut by_range, |(range, _)| *range);
    tables.chain(by_range.into_iter().map(|(_, rules)| rules)).collect()
}

/// The tables that the rules name, each with its addresses as pfctl writes them.
pub fn tables(ledger: &Ledger) -> BTreeMap<String, Vec<String>> {
    let table = |opening: &Opening| {
        let networks = routed(&opening.source_now()?)?;
        let addresses: Vec<String> = networks.iter().map(host_text).collect();
        (!addresses.is_empty()).then(|| (table_name(opening.port), addresses))
    };
    ledger.openings.iter().filter_map(table).collect()
}

/// The name of the table that holds the addresses let in to `port`: `portcullis_2345`,
/// `portcullis_30000_30100`. At most 23 characters; pf allows 31.
fn table_name(port: PortRange) -> String {
    match port.as_single() {
        Some(port) => format!("portcullis_{port}"),
        None => format!("portcullis_{}_{}", port.first(), port.last()),
    }
}

/// The addresses of a source that mean the same on every interface; `None` for all. Link-local ones of `lan` do not:
/// a table would let them in on every link (XNU filters before it embeds the scope: ip6_input.c).
fn routed(from: &Source) -> Option<Vec<IpNet>> {
    let networks = from.networks()?.iter();
    Some(match from {
        Source::Lan { .. } => networks.filter(|network| !is_link_local(network)).copied().collect(),
        _ => networks.copied().collect(),
    })
}

/// The machines that an opening lets in, link-local ones on each of their links; none where it lets in all, or pauses.
pub fn let_in(opening: &Opening, interfaces: &[InterfaceFacts]) -> Vec<NearNetwork> {
    let Some(from) = opening.source_now() else { return Vec::new() };
    let mut near: Vec<NearNetwork> =
        routed(&from).unwrap_or_default().into_iter().map(NearNetwork::from).collect();
    if let Source::Lan { networks } = &from {
        for facts in links(networks, interfaces) {
            let interface = Some(facts.name.clone());
            let link_local = networks.iter().filter(|network| is_link_local(network));
            near.extend(
                link_local.map(|network| NearNetwork { network: *network, interface: interface.clone() }),
            );
        }
    }
    near
}

/// The hardware interfaces that are on one of the networks of `lan`.
pub fn links<'a>(
    networks: &'a [IpNet],
    interfaces: &'a [InterfaceFacts],
) -> impl Iterator<Item = &'a InterfaceFacts> {
    let meet = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let is_on = move |facts: &InterfaceFacts| {
        let routed = networks.iter().filter(|network| !is_link_local(network));
        routed.clone().any(|network| facts.addresses.iter().any(|own| meet(network, &own.trunc())))
    };
    interfaces.iter().filter(move |facts| is_hardware(&facts.name) && is_on(facts))
}

/// What lets a port's clients in. On lo0 both ways pass without a state: a state that pf kept while it was off drops
/// its packets silently, and a loopback session is never to be cut. `from port` passes what the server answers, and
/// nothing that opens a connection. From other machines `flags any` takes up a session that is older than the rules. While
/// it pauses, other machines are refused as where it is closed, but for the sessions that have a state.
fn open_rules(opening: &Opening, interfaces: &[InterfaceFacts], guard: Guard) -> String {
    let (label, port) = (label(&opening.name, opening.port), port_term(opening.port));
    let source = opening.source_now();
    let from = match source.as_ref().map(routed) {
        None => None,
        Some(None) => Some("any".to_owned()),
        Some(Some(networks)) => (!networks.is_empty()).then(|| format!("<{}>", table_name(opening.port))),
    };
    let mut rules = String::new();
    let mut rule = |rule: String| {
        let _ = writeln!(rules, "{rule} label {label}");
    };
    rule(format!("pass quick on lo0 proto tcp from any to any port {port} flags any no state"));
    rule(format!("pass quick on lo0 proto tcp from any port {port} to any flags A/A no state"));
    rule(format!("pass quick on lo0 proto tcp from any port {port} to any flags R/SR no state"));
    if let Some(from) = from {
        rule(format!("pass in quick on ! lo0 proto tcp from {from} to any port {port} flags any keep state"));
    }
    if let Some(Source::Lan { networks }) = &source {
        for facts in links(networks, interfaces) {
            for near in networks.iter().filter(|network| is_link_local(network)) {
                let (link, near) = (&facts.name, host_text(near));
                rule(format!(
                    "pass in quick on {link} inet6 proto tcp from {near} to any port {port} flags any keep state"
                ));
            }
        }
    }
    if guard == Guard::On && source != Some(Source::Any) {
        rules += &close_rules(opening.port, &label);
    }
    rules
}

/// The first of the ports that macOS gives to outgoing connections (`net.inet.ip.portrange.first`).
const FIRST_EPHEMERAL: u16 = 49_152;

/// What refuses a port to other machines. `return` rather than `drop`: the client learns it at once, instead of waiting
/// for a time-out. `log`, so that a capture of pflog0 shows who tried; where there is no pflog0, the kernel does nothing
/// more (XNU: bsd/net/if_pflog.c). A lone reset passes, so that the debugger hears that a client is gone whose state was
/// dropped. A port that may be the near end of an outgoing connection is blocked for what opens a connection alone.
fn close_rules(range: PortRange, label: &str) -> String {
    let block = "block return in log quick on ! lo0 proto tcp from any to any port";
    let (listening, ephemeral) = split(range);
    let listening = listening.map(port_term).map(|port| {
        format!(
            "pass in quick on ! lo0 proto tcp from any to any port {port} flags R/SR no state label {label}\n\
             {block} {port} label {label}\n"
        )
    });
    let ephemeral = ephemeral.map(port_term).map(|port| format!("{block} {port} flags S/SA label {label}\n"));
    listening.into_iter().chain(ephemeral).collect()
}

/// The ports below those of outgoing connections, and those among them.
fn split(port: PortRange) -> (Option<PortRange>, Option<PortRange>) {
    (
        PortRange::new(port.first(), port.last().min(FIRST_EPHEMERAL - 1)),
        PortRange::new(port.first().max(FIRST_EPHEMERAL), port.last()),
    )
}

/// Whether a closing leaves the sessions under way on `port` alone: its block stops only what opens a connection.
pub fn sessions_outlive_closing(port: u16) -> bool {
    port >= FIRST_EPHEMERAL
}

fn port_term(port: PortRange) -> String {
    match port.as_single() {
        Some(port) => format!("= {port}"),
        None => format!("{}:{}", port.first(), port.last()),
    }
}

fn label(name: &PortName, port: PortRange) -> String {
    format!("\"portcullis:{name}:{port}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::named_port::NamedPort;
    use crate::rules::source::Source;

    fn opening(name: &str, port: &str, from: Source) -> Opening {
        let named = NamedPort { name: name.parse().unwrap(), range: port.parse().unwrap() };
        Opening::new(&named, from, None, 0, "ada")
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
        assert_eq!(rules(&ledger(Guard::Off), &[]), "");
        assert_eq!(rules(&ledger(Guard::Unset), &[]), "");
    }

    fn interfaces() -> Vec<InterfaceFacts> {
        [
            ("en0", "192.168.1.9/24"),
            ("en7", "10.0.0.9/16"),
            ("utun4", "192.168.1.77/24"),
            ("bridge100", "192.168.1.1/24"),
        ]
        .map(|(name, address)| InterfaceFacts {
            name: name.into(),
            addresses: vec![address.parse().unwrap()],
        })
        .into()
    }

    #[test]
    fn guard_blocks_what_is_not_open() {
        let mut ledger = ledger(Guard::On);
        let hosts = vec!["192.168.1.0/24".parse().unwrap(), "10.0.0.5/32".parse().unwrap()];
        ledger.open(opening("dlv", "2345", Source::Hosts { hosts }));
        ledger.open(opening("node", "9229", Source::Any));
        insta::assert_snapshot!(rules(&ledger, &interfaces()), @r#"
        table <portcullis_2345> const { 192.168.1.0/24, 10.0.0.5 }
        pass quick on lo0 proto tcp from any to any port = 2345 flags any no state label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any port = 2345 to any flags A/A no state label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any port = 2345 to any flags R/SR no state label "portcullis:dlv:2345"
        pass in quick on ! lo0 proto tcp from <portcullis_2345> to any port = 2345 flags any keep state label "portcullis:dlv:2345"
        pass in quick on ! lo0 proto tcp from any to any port = 2345 flags R/SR no state label "portcullis:dlv:2345"
        block return in log quick on ! lo0 proto tcp from any to any port = 2345 label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any to any port = 9229 flags any no state label "portcullis:node:9229"
        pass quick on lo0 proto tcp from any port = 9229 to any flags A/A no state label "portcullis:node:9229"
        pass quick on lo0 proto tcp from any port = 9229 to any flags R/SR no state label "portcullis:node:9229"
        pass in quick on ! lo0 proto tcp from any to any port = 9229 flags any keep state label "portcullis:node:9229"
        pass in quick on ! lo0 proto tcp from any to any port 30000:30100 flags R/SR no state label "portcullis:many:30000-30100"
        block return in log quick on ! lo0 proto tcp from any to any port 30000:30100 label "portcullis:many:30000-30100"
        "#);
    }

    #[test]
    fn link_local_clients_of_lan_are_let_in_by_interface() {
        let mut ledger = ledger(Guard::Off);
        let lan = |networks: &[&str]| Source::Lan {
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
        };
        let stay = opening("dlv", "2345", lan(&["192.168.1.0/24", "fe80::/10"]));
        ledger.open(Opening { stay: true, ..stay });
        let text = render(&ledger, &interfaces(), &Header { written: "2026-11-23T17:00:00Z", user: "ada" });
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
        # dev.portcullis: written by Portcullis VERSION at 2026-11-23T17:00:00Z for ada.
        # Do not edit: this file is rendered anew at every change. See what is open with `portcullis status`.
        table <portcullis_2345> const { 192.168.1.0/24 }
        pass quick on lo0 proto tcp from any to any port = 2345 flags any no state label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any port = 2345 to any flags A/A no state label "portcullis:dlv:2345"
        pass quick on lo0 proto tcp from any port = 2345 to any flags R/SR no state label "portcullis:dlv:2345"
        pass in quick on ! lo0 proto tcp from <portcullis_2345> to any port = 2345 flags any keep state label "portcullis:dlv:2345"
        pass in quick on en0 inet6 proto tcp from fe80::/10 to any port = 2345 flags any keep state label "portcullis:dlv:2345"
        "#);
        let links = |networks: &[&str]| {
            let openings = vec![opening("dlv", "2345", lan(networks))];
            let text = rules(&Ledger { openings, ..Ledger::default() }, &interfaces());
            let names = ["en0", "en7", "utun4", "bridge100"];
            let named = names.into_iter().filter(|name| text.contains(&format!("on {name} ")));
            named.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(links(&["192.168.1.0/24", "10.0.0.0/16", "fe80::/10"]), "en0 en7");
        assert_eq!(links(&["192.168.1.9/32", "fe80::/10"]), "en0");
        assert_eq!(links(&["10.0.0.0/16"]), "", "a network alone lets in no link-local client");
        assert_eq!(links(&["fe80::/10"]), "");
    }

    #[test]
    fn ports_of_outgoing_connections_are_blocked_for_what_opens_one_alone() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&NamedPort { name: "many".parse().unwrap(), range: "49151-49152".parse().unwrap() });
        insta::assert_snapshot!(rules(&ledger, &[]), @r#"
        pass in quick on ! lo0 proto tcp from any to any port = 49151 flags R/SR no state label "portcullis:many:49151-49152"
        block return in log quick on ! lo0 proto tcp from any to any port = 49151 label "portcullis:many:49151-49152"
        block return in log quick on ! lo0 proto tcp from any to any port = 49152 flags S/SA label "portcullis:many:49151-49152"
        "#);
    }

    proptest::proptest! {
        /// What is rendered reads back as it is, rule for rule, in pfctl's normal form.
        #[test]
        fn reads_back_as_it_is(ledger in crate::rules::sample::ledgers()) {
            let ledger = Ledger { guard: Guard::On, ..ledger };
            let parsed = crate::pf::parse::parse_text("anchor", &rules(&ledger, &interfaces()));
            proptest::prop_assert!(parsed.problems.is_empty() && parsed.doubts.is_empty(), "{:?}", parsed.problems);
            let listed: Vec<String> = parsed.ruleset.listed_rules().map(|rule| rule.item.to_string()).collect();
            let listing = listed.iter().map(|line| format!("{line}\n")).collect::<String>();
            let again = crate::pf::parse::parse_listing("anchor", &listing);
            let again: Vec<String> = again.ruleset.listed_rules().map(|rule| rule.item.to_string()).collect();
            proptest::prop_assert!(listed.iter().all(|line| line.contains(" label \"portcullis:")));
            proptest::prop_assert_eq!(listed, again);
        }
    }
}
