//! What pf does with a packet, which rule decides, and which rules had a part in it.
//!
//! ```
//! use portcullis::pf::rulesets::Rulesets;
//! use portcullis::pf::packet::Packet;
//! use portcullis::pf::criteria::Direction;
//! use portcullis::pf::verdict::{Decision, verdict};
//! let text = "block in all\npass in proto tcp to port 2345\n";
//! let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".to_owned()));
//! let host = "192.168.1.20".parse().unwrap();
//! let mac = "192.168.1.10".parse().unwrap();
//! let verdict = verdict(&loaded, &Packet::syn(Direction::In, "en0", host, mac, 2345));
//! assert_eq!(verdict.outcome, Decision::Pass);
//! assert_eq!(verdict.rule.unwrap().to_string(), "rule 1, pf.conf:2 `pass in proto tcp from any to any port = 2345 flags S/SA keep state`");
//! ```
//!
//! The order is the kernel's (`pf_test_rule`): states, skipped interfaces, translation (first match), then the filter
//! rules, of which the last that matches decides unless an earlier one is `quick`. Where a match is not certain both
//! worlds are followed: the verdict is unknown unless they agree.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use super::criteria::{Address, Compare, Direction, Family, PortMatch};
use super::effects::{Block, StateKeeping};
use super::grounds::DecidingRule;
use super::matching::{Matches, Why, is_skipped, matches, networks};
use super::packet::Packet;
use super::rule::{Action, Rule};
use super::rule::{Placed, Ruleset};
use super::rulesets::{Rulesets, target};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It goes through.
    Pass,
    /// It is stopped.
    Block,
    /// It depends on something that is not known here.
    Unknown,
}

/// `pass`, `block`, `unknown`
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decision::Pass => "pass",
            Decision::Block => "block",
            Decision::Unknown => "unknown",
        })
    }
}

/// What pf does with a packet, and why.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// What becomes of it.
    pub outcome: Decision,
    /// What decides.
    pub because: Because,
    /// The rule that decides, where one does.
    pub rule: Option<RuleRef<'a>>,
    /// How it is stopped, where that is certain.
    pub block: Option<Block>,
    /// Whether a state is opened, so that the rest of the connection passes; `None`: not certain.
    pub stateful: Option<bool>,
    /// The rules that matched, or may have, in the order in which pf looked at them.
    pub trail: Vec<Step<'a>>,
    /// The packets that the filter rules may have looked at, after translation.
    pub translated: Vec<Packet>,
    /// The tags that the packet may have afterwards.
    pub tags: Vec<Option<&'a str>>,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The packet belongs to a connection that pf knows.
    State,
    /// `set skip on`: pf does not look at the interface.
    Skipped,
    /// A translation with `pass`: filter rules are not looked at.
    TranslationPass,
    /// A rule.
    Rule,
    /// No rule matches: pf's implicit rule passes.
    NoRule,
    /// It depends on this.
    Unknown(Why),
    /// Anchors call each other without end.
    Endless,
}

/// A rule of a ruleset, with where it stands.
#[derive(Clone, Copy, Debug)]
pub struct RuleRef<'a> {
    /// The anchor's path; `""` is the main ruleset.
    pub anchor: &'a str,
    /// The rule's number in its ruleset, from 0, as `pfctl -vs rules` shows it.
    pub number: usize,
    /// The rule.
    pub rule: &'a Placed<Rule>,
}

/// `rule 12, pf.conf:31 `block drop in all``; `rule 0 of anchor x, …`
impl fmt::Display for RuleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DecidingRule::from(self).fmt(f)
    }
}

impl From<&RuleRef<'_>> for DecidingRule {
    fn from(rule: &RuleRef<'_>) -> Self {
        let text = rule.rule.item.to_string();
        DecidingRule {
            number: rule.number,
            anchor: rule.anchor.to_owned(),
            place: (!rule.is_listed()).then(|| rule.rule.place.to_string()),
            text: text.lines().next().unwrap_or_default().to_owned(),
        }
    }
}

impl RuleRef<'_> {
    /// Whether the rule comes out of a listing, whose lines are the rules' numbers once more.
    pub fn is_listed(&self) -> bool {
        let path = &*self.rule.place.path;
        path == "main ruleset" || path.strip_prefix("anchor ").is_some()
    }
}

/// A rule's part in a verdict.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The rule.
    pub rule: RuleRef<'a>,
    /// Its part.
    pub part: Part,
}

