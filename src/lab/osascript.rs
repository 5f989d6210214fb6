//! The stand-in for `/usr/bin/osascript`: reads one AppleScript statement, answers the prompt as `lab.toml`
//! says, and runs the command through a real shell.
//!
//! ```
//! use portcullis::lab::osascript::Statement;
//! let script = r#"do shell script "echo \"hi\"" with prompt "May I?" with administrator privileges"#;
//! let statement = Statement::parse(script).unwrap();
//! assert_eq!(statement.command, r#"echo "hi""#);
//! assert_eq!(statement.prompt.as_deref(), Some("May I?"));
//! assert!(Statement::parse("beep").is_err());
//! ```
//!
//! It knows `do shell script`, `display alert`, and nothing else, because what it is for is to hold our quoting
//! to AppleScript's rules: a script that a Mac would read otherwise must fail here.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::config::{DialogReply, LabConfig, Prompt};
use super::directory::take_directory;
use super::error::LabError;
use super::store::init;
use crate::os::process::{ProcessError, Program};
use crate::os::{FileError, Files};

/// How long a command may run: longer than any caller waits.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);
/// Where the prompts that were shown are written down, one line of JSON for each.
pub const PROMPTS_LOG: &str = "/private/var/log/prompts.log";
/// As [`PROMPTS_LOG`], of the dialogs for which no rights are asked.
pub const DIALOGS_LOG: &str = "/private/var/log/dialogs.log";
/// As [`DIALOGS_LOG`], of the notifications.
pub const NOTIFICATIONS_LOG: &str = "/private/var/log/notifications.log";

const USAGE: &str = "usage: osascript-lab [--lab DIR] -e 'do shell script \"...\" ...'";

/// One `do shell script`, its strings read by AppleScript's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text for `/bin/sh -c`.
    pub command: String,
    /// What the dialog says.
    pub prompt: Option<String>,
    /// Whether an administrator is asked for.
    pub administrator: bool,
    /// Whether line feeds in the result become carriage returns.
    pub alter_line_endings: bool,
}

impl Statement {
    /// Reads a script of one statement; the clauses after the command may stand in any order.
    ///
    /// Errors: anything else, with the place as osascript prints it (`START:END: syntax error: … (N)`).
    pub fn parse(script: &str) -> Result<Self, SyntaxError> {
        let mut words = ScriptWords { script, rest: script.trim_end() };
        words.expect(&["do", "shell", "script"])?;
        let mut statement = Statement {
            command: words.text()?,
            prompt: None,
            administrator: false,
            alter_line_endings: true,
        };
        while let Some(word) = words.word()? {
            match word {
                "with" if words.take("prompt") && statement.prompt.is_none() => {
                    statement.prompt = Some(words.text()?);
                }
                "with" if words.take("administrator") && !statement.administrator => {
                    words.expect(&["privileges"])?;
                    statement.administrator = true;
                }
                "without" if words.take("altering") && statement.alter_line_endings => {
                    words.expect(&["line", "endings"])?;
                    statement.alter_line_endings = false;
                }
                _ => return Err(words.error("Expected end of line, etc. but found identifier.", -2741)),
            }
        }
        Ok(statement)
    }
}

/// One `display alert` with a message and buttons of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub title: String,
    pub message: String,
    pub buttons: Vec<String>,
    /// The place of a button, from 1.
    default: Option<usize>,
    cancel: Option<usize>,
}

impl Alert {
    /// The clauses after the title may stand in any order. Errors: as of [`Statement::parse`].
    pub fn parse(script: &str) -> Result<Self, SyntaxError> {
        let mut words = ScriptWords { script, rest: script.trim_end() };
        words.expect(&["display", "alert"])?;
        let title = words.text()?;
        let mut alert =
            Alert { title, message: String::new(), buttons: Vec::new(), default: None, cancel: None };
        while let Some(word) = words.word()? {
            match word {
                "message" if alert.message.is_empty() => alert.message = words.text()?,
                "buttons" if alert.buttons.is_empty() => alert.buttons = words.list()?,
                "default" if words.take("button") && alert.default.is_none() => {
                    alert.default = Some(words.place()?);
                }
                "cancel" if words.take("button") && alert.cancel.is_none() => {
                    alert.cancel = Some(words.place()?);
                }
                _ => return Err(words.error("Expected end of line, etc. but found identifier.", -2741)),
            }
        }
        // AppleScript takes three buttons at most.
        let count = alert.buttons.len();
        let is_button = |place: &usize| *place <= count;
        if (1..=3).contains(&count) && alert.default.iter().chain(&alert.cancel).all(is_button) {
            Ok(alert)
        } else {
            Err(words.error("Can’t make some data into the expected type.", -1700))
        }
    }

