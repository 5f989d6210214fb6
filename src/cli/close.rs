//! `portcullis close PORTS`, `portcullis close --all`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::output::Run;
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
        let closing = if all { Closing::Everything } else { Closing::Ports(ports.join(",")) };
        CloseCommand { closing, dry_run }
    }
}

impl CloseCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        if self.dry_run {
            let operation = match self.closing {
                Closing::Ports(ports) => Operation::Close { ports: app.ports(&ports)? },
                Closing::Everything => Operation::CloseAll {},
            };
            return dry_run::preview(&app, &operation);
        }
        let response = match self.closing {
            Closing::Ports(ports) => app.close(&ports)?,
            Closing::Everything => app.close_all()?,
        };
        Ok(Box::new(ChangeOutput { response, status: Some(app.status()?) }))
    }
}
