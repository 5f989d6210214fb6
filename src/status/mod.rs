//! Facts in, status out: what icon, menu, command line and JSON all show. Pure.
//!
//! A user cannot read pf on a Mac (`/dev/pf` is root's alone), so what pf looks like comes from a [`Report`]
//! that root wrote, with its time and boot. A report that is too old, or from another boot, or that could not be
//! read, makes everything that hangs on it unknown; unknown is never shown as safe.

pub mod emblem;
mod facts;
mod firewall;
mod network;
pub mod news;
mod port;
#[cfg(test)]
pub mod sample;
mod summary;
pub mod wording;

pub use facts::{AppFirewall, Attempts, Facts};
pub use firewall::{Firewall, FirewallState, GuardEffect};
pub use network::{NetworkPlace, PortNetwork};
pub use port::{PortEnd, PortState, PortStatus, way_back};

use serde::Serialize;

use crate::pf::on_disk::OnDisk;
use crate::port::PortRange;
use crate::report::{Note, PfState, PfVerdict, Reason, Report, Unusable};
use crate::rules::ledger::{Guard, Opening};
use port::count;
pub use summary::Icon;
use summary::Summary;

/// What every front end shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of the JSON form: 1.
    pub version: u32,
    /// The lab's directory, where this is a lab.
    pub lab: Option<String>,
    pub icon: Icon,
    /// How many ports are open, or let in although our rules close them; what is not protected is not counted.
    pub open: usize,
    /// The state as a sentence: the menu's first row, the icon's tooltip.
    pub sentence: String,
    pub firewall: Firewall,
    /// The ports, in the order of the preferences, then others that are open.
    pub ports: Vec<PortStatus>,
    pub notes: Vec<String>,
    /// Whether a change was begun and not finished: `repair` undoes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// How many of the ports, the first ones, are those that the preferences list; `None` where these do not read.
    #[serde(skip)]
    pub listed: Option<usize>,
}

impl Status {
    /// The range in which a port is shown: its own, or else the narrowest that it is in.
    pub fn shown_with(&self, port: u16) -> Option<PortRange> {
        let ranges = self.ports.iter().map(|shown| shown.port).filter(|range| range.contains(port));
        ranges.min_by_key(|range| range.count())
    }

    /// What the facts come to.
    pub fn of(facts: &Facts) -> Status {
        let report = facts.report.usable(facts.now, &facts.boot);
        let firewall = firewall::firewall(facts, &report);
        let ports = port::ports(facts, &report);
        let interrupted = facts.interrupted.is_some();
        let (icon, sentence) = Summary::of(&ports, &firewall, interrupted).in_words();
        let counts = |port: &&PortStatus| match port.state {
            PortState::Open => !port.is_in_part(),
            PortState::LetIn => icon == Icon::Open,
            _ => false,
        };
        let open = count(ports.iter().filter(counts));
        let notes = notes(facts, &report);
        let lab = facts.lab.clone();
        let listed = Some(facts.ports.len());
        Status { version: 1, lab, icon, open, sentence, firewall, ports, notes, interrupted, listed }
    }
}

/// What is to be said beside the ports.
fn notes(facts: &Facts, report: &Result<&Report, Unusable>) -> Vec<String> {
    let of_report = || report.iter().flat_map(|report| &report.notes);
    let is_uncalled = |note: &&Note| matches!(note, Note::NotEvaluated { .. });
    // A main ruleset that does not call our anchor is said once, with what is there instead where that is known.
    let (is_said, is_apples) = match &facts.on_disk {
        Some(OnDisk::NotLoaded { .. }) => (of_report().any(|note| is_uncalled(&note)), false),
        on_disk => (false, matches!(on_disk, Some(OnDisk::AppleUncalled { .. }))),
    };
    let ledger = facts.ledger_problem.as_ref().map(|because| wording::unusable_ledger(because));
    let of_root = wording::notes(of_report().filter(|note| !(is_apples && is_uncalled(note))));
    let is_hold_taken = report.as_ref().is_ok_and(|report| is_hold_taken(report));
    let hold = is_hold_taken.then(|| wording::HOLD_TAKEN.to_owned());
    let is_opening_gone = report.as_ref().is_ok_and(|report| is_opening_gone(report));
    let gone = is_opening_gone.then(|| wording::OPENING_GONE.to_owned());
    let on_disk = facts.on_disk.as_ref().filter(|_| !is_said).map(OnDisk::with_next_step);
    let sockets = facts.seen.as_ref().err().map(|because| format!("who listens is not known: {because}"));
    let told = facts.seen.iter().flatten().filter_map(|port| port.subject.told_in_vain.as_ref());
    let told = told.map(|told| format!("{}; {}", told.what, told.next));
    ledger
        .into_iter()
        .chain(of_root)
        .chain(hold)
        .chain(gone)
        .chain(on_disk)
        .chain(told)
        .chain(sockets)
        .collect()
}