/// What part a rule has in a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It matches; a later one may still decide.
    Matches,
    /// It may match.
    MayMatch(Why),
    /// It calls an anchor.
    Calls,
    /// It may call an anchor.
    MayCall(Why),
    /// It translates the packet.
    Translates,
    /// It may translate the packet.
    MayTranslate(Why),
}

/// What pf does with `packet`.
pub fn verdict<'a>(loaded: &'a Rulesets, packet: &Packet) -> Verdict<'a> {
    verdict_tagged(loaded, packet, vec![None])
}

/// What pf does with a packet that may have one of these tags already.
pub(super) fn verdict_tagged<'a>(
    loaded: &'a Rulesets,
    packet: &Packet,
    tags: Vec<Option<&'a str>>,
) -> Verdict<'a> {
    let mut verdict = Verdict {
        outcome: Decision::Pass,
        because: Because::State,
        rule: None,
        block: None,
        stateful: Some(true),
        trail: Vec::new(),
        translated: vec![packet.clone()],
        tags,
    };
    if packet.established {
        return verdict;
    }
    // A packet that pf does not look at needs no state in either way.
    if loaded.skipped().iter().any(|filter| is_skipped(filter, &packet.interface)) {
        return Verdict { because: Because::Skipped, ..verdict };
    }
    let mut search = Search::new(loaded, std::mem::take(&mut verdict.tags));
    search.translate(packet);
    verdict.translated = search.worlds.iter().map(|world| world.packet.clone()).collect();
    let tags = search.tags.clone();
    let mut tags_after: Vec<Option<&str>> = Vec::new();
    for world in std::mem::take(&mut search.worlds) {
        search.tags.clone_from(&tags);
        search.filter(world);
        tags_after.append(&mut search.tags);
    }
    // A translation with `pass` leaves no world to filter.
    search.tags = if tags_after.is_empty() { tags } else { tags_after };
    verdict.trail = search.trail;
    verdict.tags = search.tags;
    if search.budget == 0 {
        return Verdict { outcome: Decision::Unknown, because: Because::Endless, stateful: None, ..verdict };
    }
    conclude(verdict, &search.finals)
}

/// One way in which the search may end.
#[derive(Clone, Debug)]
struct Final<'a> {
    rule: Option<RuleRef<'a>>,
    outcome: Decision,
    because: Because,
    state: bool,
    /// Why it is not certain; the last certain one has none.
    doubt: Option<Why>,
}

/// The verdict that all ends agree on, or that they do not.
fn conclude<'a>(verdict: Verdict<'a>, finals: &[Final<'a>]) -> Verdict<'a> {
    let certain = finals.iter().rfind(|end| end.doubt.is_none()).or(finals.last());
    let Some(certain) = certain else {
        return Verdict { outcome: Decision::Unknown, because: Because::Endless, ..verdict };
    };
    let agreed = |end: &Final<'_>| end.outcome == certain.outcome;
    let different = finals
        .iter()
        .find(|end| !agreed(end))
        .or(Some(certain).filter(|end| end.outcome == Decision::Unknown));
    if let Some(different) = different {
        let why = different.doubt.clone().or_else(|| finals.iter().find_map(|end| end.doubt.clone()));
        return Verdict {
            outcome: Decision::Unknown,
            because: Because::Unknown(why.unwrap_or(Why::Unreadable)),
            rule: different.rule,
            stateful: None,
            ..verdict
        };
    }
    let block = |end: &Final<'_>| match end.rule.map(|rule| &rule.rule.item.action) {
        Some(Action::Block(block)) => Some(*block),
        _ => None,
    };
    let stateful = finals.iter().all(|end| end.state == certain.state).then_some(certain.state);
    Verdict {
        outcome: certain.outcome,
        because: certain.because.clone(),
        rule: certain.rule,
        block: block(certain).filter(|_| finals.iter().all(|end| block(end) == block(certain))),
        stateful,
        ..verdict
    }
}

/// A packet as the filter rules may see it.
struct Branch<'a> {
    packet: Packet,
    /// The translation that made it so, which opens a state whatever the filter rule says.
    translation: Option<RuleRef<'a>>,
    doubt: Option<Why>,
}