    /// What osascript says of it. `None`: it is never answered.
    fn answer(
        &self,
        reply: DialogReply,
        failure: impl Fn(&str, i32) -> PromptAnswer,
    ) -> Option<PromptAnswer> {
        // The last button is the default one where none is named.
        let default = self.default.unwrap_or(self.buttons.len());
        let is_other = |place: &usize| *place != default && Some(*place) != self.cancel;
        let clicked = |place: usize| {
            let title = self.buttons.get(place - 1).map_or("", String::as_str);
            PromptAnswer { code: 0, stdout: format!("button returned:{title}\n"), stderr: String::new() }
        };
        Some(match reply {
            DialogReply::Default => clicked(default),
            DialogReply::Other => clicked((1..=self.buttons.len()).find(is_other).unwrap_or(default)),
            DialogReply::Cancel => failure("User canceled.", -128),
            DialogReply::NoGui => failure("No user interaction allowed.", -1713),
            DialogReply::Hang => return None,
        })
    }
}

/// One `display notification` with a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    pub text: String,
    pub title: String,
}

impl Banner {
    /// Errors: as of [`Statement::parse`].
    pub fn parse(script: &str) -> Result<Self, SyntaxError> {
        let mut words = ScriptWords { script, rest: script.trim_end() };
        words.expect(&["display", "notification"])?;
        let text = words.text()?;
        words.expect(&["with", "title"])?;
        let title = words.text()?;
        match words.word()? {
            None => Ok(Banner { text, title }),
            Some(_) => Err(words.error("Expected end of line, etc. but found identifier.", -2741)),
        }
    }
}

/// Why a script was not understood, in osascript's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{start}:{end}: syntax error: {message} ({number})")]
pub struct SyntaxError {
    start: usize,
    end: usize,
    message: &'static str,
    number: i32,
}

/// The script that is left to read.
struct ScriptWords<'a> {
    script: &'a str,
    rest: &'a str,
}

