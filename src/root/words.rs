//! A request in words, as an administrator or a security tool can read it in the list of processes. Pure.
//!
//! ```
//! use portcullis::root::request::Request;
//! let words = "open 2345=dlv --from any --until 2026-11-25T18:30:00Z --guard on --may install \
//!     --made 2026-11-25T17:00:00Z --boot 5F2A-01 --clock 8112 --asker ada";
//! let request = Request::parse(words.split(' '))?;
//! assert_eq!(request.words().join(" "), words);
//! assert!(Request::parse("open 2345=dlv --from any --from any".split(' ')).is_err());
//! # Ok::<(), portcullis::root::words::WordsError>(())
//! ```
//!
//! Each word stands at most once, in one order, and each value has one spelling: what does not read back as it was
//! written is refused. No word has a letter that is special to a shell or to AppleScript.

use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::conf_lines::{ConfLine, ConfLineError};
use super::request::{GuardAnswer, Operation, Permission, Request, RequestError};
use crate::port::{PortError, PortRange};
use crate::rules::ends::{EndKind, EndOfDayError};
use crate::rules::ledger::{Attachment, Seconds};
use crate::rules::named_port::{NameError, NamedPort, PortName};
use crate::rules::order;
use crate::rules::source::Source;
use crate::system::Moment;

