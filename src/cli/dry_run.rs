//! `--dry-run`: what a change would do to the rules, and to who can reach what. Nothing is asked, nothing is changed.

use serde::Serialize;
use similar::TextDiff;

use super::explain::loaded;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, AppError, ReadPreferences, preferences_note};
use portcullis::pf::explain::{NearNetwork, VerdictChange, changes};
use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::pf::origin::Origin;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::Decision;
use portcullis::port::PortRange;
use portcullis::prefs::Preferences;
use portcullis::report::{PfState, Report};
use portcullis::root::request::Operation;
use portcullis::rules::anchor;
use portcullis::rules::half::pieces;
use portcullis::rules::ledger::{Attachment, Guard, Ledger, MayBeOpen, Opening};
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
    /// Whether a change was interrupted: then what is loaded now is not known.
    #[serde(skip)]
    in_doubt: bool,
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
            [] if self.in_doubt => "\nwhat clients reach now is not known\n",
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
    let loaded = loaded(&app.rulesets(report)?).with_interfaces(interfaces);
    let (wanted, _) = loaded.with_anchor(anchor, "the new rules", &after);
    let power = PowerChange::of(report, old, new);
    let off = Rulesets::default().with_interfaces(loaded.interfaces().to_vec());
    let now = if power == PowerChange::On { &off } else { &loaded };
    let then = if power == PowerChange::Off { &off } else { &wanted };
    let mut verdicts = changes(now, then, &asked(old, new, loaded.interfaces()));
    let interrupted = app.interrupted();
    if let Some(changing) = &interrupted {
        leave_in_doubt(&mut verdicts, &changing.open);
    }
    let diff = TextDiff::from_lines(&before, &after);
    let diff = diff.unified_diff().context_radius(1).header("now", "then").to_string();
    let mut notes: Vec<String> = power.note(report).map(str::to_owned).into_iter().collect();
    notes.extend(more);
    let diff = diff.lines().map(str::to_owned).collect();
    Ok(Box::new(DryRunOutput {
        version: 1,
        dry_run: true,
        anchor,
        diff,
        verdicts,
        notes,
        in_doubt: interrupted.is_some(),
    }))
}

/// Who reaches now what an interrupted change may have left open is not known, whatever root saw before.
fn leave_in_doubt(verdicts: &mut [VerdictChange], open: &[MayBeOpen]) {
    let is_open = |ports: PortRange| open.iter().any(|open| open.port.overlaps(ports));
    let in_doubt = verdicts.iter_mut().filter(|row| row.from != Origin::Loopback && is_open(row.ports));
    in_doubt.for_each(|row| row.before = Decision::Unknown);
}

/// What becomes of pf as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PowerChange {
    Stays,
    /// The guard takes hold of it.
    On,
    /// The guard lets go of it, and nothing else holds it.
    Off,
}

impl PowerChange {
    fn of(report: &Report, old: &Ledger, new: &Ledger) -> Self {
        let (guarded, guards) = (old.guard == Guard::On, new.guard == Guard::On);
        match report.pf {
            PfState::Disabled if guards && !guarded => PowerChange::On,
            PfState::Enabled if guarded && !guards && report.references == Some(1) => PowerChange::Off,
            _ => PowerChange::Stays,
        }
    }

    fn note(self, report: &Report) -> Option<&'static str> {
        match self {
            PowerChange::On => Some("pf is off, and would go on with the guard"),
            PowerChange::Off => Some("pf would go off with the guard, and block nothing any more"),
            PowerChange::Stays if report.pf == PfState::Enabled => None,
            PowerChange::Stays => Some("pf is off: the verdicts are those of a pf that is on"),
        }
    }
}

/// Each range of either ledger, with the networks that it is open for: afterwards, or where it is closed then, before.
fn asked(old: &Ledger, new: &Ledger, interfaces: &[InterfaceFacts]) -> Vec<(PortRange, Vec<NearNetwork>)> {
    let of_ledger = |ledger: &Ledger| {
        let open = ledger.openings.iter().map(|opening| opening.port);
        open.chain(ledger.managed.iter().map(|managed| managed.range)).collect::<Vec<_>>()
    };
    let ranges = [of_ledger(old), of_ledger(new)].concat();
    let near = |port: PortRange| {
        let mut openings = new.openings.iter().chain(&old.openings);
        let opening = openings.find(|opening| opening.port.overlaps(port));
        opening.map(|opening| anchor::let_in(opening, interfaces)).unwrap_or_default()
    };
    let pieces = pieces(ranges.iter().copied()).into_iter();
    let ours = pieces.filter(|piece| ranges.iter().any(|range| range.overlaps(*piece)));
    ours.map(|port| (port, near(port))).collect()
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
        Operation::Open { ports, from, until, .. } => {
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
        | Operation::CleanUp { .. }
        | Operation::Uninstall { .. }
        | Operation::Install {}
        | Operation::InstallCommand {}
        | Operation::EndOfDay { .. }
        | Operation::Tick {} => {}
    }
    if new.guard == Guard::Off {
        new.managed.clear();
    }
    new
}
