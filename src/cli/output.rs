//! What a command gives, and the one place that prints it: text for a person, JSON for a program.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::error::CommandError;
use portcullis::app::own_command::OwnCommand;
use portcullis::root::answer::Outcome;
use portcullis::status::Status;

/// What a command gives.
pub trait CommandOutput {
    /// Whole lines, or nothing.
    fn text(&self) -> String;
    /// One JSON object, with its line end.
    fn json(&self) -> String;
    /// See the table in `cli/mod.rs`.
    fn exit_status(&self) -> u8 {
        0
    }
}

/// What a run of a command comes to.
pub type Run = Result<Box<dyn CommandOutput>, CommandError>;

/// In which form a command's output is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Printer {
    /// At a terminal the commands that it names are written so that they can be typed there, with the lab that was named.
    Text(Option<PathBuf>),
    Json,
}

impl Printer {
    /// Prints what a command came to; gives its exit status.
    pub fn finish(&self, run: Run) -> ExitCode {
        match run {
            Ok(output) => {
                match self.print(output.as_ref()) {
                    // A reader that went away (`| head`) is no reason to fail.
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                        self.note(format!("cannot write what came of it to standard output: {error}"));
                        ExitCode::FAILURE
                    }
                    _ => ExitCode::from(output.exit_status()),
                }
            }
            Err(error) => {
                self.fail(&error);
                ExitCode::from(error.exit_status())
            }
        }
    }

    /// Prints to standard output. A command that goes on prints its entries one by one. Errors: the reader went away.
    pub fn print(&self, output: &dyn CommandOutput) -> std::io::Result<()> {
        let printed = match self {
            Printer::Text(lab) => {
                typeable(lab.as_deref(), std::io::stdout().is_terminal(), &plain(&output.text()))
            }
            Printer::Json => output.json(),
        };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(printed.as_bytes()).and_then(|()| stdout.flush())
    }

    /// Says something beside the output, to standard error.
    pub fn note(&self, text: impl std::fmt::Display) {
        let mut text = plain(&text.to_string());
        if let Printer::Text(lab) = self {
            text = typeable(lab.as_deref(), std::io::stderr().is_terminal(), &text);
        }
        let _ = writeln!(std::io::stderr(), "portcullis: {text}");
    }

    /// As text to standard error, as JSON to standard output.
    fn fail(&self, error: &CommandError) {
        match self {
            Printer::Text(_) => self.note(error),
            Printer::Json => {
                let message = error.to_string();
                let outcome = error.outcome();
                let failure = ChangeJson { version: 1, ok: false, outcome, message: &message, status: None };
                let _ = std::io::stdout().lock().write_all(pretty(&failure).as_bytes());
            }
        }
    }
}

fn typeable(lab: Option<&Path>, is_terminal: bool, text: &str) -> String {
    if is_terminal { OwnCommand::here(lab).in_text(text) } else { text.to_owned() }
}

/// Without what a terminal obeys: a message may hold what another program said.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '?' } else { c }).collect()
}

/// What a change came to, or why there was none.
#[derive(Serialize)]
pub struct ChangeJson<'a> {
    pub version: u32,
    pub ok: bool,
    pub outcome: Outcome,
    pub message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a Status>,
}

/// JSON over several lines.
pub fn pretty(value: &impl Serialize) -> String {
    // Plain data with text keys: its JSON cannot fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The time of day in this time zone, with the date where it is not today.
pub fn clock(seconds: i64) -> String {
    time_here(seconds, "%H:%M")
}

/// The same to the second.
pub fn clock_with_seconds(seconds: i64) -> String {
    time_here(seconds, "%H:%M:%S")
}

fn time_here(seconds: i64, of_day: &str) -> String {
    let Ok(time) = jiff::Timestamp::from_second(seconds) else { return format!("{seconds} s after 1970") };
    let zone = portcullis::os::zone();
    let same_day = jiff::Timestamp::now().to_zoned_datetime(zone.clone()).date()
        == time.to_zoned_datetime(zone.clone()).date();
    let time = time.to_zoned_datetime(zone);
    let form = if same_day { of_day.to_owned() } else { format!("%Y-%m-%d {of_day}") };
    time.strftime(&form).to_string()
}
