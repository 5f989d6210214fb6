//! `antispoof for …`: two rules for each interface.

use crate::pf::criteria::{Address, Direction, InterfaceAddress, InterfaceMatch};
use crate::pf::effects::Block;
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::shortened;

use super::hosts::{Host, is_name, looks_like_interface};
use super::kernel::{Order, Parser, Read};
use super::lexer::Position;
use super::lists::Lists;
use super::problem::Fault;

/// An interface whose addresses are guarded.
struct Guarded {
    name: Box<str>,
    /// By the addresses that it has when the packet comes.
    dynamic: bool,
    makes_rules: bool,
}

impl Parser<'_, '_, '_> {
    /// `antispoof for en0` blocks packets from en0's networks on other interfaces, and packets from its own addresses.
    pub(super) fn antispoof(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.bump();
        let mut rule = Rule::new(Action::Block(Block::Drop));
        rule.direction = Some(Direction::In);
        self.opt_log_and_quick(&mut rule)?;
        self.require("for")?;
        let interfaces = self.list(Self::guarded)?;
        rule.family = self.opt_family();
        loop {
            if self.lexeme.is("label") {
                self.once(rule.label.is_some(), "label cannot be redefined")?;
                rule.label = self.label()?;
            } else if self.lexeme.is("rtable") {
                rule.rtable = self.opt_rtable()?;
            } else {
                break;
            }
        }
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        for interface in interfaces {
            self.guard(&rule, interface, start, ruleset)?;
        }
        Ok(())
    }

    /// `en0`, `(en0)`: whose addresses are guarded.
    fn guarded(&mut self) -> Read<Guarded> {
        let dynamic = self.eat_punctuation(b'(');
        let at = self.lexeme.at;
        let name = self.interface_name()?;
        // pfctl takes any text here: one that no interface bears makes no rule.
        let (plain, modifier) =
            name.split_once(':').map_or((&*name, None), |(plain, rest)| (plain, Some(rest)));
        let is_borne = is_name(plain) && !plain.contains(['-', '.', '_']);
        let is_borne = is_borne && plain.starts_with(|first: char| first.is_ascii_alphabetic());
        if dynamic && !is_borne {
            return Err(self.wrong(at, &format!("{} is no name of an interface", shortened(&name))));
        }
        if !is_borne {
            let message = format!(
                "no interface of macOS is called {}, so this makes no rule: write a name that ifconfig shows, such as en0",
                shortened(&name)
            );
            self.note_doubt(&message, Fault::Unsure);
        } else if modifier.is_some() {
            let message = format!("antispoof takes an interface alone, so this makes no rule: write {plain}");
            self.note_doubt(&message, Fault::Unsure);
        }
        if dynamic {
            self.require_punctuation(b')')?;
        }
        let makes_rules = is_borne && modifier.is_none();
        Ok(Guarded { name, dynamic, makes_rules })
    }

    /// Adds the rules for one interface.
    fn guard(&mut self, rule: &Rule, guarded: Guarded, start: Position, ruleset: &mut Ruleset) -> Read<()> {
        if !guarded.makes_rules {
            return Ok(());
        }
        let elsewhere = Lists {
            interfaces: vec![InterfaceMatch { name: guarded.name.clone(), negated: true }],
            sources: self.guarded_sources(&guarded, true),
            ..Lists::default()
        };
        self.expand(rule.clone(), elsewhere, start, |ruleset| &mut ruleset.filter, ruleset)?;
        let unit = guarded.name.strip_prefix("lo");
        if unit.is_some_and(|unit| unit.bytes().all(|byte| byte.is_ascii_digit())) {
            return Ok(());
        }
        let sources = self.guarded_sources(&guarded, false);
        if sources.is_empty() {
            return Ok(());
        }
        let own = Lists { sources, ..Lists::default() };
        self.expand(rule.clone(), own, start, |ruleset| &mut ruleset.filter, ruleset)
    }

    /// The networks or the addresses of the interface.
    fn guarded_sources(&self, Guarded { name, dynamic, .. }: &Guarded, network: bool) -> Vec<Host> {
        let interface = InterfaceAddress { name: name.clone(), network, ..Default::default() };
        if *dynamic {
            vec![Host::of(Address::Dynamic(Box::new(interface)))]
        } else {
            let mut hosts = self.addresses_of(interface.clone());
            // The name of a driver reads as that of a host, which pfctl would look up.
            hosts.retain(|host| {
                network
                    || !matches!(host.address, Address::Static(_))
                    || looks_like_interface(name, &interface)
            });
            hosts
        }
    }
}
