//! Rules that name the port and do not decide, each with the criterion that fails: why not.

use std::fmt;

use crate::pf::criteria::{Address, Direction, Family, Peer, PortMatch};
use crate::pf::decision::{Because, Decision};
use crate::pf::matching::{Matches, matches};
use crate::pf::names::protocols::protocol_name;
use crate::pf::packet::Packet;
use crate::pf::rule::{Action, Placed, Rule};
use crate::pf::rule_text::rule_text;
use crate::pf::rulesets::{Rulesets, TableLookup, call_target};
use crate::pf::trail::{Role, RuleRef};
use crate::pf::verdict::Verdict;

/// The most rules that are named.
const MAXIMUM_MISSES: usize = 3;
/// The most rules that are looked at: anchors may call each other without end.
const MAXIMUM_LOOKS: usize = 50_000;
/// A rule that fails by more criteria is about something else.
const MAXIMUM_REASONS: usize = 2;

/// The rules that would have decided otherwise on `packet`, whose destination port they name, each as a sentence; those that
/// fail by one criterion first.
pub(super) fn near_misses(loaded: &Rulesets, packet: &Packet, verdict: &Verdict<'_>) -> Vec<String> {
    let Some(port) = packet.destination_port else { return Vec::new() };
    let mut misses = Misses { loaded, packet, port, verdict, found: Vec::new(), looks: 0 };
    misses.translations("");
    // Filter rules see the packet as a translation leaves it.
    if let [translated] = verdict.translated.as_slice() {
        misses.packet = translated;
    }
    misses.rules("", None, 0);
    misses.found.sort_by_key(|(failing, _)| *failing);
    misses.found.into_iter().map(|(_, sentence)| sentence).take(MAXIMUM_MISSES).collect()
}

struct Misses<'a, 'v> {
    loaded: &'a Rulesets,
    packet: &'v Packet,
    port: u16,
    verdict: &'v Verdict<'a>,
    /// The number of criteria that fail, and the sentence.
    found: Vec<(usize, String)>,
    looks: usize,
}

impl<'a> Misses<'a, '_> {
    /// The rules of an anchor; `outside` is why the call that leads to it does not match.
    fn rules(&mut self, path: &'a str, outside: Option<&str>, depth: usize) {
        let loaded = self.loaded;
        let rules = loaded.anchor(path).map_or(&[][..], |ruleset| ruleset.filter.as_slice());
        for (number, placed) in rules.iter().enumerate() {
            self.looks += 1;
            if self.looks > MAXIMUM_LOOKS || depth > 16 {
                return;
            }
            let item = &placed.item;
            if item.anchor.is_some() {
                self.call(path, placed, outside, depth);
            } else if self.is_about_port(item) && self.is_opposite(item) {
                self.look_at(RuleRef { anchor: path, number, rule: placed }, outside);
            }
        }
    }

    fn call(&mut self, path: &'a str, placed: &'a Placed<Rule>, outside: Option<&str>, depth: usize) {
        let Some(called) = placed.item.anchor.as_ref().and_then(|call| call.path.as_deref()) else { return };
        let failing = failing(self.loaded, path, &placed.item, self.packet, &self.verdict.tags);
        if failing.len() > 1 {
            return;
        }
        let why = failing.first().map(|reason| format!("the call of its anchor, {}, {reason}", placed.place));
        for child in self.loaded.targets(&call_target(path, called)) {
            self.rules(child, outside.or(why.as_deref()), depth + 1);
        }
    }

    /// Redirections of the port on another interface, or for another protocol or client.
    fn translations(&mut self, path: &'a str) {
        let rules = self.loaded.anchor(path).map_or(&[][..], |ruleset| ruleset.rdr.as_slice());
        for (number, placed) in rules.iter().enumerate() {
            if placed.item.redirect.is_some() && names_port(&placed.item, self.port) {
                self.look_at(RuleRef { anchor: path, number, rule: placed }, None);
            }
        }
    }

    /// Whether it names the port that was asked about, or the one that a translation makes of it.
    fn is_about_port(&self, rule: &Rule) -> bool {
        names_port(rule, self.port) || self.packet.destination_port.is_some_and(|port| names_port(rule, port))
    }

    /// Whether the rule would have decided otherwise.
    fn is_opposite(&self, rule: &Rule) -> bool {
        match self.verdict.outcome {
            Decision::Block => rule.action == Action::Pass,
            Decision::Pass => matches!(rule.action, Action::Block(_)),
            Decision::Unknown => false,
        }
    }

    fn look_at(&mut self, rule: RuleRef<'a>, outside: Option<&str>) {
        let item = &rule.rule.item;
        let mut failing = failing(self.loaded, rule.anchor, item, self.packet, &self.verdict.tags);
        if item.redirect.is_none() && !names_port(item, self.packet.destination_port.unwrap_or(self.port)) {
            failing.push(MissReason::Translated(self.packet));
        }
        let count = failing.len() + usize::from(outside.is_some());
        let reason = match (failing.as_slice(), outside) {
            ([], None) => self.unreached(&rule),
            (_, Some(outside)) if count == 1 => Some(outside.to_owned()),
            (reasons, _) if count <= MAXIMUM_REASONS => {
                let reasons: Vec<String> = reasons.iter().map(|reason| format!("it {reason}")).collect();
                let outside = outside.map(str::to_owned);
                Some(reasons.into_iter().chain(outside).collect::<Vec<_>>().join(", and "))
            }
            _ => None,
        };
        let Some(reason) = reason else { return };
        let shown = rule_text(&rule);
        let does = if failing.is_empty() && outside.is_none() { "does not decide" } else { "does not match" };
        let port = if names_port(item, self.port) {
            self.port
        } else {
            self.packet.destination_port.unwrap_or(self.port)
        };
        self.found.push((
            count,
            format!("the rule that names port {port}, {} `{}`, {does}: {reason}", shown.place, shown.text),
        ));
    }

    /// Why a rule that matches the packet does not decide; `None` where it does, or where that is told elsewhere.
    fn unreached(&self, rule: &RuleRef<'a>) -> Option<String> {
        let Verdict { trail, because, rule: decides, .. } = self.verdict;
        let is = |other: &RuleRef<'_>| std::ptr::eq(other.rule, rule.rule);
        let on_trail = trail.iter().any(|step| is(&step.rule));
        if *because == Because::Skipped {
            return Some(format!("pf does not look at {} (`set skip`)", self.packet.interface));
        }
        if rule.rule.item.redirect.is_some() {
            let first = trail.iter().find(|step| step.role == Role::Translates);
            let first = first.filter(|_| !on_trail)?;
            return Some(format!("it stands behind {}, which matches first", standing(&first.rule)));
        }
        let decides = decides.as_ref().filter(|decides| !is(decides))?;
        let what = standing(decides);
        Some(match (on_trail, because) {
            (_, Because::TranslationPass) => format!("{what} passes it, and no filter rule is looked at"),
            (true, _) => format!("{what} is later and decides"),
            (false, _) if decides.rule.item.quick => format!("it stands behind the quick {what}"),
            (false, _) if ended_by_call(self.loaded, self.verdict).is_some() => {
                format!("it stands behind a quick call, in which {what} matches")
            }
            (false, _) => return None,
        })
    }
}

