//! How the helper is started, and what it answers: the one place that knows either.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::intent::Way;

/// What the helper is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Open {
        ports: &'static [(&'static str, u16)],
        from: Source,
        /// Seconds from now.
        lasts: Option<i64>,
        /// Whether the guard goes on in the same request.
        guard: bool,
    },
    /// Opens a port until the evening, which comes so many seconds from now.
    OpenUntilEvening((&'static str, u16), Source, i64),
    Close(&'static [(&'static str, u16)]),
    /// Closes the first and opens the second for anyone, in one request.
    CloseAndOpen((&'static str, u16), (&'static str, u16)),
    CloseAll,
    Guard {
        on: bool,
        way: Option<Way>,
    },
    Tick,
    Record,
    StopRecording,
    Undo,
    Uninstall,
    Install,
    /// launchd's tick, which finds a bell that was rung for one port.
    TickByBell,
    /// Opens a port for anyone, and installs the job with it.
    OpenAndInstall((&'static str, u16)),
    /// Takes the last line out of a pf.conf with this text.
    CleanUp(String),
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Any,
    Lan(&'static [&'static str]),
    Hosts(&'static [&'static str]),
}

/// The ports that the asker's menu shows: a request takes them among those that are ours to close.
pub const MENU: [(&str, u16); 3] = [("dlv", 2345), ("node", 9229), ("jdwp", 5005)];

/// The line of `lab.toml` that gives pfctl less time to answer, so that one that hangs costs little. `None`: there is
/// no such setting yet, and no pfctl hangs.
pub const SHORT_TIME_OUT: Option<&str> = Some("program_milliseconds = 700");

/// The helper's program.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_helper-lab"))
}

/// The helper's arguments; `now` in seconds since 1970. `None`: it has no such request yet.
pub fn arguments(lab: &Path, ask: &Ask, asker: &str, now: i64) -> Option<Vec<OsString>> {
    let words = match ask {
        // As launchd asks; many at once are told apart by who asks.
        Ask::Tick | Ask::TickByBell if asker == "ada" => vec!["tick".to_owned()],
        _ => request(ask, asker, now)?,
    };
    let mut arguments = vec![OsString::from("--lab"), lab.into()];
    arguments.extend(words.into_iter().map(OsString::from));
    Some(arguments)
}

/// The first word of a request, which is what the audit calls it too.
pub fn verb(ask: &Ask) -> Option<String> {
    request(ask, "ada", 0)?.into_iter().next()
}

fn takes_managed(ask: &Ask) -> bool {
    !matches!(ask, Ask::Undo | Ask::Uninstall | Ask::Install | Ask::CleanUp(_))
}

