//! `portcullis install`: the part that closes ports in time, before anything is opened.

use super::change::ChangeOutput;
use super::context::Context;
use super::output::Run;

#[derive(Debug, clap::Args)]
pub struct InstallCommand {}

impl InstallCommand {
    pub fn run(self, context: &Context) -> Run {
        ChangeOutput::without_status(context.app()?.install()?)
    }
}
