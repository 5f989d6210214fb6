//! One thing that was found, and the report of all of them.

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It stands in the way.
    Problem,
    /// It could not be found out.
    Unknown,
    /// It may surprise.
    Advice,
    /// It is as it should be.
    Fine,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about: `pf`, `port 2345`, `go`, `dlv`, `project`, …
    pub about: String,
    /// What was found, as a sentence without the full stop.
    pub what: String,
    /// By what it was found.
    pub evidence: String,
    /// What to do; empty where there is nothing to do.
    pub next_step: String,
}

/// The report for people: what it comes to, then one finding after the other.
pub fn render(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, unknown) = (count(Level::Problem), count(Level::Unknown));
    let mut text = match problems {
        0 if count(Level::Advice) > 0 => "No problem was found, but see what is marked !".to_owned(),
        0 => "No problem was found".to_owned(),
        1 => "1 problem".to_owned(),
        _ => format!("{problems} problems"),
    };
    match unknown {
        0 => {}
        1 => text += "; 1 thing could not be found out",
        _ => text += &format!("; {unknown} things could not be found out"),
    }
    text += "\n\n";
    for finding in findings {
        let sign = match finding.level {
            Level::Problem => "✗",
            Level::Unknown => "?",
            Level::Advice => "!",
            Level::Fine => "✓",
        };
        text += &format!("{sign} {}: {}\n", finding.about, finding.what);
        for (label, line) in [("seen", &finding.evidence), ("do", &finding.next_step)] {
            if !line.is_empty() {
                text += &format!("    {label}: {line}\n");
            }
        }
    }
    // Names of files and what files say may be anybody's: nothing of it steers a terminal.
    text.replace(|letter: char| letter.is_control() && letter != '\n', "?")
}

pub fn finding(
    level: Level,
    about: &str,
    what: impl Into<String>,
    evidence: &str,
    next_step: &str,
) -> Finding {
    Finding {
        level,
        about: about.to_owned(),
        what: what.into(),
        evidence: evidence.to_owned(),
        next_step: next_step.to_owned(),
    }
}

/// A command line as one line, and no longer than is read.
pub fn shortened(command: &str) -> String {
    const LONGEST: usize = 300;
    match command.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", command.get(..end).unwrap_or_default().escape_debug()),
        None => command.escape_debug().to_string(),
    }
}