impl<'a> ScriptWords<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// The next bare word, or `None` at the end.
    fn word(&mut self) -> Result<Option<&'a str>, SyntaxError> {
        self.skip_space();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("Expected end of line, etc. but found unknown token.", -2741));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Some(word))
    }

    /// Takes the next word if it is `wanted`.
    fn take(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        let found = matches!(self.word(), Ok(Some(word)) if word == wanted);
        if !found {
            self.rest = before;
        }
        found
    }

    fn expect(&mut self, wanted: &[&str]) -> Result<(), SyntaxError> {
        for word in wanted {
            if !self.take(word) {
                return Err(self.error("A identifier can’t go after this identifier.", -2740));
            }
        }
        Ok(())
    }

    /// `{TEXT, TEXT}`.
    fn list(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut texts = Vec::new();
        let mut is_open = self.sign('{');
        while is_open {
            texts.push(self.text()?);
            is_open = self.sign(',');
        }
        if !texts.is_empty() && self.sign('}') {
            Ok(texts)
        } else {
            Err(self.error("Expected “}” but found unknown token.", -2741))
        }
    }

    /// The place of a button, from 1.
    fn place(&mut self) -> Result<usize, SyntaxError> {
        let number = self.word()?.and_then(|word| word.parse().ok()).filter(|place| *place > 0);
        number.ok_or_else(|| self.error("Expected number but found something else.", -2741))
    }

    /// A string literal, or several texts in parentheses, joined by `&`.
    fn text(&mut self) -> Result<String, SyntaxError> {
        if !self.sign('(') {
            return self.string();
        }
        let mut text = self.part()?;
        while self.sign('&') {
            text += &self.part()?;
        }
        if self.sign(')') {
            Ok(text)
        } else {
            Err(self.error("Expected “)” but found unknown token.", -2741))
        }
    }

    /// A string literal, or `(character id {…})`.
    fn part(&mut self) -> Result<String, SyntaxError> {
        if !self.sign('(') {
            return self.string();
        }
        self.expect(&["character", "id"])?;
        let mut text = String::new();
        let mut is_list = self.sign('{');
        while is_list {
            let number = self.word()?.and_then(|word| char::from_u32(word.parse().ok()?));
            text.push(number.ok_or_else(|| self.error("Expected number but found something else.", -2741))?);
            is_list = self.sign(',');
        }
        if !text.is_empty() && self.sign('}') && self.sign(')') {
            Ok(text)
        } else {
            Err(self.error("Expected “}” but found unknown token.", -2741))
        }
    }

    /// Takes a sign if it comes next.
    fn sign(&mut self, sign: char) -> bool {
        self.skip_space();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// A string literal: everything up to the next bare double quote, with `\\`, `\"`, `\n`, `\r` and `\t`
    /// read.
    fn string(&mut self) -> Result<String, SyntaxError> {
        self.skip_space();
        let Some(inside) = self.rest.strip_prefix('"') else {
            return Err(self.error("Expected string but found something else.", -2741));
        };
        let mut text = String::new();
        let mut characters = inside.char_indices();
        while let Some((place, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &inside[place + 1..];
                    return Ok(text);
                }
                '\\' => text.push(match characters.next() {
                    Some((_, quoted @ ('\\' | '"'))) => quoted,
                    Some((_, 'n')) => '\n',
                    Some((_, 'r')) => '\r',
                    Some((_, 't')) => '\t',
                    _ => {
                        self.rest = &inside[place..];
                        return Err(self.error("Expected “\"” but found unknown token.", -2741));
                    }
                }),
                other => text.push(other),
            }
        }
        Err(self.error("Expected “\"” but found end of script.", -2741))
    }

    /// An error at what comes next; places are counted in UTF-16 units, as AppleScript does.
    fn error(&self, message: &'static str, number: i32) -> SyntaxError {
        let count = |text: &str| text.encode_utf16().count();
        let read = self.script.trim_end().len() - self.rest.len();
        let start = count(self.script.get(..read).unwrap_or(self.script));
        SyntaxError { start, end: start + usize::from(!self.rest.is_empty()), message, number }
    }
}

/// What osascript ends with: its exit code and its two streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptAnswer {
    /// 0, or 1 for every kind of failure.
    pub code: u8,
    /// The result and a newline.
    pub stdout: String,
    /// `START:END: execution error: … (N)`.
    pub stderr: String,
}

/// Runs `script` in the lab of `directory`. `None`: the prompt is never answered.
pub fn run(directory: &Path, config: &LabConfig, script: &str) -> Option<PromptAnswer> {
    let misread = |error| PromptAnswer { code: 1, stdout: String::new(), stderr: format!("{error}\n") };
    let place = format!("0:{}", script.trim_end().encode_utf16().count());
    let failure = |message: &str, number: i32| PromptAnswer {
        code: 1,
        stdout: String::new(),
        stderr: format!("{place}: execution error: {message} ({number})\n"),
    };
    if script.trim_start().starts_with("display notification") {
        let shown = Banner::parse(script).map(|banner| write_down_banner(directory, &banner));
        return Some(match shown {
            Ok(Ok(())) => PromptAnswer { code: 0, stdout: String::new(), stderr: String::new() },
            Ok(Err(error)) => failure(&error.to_string(), -10000),
            Err(error) => misread(error),
        });
    }
    if script.trim_start().starts_with("display") {
        return match Alert::parse(script) {
            Ok(alert) => match write_down_alert(directory, &alert, config.dialog) {
                Ok(()) => alert.answer(config.dialog, failure),
                Err(error) => Some(failure(&error.to_string(), -10000)),
            },
            Err(error) => Some(misread(error)),
        };
    }
    let statement = match Statement::parse(script) {
        Ok(statement) => statement,
        Err(error) => return Some(misread(error)),
    };
    if statement.administrator {
        let prompt = statement.prompt.as_deref().unwrap_or_default();
        if let Err(error) = write_down(directory, prompt, &statement.command, config.prompt) {
            return Some(failure(&error.to_string(), -10000));
        }
        // The numbers are Apple's. Authorization Services' own (-60005 denied, -60007 no interaction) were
        // seen with the same words.
        const REFUSED: &str = "The administrator user name or password was incorrect.";
        match config.prompt {
            Prompt::Allow => {}
            Prompt::Cancel => return Some(failure("User canceled.", -128)),
            Prompt::Deny => return Some(failure(REFUSED, -60005)),
            Prompt::WrongPassword => {
                return Some(failure(REFUSED, -60007));
            }
            Prompt::NotAdmin => return Some(failure("A privilege violation occurred.", -10004)),
            Prompt::NoGui => return Some(failure("No user interaction allowed.", -1713)),
            Prompt::Hang => return None,
        }
    }
    let endings = |text: &str| match statement.alter_line_endings {
        true => text.replace("\r\n", "\r").replace('\n', "\r"),
        false => text.to_owned(),
    };
    let strip = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
    let command = Program::new("/bin/sh").args(["-c", &statement.command]).timeout(COMMAND_TIMEOUT);
    Some(match command.run() {
        Ok(output) if output.success() => PromptAnswer {
            code: 0,
            stdout: format!("{}\n", endings(&strip(&output.stdout))),
            stderr: String::new(),
        },
        Ok(output) if output.stderr.trim().is_empty() => {
            failure("The command exited with a non-zero status.", output.code)
        }
        Ok(output) => failure(&endings(&strip(&output.stderr)), output.code),
        Err(ProcessError::TimedOut { .. }) => failure("AppleEvent timed out.", -1712),
        Err(error) => failure(&error.to_string(), -10000),
    })
}

