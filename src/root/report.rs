//! What root saw, for the user's programs to read: pf's state, our ports, and pf's verdict on each.

use crate::diagnosis::Answer;
use crate::firewall::links;
use crate::os::{FileError, Files, hash};
use crate::pf::explain::{CombinedVerdict, NearNetwork, answers};
use crate::pf::grounds::Grounds;
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::load::Listing;
use crate::pf::origin::{Both, PerOrigin};
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::Decision;
use crate::port::PortRange;
use crate::report::{Note, OriginVerdict, PfState, PfVerdict, Reason, Report, ReportFact, RulesetsReport};
use crate::root::exceptions::{self, Exception};
use crate::root::foreign;
use crate::root::live::Live;
use crate::root::request::{Operation, Request};
use crate::rules::anchor::{self, let_in};
use crate::rules::conf;
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening, Seconds};
use crate::rules::named_port::{NamedPort, PortName};
use crate::rules::order;
use crate::rules::source::Source;
use crate::system::{PF_CONF, RULESETS, STATUS};

/// Where and when root looks.
pub struct Look<'a> {
    /// Those of this Mac.
    pub interfaces: &'a [InterfaceFacts],
    pub boot: &'a str,
    pub now: Seconds,
}

/// The report on `live`, and on `ledger` and these ranges in it.
pub fn report(
    tree: &Files,
    ledger: &Ledger,
    ranges: &[PortRange],
    live: &Live,
    &Look { interfaces, boot, now }: &Look<'_>,
    notes: &[Note],
) -> Report {
    let mut notes = notes.to_vec();
    notes.extend(foreign::notes(tree, live, ranges));
    let loaded = loaded(live, interfaces);
    let is_torn = tree.read(PF_CONF).ok().flatten().is_some_and(|conf| conf::contains(&conf).is_err());
    if is_torn && !notes.contains(&Note::TornBlock) {
        notes.push(Note::TornBlock);
    }
    notes.retain(|note| !matches!(note, Note::Exception { .. }));
    if live.state == PfState::Enabled {
        notes.extend(exceptions::notes(all_exceptions(&loaded, ledger, ranges)));
    }
    Report {
        version: Report::VERSION,
        seen: now,
        boot: boot.to_owned(),
        pf: live.state.clone(),
        references: live.references(),
        is_held: live.tokens.as_ref().map(|_| live.holds(ledger.token.as_ref(), boot)),
        links: links(interfaces),
        guard: ledger.guard,
        way: ledger.way,
        openings: ledger.openings.clone(),
        managed: ledger.managed.clone(),
        verdicts: ranges.iter().map(|port| verdict(live, &loaded, ledger, *port)).collect(),
        notes,
    }
}

/// The SHA-256 of the rules that a ledger comes to on these interfaces.
pub fn wanted(ledger: &Ledger, interfaces: &[InterfaceFacts]) -> String {
    hash::of_bytes(anchor::rules(ledger, interfaces).as_bytes())
}

/// Who fares otherwise than the ledger says, by rules of others, now that pf was put where it says.
pub fn exceptions(live: &Live, interfaces: &[InterfaceFacts], ledger: &Ledger) -> Vec<Note> {
    if live.state != PfState::Enabled {
        return Vec::new();
    }
    // So many are enough in a message; the report has all of them.
    const MOST: usize = 3;
    let mut notes =
        exceptions::notes(all_exceptions(&loaded(live, interfaces), ledger, &ranges(ledger, &[])));
    notes.truncate(MOST);
    notes
}

fn all_exceptions(loaded: &Rulesets, ledger: &Ledger, ranges: &[PortRange]) -> Vec<Exception> {
    let of_range =
        |port: &PortRange| exceptions::exceptions(loaded, ledger, *port, &ask(loaded, ledger, *port));
    ranges.iter().flat_map(of_range).collect()
}

/// Writes what root saw: first what administrators may read, then the report for every user.
pub fn write(tree: &Files, report: &Report, live: &Live, wanted: String) -> Result<(), FileError> {
    let rulesets = RulesetsReport {
        version: RulesetsReport::VERSION,
        seen: report.seen,
        boot: report.boot.clone(),
        rulesets: live.rulesets.clone(),
        skip: live.skip.clone().unwrap_or_default(),
        wanted,
    };
    // Plain data with text keys: its JSON cannot fail.
    tree.replace_for_admins(RULESETS, &serde_json::to_vec_pretty(&rulesets).unwrap_or_default())?;
    tree.replace(STATUS, &serde_json::to_vec_pretty(report).unwrap_or_default(), 0o644)
}