/// Why words are not a request. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    #[error("the request is longer than {max} bytes", max = MAX_BYTES)]
    TooLong,
    #[error("the word \"{0}\" is empty, or has other characters than A-Z a-z 0-9 . , : = / _ -")]
    Alphabet(String),
    #[error(
        "\"{0}\" is not a request: use open, close, close-all, guard, status, log, stop-log, undo, clean-up, end-of-day, install, uninstall or tick"
    )]
    Verb(String),
    #[error("the request lacks {0}")]
    Missing(&'static str),
    #[error("the word \"{0}\" is unknown, repeated or out of place")]
    Unexpected(String),
    #[error("\"{word}\" is not {what}")]
    Choice { word: String, what: &'static str },
    #[error("\"{word}\": {source}")]
    Port { word: String, source: PortError },
    #[error("\"{word}\": {source}")]
    Name { word: String, source: NameError },
    #[error("\"{word}\" is not a network: {source}")]
    Network { word: String, source: ipnet::AddrParseError },
    #[error("\"{word}\" is not a time: {source}")]
    Time { word: String, source: jiff::Error },
    #[error("\"{word}\" is not a number: {source}")]
    Number { word: String, source: std::num::ParseIntError },
    #[error(transparent)]
    Line(#[from] ConfLineError),
    /// A second spelling of something.
    #[error("\"{given}\" is to be written \"{canonical}\"")]
    Spelling { given: String, canonical: String },
    #[error(transparent)]
    EndOfDay(#[from] EndOfDayError),
    #[error(transparent)]
    Bounds(#[from] RequestError),
}

/// The most bytes in all words together.
const MAX_BYTES: usize = 48 * 1024;

impl Request {
    /// The request as arguments of the helper.
    pub fn words(&self) -> Vec<String> {
        let mut words = action_words(&self.action);
        let mut add = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        let some = |text: String| (!text.is_empty()).then_some(text);
        add("--close", some(ports_text(&self.close)));
        add("--guard", self.guard.map(|guard| guard_word(guard).to_owned()));
        add("--managed", some(ports_text(&self.managed)));
        add("--shown", some(ports_text(&self.shown)));
        add("--way", self.way.map(|way| way_word(way).to_owned()));
        add("--may", some(self.may.iter().map(|one| permission_word(*one)).collect::<Vec<_>>().join(",")));
        add("--made", Some(time_text(self.made.time)));
        add("--boot", Some(self.made.boot.clone()));
        add("--clock", Some(self.made.clock.to_string()));
        add("--asker", Some(self.asker.clone()));
        words
    }

    /// Reads a request and validates it. Errors: whatever is not a request within its bounds.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, WordsError> {
        let given: Vec<&str> = words.into_iter().collect();
        if given.iter().map(|word| word.len() + 1).fold(0, usize::saturating_add) > MAX_BYTES {
            return Err(WordsError::TooLong);
        }
        if let Some(word) = given.iter().find(|word| !is_plain(word)) {
            return Err(WordsError::Alphabet(shown(word)));
        }
        let mut words = WordReader { rest: &given };
        let request = Request {
            action: action(&mut words)?,
            close: words.ports("--close")?,
            guard: words.choice("--guard", "on or off", &GUARD_ANSWERS)?,
            managed: words.ports("--managed")?,
            shown: words.ports("--shown")?,
            way: words.choice("--way", "apple or classic", &WAYS)?,
            may: words.option("--may").map(permissions).transpose()?.unwrap_or_default(),
            made: Moment {
                time: time(words.needed("--made")?)?,
                boot: words.needed("--boot")?.to_owned(),
                clock: number(words.needed("--clock")?)?,
            },
            asker: words.needed("--asker")?.to_owned(),
        };
        if let Some(word) = words.rest.first() {
            return Err(WordsError::Unexpected(shown(word)));
        }
        request.validate()?;
        same_spelling(&given, &request.words())?;
        Ok(request)
    }
}

/// The words that are left to read.
struct WordReader<'a, 'b> {
    rest: &'b [&'a str],
}

impl<'a> WordReader<'a, '_> {
    fn next(&mut self, what: &'static str) -> Result<&'a str, WordsError> {
        let (first, rest) = self.rest.split_first().ok_or(WordsError::Missing(what))?;
        self.rest = rest;
        Ok(first)
    }

    /// The value of `name`, if that is the next word.
    fn option(&mut self, name: &str) -> Option<&'a str> {
        match self.rest {
            [first, value, rest @ ..] if *first == name => {
                self.rest = rest;
                Some(value)
            }
            _ => None,
        }
    }

    fn needed(&mut self, name: &'static str) -> Result<&'a str, WordsError> {
        match (self.option(name), self.rest.first()) {
            (Some(value), _) => Ok(value),
            // What stands in its place says more than what it is the place of.
            (None, Some(other)) if *other != name => Err(WordsError::Unexpected(shown(other))),
            _ => Err(WordsError::Missing(name)),
        }
    }

    fn ports(&mut self, name: &str) -> Result<Vec<NamedPort>, WordsError> {
        self.option(name).map_or(Ok(Vec::new()), ports)
    }

    fn choice<T: Copy>(
        &mut self,
        name: &str,
        what: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, WordsError> {
        self.option(name).map(|word| choose(word, what, choices)).transpose()
    }
}

/// What `--ends` takes: that a time is only a time needs no word.
const ENDS: [(&str, EndKind); 2] = [("evening", EndKind::Evening), ("restart", EndKind::Restart)];
const WAYS: [(&str, Attachment); 2] = [("apple", Attachment::Apple), ("classic", Attachment::Classic)];
const GUARD_ANSWERS: [(&str, GuardAnswer); 2] = [("on", GuardAnswer::On), ("off", GuardAnswer::Off)];
/// What `--may` takes. The guard has a word of its own.
const PERMISSIONS: [(&str, Permission); 3] = [
    ("edit-conf", Permission::EditConf),
    ("load-conf", Permission::LoadConf),
    ("install", Permission::Install),
];

fn action(words: &mut WordReader) -> Result<Operation, WordsError> {
    Ok(match words.next("what to do")? {
        "open" => Operation::Open {
            ports: ports(words.next("the ports to open")?)?,
            from: source(words.needed("--from")?)?,
            until: words.option("--until").map(time).transpose()?,
            ends: words.choice("--ends", "evening or restart", &ENDS)?.unwrap_or_default(),
            stay: words.choice("--stay", "yes", &[("yes", true)])?.unwrap_or_default(),
        },
        "close" => Operation::Close { ports: ports(words.next("the ports to close")?)? },
        "close-all" => Operation::CloseAll {},
        "guard" => Operation::Guard {
            on: choose(words.next("on or off")?, "on or off", &[("on", true), ("off", false)])?,
        },
        "status" => Operation::Status {},
        "log" => Operation::Log { minutes: number(words.next("the minutes")?)? },
        "stop-log" => Operation::StopLog {},
        "undo" => Operation::Undo {
            change: number(words.next("the number of the change")?)?,
            opens: words.ports("--open")?,
            unblocks: words.ports("--unblock")?,
        },
        "install" => Operation::Install {},
        "install-command" => Operation::InstallCommand {},
        "end-of-day" => Operation::EndOfDay { at: words.next("the time of day")?.parse()? },
        "clean-up" => Operation::CleanUp {
            sha256: words.next("the SHA-256 of /etc/pf.conf")?.to_owned(),
            lines: words.next("the lines")?.split(',').map(ConfLine::from_str).collect::<Result<_, _>>()?,
        },
        "uninstall" => Operation::Uninstall {
            keep_logs: words.choice("--keep", "logs", &[("logs", true)])?.unwrap_or_default(),
        },
        "tick" => Operation::Tick {},
        other => return Err(WordsError::Verb(shown(other))),
    })
}

fn action_words(action: &Operation) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match action {
        Operation::Open { ports, from, until, ends, stay } => {
            let mut all: Vec<String> = words(&["open", &ports_text(ports), "--from", &source_text(from)]);
            all.extend(until.iter().flat_map(|until| ["--until".to_owned(), time_text(*until)]));
            let kind = ENDS.iter().find(|(_, kind)| kind == ends);
            all.extend(kind.iter().flat_map(|(word, _)| words(&["--ends", word])));
            all.extend(stay.then(|| words(&["--stay", "yes"])).into_iter().flatten());
            all
        }
        Operation::Close { ports } => words(&["close", &ports_text(ports)]),
        Operation::CloseAll {} => words(&["close-all"]),
        Operation::Guard { on } => words(&["guard", if *on { "on" } else { "off" }]),
        Operation::Status {} => words(&["status"]),
        Operation::Log { minutes } => words(&["log", &minutes.to_string()]),
        Operation::StopLog {} => words(&["stop-log"]),
        Operation::Undo { change, opens, unblocks } => {
            let mut all: Vec<String> = words(&["undo", &change.to_string()]);
            for (name, ports) in [("--open", opens), ("--unblock", unblocks)] {
                let text = (!ports.is_empty()).then(|| ports_text(ports));
                all.extend(text.into_iter().flat_map(|text| [name.to_owned(), text]));
            }
            all
        }
        Operation::Install {} => words(&["install"]),
        Operation::InstallCommand {} => words(&["install-command"]),
        Operation::EndOfDay { at } => words(&["end-of-day", &at.to_string()]),
        Operation::CleanUp { sha256, lines } => {
            let lines: Vec<String> = lines.iter().map(ConfLine::word).collect();
            words(&["clean-up", sha256, &lines.join(",")])
        }
        Operation::Uninstall { keep_logs: true } => words(&["uninstall", "--keep", "logs"]),
        Operation::Uninstall { keep_logs: false } => words(&["uninstall"]),
        Operation::Tick {} => words(&["tick"]),
    }
}

/// Whether a word has only letters that neither a shell nor AppleScript reads as anything else.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".,:=/_-".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// A word of unknown length and letters, as an error shows it.
fn shown(word: &str) -> String {
    word.escape_debug().take(80).collect()
}

fn choose<T: Copy>(word: &str, what: &'static str, choices: &[(&str, T)]) -> Result<T, WordsError> {
    let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| WordsError::Choice { word: shown(word), what })
}

/// `2345=dlv,7000-7010`: a port without a name goes by its number alone.
fn ports(word: &str) -> Result<Vec<NamedPort>, WordsError> {
    let read = |item: &str| {
        let (range, name) = item.split_once('=').map_or((item, None), |(range, name)| (range, Some(name)));
        let range: PortRange =
            range.parse().map_err(|source| WordsError::Port { word: shown(item), source })?;
        let name = name.map(PortName::from_str).transpose();
        let name = name.map_err(|source| WordsError::Name { word: shown(item), source })?;
        Ok(name.map_or_else(|| NamedPort::unnamed(range), |name| NamedPort { name, range }))
    };
    word.split(',').map(read).collect()
}

fn ports_text(ports: &[NamedPort]) -> String {
    let text = |port: &NamedPort| {
        if port.has_name() { format!("{}={}", port.range, port.name) } else { port.range.to_string() }
    };
    ports.iter().map(text).collect::<Vec<_>>().join(",")
}

/// `any`, `lan:192.168.1.0/24,fe80::/10`, `hosts:10.0.0.5/32`.
fn source(word: &str) -> Result<Source, WordsError> {
    let networks = |list: &str| list.split(',').map(network).collect::<Result<Vec<_>, _>>();
    match word.split_once(':') {
        None if word == "any" => Ok(Source::Any),
        Some(("lan", list)) => Ok(Source::Lan { networks: networks(list)? }),
        Some(("hosts", list)) => Ok(Source::Hosts { hosts: networks(list)? }),
        _ => Err(WordsError::Choice { word: shown(word), what: "any, lan:NETWORKS or hosts:NETWORKS" }),
    }
}

fn network(item: &str) -> Result<IpNet, WordsError> {
    item.parse().map_err(|source| WordsError::Network { word: shown(item), source })
}

fn source_text(source: &Source) -> String {
    let list = |networks: &[IpNet]| networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",");
    match source {
        Source::Any => "any".to_owned(),
        Source::Lan { networks } => format!("lan:{}", list(networks)),
        Source::Hosts { hosts } => format!("hosts:{}", list(hosts)),
    }
}

