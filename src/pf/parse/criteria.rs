//! The rules themselves: what stands between `pass` and the end of the line.

use super::super::criteria::{
    Address, Compare, Direction, Flags, Icmp, Interface, InterfaceAddress, OwnerMatch, PortMatch, Tagged,
    TypeOfService,
};
use super::super::effects::{Block, Fragments, Log, Pipe, Scrub, StateKeeping};
use super::super::names;
use super::super::rule::Ruleset;
use super::super::rule::{Action, AnchorCall, Rule};
use super::super::token::{Kind, shortened};
use super::expand::{self, Lists, Protocol};
use super::host::{self, Host, Operator, c_number, compare};
use super::{Fault, Order, Parser, Position, Read};

/// Which criteria a rule gave.
#[derive(Default)]
pub(super) struct Given {
    pub(super) state: bool,
    flags: bool,
}

impl Parser<'_, '_, '_> {
    /// `pass …`, `block …`
    pub(super) fn filter_rule(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let action = if self.advance().text == "pass" { Action::Pass } else { Action::Block(self.block()?) };
        let mut rule = Rule::new(action);
        let mut lists = Lists::default();
        rule.direction = self.direction();
        self.log_and_quick(&mut rule)?;
        lists.interfaces = self.interfaces()?;
        rule.route = self.route()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        let given = self.criteria(&mut rule, &mut lists)?;
        self.end_of_rule()?;
        self.in_order(Order::Filter, start)?;
        self.check_flags(&rule, &lists, start)?;
        if rule.action == Action::Pass {
            if !given.state {
                rule.state = StateKeeping::Keep;
            }
            if !given.flags && !rule.fragment && rule.state != StateKeeping::No {
                rule.flags = Some(Flags { set: 0x02, of: 0x12 });
            }
        }
        if rule.extfilter.is_some() && rule.state == StateKeeping::No {
            return Err(self.wrong(start, "extfilter needs a rule that keeps state"));
        }
        self.finish_state(&mut rule);
        lists.decide_family(&mut rule);
        self.finish_route(&mut rule, start)?;
        self.expand(rule, lists, start, |ruleset| &mut ruleset.filter, ruleset)
    }

    /// `scrub`, `nat`, `rdr`, `binat`, `dummynet`, with `no` before them or without.
    pub(super) fn other_rule(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        match &*self.token.text {
            // Not a reserved word: files may well have a macro of this name.
            "nat64" if self.token.kind == Kind::Word => return self.translation(ruleset, start, no),
            _ if self.token.kind != Kind::Keyword => {}
            "scrub" => return self.scrub_rule(ruleset, start, no),
            "nat" | "rdr" => return self.translation(ruleset, start, no),
            "binat" => return self.binat(ruleset, start, no),
            "dummynet" => return self.dummynet(ruleset, start, no),
            _ => {}
        }
        Err(self.expected("`scrub`, `nat`, `rdr`, `binat` or `dummynet`"))
    }

    /// `nat-anchor` and its kin.
    pub(super) fn other_anchor(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        let keyword = self.advance().text;
        let path = self.strings("the anchor's path")?;
        let (action, order, rules): (_, _, expand::Rules) = match &*keyword {
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
            rule.direction = self.direction();
            self.log_and_quick(&mut rule)?;
        }
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        let mut given = Given::default();
        if rule.action == Action::Scrub {
            self.scrub_options(&mut rule)?;
        } else if rule.action == Action::Dummynet {
            given = self.criteria(&mut rule, &mut lists)?;
        }
        rule.rtable = self.rtable()?.or(rule.rtable);
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

    pub(super) fn end_of_rule(&mut self) -> Read<()> {
        match self.token.kind {
            Kind::Newline | Kind::End | Kind::Punctuation(b'}') => Ok(()),
            _ => {
                let misplaced = match &*self.token.text {
                    _ if self.token.kind != Kind::Keyword => None,
                    "port" => Some("`port` stands behind `from …` or `to …`"),
                    "in" | "out" | "log" | "quick" | "on" | "route-to" | "reply-to" | "dup-to" | "inet"
                    | "inet6" | "proto" | "from" | "to" => Some(
                        "the order is: in or out, log, quick, on, route-to, inet or inet6, proto, from, to, then the rest",
                    ),
                    _ => None,
                };
                let failed = self.expected("a criterion or the end of the line");
                if let (Some(advice), Some(problem)) = (misplaced, self.shared.problems.last_mut()) {
                    problem.message = format!("{}; {advice}", problem.message);
                }
                Err(failed)
            }
        }
    }

    fn block(&mut self) -> Read<Block> {
        if self.take("drop") {
            return Ok(Block::Drop);
        }
        if self.take("return") {
            return Ok(Block::Return);
        }
        if self.take("return-rst") {
            if !self.take_punctuation(b'(') {
                return Ok(Block::ReturnRst(0));
            }
            self.require("ttl")?;
            let ttl = self.number_within("a time to live", 255)?;
            self.require_punctuation(b')')?;
            return Ok(Block::ReturnRst(ttl));
        }
        let six = self.token.is("return-icmp6");
        if !self.take("return-icmp") && !self.take("return-icmp6") {
            return Ok(self.bare_block());
        }
        let mut codes = expand::PORT_UNREACHABLE;
        if self.take_punctuation(b'(') {
            if six {
                codes.1 = self.return_code(true)?;
            } else {
                codes.0 = self.return_code(false)?;
                if !self.token.is_punctuation(b')') {
                    self.take_punctuation(b',');
                    codes.1 = self.return_code(true)?;
                }
            }
            self.require_punctuation(b')')?;
        }
        Ok(Block::ReturnIcmp(codes.0, codes.1))
    }

    /// A code of "destination unreachable".
    fn return_code(&mut self, six: bool) -> Read<u8> {
        let at = self.token.at;
        if let Kind::Number(_) = self.token.kind {
            return self.number_within("an icmp code", 255);
        }
        let name = self.string("an icmp code")?;
        let known = names::icmp_code(if six { 1 } else { 3 }, &name, six);
        let number = c_number(&name).and_then(|number| u8::try_from(number).ok());
        known.or(number).ok_or_else(|| self.wrong(at, &format!("unknown icmp code {}", shortened(&name))))
    }

    /// `log`, `log (all, to pflog1)`, `quick`, in either order.
    fn log_and_quick(&mut self, rule: &mut Rule) -> Read<()> {
        rule.quick = self.take("quick");
        rule.log = self.log()?;
        rule.quick |= rule.log.is_some() && !rule.quick && self.take("quick");
        Ok(())
    }

    pub(super) fn log(&mut self) -> Read<Option<Log>> {
        if !self.take("log") {
            return Ok(None);
        }
        let mut log = Log::default();
        if !self.take_punctuation(b'(') {
            return Ok(Some(log));
        }
        loop {
            let at = self.token.at;
            if self.take("all") {
                log.all = true;
            } else if self.take("user") || self.take("group") {
                log.user = true;
            } else if self.take("to") {
                let name = self.strings("a pflog interface")?;
                let number = name.strip_prefix("pflog").and_then(c_number).and_then(|n| u8::try_from(n).ok());
                match number {
                    Some(number) => log.to = number,
                    None => {
                        let message = format!("{}: should be a pflog interface", shortened(&name));
                        return Err(self.wrong(at, &message));
                    }
                }
            } else {
                return Err(self.expected("`all`, `user` or `to`"));
            }
            if self.take_punctuation(b')') {
                return Ok(Some(log));
            }
            self.take_punctuation(b',');
        }
    }

    pub(super) fn protocols(&mut self) -> Read<Vec<Protocol>> {
        if self.take("proto") { self.list(Self::protocol) } else { Ok(Vec::new()) }
    }

    fn protocol(&mut self) -> Read<Protocol> {
        let at = self.token.at;
        let number = match self.token.kind {
            Kind::Number(_) => self.number_within("a protocol", 255)?,
            _ => {
                let name = self.string("a protocol")?;
                if &*name == "grev1" {
                    return Ok(Protocol { number: 47, grev1: true });
                }
                match names::protocol(&name) {
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
    pub(super) fn peers(&mut self, lists: &mut Lists) -> Read<()> {
        if self.take("all") {
            return Ok(());
        }
        if self.take("from") {
            (lists.sources, lists.source_ports) = self.peer()?;
        }
        if self.take("os") {
            lists.systems = self.list(|parser| parser.string("an operating system"))?;
        }
        if self.take("to") {
            let at = self.token.at;
            (lists.destinations, lists.destination_ports) = self.peer()?;
            if lists.destinations.iter().any(|host| host.address == Address::UrpfFailed) {
                return Err(self.wrong(at, "\"urpf-failed\" is not permitted in a destination address"));
            }
        }
        Ok(())
    }

    fn peer(&mut self) -> Read<(Vec<Host>, Vec<PortMatch>)> {
        if self.take("port") {
            return Ok((Vec::new(), self.ports()?));
        }
        let hosts = self.hosts()?;
        let ports = if self.take("port") { self.ports()? } else { Vec::new() };
        Ok((hosts, ports))
    }

    /// What may stand behind the addresses, in any order.
    pub(super) fn criteria(&mut self, rule: &mut Rule, lists: &mut Lists) -> Read<Given> {
        let mut given = Given::default();
        loop {
            let at = self.token.at;
            if self.token.is_punctuation(b'!') {
                rule.tagged = self.tagged()?;
                continue;
            }
            // pfctl prints the probability between `keep state` and the state's options, where it could not read them.
            let printed = self.shared.listing && given.state && rule.probability.is_some();
            if printed && rule.state_options.is_none() && self.token.is_punctuation(b'(') {
                self.state_options(rule)?;
                continue;
            }
            if self.token.kind != Kind::Keyword {
                return Ok(given);
            }
            match &*self.token.text {
                "user" | "group" => self.owner_criterion(lists)?,
                "flags" => {
                    if given.flags {
                        return Err(self.wrong(at, "flags cannot be redefined"));
                    }
                    given.flags = true;
                    rule.flags = self.flags()?;
                }
                "icmp-type" | "icmp6-type" => {
                    if !lists.icmp.is_empty() {
                        return Err(self.wrong(at, "icmp-type cannot be redefined"));
                    }
                    let six = self.advance().text == "icmp6-type";
                    lists.icmp = self.list(if six { Self::icmp6 } else { Self::icmp4 })?;
                }
                "tos" | "dscp" | "sc" => {
                    if rule.tos.is_some() {
                        return Err(self.wrong(at, "tos, dscp and sc cannot be redefined or used together"));
                    }
                    rule.tos = Some(match &*self.advance().text {
                        "tos" => TypeOfService::Tos(self.tos()?),
                        "dscp" => TypeOfService::Dscp(self.code_point()?),
                        _ => TypeOfService::Class(self.service_class()?),
                    });
                }
                "no" | "keep" | "modulate" | "synproxy" => {
                    if given.state {
                        return Err(self.wrong(at, "modulate or keep cannot be redefined"));
                    }
                    given.state = true;
                    self.state(rule)?;
                }
                "fragment" => {
                    self.advance();
                    rule.fragment = true;
                }
                "allow-opts" => {
                    self.advance();
                    rule.allow_options = true;
                }
                "extfilter" => rule.extfilter = self.external()?,
                "label" => {
                    if rule.label.is_some() {
                        return Err(self.wrong(at, "label cannot be redefined"));
                    }
                    rule.label = self.label()?;
                }
                "queue" if rule.action == Action::Dummynet => self.pipe(rule)?,
                "pipe" => self.pipe(rule)?,
                "queue" => {
                    if rule.queue.is_some() {
                        return Err(self.wrong(at, "queue cannot be redefined"));
                    }
                    rule.queue = Some(self.queue()?);
                }
                "tag" => {
                    self.advance();
                    rule.tag = Some(self.tag()?);
                }
                "tagged" => rule.tagged = self.tagged()?,
                "probability" => {
                    self.advance();
                    rule.probability = Some(self.probability()?);
                }
                "rtable" => rule.rtable = self.rtable()?,
                _ => return Ok(given),
            }
        }
    }

    fn owner_criterion(&mut self, lists: &mut Lists) -> Read<()> {
        let group = self.advance().text == "group";
        let items = self.list(if group { Self::group } else { Self::user })?;
        // pfctl puts a criterion that is given again in front: the lists are gathered from behind.
        let known = if group { &mut lists.groups } else { &mut lists.users };
        known.extend(items.into_iter().rev());
        Ok(())
    }

    fn user(&mut self) -> Read<OwnerMatch> {
        self.owner(&[("root", 0), ("daemon", 1), ("nobody", u32::MAX - 1)])
    }

    fn group(&mut self) -> Read<OwnerMatch> {
        self.owner(&[("wheel", 0), ("daemon", 1), ("staff", 20), ("admin", 80), ("nobody", u32::MAX - 1)])
    }

    fn owner(&mut self, known: &[(&str, u32)]) -> Read<OwnerMatch> {
        let at = self.token.at;
        let operator = self.operator();
        let first = self.owner_name(known)?;
        let inside = self.token.kind == Kind::Inside;
        if operator.is_none() && (inside || self.token.kind == Kind::Outside) {
            self.advance();
            let second = self.owner_name(known)?;
            return match (first, second) {
                (OwnerName::Unknown, _) | (_, OwnerName::Unknown) => {
                    Err(self.wrong(at, "user unknown requires operator = or !="))
                }
                (OwnerName::Number(a), OwnerName::Number(b)) => Ok(OwnerMatch::Number(if inside {
                    Compare::Inside(a, b)
                } else {
                    Compare::Outside(a, b)
                })),
                (a, b) => {
                    let operator = if inside { "><" } else { "<>" };
                    Ok(OwnerMatch::Name(format!("{a} {operator} {b}").into_boxed_str()))
                }
            };
        }
        let operator = operator.unwrap_or(Operator::Equal);
        match (first, operator) {
            (OwnerName::Unknown, Operator::Equal) => Ok(OwnerMatch::Unknown { negated: false }),
            (OwnerName::Unknown, Operator::NotEqual) => Ok(OwnerMatch::Unknown { negated: true }),
            (OwnerName::Unknown, _) => Err(self.wrong(at, "user unknown requires operator = or !=")),
            (OwnerName::Number(number), operator) => Ok(OwnerMatch::Number(compare(operator, number))),
            (OwnerName::Name(name), operator) => {
                Ok(OwnerMatch::Name(compare(operator, OwnerName::Name(name)).to_string().into_boxed_str()))
            }
        }
    }

    fn owner_name(&mut self, known: &[(&str, u32)]) -> Read<OwnerName> {
        let at = self.token.at;
        if let Kind::Number(value) = self.token.kind {
            self.advance();
            return match u32::try_from(value) {
                Ok(number) if number < u32::MAX => Ok(OwnerName::Number(number)),
                _ => Err(self.wrong(at, &format!("illegal uid or gid value {value}"))),
            };
        }
        let name = self.string("a user or group")?;
        if &*name == "unknown" {
            return Ok(OwnerName::Unknown);
        }
        match known.iter().find(|(known, _)| *known == &*name) {
            Some((_, number)) => Ok(OwnerName::Number(*number)),
            None => Ok(OwnerName::Name(name)),
        }
    }

    /// `flags S/SA`, `flags /SA`; `None` for `flags any`.
    fn flags(&mut self) -> Read<Option<Flags>> {
        self.advance();
        if self.take("any") {
            return Ok(None);
        }
        let set = if self.token.is_punctuation(b'/') { 0 } else { self.flag_letters()? };
        self.require_punctuation(b'/')?;
        let of = self.flag_letters()?;
        Ok(Some(Flags { set, of }))
    }

    fn flag_letters(&mut self) -> Read<u8> {
        let at = self.token.at;
        let text = self.string("TCP flags, such as `S/SA`")?;
        let mut flags = 0;
        for letter in text.chars() {
            match names::TCP_FLAGS.find(letter) {
                Some(bit) => flags |= 1 << bit,
                None => return Err(self.wrong(at, &format!("bad flags {}", shortened(&text)))),
            }
        }
        Ok(if flags == 0 { u8::MAX } else { flags })
    }

    pub(super) fn check_flags(&mut self, rule: &Rule, lists: &Lists, start: Position) -> Read<()> {
        if rule.flags.is_some_and(|flags| flags.set & flags.of != flags.set) {
            return Err(self.wrong(start, "flags always false"));
        }
        // pfctl expands such a rule to one for each protocol, and prints what it would not read.
        if self.shared.listing {
            return Ok(());
        }
        let tcp = lists.protocols.is_empty() || lists.protocols.iter().any(|protocol| protocol.number == 6);
        if !tcp && rule.flags.is_some() {
            return Err(self.wrong(start, "flags only apply to tcp"));
        }
        if !tcp && !lists.systems.is_empty() {
            return Err(self.wrong(start, "OS fingerprinting only applies to tcp"));
        }
        Ok(())
    }

    fn icmp4(&mut self) -> Read<(Icmp, u8)> {
        Ok((self.icmp(false)?, 1))
    }

    fn icmp6(&mut self) -> Read<(Icmp, u8)> {
        Ok((self.icmp(true)?, 58))
    }

    fn icmp(&mut self, six: bool) -> Read<Icmp> {
        let at = self.token.at;
        let kind = match self.token.kind {
            Kind::Number(_) => self.number_within("an icmp type", 255)?,
            // `skip` is a reserved word and an ICMP type: pfctl prints it by name, and takes it by number only.
            _ if self.shared.listing && self.token.is("skip") => {
                self.advance();
                39
            }
            _ => {
                let name = self.string("an icmp type")?;
                match names::icmp_type(&name, six) {
                    Some(kind) => kind,
                    None => return Err(self.wrong(at, &format!("unknown icmp-type {}", shortened(&name)))),
                }
            }
        };
        if !self.take("code") {
            return Ok(Icmp { kind, code: None });
        }
        let at = self.token.at;
        let code = match self.token.kind {
            Kind::Number(_) => self.number_within("an icmp code", 255)?,
            _ => {
                let name = self.string("an icmp code")?;
                match names::icmp_code(kind, &name, six) {
                    Some(code) => code,
                    None => return Err(self.wrong(at, &format!("unknown icmp-code {}", shortened(&name)))),
                }
            }
        };
        Ok(Icmp { kind, code: Some(code) })
    }

    fn tos(&mut self) -> Read<u8> {
        let at = self.token.at;
        let value = match self.token.kind {
            Kind::Number(value) => {
                self.advance();
                Some(value)
            }
            _ => match &*self.string("a type of service")? {
                "lowdelay" => Some(0x10),
                "throughput" => Some(0x08),
                "reliability" => Some(0x04),
                text if text.starts_with("0x") => c_number(text),
                _ => None,
            },
        };
        let value = value.and_then(|value| u8::try_from(value).ok()).filter(|value| *value > 0);
        value.ok_or_else(|| {
            self.wrong(at, "illegal tos value: give 1 to 255, lowdelay, throughput or reliability")
        })
    }

    /// `ef`, `af11`, a number: the upper six bits of the byte.
    fn code_point(&mut self) -> Read<u8> {
        let at = self.token.at;
        let value = match self.token.kind {
            Kind::Number(value) => {
                self.advance();
                Some(value)
            }
            _ => {
                let name = self.string("a code point, such as `ef` or `af11`")?;
                names::code_point(&name).map(i64::from).or_else(|| c_number(&name))
            }
        };
        let value = value.and_then(|value| u8::try_from(value).ok()).map(|value| value & 0xfc);
        value.filter(|value| *value > 0).ok_or_else(|| self.wrong(at, "illegal dscp value"))
    }

    fn service_class(&mut self) -> Read<u8> {
        let at = self.token.at;
        let name = self.string("a service class, such as `be` or `vi`")?;
        names::service_class(&name)
            .ok_or_else(|| self.wrong(at, &format!("illegal sc value {}", shortened(&name))))
    }

    fn label(&mut self) -> Read<Option<Box<str>>> {
        self.advance();
        let at = self.token.at;
        let label = self.string("the label")?;
        if label.len() > 63 {
            return Err(self.wrong(at, "rule label too long (max 63 chars)"));
        }
        Ok(Some(label).filter(|label| !label.is_empty()))
    }

    pub(super) fn tag(&mut self) -> Read<Box<str>> {
        let at = self.token.at;
        let tag = self.strings("a tag")?;
        if tag.len() > 63 {
            return Err(self.wrong(at, "tag too long, max 63 chars"));
        }
        Ok(tag)
    }

    /// `tagged x`, `! tagged x`, where it is next.
    pub(super) fn tagged(&mut self) -> Read<Option<Tagged>> {
        let negated = self.take_punctuation(b'!');
        if negated || self.token.is("tagged") {
            self.require("tagged")?;
            return Ok(Some(Tagged { name: self.tag()?, negated }));
        }
        Ok(None)
    }

    fn queue(&mut self) -> Read<(Box<str>, Option<Box<str>>)> {
        self.advance();
        if !self.take_punctuation(b'(') {
            return Ok((self.string("a queue")?, None));
        }
        let queue = self.string("a queue")?;
        if self.take_punctuation(b')') {
            return Ok((queue, None));
        }
        self.take_punctuation(b',');
        let acknowledgements = self.string("a queue")?;
        self.require_punctuation(b')')?;
        Ok((queue, Some(acknowledgements)))
    }

    fn pipe(&mut self, rule: &mut Rule) -> Read<()> {
        let at = self.token.at;
        let queue = self.advance().text == "queue";
        if rule.action != Action::Dummynet {
            return Err(self.note(at, "`pipe` belongs to dummynet rules only".to_owned(), Fault::Syntax));
        }
        let bracketed = self.take_punctuation(b'(');
        let number = self.number_within("a pipe's number", u16::MAX.into())?;
        if bracketed {
            self.require_punctuation(b')')?;
        }
        if number == 0 {
            return Err(self.wrong(at, "a pipe's number must be from 1 to 65535"));
        }
        rule.pipe = Some(Pipe { number, queue });
        Ok(())
    }

    /// As pf keeps it, out of 2³².
    fn probability(&mut self) -> Read<u32> {
        let at = self.token.at;
        let fraction = match self.token.kind {
            Kind::Number(value) => {
                self.advance();
                // Lossless for all that is in range.
                Some(value as f64)
            }
            _ => {
                let text = self.string("a probability")?;
                let (digits, scale) = text.strip_suffix('%').map_or((&*text, 1.0), |digits| (digits, 0.01));
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                digits.parse::<f64>().ok().filter(|_| plain).map(|value| value * scale)
            }
        };
        match fraction.and_then(scaled) {
            // What is printed has six places; that is what is kept, so that it reads back the same.
            Some(value) => {
                let printed = super::super::print::percent(value).parse().unwrap_or(0.0) * 0.01;
                Ok(scaled(printed).unwrap_or(value).max(1))
            }
            None => Err(self.wrong(at, "invalid probability: give 0% to 100%")),
        }
    }

    /// The number of a routing table, or the interface that it belongs to; 0 is the one that there is anyway.
    pub(super) fn rtable(&mut self) -> Read<Option<Box<str>>> {
        if !self.take("rtable") {
            return Ok(None);
        }
        if !matches!(self.token.kind, Kind::Number(_)) {
            return Ok(Some(self.interface_name()?));
        }
        if self.token.kind == Kind::Number(0) {
            self.doubt("there is no routing table 0: leave `rtable` out");
        }
        let number: u32 = self.number_within("a routing table", i32::MAX.into())?;
        Ok((number != 0).then(|| number.to_string().into_boxed_str()))
    }

    // Normalization, dummynet, antispoof.

    fn scrub_rule(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.advance();
        let mut rule = Rule::new(if no { Action::NoScrub } else { Action::Scrub });
        let mut lists = Lists::default();
        rule.direction = self.direction();
        self.log_and_quick(&mut rule)?;
        if rule.quick {
            return Err(self.wrong(start, "scrub rules do not support 'quick'"));
        }
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        self.scrub_options(&mut rule)?;
        self.end_of_rule()?;
        self.in_order(Order::Scrub, start)?;
        if rule.direction.is_some() && rule.scrub.as_ref().is_some_and(|scrub| scrub.reassemble_tcp) {
            return Err(self.wrong(start, "reassemble tcp rules can not specify direction"));
        }
        self.expand(rule, lists, start, |ruleset| &mut ruleset.scrub, ruleset)
    }

    fn scrub_options(&mut self, rule: &mut Rule) -> Read<()> {
        let mut scrub = Scrub::default();
        let mut fragments = false;
        loop {
            let at = self.token.at;
            let twice = match () {
                () if self.take("no-df") => std::mem::replace(&mut scrub.no_df, true),
                () if self.take("random-id") => std::mem::replace(&mut scrub.random_id, true),
                () if self.take("min-ttl") => {
                    let value = self.number_within("a min-ttl", 255)?;
                    std::mem::replace(&mut scrub.min_ttl, value) != 0
                }
                () if self.take("max-mss") => {
                    let value = self.number_within("a max-mss", 65535)?;
                    std::mem::replace(&mut scrub.max_mss, value) != 0
                }
                () if self.token.is("set-tos") => {
                    self.doubt("there is no `set-tos` for scrub");
                    self.advance();
                    scrub.set_tos.replace(self.tos()?).is_some()
                }
                () if self.take("fragment") => {
                    scrub.fragments = match () {
                        () if self.take("reassemble") => Fragments::Reassemble,
                        () if self.take("crop") => Fragments::Crop,
                        () if self.take("drop-ovl") => Fragments::DropOverlap,
                        () => return Err(self.expected("`reassemble`, `crop` or `drop-ovl`")),
                    };
                    std::mem::replace(&mut fragments, true)
                }
                () if self.take("reassemble") => {
                    let what = self.string("`tcp`")?;
                    if !what.eq_ignore_ascii_case("tcp") {
                        let message =
                            format!("scrub reassemble supports only tcp, not '{}'", shortened(&what));
                        return Err(self.wrong(at, &message));
                    }
                    std::mem::replace(&mut scrub.reassemble_tcp, true)
                }
                () if self.token.is("rtable") => {
                    rule.rtable = self.rtable()?;
                    false
                }
                () if self.token.is("tagged") || self.token.is_punctuation(b'!') => {
                    self.doubt("there is no `tagged` for scrub");
                    rule.tagged = self.tagged()?;
                    false
                }
                () => break,
            };
            if twice {
                return Err(self.wrong(at, "a scrub option cannot be respecified"));
            }
        }
        if rule.action == Action::NoScrub {
            // Without scrub there is nothing to put together.
            scrub.reassemble_tcp = false;
            scrub.fragments = Fragments::Reassemble;
        }
        rule.scrub = (scrub != Scrub::default()).then(|| Box::new(scrub));
        Ok(())
    }

    fn dummynet(&mut self, ruleset: &mut Ruleset, start: Position, no: bool) -> Read<()> {
        self.advance();
        let mut rule = Rule::new(Action::Dummynet);
        let mut lists = Lists::default();
        rule.direction = self.direction();
        self.log_and_quick(&mut rule)?;
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        if self.criteria(&mut rule, &mut lists)?.state {
            self.doubt("a dummynet rule keeps no state");
        }
        self.end_of_rule()?;
        match (no, rule.pipe) {
            (true, Some(_)) => return Err(self.wrong(start, "dummynet rule with 'no' does not need a pipe")),
            // pfctl shows the label of a rule in the place of its pipe.
            (false, None) if !self.shared.listing => return Err(self.expected("`pipe` and its number")),
            _ => {}
        }
        if no {
            rule.action = Action::NoDummynet;
        } else if rule.direction.is_none() {
            self.doubt("a dummynet rule needs `in` or `out`");
        }
        lists.decide_family(&mut rule);
        self.expand(rule, lists, start, |ruleset| &mut ruleset.dummynet, ruleset)
    }

    /// `antispoof for en0`: what comes in elsewhere from en0's networks, and what comes in from its own addresses.
    pub(super) fn antispoof(&mut self, ruleset: &mut Ruleset, start: Position) -> Read<()> {
        self.advance();
        let mut rule = Rule::new(Action::Block(Block::Drop));
        rule.direction = Some(Direction::In);
        self.log_and_quick(&mut rule)?;
        self.require("for")?;
        let interfaces = self.list(|parser| {
            let dynamic = parser.take_punctuation(b'(');
            let at = parser.token.at;
            let name = parser.interface_name()?;
            if !host::is_name(&name) || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                return Err(parser.wrong(at, &format!("{} is no name of an interface", shortened(&name))));
            }
            if dynamic {
                parser.require_punctuation(b')')?;
            }
            Ok((name, dynamic))
        })?;
        rule.family = self.family();
        loop {
            let at = self.token.at;
            if self.token.is("label") {
                if rule.label.is_some() {
                    return Err(self.wrong(at, "label cannot be redefined"));
                }
                rule.label = self.label()?;
            } else if self.token.is("rtable") {
                rule.rtable = self.rtable()?;
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
                } else if network || host::looks_like_interface(&name, &interface) {
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

/// A fraction of one as pf keeps it.
fn scaled(fraction: f64) -> Option<u32> {
    let value = (fraction * f64::from(u32::MAX) + 0.5).floor();
    // In range, so the conversion is exact.
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32).map(|value| value.max(1))
}

enum OwnerName {
    Number(u32),
    Unknown,
    Name(Box<str>),
}

impl std::fmt::Display for OwnerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OwnerName::Number(number) => number.fmt(f),
            OwnerName::Unknown => f.write_str("unknown"),
            OwnerName::Name(name) => super::super::print::word(f, name),
        }
    }
}