/// Whether others have taken the guard's hold on pf, which is on by theirs.
fn is_hold_taken(report: &Report) -> bool {
    report.guard == Guard::On && report.pf == PfState::Enabled && report.is_held == Some(false)
}

/// Whether others have taken away the rules of what is open, where no guard's are there that would show it.
fn is_opening_gone(report: &Report) -> bool {
    let is_uncalled = report.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
    let reasons = |range: PortRange| {
        let verdicts = report.verdicts.iter().filter(move |verdict| verdict.port == range);
        verdicts.flat_map(PfVerdict::outside_reasons)
    };
    let is_gone = |opening: &Opening| {
        let is_by_none =
            |reason: &Reason| matches!(reason, Reason::Rules { grounds } if grounds.rule().is_none());
        opening.source_now().is_some()
            && reasons(opening.port).any(is_by_none)
            && !reasons(opening.port).any(|reason| matches!(reason, Reason::OurRule))
    };
    let is_seen = report.guard != Guard::On && report.pf == PfState::Enabled && !is_uncalled;
    is_seen && report.openings.iter().any(is_gone)
}

#[cfg(test)]
mod tests {
    use super::port::{application_of, attempts_on};
    use super::*;
    use crate::debuggers::ports::{DebugPort, usual_ports};
    use crate::diagnosis::{Answer, AppFirewallEffect, Bind, PortFacts, Presence, Reachability};
    use crate::pf::origin::Both;
    use crate::port::PortRange;
    use crate::report::{PfState, PfVerdict, Report, ReportFact, STALE_AFTER, sample as report_sample};
    use crate::rules::ledger::{Changing, MayBeOpen};
    use crate::rules::named_port::NamedPort;
    use crate::rules::source::Source;

    fn dlv() -> DebugPort {
        usual_ports().remove(0)
    }

    fn verdict(network: Answer, anyone: Answer) -> PfVerdict {
        report_sample::verdict(dlv().port, network, anyone)
    }

    fn status(change: impl FnOnce(&mut Facts, &mut Report)) -> Status {
        sample::status(vec![dlv()], change)
    }

    fn listening(address: &str) -> Result<Vec<PortFacts>, String> {
        let bind = if address == "127.0.0.1" { Bind::Loopback } else { Bind::Every };
        Ok(vec![PortFacts::listening(2345, "dlv (7)", address, bind)])
    }

    fn open(report: &mut Report) {
        let port = NamedPort { name: dlv().name, range: dlv().port };
        report.open(&port, Source::Hosts { hosts: vec!["192.168.1.0/24".parse().unwrap()] });
    }

    #[test]
    fn four_icons() {
        assert_eq!(status(|_, _| ()).icon, Icon::Closed);
        let opened = status(|_, report| open(report));
        assert_eq!((opened.icon, opened.open), (Icon::Open, 1));
        assert_eq!(opened.sentence, "1 port is open: 2345 (dlv)");
        let blocked = status(|_, report| {
            open(report);
            report.set(verdict(Answer::No, Answer::No));
        });
        assert_eq!((blocked.icon, blocked.open), (Icon::Closed, 1));
        assert_eq!(blocked.sentence, "No other machine gets in, although 1 port is open: 2345 (dlv)");
        assert_eq!(status(|_, report| report.pf = PfState::Disabled).icon, Icon::Off);
        assert_eq!(status(|_, report| report.pf = PfState::Unknown("?".into())).icon, Icon::Unknown);
    }