/// A time as `2026-11-25T18:30:00Z`.
fn time(word: &str) -> Result<Seconds, WordsError> {
    let time = word.parse::<Timestamp>().map_err(|source| WordsError::Time { word: shown(word), source })?;
    Ok(time.as_second())
}

/// What lies outside the years that a request may name has no text: it reads as no time.
fn time_text(seconds: Seconds) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "never".to_owned(), |time| time.to_string())
}

fn number<T: FromStr<Err = std::num::ParseIntError>>(word: &str) -> Result<T, WordsError> {
    word.parse().map_err(|source| WordsError::Number { word: shown(word), source })
}

fn permissions(word: &str) -> Result<Vec<Permission>, WordsError> {
    let read = |item| choose(item, "edit-conf, load-conf or install", &PERMISSIONS);
    let mut may = word.split(',').map(read).collect::<Result<Vec<_>, _>>()?;
    order::sort(&mut may);
    may.dedup();
    Ok(may)
}

fn permission_word(permission: Permission) -> &'static str {
    let found = PERMISSIONS.iter().find(|(_, value)| *value == permission);
    // Spelt so that it does not read back, since no request holds it.
    found.map_or("guard", |(word, _)| word)
}

fn way_word(way: Attachment) -> &'static str {
    match way {
        Attachment::Apple => "apple",
        Attachment::Classic => "classic",
    }
}

