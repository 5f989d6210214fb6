//! One connection, packet by packet: what pf does with each, in words.

use std::net::IpAddr;

use crate::pf::criteria::{Direction, Family, PortMatch};
use crate::pf::effects::{Block, RouteKind};
use crate::pf::grounds::{DecidingRule, Elsewhere, Grounds, Leg};
use crate::pf::packet::{ACK, Packet, SYN};
use crate::pf::rule::Action;
use crate::pf::rule_text::{RuleText, rule_text};
use crate::pf::rulesets::Rulesets;
use crate::pf::surprises::{self, Surprise};
use crate::pf::trail::{Role, RuleRef};
use crate::pf::verdict::{Because, Decision, Verdict, verdict, verdict_tagged};

use super::endpoints::{Endpoints, endpoints};
use super::explanation::{Explanation, TrailLine, trail_line};
use super::near_miss::{ended_by_call, near_misses};
use super::query::{ClientHost, Query};

/// Answers the query by the rules that are loaded.
pub fn ask(loaded: &Rulesets, query: &Query) -> Explanation {
    let ends = endpoints(loaded, query);
    let mut inquiry = Inquiry { loaded, port: query.port, trail: Vec::new(), notes: Vec::new() };
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
        port: query.port,
        from: ends.from,
        interface: ends.interface,
        family: if ends.from.is_ipv4() { "inet" } else { "inet6" },
    }
}

