//! `portcullis open PORTS`

use super::change::ChangeOutput;
use super::context::Context;
use super::dry_run;
use super::guard::Switch;
use super::interruption;
use super::output::Run;
use super::typed;
use portcullis::app::{AppError, OpeningTerms, SourceChoice};
use portcullis::root::request::GuardAnswer;
use portcullis::rules::end_choice::EndChoice;

#[derive(Debug, clap::Args)]
pub struct OpenCommand {
    /// The ports
    #[arg(value_name = "PORTS", required_unless_present = "from")]
    ports: Vec<String>,
    /// Whom to let in: any, lan (the networks this Mac is on now), or hosts and networks [default: as preferred]
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    from: Vec<String>,
    /// For how long, such as 90m, 2h or 1h30m [default: as preferred]
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    lasts: Option<String>,
    /// Until when: 18:30, "tomorrow 09:00", evening (the end of the working day) or restart
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    until: Option<String>,
    /// Until it is closed by hand
    #[arg(long, conflicts_with_all = ["lasts", "until"])]
    keep: bool,
    /// Also on other networks: without it, a port closes when this Mac leaves the network it was opened on
    #[arg(long)]
    stay: bool,
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
        let read = |typed: &str| preferences.ports(&typed::ports(typed));
        // `--from 192.168.1.20 2345`: the ports came last, and were taken for sources.
        let last = self.from.len().saturating_sub(1);
        let (from, ports) = match self.from.split_at(last) {
            (from, [ports]) if self.ports.is_empty() && SourceChoice::parse([ports.as_str()]).is_err() => {
                (from, ports.clone())
            }
            _ => (self.from.as_slice(), self.ports.join(",")),
        };
        let choice = match from {
            [] => SourceChoice::parse([preferences.from.as_str()])?,
            given => SourceChoice::parse(given.iter().map(String::as_str))?,
        };
        let ports = read(&ports).map_err(AppError::from)?;
        let from = app.source(&choice)?;
        let end = match (&self.lasts, &self.until) {
            _ if self.keep => EndChoice::Keep,
            (Some(lasts), _) => EndChoice::parse_for(&typed::duration(lasts))
                .or_else(|_| EndChoice::parse_for(lasts))
                .map_err(AppError::from)?,
            (None, Some(until)) => EndChoice::parse_until(&typed::time(until)).map_err(AppError::from)?,
            (None, None) => preferences.end(),
        };
        let terms = OpeningTerms { from, end, stay: self.stay };
        if self.dry_run {
            let operation = app.opening(&ports, terms)?;
            return interruption::told(&app, || dry_run::preview(&app, &operation, &Ok(preferences)));
        }
        let answer = self.guard.map(|guard| match guard {
            Switch::On => GuardAnswer::On,
            Switch::Off => GuardAnswer::Off,
        });
        let response = app.open(&ports, terms, answer, &preferences)?;
        ChangeOutput::with_status(&app, response, &Ok(preferences))
    }
}
