//! What every command is given.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use super::output::Printer;
use portcullis::app::{App, AppError};
use portcullis::lab;

pub struct Context {
    pub lab: Option<PathBuf>,
    /// For a command that goes on: every other one gives its output to be printed.
    pub printer: Printer,
}

impl Context {
    /// The app in the lab that was asked for; else on this Mac; else, where there is no pf, in the lab in the user's
    /// data folder.
    pub fn app(&self) -> Result<App, AppError> {
        let system = lab::choose(self.lab.as_deref())?;
        lab::catch_up(system.as_ref());
        let app = App::new(system)?;
        Ok(if std::io::stdin().is_terminal() { app.at_terminal(say) } else { app })
    }
}

/// On standard error, since standard output is the command's answer.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
