//! `portcullis undo`: turns this user's last change back.

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::interruption;
use super::output::{Run, clock};
use portcullis::app::App;
use portcullis::root::conf_lines;
use portcullis::rules::ledger::Guard;

#[derive(Debug, clap::Args)]
pub struct UndoCommand {
    /// The change of this number instead of your last one: `portcullis snapshots` lists them
    #[arg(value_name = "NUMBER")]
    number: Option<u32>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl UndoCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.turn_back(&app))
    }

    fn turn_back(self, app: &App) -> Run {
        let preview = app.undo_preview(self.number)?;
        if self.dry_run {
            let change = &preview.change;
            let (number, time, what) = (change.number, clock(change.time), &change.message);
            let mut notes = vec![format!("change {number} of {time} would be turned back: {what}")];
            notes.extend(preview.guard().map(|guard| match guard {
                Guard::On => "the guard would be on again".to_owned(),
                Guard::Off | Guard::Unset => "the guard would be off again".to_owned(),
            }));
            let lines = &preview.change.lines;
            if !lines.is_empty() {
                notes.push(format!("{} would be back in /etc/pf.conf", conf_lines::shown(lines)));
            }
            let list = |ports: &[_]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if !preview.back.kept.is_empty() {
                notes.push(format!("{} was changed later, and stays as it is", list(&preview.back.kept)));
            }
            if !preview.back.ended.is_empty() {
                notes.push(format!("{} stays closed: its time is over", list(&preview.back.ended)));
            }
            return dry_run::compare(app, &preview.now, &preview.back.ledger, notes);
        }
        let response = app.undo(&preview)?;
        ChangeOutput::with_status(app, response, &app.preferences())
    }
}
