//! `portcullis guard on|off`

use super::change::ChangeOutput;
use super::context::Context;
use super::output::Run;

#[derive(Debug, clap::Args)]
pub struct GuardCommand {
    /// on or off
    state: Switch,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

impl GuardCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let response = app.guard(matches!(self.state, Switch::On))?;
        Ok(Box::new(ChangeOutput { response, status: Some(app.status()?) }))
    }
}