    #[test]
    fn ports_are_counted_and_each_is_said_as_it_stands() {
        let named = |name: &str, range: &str| NamedPort {
            name: name.parse().unwrap(),
            range: range.parse().unwrap(),
        };
        let (range, inside) = (named("dlv", "2345-2350"), named("one", "2347"));
        let (other, unmanaged) = (named("node", "9229"), named("debugpy", "5678"));
        let ports = [&range, &inside, &other, &unmanaged];
        let ports = ports.map(|port| DebugPort { port: port.range, name: port.name.clone(), ..dlv() });
        let status = sample::status(ports.to_vec(), |_, report| {
            report.managed.retain(|managed| managed.range != unmanaged.range);
            report.open(&range, Source::Any);
            report.set(report_sample::verdict(inside.range, Answer::Yes, Answer::Yes));
            report.set(report_sample::verdict(other.range, Answer::No, Answer::Yes));
            report.set(report_sample::verdict(unmanaged.range, Answer::Yes, Answer::Yes));
        });
        let states: Vec<PortState> = status.ports.iter().map(|port| port.state).collect();
        assert_eq!(states, [PortState::Open, PortState::Open, PortState::LetIn, PortState::Unmanaged]);
        assert_eq!(status.open, 7, "2345 to 2350, 9229");
        assert_eq!(
            status.sentence,
            "6 ports are open: 2345-2350 (dlv), 2347 (one); 1 port is let in although our rules close it: \
             9229 (node); not protected: 5678 (debugpy)"
        );
    }

    /// No front end says of a port what another does not: each words its state.
    #[test]
    fn a_port_is_closed_only_where_pf_lets_none_in() {
        let state = |change: fn(&mut Facts, &mut Report)| status(change).ports.remove(0).state;
        assert_eq!(state(|_, _| ()), PortState::Closed);
        assert_eq!(state(|_, report| report.set(verdict(Answer::No, Answer::Yes))), PortState::LetIn);
        assert_eq!(state(|_, report| report.set(verdict(Answer::Yes, Answer::No))), PortState::LetIn);
        assert_eq!(state(|_, report| report.pf = PfState::Disabled), PortState::LetIn);
        assert_eq!(state(|_, report| report.set(verdict(Answer::Unknown, Answer::No))), PortState::Unknown);
        assert_eq!(state(|_, report| report.verdicts.clear()), PortState::Unknown);
        assert_eq!(serde_json::to_value(PortState::LetIn).unwrap(), "let-in");
    }

    #[test]
    fn of_an_interrupted_change_nothing_is_said_by_what_root_saw_before() {
        let may_be = MayBeOpen { name: dlv().name, port: dlv().port, from: Source::Any };
        let status = status(|facts, _| {
            facts.seen = listening("every address");
            facts.interrupted = Some(Changing { since: 0, pid: 7, open: vec![may_be] });
        });
        let port = &status.ports[0];
        assert_eq!((port.state, port.pf.anyone), (PortState::MayBeOpen, Answer::Unknown));
        assert!(port.because.contains("a change was interrupted"), "{}", port.because);
        assert!(port.next.contains("portcullis repair"), "{}", port.next);
    }

    #[test]
    fn what_root_saw_long_ago_or_before_a_restart_is_unknown() {
        for (what, status) in [
            ("restarted", status(|facts, _| facts.boot = "other".into())),
            ("ago", status(|facts, _| facts.now += STALE_AFTER + 1)),
            ("set back", status(|facts, _| facts.now = 0)),
            ("form 9", status(|facts, _| facts.report = ReportFact::OtherVersion(9))),
            ("torn", status(|facts, _| facts.report = ReportFact::Unreadable("torn".into()))),
            ("does not read: bad", status(|facts, _| facts.report = ReportFact::Invalid("bad".into()))),
        ] {
            assert_eq!(status.icon, Icon::Unknown, "{what}");
            assert!(status.sentence.contains(what), "{}", status.sentence);
            assert_eq!(status.ports[0].state, PortState::Unknown);
            assert_eq!(status.ports[0].reachable.network, Answer::No, "nothing listens, whatever pf does");
        }
        let nothing = Status::of(&Facts::unseen(0, ReportFact::Missing));
        assert_eq!((nothing.icon, nothing.firewall.state), (Icon::Unknown, FirewallState::Unknown));
    }

