//! `--dry-run`: what a change would do to the rules, and to who can reach what. Nothing is asked, nothing is changed.

use serde::Serialize;
use similar::TextDiff;

use super::explain::loaded;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, AppError, ReadPreferences, preferences_note};
use portcullis::pf::explain::{NearNetwork, VerdictChange, changes};
use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::port::PortRange;
use portcullis::prefs::Preferences;
use portcullis::report::{PfState, Report};
use portcullis::root::request::Operation;
use portcullis::rules::anchor;
use portcullis::rules::ledger::{Attachment, Guard, Ledger, Opening};
use portcullis::rules::named_port::NamedPort;
use portcullis::{firewall, os};

#[derive(Serialize)]
struct DryRunOutput {
    version: u32,
    dry_run: bool,
    anchor: &'static str,
    /// Lines of a unified diff.
    diff: Vec<String>,
    /// pf's verdict for each port before and after.
    verdicts: Vec<VerdictChange>,
    notes: Vec<String>,
}

impl CommandOutput for DryRunOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let mut text = match self.diff.as_slice() {
            [] => format!("no rule of {} would change\n", self.anchor),
            lines => format!("anchor {}\n{}\n", self.anchor, lines.join("\n")),
        };
        let changing: Vec<_> = self.verdicts.iter().filter(|change| change.before != change.after).collect();
        text += match changing.as_slice() {
            [] => "\nno client would reach more or less than now\n",
            _ => "\nwho could reach what:\n",
        };
        text.extend(changing.iter().map(|change| format!("  {change}\n")));
        text.extend(self.notes.iter().map(|note| format!("note: {note}\n")));
        text + "nothing was changed\n"
    }
}

/// What an operation would change, by the rules that root last saw. Errors: what root saw says nothing of now.
pub fn preview(app: &App, operation: &Operation, preferences: &ReadPreferences) -> Run {
    validate(operation)?;
    let fact = app.report();
    let report =
        fact.usable(os::now(), &os::boot_id().map_err(AppError::from)?).map_err(AppError::NotSeen)?;
    let old = ledger(report);
    let shown = preferences.as_ref().map(Preferences::managed).unwrap_or_default();
    let new = changed(&old, shown, operation);
    compare_by(
        app,
        report,
        &old,
        &new,
        preferences.as_ref().err().map(preferences_note).into_iter().collect(),
    )
}

/// What the way from one ledger to another would change. Errors: as of [`preview`].
pub fn compare(app: &App, old: &Ledger, new: &Ledger, notes: Vec<String>) -> Run {
    let fact = app.report();
    let report =
        fact.usable(os::now(), &os::boot_id().map_err(AppError::from)?).map_err(AppError::NotSeen)?;
    compare_by(app, report, old, new, notes)
}

fn compare_by(app: &App, report: &Report, old: &Ledger, new: &Ledger, more: Vec<String>) -> Run {
    let anchor = report.way.unwrap_or(Attachment::Apple).anchor();
    let interfaces = firewall::interfaces(app.system());
    let (before, after) = (anchor::rules(old, &interfaces), anchor::rules(new, &interfaces));
    let now = loaded(&app.rulesets(report)?).with_interfaces(interfaces);
    let (then, _) = now.with_anchor(anchor, "the new rules", &after);
    let verdicts = changes(&now, &then, &asked(new, now.interfaces()));
    let diff = TextDiff::from_lines(&before, &after);
    let diff = diff.unified_diff().context_radius(1).header("now", "then").to_string();
    let mut notes = Vec::new();
    if report.pf != PfState::Enabled {
        notes.push("pf is off: the verdicts are those of a pf that is on".to_owned());
    }
    notes.extend(more);
    let diff = diff.lines().map(str::to_owned).collect();
    Ok(Box::new(DryRunOutput { version: 1, dry_run: true, anchor, diff, verdicts, notes }))
}

/// Each range of the ledger, with the networks that it is open for.
fn asked(ledger: &Ledger, interfaces: &[InterfaceFacts]) -> Vec<(PortRange, Vec<NearNetwork>)> {
    let mut ranges: Vec<_> = ledger.managed.iter().map(|managed| managed.range).collect();
    ranges.extend(ledger.openings.iter().map(|opening| opening.port));
    ranges.sort();
    ranges.dedup();
    let near = |port| {
        let opening = ledger.openings.iter().find(|opening| opening.port == port);
        opening.map(|opening| anchor::let_in(opening, interfaces)).unwrap_or_default()
    };
    ranges.into_iter().map(|port| (port, near(port))).collect()
}

/// Refuses what the helper would refuse.
fn validate(operation: &Operation) -> Result<(), AppError> {
    operation.validate().map_err(|error| AppError::Elevate(error.into()))
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

fn changed(old: &Ledger, shown: Vec<NamedPort>, operation: &Operation) -> Ledger {
    let mut new = old.clone();
    shown.iter().for_each(|port| new.manage(port));
    match operation {
        Operation::Open { ports, from, until } => {
            for port in ports {
                new.open(Opening::new(port, from.clone(), *until, 0, ""));
            }
        }
        Operation::Close { ports } => ports.iter().for_each(|port| new.close(port)),
        Operation::CloseAll {} => new.close_all(),
        Operation::Guard { .. }
        | Operation::Status {}
        | Operation::Log { .. }
        | Operation::StopLog {}
        | Operation::Undo { .. }
        | Operation::Uninstall { .. }
        | Operation::Install {}
        | Operation::Tick {} => {}
    }
    if new.guard == Guard::Off {
        new.managed.clear();
    }
    new
}
