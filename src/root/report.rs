//! What root saw, for the user's programs to read: pf's state, our ports, and pf's verdict on each.

use ipnet::IpNet;

use crate::ledger::{Guard, Ledger, Managed, Opening, Way};
use crate::os::Tree;
use crate::pf::loaded::{InterfaceFacts, Listing, Loaded};
use crate::pf::question::{Answers, Combined, answers};
use crate::pf::verdict::Outcome;
use crate::port::PortRange;
use crate::root::foreign;
use crate::root::live::Live;
use crate::status::{Answer, PfState, PfVerdict, Reason, Report, Seconds};

/// The report on `live`, and on `ledger` in it. `interfaces` are those of this Mac.
pub fn report(
    tree: &Tree,
    ledger: &Ledger,
    live: &Live,
    interfaces: &[InterfaceFacts],
    boot: &str,
    now: Seconds,
    notes: &[String],
) -> Report {
    let ranges = ranges(ledger);
    let mut said = notes.to_vec();
    said.extend(foreign::notes(tree, live, &ranges));
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
        notes: said,
        rulesets: live.rulesets.clone(),
        skip: live.skip.clone().unwrap_or_default(),
    }
}

/// The ranges that are shown: what is open, and what is managed.
fn ranges(ledger: &Ledger) -> Vec<PortRange> {
    let open = ledger.openings.iter().map(|Opening { port, .. }| *port);
    let managed = ledger.managed.iter().map(|Managed { port, .. }| *port);
    let mut ranges: Vec<PortRange> = open.chain(managed).collect();
    ranges.sort();
    ranges.dedup();
    ranges
}

/// What pf holds, ready to be asked. What it does not look at, where that could not be read, is in doubt: it is
/// asked as if pf looked at everything, and [`verdict`] makes what hangs on it unknown.
fn loaded(live: &Live, interfaces: &[InterfaceFacts]) -> Loaded {
    let listings = live.rulesets.iter().map(|(anchor, rules)| {
        (anchor.as_str(), Listing { rules: &rules.rules, nat: &rules.nat, tables: &rules.tables })
    });
    let skip = live.skip.iter().flatten().map(String::as_str);
    let (loaded, _) = Loaded::from_listings(listings, skip);
    loaded.with_interfaces(interfaces.to_vec())
}

fn ask(loaded: &Loaded, ledger: &Ledger, port: PortRange) -> Answers {
    answers(loaded, port.first(), port.last(), near(ledger, port))
}

/// Whom "this network" means for a port: those it is open for, where they are chosen.
fn near(ledger: &Ledger, port: PortRange) -> &[IpNet] {
    let opening = ledger.openings.iter().find(|opening| opening.port.overlaps(port));
    opening.and_then(|opening| opening.from.networks()).unwrap_or_default()
}

fn verdict(live: &Live, loaded: &Loaded, ledger: &Ledger, port: PortRange) -> PfVerdict {
    let reason = |combined: Combined| match (&live.state, combined.verdict) {
        (PfState::Disabled, _) => Reason::new(Answer::Yes, "pf is off"),
        (PfState::Unknown(_), _) => Reason::new(Answer::Unknown, "whether pf is on is not known"),
        (PfState::Enabled, _) if live.skip.is_none() => {
            Reason::new(Answer::Unknown, "which interfaces pf does not look at could not be read")
        }
        (PfState::Enabled, Outcome::Pass) if is_ours(&combined) => {
            Reason::new(Answer::Yes, "our rule lets it in")
        }
        (PfState::Enabled, Outcome::Block) if is_ours(&combined) => {
            Reason::new(Answer::No, "our guard blocks it")
        }
        (PfState::Enabled, Outcome::Pass) => Reason::new(Answer::Yes, combined.because),
        (PfState::Enabled, Outcome::Block) => Reason::new(Answer::No, combined.because),
        (PfState::Enabled, Outcome::Unknown) => Reason::new(Answer::Unknown, combined.because),
    };
    let Answers { loopback, network, anyone } = ask(loaded, ledger, port);
    PfVerdict { port, loopback: reason(loopback), network: reason(network), anyone: reason(anyone) }
}

/// Whether every rule that decides is one of ours: then a word says it, and `explain` has the rule.
fn is_ours(combined: &Combined) -> bool {
    let ours = [Way::Apple.anchor(), Way::Classic.anchor()];
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
            if combined.verdict == Outcome::Block {
                let (port, because) = (opening.port, &combined.because);
                return Some(format!("port {port} would stay closed for {who}: {because}"));
            }
        }
        if ledger.guard == Guard::On
            && opening.from.networks().is_some()
            && asked.anyone.verdict == Outcome::Pass
        {
            let (port, because) = (opening.port, &asked.anyone.because);
            return Some(format!("port {port} would be open for others too: {because}"));
        }
    }
    for closed in ledger.closed() {
        let asked = ask(&loaded, ledger, closed.port);
        for combined in [&asked.network, &asked.anyone] {
            if combined.verdict == Outcome::Pass {
                let (port, because) = (closed.port, &combined.because);
                return Some(format!("port {port} would stay open: {because}"));
            }
        }
    }
    None
}
