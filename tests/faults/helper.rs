//! How the helper is started, and what it answers: the one place that knows either.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

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
        Ask::Tick => vec!["tick".to_owned()],
        _ => vec!["apply".to_owned(), request(ask, asker, now)?],
    };
    let mut arguments = vec![OsString::from("--lab"), lab.into()];
    arguments.extend(words.into_iter().map(OsString::from));
    Some(arguments)
}

fn request(ask: &Ask, asker: &str, now: i64) -> Option<String> {
    let named = |ports: &[(&str, u16)]| -> Value {
        ports.iter().map(|(name, port)| json!({ "name": name, "port": port })).collect()
    };
    let mut way = None;
    let action = match ask {
        Ask::Open { guard: true, .. } | Ask::CloseAndOpen(..) | Ask::Undo | Ask::Uninstall => return None,
        Ask::Open { ports, from, lasts, guard: false } => {
            let from = match from {
                Source::Any => json!({ "kind": "any" }),
                Source::Lan(networks) => json!({ "kind": "lan", "networks": networks }),
                Source::Hosts(hosts) => json!({ "kind": "hosts", "hosts": hosts }),
            };
            let until = lasts.map(|seconds| now + seconds);
            json!({ "do": "open", "ports": named(ports), "from": from, "until": until })
        }
        Ask::Close(ports) => json!({ "do": "close", "ports": named(ports) }),
        Ask::CloseAll => json!({ "do": "close-all" }),
        Ask::Guard { on, way: wanted } => {
            way = *wanted;
            json!({ "do": "guard", "on": on })
        }
        Ask::Tick => json!({ "do": "tick" }),
        Ask::Record => json!({ "do": "log", "minutes": 60 }),
        Ask::StopRecording => json!({ "do": "stop-log" }),
    };
    let way = way.map(|way| match way {
        Way::Apple => "apple",
        Way::Classic => "classic",
    });
    let request =
        json!({ "version": 1, "action": action, "asker": asker, "managed": named(&MENU), "way": way });
    Some(URL_SAFE_NO_PAD.encode(request.to_string()))
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
            (false, Outcome::Changed | Outcome::Unchanged) => 1,
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
