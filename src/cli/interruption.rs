//! A change that was interrupted, said by every command that speaks of ports or rules: before anything else in text, as a
//! field in JSON. `status` and `doctor` say it in their own words.

use super::error::{CommandError, INTERRUPTED};
use super::output::{CommandOutput, Run};
use portcullis::app::App;

/// The run of a command on `app`, with the word of a change that was interrupted before.
pub fn told(app: &App, run: impl FnOnce() -> Run) -> Run {
    told_of(app.interrupted().is_some(), run)
}

/// The same, where it is known whether there is one.
pub fn told_of(is_interrupted: bool, run: impl FnOnce() -> Run) -> Run {
    if !is_interrupted {
        return run();
    }
    match run() {
        Ok(output) => Ok(Box::new(ToldOutput(output))),
        Err(error) => Err(CommandError::Interrupted { source: Box::new(error) }),
    }
}

struct ToldOutput(Box<dyn CommandOutput>);

impl CommandOutput for ToldOutput {
    fn text(&self) -> String {
        format!("! {INTERRUPTED}\n{}", self.0.text())
    }

    fn json(&self) -> String {
        // Each output is one object; what is none stays as it is.
        let json = self.0.json();
        match json.strip_prefix("{\n") {
            Some(rest) => format!("{{\n  \"interrupted\": true,\n{rest}"),
            None => json,
        }
    }

    fn exit_status(&self) -> u8 {
        self.0.exit_status()
    }
}
