//! pfctl's command line, read as getopt(3) and pfctl on macOS read it. Pure: words in, an [`Invocation`] out.
//!
//! ```
//! use portcullis::lab::arguments::{Invocation, Show};
//! let read = |words: &[&str]| Invocation::parse(words.iter().map(|word| word.to_string()));
//! let invocation = read(&["-a", "com.apple/100.x", "-sr"]).unwrap();
//! assert_eq!((invocation.anchor.as_str(), invocation.show), ("com.apple/100.x", Some(Show::Rules)));
//! assert!(read(&["-x", "loud"]).unwrap_err().to_string().contains("no -x"));
//! ```
//!
//! Flags may stand together (`-nvf FILE`), a value may follow its flag at once (`-sr`), and the names of what
//! is shown, flushed or done to a table may be cut short, as far as one letter. What a lab has not is refused
//! by its name.

use thiserror::Error;

/// What the lab takes.
pub const USAGE: &str = "\
usage: pfctl-lab [--lab DIR] [-deEnqv] [-a anchor] [-F modifier] [-f file]
\t[-k host | network] [-s modifier] [-t table -T command [address ...]]
\t[-X token]
";

/// One call of pfctl.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `-a`: the anchor's path; empty for the main ruleset.
    pub anchor: String,
    /// `-d`: stop pf for everybody.
    pub disable: bool,
    /// `-e`: start pf.
    pub enable: bool,
    /// `-E`: start pf and hold it.
    pub hold: bool,
    /// `-X`: give a hold back.
    pub release: Option<u64>,
    /// `-f`: the file; `-` is standard input.
    pub file: Option<String>,
    /// `-n`: change nothing.
    pub check_only: bool,
    /// `-v`, `-vv`.
    pub verbose: u8,
    /// `-q`: say nothing where nothing is wrong.
    pub quiet: bool,
    /// `-s`.
    pub show: Option<Show>,
    /// `-F`.
    pub flush: Option<Flush>,
    /// `-k`, once or twice.
    pub kill: Vec<String>,
    /// `-t` and `-T` with its addresses.
    pub table: Option<TableCall>,
}

/// `-t TABLE -T COMMAND ADDRESS…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCall {
    /// The table.
    pub table: String,
    /// What is done to it.
    pub command: TableCommand,
    /// The addresses, as written.
    pub addresses: Vec<String>,
}

/// What `-s` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    Nat,
    Rules,
    Anchors,
    States,
    Info,
    Interfaces,
    Labels,
    Tables,
    References,
    Dummynet,
    All,
}

/// What `-F` flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    Nat,
    Rules,
    Sources,
    States,
    Info,
    Tables,
    Dummynet,
    All,
}

/// What `-T` does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableCommand {
    Add,
    Delete,
    Flush,
    Kill,
    Replace,
    Show,
    Test,
}

/// pfctl's words for `-s`; no two begin with the same letter. `None`: a lab has nothing of the kind.
const SHOW: [(&str, Option<Show>); 16] = [
    ("nat", Some(Show::Nat)),
    ("queue", None),
    ("rules", Some(Show::Rules)),
    ("Anchors", Some(Show::Anchors)),
    ("Sources", None),
    ("states", Some(Show::States)),
    ("info", Some(Show::Info)),
    ("Interfaces", Some(Show::Interfaces)),
    ("labels", Some(Show::Labels)),
    ("timeouts", None),
    ("memory", None),
    ("Tables", Some(Show::Tables)),
    ("osfp", None),
    ("References", Some(Show::References)),
    ("dummynet", Some(Show::Dummynet)),
    ("all", Some(Show::All)),
];

/// pfctl's words for `-F`.
const FLUSH: [(&str, Option<Flush>); 10] = [
    ("nat", Some(Flush::Nat)),
    ("queue", None),
    ("rules", Some(Flush::Rules)),
    ("Sources", Some(Flush::Sources)),
    ("states", Some(Flush::States)),
    ("info", Some(Flush::Info)),
    ("Tables", Some(Flush::Tables)),
    ("osfp", None),
    ("dummynet", Some(Flush::Dummynet)),
    ("all", Some(Flush::All)),
];

/// pfctl's words for `-T`.
const TABLE: [(&str, Option<TableCommand>); 10] = [
    ("kill", Some(TableCommand::Kill)),
    ("flush", Some(TableCommand::Flush)),
    ("add", Some(TableCommand::Add)),
    ("delete", Some(TableCommand::Delete)),
    ("expire", None),
    ("load", None),
    ("replace", Some(TableCommand::Replace)),
    ("show", Some(TableCommand::Show)),
    ("test", Some(TableCommand::Test)),
    ("zero", None),
];

/// Flags that pfctl on macOS takes: those with a value, and those without one that a lab has nothing for.
const WITH_VALUE: &str = "aDFfiKkopstTXxw";
const NOT_IN_A_LAB: &str = "ADgGiKmMNOoprRxwz";

