//! What the helper answers: one JSON object, and an exit status that says the same.
//!
//! | exit status | meaning | the system is |
//! |---|---|---|
//! | 0 | done, or `missing` says what the request does not allow | as asked: changed, or as it was because nothing was to be done |
//! | 1 | failed | unchanged |
//! | 2 | bad request or usage | unchanged |
//! | 4 | failed on the way | restored to what it was |
//! | 6 | failed in part | changed: the message says what was done, and what is left |
//! | 5 | failed on the way, and so did putting it back | damaged: the message says what is left to do by hand |

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::root::request::Permission;
use crate::rules::named_port::NamedPort;

/// What became of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was changed as asked.
    Changed,
    /// It is as it was.
    Unchanged,
    /// It was changed, and put back.
    Restored,
    /// It was changed, and could not be put back whole.
    Damaged,
}

/// The helper's answer on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Version of this form: 1.
    pub version: u32,
    /// Whether what was asked holds now.
    pub ok: bool,
    /// What became of the system.
    pub outcome: Outcome,
    /// What was done, or what was tried, why it failed, and the next step.
    pub message: String,
    /// Where not everything could be put back: what was open before, and is not so any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<NamedPort>,
    /// What the request would have to allow; then nothing was changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Permission>,
    /// The number of the snapshot that was taken before a change; `undo` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u32>,
}

/// Why an answer tells nothing: what became of the system is not known.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    #[error("the helper's answer does not read ({0})")]
    Json(#[from] serde_json::Error),
    #[error(
        "the helper's answer has version {0}, which this program does not know: install Portcullis again"
    )]
    Version(u32),
    #[error("the helper's answer contradicts itself")]
    Contradiction,
}

impl Response {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// Reads the answer of a helper that ended well. It says that what was asked holds, that the request does not allow
    /// it, or why not; nothing else is taken for an answer.
    pub fn parse(text: &str) -> Result<Self, ResponseError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version != Self::VERSION {
            return Err(ResponseError::Version(version));
        }
        let response: Response = serde_json::from_str(text)?;
        let is_whole = match (response.ok, response.missing.is_empty()) {
            (true, is_whole) => is_whole && matches!(response.outcome, Outcome::Changed | Outcome::Unchanged),
            (false, false) => response.outcome == Outcome::Unchanged,
            (false, true) => true,
        };
        if is_whole { Ok(response) } else { Err(ResponseError::Contradiction) }
    }

    /// What was asked holds now.
    pub fn done(outcome: Outcome, message: impl Into<String>) -> Self {
        Response {
            version: Self::VERSION,
            ok: true,
            outcome,
            message: message.into(),
            closed: Vec::new(),
            missing: Vec::new(),
            snapshot: None,
        }
    }

    /// What was asked does not hold.
    pub fn failed(outcome: Outcome, message: impl Into<String>) -> Self {
        Response { ok: false, ..Response::done(outcome, message) }
    }

    /// What was asked needs more than the request allows.
    pub fn missing(missing: Vec<Permission>) -> Self {
        let needed: Vec<&str> = missing.iter().map(|permission| permission.in_words()).collect();
        let message =
            format!("that would also {}, which was not asked; nothing was changed", needed.join(" and "));
        Response { missing, ..Response::failed(Outcome::Unchanged, message) }
    }

    /// The same, with the number of the snapshot that was taken before.
    pub fn with_snapshot(self, number: u32) -> Self {
        Response { snapshot: Some(number), ..self }
    }

    /// Prints it: its JSON on standard output, and where it failed its message on standard error, which osascript passes
    /// on.
    pub fn print(&self) {
        // A reader that went away changes nothing of what was done.
        let _ = writeln!(std::io::stdout(), "{}", self.json());
        if !self.ok {
            let _ = writeln!(std::io::stderr(), "{}", self.message);
        }
    }

    /// As JSON in ASCII: how osascript decodes what a command printed is not documented, so other characters are named by
    /// their numbers, which stand in strings alone.
    fn json(&self) -> String {
        // Plain data with text keys: its JSON cannot fail.
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut ascii = String::with_capacity(json.len());
        for character in json.chars() {
            if character.is_ascii() {
                ascii.push(character);
            } else {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                ascii.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        ascii
    }

    /// The helper's exit status.
    pub fn exit_status(&self) -> u8 {
        if !self.missing.is_empty() {
            // osascript passes standard output on only after success, and the app reads there what is missing.
            return 0;
        }
        match (self.ok, self.outcome) {
            (true, _) => 0,
            (false, Outcome::Unchanged) => 1,
            (false, Outcome::Changed) => 6,
            (false, Outcome::Restored) => 4,
            (false, Outcome::Damaged) => 5,
        }
    }

    /// What a failure's exit status says of the system; `None` for a status that is none of the helper's.
    pub fn outcome_of(status: i32) -> Option<Outcome> {
        match status {
            1 | 2 => Some(Outcome::Unchanged),
            4 => Some(Outcome::Restored),
            5 => Some(Outcome::Damaged),
            6 => Some(Outcome::Changed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_ascii_and_reads_back() {
        let answer = Response::failed(Outcome::Unchanged, "cannot read /etc/pf.anchors/büro 😀: \"no\"");
        let json = answer.json();
        assert!(json.is_ascii() && json.contains(r"b\u00fcro \ud83d\ude00"), "{json}");
        assert_eq!(Response::parse(&json).unwrap(), answer);
    }
}
