//! `antispoof for …`: two rules for each interface.

use crate::pf::criteria::{Address, Direction, Interface, InterfaceAddress};
use crate::pf::effects::Block;
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::shortened;

use super::expand::Lists;
use super::hosts::{Host, is_name, looks_like_interface};
use super::kernel::{Order, Parser, Read};
use super::lexer::Position;

impl Parser<'_, '_, '_> {
    /// `antispoof for en0`: what comes in elsewhere from en0's networks, and what comes in from its own addresses.
    pub(super) fn antispoof(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        let mut rule = Rule::new(Action::Block(Block::Drop));
        rule.direction = Some(Direction::In);
        self.opt_log_and_quick(&mut rule)?;
        self.require("for")?;
        let interfaces = self.list(|parser| {
            let dynamic = parser.eat_punctuation(b'(');
            let at = parser.token.at;
            let name = parser.interface_name()?;
            if !is_name(&name) || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                return Err(parser.wrong(at, &format!("{} is no name of an interface", shortened(&name))));
            }
            if dynamic {
                parser.require_punctuation(b')')?;
            }
            Ok((name, dynamic))
        })?;
        rule.family = self.opt_family();
        loop {
            let at = self.token.at;
            if self.token.is("label") {
                if rule.label.is_some() {
                    return Err(self.wrong(at, "label cannot be redefined"));
                }
                rule.label = self.label()?;
            } else if self.token.is("rtable") {
                rule.rtable = self.opt_rtable()?;
            } else {
                break;
            }
        }
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        for (name, dynamic) in interfaces {
            let sources = |parser: &Self, network| {
                let interface = InterfaceAddress { name: name.clone(), network, ..Default::default() };
                if dynamic {
                    vec![Host::of(Address::Dynamic(Box::new(interface)))]
                } else if network || looks_like_interface(&name, &interface) {
                    parser.addresses_of(interface)
                } else {
                    // A group's name alone reads as any other name does.
                    vec![Host::of(Address::Name(name.clone(), None))]
                }
            };
            let elsewhere = Lists {
                interfaces: vec![Interface { name: name.clone(), negated: true }],
                sources: sources(self, true),
                ..Lists::default()
            };
            self.expand(rule.clone(), elsewhere, start, |ruleset| &mut ruleset.filter, ruleset)?;
            let loopback =
                name.strip_prefix("lo").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if !loopback {
                let own = Lists { sources: sources(self, false), ..Lists::default() };
                self.expand(rule.clone(), own, start, |ruleset| &mut ruleset.filter, ruleset)?;
            }
        }
        Ok(())
    }
}
