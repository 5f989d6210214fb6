//! `portcullis open PORTS`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::output::Run;
use portcullis::app::Wanted;
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
        let preferred = app.preferences()?.from;
        let from = match self.from.as_slice() {
            [] => Wanted::parse([preferred.as_str()])?,
            given => Wanted::parse(given.iter().map(String::as_str))?,
        };
        let ports = self.ports.join(",");
        if self.dry_run {
            let (ports, from) = (app.ports(&ports)?, app.source(&from)?);
            return dry_run::preview(&app, &Operation::Open { ports, from, until: None });
        }
        let response = app.open(&ports, &from)?;
        Ok(Box::new(ChangeOutput { response, status: Some(app.status()?) }))
    }
}
