//! Can a host reach a port of this Mac, and why: every packet that the connection needs, asked of [`verdict`].
//!
//! ```
//! use portcullis::pf::rulesets::Rulesets;
//! use portcullis::pf::explain::{From, Question, ask};
//! use portcullis::pf::criteria::Family;
//! let text = "pass in proto tcp to port 2345\nblock drop in all\n";
//! let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".to_owned()));
//! let loaded = loaded.with_assumed_interfaces(None);
//! let question = Question { port: 2345, from: From::Network, family: Family::Inet, interface: None };
//! assert_eq!(
//!     ask(&loaded, &question).sentence,
//!     "blocked by rule 1, pf.conf:2 `block drop in all`; nothing later passes port 2345"
//! );
//! ```
//!
//! From another host that is its SYN on the interface that it comes in by, and, where no state is opened, the packets
//! that follow in both ways. From this Mac itself it is the SYN out of lo0 and into it again, and the same.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::criteria::{Direction, Family, PortMatch};
use super::effects::{Block, RouteKind};
use super::grounds::{Asked, DecidingRule, Elsewhere, Grounds, Leg};
use super::origin::{Origin, PerOrigin};
use super::packet::{ACK, Packet, SYN};
use super::rule::Action;
use super::rulesets::Rulesets;
use super::verdict::{Because, Decision, Part, RuleRef, Step, Verdict, verdict, verdict_tagged};

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// This Mac itself.
    Loopback,
    /// A host of the network that the interface is on, one that no rule names.
    Network,
    /// A host anywhere else, one that no rule names.
    Anyone,
    /// This host.
    Host(IpAddr),
}

impl std::convert::From<Origin> for From {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Loopback => From::Loopback,
            Origin::Network => From::Network,
            Origin::Anyone => From::Anyone,
        }
    }
}

/// Can somebody reach a TCP port of this Mac?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The port in host order.
    pub port: u16,
    /// Who.
    pub from: From,
    /// Over which family; a host's address decides for itself.
    pub family: Family,
    /// The interface that the packets come in by; `None`: the one on the host's network, else the first.
    pub interface: Option<String>,
}

/// The answer, ready to be shown: as text by `Display`, as JSON by serde.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `pass`, `block` or `unknown`.
    pub verdict: Decision,
    /// The answer as a sentence, with the rule that decides.
    pub sentence: String,
    /// The answer as a short clause.
    #[serde(serialize_with = "as_text")]
    pub because: Grounds,
    /// The rule that decides, where one does.
    pub rule: Option<RuleText>,
    /// The rules that matched, or may have, packet by packet in pf's order.
    pub trail: Vec<TrailLine>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The port.
    pub port: u16,
    /// Who was asked about: an address.
    pub from: IpAddr,
    /// The interface.
    pub interface: String,
    /// `inet` or `inet6`.
    pub family: &'static str,
}

fn as_text<S: serde::Serializer>(grounds: &Grounds, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(grounds)
}

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleText {
    /// `pf.conf:31`, or `anchor x rule 3` for loaded rules.
    pub place: String,
    /// The file, or the listing.
    pub path: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The anchor's path; empty for the main ruleset.
    pub anchor: String,
    /// The rule's number in its ruleset, from 0.
    pub number: usize,
    /// The rule in pfctl's form.
    pub text: String,
}

/// A rule's part in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrailLine {
    /// The packet.
    pub packet: String,
    /// The rule.
    pub rule: RuleText,
    /// `decides`, `overridden`, `may match`, `translates`, `exempts` (from translation), `may translate`, `calls`,
    /// `may call`.
    pub effect: &'static str,
    /// What it depends on, where it may match.
    pub why: Option<String>,
}

/// The sentence, then the trail.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence)?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        let mut packet = "";
        for line in &self.trail {
            if packet != line.packet {
                packet = &line.packet;
                writeln!(f, "\n  {packet}")?;
            }
            let why = line.why.as_ref().map_or_else(String::new, |why| format!(" (depends on {why})"));
            writeln!(f, "    {:<13} {}: {}{why}", line.effect, line.rule.place, line.rule.text)?;
        }
        Ok(())
    }
}