/// Why a command line is not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// pfctl itself would refuse it; its usage follows.
    #[error("pfctl: {0}")]
    Usage(String),
    /// pfctl would do something that a lab has nothing for.
    #[error("pfctl-lab: {0}")]
    NotInALab(String),
}

impl Invocation {
    /// Reads the words behind the program's name.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Refused> {
        let mut read = Reading::default();
        let words: Vec<String> = words.into_iter().collect();
        let mut words = words.into_iter().peekable();
        if words.peek().is_none() {
            return Err(Refused::Usage("nothing to do".to_owned()));
        }
        while let Some(word) = words.next_if(|word| word.starts_with('-') && word != "-") {
            if word == "--" {
                break;
            }
            let mut flags = word.chars();
            flags.next();
            while let Some(flag) = flags.next() {
                if !WITH_VALUE.contains(flag) {
                    read.flag(flag)?;
                    continue;
                }
                let rest: String = flags.by_ref().collect();
                let value = if rest.is_empty() { words.next() } else { Some(rest) };
                let value = value.ok_or_else(|| usage(format!("option requires an argument -- {flag}")))?;
                read.option(flag, value)?;
            }
        }
        read.finish(words.collect())
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    invocation: Invocation,
    table: Option<String>,
    command: Option<TableCommand>,
}

impl Reading {
    fn flag(&mut self, flag: char) -> Result<(), Refused> {
        let invocation = &mut self.invocation;
        match flag {
            'd' => invocation.disable = true,
            'e' => invocation.enable = true,
            'E' => invocation.hold = true,
            'n' => invocation.check_only = true,
            'q' => invocation.quiet = true,
            'v' => invocation.verbose = invocation.verbose.saturating_add(1),
            'h' => return Err(usage("-h shows the usage".to_owned())),
            _ if NOT_IN_A_LAB.contains(flag) => return Err(absent(format!("the lab has no -{flag}"))),
            _ => return Err(usage(format!("illegal option -- {flag}"))),
        }
        Ok(())
    }

    fn option(&mut self, flag: char, value: String) -> Result<(), Refused> {
        let invocation = &mut self.invocation;
        match flag {
            'a' => invocation.anchor = anchor(value)?,
            'f' => invocation.file = Some(value),
            's' => invocation.show = Some(choose(&SHOW, 's', "show modifier", &value)?),
            'F' => invocation.flush = Some(choose(&FLUSH, 'F', "flush modifier", &value)?),
            'T' => self.command = Some(choose(&TABLE, 'T', "table command", &value)?),
            't' => self.table = Some(value),
            'k' if invocation.kill.len() == 2 => return Err(usage("can only specify -k twice".to_owned())),
            'k' => invocation.kill.push(value),
            'X' => {
                let token = token(&value).ok_or_else(|| usage(format!("Invalid token value '{value}'")))?;
                invocation.release = Some(token);
            }
            _ => return Err(absent(format!("the lab has no -{flag}"))),
        }
        Ok(())
    }

    fn finish(self, operands: Vec<String>) -> Result<Invocation, Refused> {
        let Reading { mut invocation, table, command } = self;
        invocation.table = match (table, command) {
            (Some(table), Some(command)) => Some(TableCall { table, command, addresses: operands }),
            (None, Some(_)) => return Err(usage("-T needs a table: -t table".to_owned())),
            (_, None) if !operands.is_empty() => {
                let first = operands.first().map_or("", String::as_str);
                return Err(usage(format!("unknown command line argument: {first} ...")));
            }
            (Some(_), None) => return Err(usage("-t needs a command: -T command".to_owned())),
            (None, None) => None,
        };
        if invocation.check_only {
            if invocation.table.is_some() || !invocation.kill.is_empty() {
                return Err(absent("the lab has -n with -f alone".to_owned()));
            }
            // With -n pfctl passes over these.
            invocation = Invocation {
                disable: false,
                enable: false,
                hold: false,
                release: None,
                show: None,
                flush: None,
                ..invocation
            };
        }
        Ok(invocation)
    }
}

fn usage(message: String) -> Refused {
    Refused::Usage(message)
}

fn absent(message: String) -> Refused {
    Refused::NotInALab(message)
}

fn choose<T: Copy>(words: &[(&str, Option<T>)], flag: char, what: &str, value: &str) -> Result<T, Refused> {
    let found = words.iter().find(|(word, _)| !value.is_empty() && word.starts_with(value));
    match found {
        Some((_, Some(choice))) => Ok(*choice),
        Some((word, None)) => Err(absent(format!("the lab has no -{flag} {word}"))),
        None => Err(usage(format!("Unknown {what} '{value}'"))),
    }
}

