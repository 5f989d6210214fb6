//! Turns a rule with lists into rules without, in pfctl's order: by interface, then protocol, ICMP type, source, source
//! port, operating system, destination, destination port, user, group; and refuses those that pfctl refuses.

use crate::pf::criteria::{
    Address, Compare, Family, Icmp, InterfaceAddress, InterfaceMatch, OwnerMatch, Peer, PortMatch,
};
use crate::pf::effects::{Block, StateKeeping};
use crate::pf::names::protocols;
use crate::pf::rule::{Action, Placed, Rule, Ruleset};

use super::accept;
use super::hosts::Host;
use super::kernel::{Parser, Read};
use super::lexer::Position;
use super::lists::{Lists, Protocol, RuleList};

/// How many rules one text may expand to.
pub const MAXIMUM_RULES: usize = 250_000;
/// How many combinations of lists one text may have, those that make no rule included.
const MAXIMUM_COMBINATIONS: usize = 4 * MAXIMUM_RULES;

/// "Port unreachable" for IPv4 and IPv6: the default of `return-icmp`.
pub(super) const PORT_UNREACHABLE: (u8, u8) = (3, 4);

impl Parser<'_, '_, '_> {
    /// Adds every combination of the lists to `rules` of the ruleset.
    pub(super) fn expand(
        &mut self,
        rule: Rule,
        mut lists: Lists,
        start: Position,
        rules: RuleList,
        ruleset: &mut Ruleset,
    ) -> Read<()> {
        // They were gathered from the last to the first.
        lists.users.reverse();
        lists.groups.reverse();
        let count = lists.count();
        self.shared.combinations = self.shared.combinations.saturating_add(count);
        self.shared.work += count.min(MAXIMUM_RULES);
        if count > MAXIMUM_RULES.saturating_sub(self.shared.rules)
            || self.shared.combinations > MAXIMUM_COMBINATIONS
        {
            let message = match count {
                1 => format!("this is one rule too many: a text may have {MAXIMUM_RULES} in all"),
                _ => format!("the lists expand to {count} rules: a text may have {MAXIMUM_RULES} in all"),
            };
            return Err(self.wrong(start, &message));
        }
        let place = self.place(start);
        let first = ruleset.count();
        let mut problems: Vec<&'static str> = Vec::new();
        let mut rule = Some(rule);
        for index in 0..count {
            let choice = Choice::new(&lists, index);
            // Most rules have no list: theirs is the last combination and the first.
            let template = if index + 1 == count { rule.take() } else { rule.clone() };
            let Some(mut chosen) = template.and_then(|template| choice.apply(template)) else { continue };
            // In a listing they were replaced when the rules were loaded.
            if !self.is_listing() {
                choice.expand_names(&mut chosen, ruleset.count());
            }
            match accept::problem(&chosen, choice.icmp) {
                Some(problem) if problems.contains(&problem) => {}
                Some(problem) => problems.push(problem),
                None => rules(ruleset).push(Placed { place: place.clone(), item: chosen }),
            }
        }
        self.shared.rules += ruleset.count() - first;
        if ruleset.count() == first && problems.is_empty() {
            problems.push("rule expands to no valid combination");
        }
        let mut result = Ok(());
        for problem in problems {
            result = Err(self.wrong(start, problem));
        }
        result
    }
}

/// One combination of a rule's lists.
struct Choice<'l> {
    interface: Option<&'l InterfaceMatch>,
    protocol: Option<&'l Protocol>,
    icmp: Option<&'l (Icmp, u8)>,
    source: Option<&'l Host>,
    source_port: Option<&'l PortMatch>,
    system: Option<&'l str>,
    destination: Option<&'l Host>,
    destination_port: Option<&'l PortMatch>,
    user: Option<&'l OwnerMatch>,
    group: Option<&'l OwnerMatch>,
}

