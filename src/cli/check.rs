//! `portcullis check FILE`: all problems of a pf.conf.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::Serialize;

use super::files::IncludedFiles;
use super::output::{CommandOutput, Run, pretty};
use portcullis::pf::parse::{Fault, Problem, parse};
use portcullis::pf::preamble::Load;
use portcullis::pf::rule::Placed;

#[derive(Debug, clap::Args)]
pub struct CheckCommand {
    /// The file
    file: PathBuf,
    /// The folder that stands for /etc/pf.anchors: loaded anchors are checked too
    #[arg(long, value_name = "DIR")]
    anchors: Option<PathBuf>,
}

/// How many files are followed: one that loads itself has no end.
const MAXIMUM_LOADS: usize = 1_000;

impl CheckCommand {
    pub fn run(self) -> Run {
        let follows_loads = self.anchors.is_some();
        let mut files = IncludedFiles::new(self.anchors);
        let text = files.main(&self.file)?;
        let mut checked = Checked::default();
        let mut waiting = VecDeque::from([(self.file.display().to_string(), text)]);
        while let Some((path, text)) = waiting.pop_front() {
            let loads = checked.file(&path, &text, &mut files);
            for load in loads.iter().filter(|_| follows_loads) {
                checked.loads += 1;
                match checked.load(load, &mut files) {
                    Ok(text) => waiting.push_back((load.item.file.to_string(), text)),
                    Err(problem) => checked.problems.push(problem),
                }
                if checked.loads > MAXIMUM_LOADS {
                    break;
                }
            }
        }
        Ok(Box::new(checked.output(self.file, files)))
    }
}

#[derive(Default)]
struct Checked {
    problems: Vec<Problem>,
    notes: Vec<String>,
    loads: usize,
}

impl Checked {
    /// Checks one file; gives what it loads.
    fn file(&mut self, path: &str, text: &str, files: &mut IncludedFiles) -> Vec<Placed<Load>> {
        // A file that this machine does not have is not a mistake of the file that includes it.
        let mut include = |path: &str| {
            files.include(path).or_else(|why| {
                self.notes.push(format!("{path} is included and was not checked: {why}"));
                Ok(String::new())
            })
        };
        let parsed = parse(path, text, &mut include);
        self.notes.extend(parsed.doubts.iter().map(|doubt| {
            format!("{}:{}: macOS's pfctl refuses this: {}", doubt.path, doubt.line, doubt.message)
        }));
        self.problems.extend(parsed.problems);
        parsed.ruleset.loads
    }

    /// The text of a file that is loaded into an anchor.
    fn load(&self, load: &Placed<Load>, files: &mut IncludedFiles) -> Result<String, Problem> {
        let Placed { place, item } = load;
        let text = if self.loads > MAXIMUM_LOADS {
            Err(format!("more than {MAXIMUM_LOADS} files are loaded").into())
        } else {
            files.include(&item.file)
        };
        text.map_err(|why| Problem {
            path: place.path.clone(),
            line: place.line,
            column: 1,
            message: format!("cannot load {}: {why}", item.file),
            text: item.to_string(),
            caret: 0,
            fault: Fault::File,
        })
    }

    fn output(self, file: PathBuf, files: IncludedFiles) -> CheckOutput {
        let Checked { problems, mut notes, .. } = self;
        let said: Vec<String> =
            problems.iter().map(|problem| problem.message.clone()).chain(notes.clone()).collect();
        notes.extend(files.notes(&said));
        CheckOutput { file, problems, notes }
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
        text + &match self.problems.len() {
            0 => format!("{name}: no problem\n"),
            1 => format!("{name}: 1 problem; pfctl would load nothing of it\n"),
            count => format!("{name}: {count} problems; pfctl would load nothing of it\n"),
        }
    }

    fn exit_status(&self) -> u8 {
        u8::from(!self.problems.is_empty())
    }
}