struct Search<'a> {
    loaded: &'a Rulesets,
    worlds: Vec<Branch<'a>>,
    /// All the ways in which the search may end.
    finals: Vec<Final<'a>>,
    /// Where the search of this world may have ended already.
    ended: Vec<Final<'a>>,
    /// What the last match may be; the first is certain unless one of `ended` came before it.
    candidates: Vec<Final<'a>>,
    /// How many matches were certain.
    certain: usize,
    trail: Vec<Step<'a>>,
    tags: Vec<Option<&'a str>>,
    /// The anchors that are being looked at, from the outermost.
    inside: Vec<&'a str>,
    /// Whether the translations of the kind that was searched last were ended by a `no`.
    exempt: bool,
    budget: usize,
}

/// How many rules are looked at for one verdict; one that has a part in it counts for [`STEP`].
const BUDGET: usize = 5_000_000;
/// A step of the trail is kept, so it costs more than a look.
const STEP: usize = 20;
/// How deep anchors nest, as in the kernel.
const MAXIMUM_ANCHORS: usize = 64;
/// How many translations may be in doubt at a time.
const MAXIMUM_WORLDS: usize = 16;

/// The rules of one kind in a ruleset.
type List = fn(&Ruleset) -> &Vec<Placed<Rule>>;

/// How a ruleset was left.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    /// The search goes on.
    On,
    /// The search is over.
    Over,
}

impl<'a> Search<'a> {
    fn new(loaded: &'a Rulesets, tags: Vec<Option<&'a str>>) -> Self {
        Search {
            loaded,
            worlds: Vec::new(),
            finals: Vec::new(),
            ended: Vec::new(),
            candidates: Vec::new(),
            certain: 0,
            trail: Vec::new(),
            tags,
            inside: vec![""],
            exempt: false,
            budget: BUDGET,
        }
    }

    // Translation: the first match.

    /// Fills `worlds` with what the packet may look like to the filter rules; a translation with `pass` ends at once.
    fn translate(&mut self, packet: &Packet) {
        let lists: [List; 2] = match packet.direction {
            Direction::In => [|ruleset| &ruleset.rdr, |ruleset| &ruleset.binat],
            Direction::Out => [|ruleset| &ruleset.binat, |ruleset| &ruleset.nat],
        };
        if let Some((path, ruleset)) = self.main() {
            for list in lists {
                let left = self.translation(path, ruleset, list, packet, 0, None);
                if left == Left::Over && !std::mem::take(&mut self.exempt) {
                    return;
                }
            }
        }
        self.worlds.push(Branch { packet: packet.clone(), translation: None, doubt: None });
    }