/// Answers the question by the rules that are loaded.
pub fn ask(loaded: &Rulesets, question: &Question) -> Explanation {
    let ends = ends(loaded, question);
    let mut inquiry = Inquiry { loaded, port: question.port, trail: Vec::new(), notes: Vec::new() };
    let conclusion =
        if ends.interface.starts_with("lo") { inquiry.loopback(&ends) } else { inquiry.remote(&ends) };
    inquiry.note_uncalled(&ends);
    let Conclusion { outcome, rule, because, sentence } = conclusion;
    Explanation {
        verdict: outcome,
        sentence,
        because,
        rule,
        trail: inquiry.trail,
        notes: inquiry.notes,
        port: question.port,
        from: ends.from,
        interface: ends.interface,
        family: if ends.from.is_ipv4() { "inet" } else { "inet6" },
    }
}

/// The two addresses and the interface between them.
struct Ends {
    from: IpAddr,
    to: IpAddr,
    interface: String,
}

fn ends(loaded: &Rulesets, question: &Question) -> Ends {
    let four = match question.from {
        From::Host(address) => address.is_ipv4(),
        _ => question.family == Family::Inet,
    };
    let loopback =
        if four { IpAddr::from([127, 0, 0, 1]) } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]) };
    let is_own = |address: IpAddr| {
        address.is_loopback()
            || loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(|net| net.addr() == address))
    };
    match question.from {
        From::Loopback => return Ends { from: loopback, to: loopback, interface: "lo0".to_owned() },
        // A Mac reaches its own addresses over lo0, whatever interface they belong to.
        From::Host(address) if is_own(address) => {
            return Ends { from: address, to: address, interface: "lo0".to_owned() };
        }
        _ => {}
    }
    let outside = || loaded.interfaces().iter().filter(|facts| !facts.name.starts_with("lo"));
    let holds = |net: &IpNet| matches!(question.from, From::Host(address) if net.contains(&address));
    let facts = match &question.interface {
        Some(name) => loaded.interfaces().iter().find(|facts| facts.name == *name),
        None => outside()
            .find(|facts| facts.addresses.iter().any(holds))
            .or_else(|| {
                outside().find(|facts| facts.addresses.iter().any(|net| net.addr().is_ipv4() == four))
            })
            .or_else(|| outside().next()),
    };
    let interface = question.interface.clone().or_else(|| facts.map(|facts| facts.name.clone()));
    let default = if four { "192.168.1.10/24" } else { "fd00:6d61:6300:1::10/64" };
    let own =
        facts.and_then(|facts| facts.addresses.iter().find(|net| net.addr().is_ipv4() == four).copied());
    let own = own.or_else(|| default.parse().ok()).unwrap_or(IpNet::from(loopback));
    let from = match question.from {
        From::Host(address) => address,
        From::Network => unnamed_in(loaded, own),
        _ => stranger(loaded, four),
    };
    Ends { from, to: own.addr(), interface: interface.unwrap_or_else(|| "en0".to_owned()) }
}

/// A host of the network, other than `own`, that no rule names by itself.
pub fn unnamed_in(loaded: &Rulesets, own: IpNet) -> IpAddr {
    let is_own = |host: &IpAddr| {
        loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(|net| net.addr() == *host))
    };
    let hosts = || own.hosts().filter(|host| *host != own.addr() && !is_own(host)).take(256);
    // What names the whole network names every host of it.
    let whole = loaded.names_address(own.network()) && own.prefix_len() < own.max_prefix_len();
    let unnamed = hosts().skip(1).find(|host| whole || !loaded.names_address(*host));
    unnamed.or_else(|| hosts().next()).unwrap_or(own.addr())
}

/// A host on the internet that no rule names, where there is one.
fn stranger(loaded: &Rulesets, four: bool) -> IpAddr {
    // Public addresses of different blocks, none of them reserved, so that no list of bogus networks holds them all.
    const FOUR: [[u8; 4]; 5] =
        [[198, 41, 96, 7], [81, 2, 69, 160], [45, 33, 32, 156], [133, 242, 0, 3], [17, 253, 144, 10]];
    const SIX: [u16; 4] = [0x2a00, 0x2400, 0x2600, 0x2c00];
    let candidates: Vec<IpAddr> = if four {
        FOUR.into_iter().map(IpAddr::from).collect()
    } else {
        SIX.into_iter().map(|first| IpAddr::from([first, 0x1450, 0x4007, 0x80e, 0, 0, 0, 0x20])).collect()
    };
    let unnamed = candidates.iter().find(|address| !loaded.names_address(**address));
    unnamed.or(candidates.first()).copied().unwrap_or(IpAddr::from([198, 41, 96, 7]))
}

