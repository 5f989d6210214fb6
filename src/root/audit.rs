//! One line for each request, granted or not, in a log that does not grow without bound.

use serde::Serialize;

use crate::os::{FileError, Files};
use crate::root::answer::{Outcome, Response};
use crate::root::request::{Operation, Request};
use crate::system::AUDIT;

/// Past this many bytes, the older half of the log goes.
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Serialize)]
struct AuditLine<'a> {
    version: u32,
    time: i64,
    asker: &'a str,
    action: &'a Operation,
    ok: bool,
    outcome: Outcome,
    message: &'a str,
}

/// Writes down what was asked and what came of it. Errors: the log cannot be written.
pub fn append(tree: &Files, request: &Request, answer: &Response, now: i64) -> Result<(), FileError> {
    let Response { ok, outcome, message, .. } = answer;
    let Request { action, asker, .. } = request;
    let line = AuditLine { version: 1, time: now, asker, action, ok: *ok, outcome: *outcome, message };
    // Plain data with text keys: its JSON cannot fail, and holds no newline.
    tree.append_line(AUDIT, &serde_json::to_string(&line).unwrap_or_default())?;
    let bytes = tree.read(AUDIT)?.unwrap_or_default();
    if bytes.len() <= MAX_BYTES {
        return Ok(());
    }
    let newer = &bytes[bytes.len() / 2..];
    let whole_line = newer.iter().position(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    tree.replace(AUDIT, &newer[whole_line..], 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        let made = crate::system::Moment { time: 1, boot: "B".into(), clock: 1 };
        let request = Request::new(Operation::CloseAll {}, "ada", made);
        let long = Response::failed(Outcome::Unchanged, "x".repeat(200_000));
        for time in 0..9 {
            append(&tree, &request, &long, time).unwrap();
        }
        let text = String::from_utf8(tree.read(AUDIT).unwrap().unwrap()).unwrap();
        assert!(text.len() <= MAX_BYTES + 300_000);
        let times: Vec<i64> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].as_i64().unwrap())
            .collect();
        assert_eq!(times.last(), Some(&8));
        assert!(times.len() < 9);
    }
}
