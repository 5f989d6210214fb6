//! The addresses of a table, as pf looks them up.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::criteria::Address;
use super::parse;
use super::preamble::TableSource;

/// The addresses of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableContents {
    /// `true` for networks that are excepted. The narrowest that holds an address decides.
    networks: HashMap<IpNet, bool>,
    /// Entries whose addresses are unknown: names and interfaces.
    unresolved: Vec<Address>,
    /// Why some entries are missing.
    pub(super) unreadable: Option<String>,
}

impl TableContents {
    /// Whether the narrowest network around `address` is excepted; `None` where there is none.
    pub(super) fn narrowest(&self, address: IpAddr) -> Option<bool> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (0..=bits).rev().find_map(|bits| self.networks.get(&IpNet::new(address, bits).ok()?.trunc()).copied())
    }

    /// At most so many of its networks, the lowest, none of which is excepted.
    pub(super) fn included(&self, most: usize) -> Vec<IpNet> {
        let mut networks: Vec<IpNet> =
            self.networks.iter().filter(|(_, negated)| !**negated).map(|(net, _)| *net).collect();
        networks.sort_unstable();
        networks.truncate(most);
        networks
    }

    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.unresolved.is_empty() && self.unreadable.is_none()
    }

    pub(super) fn unresolved(&self) -> &[Address] {
        &self.unresolved
    }

    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    pub(super) fn add(&mut self, negated: bool, address: &Address) {
        match address {
            Address::Net(net) => {
                self.networks.insert(net.trunc(), negated);
            }
            Address::Any => {}
            other => self.unresolved.push(other.clone()),
        }
    }

    /// Adds the lines of a table file or of `pfctl -t NAME -T show`: one address a line, `#` begins a comment.
    pub(super) fn add_lines<'a>(&mut self, name: &str, lines: impl Iterator<Item = &'a str>) {
        let lines: Vec<&str> = lines
            .map(|line| line.split(['#', ';']).next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .collect();
        let text = lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        let parsed = parse::parse_listing(name, &format!("table <t> {{ {text} }}\n"));
        if let Some(problem) = parsed.problems.first() {
            self.unreadable = Some(problem.message.clone());
        }
        for (_, table) in parsed.ruleset.tables() {
            for source in table.contents.iter().flatten() {
                if let TableSource::Addresses(addresses) = source {
                    for (negated, address) in addresses {
                        self.add(*negated, address);
                    }
                }
            }
        }
    }
}
