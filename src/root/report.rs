//! What root saw, for the user's programs to read: pf's state, our ports, and pf's verdict on each.

use ipnet::IpNet;

use crate::diagnosis::Answer;
use crate::os::Files;
use crate::pf::explain::{CombinedVerdict, answers};
use crate::pf::interfaces::InterfaceFacts;
use crate::pf::load::Listing;
use crate::pf::origin::{Both, PerOrigin};
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::Decision;
use crate::port::PortRange;
use crate::report::{Note, OriginVerdict, PfState, PfVerdict, Reason, Report};
use crate::root::foreign;
use crate::root::live::Live;
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening, Seconds};

/// The report on `live`, and on `ledger` in it. `interfaces` are those of this Mac.
pub fn report(
    tree: &Files,
    ledger: &Ledger,
    live: &Live,
    interfaces: &[InterfaceFacts],
    boot: &str,
    now: Seconds,
    notes: &[Note],
) -> Report {
    let ranges = ranges(ledger);
    let mut notes = notes.to_vec();
    notes.extend(foreign::notes(tree, live, &ranges));
    let loaded = loaded(live, interfaces);
    Report {
        version: Report::VERSION,
        seen: now,
        boot: boot.to_owned(),
        pf: live.state.clone(),
        references: live.references(),
        guard: ledger.guard,
        way: ledger.way,
        openings: ledger.openings.clone(),
        managed: ledger.managed.clone(),
        verdicts: ranges.into_iter().map(|port| verdict(live, &loaded, ledger, port)).collect(),
        notes,
        rulesets: live.rulesets.clone(),
        skip: live.skip.clone().unwrap_or_default(),
    }
}

/// The ranges that are shown: what is open, and what is managed.
fn ranges(ledger: &Ledger) -> Vec<PortRange> {
    let open = ledger.openings.iter().map(|Opening { port, .. }| *port);
    let managed = ledger.managed.iter().map(|managed| managed.range);
    let mut ranges: Vec<PortRange> = open.chain(managed).collect();
    ranges.sort();
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
    answers(loaded, port, near(ledger, port))
}

/// The networks that "this network" means for a port: those it is open for, where they are chosen.
fn near(ledger: &Ledger, port: PortRange) -> &[IpNet] {
    let opening = ledger.openings.iter().find(|opening| opening.port.overlaps(port));
    opening.and_then(|opening| opening.from.networks()).unwrap_or_default()
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
                _ => Reason::Rules { grounds: combined.because },
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

/// Where pf, were it enabled, would do the opposite of what the ledger says: the rule that decides, in a sentence. `None`
/// where all is well, or not known: a rule of others that depends on something unknown is no reason to undo.
pub fn contradiction(live: &Live, interfaces: &[InterfaceFacts], ledger: &Ledger) -> Option<String> {
    let loaded = loaded(live, interfaces);
    for opening in &ledger.openings {
        let asked = ask(&loaded, ledger, opening.port);
        for (who, combined) in [("this Mac", &asked.loopback), ("those it was opened for", &asked.network)] {
            if combined.verdict == Decision::Block {
                let (port, because) = (opening.port, &combined.because);
                return Some(format!("port {port} would stay closed for {who}: {because}"));
            }
        }
        if ledger.guard == Guard::On
            && opening.from.networks().is_some()
            && asked.anyone.verdict == Decision::Pass
        {
            let (port, because) = (opening.port, &asked.anyone.because);
            return Some(format!("port {port} would be open for others too: {because}"));
        }
    }
    for closed in ledger.closed() {
        let asked = ask(&loaded, ledger, closed.range);
        for combined in [&asked.network, &asked.anyone] {
            if combined.verdict == Decision::Pass {
                let (port, because) = (closed.range, &combined.because);
                return Some(format!("port {port} would stay open: {because}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(rules: &str, near: &[&str]) -> CombinedVerdict {
        let (loaded, problems) = Rulesets::from_conf("pf.conf", rules, &mut |_| Err("no files here".into()));
        assert!(problems.is_empty(), "{problems:?}");
        let near: Vec<IpNet> = near.iter().map(|net| net.parse().unwrap()).collect();
        answers(&loaded.with_assumed_interfaces(None), PortRange::new(2345, 2346).unwrap(), &near).network
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
