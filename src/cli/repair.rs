//! `portcullis repair`

use super::change::ChangeOutput;
use super::context::Context;
use super::output::Run;

#[derive(Debug, clap::Args)]
pub struct RepairCommand {}

impl RepairCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let response = app.repair()?;
        ChangeOutput::with_status(&app, response, &app.preferences())
    }
}
