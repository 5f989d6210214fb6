//! Rules that do on macOS what their text does not say, each as a sentence.

use std::fmt;
use std::net::IpAddr;

use super::criteria::{Address, InterfaceAddress, Peer, range_holds};
use super::interfaces::is_driver;
use super::packet::Packet;
use super::rule::Rule;
use super::rulesets::Rulesets;

/// What pf does otherwise than the text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surprise {
    /// The kernel compares the addresses of a range from their last byte on (XNU, net/pf.c: `pf_match_addr_range`).
    Range(IpAddr, IpAddr),
    /// `set skip on` the name of a driver skips nothing from macOS 15 on.
    SkipDriver(String),
    /// `(self)` holds no address: the kernel keeps it by the name of a group, which macOS does not fill.
    DynamicSelf,
    /// No interface of macOS bears the name: there are no groups of interfaces, and no patterns.
    NoInterface { name: String, negated: bool },
    /// `(lo0)/24` stands for another interface's addresses: all of one prefix length are one table in the kernel.
    SharedTable { written: String, meant: String },
    /// The quick call of an anchor that does not end the search though a rule matches in it (XNU, net/pf.c:
    /// `pf_step_into_anchor`, `pf_step_out_of_anchor`).
    LostQuick(String),
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Surprise::Range(first, last) => write!(
                f,
                "macOS compares the addresses of a range from their last byte on, so {first} - {last} holds other \
                 addresses than those between: write networks, or a table of addresses"
            ),
            Surprise::SkipDriver(name) => write!(
                f,
                "`set skip on {name}` skips nothing from macOS 15 on, where it needs the name of an interface, such as \
                 {name}0"
            ),
            Surprise::LostQuick(call) => write!(
                f,
                "a rule matches in {call}, and later rules are evaluated all the same: macOS forgets the match where \
                 anchors are called inside a quick call, and the quick of a call that is the last rule of another anchor; \
                 write `quick` in the rules themselves"
            ),
            Surprise::NoInterface { name, negated } => write!(
                f,
                "no interface of macOS is called {name}, and there are no groups or patterns of interfaces: `on {}{name}` \
                 {}; write a name that ifconfig shows, such as en0",
                if *negated { "! " } else { "" },
                if *negated { "holds for every packet" } else { "never matches" }
            ),
            Surprise::DynamicSelf => {
                f.write_str("`(self)` holds no address on macOS: write `self`, without brackets")
            }
            Surprise::SharedTable { written, meant } => write!(
                f,
                "macOS keeps all addresses such as {written} in one table for each prefix length, so {written} stands \
                 for {meant}, which is loaded first: write the networks"
            ),
        }
    }
}

/// The surprises in one rule of `loaded`, whatever the packet.
pub fn of_rule(loaded: &Rulesets, rule: &Rule) -> Vec<Surprise> {
    let of_peer = |peer: &Peer| match &peer.address {
        Address::Range(range) if range.0 != range.1 => Some(Surprise::Range(range.0, range.1)),
        Address::Dynamic(interface) => of_interface(loaded, interface),
        _ => None,
    };
    let interface = rule
        .interface
        .as_ref()
        .filter(|interface| !can_be_interface(&interface.name) || is_of_linux(&interface.name));
    let of_interface = interface.map(|interface| Surprise::NoInterface {
        name: interface.name.to_string(),
        negated: interface.negated,
    });
    [&rule.source, &rule.destination].into_iter().filter_map(of_peer).chain(of_interface).collect()
}

/// The surprises in the options, whatever the packet.
pub fn of_options(loaded: &Rulesets) -> Vec<Surprise> {
    let drivers = loaded.skipped().iter().filter(|name| !can_be_interface(name) && !loaded.skips_drivers());
    drivers.map(|name| Surprise::SkipDriver(name.clone())).collect()
}

/// Whether an interface may bear the name: letters, digits, and a number at its end.
fn can_be_interface(name: &str) -> bool {
    name.ends_with(|last: char| last.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether it is one of the names that Linux gives: macOS has no driver of such a name.
fn is_of_linux(name: &str) -> bool {
    let driver = name.trim_end_matches(|last: char| last.is_ascii_digit());
    matches!(driver, "eth" | "wlan" | "docker" | "virbr" | "veth" | "enp" | "ens" | "eno" | "wlp")
        || ["enp", "wlp", "wlx"].iter().any(|start| name.starts_with(start))
}

fn of_interface(loaded: &Rulesets, interface: &InterfaceAddress) -> Option<Surprise> {
    if &*interface.name == "self" {
        return Some(Surprise::DynamicSelf);
    }
    let meant = loaded.masked(interface);
    let text = |interface: &InterfaceAddress| Address::Dynamic(Box::new(interface.clone())).to_string();
    (meant != interface).then(|| Surprise::SharedTable { written: text(interface), meant: text(meant) })
}

/// The surprises that change which rules apply to the packet, each once.
pub(super) fn of_packet(loaded: &Rulesets, packet: &Packet) -> Vec<Surprise> {
    let skipped = loaded.skipped().iter().filter(|filter| is_driver(filter, &packet.interface));
    let mut found: Vec<Surprise> = if loaded.skips_drivers() {
        Vec::new()
    } else {
        skipped.map(|filter| Surprise::SkipDriver(filter.clone())).collect()
    };
    let rules =
        loaded.anchor_paths().filter_map(|path| loaded.anchor(path)).flat_map(|ruleset| &ruleset.filter);
    for rule in rules.map(|placed| &placed.item) {
        for (peer, address) in [(&rule.source, packet.source), (&rule.destination, packet.destination)] {
            let surprise = match (&peer.address, address) {
                (Address::Range(range), Some(address)) => {
                    let (first, last) = **range;
                    let by_text = first.is_ipv4() == address.is_ipv4() && first <= address && address <= last;
                    let differs = by_text != range_holds(first, last, address);
                    differs.then_some(Surprise::Range(first, last))
                }
                (Address::Dynamic(interface), _) => of_interface(loaded, interface),
                _ => None,
            };
            if let Some(surprise) = surprise.filter(|surprise| !found.contains(surprise)) {
                found.push(surprise);
            }
        }
    }
    found
}
