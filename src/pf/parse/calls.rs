//! `nat-anchor`, `rdr-anchor`, `binat-anchor`, `scrub-anchor`, `dummynet-anchor`: calls of anchors for rules that are
//! not filter rules.

use crate::pf::criteria::{Compare, PortMatch};
use crate::pf::effects::StateKeeping;
use crate::pf::rule::{Action, AnchorCall, Rule, Ruleset};

use super::criteria::GivenCriteria;
use super::kernel::{Order, Parser, Read};
use super::lexer::Position;
use super::lists::{Lists, RuleList};

impl Parser<'_, '_, '_> {
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
        let mut rule = Rule::new(action);
        rule.anchor = Some(AnchorCall { path: Some(path), inline: None });
        let mut lists = Lists::default();
        if rule.action == Action::Scrub || rule.action == Action::Dummynet {
            rule.direction = self.opt_direction();
            self.opt_log_and_quick(&mut rule)?;
        }
        self.opt_scope(&mut rule, &mut lists)?;
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
        if given.state && rule.state != StateKeeping::No {
            return Err(self.wrong(start, "cannot specify state handling on anchors"));
        }
        if let Some(problem) = call_problem(&rule.action, &lists) {
            return Err(self.wrong(start, problem));
        }
        lists.decide_family(&mut rule);
        self.expand(rule, lists, start, rules, ruleset)
    }
}

/// Why pfctl refuses the lists in the call of an anchor.
fn call_problem(action: &Action, lists: &Lists) -> Option<&'static str> {
    match action {
        Action::Binat { .. } => {
            let peers = !lists.sources.is_empty() || !lists.destinations.is_empty();
            if lists.protocols.len() > 1 {
                return Some("proto list expansion not supported in binat-anchor");
            }
            if peers || !lists.source_ports.is_empty() || !lists.destination_ports.is_empty() {
                return Some("fromto parameter not supported in binat-anchor");
            }
        }
        Action::Rdr { .. } => {
            let equal = |port: &PortMatch| match port {
                PortMatch::Number(compare) => matches!(compare, Compare::Equal(_)),
                PortMatch::Service(text) => text.starts_with("= "),
            };
            if !lists.source_ports.is_empty() {
                return Some("source port parameter not supported in rdr-anchor");
            }
            if lists.destination_ports.len() > 1 {
                return Some("destination port list expansion not supported in rdr-anchor");
            }
            if !lists.destination_ports.iter().all(equal) {
                return Some("destination port operators not supported in rdr-anchor");
            }
        }
        _ => {}
    }
    None
}