/// One line of [`PROMPTS_LOG`].
#[derive(Serialize)]
struct Shown<'a> {
    time: String,
    prompt: &'a str,
    command: &'a str,
    answer: Prompt,
}

fn write_down(directory: &Path, prompt: &str, command: &str, answer: Prompt) -> Result<(), FileError> {
    let shown = Shown { time: jiff::Timestamp::now().to_string(), prompt, command, answer };
    // Plain data with text keys: its JSON cannot fail.
    let line = serde_json::to_string(&shown).unwrap_or_default();
    Files::lab(directory).append_line(PROMPTS_LOG, &line)
}

fn write_down_alert(directory: &Path, alert: &Alert, answer: DialogReply) -> Result<(), FileError> {
    let Alert { title, message, buttons, .. } = alert;
    let line =
        serde_json::json!({ "title": title, "message": message, "buttons": buttons, "answer": answer });
    Files::lab(directory).append_line(DIALOGS_LOG, &line.to_string())
}

fn write_down_banner(directory: &Path, banner: &Banner) -> Result<(), FileError> {
    let Banner { text, title } = banner;
    let line = serde_json::json!({ "title": title, "text": text });
    Files::lab(directory).append_line(NOTIFICATIONS_LOG, &line.to_string())
}

/// The program `osascript-lab`: its arguments (without its own name) in, its exit code out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let (directory, scripts) = match read_arguments(arguments) {
        Ok(read) => read,
        Err(why) => {
            eprintln!("osascript-lab: {why}\n{USAGE}");
            return 1;
        }
    };
    let config = init(&directory).and_then(|()| LabConfig::read(&directory));
    let config = match config {
        Ok(config) => config,
        Err(why) => {
            eprintln!("osascript-lab: {why}");
            return 1;
        }
    };
    let Some(answer) = run(&directory, &config, &scripts.join("\n")) else {
        loop {
            std::thread::park();
        }
    };
    let _ = io::stderr().write_all(answer.stderr.as_bytes());
    match io::stdout().write_all(answer.stdout.as_bytes()) {
        Ok(()) => answer.code,
        Err(_) => 1,
    }
}

/// Why the arguments are refused.
#[derive(Debug, thiserror::Error)]
enum OsascriptUsage {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("unknown argument \"{}\"", .0.display())]
    Unknown(OsString),
    #[error("option requires an argument -- e")]
    NoValue,
    /// How osascript decodes it under `LANG=C` is not documented.
    #[error("the script is not ASCII")]
    NotAscii,
    #[error("no script: give one with -e")]
    NoScript,
}