impl<'l> Choice<'l> {
    /// The combination with this number: the last list turns fastest.
    fn new(lists: &'l Lists, mut index: usize) -> Self {
        fn pick<'l, T>(list: &'l [T], index: &mut usize) -> Option<&'l T> {
            let count = list.len().max(1);
            let item = list.get(*index % count);
            *index /= count;
            item
        }
        let group = pick(&lists.groups, &mut index);
        let user = pick(&lists.users, &mut index);
        let destination_port = pick(&lists.destination_ports, &mut index);
        let destination = pick(&lists.destinations, &mut index);
        let system = pick(&lists.systems, &mut index).map(|system| &**system);
        let source_port = pick(&lists.source_ports, &mut index);
        let source = pick(&lists.sources, &mut index);
        let icmp = pick(&lists.icmp, &mut index);
        let protocol = pick(&lists.protocols, &mut index);
        let interface = pick(&lists.interfaces, &mut index);
        Choice {
            interface,
            protocol,
            icmp,
            source,
            source_port,
            system,
            destination,
            destination_port,
            user,
            group,
        }
    }

    /// The rule with this combination, or `None` where its addresses are of different families.
    fn apply(&self, mut chosen: Rule) -> Option<Rule> {
        for family in [self.source, self.destination].into_iter().flatten().filter_map(|host| host.family) {
            if *chosen.family.get_or_insert(family) != family {
                return None;
            }
        }
        chosen.interface = self.interface()?;
        chosen.protocol = self.protocol.map(|protocol| protocol.number);
        chosen.grev1 = self.protocol.is_some_and(|protocol| protocol.grev1);
        chosen.icmp = self.icmp.map(|(icmp, _)| *icmp);
        chosen.os = self.system.map(Box::from);
        chosen.user = self.user.cloned();
        chosen.group = self.group.cloned();
        for (peer, host, port) in [
            (&mut chosen.source, self.source, self.source_port),
            (&mut chosen.destination, self.destination, self.destination_port),
        ] {
            if let Some(host) = host {
                peer.negated = host.negated;
                peer.address = address(&host.address, chosen.family);
            }
            peer.port = port.cloned();
        }
        drop_inapplicable(&mut chosen);
        Some(chosen)
    }

    /// The interface of the combination, or `None` where its addresses are scoped to another: a link-local address
    /// holds on its own interface alone.
    fn interface(&self) -> Option<Option<InterfaceMatch>> {
        let scope = |host: Option<&'l Host>| host.and_then(|host| host.scope.as_ref());
        let scope = match (scope(self.source), scope(self.destination)) {
            (Some(source), Some(destination)) if source != destination => return None,
            (source, destination) => source.or(destination),
        };
        Some(match (self.interface, scope) {
            (Some(interface), Some(scope)) if interface.name != *scope => return None,
            (Some(interface), _) => Some(interface.clone()),
            (None, Some(scope)) => Some(InterfaceMatch { name: scope.clone(), negated: false }),
            (None, None) => None,
        })
    }

    /// Replaces `$if`, `$srcaddr`, `$srcport`, `$dstaddr`, `$dstport`, `$proto` and `$nr` in label and tags.
    fn expand_names(&self, chosen: &mut Rule, number: usize) {
        let expand = |text: &str| -> Option<Box<str>> {
            if !text.contains('$') {
                return None;
            }
            let any = || "any".to_owned();
            let address = |peer: &Peer| {
                let negation = if peer.negated { "! " } else { "" };
                format!("{negation}{}", peer.address)
            };
            let port = |port: &Option<PortMatch>| match port {
                None | Some(PortMatch::Number(Compare::Range(..))) => String::new(),
                Some(port) => port.to_string().replace(' ', "").trim_start_matches('=').to_owned(),
            };
            let protocol = chosen.protocol.unwrap_or_default();
            let expanded = text
                .replace(
                    "$if",
                    &chosen.interface.as_ref().map_or_else(any, |interface| interface.name.to_string()),
                )
                .replace("$srcaddr", &address(&chosen.source))
                .replace("$dstaddr", &address(&chosen.destination))
                .replace("$srcport", &port(&chosen.source.port))
                .replace("$dstport", &port(&chosen.destination.port))
                .replace(
                    "$proto",
                    &protocols::protocol_name(protocol).map_or_else(|| protocol.to_string(), str::to_owned),
                )
                .replace("$nr", &number.to_string());
            Some(expanded.into_boxed_str())
        };
        let label = chosen.label.as_deref().and_then(expand);
        let tag = chosen.tag.as_deref().and_then(expand);
        let tagged = chosen.tagged.as_ref().and_then(|tagged| expand(&tagged.name));
        if let Some(label) = label {
            chosen.label = Some(label).filter(|label| !label.is_empty());
        }
        if let Some(tag) = tag {
            chosen.tag = Some(tag);
        }
        if let (Some(tagged), Some(name)) = (&mut chosen.tagged, tagged) {
            tagged.name = name;
        }
    }
}

/// The address as pf keeps it in a rule of this family.
fn address(written: &Address, family: Option<Family>) -> Address {
    match written {
        // More bits than the family has mean all of them.
        Address::Dynamic(interface)
            if family == Some(Family::Inet) && interface.bits.is_some_and(|bits| bits >= 32) =>
        {
            Address::Dynamic(Box::new(InterfaceAddress { bits: None, ..(**interface).clone() }))
        }
        // pf keeps "every address" and 0.0.0.0/0 alike.
        Address::Net(net) if net.prefix_len() == 0 => Address::Any,
        address => address.clone(),
    }
}

/// Drops what does not apply to the rule's family and protocol.
fn drop_inapplicable(chosen: &mut Rule) {
    // The code of the other family can neither be sent nor printed.
    if let Action::Block(Block::ReturnIcmp(four, six)) = &mut chosen.action {
        match chosen.family {
            Some(Family::Inet) => *six = PORT_UNREACHABLE.1,
            Some(Family::Inet6) => *four = PORT_UNREACHABLE.0,
            None => {}
        }
    }
    if chosen.protocol.is_some_and(|number| number != 17) {
        chosen.extfilter = None;
        if let Some(redirect) = &mut chosen.redirect {
            redirect.extmap = None;
        }
    }
    let tcp = chosen.protocol.is_none_or(|number| number == 6);
    if !tcp {
        chosen.flags = None;
        if matches!(chosen.state, StateKeeping::Modulate | StateKeeping::Synproxy) {
            chosen.state = StateKeeping::Keep;
        }
    }
}
