//! `portcullis check FILE`: all problems of a pf.conf.

use std::path::PathBuf;

use serde::Serialize;

use super::check_script;
use super::files::{IncludedFiles, text_of};
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::names;
use portcullis::pf::load::LoadedConf;
use portcullis::pf::lookup::SystemName;
use portcullis::pf::parse::{Fault, Problem, parse};
use portcullis::pf::recipes::{UselessLine, Uselessness, useless_lines};
use portcullis::pf::rule::SourceLine;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::slips::mended;
use portcullis::pf::surprises;
use portcullis::pf::uncalled::UncalledAnchor;

#[derive(Debug, clap::Args)]
pub struct CheckCommand {
    /// The file
    file: PathBuf,
    /// The folder that stands for /etc/pf.anchors: loaded anchors are checked too
    #[arg(long, value_name = "DIR")]
    anchors: Option<PathBuf>,
}

/// A mend is tried by reading the whole text again: for so many problems, in a text of so many bytes.
const MAXIMUM_MENDS: usize = 50;
const MAXIMUM_MENDED_TEXT: usize = 200_000;

/// The most notes of one kind: a generated file may have a thousand.
const MAXIMUM_NOTES: usize = 20;

impl CheckCommand {
    pub fn run(self) -> Run {
        let follows_loads = self.anchors.is_some() || cfg!(target_os = "macos");
        let mut files = IncludedFiles::new(self.anchors);
        let bytes = files.main_bytes(&self.file)?;
        let text = text_of(&bytes);
        if let Some(checked) = check_script::checked(&self.file, &bytes, &text) {
            return checked;
        }
        let path = self.file.display().to_string();
        let conf = Rulesets::load_conf(&path, &text, &mut |path| files.include(path));
        let conf = conf.with_names(&mut names::ask);
        let mut checked = Checked { problems: conf.refusals(follows_loads), notes: Vec::new() };
        checked.note_unread(&conf, follows_loads);
        checked.mend(&path, &text, &mut files);
        checked.take_uncalled(&conf.rulesets);
        checked.note_names(&conf.unasked);
        checked.take_surprises(&conf.rulesets);
        checked.take_settings(&path, &text, &conf);
        // The process ends with this command: thousands of rules are not freed one by one before.
        std::mem::forget(conf);
        Ok(Box::new(checked.output(self.file, files)))
    }
}

struct Checked {
    problems: Vec<Problem>,
    notes: Vec<String>,
}

impl Checked {
    /// A file that this machine does not have is not a mistake of the file that names it.
    fn note_unread(&mut self, conf: &LoadedConf, follows_loads: bool) {
        for Problem { path, line, message, fault, .. } in &conf.problems {
            if self.does_not_read(path, *line) {
                continue;
            }
            let cure = match fault {
                Fault::Load if follows_loads => continue,
                Fault::Load => "; --anchors names the folder that stands for /etc/pf.anchors",
                Fault::File => "",
                _ => continue,
            };
            self.notes.push(format!("{path}:{line}: {message}: it was not looked at{cure}"));
        }
        let unsure = conf.doubts.iter().filter(|doubt| doubt.fault == Fault::Unsure);
        self.notes.extend(unsure.map(|doubt| format!("{}:{}: {}", doubt.path, doubt.line, doubt.message)));
    }

    /// A line whose own words do not read says nothing yet of the file that it loads.
    fn does_not_read(&self, path: &str, line: usize) -> bool {
        let mut own = self.problems.iter().filter(|problem| &*problem.path == path && problem.line == line);
        own.any(|problem| matches!(problem.fault, Fault::Syntax | Fault::Meaning))
    }

    /// Says what to write, where a line has a usual slip.
    fn mend(&mut self, path: &str, text: &str, files: &mut IncludedFiles) {
        if text.len() > MAXIMUM_MENDED_TEXT {
            return;
        }
        let lines: Vec<&str> = text.lines().collect();
        let own = self.problems.iter_mut().filter(|problem| &*problem.path == path);
        let mut readable = Readable { path, lines: &lines, files };
        for problem in
            own.filter(|problem| !matches!(problem.fault, Fault::Load | Fault::Name)).take(MAXIMUM_MENDS)
        {
            // A brace that is not closed is noticed in a later line.
            let above = lines.get(..problem.line.saturating_sub(1)).unwrap_or_default();
            let above = above.iter().rposition(|line| !line.trim().is_empty()).map(|index| index + 1);
            let number = above.filter(|_| problem.text.trim().is_empty()).unwrap_or(problem.line);
            let line = lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
            let Some(slip) = mended(line, &mut |better| readable.reads(number, better)) else { continue };
            if number != problem.line {
                (problem.line, problem.column, problem.caret) = (number, 1, 0);
                problem.text = line.to_owned();
            }
            let before = match problem.message.split_once("): ") {
                Some((of_macro, _)) if of_macro.starts_with("in the value of ") => format!("{of_macro}): "),
                _ if problem.fault == Fault::Refused => "macOS's pfctl refuses this: ".to_owned(),
                _ => String::new(),
            };
            let lines: Vec<String> = slip.line.lines().map(|line| format!("`{line}`")).collect();
            problem.message =
                format!("{before}{}: write {}", slip.says, lines.join(", and in the next line "));
        }
    }

