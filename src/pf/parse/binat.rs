//! `binat`: translation in both ways between two addresses or networks of one size.

use crate::pf::criteria::Address;
use crate::pf::effects::{Pool, Redirect};
use crate::pf::rule::{Action, Rule, Ruleset};

use super::hosts::Host;
use super::kernel::{Order, Parser, Read};
use super::lexer::{LexemeKind, Position};

impl Parser<'_, '_, '_> {
    pub(super) fn binat(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.bump();
        let pass = self.eat("pass");
        if no && pass {
            return Err(self.wrong(start, "\"pass\" not valid with \"no\""));
        }
        let mut rule = Rule::new(if no { Action::NoBinat } else { Action::Binat { pass } });
        rule.log = self.opt_log()?;
        let interfaces = self.opt_interfaces()?;
        rule.interface = interfaces.into_iter().next();
        rule.family = self.opt_family();
        let protocol = self.opt_protocols()?.into_iter().next();
        rule.protocol = protocol.map(|protocol| protocol.number);
        rule.grev1 = protocol.is_some_and(|protocol| protocol.grev1);
        let mut sources = Vec::new();
        let mut destinations = Vec::new();
        if no && self.eat("all") {
            // pfctl prints it so.
        } else {
            self.require("from")?;
            if no && self.eat("any") {
                // pfctl prints it so.
            } else {
                self.host(&mut sources)?;
            }
            if self.eat("to") {
                destinations = self.hosts()?;
            } else {
                self.doubt("a binat rule needs `to`, such as `to any`");
            }
        }
        if self.eat("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.opt_tagged()?;
        rule.rtable = self.opt_rtable()?;
        let mut targets = Vec::new();
        if self.lexeme.kind == LexemeKind::Arrow {
            if no {
                return Err(self.wrong(start, "'no binat' rule does not need '->'"));
            }
            self.bump();
            self.host(&mut targets)?;
            if self.eat("port") {
                self.redirect_ports()?;
            }
        } else if !no {
            return Err(self.expected("a criterion or `->`"));
        }
        self.end_of_rule()?;
        self.in_order(Order::Translation, start)?;
        if let Some(problem) = binat_problem(&mut rule, &mut sources, &mut destinations, &mut targets) {
            return Err(self.wrong(start, problem));
        }
        self.shared.rules += 1;
        let placed = self.placed(start, rule);
        ruleset.binat.push(placed);
        Ok(())
    }
}

/// Fills the rule from its addresses, or gives why pfctl refuses them.
fn binat_problem(
    rule: &mut Rule,
    sources: &mut Vec<Host>,
    destinations: &mut Vec<Host>,
    targets: &mut Vec<Host>,
) -> Option<&'static str> {
    let no = rule.action == Action::NoBinat;
    let family = |hosts: &[Host]| hosts.first().and_then(|host| host.family);
    rule.family = rule.family.or(family(sources)).or(family(destinations)).or(family(targets));
    if destinations.iter().any(|host| host.address == Address::UrpfFailed) {
        return Some("\"urpf-failed\" is not permitted as a binat destination");
    }
    let named = sources
        .iter()
        .chain(&*targets)
        .any(|host| matches!(host.address, Address::Static(_) | Address::Name(..)));
    if rule.family.is_none() && !no && !named {
        return Some("address family (inet/inet6) undefined");
    }
    if sources.iter().chain(&*targets).any(|host| matches!(host.address, Address::Table(_))) {
        return Some("invalid use of a table as an address of a binat rule");
    }
    let fits = |host: &Host| host.family.is_none() || rule.family.is_none() || host.family == rule.family;
    for hosts in [&mut *sources, &mut *targets] {
        hosts.retain(fits);
    }
    if !destinations.iter().all(fits) {
        return Some("binat ip versions must match");
    }
    if sources.len() > 1 || destinations.len() > 1 {
        return Some("multiple binat ip addresses");
    }
    if !no && sources.is_empty() {
        return Some("binat ip versions must match");
    }
    if !no && targets.len() != 1 {
        return Some("binat rule must redirect to a single address");
    }
    if sources.iter().chain(&*targets).any(|host| matches!(host.address, Address::Range(_))) {
        return Some("'binat' source mask and redirect mask must be the same");
    }
    let bits = |hosts: &[Host]| match hosts {
        [Host { address: Address::Net(net), .. }] => Some(net.prefix_len()),
        _ => None,
    };
    if let (Some(source), Some(target)) = (bits(sources), bits(targets))
        && source != target
        && source != 0
    {
        return Some("'binat' source mask and redirect mask must be the same");
    }
    if let Some(source) = sources.pop() {
        rule.source.address = source.address;
    }
    if let Some(destination) = destinations.pop() {
        rule.destination.address = destination.address;
        rule.destination.negated = destination.negated;
    }
    if let Some(target) = targets.pop() {
        rule.redirect = Some(Box::new(Redirect {
            addresses: vec![target.address],
            service: None,
            ports: (0, 0),
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        }));
    }
    None
}
