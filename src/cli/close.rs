//! `portcullis close PORTS`, `portcullis close --all`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::interruption;
use super::output::Run;
use super::typed;
use portcullis::root::request::Operation;

#[derive(Debug, clap::Args)]
pub struct CloseArguments {
    /// The ports
    #[arg(value_name = "PORTS", required_unless_present = "all")]
    ports: Vec<String>,
    /// Every port that is open
    #[arg(long, conflicts_with = "ports")]
    all: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub struct CloseCommand {
    closing: Closing,
    dry_run: bool,
}

enum Closing {
    /// As they were typed.
    Ports(String),
    Everything,
}

impl From<CloseArguments> for CloseCommand {
    fn from(CloseArguments { ports, all, dry_run }: CloseArguments) -> Self {
        let all = all || ports.iter().map(String::as_str).eq(["all"]);
        let closing = if all { Closing::Everything } else { Closing::Ports(typed::ports(&ports.join(","))) };
        CloseCommand { closing, dry_run }
    }
}

impl CloseCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let preferences = app.preferences();
        let ports = match self.closing {
            Closing::Ports(text) => Some(app.ports_named(&text, &preferences)?),
            Closing::Everything => None,
        };
        if self.dry_run {
            let operation = ports.map_or(Operation::CloseAll {}, |ports| Operation::Close { ports });
            return interruption::told(&app, || dry_run::preview(&app, &operation, &preferences));
        }
        let readable = preferences.as_ref().ok();
        let response = match ports {
            Some(ports) => app.close(&ports, readable)?,
            None => app.close_all(readable)?,
        };
        ChangeOutput::with_status(&app, response, &preferences)
    }
}
