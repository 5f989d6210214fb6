//! The interfaces of an unknown machine, guessed from its rules.

use super::interfaces::InterfaceFacts;
use super::preamble::Preamble;
use super::rulesets::Rulesets;

impl Rulesets {
    /// The same rulesets on an unknown machine, which has one interface to the outside with a private address of each
    /// family. The interface is `on`; without it en0 or another `en…` that the rules name, else the value of a macro
    /// called `ext_if` or the like, else the first that is not a tunnel, else en0.
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

/// Whether `name` is an interface to other hosts: neither loopback nor a tunnel.
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