/// The ledger with what the asker's menu shows, where that blocks nothing: while the guard is not on, what is managed is
/// only looked at.
pub fn with_shown(old: &Ledger, shown: &[NamedPort]) -> Ledger {
    let mut ledger = old.clone();
    if ledger.guard != Guard::On {
        shown.iter().for_each(|port| ledger.manage(port));
    }
    ledger
}

/// What the last report was on, for a request that names nothing to look at: a tick takes no verdict away that was known.
pub fn shown_last(tree: &Files) -> Vec<NamedPort> {
    let Ok(Some(bytes)) = tree.read(STATUS) else { return Vec::new() };
    let ReportFact::Read(report) = ReportFact::read(&bytes) else { return Vec::new() };
    let ranges = report.verdicts.iter().map(|verdict| verdict.port).take(Request::MAX_RANGES);
    ranges.map(|range| NamedPort { name: PortName::of_number(range), range }).collect()
}

/// The ranges to look at: what is open, what is managed, what is `shown`, and of a range that is open in part the rest, of
/// which the whole says nothing.
pub fn ranges(ledger: &Ledger, shown: &[NamedPort]) -> Vec<PortRange> {
    let open = ledger.openings.iter().map(|Opening { port, .. }| *port);
    let rest = |range: PortRange| {
        let mut left = vec![range];
        for opening in &ledger.openings {
            left = left.into_iter().flat_map(|range| range.without(opening.port)).collect();
        }
        left
    };
    let managed = ledger.managed.iter().chain(shown).map(|port| port.range);
    let managed = managed.flat_map(|range| rest(range).into_iter().chain([range]));
    let mut ranges: Vec<PortRange> = open.chain(managed).collect();
    order::sort(&mut ranges);
    ranges.dedup();
    ranges
}

/// What pf holds, ready to be asked. What it does not look at, where that could not be read, is in doubt: it is
/// asked as if pf looked at everything, and [`verdict`] makes what hangs on it unknown.
fn loaded(live: &Live, interfaces: &[InterfaceFacts]) -> Rulesets {
    let listings = live.rulesets.iter().map(|(anchor, rules)| {
        (anchor.as_str(), Listing { rules: &rules.rules, nat: &rules.nat, tables: &rules.tables })
    });
    let skip = live.skip.iter().flatten().map(String::as_str);
    let (loaded, _) = Rulesets::from_listings(listings, skip);
    loaded.with_interfaces(interfaces.to_vec())
}

fn ask(loaded: &Rulesets, ledger: &Ledger, port: PortRange) -> PerOrigin<CombinedVerdict> {
    answers(loaded, port, &near(ledger, loaded.interfaces(), port))
}

/// The machines that "this network" means for a port: those it is open for, where they are chosen.
fn near(ledger: &Ledger, interfaces: &[InterfaceFacts], port: PortRange) -> Vec<NearNetwork> {
    let opening = ledger.openings.iter().find(|opening| opening.port.overlaps(port));
    opening.map(|opening| let_in(opening, interfaces)).unwrap_or_default()
}

fn verdict(live: &Live, loaded: &Rulesets, ledger: &Ledger, port: PortRange) -> PfVerdict {
    let of_origin = |combined: CombinedVerdict| match &live.state {
        PfState::Disabled => OriginVerdict::new(Answer::Yes, Reason::PfOff),
        PfState::Unknown(_) => OriginVerdict::new(Answer::Unknown, Reason::PfStateUnknown),
        PfState::Enabled if live.skip.is_none() => OriginVerdict::new(Answer::Unknown, Reason::SkipUnknown),
        PfState::Enabled => {
            let (answer, families) = (combined.verdict.into(), families(&combined));
            let reason = match combined.verdict {
                Decision::Pass if is_ours(&combined) => Reason::OurRule,
                Decision::Block if is_ours(&combined) => Reason::OurGuard,
                _ => Reason::Rules { grounds: combined.because.without_words() },
            };
            OriginVerdict { answer, families, reason }
        }
    };
    PfVerdict { port, origins: ask(loaded, ledger, port).map(of_origin) }
}

