//! The criteria in the first part of a rule, in their order: direction, interface, family, protocol, source,
//! destination.

use crate::pf::criteria::{Address, Direction, Family, InterfaceMatch, PortMatch};
use crate::pf::names::protocols;
use crate::pf::rule::Rule;
use crate::pf::words::shortened;

use super::hosts::Host;
use super::kernel::{Parser, Read};
use super::lexer::LexemeKind;
use super::lists::{Lists, Protocol};
use super::problem::Fault;

impl Parser<'_, '_, '_> {
    pub(super) fn opt_scope(&mut self, rule: &mut Rule, lists: &mut Lists) -> Read<()> {
        lists.interfaces = self.opt_interfaces()?;
        rule.family = self.opt_family();
        lists.protocols = self.opt_protocols()?;
        self.opt_peers(lists)
    }

    pub(super) fn opt_direction(&mut self) -> Option<Direction> {
        match () {
            () if self.eat("in") => Some(Direction::In),
            () if self.eat("out") => Some(Direction::Out),
            () => None,
        }
    }

    pub(super) fn opt_family(&mut self) -> Option<Family> {
        match () {
            () if self.eat("inet") => Some(Family::Inet),
            () if self.eat("inet6") => Some(Family::Inet6),
            () => None,
        }
    }

    pub(super) fn opt_interfaces(&mut self) -> Read<Vec<InterfaceMatch>> {
        if !self.eat("on") {
            return Ok(Vec::new());
        }
        let interfaces = self.list(Self::interface)?;
        if interfaces.iter().filter(|interface| interface.negated).count() > 1 {
            self.note_exceptions("interfaces: write a rule for each interface that is meant");
        }
        Ok(interfaces)
    }

    /// A list of exceptions is a rule for each of them, and what one excepts the others hold for.
    fn note_exceptions(&mut self, what: &str) {
        let message = format!(
            "a list makes a rule for each of its items, so these exceptions together hold for all {what}"
        );
        self.note_doubt(&message, Fault::Unsure);
    }

    fn interface(&mut self) -> Read<InterfaceMatch> {
        let negated = self.eat_punctuation(b'!');
        Ok(InterfaceMatch { name: self.interface_name()?, negated })
    }

    pub(super) fn interface_name(&mut self) -> Read<Box<str>> {
        let at = self.lexeme.at;
        let name = self.string("an interface")?;
        if name.len() > 15 || name.is_empty() {
            return Err(self.wrong(at, "interface name too long"));
        }
        Ok(name)
    }

    pub(super) fn opt_protocols(&mut self) -> Read<Vec<Protocol>> {
        if self.eat("proto") { self.list(Self::protocol) } else { Ok(Vec::new()) }
    }

    fn protocol(&mut self) -> Read<Protocol> {
        let at = self.lexeme.at;
        let number = match self.lexeme.kind {
            LexemeKind::Number(_) => self.number_within("a protocol", 255)?,
            _ => {
                let name = self.string("a protocol")?;
                if &*name == "grev1" {
                    return Ok(Protocol { number: 47, grev1: true });
                }
                match protocols::protocol(&name) {
                    Some(number) => number,
                    None => return Err(self.wrong(at, &format!("unknown protocol {}", shortened(&name)))),
                }
            }
        };
        if number == 0 {
            return Err(self.wrong(at, "proto 0 cannot be used"));
        }
        Ok(Protocol { number, grev1: false })
    }

    /// `all`, or `from …`, `os …`, `to …`, each of which may be missing.
    pub(super) fn opt_peers(&mut self, lists: &mut Lists) -> Read<()> {
        if self.eat("all") {
            return Ok(());
        }
        if self.eat("from") {
            (lists.sources, lists.source_ports) = self.peer()?;
        }
        if self.eat("os") {
            lists.systems = self.list(|parser| parser.string("an operating system"))?;
        }
        if self.eat("to") {
            let at = self.lexeme.at;
            (lists.destinations, lists.destination_ports) = self.peer()?;
            if lists.destinations.iter().any(|host| host.address == Address::UrpfFailed) {
                return Err(self.wrong(at, "\"urpf-failed\" is not permitted in a destination address"));
            }
        }
        Ok(())
    }

    fn peer(&mut self) -> Read<(Vec<Host>, Vec<PortMatch>)> {
        if self.eat("port") {
            return Ok((Vec::new(), self.ports()?));
        }
        let hosts = self.hosts()?;
        let alike = |one: &Host, other: &Host| {
            one.negated && other.negated && one.family == other.family && one.address != other.address
        };
        if hosts.first().is_some_and(|first| hosts.iter().any(|other| alike(first, other))) {
            self.note_exceptions("addresses: put them in a table, and write `! <name>`");
        }
        let ports = if self.eat("port") { self.ports()? } else { Vec::new() };
        Ok((hosts, ports))
    }
}