struct Conclusion {
    outcome: Decision,
    rule: Option<RuleText>,
    because: Grounds,
    sentence: String,
}

struct Inquiry<'a> {
    loaded: &'a Rulesets,
    port: u16,
    trail: Vec<TrailLine>,
    notes: Vec<String>,
}

/// How many rules of a packet's trail are shown.
const MAXIMUM_TRAIL: usize = 100;

impl<'a> Inquiry<'a> {
    /// From another host: the SYN, and what follows where no state lets it through.
    fn remote(&mut self, ends: &Ends) -> Conclusion {
        let syn = Packet::syn(Direction::In, &ends.interface, ends.from, ends.to, self.port);
        let first = self.look(&syn, vec![None]);
        let mut conclusion = self.conclude(&first, Leg::Syn);
        let redirected = first.translated.iter().any(|packet| *packet != syn);
        if let Some(to) =
            self.elsewhere(&first).filter(|_| redirected && conclusion.outcome == Decision::Pass)
        {
            conclusion.because = Grounds::Redirected { to, then: Box::new(conclusion.because) };
            conclusion.sentence =
                format!("redirected to {to}, which is not this Mac, and {}", conclusion.sentence);
        }
        if conclusion.outcome != Decision::Pass || first.stateful == Some(true) {
            return conclusion;
        }
        let follows = [syn.reply(SYN | ACK), Packet { flags: ACK, ..syn.clone() }, syn.reply(ACK)];
        let followed = self.follow(conclusion, &first, &follows);
        if followed.outcome == Decision::Block {
            self.notes.insert(
                0,
                "what passes it opens no state, so pf judges the replies by themselves".to_owned(),
            );
        }
        followed
    }

    /// Where a redirection sends the connection, if that is surely not this machine.
    fn elsewhere(&self, verdict: &Verdict<'a>) -> Option<Elsewhere> {
        let is_own = |address: IpAddr| {
            let own = self.loaded.interfaces().iter().flat_map(|facts| &facts.addresses);
            address.is_loopback() || own.into_iter().any(|net| net.addr() == address)
        };
        let mut targets =
            verdict.translated.iter().map(|packet| (packet.destination, packet.destination_port));
        let (address, port) = targets.next()?;
        let address = address
            .filter(|address| !is_own(*address) && targets.all(|other| other == (Some(*address), port)))?;
        Some(Elsewhere { address, port })
    }

    /// From this Mac: out of lo0 and into it again.
    fn loopback(&mut self, ends: &Ends) -> Conclusion {
        let out = Packet::syn(Direction::Out, &ends.interface, ends.from, ends.to, self.port);
        let sent = self.look(&out, vec![None]);
        let conclusion = self.conclude(&sent, Leg::OutOfLo0);
        if conclusion.outcome != Decision::Pass {
            return conclusion;
        }
        let into = Packet { direction: Direction::In, ..out.clone() };
        let received = self.look(&into, sent.tags.clone());
        let conclusion = self.conclude(&received, Leg::IntoLo0);
        if conclusion.outcome != Decision::Pass {
            return conclusion;
        }
        // Each way has its own state: what leaves the client, and what reaches the server.
        let mut conclusion = conclusion;
        if received.stateful != Some(true) {
            let follows = [into.reply(SYN | ACK), Packet { flags: ACK, ..into.clone() }];
            conclusion = self.follow(conclusion, &received, &follows);
        }
        if conclusion.outcome == Decision::Pass && sent.stateful != Some(true) {
            let follows = [out.reply(SYN | ACK), Packet { flags: ACK, ..out.clone() }];
            conclusion = self.follow(conclusion, &sent, &follows);
        }
        conclusion
    }

    /// The packets behind a SYN that opened no state, or perhaps none: each must pass by itself until one opens it.
    fn follow(&mut self, conclusion: Conclusion, first: &Verdict<'a>, packets: &[Packet]) -> Conclusion {
        for packet in packets {
            let next = self.look(packet, vec![None]);
            let leg = match packet.direction {
                Direction::Out => Leg::Reply,
                Direction::In => Leg::Next,
            };
            let mut failed = self.conclude(&next, leg);
            if failed.outcome != Decision::Pass {
                if first.stateful.is_none() {
                    failed.outcome = Decision::Unknown;
                    failed.because = Grounds::Stateless { then: Box::new(failed.because) };
                    failed.sentence = failed.because.to_string();
                }
                return failed;
            }
            if next.stateful == Some(true) {
                break;
            }
        }
        conclusion
    }