/// The answer for each family: what all hosts and ports that were asked about have in common. A family that none of
/// the hosts has lets none of them in.
fn families(combined: &CombinedVerdict) -> Both<Answer> {
    let of = |family: &str| {
        let mut answers =
            combined.families.iter().filter(|asked| asked.family == family).map(|asked| asked.verdict);
        let first = answers.next().unwrap_or(Decision::Block);
        if answers.all(|other| other == first) { first.into() } else { Answer::Unknown }
    };
    Both { v4: of("inet"), v6: of("inet6") }
}

/// Whether every rule that decides is one of ours: then a word says it, and `explain` has the rule.
fn is_ours(combined: &CombinedVerdict) -> bool {
    let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
    let deciding = combined.families.iter().filter(|answer| answer.verdict == combined.verdict);
    deciding.clone().count() > 0
        && deciding
            .clone()
            .all(|answer| answer.rule.as_ref().is_some_and(|rule| ours.contains(&rule.anchor.as_str())))
}

/// A port for which pf, were it enabled, would do the opposite of what the ledger says, with the rule that decides.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    #[error("port {port} would stay closed for {who}: {because} ({})", shown_by(*port))]
    StaysClosed { port: PortRange, who: &'static str, because: Grounds },
    #[error("port {port} would be open for others too: {because} ({})", shown_by(*port))]
    OpenForOthers { port: PortRange, because: Grounds },
    #[error("port {port} would stay open: {because} ({})", shown_by(*port))]
    StaysOpen { port: PortRange, because: Grounds },
}

/// Every user can read a message, which the audit has, so the rule itself is for who may read the rules.
fn shown_by(port: PortRange) -> String {
    format!("`portcullis explain {}` shows the rule", port.first())
}

