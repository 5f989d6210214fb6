//! `portcullis install`: what can be installed before anything is opened.

use super::change::ChangeOutput;
use super::context::Context;
use super::output::Run;

#[derive(Debug, clap::Args)]
pub struct InstallCommand {
    /// Have terminals find `portcullis`, by a file in /etc/paths.d, instead
    #[arg(long)]
    command_line: bool,
}

impl InstallCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let response = if self.command_line { app.install_command()? } else { app.install()? };
        ChangeOutput::without_status(response)
    }
}