/// Whether this Mac, as the client, reaches a port of another host: out by the interface, and the replies back in.
pub fn ask_outgoing(loaded: &Rulesets, port: u16, host: IpAddr, interface: Option<&str>) -> Explanation {
    let family = if host.is_ipv4() { Family::Inet } else { Family::Inet6 };
    let interface = interface.map(str::to_owned);
    let ends = endpoints(loaded, &Query { port, from: ClientHost::Host(host), family, interface });
    let mut inquiry = Inquiry { loaded, port, trail: Vec::new(), notes: Vec::new() };
    let Conclusion { outcome, rule, because, sentence } =
        if ends.interface.starts_with("lo") { inquiry.loopback(&ends) } else { inquiry.outgoing(&ends) };
    Explanation {
        verdict: outcome,
        sentence,
        because,
        rule,
        trail: inquiry.trail,
        notes: inquiry.notes,
        port,
        from: ends.to,
        interface: ends.interface,
        family: if host.is_ipv4() { "inet" } else { "inet6" },
    }
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

/// The most rules of a packet's trail that are shown.
const MAXIMUM_TRAIL: usize = 100;

impl<'a> Inquiry<'a> {
    /// From another host: the SYN, and, where no state is opened, the packets that follow.
    fn remote(&mut self, ends: &Endpoints) -> Conclusion {
        let syn = Packet::syn(Direction::In, &ends.interface, ends.from, ends.to, self.port);
        let first = self.look(&syn, vec![None]);
        let mut conclusion = self.conclude(&first, Leg::Syn);
        self.notes.splice(0..0, near_misses(self.loaded, &syn, &first));
        let redirected = first.translated.iter().any(|packet| *packet != syn);
        if let Some(to) =
            self.elsewhere(&first).filter(|_| redirected && conclusion.outcome == Decision::Pass)
        {
            conclusion.because = Grounds::Redirected { to: Some(to), then: Box::new(conclusion.because) };
            conclusion.sentence =
                format!("{}; redirected to {to}, which is not this Mac", conclusion.sentence);
        }
        if conclusion.outcome != Decision::Pass || first.stateful == Some(true) {
            return conclusion;
        }
        let follows = [syn.reply(SYN | ACK), Packet { flags: ACK, ..syn.clone() }, syn.reply(ACK)];
        self.follow_stateless(conclusion, &first, &follows)
    }

    /// As [`Inquiry::follow`], and says why the packets are judged at all.
    fn follow_stateless(
        &mut self,
        conclusion: Conclusion,
        first: &Verdict<'a>,
        packets: &[Packet],
    ) -> Conclusion {
        let followed = self.follow(conclusion, first, packets);
        if followed.outcome == Decision::Block {
            self.notes.insert(
                0,
                "what passes it opens no state, so pf judges the replies by themselves".to_owned(),
            );
        }
        followed
    }

    /// Where a redirection sends the connection, if that is certain and not this machine.
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

    /// From this Mac to another host: the SYN out, and, where no state is opened, the packets that follow.
    fn outgoing(&mut self, ends: &Endpoints) -> Conclusion {
        let syn = Packet::syn(Direction::Out, &ends.interface, ends.to, ends.from, self.port);
        let first = self.look(&syn, vec![None]);
        let conclusion = self.conclude(&first, Leg::Syn);
        self.notes.splice(0..0, near_misses(self.loaded, &syn, &first));
        if conclusion.outcome != Decision::Pass || first.stateful == Some(true) {
            return conclusion;
        }
        let follows = [syn.reply(SYN | ACK), Packet { flags: ACK, ..syn.clone() }, syn.reply(ACK)];
        self.follow_stateless(conclusion, &first, &follows)
    }

    /// From this Mac: out of lo0 and into it again.
    fn loopback(&mut self, ends: &Endpoints) -> Conclusion {
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
        // Each direction has its own state: the client's way out, and the server's way in.
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

    /// The packets after a SYN that opened no state, or may have: each must pass by itself until one opens a state.
    fn follow(&mut self, conclusion: Conclusion, first: &Verdict<'a>, packets: &[Packet]) -> Conclusion {
        for packet in packets {
            let next = self.look(packet, vec![None]);
            // The client is this Mac where the reply comes in.
            let comes_in = packets.first().is_some_and(|reply| reply.direction == Direction::In);
            let leg = match (packet.direction, comes_in) {
                (Direction::Out, false) => Leg::Reply,
                (Direction::In, false) => Leg::Next,
                (Direction::In, true) => Leg::ReplyIn,
                (Direction::Out, true) => Leg::NextOut,
            };
            let mut failed = self.conclude(&next, leg);
            if let Some(rule) = changes_source(&next, packet).filter(|_| failed.outcome == Decision::Pass) {
                failed.outcome = Decision::Block;
                failed.because = Grounds::ReplyTranslated { rule: DecidingRule::from(rule) };
                failed.sentence = format!("blocked: {}; the connection comes in", failed.because);
                failed.rule = Some(rule_text(rule));
            }
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

    /// The verdict on a packet, whose trail and notes are kept.
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
        self.notes.extend(surprises::of_packet(self.loaded, packet).iter().map(ToString::to_string));
        self.notes
            .extend(found.lost_quick.iter().map(|call| Surprise::LostQuick(call.to_string()).to_string()));
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

    /// The grounds, and what other rules do, in a sentence.
    fn sentence(&self, verdict: &Verdict<'a>, because: &Grounds) -> String {
        let port = self.port;
        let quick = verdict.rule.is_some_and(|rule| rule.rule.item.quick);
        // The verdict comes first.
        let because = match because {
            Grounds::Blocked { rule, leg } => match leg.blocked() {
                Some(which) => format!("blocked by {rule}; {which}"),
                None => because.to_string(),
            },
            other => other.to_string(),
        };
        match (&verdict.because, verdict.outcome) {
            (Because::State, _) => "passed: pf knows the connection".to_owned(),
            (Because::Skipped, _) => format!("passed: {because}"),
            (Because::TranslationPass, _) => format!("{because}; no filter rule is looked at"),
            (Because::NoRule, _) => format!("passed: {because} what no rule matches"),
            (Because::Unknown(_), _) => match verdict.rule {
                Some(rule) => format!("{because}: {rule}"),
                None => because,
            },
            (Because::Rule, Decision::Pass | Decision::Block) if quick => {
                format!("{because}; it is quick: later rules are not looked at")
            }
            (Because::Rule, _) if ended_by_call(self.loaded, verdict).is_some() => {
                format!("{because}; the call of its anchor is quick: later rules are not looked at")
            }
            (Because::Rule, Decision::Pass) => format!("{because}; nothing later blocks port {port}"),
            (Because::Rule, Decision::Block) => format!("{because}; nothing later passes port {port}"),
            (Because::Endless, _) | (Because::Rule, Decision::Unknown) => because,
        }
    }

    /// Notes what the client sees.
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

    /// Notes rules for the port in anchors that no ruleset calls: they have no effect.
    fn note_uncalled(&mut self, ends: &Endpoints) {
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
                let call = anchor
                    .rsplit_once('/')
                    .map_or_else(|| (*anchor).to_owned(), |(parent, _)| format!("{parent}/*"));
                self.notes.push(format!(
                    "anchor {anchor} has a rule for port {}, but no ruleset calls the anchor: its rules are never \
                     evaluated until the main ruleset has `anchor \"{call}\"`",
                    self.port
                ));
            }
        }
    }
}

/// The translation that gives a packet on its way out another source, where it surely does.
fn changes_source<'v, 'a>(verdict: &'v Verdict<'a>, packet: &Packet) -> Option<&'v RuleRef<'a>> {
    let is_other = |other: &Packet| (other.source, other.source_port) != (packet.source, packet.source_port);
    if packet.direction == Direction::In || !verdict.translated.iter().all(is_other) {
        return None;
    }
    verdict.trail.iter().find(|step| step.role == Role::Translates).map(|step| &step.rule)
}
