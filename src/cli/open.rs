//! `portcullis open PORTS`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::guard::Switch;
use super::interruption;
use super::output::Run;
use portcullis::app::{AppError, SourceChoice};
use portcullis::root::request::{GuardAnswer, Operation};

#[derive(Debug, clap::Args)]
pub struct OpenCommand {
    /// The ports
    #[arg(value_name = "PORTS", required = true)]
    ports: Vec<String>,
    /// Whom to let in: any, lan (the networks this Mac is on now), or hosts and networks [default: as preferred]
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    from: Vec<String>,
    /// Whether closed ports are to be blocked from other machines from now on [default: it is asked at the first opening]
    #[arg(long, value_name = "STATE", conflicts_with = "dry_run")]
    guard: Option<Switch>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl OpenCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let preferences = app.preferences()?;
        let choice = match self.from.as_slice() {
            [] => SourceChoice::parse([preferences.from.as_str()])?,
            given => SourceChoice::parse(given.iter().map(String::as_str))?,
        };
        let ports = preferences.ports(&self.ports.join(",")).map_err(AppError::from)?;
        let from = app.source(&choice)?;
        if self.dry_run {
            let operation = Operation::Open { ports, from, until: None };
            return interruption::told(&app, || dry_run::preview(&app, &operation, &Ok(preferences)));
        }
        let answer = self.guard.map(|guard| match guard {
            Switch::On => GuardAnswer::On,
            Switch::Off => GuardAnswer::Off,
        });
        let response = app.open(&ports, from, answer, &preferences)?;
        ChangeOutput::with_status(&app, response, &Ok(preferences))
    }
}