    #[test]
    fn a_port_without_verdict_is_not_green() {
        let sentence = status(|_, report| report.verdicts.clear()).sentence;
        assert_eq!(sentence, "Not known: who reaches port 2345 (dlv)");
        assert_eq!(status(|_, report| report.verdicts.clear()).icon, Icon::Unknown);
        assert_eq!(
            status(|_, report| report.verdicts = vec![verdict(Answer::Unknown, Answer::No)]).icon,
            Icon::Unknown
        );
    }

    #[test]
    fn says_why_not_and_what_to_do() {
        let said = |change: fn(&mut Facts, &mut Report)| {
            let port = status(change).ports.remove(0);
            assert_eq!(port.causes.is_empty(), port.situation == Reachability::Reachable);
            format!("{:?}: {} > {}", port.situation, port.because, port.next)
        };
        let all = [
            said(|_, _| ()),
            said(|facts, report| {
                open(report);
                facts.seen = listening("127.0.0.1");
            }),
            said(|facts, report| {
                open(report);
                facts.seen = listening("every address");
            }),
            said(|facts, _| facts.seen = listening("every address")),
            said(|facts, report| {
                open(report);
                report.verdicts = vec![verdict(Answer::No, Answer::No)];
                facts.seen = listening("every address");
            }),
            said(|facts, report| {
                report.verdicts = vec![verdict(Answer::Unknown, Answer::Unknown)];
                facts.seen = listening("every address");
            }),
            said(|facts, report| {
                open(report);
                facts.seen = listening("every address").map(|mut seen| {
                    seen[0].is_blocked = true;
                    seen
                });
                facts.app_firewall = AppFirewall::On;
            }),
            said(|facts, _| facts.seen = Err("no /proc".into())),
            said(|facts, _| facts.seen = Ok(vec![])),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn of_a_range_the_port_that_needs_a_person_speaks_and_who_is_let_in_counts() {
        let range: PortRange = "30000-30010".parse().unwrap();
        let of = |seen: Vec<PortFacts>| {
            let mut status = status(|facts, report| {
                facts.ports[0].port = range;
                facts.seen = Ok(seen);
                report.verdicts = vec![report_sample::verdict(range, Answer::Yes, Answer::No)];
            });
            status.ports.remove(0)
        };
        let idle = of(vec![]);
        assert_eq!((idle.situation, idle.about, idle.in_use), (Reachability::NoListener, None, false));
        assert_eq!(idle.because, "nothing listens on port 30000-30010");
        let free = || PortFacts::listening(30003, "dlv (7)", "every address", Bind::Every);
        let local = || PortFacts::listening(30001, "node (8)", "127.0.0.1", Bind::Loopback);
        let gone = PortFacts::without_socket(30000, "30000".into(), Presence::Absent);
        let one = of(vec![gone, free()]);
        assert_eq!(
            (one.situation, one.about, one.reachable.network),
            (Reachability::Reachable, Some(30003), Answer::Yes)
        );
        let two = of(vec![free(), local()]);
        assert_eq!((two.situation, two.about), (Reachability::LoopbackOnly, Some(30001)));
        assert!(two.because.starts_with("node (8) listens on 127.0.0.1 only"), "{}", two.because);
        assert!(two.because.ends_with("1 more port of 30000-30010 is in use"), "{}", two.because);
        assert_eq!(two.reachable.network, Answer::Yes, "one of them is reached");
    }

    #[test]
    fn a_part_of_a_range_has_the_verdict_of_the_range() {
        let mut wide = report_sample::all_closed(vec![]);
        wide.set(report_sample::verdict("2000-3000".parse().unwrap(), Answer::Yes, Answer::No));
        let facts = Facts {
            boot: wide.boot.clone(),
            app_firewall: AppFirewall::Off,
            ..Facts::unseen(wide.seen, ReportFact::Read(Box::new(wide)))
        };
        let said = |port: &str| facts.assess(port.parse().unwrap(), &listening("0.0.0.0").unwrap()[0]).state;
        assert_eq!((said("2345"), said("3001")), (Reachability::Reachable, Reachability::Unknown));
    }

    #[test]
    fn each_family_is_judged_by_its_own_rules() {
        let port = |v4, v6, bind: Both<Bind>| {
            let mut status = status(|facts, report| {
                report.verdicts[0].origins.network.answer = Answer::Yes;
                report.verdicts[0].origins.network.families = Both { v4, v6 };
                facts.seen = listening("every address").map(|mut seen| {
                    seen[0].bind = bind;
                    seen
                });
            });
            status.ports.remove(0).situation
        };
        use Answer::{No, Yes};
        let (four, both) = (Both { v4: Bind::Every, v6: Bind::None }, Both::same(Bind::Every));
        assert_eq!(port(Yes, No, four), Reachability::Reachable);
        assert_eq!(port(No, Yes, four), Reachability::BlockedByPf);
        assert_eq!(port(No, Yes, both), Reachability::Reachable);
    }

    #[test]
    fn what_the_application_firewall_permits_proves_nothing() {
        use AppFirewallEffect as Judged;
        assert_eq!(application_of(&AppFirewall::On, true), Judged::Blocks);
        assert_eq!(application_of(&AppFirewall::On, false), Judged::Asks);
        assert_eq!(application_of(&AppFirewall::Off, true), Judged::Off);
        assert_eq!(application_of(&AppFirewall::Unknown(String::new()), true), Judged::Unknown);
    }

    #[test]
    fn no_unknown_ends_reachable() {
        let answers = [Answer::Yes, Answer::No, Answer::Unknown];
        let bounds = [
            listening("0.0.0.0"),
            listening("127.0.0.1"),
            Ok(vec![sample::idle(dlv().port)]),
            Err("no /proc".to_owned()),
        ];
        let applications =
            [AppFirewall::Off, AppFirewall::On, AppFirewall::BlockAll, AppFirewall::Unknown("?".into())];
        for answer in answers {
            for seen in &bounds {
                for application in &applications {
                    let status = status(|facts, report| {
                        report.verdicts = vec![verdict(answer, answer)];
                        facts.seen = seen.clone();
                        facts.app_firewall = application.clone();
                    });
                    let outside = seen.as_ref().is_ok_and(|seen| seen[0].is_outside());
                    let sure = answer == Answer::Yes && outside && *application == AppFirewall::Off;
                    let port = &status.ports[0];
                    assert_eq!(port.reachable.anyone == Answer::Yes, sure);
                    assert_eq!(port.reachable.network == Answer::Yes, sure);
                    assert_eq!(port.situation == Reachability::Reachable, sure);
                }
            }
        }
    }

    #[test]
    fn json_form() {
        let status = status(|facts, report| {
            open(report);
            facts.seen = listening("every address");
        });
        insta::assert_snapshot!(serde_json::to_string_pretty(&status).unwrap());
    }

    #[test]
    fn attempts_on_a_range_are_counted_together() {
        let attempts =
            |attempts, from: &str, last| Attempts { attempts, last_from: from.parse().unwrap(), last };
        let blocked = [
            (2344, attempts(9, "10.0.0.9", 99)),
            (2345, attempts(2, "10.0.0.1", 50)),
            (2346, attempts(3, "10.0.0.2", 40)),
        ];
        let range = |text: &str| attempts_on(&blocked.clone().into(), text.parse().unwrap());
        assert_eq!(range("2345"), Some(attempts(2, "10.0.0.1", 50)));
        assert_eq!(range("2345-2400"), Some(attempts(5, "10.0.0.1", 50)));
        assert_eq!(range("9000"), None);
        let status = status(|facts, _| facts.blocked = Some(blocked.clone().into()));
        assert_eq!(status.ports[0].blocked, Some(attempts(2, "10.0.0.1", 50)));
    }
}