fn anchor(value: String) -> Result<String, Refused> {
    const LONGEST: usize = 1023;
    if value.len() > LONGEST {
        return Err(usage(format!("anchor name '{value}' too long")));
    }
    if value.ends_with('*') {
        return Err(absent(format!("the lab shows one anchor at a time: \"{value}\" stands for many")));
    }
    Ok(value.trim_start_matches('/').to_owned())
}

/// A token as strtoull(3) reads it with base 0: decimal, `0x…` or octal.
fn token(value: &str) -> Option<u64> {
    let digits = value.trim_start().strip_prefix('+').unwrap_or(value.trim_start());
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) if !hexadecimal.starts_with('+') => u64::from_str_radix(hexadecimal, 16).ok(),
        Some(_) => None,
        None if digits.starts_with('+') => None,
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8).ok(),
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, Refused> {
        Invocation::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_stand_together_and_values_follow_at_once() {
        let expected = Invocation {
            check_only: true,
            verbose: 1,
            file: Some("pf.conf".into()),
            ..Invocation::default()
        };
        for line in ["-n -v -f pf.conf", "-nvf pf.conf", "-vnfpf.conf"] {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
        assert_eq!(read("-vvsr").unwrap().verbose, 2);
        let table = read("-a x -t t -Tadd 10.0.0.1 -10").unwrap().table.unwrap();
        assert_eq!((table.command, table.addresses.len()), (TableCommand::Add, 2));
    }

    #[test]
    fn words_may_be_cut_short() {
        for (line, show) in [
            ("-sr", Show::Rules),
            ("-sR", Show::References),
            ("-s Ref", Show::References),
            ("-sA", Show::Anchors),
            ("-sT", Show::Tables),
            ("-ss", Show::States),
            ("-si", Show::Info),
            ("-sI", Show::Interfaces),
            ("-sn", Show::Nat),
            ("-sl", Show::Labels),
            ("-sa", Show::All),
            ("-s rules", Show::Rules),
        ] {
            assert_eq!(read(line).unwrap().show, Some(show), "{line}");
        }
        assert_eq!(read("-Fa").unwrap().flush, Some(Flush::All));
        assert_eq!(read("-s rulesx").unwrap_err().to_string(), "pfctl: Unknown show modifier 'rulesx'");
    }

    #[test]
    fn every_word_has_its_own_first_letter() {
        fn firsts<T>(words: &[(&str, T)]) -> usize {
            words.iter().map(|(word, _)| word.as_bytes()[0]).collect::<std::collections::BTreeSet<_>>().len()
        }
        assert_eq!(firsts(&SHOW), SHOW.len());
        assert_eq!(firsts(&FLUSH), FLUSH.len());
        assert_eq!(firsts(&TABLE), TABLE.len());
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, message) in [
            ("", "pfctl: nothing to do"),
            ("-y", "pfctl: illegal option -- y"),
            ("-f", "pfctl: option requires an argument -- f"),
            ("-s", "pfctl: option requires an argument -- s"),
            ("rules", "pfctl: unknown command line argument: rules ..."),
            ("-sr more", "pfctl: unknown command line argument: more ..."),
            ("-X 12x", "pfctl: Invalid token value '12x'"),
            ("-X -1", "pfctl: Invalid token value '-1'"),
            ("-T show", "pfctl: -T needs a table: -t table"),
            ("-t x", "pfctl: -t needs a command: -T command"),
            ("-k 1 -k 2 -k 3", "pfctl: can only specify -k twice"),
            ("-s memory", "pfctl-lab: the lab has no -s memory"),
            ("-F queue", "pfctl-lab: the lab has no -F queue"),
            ("-t x -T zero", "pfctl-lab: the lab has no -T zero"),
            ("-D a=b", "pfctl-lab: the lab has no -D"),
            ("-R", "pfctl-lab: the lab has no -R"),
            ("-n -k 10.0.0.1", "pfctl-lab: the lab has -n with -f alone"),
            (
                "-a com.apple/* -sr",
                "pfctl-lab: the lab shows one anchor at a time: \"com.apple/*\" stands for many",
            ),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), message, "{line}");
        }
    }

    #[test]
    fn checking_changes_and_shows_nothing() {
        let checked = read("-n -e -E -d -X 1 -s rules -F all -f x").unwrap();
        let expected = Invocation { check_only: true, file: Some("x".into()), ..Invocation::default() };
        assert_eq!(checked, expected);
    }

    #[test]
    fn tokens_are_numbers_of_three_kinds() {
        assert_eq!(token("15053025338191571182"), Some(15053025338191571182));
        assert_eq!(
            (token("0x10"), token("010"), token("0"), token(" 7")),
            (Some(16), Some(8), Some(0), Some(7))
        );
        for bad in ["", "x", "0x", "09", "18446744073709551616", "++1", "0x+1"] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(words in proptest::collection::vec("-{0,2}[a-zA-Z0-9./* é]{0,6}", 0..8)) {
            let _ = Invocation::parse(words).map_err(|refused| refused.to_string());
        }
    }
}
