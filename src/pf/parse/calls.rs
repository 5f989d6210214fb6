//! `nat-anchor` and its kin: calls of anchors for what is not a filter rule.

use crate::pf::criteria::{Compare, PortMatch};
use crate::pf::rule::{Action, AnchorCall, Rule, Ruleset};

use super::criteria::GivenCriteria;
use super::expand::{Lists, RuleList};
use super::kernel::{Order, Parser, Read};
use super::lexer::Position;

impl Parser<'_, '_, '_> {
    /// `nat-anchor` and its kin.
    pub(super) fn other_anchor(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let keyword = self.bump().text;
        let path = self.strings("the anchor's path")?;
        let (action, order, rules): (_, _, RuleList) = match &*keyword {
            "nat-anchor" => {
                (Action::Nat { pass: false }, Some(Order::Translation), |ruleset| &mut ruleset.nat)
            }
            "rdr-anchor" => {
                (Action::Rdr { pass: false }, Some(Order::Translation), |ruleset| &mut ruleset.rdr)
            }
            "binat-anchor" => {
                (Action::Binat { pass: false }, Some(Order::Translation), |ruleset| &mut ruleset.binat)
            }
            "scrub-anchor" => (Action::Scrub, Some(Order::Scrub), |ruleset| &mut ruleset.scrub),
            _ => (Action::Dummynet, None, |ruleset| &mut ruleset.dummynet),
        };
        let binat = matches!(action, Action::Binat { .. });
        let rdr = matches!(action, Action::Rdr { .. });
        let mut rule = Rule::new(action);
        rule.anchor = Some(AnchorCall { path: Some(path), inline: None });
        let mut lists = Lists::default();
        if rule.action == Action::Scrub || rule.action == Action::Dummynet {
            rule.direction = self.opt_direction();
            self.opt_log_and_quick(&mut rule)?;
        }
        lists.interfaces = self.opt_interfaces()?;
        rule.family = self.opt_family();
        lists.protocols = self.opt_protocols()?;
        self.opt_peers(&mut lists)?;
        let mut given = GivenCriteria::default();
        if rule.action == Action::Scrub {
            self.opt_scrub_options(&mut rule)?;
        } else if rule.action == Action::Dummynet {
            given = self.opt_criteria(&mut rule, &mut lists)?;
        }
        rule.rtable = self.opt_rtable()?.or(rule.rtable);
        self.end_of_rule()?;
        if let Some(order) = order {
            self.in_order(order, start)?;
        }
        if given.state {
            return Err(self.wrong(start, "cannot specify state handling on anchors"));
        }
        if binat && lists.protocols.len() > 1 {
            return Err(self.wrong(start, "proto list expansion not supported in binat-anchor"));
        }
        let peers = !lists.sources.is_empty() || !lists.destinations.is_empty();
        if binat && (peers || !lists.source_ports.is_empty() || !lists.destination_ports.is_empty()) {
            return Err(self.wrong(start, "fromto parameter not supported in binat-anchor"));
        }
        if rdr && !lists.source_ports.is_empty() {
            return Err(self.wrong(start, "source port parameter not supported in rdr-anchor"));
        }
        if rdr && lists.destination_ports.len() > 1 {
            return Err(self.wrong(start, "destination port list expansion not supported in rdr-anchor"));
        }
        let equal = |port: &PortMatch| match port {
            PortMatch::Number(compare) => matches!(compare, Compare::Equal(_)),
            PortMatch::Service(text) => text.starts_with("= "),
        };
        if rdr && !lists.destination_ports.iter().all(equal) {
            return Err(self.wrong(start, "destination port operators not supported in rdr-anchor"));
        }
        lists.decide_family(&mut rule);
        self.expand(rule, lists, start, rules, ruleset)
    }
}