/// The quick call of an anchor that ended the search with a rule of the anchor.
pub(super) fn ended_by_call<'v, 'a>(loaded: &Rulesets, verdict: &'v Verdict<'a>) -> Option<&'v RuleRef<'a>> {
    let decides = verdict.rule.as_ref().filter(|decides| !decides.rule.item.quick)?;
    let holds = |call: &RuleRef<'_>| {
        let path = call.rule.item.anchor.as_ref().and_then(|called| called.path.as_deref());
        let targets = path.map(|path| loaded.targets(&call_target(call.anchor, path))).unwrap_or_default();
        let below = |target: &&str| {
            let rest = decides.anchor.strip_prefix(*target);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        targets.iter().any(below)
    };
    let is_lost =
        |call: &RuleRef<'_>| verdict.lost_quick.iter().any(|lost| std::ptr::eq(lost.rule, call.rule));
    let calls = verdict.trail.iter().filter(|step| step.role == Role::Calls).map(|step| &step.rule);
    calls.filter(|call| call.rule.item.quick && !is_lost(call)).find(|call| holds(call))
}

/// `rule 0, pf.conf:1`; for a loaded rule `anchor x rule 0`.
fn standing(rule: &RuleRef<'_>) -> String {
    let place = rule_text(rule).place;
    if rule.is_listed() { place } else { format!("rule {}, {place}", rule.number) }
}

fn names_port(rule: &Rule, port: u16) -> bool {
    match &rule.destination.port {
        Some(PortMatch::Number(compare)) => {
            // A rule for most ports does not mean this one.
            let (a, b) = compare.bounds();
            compare.matches(port) && (b.abs_diff(a) < 4096)
        }
        _ => false,
    }
}