    /// Asks for a verdict and takes its trail.
    fn look(&mut self, packet: &Packet, tags: Vec<Option<&'a str>>) -> Verdict<'a> {
        let mut found = verdict_tagged(self.loaded, packet, tags);
        let what = packet.to_string();
        let decides = found.rule.map(|rule| std::ptr::from_ref(rule.rule));
        let last = found.trail.iter().rposition(|step| decides == Some(std::ptr::from_ref(step.rule.rule)));
        let skipped = found.trail.len().saturating_sub(MAXIMUM_TRAIL);
        if skipped > 0 {
            self.notes.push(format!("{what}: {skipped} earlier rules that match are not shown"));
        }
        for (index, step) in found.trail.iter().enumerate().skip(skipped) {
            self.trail.push(trail_line(&what, step, Some(index) == last));
        }
        let diverted = found.rule.and_then(|rule| rule.rule.item.route.as_deref());
        if found.outcome == Decision::Pass
            && let Some(route) = diverted
        {
            match route.kind {
                RouteKind::RouteTo if packet.direction == Direction::In => {
                    found.outcome = Decision::Unknown;
                    self.notes
                        .push("the rule that passes the packet sends it elsewhere (route-to)".to_owned());
                }
                RouteKind::ReplyTo => {
                    self.notes.push("replies are sent by the way that the rule names (reply-to)".to_owned());
                }
                _ => {}
            }
        }
        for changed in found.translated.iter().filter(|changed| *changed != packet) {
            self.notes.push(format!("a translation makes it: {changed}"));
        }
        self.notes.dedup();
        found
    }

    /// The verdict on the packet `leg` in words.
    fn conclude(&mut self, verdict: &Verdict<'a>, leg: Leg) -> Conclusion {
        if verdict.because == Because::Rule && verdict.outcome == Decision::Block {
            self.note_block(verdict.block);
        }
        let because = self.grounds(verdict, leg);
        let sentence = self.sentence(verdict, &because);
        let rule = verdict.rule.map(|rule| rule_text(&rule));
        Conclusion { outcome: verdict.outcome, rule, because, sentence }
    }

    fn grounds(&self, verdict: &Verdict<'a>, leg: Leg) -> Grounds {
        let rule = verdict.rule.as_ref().map(DecidingRule::from);
        match (&verdict.because, rule, verdict.outcome) {
            (Because::State, ..) => Grounds::KnownConnection,
            (Because::Skipped, ..) => Grounds::Skipped,
            (Because::Unknown(why), ..) => Grounds::Depends { on: why.clone() },
            (Because::Endless, ..) => Grounds::Endless,
            (Because::NoRule, ..) | (_, None, _) => Grounds::NoRule { port: self.port },
            (Because::TranslationPass, Some(rule), _) | (Because::Rule, Some(rule), Decision::Pass) => {
                Grounds::Passed { rule }
            }
            (Because::Rule, Some(rule), Decision::Block) => Grounds::Blocked { rule, leg },
            (Because::Rule, Some(rule), Decision::Unknown) => Grounds::SentElsewhere { rule },
        }
    }

    /// The grounds, and what else pf does with the rules, in a sentence.
    fn sentence(&self, verdict: &Verdict<'a>, because: &Grounds) -> String {
        let port = self.port;
        let quick = verdict.rule.is_some_and(|rule| rule.rule.item.quick);
        match (&verdict.because, verdict.outcome) {
            (Because::State, _) => "passed: pf knows the connection".to_owned(),
            (Because::Skipped, _) => format!("passed: {because}"),
            (Because::TranslationPass, _) => format!("{because}; no filter rule is looked at"),
            (Because::NoRule, _) => format!("passed: {because} what no rule matches"),
            (Because::Unknown(_), _) => match verdict.rule {
                Some(rule) => format!("{because}: {rule}"),
                None => because.to_string(),
            },
            (Because::Rule, Decision::Pass | Decision::Block) if quick => {
                format!("{because}; it is quick: later rules are not looked at")
            }
            (Because::Rule, Decision::Pass) => format!("{because}; nothing later blocks port {port}"),
            (Because::Rule, Decision::Block) => format!("{because}; nothing later passes port {port}"),
            (Because::Endless, _) | (Because::Rule, Decision::Unknown) => because.to_string(),
        }
    }

    /// What the client sees.
    fn note_block(&mut self, block: Option<Block>) {
        let note = match block {
            Some(Block::Drop) => "the client gets no answer and times out",
            Some(Block::Return | Block::ReturnRst(_)) => "the client sees \"connection refused\"",
            Some(Block::ReturnIcmp(..)) => {
                "the client gets an ICMP error: \"connection refused\" or \"no route to host\""
            }
            None => return,
        };
        self.notes.push(note.to_owned());
    }

    /// Rules for the port in anchors that nothing calls: why they have no effect.
    fn note_uncalled(&mut self, ends: &Ends) {
        for anchor in self.loaded.never_evaluated() {
            let Some(ruleset) = self.loaded.anchor(anchor) else { continue };
            if ruleset.filter.iter().all(|placed| placed.item.action == Action::Unread) {
                continue;
            }
            let names_port = ruleset.filter.iter().any(|placed| match &placed.item.destination.port {
                Some(PortMatch::Number(compare)) => compare.matches(self.port),
                Some(PortMatch::Service(_)) => true,
                None => false,
            });
            let packet = Packet::syn(Direction::In, &ends.interface, ends.from, ends.to, self.port);
            let alone = self.loaded.alone(anchor);
            let matched = verdict(&alone, &packet).rule.is_some();
            if names_port || matched {
                self.notes.push(format!(
                    "anchor {anchor} has a rule for port {}, but no ruleset calls the anchor: its rules are never \
                     evaluated until pf.conf has the line `anchor \"{anchor}\"`",
                    self.port
                ));
            }
        }
    }
}

fn trail_line(packet: &str, step: &Step<'_>, decides: bool) -> TrailLine {
    let (effect, why) = match &step.part {
        Part::Matches if decides => ("decides", None),
        Part::Matches => ("overridden", None),
        Part::MayMatch(why) => ("may match", Some(why)),
        Part::Calls => ("calls", None),
        Part::MayCall(why) => ("may call", Some(why)),
        Part::Translates if step.rule.rule.item.redirect.is_none() => ("exempts", None),
        Part::Translates => ("translates", None),
        Part::MayTranslate(why) => ("may translate", Some(why)),
    };
    let why = why.map(ToString::to_string);
    TrailLine { packet: packet.to_owned(), rule: rule_text(&step.rule), effect, why }
}

/// The rule as it is shown.
pub(super) fn rule_text(rule: &RuleRef<'_>) -> RuleText {
    let place = &rule.rule.place;
    let anchor = rule.anchor.to_owned();
    let number = rule.number;
    let text = rule.rule.item.to_string();
    let text = text.lines().next().unwrap_or_default().to_owned();
    let shown = match (rule.is_listed(), rule.anchor) {
        (false, _) => place.to_string(),
        (true, "") => format!("rule {number}"),
        (true, anchor) => format!("anchor {anchor} rule {number}"),
    };
    RuleText { place: shown, path: place.path.to_string(), line: place.line, anchor, number, text }
}

/// The answer for both families together.
#[derive(Clone, Debug, PartialEq)]
pub struct Combined {
    /// `pass` where the port can be reached over one family at least; `block` where over none; else `unknown`.
    pub verdict: Decision,
    pub because: Grounds,
    /// Each family's answer.
    pub families: Vec<Explanation>,
}

/// Who can reach the ports from `first` to `last`. `near` are the networks that "this network" means; where it is
/// empty, those that the interfaces are on.
pub fn answers(loaded: &Rulesets, first: u16, last: u16, near: &[IpNet]) -> PerOrigin<Combined> {
    let ports = telling_ports(loaded, first, last);
    let families = [Family::Inet, Family::Inet6];
    let hosts: Vec<IpAddr> = near.iter().map(|net| unnamed_in(loaded, *net)).collect();
    let clients = |origin: Origin| -> Vec<(From, Family)> {
        if origin == Origin::Network && !hosts.is_empty() {
            let family = |host: &IpAddr| if host.is_ipv4() { Family::Inet } else { Family::Inet6 };
            hosts.iter().map(|host| (From::Host(*host), family(host))).collect()
        } else {
            families.map(|family| (From::from(origin), family)).to_vec()
        }
    };
    PerOrigin::of(|origin| {
        let clients = clients(origin);
        let questions = ports.iter().flat_map(|port| clients.iter().map(|client| (*port, *client)));
        let ask = |(port, (from, family))| ask(loaded, &Question { port, from, family, interface: None });
        combine(questions.map(ask).collect())
    })
}

/// How many ports of a range are asked about.
const MAXIMUM_PORTS: usize = 64;

/// The ports of the range at which some rule's answer may change.
fn telling_ports(loaded: &Rulesets, first: u16, last: u16) -> Vec<u16> {
    let mut ports = vec![first];
    if first < last {
        let sections = loaded.anchor_paths().filter_map(|path| loaded.anchor(path));
        let rules = sections.flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        for placed in rules {
            if let Some(PortMatch::Number(compare)) = &placed.item.destination.port {
                let (a, b) = compare.bounds();
                ports.extend([a, a.saturating_add(1), b, b.saturating_add(1)]);
            }
        }
        ports.retain(|port| (first..=last).contains(port));
        ports.sort_unstable();
        ports.dedup();
        ports.truncate(MAXIMUM_PORTS);
    }
    ports
}

/// One answer out of many: hosts of a family must agree, then the family that gets through counts, then ports must agree.
fn combine(families: Vec<Explanation>) -> Combined {
    let mut ports: Vec<u16> = families.iter().map(|answer| answer.port).collect();
    ports.dedup();
    let by_port = ports.iter().map(|port| {
        let of = |family: &str| {
            let answers = families.iter().filter(|answer| answer.port == *port && answer.family == family);
            agreed(answers.map(|answer| (Asked::Client(answer.from), answer.verdict, answer.because.clone())))
        };
        let over = |family, (verdict, because)| (verdict, Grounds::Over { family, then: Box::new(because) });
        let (verdict, because) = match (of("inet"), of("inet6")) {
            (None, None) => (Decision::Unknown, Grounds::NoAddress),
            (Some(only), None) | (None, Some(only)) => only,
            (Some(four), Some(six)) if four.0 == six.0 => four,
            (Some(four @ (Decision::Pass, _)), _) => over(Family::Inet, four),
            (_, Some(six @ (Decision::Pass, _))) => over(Family::Inet6, six),
            (Some(four @ (Decision::Unknown, _)), _) => over(Family::Inet, four),
            (_, Some((_, because))) => over(Family::Inet6, (Decision::Unknown, because)),
        };
        (Asked::Port(*port), verdict, because)
    });
    let (verdict, because) = agreed(by_port).unwrap_or((Decision::Unknown, Grounds::NoAddress));
    Combined { verdict, because, families }
}

/// What all say, with the first's grounds; unknown, with two of them, where they do not agree.
fn agreed(mut answers: impl Iterator<Item = (Asked, Decision, Grounds)>) -> Option<(Decision, Grounds)> {
    let (asked, verdict, because) = answers.next()?;
    Some(match answers.find(|(_, other, _)| *other != verdict) {
        None => (verdict, because),
        Some((other, _, others)) => {
            let (one, other) = ((asked, Box::new(because)), (other, Box::new(others)));
            (Decision::Unknown, Grounds::Differ { one, other })
        }
    })
}

/// Who can reach a port before a change and after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// Who.
    pub from: Origin,
    /// Before.
    pub before: Decision,
    /// After.
    pub after: Decision,
    /// Why, after it.
    #[serde(serialize_with = "as_text")]
    pub because: Grounds,
}

/// The verdicts before and after a change of what is loaded, for ranges of ports with what "this network" is for each.
pub fn changes(before: &Rulesets, after: &Rulesets, ranges: &[(u16, u16, Vec<IpNet>)]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (first, last, near) in ranges {
        let (old, new) = (answers(before, *first, *last, near), answers(after, *first, *last, near));
        changes.extend(Origin::ALL.map(|from| {
            let (old, new) = (old.get(from), new.get(from));
            let (before, after, because) = (old.verdict, new.verdict, new.because.clone());
            Change { first: *first, last: *last, from, before, after, because }
        }));
    }
    changes
}

/// `2345  network   block → pass  passed by …`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        };
        let outcome = if self.before == self.after {
            self.after.to_string()
        } else {
            format!("{} → {}", self.before, self.after)
        };
        write!(f, "{ports:<11}  {:<8}  {outcome:<17}  {}", self.from, self.because)
    }
}
