//! One line for each request, granted, refused or malformed, in a log that does not grow without bound.
//!
//! A line is written before the answer is given, under a lock of the log's own, so that a request that waits in vain for
//! its turn has one too. Three files are kept: the log, and the two before it.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::os::hash;
use crate::os::{self, FileError, Files};
use crate::root::answer::{Outcome, Response};
use crate::root::caller::Caller;
use crate::root::request::Request;
use crate::root::snapshot;
use crate::rules::ledger::Seconds;
use crate::rules::ledger_change::LedgerChange;
use crate::system::{AUDIT, AUDIT_LOCK, OLDER_AUDITS, System};

/// A line that would make the log longer than this many bytes begins another.
const MAX_BYTES: u64 = 1024 * 1024;
/// How much of a malformed request is kept, in bytes.
const MAX_WORDS: usize = 64 * 1024;
/// How long a line waits for those before it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a line is about.
#[derive(Clone, Copy, Debug)]
pub enum AuditedRequest<'a> {
    Valid(&'a Request),
    /// The arguments of a helper that could not make a request of them.
    Malformed(&'a [OsString]),
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Version of this form: [`AuditLine::VERSION`].
    pub version: u32,
    pub time: Seconds,
    #[serde(flatten)]
    pub caller: Caller,
    /// The name of the user that the request counts as.
    pub by: String,
    /// The name that the request gives: a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<String>,
    pub helper: HelperBuild,
    /// The whole request, in the form of the helper that wrote the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// The words of a malformed one; what is not UTF-8 in them is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    pub ok: bool,
    pub outcome: Outcome,
    pub message: String,
    /// The number of the snapshot that was taken before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u32>,
    /// What the change did to the ledger, which every user may read; the snapshot is root's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<LedgerChange>,
}

/// Which helper wrote a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperBuild {
    pub version: String,
    /// The SHA-256 of its file; `None` where that could not be read.
    pub sha256: Option<String>,
}

impl AuditLine {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 2;
}

/// The lines of the log, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditLog {
    pub lines: Vec<AuditLine>,
    /// How many lines are not in the form of this version.
    pub unreadable: usize,
}

/// Writes down what was asked and what came of it; gives the answer, which says so where that failed: a log that cannot
/// be written takes nothing away from what was done.
pub fn record(system: &dyn System, asked: AuditedRequest, answer: Response) -> Response {
    match append(&system.files(), &line(system, asked, &answer)) {
        Ok(()) => answer,
        Err(error) => {
            let message = format!("{} (the audit log was not written: {error})", answer.message);
            Response { message, ..answer }
        }
    }
}

/// Reads the log. Errors: a file of it cannot be read.
pub fn read(tree: &Files) -> Result<AuditLog, FileError> {
    let mut log = AuditLog::default();
    for path in OLDER_AUDITS.iter().rev().chain([&AUDIT]) {
        let bytes = tree.read(path)?.unwrap_or_default();
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<AuditLine>(line) {
                Ok(line) if line.version == AuditLine::VERSION => log.lines.push(line),
                _ => log.unreadable += 1,
            }
        }
    }
    Ok(log)
}

fn line(system: &dyn System, asked: AuditedRequest, answer: &Response) -> AuditLine {
    let caller = Caller::of_process(system);
    let Response { ok, outcome, message, snapshot, .. } = answer.clone();
    let manifest = snapshot.and_then(|number| snapshot::read(&system.files(), number).ok());
    let change = manifest.and_then(|manifest| manifest.change).map(|change| change.ledger);
    let (asker, request, words) = match asked {
        // Plain data with text keys: its JSON cannot fail.
        AuditedRequest::Valid(request) => {
            (Some(request.asker.clone()), serde_json::to_value(request).ok(), None)
        }
        AuditedRequest::Malformed(words) => (None, None, Some(readable(words))),
    };
    AuditLine {
        version: AuditLine::VERSION,
        time: system.now(),
        caller,
        by: os::user_of(caller.user()),
        asker,
        helper: own_build(),
        request,
        words,
        ok,
        outcome,
        message,
        snapshot,
        change,
    }
}

/// The words as text, the last of them cut where all are too long.
fn readable(words: &[OsString]) -> Vec<String> {
    let mut room = MAX_WORDS;
    let mut readable = Vec::new();
    for word in words {
        let mut word = word.to_string_lossy().into_owned();
        if word.len() > room {
            word.truncate(word.floor_char_boundary(room));
            readable.push(word + "…");
            break;
        }
        room -= word.len();
        readable.push(word);
    }
    readable
}

/// The helper that runs, as it is on disk.
fn own_build() -> HelperBuild {
    static SHA256: OnceLock<Option<String>> = OnceLock::new();
    let sha256 =
        SHA256.get_or_init(|| std::env::current_exe().and_then(|path| hash::of_file(&path)).ok()).clone();
    HelperBuild { version: env!("CARGO_PKG_VERSION").to_owned(), sha256 }
}