/// Why the rule does not match: each criterion that fails alone.
enum MissReason<'r> {
    Direction(Direction),
    Protocol(u8),
    Interface {
        written: String,
        asked: &'r str,
        redirects: bool,
    },
    Family(Family),
    Source(&'r Rulesets, &'r str, &'r Peer, &'r Packet),
    Destination(&'r Peer, &'r Packet),
    SourcePort,
    Flags,
    Owner,
    Tag(&'r str),
    /// Filter rules see the port that a translation has made.
    Translated(&'r Packet),
}

/// A clause behind "it".
impl fmt::Display for MissReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MissReason::Direction(Direction::In) => f.write_str("is for incoming packets"),
            MissReason::Direction(Direction::Out) => f.write_str("is for outgoing packets"),
            MissReason::Protocol(number) => match protocol_name(*number) {
                Some(name) => write!(f, "is for {name}"),
                None => write!(f, "is for protocol {number}"),
            },
            MissReason::Interface { written, redirects: true, .. } if written == "lo0" => {
                f.write_str("redirects on lo0 only: connections of this Mac itself")
            }
            MissReason::Interface { written, asked, .. } => write!(f, "is on {written}, asked for {asked}"),
            MissReason::Family(Family::Inet) => f.write_str("is for IPv4"),
            MissReason::Family(Family::Inet6) => f.write_str("is for IPv6"),
            MissReason::Source(loaded, anchor, peer, packet) => write_source(f, loaded, anchor, peer, packet),
            MissReason::Destination(peer, packet) => match packet.destination {
                Some(asked) => write!(f, "is to {}, asked for {asked}", address(peer)),
                None => write!(f, "is to {}", address(peer)),
            },
            MissReason::SourcePort => f.write_str("is for other ports of the client"),
            MissReason::Flags => f.write_str("is for other TCP flags than a connection's first packet has"),
            MissReason::Translated(packet) => match packet.destination_port {
                Some(port) => {
                    write!(f, "names the port from before the translation: filter rules see port {port}")
                }
                None => f.write_str("names the port from before the translation"),
            },
            MissReason::Owner => f.write_str("is for another user or group"),
            MissReason::Tag(name) => {
                write!(f, "is for packets with the tag {name}, which this one has not")
            }
        }
    }
}

fn write_source(
    f: &mut fmt::Formatter<'_>,
    loaded: &Rulesets,
    anchor: &str,
    peer: &Peer,
    packet: &Packet,
) -> fmt::Result {
    let asked = packet.source.map_or_else(String::new, |source| source.to_string());
    match &peer.address {
        Address::Table(name) if !peer.negated => match loaded.table(anchor, name) {
            TableLookup::Missing => write!(f, "is from table <{name}>, which does not exist"),
            TableLookup::Known(contents) if contents.is_empty() => {
                write!(f, "is from table <{name}>, which is empty here")
            }
            _ => write!(f, "is from table <{name}>, which does not hold {asked}"),
        },
        _ => write!(f, "is from {}, asked for {asked}", address(peer)),
    }
}

fn address(peer: &Peer) -> String {
    format!("{}{}", if peer.negated { "! " } else { "" }, peer.address)
}

/// The criteria of the rule that fail, each tried alone.
fn failing<'r>(
    loaded: &'r Rulesets,
    anchor: &'r str,
    rule: &'r Rule,
    packet: &'r Packet,
    tags: &[Option<&str>],
) -> Vec<MissReason<'r>> {
    let fails = |only: &dyn Fn(&mut Rule)| {
        let mut alone = Rule::new(Action::Pass);
        only(&mut alone);
        matches(loaded, anchor, &alone, packet) == Matches::No
    };
    let mut reasons = Vec::new();
    if let Some(direction) = rule.direction.filter(|direction| *direction != packet.direction) {
        reasons.push(MissReason::Direction(direction));
    }
    if let Some(protocol) = rule.protocol.filter(|protocol| *protocol != packet.protocol) {
        reasons.push(MissReason::Protocol(protocol));
    }
    if fails(&|alone| alone.interface.clone_from(&rule.interface))
        && let Some(interface) = &rule.interface
    {
        let written = format!("{}{}", if interface.negated { "! " } else { "" }, interface.name);
        let redirects = rule.redirect.is_some();
        reasons.push(MissReason::Interface { written, asked: &packet.interface, redirects });
    }
    let other_family = rule.family.filter(|family| *family != packet.family);
    if let Some(family) = other_family {
        reasons.push(MissReason::Family(family));
    }
    let without_port = |peer: &Peer| Peer { port: None, ..peer.clone() };
    // Of another family no address can match.
    if other_family.is_none() && fails(&|alone| alone.source = without_port(&rule.source)) {
        reasons.push(MissReason::Source(loaded, anchor, &rule.source, packet));
    }
    if other_family.is_none() && fails(&|alone| alone.destination = without_port(&rule.destination)) {
        reasons.push(MissReason::Destination(&rule.destination, packet));
    }
    if fails(&|alone| alone.source.port.clone_from(&rule.source.port)) {
        reasons.push(MissReason::SourcePort);
    }
    if fails(&|alone| alone.flags = rule.flags) {
        reasons.push(MissReason::Flags);
    }
    if fails(&|alone| (alone.user, alone.group) = (rule.user.clone(), rule.group.clone())) {
        reasons.push(MissReason::Owner);
    }
    if let Some(tagged) = &rule.tagged
        && !tagged.negated
        && !tags.contains(&Some(&*tagged.name))
    {
        reasons.push(MissReason::Tag(&tagged.name));
    }
    reasons
}
