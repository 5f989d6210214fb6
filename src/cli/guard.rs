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
pub enum Switch {
    #[value(aliases = ["enable", "enabled", "start"])]
    On,
    #[value(aliases = ["disable", "disabled", "stop"])]
    Off,
}

impl GuardCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let preferences = app.preferences();
        let (preferences, response) = match self.state {
            Switch::On => {
                let preferences = preferences?;
                let response = app.guard_on(&preferences)?;
                (Ok(preferences), response)
            }
            Switch::Off => {
                let response = app.guard_off(preferences.as_ref().ok())?;
                (preferences, response)
            }
        };
        ChangeOutput::with_status(&app, response, &preferences)
    }
}