fn guard_word(guard: GuardAnswer) -> &'static str {
    match guard {
        GuardAnswer::On => "on",
        GuardAnswer::Off => "off",
    }
}

fn same_spelling(given: &[&str], canonical: &[String]) -> Result<(), WordsError> {
    let differing = given.iter().zip(canonical).find(|(given, canonical)| *given != canonical);
    match differing {
        Some((given, canonical)) => {
            Err(WordsError::Spelling { given: shown(given), canonical: shown(canonical) })
        }
        None if given.len() == canonical.len() => Ok(()),
        None => Err(WordsError::Unexpected(shown(given.last().copied().unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: &str = "--made 2026-11-25T17:00:00Z --boot B00T-1 --clock 8112 --asker ada";

    fn read(text: &str) -> Result<Request, WordsError> {
        Request::parse(format!("{text} {SEAL}").split(' '))
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn every_request_reads_back() {
        for text in [
            "open 2345=dlv --from any",
            "open 2345=dlv,7000-7010,7011-7012=pair --from lan:192.168.1.0/24,fe80::/10 --until 2026-11-25T18:30:00Z --close 9229=node --guard on --managed 9229=node,5005 --shown 2345=dlv --way classic --may edit-conf,load-conf,install",
            "open 2345 --from hosts:10.0.0.5/32,2001:db8::/32",
            "open 2345 --from any --until 2026-11-25T18:30:00Z --ends evening",
            "open 2345 --from any --ends restart",
            "open 2345 --from any --stay yes",
            "open 2345 --from lan:10.0.0.0/8 --until 2026-11-25T18:30:00Z --ends evening --stay yes --guard on",
            "end-of-day 18:30",
            "close 2345=dlv --managed 9229=node",
            "close-all --may edit-conf",
            "guard on --managed 2345=dlv",
            "guard off",
            "open 2345=dlv --from any --guard off",
            "status --shown 2345",
            "log 60",
            "stop-log",
            "install",
            "install-command",
            "clean-up ababababababababababababababababababababababababababababababcdef 13:load=20anchor=20=22x=22=20from=20=22/x=22,14:sudo=20pfctl=20-e",
            "tick",
        ] {
            let request = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(request.words().join(" "), format!("{text} {SEAL}"));
        }
    }

    #[test]
    fn a_word_unknown_repeated_missing_or_misplaced_is_refused() {
        for (text, why) in [
            ("fly", "not a request"),
            ("open", "\"--made\""),
            ("open 2345=dlv", "--made"),
            ("open 2345=dlv --from", "--made"),
            ("open 2345=dlv --from any --from any", "--from"),
            ("open --from any 2345=dlv", "--from"),
            ("open 2345=dlv --from any --way apple --guard on", "--guard"),
            ("open 2345=dlv --from any --shell rm", "--shell"),
            ("open 2345=dlv --from any --guard maybe", "maybe"),
            ("open 2345=dlv --from any --may install,edit-conf", "to be written"),
            ("open 2345=dlv --from any --may guard-on", "guard-on"),
            ("open 2345=dlv --from everyone", "everyone"),
            ("open 02345=dlv --from any", "to be written"),
            ("open 2345=2345 --from any", "to be written"),
            ("open 2345:2350 --from any", "to be written"),
            ("open 2345=DLV --from any", "DLV"),
            ("open 2345=dlv --from hosts:10.0.0.5", "not a network"),
            ("open 2345=dlv --from hosts:010.0.0.5/32", "010.0.0.5"),
            ("open 2345=dlv --from any --until 2026-11-25T19:30:00+01:00", "+01:00"),
            ("open 2345=dlv --from any --until 2026-11-25T18:30:00.5Z", "to be written"),
            ("open 80 --from any", "below 1024"),
            ("open 2345 --from any --ends evening", "time of closing"),
            ("open 2345 --from any --until 2026-11-25T18:30:00Z --ends restart", "time of closing"),
            ("open 2345 --from any --ends time", "evening or restart"),
            ("open 2345 --from any --stay no", "is not yes"),
            ("open 2345 --from any --stay yes --ends restart", "--ends"),
            ("close 2345 --stay yes", "--stay"),
            ("end-of-day 8:30", "end of day"),
            ("end-of-day", "end of day"),
            ("log 061", "to be written"),
            ("undo", "--made"),
            ("undo 012", "to be written"),
            ("undo 12 --unblock 2345 --open 9229", "--open"),
            ("undo 12 --open 22", "below 1024"),
            ("uninstall --keep everything", "everything"),
            ("clean-up", "is not a line"),
            ("clean-up abc 1:x", "SHA-256"),
            (
                "clean-up ababababababababababababababababababababababababababababababcdef 1:=4A",
                "to be written",
            ),
            ("clean-up ababababababababababababababababababababababababababababababcdef 2:x,1:y", "line 1"),
            ("clean-up ababababababababababababababababababababababababababababababcdef 1:x,01:y", "line 1"),
            ("clean-up ababababababababababababababababababababababababababababababcdef 1:=0A", "line 1"),
            ("close-all --close 2345", "only an opening"),
            ("tick tick", "tick"),
        ] {
            let said = refused(text);
            assert!(said.contains(why), "{text}: {said}");
        }
        let lacking = "tick --made 2026-11-25T17:00:00Z --boot B00T-1 --clock 8112";
        assert!(Request::parse(lacking.split(' ')).unwrap_err().to_string().contains("lacks --asker"));
        let behind = format!("tick {SEAL} --asker eve");
        assert!(Request::parse(behind.split(' ')).unwrap_err().to_string().contains("--asker"));
        assert!(Request::parse([]).unwrap_err().to_string().contains("lacks"));
    }

    #[test]
    fn no_word_is_special_to_a_shell() {
        for word in ["$(id)", "a b", "a\nb", "'", "\"", "\\", "`", "*", "~", "é", "", "a;b", "a&b", "a|b"] {
            let said = Request::parse(["open", word]).unwrap_err().to_string();
            assert!(said.contains("other characters"), "{word}: {said}");
        }
        let long = "1,".repeat(40_000);
        assert!(matches!(Request::parse(["open", &long]), Err(WordsError::TooLong)));
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(words in proptest::collection::vec("[ -~]{0,12}|--[a-z]{2,8}", 0..12)) {
            let _ = Request::parse(words.iter().map(String::as_str));
        }
    }
}
