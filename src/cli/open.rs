//! `portcullis open PORTS`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::interruption;
use super::output::Run;
use portcullis::app::{AppError, SourceChoice};
use portcullis::root::request::Operation;

#[derive(Debug, clap::Args)]
pub struct OpenCommand {
    /// The ports
    #[arg(value_name = "PORTS", required = true)]
    ports: Vec<String>,
    /// Whom to let in: any, lan (the networks this Mac is on now), or hosts and networks [default: as preferred]
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    from: Vec<String>,
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
        let response = app.open(&ports, from, &preferences)?;
        ChangeOutput::with_status(&app, response, &Ok(preferences))
    }
}
