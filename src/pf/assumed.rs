//! The interfaces of a machine that nothing is known of, guessed from its rules.

use super::interfaces::InterfaceFacts;
use super::preamble::Preamble;
use super::rulesets::Rulesets;

impl Rulesets {
    /// The same for a machine that nothing is known of: on the interface that the rules seem to mean by the outside,
    /// with an address of a private network in each family. That is en0 or another `en…` where they name one, else what
    /// a macro called `ext_if` or the like holds, else the first that is no tunnel, else en0. `on`: the one that is
    /// meant, where that is known.
    pub fn with_assumed_interfaces(self, on: Option<&str>) -> Rulesets {
        let rules = self.anchors.values().flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        let mut names: Vec<&str> = Vec::new();
        for interface in rules.filter_map(|placed| placed.item.interface.as_ref()) {
            if !interface.negated && is_outside(&interface.name) {
                names.push(&interface.name);
            }
        }
        let macros = self.anchors.values().flat_map(|ruleset| &ruleset.preamble);
        let outside = macros.filter_map(|placed| match &placed.item {
            Preamble::Macro(name, value) if is_name_of_outside(name) => Some(value.as_str()),
            _ => None,
        });
        let named = |wanted: &str| names.iter().copied().find(|name| *name == wanted);
        let name = on
            .or_else(|| named("en0"))
            .or_else(|| names.iter().copied().find(|name| name.starts_with("en")))
            .or_else(|| outside.filter_map(named).next())
            .or_else(|| names.first().copied());
        let name = name.unwrap_or("en0").to_owned();
        let addresses = ["192.168.1.10/24", "fd00:6d61:6300:1::10/64"];
        let addresses = addresses.iter().filter_map(|text| text.parse().ok()).collect();
        self.with_interfaces(vec![InterfaceFacts { name, addresses }])
    }
}

/// Whether hosts outside may come in by an interface of this name: it is one, and neither loopback nor a tunnel.
fn is_outside(name: &str) -> bool {
    const INSIDE: &[&str] = &[
        "lo", "l", "utun", "tun", "tap", "ipsec", "ppp", "gif", "gre", "stf", "wg", "bridge", "vmnet",
        "vmenet", "feth", "awdl", "llw", "p2p", "anpi", "ap", "epair", "pflog", "pfsync", "enc",
    ];
    let driver = name.trim_end_matches(|last: char| last.is_ascii_digit());
    driver.len() < name.len() && !INSIDE.contains(&driver)
}

/// Whether a macro of this name usually holds the interface to the outside.
fn is_name_of_outside(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["ext", "wan", "egress", "if_ext", "outside"].iter().any(|start| name.starts_with(start))
}
