//! The scripts that a job of launchd runs, and those that these run in turn.

use crate::os::{self, PlainFileError};
use crate::pf::recipes::shell;
use crate::system::System;

/// A script that is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub path: String,
    /// `Err`: the user whose file root does not read.
    pub text: Result<String, String>,
}

/// More than any such file has, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// More scripts than any job about pf runs.
const MOST_SCRIPTS: usize = 20;
/// More lines of a script than lead to others.
const MOST_LINES: usize = 2_000;

/// The scripts of a job by its words, the first one first.
pub fn of_job(system: &dyn System, words: &[String]) -> Vec<Script> {
    let mut found: Vec<Script> = Vec::new();
    add(system, words, &mut found);
    let mut next = 0;
    while let Some(script) = found.get(next).filter(|_| found.len() < MOST_SCRIPTS) {
        let text = script.text.clone().unwrap_or_default();
        for words in shell::script_lines(&text, MOST_LINES).iter().flat_map(|line| &line.commands) {
            add(system, words, &mut found);
        }
        next += 1;
    }
    found
}

/// Adds the scripts that a command runs.
fn add(system: &dyn System, words: &[String], found: &mut Vec<Script>) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = shell::without_prefix(&words);
    let inner = shell::inner(words);
    let inner: Vec<Vec<String>> = inner.iter().flat_map(|text| shell::commands(text)).collect();
    let of_shell = |index: usize| {
        let before = words.get(..index).unwrap_or_default();
        let is_shell = |word: &str| matches!(word, "." | "source") || shell::base_name(word).ends_with("sh");
        before.iter().rfind(|word| !word.starts_with('-')).is_some_and(|word| is_shell(word))
    };
    for (index, path) in words.iter().enumerate().filter(|(_, word)| word.starts_with('/')) {
        let is_run = index == 0 || of_shell(index);
        let is_known = found.len() >= MOST_SCRIPTS || found.iter().any(|script| script.path == **path);
        let text = match bytes(system, path) {
            _ if is_known => continue,
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) if text.starts_with("#!") || of_shell(index) => Ok(text),
                _ => continue,
            },
            Err(PlainFileError::OfAnother(user)) if is_run => Err(user),
            Err(_) => continue,
        };
        found.push(Script { path: (*path).to_owned(), text });
    }
    for words in inner {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let words = shell::without_prefix(&words);
        let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        // One shell in another is enough.
        if shell::inner(words).is_empty() {
            add(system, &owned, found);
        }
    }
}

pub fn text(system: &dyn System, path: &str) -> Option<String> {
    String::from_utf8(bytes(system, path).ok()?).ok()
}

/// A plain file that is not too large.
pub fn bytes(system: &dyn System, path: &str) -> Result<Vec<u8>, PlainFileError> {
    os::read_plain(&system.place(path), LARGEST)
}