fn append(tree: &Files, line: &AuditLine) -> Result<(), FileError> {
    // Plain data with text keys: its JSON cannot fail, and holds no newline.
    let text = serde_json::to_string(line).unwrap_or_default();
    let _lock = tree.lock(AUDIT_LOCK, PATIENCE)?;
    // Before the log gets another name, under which no line is appended.
    if tree.cut_torn_line(AUDIT)? + text.len() as u64 > MAX_BYTES {
        // From the oldest on: a crash in between loses the oldest alone.
        let [newer, older] = OLDER_AUDITS;
        for (from, to) in [(newer, older), (AUDIT, newer)] {
            tree.rename(from, to.rsplit('/').next().unwrap_or(to))?;
        }
    }
    tree.append_line(AUDIT, &text)
}

/// Takes away the part of a line that a helper that was killed left at the end of the log.
pub fn mend(tree: &Files) -> Result<(), FileError> {
    if tree.length(AUDIT)? > 0 {
        // Who holds it appends a line, and does the same before.
        let _lock = tree.lock(AUDIT_LOCK, Duration::ZERO)?;
        tree.cut_torn_line(AUDIT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: i64) -> AuditLine {
        AuditLine {
            version: AuditLine::VERSION,
            time: number,
            caller: Caller { uid: 0, sudo_uid: None, console_uid: Some(501) },
            by: "ada".into(),
            asker: Some("ada".into()),
            helper: own_build(),
            request: None,
            words: Some(vec!["fly".into()]),
            ok: false,
            outcome: Outcome::Unchanged,
            message: "x\ny".repeat(50_000),
            snapshot: None,
            change: None,
        }
    }

    #[test]
    fn three_files_are_kept_of_whole_lines() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        for number in 0..40 {
            append(&tree, &sample(number)).unwrap();
        }
        let AuditLog { lines, unreadable } = read(&tree).unwrap();
        let times: Vec<i64> = lines.iter().map(|line| line.time).collect();
        assert_eq!(times, (40 - times.len() as i64..40).collect::<Vec<_>>());
        assert!(times.len() > 10 && unreadable == 0);
        let names = tree.list("/Library/Logs/Portcullis").unwrap();
        assert_eq!(names, ["audit.1.jsonl", "audit.2.jsonl", "audit.jsonl", "lock"]);
        for path in OLDER_AUDITS.into_iter().chain([AUDIT]) {
            assert!(tree.length(path).unwrap() <= MAX_BYTES, "{path}");
        }
        // A crash between the two renames.
        tree.rename(OLDER_AUDITS[0], "audit.2.jsonl").unwrap();
        append(&tree, &sample(40)).unwrap();
        assert_eq!(read(&tree).unwrap().lines.last().unwrap().time, 40);
    }

    #[test]
    fn a_part_of_a_line_goes_before_the_log_is_put_away_too() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        let tear = |bytes: usize| {
            let torn = serde_json::to_string(&sample(2)).unwrap()[..bytes].to_owned();
            let path = directory.path().join(AUDIT.trim_start_matches('/'));
            let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            std::io::Write::write_all(&mut log, torn.as_bytes()).unwrap();
        };
        mend(&tree).unwrap();
        append(&tree, &sample(1)).unwrap();
        tear(20);
        mend(&tree).unwrap();
        assert_eq!(read(&tree).unwrap(), AuditLog { lines: vec![sample(1)], unreadable: 0 });
        for number in 2..10 {
            tear(100_000);
            append(&tree, &sample(number)).unwrap();
        }
        let log = read(&tree).unwrap();
        assert!(tree.length(OLDER_AUDITS[0]).unwrap() > 0);
        assert_eq!((log.lines.len(), log.unreadable), (9, 0));
    }

    #[test]
    fn what_is_no_line_of_this_version_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        let line = serde_json::to_string(&sample(1)).unwrap();
        let other = line.replacen("\"version\":2", "\"version\":1", 1);
        tree.replace(AUDIT, format!("junk\n{line}\n{other}\n").as_bytes(), 0o644).unwrap();
        assert_eq!(read(&tree).unwrap(), AuditLog { lines: vec![sample(1)], unreadable: 2 });
    }

    #[test]
    fn a_malformed_request_is_kept_to_a_bound() {
        let words: Vec<OsString> = vec!["apply".into(), "ä".repeat(MAX_WORDS).into(), "more".into()];
        let kept = readable(&words);
        assert_eq!((kept.len(), kept[0].as_str()), (2, "apply"));
        assert!(kept[1].len() < MAX_WORDS && kept[1].ends_with('…'));
    }
}