    /// Anchors that pfctl loads, and whose rules are never evaluated.
    fn take_uncalled(&mut self, loaded: &Rulesets) {
        for UncalledAnchor { path, place, needs, has, unread, .. } in loaded.uncalled() {
            let calls: Vec<String> = needs.iter().map(|word| format!("`{word} \"{path}\"`")).collect();
            let calls = calls.join(" and ");
            let message = match (unread, has.as_slice()) {
                (true, _) if self.does_not_read(&place.path, place.line) => continue,
                (true, _) => {
                    self.notes.push(format!(
                        "{place}: anchor {path} is loaded, but no rule calls it: rules in its file are never evaluated; \
                         add {calls} before it"
                    ));
                    continue;
                }
                (false, []) => format!(
                    "anchor {path} is loaded, but no rule calls it: its rules are never evaluated; add {calls} before it"
                ),
                (false, has) => format!(
                    "anchor {path} is called by `{}` alone, which its other rules do not obey: they are never evaluated; \
                     add {calls}, where such rules stand",
                    has.join("`, `")
                ),
            };
            let text = format!("load anchor \"{path}\"");
            let (path, line) = (place.path, place.line);
            self.problems.push(Problem {
                path,
                line,
                column: 1,
                message,
                text,
                caret: 0,
                fault: Fault::NoEffect,
            });
        }
    }

    /// Names that pfctl asks the system for, and that were not asked for here.
    fn note_names(&mut self, unasked: &[(SourceLine, SystemName)]) {
        let notes = unasked.iter().map(|(place, name)| {
            let lacks = match name {
                SystemName::Interface(_) => "has none",
                _ => "does not know it",
            };
            format!("{place}: pfctl asks the system for {name}; a Mac that {lacks} loads nothing of the file")
        });
        self.notes.extend(notes.take(MAXIMUM_NOTES));
    }

    fn take_surprises(&mut self, loaded: &Rulesets) {
        let mut said = Vec::new();
        for path in loaded.anchor_paths() {
            for placed in loaded.anchor(path).into_iter().flat_map(|ruleset| ruleset.rules()) {
                for surprise in surprises::of_rule(loaded, &placed.item) {
                    if said.len() < MAXIMUM_NOTES && !said.contains(&surprise) {
                        self.notes.push(format!("{}: {surprise}", placed.place));
                        said.push(surprise);
                    }
                }
            }
        }
        self.notes.extend(surprises::of_options(loaded).iter().map(ToString::to_string));
    }

    /// Lines that pfctl reads as something else than they were to be.
    fn take_settings(&mut self, path: &str, text: &str, conf: &LoadedConf) {
        for UselessLine { number, text, why } in useless_lines(path, text, conf) {
            if why == Uselessness::Setting {
                let (path, message) = (path.into(), format!("{why}; take it out"));
                let fault = Fault::NoEffect;
                self.problems.push(Problem { path, line: number, column: 1, message, text, caret: 0, fault });
            }
        }
    }

    fn output(self, file: PathBuf, files: IncludedFiles) -> CheckOutput {
        let Checked { problems, mut notes } = self;
        let said: Vec<String> =
            problems.iter().map(|problem| problem.message.clone()).chain(notes.clone()).collect();
        notes.extend(files.notes(&said));
        CheckOutput { file, problems, notes }
    }
}

/// The text in which a line may be replaced.
struct Readable<'t> {
    path: &'t str,
    lines: &'t [&'t str],
    files: &'t mut IncludedFiles,
}

impl Readable<'_> {
    /// Whether nothing is wrong with the line any more once `better` stands in its place.
    fn reads(&mut self, line: usize, better: &str) -> bool {
        let before = self.lines.get(..line.saturating_sub(1)).unwrap_or_default();
        let behind = self.lines.get(line..).unwrap_or_default();
        let text = [before, &[better], behind].concat().join("\n") + "\n";
        let parsed = parse(self.path, &text, &mut |path| self.files.include(path));
        let end = line + better.matches('\n').count();
        let is_of_line =
            |problem: &Problem| &*problem.path == self.path && (line..=end).contains(&problem.line);
        // Rules of another kind may have to move besides, and a file may be another machine's.
        let is_else = |problem: &Problem| {
            problem.fault == Fault::File || problem.message.starts_with("Rules must be in order")
        };
        !parsed.problems.iter().any(|problem| is_of_line(problem) && !is_else(problem))
            && !parsed.doubts.iter().any(|doubt| is_of_line(doubt) && doubt.fault == Fault::Refused)
    }
}

struct CheckOutput {
    file: PathBuf,
    problems: Vec<Problem>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    version: u32,
    file: &'a std::path::Path,
    ok: bool,
    problems: Vec<ProblemJson<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    path: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    text: &'a str,
}

impl<'a> ProblemJson<'a> {
    fn of(problem: &'a Problem) -> Self {
        let Problem { path, line, column, message, text, .. } = problem;
        ProblemJson { path, line: *line, column: *column, message, text }
    }
}

impl CommandOutput for CheckOutput {
    fn json(&self) -> String {
        pretty(&CheckJson {
            version: 1,
            file: &self.file,
            ok: self.problems.is_empty(),
            problems: self.problems.iter().map(ProblemJson::of).collect(),
            notes: &self.notes,
        })
    }

    fn text(&self) -> String {
        let name = self.file.display();
        let mut text: String = self.problems.iter().map(|problem| format!("{problem}\n")).collect();
        text.extend(self.notes.iter().map(|note| format!("note: {note}\n")));
        let is_loaded = self.problems.iter().all(|problem| problem.fault == Fault::NoEffect);
        let effect = if is_loaded {
            "pfctl loads it, and what is named here has no effect"
        } else {
            "macOS's pfctl would load nothing of it"
        };
        text + &match self.problems.len() {
            0 => format!("{name}: no problem\n"),
            1 => format!("{name}: 1 problem: {effect}\n"),
            count => format!("{name}: {count} problems: {effect}\n"),
        }
    }

    fn exit_status(&self) -> u8 {
        u8::from(!self.problems.is_empty())
    }
}