/// Whether pf would do what the ledger says. What is not known contradicts nothing: a rule of others that depends on
/// something unknown is no reason to undo. Nor is a rule for some clients alone: that is another program's own purpose, and
/// is said in a note ([`exceptions`]).
///
/// Of several contradictions one of a port that `request` names comes first.
pub fn check(
    live: &Live,
    interfaces: &[InterfaceFacts],
    ledger: &Ledger,
    request: &Operation,
) -> Result<(), Contradiction> {
    let loaded = &loaded(live, interfaces);
    let asked = match request {
        Operation::Open { ports, .. } | Operation::Close { ports } => ports.as_slice(),
        _ => &[],
    };
    let is_other = |port: PortRange| !asked.iter().any(|asked| asked.range.overlaps(port));
    let mut openings: Vec<&Opening> = ledger.openings.iter().collect();
    order::by_key(&mut openings, |opening| is_other(opening.port));
    let mut closed = ledger.closed();
    order::by_key(&mut closed, |port| is_other(port.range));
    for opening in openings {
        let (port, asked) = (opening.port, ask(loaded, ledger, opening.port));
        let source = opening.source_now();
        let network = source.is_some().then_some(("those it was opened for", asked.network));
        for (who, combined) in [("this Mac", asked.loopback)].into_iter().chain(network) {
            if combined.verdict == Decision::Block {
                return Err(Contradiction::StaysClosed {
                    port,
                    who,
                    because: combined.because.without_words(),
                });
            }
        }
        let is_bounded = ledger.guard == Guard::On && source != Some(Source::Any);
        if is_bounded && asked.anyone.verdict == Decision::Pass {
            return Err(Contradiction::OpenForOthers { port, because: asked.anyone.because.without_words() });
        }
    }
    for port in closed {
        let (port, asked) = (port.range, ask(loaded, ledger, port.range));
        for combined in [asked.network, asked.anyone] {
            if combined.verdict == Decision::Pass {
                return Err(Contradiction::StaysOpen { port, because: combined.because.without_words() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ipnet::IpNet;

    use super::*;
    use crate::report::LoadedRules;
    use crate::rules::anchor;

    fn combined(rules: &str, near: &[&str]) -> CombinedVerdict {
        let (loaded, problems) = Rulesets::from_conf("pf.conf", rules, &mut |_| Err("no files here".into()));
        assert!(problems.is_empty(), "{problems:?}");
        let near = near.iter().map(|net| net.parse::<IpNet>().unwrap().into()).collect::<Vec<_>>();
        answers(&loaded.with_assumed_interfaces(None), PortRange::new(2345, 2346).unwrap(), &near).network
    }

    /// What `ledger` renders to, loaded, on a Mac with a tunnel before its cable and another network behind.
    fn verified(ledger: &Ledger) -> (Option<String>, PfVerdict) {
        let (problem, verdict, exceptions) = verified_with("", BTreeMap::new(), ledger);
        assert_eq!(exceptions, Vec::<String>::new());
        (problem, verdict)
    }

    /// The same behind these rules of others.
    fn verified_with(
        others: &str,
        tables: BTreeMap<String, Vec<String>>,
        ledger: &Ledger,
    ) -> (Option<String>, PfVerdict, Vec<String>) {
        let interface = |name: &str, address: &str| InterfaceFacts {
            name: name.into(),
            addresses: vec![address.parse().unwrap()],
        };
        let interfaces = [
            interface("utun3", "fd77::1/64"),
            interface("en0", "192.168.1.9/24"),
            interface("en7", "10.0.0.9/16"),
        ];
        let rules = anchor::rules(ledger, &interfaces);
        let rules = rules.lines().filter(|line| !line.starts_with("table")).map(|line| format!("{line}\n"));
        let ours = LoadedRules { rules: rules.collect(), nat: String::new(), tables: anchor::tables(ledger) };
        let main = format!("{others}anchor \"com.apple/*\" all\n");
        let main = LoadedRules { rules: main, nat: String::new(), tables };
        let live = Live {
            state: PfState::Enabled,
            tokens: None,
            rulesets: [(String::new(), main), (Attachment::Apple.anchor().to_owned(), ours)].into(),
            skip: Some(Vec::new()),
            unread: Vec::new(),
        };
        let loaded = loaded(&live, &interfaces);
        (
            check(&live, &interfaces, ledger, &Operation::Tick {}).err().map(|error| error.to_string()),
            verdict(&live, &loaded, ledger, "2345".parse().unwrap()),
            super::exceptions(&live, &interfaces, ledger).iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn clients_that_others_name_are_asked_about_too() {
        let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
        let mut closed = Ledger { guard: Guard::On, ..Ledger::default() };
        closed.manage(&dlv);
        closed.manage(&NamedPort { name: "node".parse().unwrap(), range: "9229".parse().unwrap() });
        let open = |from: Source| {
            let mut ledger = closed.clone();
            ledger.open(Opening::new(&dlv, from, None, 0, "ada"));
            ledger
        };
        let near = open(Source::Hosts { hosts: vec!["192.168.1.0/24".parse().unwrap()] });
        let far = open(Source::Hosts { hosts: vec!["203.0.113.7/32".parse().unwrap()] });
        let any = open(Source::Any);
        let tables = BTreeMap::from([("vpn".to_owned(), vec!["198.51.100.0/24".to_owned()])]);
        let mut said = String::new();
        for (rule, ledger) in [
            ("block drop in quick proto tcp from 203.0.113.0/24 to any port = 2345", &any),
            ("pass in quick proto tcp from 203.0.113.0/24 to any port = 2345", &closed),
            ("pass in quick proto tcp from 192.168.1.0/24 to any port = 2345", &far),
            ("pass in quick inet6 proto tcp from 2001:db8::/32 to any port 2000:3000", &near),
            ("pass in quick proto tcp from <vpn> to any port = 2345", &closed),
            // General policies.
            ("pass in quick from 203.0.113.0/24 to any", &closed),
            ("pass in quick from <vpn> to any", &near),
            ("block drop in quick from <vpn> to any", &any),
            ("pass in quick on en7 all", &closed),
            ("pass in quick proto tcp from 203.0.113.9 os \"Linux\" to any", &closed),
            // As the ledger says, or later than our rules, or of another protocol, or by no interface of this Mac.
            ("pass in quick from 192.168.1.0/24 to any", &near),
            ("block drop in quick from 203.0.113.0/24 to any", &near),
            ("pass in from 203.0.113.0/24 to any", &closed),
            ("pass in quick proto udp from 203.0.113.0/24 to any", &closed),
            ("pass in quick on utun9 from 203.0.113.0/24 to any", &closed),
        ] {
            let (problem, _, exceptions) = verified_with(&format!("{rule}\n"), tables.clone(), ledger);
            let problem = problem.map_or(String::new(), |problem| format!("  ! {problem}\n"));
            let exceptions: String = exceptions.iter().map(|note| format!("  {note}\n")).collect();
            said += &format!("{rule}\n{problem}{exceptions}");
            assert!(!exceptions.contains("198.51"), "{exceptions}");
        }
        insta::assert_snapshot!(said, @r#"
        block drop in quick proto tcp from 203.0.113.0/24 to any port = 2345
          rule 0 of the main ruleset keeps 203.0.113.0/24 out of port 2345, which our rules open
        pass in quick proto tcp from 203.0.113.0/24 to any port = 2345
          rule 0 of the main ruleset lets 203.0.113.0/24 in to port 2345, which our rules close
        pass in quick proto tcp from 192.168.1.0/24 to any port = 2345
          rule 0 of the main ruleset lets 192.168.1.0/24 in to port 2345, which our rules close
        pass in quick inet6 proto tcp from 2001:db8::/32 to any port 2000:3000
          rule 0 of the main ruleset lets 2001:db8::/32 in to port 2345, which our rules close
        pass in quick proto tcp from <vpn> to any port = 2345
          rule 0 of the main ruleset lets some addresses in to port 2345, which our rules close
        pass in quick from 203.0.113.0/24 to any
          rule 0 of the main ruleset lets some addresses in to ports 2345, 9229, which our rules close
        pass in quick from <vpn> to any
          rule 0 of the main ruleset lets some addresses in to ports 2345, 9229, which our rules close
        block drop in quick from <vpn> to any
          rule 0 of the main ruleset keeps some addresses out of port 2345, which our rules open
        pass in quick on en7 all
          rule 0 of the main ruleset lets clients that come in by en7 in to ports 2345, 9229, which our rules close
        pass in quick proto tcp from 203.0.113.9 os "Linux" to any
          whether a rule of others lets some addresses in to ports 2345, 9229 is not known
        pass in quick from 192.168.1.0/24 to any
          ! port 9229 would stay open: over IPv4: passed by rule 0 (`portcullis explain 9229` shows the rule)
        block drop in quick from 203.0.113.0/24 to any
        pass in from 203.0.113.0/24 to any
        pass in quick proto udp from 203.0.113.0/24 to any
        pass in quick on utun9 from 203.0.113.0/24 to any
        "#);
    }

    #[test]
    fn our_own_rules_are_understood() {
        use Answer::{No, Yes};
        let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
        let mut closed = Ledger { guard: Guard::On, ..Ledger::default() };
        closed.manage(&dlv);
        closed.manage(&NamedPort { name: "many".parse().unwrap(), range: "49000-50000".parse().unwrap() });
        let open = |from: Source| {
            let mut ledger = closed.clone();
            ledger.open(Opening::new(&dlv, from, None, 0, "ada"));
            ledger
        };
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>();
        let lan = |list: &[&str]| open(Source::Lan { networks: nets(list) });
        let none = Both { v4: No, v6: No };
        for (ledger, network, anyone) in [
            (closed.clone(), none, none),
            (open(Source::Any), Both { v4: Yes, v6: Yes }, Both { v4: Yes, v6: Yes }),
            (open(Source::Hosts { hosts: nets(&["192.168.1.0/24"]) }), Both { v4: Yes, v6: No }, none),
            (lan(&["192.168.1.0/24"]), Both { v4: Yes, v6: No }, none),
            // Link-local clients come in by en0, and are asked about there.
            (lan(&["192.168.1.0/24", "fe80::/10"]), Both { v4: Yes, v6: Yes }, none),
            (lan(&["192.168.1.0/24", "10.0.0.0/16", "fe80::/10"]), Both { v4: Yes, v6: Yes }, none),
        ] {
            let (problem, verdict) = verified(&ledger);
            assert_eq!(problem, None);
            assert_eq!(verdict.origins.loopback.answer, Yes, "{verdict:?}");
            assert_eq!(
                (verdict.origins.network.families, verdict.origins.anyone.families),
                (network, anyone)
            );
        }
    }

    #[test]
    fn each_family_has_its_own_answer() {
        use Answer::{No, Unknown, Yes};
        for (rules, near, v4, v6) in [
            ("pass in\n", &[][..], Yes, Yes),
            ("block in inet6 all\n", &[], Yes, No),
            ("block in inet all\n", &[], No, Yes),
            ("block in proto tcp to port 2346\n", &[], Unknown, Unknown),
            ("pass in\n", &["192.168.1.0/24"], Yes, No),
            ("pass in\n", &["192.168.1.0/24", "fd00::/64"], Yes, Yes),
            ("block in from 192.168.1.0/24\n", &["192.168.1.0/24", "10.0.0.5/32"], Unknown, No),
        ] {
            assert_eq!(families(&combined(rules, near)), Both { v4, v6 }, "{rules}{near:?}");
        }
    }
}
