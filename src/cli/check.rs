//! `portcullis check FILE`: all problems of a pf.conf.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::Serialize;

use super::files::IncludedFiles;
use super::show::print;
use portcullis::pf::parse::{Fault, Problem, parse};
use portcullis::pf::rule::Placed;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The file
    file: PathBuf,
    /// The folder that stands for /etc/pf.anchors: loaded anchors are checked too
    #[arg(long, value_name = "DIR")]
    anchors: Option<PathBuf>,
}

/// How many files are followed: one that loads itself has no end.
const MAXIMUM_LOADS: usize = 1_000;

#[derive(Serialize)]
struct Report {
    version: u32,
    file: PathBuf,
    ok: bool,
    problems: Vec<Entry>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Entry {
    path: String,
    line: usize,
    column: usize,
    message: String,
    text: String,
}

/// Exit status 0: no problem; 1: problems; 2: the file cannot be read.
pub fn run(options: &Options, json: bool) -> u8 {
    let mut files = IncludedFiles::new(options.anchors.clone());
    let text = match files.main(&options.file) {
        Ok(text) => text,
        Err(message) => {
            super::show::message(&message, json);
            return 2;
        }
    };
    let name = options.file.display().to_string();
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let mut waiting = VecDeque::from([(name.clone(), text)]);
    let mut taken = 0;
    while let Some((path, text)) = waiting.pop_front() {
        // What is not on this machine is no mistake of the file.
        let mut include = |path: &str| {
            files.include(path).or_else(|why| {
                notes.push(format!("{path} is included and was not checked: {why}"));
                Ok(String::new())
            })
        };
        let parsed = parse(&path, &text, &mut include);
        notes.extend(parsed.doubts.iter().map(|doubt| {
            format!("{}:{}: macOS's pfctl minds this: {}", doubt.path, doubt.line, doubt.message)
        }));
        problems.extend(parsed.problems);
        if options.anchors.is_none() {
            break;
        }
        for Placed { place, item: load } in &parsed.ruleset.loads {
            taken += 1;
            let text = if taken > MAXIMUM_LOADS {
                Err(format!("more than {MAXIMUM_LOADS} files are loaded").into())
            } else {
                files.include(&load.file)
            };
            match text {
                Ok(text) => waiting.push_back((load.file.to_string(), text)),
                Err(why) => problems.push(Problem {
                    path: place.path.clone(),
                    line: place.line,
                    column: 1,
                    message: format!("cannot load {}: {why}", load.file),
                    text: load.to_string(),
                    caret: 0,
                    fault: Fault::File,
                }),
            }
            if taken > MAXIMUM_LOADS {
                break;
            }
        }
    }
    let ok = problems.is_empty();
    let told: Vec<String> =
        problems.iter().map(|problem| problem.message.clone()).chain(notes.clone()).collect();
    notes.extend(files.notes(&told));
    if json {
        let entry = |problem: &Problem| Entry {
            path: problem.path.to_string(),
            line: problem.line,
            column: problem.column,
            message: problem.message.clone(),
            text: problem.text.clone(),
        };
        let problems = problems.iter().map(entry).collect();
        super::show::print_json(&Report { version: 1, file: options.file.clone(), ok, problems, notes });
    } else {
        let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
        text.extend(notes.iter().map(|note| format!("note: {note}\n")));
        text += &match problems.len() {
            0 => format!("{name}: no problem\n"),
            1 => format!("{name}: 1 problem; pfctl would load nothing of it\n"),
            count => format!("{name}: {count} problems; pfctl would load nothing of it\n"),
        };
        print(&text);
    }
    u8::from(!ok)
}
