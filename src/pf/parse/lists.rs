//! The lists of a rule, as they are gathered before the rule is expanded.

use crate::pf::criteria::{Icmp, InterfaceMatch, OwnerMatch, PortMatch};
use crate::pf::rule::{Placed, Rule, Ruleset};

use super::hosts::Host;

/// The rules of one kind in a ruleset.
pub(super) type RuleList = fn(&mut Ruleset) -> &mut Vec<Placed<Rule>>;

/// A protocol in a list.
#[derive(Clone, Copy)]
pub(super) struct Protocol {
    pub(super) number: u8,
    pub(super) grev1: bool,
}

/// The lists of a rule; an empty one does not constrain.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) interfaces: Vec<InterfaceMatch>,
    pub(super) protocols: Vec<Protocol>,
    /// With the protocol that each goes with.
    pub(super) icmp: Vec<(Icmp, u8)>,
    pub(super) sources: Vec<Host>,
    pub(super) source_ports: Vec<PortMatch>,
    pub(super) systems: Vec<Box<str>>,
    pub(super) destinations: Vec<Host>,
    pub(super) destination_ports: Vec<PortMatch>,
    pub(super) users: Vec<OwnerMatch>,
    pub(super) groups: Vec<OwnerMatch>,
}

impl Lists {
    /// The family of a rule that gives none, where all the addresses of a list are of one.
    pub(super) fn decide_family(&self, rule: &mut Rule) {
        for hosts in [&self.sources, &self.destinations] {
            let Some((first, rest)) = hosts.split_first() else { continue };
            if rule.family.is_none() && rest.iter().all(|host| host.family == first.family) {
                rule.family = first.family;
            }
        }
    }

    /// The number of combinations.
    pub(super) fn count(&self) -> usize {
        [
            self.interfaces.len(),
            self.protocols.len(),
            self.icmp.len(),
            self.sources.len(),
            self.source_ports.len(),
            self.systems.len(),
            self.destinations.len(),
            self.destination_ports.len(),
            self.users.len(),
            self.groups.len(),
        ]
        .iter()
        .fold(1, |product: usize, count| product.saturating_mul((*count).max(1)))
    }
}
