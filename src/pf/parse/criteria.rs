//! The rules themselves: what stands between `pass` and the end of the line.

use sha2::{Digest as _, Sha256};

use super::super::names;
use super::super::rule::{
    Action, Address, AnchorCall, Block, Compare, Direction, External, Family, Flags, Fragments, Icmp,
    Interface, InterfaceAddress, Log, Owner, Pipe, Pool, PoolMethod, PortMatch, Redirect, Route, RouteKind,
    Rule, Scrub, State, StateOptions, Tagged, TypeOfService,
};
use super::super::ruleset::{Section, StatePolicy};
use super::super::token::{Kind, shortened};
use super::expand::{self, Lists, Protocol};
use super::host::{self, Host, Operator, c_number, compare};
use super::{Fault, Order, Parser, Position, Read};

/// The ports that nat gives out unless told otherwise: Apple's, others have 50001 to 65535.
const NAT_PORTS: (u16, u16) = (32768, 49151);

/// Which criteria a rule gave.
#[derive(Default)]
pub(super) struct Given {
    pub(super) state: bool,
    flags: bool,
}

impl Parser<'_, '_, '_> {
    /// `pass …`, `block …`
    pub(super) fn filter_rule(&mut self, section: &mut Section, start: Position) -> Read<()> {
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
                rule.state = State::Keep;
            }
            if !given.flags && !rule.fragment && rule.state != State::No {
                rule.flags = Some(Flags { set: 0x02, of: 0x12 });
            }
        }
        if rule.extfilter.is_some() && rule.state == State::No {
            return Err(self.wrong(start, "extfilter needs a rule that keeps state"));
        }
        self.finish_state(&mut rule);
        lists.decide_family(&mut rule);
        self.finish_route(&mut rule, start)?;
        self.expand(rule, lists, start, |section| &mut section.filter, section)
    }

    /// `scrub`, `nat`, `rdr`, `binat`, `dummynet`, with `no` before them or without.
    pub(super) fn other_rule(&mut self, section: &mut Section, start: Position, no: bool) -> Read<()> {
        match &*self.token.text {
            // Not a reserved word: files may well have a macro of this name.
            "nat64" if self.token.kind == Kind::Word => return self.translation(section, start, no),
            _ if self.token.kind != Kind::Keyword => {}
            "scrub" => return self.scrub_rule(section, start, no),
            "nat" | "rdr" => return self.translation(section, start, no),
            "binat" => return self.binat(section, start, no),
            "dummynet" => return self.dummynet(section, start, no),
            _ => {}
        }
        Err(self.expected("`scrub`, `nat`, `rdr`, `binat` or `dummynet`"))
    }

    /// `nat-anchor` and its kin.
    pub(super) fn other_anchor(&mut self, section: &mut Section, start: Position) -> Read<()> {
        let keyword = self.advance().text;
        let path = self.strings("the anchor's path")?;
        let (action, order, rules): (_, _, expand::Rules) = match &*keyword {
            "nat-anchor" => {
                (Action::Nat { pass: false }, Some(Order::Translation), |section| &mut section.nat)
            }
            "rdr-anchor" => {
                (Action::Rdr { pass: false }, Some(Order::Translation), |section| &mut section.rdr)
            }
            "binat-anchor" => {
                (Action::Binat { pass: false }, Some(Order::Translation), |section| &mut section.binat)
            }
            "scrub-anchor" => (Action::Scrub, Some(Order::Scrub), |section| &mut section.scrub),
            _ => (Action::Dummynet, None, |section| &mut section.dummynet),
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
        self.expand(rule, lists, start, rules, section)
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

    fn log(&mut self) -> Read<Option<Log>> {
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

    fn user(&mut self) -> Read<Owner> {
        self.owner(&[("root", 0), ("daemon", 1), ("nobody", u32::MAX - 1)])
    }

    fn group(&mut self) -> Read<Owner> {
        self.owner(&[("wheel", 0), ("daemon", 1), ("staff", 20), ("admin", 80), ("nobody", u32::MAX - 1)])
    }

    fn owner(&mut self, known: &[(&str, u32)]) -> Read<Owner> {
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
                (OwnerName::Number(a), OwnerName::Number(b)) => {
                    Ok(Owner::Number(if inside { Compare::Inside(a, b) } else { Compare::Outside(a, b) }))
                }
                (a, b) => {
                    let operator = if inside { "><" } else { "<>" };
                    Ok(Owner::Name(format!("{a} {operator} {b}").into_boxed_str()))
                }
            };
        }
        let operator = operator.unwrap_or(Operator::Equal);
        match (first, operator) {
            (OwnerName::Unknown, Operator::Equal) => Ok(Owner::Unknown { negated: false }),
            (OwnerName::Unknown, Operator::NotEqual) => Ok(Owner::Unknown { negated: true }),
            (OwnerName::Unknown, _) => Err(self.wrong(at, "user unknown requires operator = or !=")),
            (OwnerName::Number(number), operator) => Ok(Owner::Number(compare(operator, number))),
            (OwnerName::Name(name), operator) => {
                Ok(Owner::Name(compare(operator, OwnerName::Name(name)).to_string().into_boxed_str()))
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

    /// `extfilter ad`, `extmap ei`; `None` for `apd`, which says nothing new.
    fn external(&mut self) -> Read<Option<External>> {
        self.advance();
        Ok(match &*self.one_of(&["apd", "ad", "ei"])? {
            "ad" => Some(External::Address),
            "ei" => Some(External::Any),
            _ => None,
        })
    }

    fn state(&mut self, rule: &mut Rule) -> Read<()> {
        rule.state = match &*self.advance().text {
            "no" => State::No,
            "keep" => State::Keep,
            "modulate" => State::Modulate,
            _ => State::Synproxy,
        };
        self.require("state")?;
        if rule.state == State::No || !self.token.is_punctuation(b'(') {
            return Ok(());
        }
        self.state_options(rule)
    }

    fn state_options(&mut self, rule: &mut Rule) -> Read<()> {
        self.advance();
        let mut options = StateOptions::default();
        let mut lock = None;
        let mut track = None;
        let mut tracked = false;
        let mut by_rule = false;
        loop {
            let at = self.token.at;
            let twice = if self.token.kind == Kind::Keyword {
                let keyword = self.advance().text;
                match &*keyword {
                    "max" => replace(&mut options.max, self.limit_number(0)?),
                    "no-sync" => std::mem::replace(&mut options.no_sync, true),
                    "max-src-states" => {
                        tracked = true;
                        replace(&mut options.max_source_states, self.limit_number(1)?)
                    }
                    "max-src-conn" => {
                        (tracked, by_rule) = (true, true);
                        replace(&mut options.max_source_connections, self.limit_number(1)?)
                    }
                    "max-src-nodes" => {
                        (tracked, by_rule) = (true, true);
                        replace(&mut options.max_source_nodes, self.limit_number(1)?)
                    }
                    "max-src-conn-rate" => {
                        (tracked, by_rule) = (true, true);
                        let limit = self.limit_number(1)?;
                        self.require_punctuation(b'/')?;
                        let seconds = self.limit_number(1)?;
                        // The kernel counts in thousandths.
                        if limit > u32::MAX / 1000 {
                            return Err(self.wrong(at, "'max-src-conn-rate' maximum rate is too high"));
                        }
                        std::mem::replace(&mut options.max_source_rate, (limit, seconds)) != (0, 0)
                    }
                    "overload" => {
                        self.require_punctuation(b'<')?;
                        let table = self.table_name()?;
                        self.require_punctuation(b'>')?;
                        if self.take("flush") {
                            options.flush = Some(self.take("global"));
                        }
                        options.overload.replace(table).is_some()
                    }
                    "source-track" => {
                        tracked = true;
                        let global = self.take("global");
                        let rule = !global && self.take("rule");
                        track.replace((global, rule)).is_some()
                    }
                    "if-bound" => lock.replace(true).is_some(),
                    "floating" => lock.replace(false).is_some(),
                    _ => {
                        let message = format!("expected a state option, found `{keyword}`");
                        return Err(self.note(at, message, Fault::Syntax));
                    }
                }
            } else {
                let name = self.string("a state option")?;
                let known = names::TIMEOUTS.iter().position(|known| *known == &*name && known.contains('.'));
                let Some(index) = known.and_then(|index| u8::try_from(index).ok()) else {
                    let advice =
                        names::instead_of(&name).map(|advice| format!("; {advice}")).unwrap_or_default();
                    return Err(
                        self.wrong(at, &format!("illegal state timeout {}{advice}", shortened(&name)))
                    );
                };
                let seconds: u32 = self.number_within("a timeout", u32::MAX.into())?;
                let known = options.timeouts.iter().any(|(known, _)| *known == index);
                if seconds != 0 {
                    options.timeouts.push((index, seconds));
                }
                known
            };
            if twice {
                return Err(self.wrong(at, "a state option is given twice"));
            }
            if self.take_punctuation(b')') {
                break;
            }
            self.take_punctuation(b',');
        }
        let (global, rule_track) = track.unwrap_or_default();
        if global && by_rule {
            let message = "'max-src-conn', 'max-src-conn-rate' and 'max-src-nodes' are incompatible with 'source-track global'";
            return Err(self.wrong(self.token.at, message));
        }
        if tracked {
            options.source_track = Some(by_rule || rule_track);
        }
        options.interface_bound = lock.unwrap_or(self.shared.state_policy == StatePolicy::IfBound);
        rule.state_options = Some(Box::new(options));
        Ok(())
    }

    /// A number of states; where it may not be 0, that is said.
    fn limit_number(&mut self, lowest: u32) -> Read<u32> {
        let at = self.token.at;
        let value = self.number_within("a number of states or seconds", u32::MAX.into())?;
        if value < lowest { Err(self.wrong(at, "the value must be > 0")) } else { Ok(value) }
    }

    /// What follows from the state options of a rule.
    fn finish_state(&self, rule: &mut Rule) {
        if rule.state == State::No {
            return;
        }
        let if_bound = self.shared.state_policy == StatePolicy::IfBound;
        if rule.state_options.is_none() && if_bound {
            rule.state_options =
                Some(Box::new(StateOptions { interface_bound: true, ..StateOptions::default() }));
        }
        let Some(options) = &mut rule.state_options else { return };
        let index = |name: &str| {
            let position = names::TIMEOUTS.iter().position(|known| *known == name);
            position.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
        };
        let adaptive = [index("adaptive.start"), index("adaptive.end")];
        let is_adaptive = options.timeouts.iter().any(|(known, _)| adaptive.contains(known));
        if options.max != 0 && !is_adaptive {
            // Above 60 % of the limit pf makes states shorter, and at 120 % they would last for no time at all.
            for (index, tenths) in adaptive.into_iter().zip([6, 12]) {
                let value = (options.max / 10).saturating_mul(tenths);
                if value != 0 {
                    options.timeouts.push((index, value));
                }
            }
        }
        let track = index("src.track");
        let seconds = options.max_source_rate.1;
        match options.timeouts.iter_mut().find(|(known, _)| *known == track) {
            Some((_, value)) => *value = (*value).max(seconds),
            None if seconds != 0 => options.timeouts.push((track, seconds)),
            None => {}
        }
        options.timeouts.sort_unstable();
        if **options == StateOptions::default() {
            rule.state_options = None;
        }
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

    fn tag(&mut self) -> Read<Box<str>> {
        let at = self.token.at;
        let tag = self.strings("a tag")?;
        if tag.len() > 63 {
            return Err(self.wrong(at, "tag too long, max 63 chars"));
        }
        Ok(tag)
    }

    /// `tagged x`, `! tagged x`, where it is next.
    fn tagged(&mut self) -> Read<Option<Tagged>> {
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
    fn rtable(&mut self) -> Read<Option<Box<str>>> {
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

    // Routes and pools.

    fn route(&mut self) -> Read<Option<Box<Route>>> {
        let kind = match () {
            () if self.take("fastroute") => RouteKind::Fastroute,
            () if self.take("route-to") => RouteKind::RouteTo,
            () if self.take("reply-to") => RouteKind::ReplyTo,
            () if self.take("dup-to") => RouteKind::DupTo,
            () => return Ok(None),
        };
        let mut route = Route { kind, hops: Vec::new(), pool: Pool::default() };
        if kind != RouteKind::Fastroute {
            for hops in self.list(Self::hop)? {
                route.hops.extend(hops);
            }
            self.pool(&mut route.pool, None)?;
        }
        Ok(Some(Box::new(route)))
    }

    /// `en0`, `(en0 10.0.0.1)`
    fn hop(&mut self) -> Read<Vec<(Box<str>, Option<Address>)>> {
        if !self.take_punctuation(b'(') {
            return Ok(vec![(self.interface_name()?, None)]);
        }
        let interface = self.interface_name()?;
        let mut hosts = Vec::new();
        self.host(&mut hosts)?;
        self.require_punctuation(b')')?;
        Ok(hosts.into_iter().map(|host| (interface.clone(), Some(host.address))).collect())
    }

    fn finish_route(&mut self, rule: &mut Rule, start: Position) -> Read<()> {
        let Some(route) = &mut rule.route else { return Ok(()) };
        if rule.direction.is_none() {
            return Err(self.wrong(start, "direction must be explicit with rules that specify routing"));
        }
        if route.kind == RouteKind::Fastroute {
            return Ok(());
        }
        let hops: Vec<Host> =
            route.hops.iter().filter_map(|(_, address)| address.clone()).map(Host::of).collect();
        let families: Vec<Family> = hops.iter().filter_map(|host| host.family).collect();
        if rule.family.is_none() {
            rule.family =
                families.first().copied().filter(|first| families.iter().all(|family| family == first));
        }
        if let Some(family) = rule.family {
            route.hops.retain(|(_, address)| {
                address.clone().map(Host::of).and_then(|host| host.family).is_none_or(|known| known == family)
            });
        }
        if route.hops.is_empty() {
            return Err(self.wrong(start, "no routing address with matching address family found."));
        }
        let many = route.hops.len() > 1 || hops.iter().any(Host::is_pool);
        self.finish_pool(rule.route.as_mut().map(|route| &mut route.pool), many, start)
    }

    fn finish_pool(&mut self, pool: Option<&mut Pool>, many: bool, start: Position) -> Read<()> {
        let Some(pool) = pool else { return Ok(()) };
        match pool.method {
            None if many => pool.method = Some(PoolMethod::RoundRobin),
            Some(PoolMethod::RoundRobin) | None => {}
            Some(_) if many => {
                return Err(
                    self.wrong(start, "only round-robin valid for tables, interfaces and several addresses")
                );
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn pool(&mut self, pool: &mut Pool, mut redirect: Option<&mut Redirect>) -> Read<()> {
        loop {
            let at = self.token.at;
            let method = match () {
                () if self.take("bitmask") => PoolMethod::Bitmask,
                () if self.take("random") => PoolMethod::Random,
                () if self.take("round-robin") => PoolMethod::RoundRobin,
                () if self.take("source-hash") => PoolMethod::SourceHash(self.hash_key()?),
                () if self.take("sticky-address") => {
                    pool.sticky = true;
                    continue;
                }
                () => match &mut redirect {
                    Some(redirect) if self.take("static-port") => {
                        if redirect.static_port {
                            return Err(self.wrong(at, "static-port cannot be redefined"));
                        }
                        redirect.static_port = true;
                        continue;
                    }
                    Some(redirect) if self.token.is("extmap") => {
                        redirect.extmap = self.external()?;
                        continue;
                    }
                    _ => return Ok(()),
                },
            };
            if pool.method.replace(method).is_some() {
                return Err(self.wrong(at, "pool type cannot be redefined"));
            }
        }
    }

    /// The key as pfctl keeps it: 128 bits in hexadecimal, or of any other text the first half of its SHA-256.
    fn hash_key(&mut self) -> Read<Option<Box<str>>> {
        if !matches!(self.token.kind, Kind::Word | Kind::Quoted) {
            return Ok(None);
        }
        let at = self.token.at;
        let key = self.strings("a key")?;
        let Some(hex) = key.strip_prefix("0x") else {
            let hash = Sha256::digest(key.as_bytes());
            let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            return Ok(Some(format!("0x{hex}").into_boxed_str()));
        };
        if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.wrong(at, "hex key must be 128 bits (32 hex digits) long"));
        }
        Ok(Some(key.to_ascii_lowercase().into_boxed_str()))
    }

    // Normalization, translation, dummynet, antispoof.

    fn scrub_rule(&mut self, section: &mut Section, start: Position, no: bool) -> Read<()> {
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
        self.expand(rule, lists, start, |section| &mut section.scrub, section)
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

    pub(super) fn translation(&mut self, section: &mut Section, start: Position, no: bool) -> Read<()> {
        let keyword = self.advance().text;
        self.translation_behind(&keyword, section, start, no)
    }

    /// What follows `nat`, `rdr` or `nat64`.
    pub(super) fn translation_behind(
        &mut self,
        keyword: &str,
        section: &mut Section,
        start: Position,
        no: bool,
    ) -> Read<()> {
        let pass = self.take("pass");
        if no && pass {
            return Err(self.wrong(start, "\"pass\" not valid with \"no\""));
        }
        let mut rule = Rule::new(match (keyword, no) {
            ("nat", true) => Action::NoNat,
            ("nat", false) => Action::Nat { pass },
            ("nat64", true) => Action::NoNat64,
            ("nat64", false) => Action::Nat64 { pass },
            (_, true) => Action::NoRdr,
            (_, false) => Action::Rdr { pass },
        });
        let mut lists = Lists::default();
        rule.log = self.log()?;
        lists.interfaces = self.interfaces()?;
        rule.family = self.family();
        lists.protocols = self.protocols()?;
        self.peers(&mut lists)?;
        if self.take("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.tagged()?;
        rule.rtable = self.rtable()?;
        let target = self.target(no, start)?;
        self.end_of_rule()?;
        self.in_order(Order::Translation, start)?;
        if rule.family.is_none() {
            let first =
                |hosts: &[Host]| hosts.first().filter(|host| host.scope.is_none()).and_then(|h| h.family);
            rule.family = first(&lists.sources).or(first(&lists.destinations));
        }
        if let Some(target) = target {
            let redirect = self.redirect(&mut rule, &lists, target, start)?;
            rule.redirect = Some(Box::new(redirect));
        }
        // The kernel keeps nat64 among the rdr rules: it looks at what comes in.
        let rules: expand::Rules =
            if keyword == "nat" { |section| &mut section.nat } else { |section| &mut section.rdr };
        self.expand(rule, lists, start, rules, section)
    }

    /// `-> address port n` and what is behind it; only a rule with `no` has none.
    fn target(&mut self, no: bool, start: Position) -> Read<Option<Target>> {
        if self.token.kind != Kind::Arrow {
            if no {
                return Ok(None);
            }
            return Err(self.expected("a criterion or `->`"));
        }
        if no {
            return Err(self.wrong(start, "translation rule with 'no' does not need '->'"));
        }
        self.advance();
        let mut hosts = Vec::new();
        for more in self.list(|parser| {
            let mut hosts = Vec::new();
            parser.host(&mut hosts)?;
            Ok(hosts)
        })? {
            hosts.extend(more);
        }
        let ports = if self.take("port") { Some(self.redirect_ports()?) } else { None };
        let mut redirect = Redirect {
            addresses: Vec::new(),
            ports: (0, 0),
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        };
        let mut pool = Pool::default();
        let mut extfilter = None;
        self.pool(&mut pool, Some(&mut redirect))?;
        while self.token.is("extfilter") {
            extfilter = self.external()?;
            self.pool(&mut pool, Some(&mut redirect))?;
        }
        redirect.pool = pool;
        // A mapping is at least as wide as what it lets back in, and is told only where it is wider.
        redirect.extmap = redirect.extmap.filter(|extmap| extfilter.is_none_or(|filter| *extmap > filter));
        Ok(Some(Target { hosts, ports, extfilter, redirect }))
    }

    fn redirect(
        &mut self,
        rule: &mut Rule,
        lists: &Lists,
        target: Target,
        start: Position,
    ) -> Read<Redirect> {
        let Target { mut hosts, ports, extfilter, mut redirect } = target;
        rule.extfilter = extfilter;
        // What nat64 leads to is of the other family.
        let across = matches!(rule.action, Action::Nat64 { .. });
        if rule.family.is_none() && !across {
            let families: Vec<Family> = hosts.iter().filter_map(|host| host.family).collect();
            // `localhost` is both; with nothing else to go by, IPv4 is what is meant.
            rule.family = families.first().copied();
        }
        hosts.retain(|host| {
            across || host.family.is_none() || rule.family.is_none() || host.family == rule.family
        });
        if hosts.is_empty() {
            return Err(self.wrong(start, "no translation address with matching address family found."));
        }
        let (first, last) = ports.unwrap_or((0, Some(0)));
        let nat = matches!(rule.action, Action::Nat { .. } | Action::Nat64 { .. });
        let last = match (last, lists.destination_ports.first()) {
            (Some(last), _) => last,
            // `port 1000:*`: as many as the rule's own range has.
            (None, Some(PortMatch::Number(Compare::Range(from, to)))) if !nat => {
                first.saturating_add(to.saturating_sub(*from))
            }
            (None, _) => 0,
        };
        redirect.ports = match (nat, first, last) {
            (true, 0, 0) => NAT_PORTS,
            (true, first, 0) => (first, first),
            // A redirection to port 0 leaves the port as it is, whatever its range.
            (false, 0, _) => (0, 0),
            (_, first, last) => (first, if last == first { 0 } else { last }),
        };
        if redirect.static_port {
            if !nat {
                return Err(self.wrong(start, "the 'static-port' option is only valid with nat rules"));
            }
            if redirect.ports.0 != NAT_PORTS.0 && redirect.ports.1 != NAT_PORTS.1 {
                return Err(
                    self.wrong(start, "the 'static-port' option can't be used when specifying a port range")
                );
            }
            redirect.ports = (0, 0);
        } else if redirect.ports == NAT_PORTS {
            redirect.ports = (0, 0);
        }
        let many = hosts.len() > 1 || hosts.iter().any(Host::is_pool);
        self.finish_pool(Some(&mut redirect.pool), many, start)?;
        redirect.addresses = hosts.into_iter().map(|host| host.address).collect();
        Ok(redirect)
    }

    fn binat(&mut self, section: &mut Section, start: Position, no: bool) -> Read<()> {
        self.advance();
        let pass = self.take("pass");
        if no && pass {
            return Err(self.wrong(start, "\"pass\" not valid with \"no\""));
        }
        let mut rule = Rule::new(if no { Action::NoBinat } else { Action::Binat { pass } });
        rule.log = self.log()?;
        let interfaces = self.interfaces()?;
        rule.interface = interfaces.into_iter().next();
        rule.family = self.family();
        let protocol = self.protocols()?.into_iter().next();
        rule.protocol = protocol.map(|protocol| protocol.number);
        rule.grev1 = protocol.is_some_and(|protocol| protocol.grev1);
        let mut sources = Vec::new();
        let mut destinations = Vec::new();
        if no && self.take("all") {
            // As it is printed.
        } else {
            self.require("from")?;
            if no && self.take("any") {
                // As it is printed.
            } else {
                self.host(&mut sources)?;
            }
            if self.take("to") {
                destinations = self.hosts()?;
            } else {
                self.doubt("a binat rule needs `to`, such as `to any`");
            }
        }
        if self.take("tag") {
            rule.tag = Some(self.tag()?);
        }
        rule.tagged = self.tagged()?;
        rule.rtable = self.rtable()?;
        let mut targets = Vec::new();
        if self.token.kind == Kind::Arrow {
            if no {
                return Err(self.wrong(start, "'no binat' rule does not need '->'"));
            }
            self.advance();
            self.host(&mut targets)?;
            if self.take("port") {
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
        section.binat.push(placed);
        Ok(())
    }

    fn dummynet(&mut self, section: &mut Section, start: Position, no: bool) -> Read<()> {
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
        self.expand(rule, lists, start, |section| &mut section.dummynet, section)
    }

    /// `antispoof for en0`: what comes in elsewhere from en0's networks, and what comes in from its own addresses.
    pub(super) fn antispoof(&mut self, section: &mut Section, start: Position) -> Read<()> {
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
            self.expand(rule.clone(), elsewhere, start, |section| &mut section.filter, section)?;
            let loopback =
                name.strip_prefix("lo").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if !loopback {
                let own = Lists { sources: sources(self, false), ..Lists::default() };
                self.expand(rule.clone(), own, start, |section| &mut section.filter, section)?;
            }
        }
        Ok(())
    }
}

/// What stands behind `->`.
struct Target {
    hosts: Vec<Host>,
    /// The first port, and the last; see [`Parser::redirect_ports`].
    ports: Option<(u16, Option<u16>)>,
    extfilter: Option<External>,
    redirect: Redirect,
}

/// Puts a new value in place. Whether there was one.
fn replace(place: &mut u32, value: u32) -> bool {
    std::mem::replace(place, value) != 0
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

/// Fills the rule from its addresses, or says what pfctl has against them.
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
            ports: (0, 0),
            pool: Pool::default(),
            static_port: false,
            extmap: None,
        }));
    }
    None
}
