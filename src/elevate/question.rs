//! A plain question in a dialog of osascript's, for which no rights are asked.

use std::time::Duration;

use super::quote;
use super::{ElevateError, read_failure};
use crate::os::cancel::Cancellation;
use crate::os::process::ProcessError;
use crate::system::System;

/// How long a dialog stays.
const PATIENCE: Duration = Duration::from_secs(300);
const CANCEL: &str = "Cancel";

/// A question with two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked, in a line.
    pub title: String,
    /// What an answer means.
    pub message: String,
    /// The title of the button that return presses.
    pub yes: &'static str,
    pub no: &'static str,
}

/// Asks, and waits for the answer. `None`: no dialog can be shown here. Errors: it was cancelled, or not answered, or
/// `cancellation` was cancelled; nothing was changed then.
///
/// Source: `display alert` in the AppleScript Language Guide: its result is the record `{button returned:TITLE}`, which
/// osascript(1) prints as `button returned:TITLE`; the cancel button is error -128.
pub fn ask(
    system: &dyn System,
    question: &Question,
    cancellation: &Cancellation,
) -> Result<Option<bool>, ElevateError> {
    let program = system.program("/usr/bin/osascript").args(["-e", &script(question)]).ending_with_us();
    let output = match program.timeout(PATIENCE).until(cancellation).run() {
        Ok(output) => output,
        Err(ProcessError::TimedOut { .. } | ProcessError::Cancelled { .. }) => {
            return Err(ElevateError::NotAnswered);
        }
        Err(_) => return Ok(None),
    };
    if output.code != 0 {
        // Whatever else stands in the way of a dialog stands in nothing else's.
        return match read_failure(&output.stderr, String::new) {
            ElevateError::Cancelled => Err(ElevateError::Cancelled),
            _ => Ok(None),
        };
    }
    let said = output.stdout.trim().strip_prefix("button returned:").unwrap_or_default();
    Ok([(question.yes, true), (question.no, false)]
        .into_iter()
        .find(|(title, _)| *title == said)
        .map(|one| one.1))
}

fn script(question: &Question) -> String {
    format!(
        "display alert {} message {} buttons {{{}, {}, {}}} default button 3 cancel button 1",
        quote::applescript(&question.title),
        quote::applescript(&question.message),
        quote::applescript(CANCEL),
        quote::applescript(question.no),
        quote::applescript(question.yes),
    )
}
