//! `portcullis history`: what root was asked, by whom, and what came of it.

use std::num::NonZeroUsize;

use serde::Serialize;

use super::context::Context;
use super::interruption;
use super::output::{CommandOutput, Run, clock_with_seconds, pretty};
use portcullis::app::App;
use portcullis::root::answer::Outcome;
use portcullis::root::audit::{AuditLine, AuditLog};

#[derive(Debug, clap::Args)]
pub struct HistoryCommand {
    /// Only so many requests, the latest
    #[arg(long, value_name = "N")]
    last: Option<NonZeroUsize>,
}

impl HistoryCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.show(&app))
    }

    fn show(self, app: &App) -> Run {
        let AuditLog { mut lines, unreadable } = app.history()?;
        let surplus = self.last.map_or(0, |last| lines.len().saturating_sub(last.get()));
        lines.drain(..surplus);
        Ok(Box::new(HistoryOutput { version: 1, requests: lines, unreadable }))
    }
}

#[derive(Serialize)]
struct HistoryOutput {
    version: u32,
    /// The oldest first.
    requests: Vec<AuditLine>,
    /// How many lines of the log are not in a form that is known.
    unreadable: usize,
}

impl CommandOutput for HistoryOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let mut text: String = self.requests.iter().map(line).collect();
        if self.requests.is_empty() {
            text += "root was not asked anything yet\n";
        }
        match self.unreadable {
            0 => {}
            1 => text += "note: 1 more line of the log does not read\n",
            count => text += &format!("note: {count} more lines of the log do not read\n"),
        }
        text
    }
}

/// `12:31:05  ada  open  changed: port 2345 (dlv) is open for anyone`
fn line(line: &AuditLine) -> String {
    let AuditLine { time, by, asker, ok, outcome, message, .. } = line;
    // A name is claimed without the blanks that a user without a name is written with.
    let claimed = asker.as_ref().filter(|asker| **asker != by.replace(' ', "-"));
    let claimed = claimed.map_or(String::new(), |asker| format!(" (as {asker})"));
    let became = match (ok, outcome) {
        (true, Outcome::Changed) => "changed",
        (true, _) => "done",
        (false, Outcome::Unchanged) => "refused",
        (false, Outcome::Changed) => "failed",
        (false, Outcome::Restored) => "restored",
        (false, Outcome::Damaged) => "damaged",
    };
    // One line each, whatever a message holds.
    let message = message.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    format!("{}  {by}{claimed}  {}  {became}: {message}\n", clock_with_seconds(*time), operation(line))
}

/// The word for what was asked, such as `close-all`.
fn operation(line: &AuditLine) -> &str {
    let action = line.request.as_ref().and_then(|request| request.get("action")?.get("do")?.as_str());
    action.unwrap_or("malformed")
}
