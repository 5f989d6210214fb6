//! `portcullis snapshots`: the changes before which root took copies, by the audit, which every user may read; the copies
//! themselves are root's.

use serde::Serialize;

use super::context::Context;
use super::interruption;
use super::output::{CommandOutput, Run, clock, pretty};
use portcullis::app::App;
use portcullis::root::audit::AuditLine;
use portcullis::root::snapshot::KEPT;
use portcullis::rules::ledger::Seconds;
use portcullis::rules::ledger_change::LedgerChange;
use portcullis::system::SNAPSHOTS;

#[derive(Debug, clap::Args)]
pub struct SnapshotsCommand {}

impl SnapshotsCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.list(&app))
    }

    fn list(self, app: &App) -> Run {
        let mut snapshots: Vec<_> = app.history()?.lines.into_iter().filter_map(SnapshotEntry::of).collect();
        snapshots.sort_by_key(|snapshot| snapshot.number);
        let surplus = snapshots.len().saturating_sub(KEPT);
        snapshots.drain(..surplus);
        let place = app.system().place(SNAPSHOTS).display().to_string();
        Ok(Box::new(SnapshotsOutput { version: 1, place, snapshots }))
    }
}

#[derive(Serialize)]
struct SnapshotsOutput {
    version: u32,
    /// The folder of the copies.
    place: String,
    /// The oldest first.
    snapshots: Vec<SnapshotEntry>,
}

#[derive(Serialize)]
struct SnapshotEntry {
    number: u32,
    time: Seconds,
    by: String,
    /// What the change that followed came to.
    message: String,
    change: Option<LedgerChange>,
}

impl SnapshotEntry {
    fn of(line: AuditLine) -> Option<Self> {
        let AuditLine { time, by, message, change, snapshot, .. } = line;
        Some(SnapshotEntry { number: snapshot?, time, by, message, change })
    }
}

impl CommandOutput for SnapshotsOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let line = |entry: &SnapshotEntry| {
            let SnapshotEntry { number, time, by, message, .. } = entry;
            format!("{number:>6}  {}  {by}  taken before: {message}\n", clock(*time))
        };
        let lines: String = self.snapshots.iter().map(line).collect();
        if lines.is_empty() {
            return "no change was made yet, so there is no snapshot\n".to_owned();
        }
        format!(
            "{lines}pristine  the files as they were before Portcullis\n\
             only root may read the copies and their SHA-256: `sudo ls -l \"{0}\"/*`, and \
             `sudo cat \"{0}/000001/manifest.json\"`\n",
            self.place
        )
    }
}
