//! Lines of a pf.conf that do nothing, or that pfctl does not take: they can go, and the main ruleset stays as it is.

use std::fmt;

use super::recipe::{Recipe, is_command, of_command};
use super::shell;
use crate::pf::load::LoadedConf;
use crate::pf::parse::Problem;
use crate::pf::uncalled::UncalledAnchor;

/// A line without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UselessLine {
    /// From 1.
    pub number: usize,
    /// Without its line end.
    pub text: String,
    pub why: Uselessness,
}

/// Why a line has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uselessness {
    /// It loads an anchor whose rules are never evaluated.
    Uncalled {
        anchor: String,
        /// The words of the calls that are needed: `anchor`, `rdr-anchor`.
        needs: Vec<&'static str>,
    },
    /// It is a command of the shell, and one of a known kind.
    Command(Option<Recipe>),
    /// It is read as a macro, and was to be a setting of ipfw's.
    Setting,
}

impl fmt::Display for Uselessness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uselessness::Uncalled { anchor, needs } => write!(
                f,
                "it loads the anchor {}, and no `{}` calls it: its rules are never evaluated",
                anchor.escape_debug(),
                needs.join("` or `")
            ),
            Uselessness::Command(None) => f.write_str(
                "a command of the shell, which pf.conf does not take: pfctl loads nothing of the file",
            ),
            Uselessness::Command(Some(recipe)) => write!(
                f,
                "a command of the shell, which pf.conf does not take: pfctl loads nothing of the file; and {}",
                recipe.really()
            ),
            Uselessness::Setting => {
                write!(f, "pfctl reads it as a macro that no rule uses; and {}", Recipe::IpfwSetting.really())
            }
        }
    }
}

/// The lines of the file `path` without effect, each a whole statement, in their order. `conf` is the file as it was loaded
/// from this text.
pub fn useless_lines(path: &str, text: &str, conf: &LoadedConf) -> Vec<UselessLine> {
    let mut found = Vec::new();
    // A file may have many thousand lines, nearly all of them rules.
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return found;
    }
    let uncalled = conf.rulesets.uncalled();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let begins = !std::mem::replace(&mut goes_on, line.trim_end().ends_with('\\'));
        if !begins || goes_on {
            continue;
        }
        if let Some(why) = uselessness(path, number, line, conf, &uncalled) {
            found.push(UselessLine { number, text: line.to_owned(), why });
        }
    }
    found
}

/// What a line without effect has in it: a load, or a program's or setting's name.
const MARKS: [&str; 4] = ["load", "ctl", "ipfw", "net.inet"];

fn uselessness(
    path: &str,
    number: usize,
    line: &str,
    conf: &LoadedConf,
    uncalled: &[UncalledAnchor],
) -> Option<Uselessness> {
    if !MARKS.iter().any(|mark| line.contains(mark)) {
        return None;
    }
    let first = line.split_whitespace().next()?;
    let is_here = |problem: &Problem| &*problem.path == path && problem.line == number;
    if is_command(line) && conf.problems.iter().any(is_here) {
        let commands = shell::commands(line);
        let recipe = commands.iter().flat_map(|words| of_command(words)).next();
        return Some(Uselessness::Command(recipe));
    }
    if of_command(&[first]) == [Recipe::IpfwSetting] && line.trim() == first {
        return Some(Uselessness::Setting);
    }
    if first != "load" || conf.problems.iter().any(is_here) {
        return None;
    }
    let of_line = |one: &&UncalledAnchor| &*one.place.path == path && one.place.line == number;
    let UncalledAnchor { path, needs, is_obeyed, unread, .. } = uncalled.iter().find(of_line)?;
    // What some rules obey, or nothing is known of, stays.
    (!is_obeyed && !unread).then(|| Uselessness::Uncalled { anchor: path.clone(), needs: needs.clone() })
}

/// The text without these lines, numbered from 1; every other byte stays.
pub fn without_lines(text: &[u8], numbers: &[usize]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(index, _)| !numbers.contains(&(index + 1)))
        .flat_map(|(_, line)| line.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::rulesets::Rulesets;

    const FILES: [(&str, &str); 4] = [
        ("p", "pass in proto tcp to port 2345\n"),
        ("r", "rdr pass proto tcp to port 80 -> 127.0.0.1 port 8080\n"),
        ("both", "rdr pass proto tcp to port 80 -> 127.0.0.1 port 8080\npass in proto tcp to port 8080\n"),
        ("points", "anchor \"a/*\"\n"),
    ];

    fn useless(text: &str) -> Vec<(usize, String)> {
        let conf = Rulesets::load_conf("pf.conf", text, &mut |path| {
            let found = FILES.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".into())
        });
        let lines = useless_lines("pf.conf", text, &conf);
        let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
        let left = String::from_utf8(without_lines(text.as_bytes(), &numbers)).unwrap();
        let again = Rulesets::load_conf("pf.conf", &left, &mut |path| {
            FILES
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| "no".into())
        });
        assert_eq!(useless_lines("pf.conf", &left, &again), []);
        lines.into_iter().map(|line| (line.number, line.why.to_string())).collect()
    }

    #[test]
    fn only_lines_without_effect_are_found() {
        let numbers = |text: &str| useless(text).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!(numbers("load anchor \"x\" from \"p\"\n"), [1]);
        assert_eq!(numbers("anchor \"x\"\nload anchor \"x\" from \"p\"\n"), [0; 0]);
        assert_eq!(numbers("anchor \"x\"\nload anchor \"x\" from \"r\"\n"), [2]);
        assert_eq!(numbers("anchor \"x\"\nload anchor \"x\" from \"both\"\n"), [0; 0]);
        assert_eq!(numbers("rdr-anchor \"x\"\nload anchor \"x\" from \"r\"\n"), [0; 0]);
        assert_eq!(numbers("load anchor \"x\" from \"points\"\n"), [0; 0]);
        assert_eq!(numbers("load anchor \"x\" from \"gone\"\n"), [0; 0]);
        assert_eq!(numbers("load anchor \"x\" \\\n from \"p\"\n"), [0; 0]);
        assert_eq!(numbers("pass in all\nsudo pfctl -e\nsysctl -w net.inet.ip.fw.enable=1\n"), [2, 3]);
        assert_eq!(numbers("net.inet.ip.fw.enable=1\npass in all\n"), [1]);
        assert_eq!(numbers("block in proto tcp to port 2345\nbloc out\n# pfctl -e\n"), [0; 0]);
        assert_eq!(numbers("launchctl load -w com.apple.pfctl.plist"), [1]);
    }

    #[test]
    fn every_other_byte_stays() {
        assert_eq!(without_lines(b"a\r\nb\nc", &[2]), b"a\r\nc");
        assert_eq!(without_lines(b"a\nb\nc", &[3]), b"a\nb\n");
        assert_eq!(without_lines(b"a\n", &[]), b"a\n");
    }
}