fn read_arguments(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(PathBuf, Vec<String>), OsascriptUsage> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let directory = take_directory(&mut arguments)?;
    let mut scripts = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument != "-e" {
            return Err(OsascriptUsage::Unknown(argument));
        }
        let script = arguments.next().ok_or(OsascriptUsage::NoValue)?;
        let script = script.into_string().ok().filter(|script| script.is_ascii());
        scripts.push(script.ok_or(OsascriptUsage::NotAscii)?);
    }
    if scripts.is_empty() { Err(OsascriptUsage::NoScript) } else { Ok((directory, scripts)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(prompt: Prompt, script: &str) -> Option<PromptAnswer> {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), &LabConfig { prompt, ..LabConfig::default() }, script)
    }

    /// What the caller of osascript must do to a text: nothing but this is relied on.
    fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    #[test]
    fn clauses_in_any_order() {
        let clauses = ["with prompt \"p\"", "with administrator privileges", "without altering line endings"];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let script = format!("do shell script \"x\" {}", order.map(|place| clauses[place]).join(" "));
            let statement = Statement::parse(&script).unwrap();
            assert_eq!(statement.prompt.as_deref(), Some("p"));
            assert!(statement.administrator && !statement.alter_line_endings);
        }
    }

    #[test]
    fn strings_are_read_as_applescript_reads_them() {
        let statement = Statement::parse("do shell script \"a\\\\b\\\"c\\n\\r\\td\ne’\"").unwrap();
        assert_eq!(statement.command, "a\\b\"c\n\r\td\ne’");
    }

    #[test]
    fn texts_are_joined_and_characters_named() {
        let statement =
            Statement::parse("do shell script (\"B\" & (character id {252, 128512}) & \"ro\")").unwrap();
        assert_eq!(statement.command, "Bü😀ro");
    }

    #[test]
    fn everything_else_is_a_syntax_error() {
        for script in [
            "",
            "beep",
            "do shell script",
            "do shell script x",
            "do shell script \"x",
            "do shell script \"x\\q\"",
            "do shell script \"x\" with",
            "do shell script \"x\" with privileges",
            "do shell script \"x\" with administrator",
            "do shell script \"x\" without altering",
            "do shell script \"x\" with prompt p",
            "do shell script \"x\" & \"y\"",
            "do shell script (\"x\" & )",
            "do shell script (\"x\"",
            "do shell script (\"x\" & (character id {}))",
            "do shell script (\"x\" & (character id {55296}))",
            "do shell script (\"x\" & (character id {99))",
            "do shell script \"x\"\nbeep",
            "do shell script \"x\" with prompt \"a\" with prompt \"b\"",
            "do shell script \"x\" password \"secret\"",
        ] {
            let error = Statement::parse(script).unwrap_err().to_string();
            assert!(error.contains(": syntax error: "), "{script:?}: {error}");
            assert_eq!(answer(Prompt::Allow, script).unwrap().code, 1);
        }
        assert!(Statement::parse("do shell script \"é\" &").unwrap_err().to_string().starts_with("20:21: "));
    }

    #[test]
    fn results_are_given_as_osascript_gives_them() {
        let plain = answer(Prompt::Allow, "do shell script \"printf 'a\\\\nb\\\\n\\\\n'\"").unwrap();
        assert_eq!((plain.code, plain.stdout.as_str()), (0, "a\rb\r\n"));
        let kept = answer(Prompt::Allow, "do shell script \"echo a; echo b\" without altering line endings");
        assert_eq!(kept.unwrap().stdout, "a\nb\n");
        assert_eq!(answer(Prompt::Allow, "do shell script \"true\"").unwrap().stdout, "\n");
    }

    #[test]
    fn failures_carry_the_message_and_the_status() {
        let script = "do shell script \"echo no >&2; exit 3\" with administrator privileges";
        let failed = answer(Prompt::Allow, script).unwrap();
        assert_eq!(failed.code, 1);
        assert_eq!(failed.stderr, format!("0:{}: execution error: no (3)\n", script.len()));
        let silent = answer(Prompt::Allow, "do shell script \"exit 4\"").unwrap();
        assert!(silent.stderr.ends_with("The command exited with a non-zero status. (4)\n"));
    }

    #[test]
    fn alerts_are_answered_without_rights() {
        let script = "display alert (\"Sure\" & \"?\") message \"m\" buttons {\"Cancel\", \"No\", \"Yes\"} default \
                      button 3 cancel button 1";
        let directory = tempfile::tempdir().unwrap();
        let said = |dialog| {
            let answer =
                run(directory.path(), &LabConfig { dialog, ..LabConfig::default() }, script).unwrap();
            (answer.code, answer.stdout + answer.stderr.split_once("error: ").map_or("", |(_, error)| error))
        };
        assert_eq!(said(DialogReply::Default), (0, "button returned:Yes\n".into()));
        assert_eq!(said(DialogReply::Other), (0, "button returned:No\n".into()));
        assert_eq!(said(DialogReply::Cancel), (1, "User canceled. (-128)\n".into()));
        assert_eq!(said(DialogReply::NoGui), (1, "No user interaction allowed. (-1713)\n".into()));
        let log = std::fs::read_to_string(Files::lab(directory.path()).place(DIALOGS_LOG)).unwrap();
        assert_eq!(log.lines().count(), 4);
        assert!(log.contains("\"title\":\"Sure?\""), "{log}");
        for script in [
            "display alert",
            "display alert \"x\"",
            "display alert \"x\" buttons {\"a\", \"b\", \"c\", \"d\"}",
            "display alert \"x\" buttons {\"a\", \"b\", \"c\"} default button 4 cancel button 1",
            "display alert \"x\" buttons {\"a\", \"b\", \"c\" default button 3 cancel button 1",
            "display alert \"x\" buttons {\"a\", \"b\", \"c\"} default button 3 cancel button 1 beep",
        ] {
            let answer = answer(Prompt::Allow, script).unwrap();
            assert!(answer.code == 1 && answer.stderr.contains("syntax error"), "{script}");
        }
    }

    #[test]
    fn prompts_are_answered_and_written_down() {
        let script = "do shell script \"echo ran\" with prompt \"May I?\" with administrator privileges";
        let directory = tempfile::tempdir().unwrap();
        let expected = [
            (Prompt::Cancel, "(-128)"),
            (Prompt::Deny, "(-60005)"),
            (Prompt::WrongPassword, "(-60007)"),
            (Prompt::NotAdmin, "(-10004)"),
            (Prompt::NoGui, "(-1713)"),
        ];
        for (prompt, number) in expected {
            let config = LabConfig { prompt, ..LabConfig::default() };
            let answer = run(directory.path(), &config, script).unwrap();
            assert_eq!((answer.code, answer.stdout.as_str()), (1, ""));
            assert!(answer.stderr.trim_end().ends_with(number), "{prompt:?}: {}", answer.stderr);
        }
        assert_eq!(answer(Prompt::Hang, script), None);
        let log = std::fs::read_to_string(Files::lab(directory.path()).place(PROMPTS_LOG)).unwrap();
        assert_eq!(log.lines().count(), expected.len());
        let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!((first["prompt"].as_str(), first["answer"].as_str()), (Some("May I?"), Some("cancel")));
        // Without administrator privileges there is no prompt.
        assert_eq!(answer(Prompt::Cancel, "do shell script \"echo ran\"").unwrap().stdout, "ran\n");
    }

    proptest::proptest! {
        #[test]
        fn quoting_survives(text in "[^\0]{0,60}") {
            let script = format!("do shell script {} with prompt {}", quoted(&text), quoted(&text));
            let statement = Statement::parse(&script).unwrap();
            proptest::prop_assert_eq!(&statement.command, &text);
            proptest::prop_assert_eq!(statement.prompt, Some(text));
        }

        #[test]
        fn our_own_quoting_survives_and_is_ascii(text in "[^\0]{0,60}") {
            let quoted = crate::elevate::quote::applescript(&text);
            proptest::prop_assert!(quoted.is_ascii(), "{}", quoted);
            let statement = Statement::parse(&format!("do shell script {quoted} with prompt {quoted}")).unwrap();
            proptest::prop_assert_eq!(&statement.command, &text);
            proptest::prop_assert_eq!(statement.prompt, Some(text));
        }

        #[test]
        fn never_panics(script in "\\PC{0,60}", tail in "[a-z \"\\\\]{0,40}") {
            let _ = Statement::parse(&script).map_err(|error| error.to_string());
            let _ = Statement::parse(&format!("do shell script {tail}")).map_err(|error| error.to_string());
        }
    }
}