    /// Looks for a translation in one ruleset. `doubt`: why it may not be looked at at all; over means that, if it is,
    /// nothing behind what was found can match.
    fn translation(
        &mut self,
        path: &'a str,
        ruleset: &'a Ruleset,
        list: List,
        packet: &Packet,
        depth: usize,
        doubt: Option<&Why>,
    ) -> Left {
        for (number, placed) in list(ruleset).iter().enumerate() {
            if !self.pay() {
                return Left::Over;
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            let matched = translation_matches(self.loaded, path, &placed.item, packet, &self.tags);
            let why = match &matched {
                Matches::No => continue,
                Matches::Yes => doubt.cloned(),
                Matches::Maybe(why) => Some(why.clone()),
            };
            self.tag(placed.item.tag.as_deref(), &why.clone().map_or(Matches::Yes, Matches::Maybe));
            let left = match &placed.item.anchor {
                Some(_) if placed.item.unreadable.is_none() => {
                    self.translation_call(rule, list, packet, depth, why.as_ref())
                }
                _ => self.translates(rule, packet, why),
            };
            if (left == Left::Over && matched == Matches::Yes) || self.budget == 0 {
                return Left::Over;
            }
        }
        Left::On
    }

    fn translation_call(
        &mut self,
        rule: RuleRef<'a>,
        list: List,
        packet: &Packet,
        depth: usize,
        doubt: Option<&Why>,
    ) -> Left {
        let path = rule.rule.item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let Some(path) = path.filter(|_| depth < MAXIMUM_ANCHORS) else { return Left::On };
        let loaded = self.loaded;
        for child in loaded.targets(&target(rule.anchor, path)) {
            let Some(ruleset) = loaded.anchor(child) else { continue };
            if !self.enter(child) {
                return Left::Over;
            }
            let left = self.translation(child, ruleset, list, packet, depth + 1, doubt);
            self.inside.pop();
            if left == Left::Over {
                return Left::Over;
            }
        }
        Left::On
    }

    /// Goes into an anchor; an anchor that is being looked at already would lead here again without end.
    fn enter(&mut self, anchor: &'a str) -> bool {
        self.budget = self.budget.saturating_sub(STEP);
        if self.inside.contains(&anchor) {
            self.budget = 0;
            return false;
        }
        self.inside.push(anchor);
        true
    }

    /// Takes a translation that matches, or may: the first certain one ends the search.
    fn translates(&mut self, rule: RuleRef<'a>, packet: &Packet, why: Option<Why>) -> Left {
        let item = &rule.rule.item;
        self.record(rule, why.clone().map_or(Part::Translates, Part::MayTranslate));
        if item.unreadable.is_some() {
            self.unreadable_translation(rule, packet, why.unwrap_or(Why::Unreadable));
            return Left::On;
        }
        if item.redirect.is_none() && why.is_none() {
            // `no rdr` ends the search among its kind alone.
            self.exempt = true;
            return Left::Over;
        }
        let at_once = item.action.lets_through();
        if at_once {
            let because = Because::TranslationPass;
            self.finals.push(Final {
                rule: Some(rule),
                outcome: Decision::Pass,
                because,
                state: true,
                doubt: why,
            });
        } else if self.worlds.len() < MAXIMUM_WORLDS {
            let translation = item.redirect.is_some().then_some(rule);
            self.worlds.push(Branch {
                packet: translated(self.loaded, item, packet),
                translation,
                doubt: why,
            });
        } else {
            self.budget = 0;
        }
        Left::Over
    }

    /// A translation that could not be read may let the packet through, or send it anywhere.
    fn unreadable_translation(&mut self, rule: RuleRef<'a>, packet: &Packet, why: Why) {
        let doubt = Some(why);
        let because = Because::TranslationPass;
        self.finals.push(Final {
            rule: Some(rule),
            outcome: Decision::Pass,
            because,
            state: true,
            doubt: doubt.clone(),
        });
        let mut packet = packet.clone();
        match packet.direction {
            Direction::In => (packet.destination, packet.destination_port) = (None, None),
            Direction::Out => (packet.source, packet.source_port) = (None, None),
        }
        self.worlds.push(Branch { packet, translation: Some(rule), doubt });
    }

    // Filter: the last match.

    fn filter(&mut self, world: Branch<'a>) {
        self.candidates = vec![Final {
            rule: None,
            outcome: Decision::Pass,
            because: Because::NoRule,
            state: false,
            doubt: None,
        }];
        self.ended.clear();
        if let Some((path, ruleset)) = self.main() {
            self.ruleset(path, ruleset, &world.packet, 0);
        }
        let ends = std::mem::take(&mut self.ended).into_iter().chain(std::mem::take(&mut self.candidates));
        self.finals.extend(ends.map(|mut end| {
            if end.outcome == Decision::Pass && world.translation.is_some() {
                end.state = true;
            }
            end.doubt = end.doubt.or_else(|| world.doubt.clone());
            end
        }));
    }

    fn main(&self) -> Option<(&'a str, &'a Ruleset)> {
        self.loaded.anchor("").map(|ruleset| ("", ruleset))
    }

    /// Looks at the rules of one ruleset.
    fn ruleset(&mut self, path: &'a str, ruleset: &'a Ruleset, packet: &Packet, depth: usize) -> Left {
        for (number, placed) in ruleset.filter.iter().enumerate() {
            if !self.pay() {
                return Left::Over;
            }
            let item = &placed.item;
            let matched = matches(self.loaded, path, item, packet, &self.tags);
            if matched == Matches::No {
                continue;
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            let left = match (&item.anchor, matched) {
                (Some(_), Matches::Maybe(why)) => self.uncertain_call(rule, packet, depth, &why),
                (Some(_), _) => self.call(rule, packet, depth),
                (None, matched) => self.matched(rule, matched),
            };
            if left == Left::Over {
                return Left::Over;
            }
        }
        Left::On
    }

    /// Takes a rule that matches, or may, as what decides.
    fn matched(&mut self, rule: RuleRef<'a>, matched: Matches) -> Left {
        let item = &rule.rule.item;
        self.tag(item.tag.as_deref(), &matched);
        let (outcome, state) = match item.action {
            Action::Pass => (Decision::Pass, item.state != StateKeeping::No),
            Action::Block(_) => (Decision::Block, false),
            _ => (Decision::Unknown, false),
        };
        let doubt = match &matched {
            Matches::Maybe(why) => Some(why.clone()),
            _ => None,
        };
        self.record(rule, doubt.clone().map_or(Part::Matches, Part::MayMatch));
        let certain = doubt.is_none();
        let end = Final { rule: Some(rule), outcome, because: Because::Rule, state, doubt };
        match (certain, item.quick) {
            (true, quick) => {
                self.certain += 1;
                self.candidates = vec![end];
                if quick { Left::Over } else { Left::On }
            }
            (false, true) => {
                self.ended.push(end);
                Left::On
            }
            (false, false) => {
                self.candidates.push(end);
                Left::On
            }
        }
    }

    /// Steps into an anchor. The kernel's stack holds so many; a call beyond is passed over.
    fn call(&mut self, rule: RuleRef<'a>, packet: &Packet, depth: usize) -> Left {
        let item = &rule.rule.item;
        let path = item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let Some(path) = path.filter(|_| depth < MAXIMUM_ANCHORS) else { return Left::On };
        self.tag(item.tag.as_deref(), &Matches::Yes);
        let step = self.trail.len();
        self.record(rule, Part::Calls);
        let (before, certain) = (self.candidates.len(), self.certain);
        let loaded = self.loaded;
        for child in loaded.targets(&target(rule.anchor, path)) {
            let Some(ruleset) = loaded.anchor(child) else { continue };
            if !self.enter(child) {
                return Left::Over;
            }
            let left = self.ruleset(child, ruleset, packet, depth + 1);
            self.inside.pop();
            if left == Left::Over {
                return Left::Over;
            }
        }
        if self.trail.len() == step + 1 {
            // Nothing inside matched: the call has no part in the verdict.
            self.trail.pop();
        }
        // A quick call ends the search when something inside matched.
        match (item.quick, self.certain != certain) {
            (false, _) => Left::On,
            (true, true) => Left::Over,
            (true, false) => {
                let inside = self.candidates.split_off(before);
                self.ended.extend(inside);
                Left::On
            }
        }
    }

    /// Steps into an anchor that may not be called at all: what was before stays possible.
    fn uncertain_call(&mut self, rule: RuleRef<'a>, packet: &Packet, depth: usize, why: &Why) -> Left {
        let before = std::mem::take(&mut self.candidates);
        let (certain, ended, step) = (self.certain, self.ended.len(), self.trail.len());
        let mut tags = self.tags.clone();
        let left = self.call(rule, packet, depth);
        let mut inside = std::mem::replace(&mut self.candidates, before);
        for end in inside.iter_mut().chain(self.ended.iter_mut().skip(ended)) {
            end.doubt.get_or_insert_with(|| why.clone());
        }
        for step in self.trail.iter_mut().skip(step) {
            match step.part {
                Part::Matches => step.part = Part::MayMatch(why.clone()),
                Part::Calls => step.part = Part::MayCall(why.clone()),
                _ => {}
            }
        }
        let over = left == Left::Over;
        if over {
            self.ended.extend(inside)
        } else {
            self.candidates.extend(inside)
        }
        self.certain = certain;
        std::mem::swap(&mut tags, &mut self.tags);
        tags.retain(|tag| !self.tags.contains(tag));
        self.tags.append(&mut tags);
        if self.budget == 0 { Left::Over } else { Left::On }
    }

    /// The tag that a match puts on the packet.
    fn tag(&mut self, tag: Option<&'a str>, matched: &Matches) {
        let Some(tag) = tag else { return };
        // Each of them is compared, here and in every rule that asks for a tag.
        self.budget = self.budget.saturating_sub(self.tags.len());
        match matched {
            Matches::Yes => self.tags = vec![Some(tag)],
            _ if self.tags.contains(&Some(tag)) => {}
            _ => self.tags.push(Some(tag)),
        }
    }

    fn record(&mut self, rule: RuleRef<'a>, part: Part) {
        self.budget = self.budget.saturating_sub(STEP);
        self.trail.push(Step { rule, part });
    }

    fn pay(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }
}

/// Whether a translation rule matches; what binat translates back is matched by where it leads.
fn translation_matches(
    loaded: &Rulesets,
    anchor: &str,
    rule: &Rule,
    packet: &Packet,
    tags: &[Option<&str>],
) -> Matches {
    let back = packet.direction == Direction::In && matches!(rule.action, Action::Binat { .. });
    if !back || rule.anchor.is_some() {
        return matches(loaded, anchor, rule, packet, tags);
    }
    let mut turned = rule.clone();
    std::mem::swap(&mut turned.source, &mut turned.destination);
    if let Some(address) = rule.redirect.as_ref().and_then(|redirect| redirect.addresses.first()) {
        turned.destination.address = address.clone();
    }
    matches(loaded, anchor, &turned, packet, tags)
}

/// The packet as a translation leaves it.
fn translated(loaded: &Rulesets, rule: &Rule, packet: &Packet) -> Packet {
    let mut changed = packet.clone();
    let Some(redirect) = &rule.redirect else { return changed };
    let address = match redirect.addresses.as_slice() {
        [Address::Net(net)] if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
        [Address::Dynamic(interface) | Address::Static(interface)] => {
            let four = packet.family == Family::Inet;
            let own = networks(loaded, interface).unwrap_or_default();
            own.iter().map(IpNet::addr).find(|address| address.is_ipv4() == four)
        }
        _ => None,
    };
    match (&rule.action, packet.direction) {
        (Action::Rdr { .. }, _) => {
            changed.destination = address;
            changed.destination_port = redirected_port(rule, redirect.ports, packet.destination_port);
        }
        (Action::Nat64 { .. }, _) => {
            // The IPv4 address is part of the IPv6 address, by a prefix that the rule alone does not tell.
            changed.family = Family::Inet;
            (changed.source, changed.source_port, changed.destination) = (None, None, None);
        }
        (Action::Binat { .. }, Direction::In) => {
            changed.destination = match &rule.source.address {
                Address::Net(net) if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
                _ => None,
            };
        }
        (Action::Binat { .. }, Direction::Out) => changed.source = address,
        _ => {
            changed.source = address;
            if !redirect.static_port {
                changed.source_port = None;
            }
        }
    }
    changed
}

/// The port that a redirection leads to: as far into its range as the packet's port is into the rule's.
fn redirected_port(rule: &Rule, (first, last): (u16, u16), port: Option<u16>) -> Option<u16> {
    if first == 0 {
        return port;
    }
    if last == 0 {
        return Some(first);
    }
    let start = match rule.destination.port {
        Some(PortMatch::Number(Compare::Equal(start) | Compare::Range(start, _))) => start,
        _ => 0,
    };
    let width = u32::from(last).saturating_sub(u32::from(first)) + 1;
    let offset = u32::from(port?).saturating_sub(u32::from(start)) % width;
    u16::try_from(u32::from(first) + offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a SYN to port 2345 by these anchors; the first is the main ruleset.
    fn outcome(texts: &[String]) -> (Decision, Because, usize) {
        let loads: Vec<String> =
            (1..texts.len()).map(|index| format!("load anchor \"a{index}\" from \"{index}\"\n")).collect();
        let main = format!("{}{}", texts[0], loads.concat());
        let (loaded, problems) = Rulesets::from_conf("pf.conf", &main, &mut |name| {
            name.parse::<usize>().ok().and_then(|index| texts.get(index).cloned()).ok_or_else(String::new)
        });
        assert!(problems.is_empty(), "{problems:?}");
        let (host, mac) = ("192.168.1.20".parse().unwrap(), "192.168.1.10".parse().unwrap());
        let found = verdict(&loaded, &Packet::syn(Direction::In, "en0", host, mac, 2345));
        (found.outcome, found.because, found.trail.len())
    }

    #[test]
    fn anchors_that_call_each_other_are_endless() {
        for call in ["anchor \"/a1\"\n", "anchor \"/a1\" user root\n", "rdr-anchor \"/a1\"\n"] {
            let (found, because, _) =
                outcome(&[call.replace('/', ""), format!("{call}{call}")].map(|text| text + "pass all\n"));
            assert_eq!((found, because), (Decision::Unknown, Because::Endless), "{call}");
        }
        // Behind a rule that ends the search nothing is called.
        let (found, _, _) = outcome(&["block quick all\nanchor a1\n".into(), "anchor \"/a1\"\n".into()]);
        assert_eq!(found, Decision::Block);
    }

    #[test]
    fn anchors_that_double_at_each_level_come_to_an_end() {
        for criterion in ["", " user root"] {
            let call =
                |index: usize| format!("anchor \"/a{index}\"{criterion}\nblock all{criterion}\n").repeat(2);
            let mut texts: Vec<String> = (1..60).map(call).collect();
            texts.push("block all\n".into());
            texts[0] = texts[0].replace('/', "");
            let (found, because, trail) = outcome(&texts);
            assert_eq!((found, because), (Decision::Unknown, Because::Endless));
            assert!(trail <= BUDGET / STEP + 1, "{trail}");
        }
    }
}
