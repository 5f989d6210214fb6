//! `--dry-run`: what a change would do to the rules, and to who can reach what. Nothing is asked, nothing is changed.

use serde::Serialize;
use similar::TextDiff;

use super::explain::loaded;
use super::show::{print, print_json};
use portcullis::app::{App, AppError};
use portcullis::os;
use portcullis::pf::explain::{Change, changes};
use portcullis::root::request::{Operation, Request};
use portcullis::rules::anchor;
use portcullis::rules::ledger::{Attachment, Guard, Ledger, NamedPort, Opening, Source};
use portcullis::status::{PfState, Report, usable};

/// What would be changed.
pub enum Wanted {
    /// These would be opened.
    Open(Vec<NamedPort>, Source),
    /// These would be closed.
    Close(Vec<NamedPort>),
    /// Everything would be closed.
    CloseAll,
}

#[derive(Serialize)]
struct Preview {
    version: u32,
    dry_run: bool,
    anchor: &'static str,
    /// Lines of a unified diff.
    diff: Vec<String>,
    /// pf's verdict for each port before and after.
    verdicts: Vec<Change>,
    notes: Vec<String>,
}

/// Shows what the change would do, by the rules that root last saw. Errors: what root saw says nothing of now.
pub fn show(app: &App, wanted: Wanted, json: bool) -> Result<(), AppError> {
    validate(&wanted)?;
    let fact = app.report();
    let report = usable(&fact, os::now(), &os::boot_id()?).map_err(AppError::NotSeen)?;
    let old = ledger(report);
    let new = changed(&old, app.preferences()?.managed(), wanted);
    let anchor = report.way.unwrap_or(Attachment::Apple).anchor();
    let interfaces = super::explain::interfaces(app.world());
    let (before, after) = (anchor::rules(&old, &interfaces), anchor::rules(&new, &interfaces));
    let now = loaded(report).with_interfaces(interfaces);
    let (then, _) = now.with_anchor(anchor, "the new rules", &after);
    let mut ranges: Vec<_> = new.managed.iter().map(|managed| managed.port).collect();
    ranges.extend(new.openings.iter().map(|opening| opening.port));
    ranges.sort();
    ranges.dedup();
    let near = |port| {
        let opening = new.openings.iter().find(|opening| opening.port == port);
        opening.and_then(|opening| opening.from.networks()).unwrap_or_default().to_vec()
    };
    let asked: Vec<_> = ranges.iter().map(|port| (port.first(), port.last(), near(*port))).collect();
    let verdicts = changes(&now, &then, &asked);
    let diff = TextDiff::from_lines(&before, &after);
    let diff = diff.unified_diff().context_radius(1).header("now", "then").to_string();
    let mut notes = Vec::new();
    if report.pf != PfState::Enabled {
        notes.push("pf is off: the verdicts are those of a pf that is on".to_owned());
    }
    if json {
        let diff = diff.lines().map(str::to_owned).collect();
        print_json(&Preview { version: 1, dry_run: true, anchor, diff, verdicts, notes });
        return Ok(());
    }
    let mut text = if diff.is_empty() {
        format!("no rule of {anchor} would change\n")
    } else {
        format!("anchor {anchor}\n{diff}")
    };
    let changing: Vec<&Change> = verdicts.iter().filter(|change| change.before != change.after).collect();
    text += if changing.is_empty() {
        "\nnobody would reach more or less than now\n"
    } else {
        "\nwho could reach what:\n"
    };
    text.extend(changing.iter().map(|change| format!("  {change}\n")));
    text.extend(notes.iter().map(|note| format!("note: {note}\n")));
    print(&(text + "nothing was changed\n"));
    Ok(())
}

/// What the helper would refuse is refused here, too.
fn validate(wanted: &Wanted) -> Result<(), AppError> {
    let action = match wanted {
        Wanted::Open(ports, from) => {
            Operation::Open { ports: ports.clone(), from: from.clone(), until: None }
        }
        Wanted::Close(ports) => Operation::Close { ports: ports.clone() },
        Wanted::CloseAll => Operation::CloseAll {},
    };
    Request::new(action, "dry-run").validate().map_err(|error| AppError::Elevate(error.into()))
}

/// The ledger, as far as the report tells it.
fn ledger(report: &Report) -> Ledger {
    Ledger {
        guard: report.guard,
        openings: report.openings.clone(),
        managed: report.managed.clone(),
        way: report.way,
        ..Ledger::default()
    }
}

fn changed(old: &Ledger, shown: Vec<NamedPort>, wanted: Wanted) -> Ledger {
    let mut new = old.clone();
    shown.iter().for_each(|port| new.manage(port));
    match wanted {
        Wanted::Open(ports, from) => {
            for port in &ports {
                new.open(Opening::new(port, from.clone(), None, 0, ""));
            }
        }
        Wanted::Close(ports) => ports.iter().for_each(|port| new.close(port)),
        Wanted::CloseAll => new.close_all(),
    }
    if new.guard == Guard::Off {
        new.managed.clear();
    }
    new
}