fn request(ask: &Ask, asker: &str, now: i64) -> Option<Vec<String>> {
    let named = |ports: &[(&str, u16)]| {
        ports.iter().map(|(name, port)| format!("{port}={name}")).collect::<Vec<_>>().join(",")
    };
    let time = |seconds| jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string());
    let (mut way, mut guard, mut close) = (None, false, None);
    let mut words: Vec<String> = match ask {
        // The second change, after the guard: the opening.
        Ask::Undo => vec!["undo".to_owned(), "2".to_owned()],
        Ask::Uninstall => vec!["uninstall".to_owned()],
        Ask::CleanUp(conf) => {
            let hash: String = Sha256::digest(conf).iter().map(|byte| format!("{byte:02x}")).collect();
            let last = conf.lines().last().unwrap_or_default().replace(' ', "=20").replace('"', "=22");
            vec!["clean-up".to_owned(), hash, format!("{}:{last}", conf.lines().count())]
        }
        Ask::Install => vec!["install".to_owned()],
        Ask::OpenAndInstall(port) => {
            vec!["open".to_owned(), named(&[*port]), "--from".to_owned(), "any".to_owned()]
        }
        Ask::Open { ports, from, lasts, guard: guards } => {
            guard = *guards;
            let mut words = vec!["open".to_owned(), named(ports), "--from".to_owned(), source(*from)];
            if let Some(seconds) = lasts {
                words.extend(["--until".to_owned(), time(now + seconds)?]);
            }
            words
        }
        Ask::OpenUntilEvening(port, from, lasts) => {
            let words = ["open", &named(&[*port]), "--from", &source(*from)].map(str::to_owned);
            let ends = ["--until", &time(now + lasts)?, "--ends", "evening"].map(str::to_owned);
            [words, ends].concat()
        }
        Ask::CloseAndOpen(closed, opened) => {
            close = Some(named(&[*closed]));
            vec!["open".to_owned(), named(&[*opened]), "--from".to_owned(), "any".to_owned()]
        }
        Ask::Close(ports) => vec!["close".to_owned(), named(ports)],
        Ask::CloseAll => vec!["close-all".to_owned()],
        Ask::Guard { on, way: wanted } => {
            way = wanted.map(|way| match way {
                Way::Apple => "apple".to_owned(),
                Way::Classic => "classic".to_owned(),
            });
            vec!["guard".to_owned(), if *on { "on" } else { "off" }.to_owned()]
        }
        Ask::Tick => vec!["tick".to_owned()],
        // As the audit has it.
        Ask::TickByBell => vec!["close".to_owned()],
        Ask::Record => vec!["log".to_owned(), "60".to_owned()],
        Ask::StopRecording => vec!["stop-log".to_owned()],
    };
    let menu = named(&MENU);
    let install = if matches!(ask, Ask::OpenAndInstall(_)) { ",install" } else { "" };
    let may = format!("edit-conf,load-conf{install}");
    let options = [
        ("--close", close),
        ("--guard", guard.then(|| "on".to_owned())),
        ("--managed", takes_managed(ask).then_some(menu)),
        ("--way", way),
        ("--may", Some(may)),
        ("--made", time(now)),
        ("--boot", portcullis::os::boot_id().ok()),
        ("--clock", Some(portcullis::os::clock().to_string())),
        ("--asker", Some(asker.to_owned())),
    ];
    for (name, value) in options {
        words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    }
    Some(words)
}

fn source(from: Source) -> String {
    match from {
        Source::Any => "any".to_owned(),
        Source::Lan(networks) => format!("lan:{}", networks.join(",")),
        Source::Hosts(hosts) => format!("hosts:{}", hosts.join(",")),
    }
}

/// What the helper says that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ok: bool,
    pub outcome: Outcome,
    pub message: String,
    /// Where it could not put everything back: the ports that it closed.
    pub closed: Option<Vec<u16>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Changed,
    Unchanged,
    Restored,
    Damaged,
}

impl Answer {
    /// Reads an answer. Errors: what is none, or says other things than the exit status.
    pub fn read(stdout: &str, code: Option<i32>) -> Result<Self, String> {
        let line = stdout.lines().next_back().ok_or("it said nothing")?;
        let value: Value =
            serde_json::from_str(line).map_err(|error| format!("its answer does not read: {error}"))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or(format!("no {key}"));
        let outcome = match text("outcome")? {
            "changed" => Outcome::Changed,
            "unchanged" => Outcome::Unchanged,
            "restored" => Outcome::Restored,
            "damaged" => Outcome::Damaged,
            other => return Err(format!("outcome {other}")),
        };
        let ok = value.get("ok").and_then(Value::as_bool).ok_or("no ok")?;
        let said = match (ok, outcome) {
            (true, _) => 0,
            (false, Outcome::Unchanged) => 1,
            (false, Outcome::Changed) => 6,
            (false, Outcome::Restored) => 4,
            (false, Outcome::Damaged) => 5,
        };
        if code != Some(said) {
            return Err(format!("exit status {code:?} beside ok {ok}, {outcome:?}"));
        }
        let closed = value.get("closed").and_then(Value::as_array).map(|closed| {
            let port = |entry: &Value| entry.as_u64().or_else(|| entry.get("port")?.as_u64());
            closed.iter().filter_map(|entry| u16::try_from(port(entry)?).ok()).collect()
        });
        Ok(Answer { ok, outcome, message: text("message")?.to_owned(), closed })
    }
}
