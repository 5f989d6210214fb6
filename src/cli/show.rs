//! Prints: text for a person, JSON for a program.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use portcullis::app::AppError;
use portcullis::debuggers::debugger::Harm;
use portcullis::debuggers::ports::DebugPort;
use portcullis::diagnosis::Reachability;
use portcullis::prefs::Preferences;
use portcullis::root::answer::{Outcome, Response};
use portcullis::status::{Icon, PortState, PortStatus, Status};

/// What a command that changes something prints in JSON.
#[derive(Serialize)]
struct Change<'a> {
    version: u32,
    ok: bool,
    outcome: Outcome,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
}

/// The status.
pub fn status(status: &Status, json: bool) {
    if json {
        return print_json(status);
    }
    let mark = match status.icon {
        Icon::Closed => "[#]",
        Icon::Open => "[ ]",
        Icon::Off => "[/]",
        Icon::Unknown => "[?]",
    };
    let lab = status.lab.as_ref().map_or(String::new(), |dir| format!("   (lab: {dir})"));
    let mut text = format!("{mark} {}{lab}\n", status.sentence);
    if status.icon == Icon::Unknown {
        text += "    Look now: portcullis status --check\n";
    }
    let guard = match status.firewall.guard {
        "on" => "on: closed ports are blocked from other machines",
        "off" | "unset" => "off: a closed port is left to this Mac's own policy (portcullis guard on)",
        _ => "not known",
    };
    text += &format!("    {}\n    guard {guard}\n", status.firewall.because);
    for port in &status.ports {
        text += &port_lines(port);
    }
    for note in &status.notes {
        text += &format!("  ! {note}\n");
    }
    print(&text);
}

fn port_lines(port: &PortStatus) -> String {
    let state = match port.state {
        PortState::Open => "open",
        PortState::Closed => "closed",
        PortState::Unmanaged => "unmanaged",
        PortState::Unknown => "unknown",
    };
    let from = port.from.as_ref().map_or(String::new(), |from| format!(" for {from}"));
    let until = port.until.map_or(String::new(), |until| format!(" until {}", clock(until)));
    let found = match (port.situation, &port.listener) {
        (Reachability::NoListener, _) => ", nothing listens".to_owned(),
        (_, listener) => listener.as_ref().map_or(String::new(), |listener| format!(", {listener}")),
    };
    let (range, name) = (port.port.to_string(), port.name.as_str());
    let mut text = format!("  {range:<11} {name:<10} {state}{from}{until}{found}\n");
    // That nobody listens is in the way of nobody who did not open the port.
    if port.situation != Reachability::NoListener || port.state == PortState::Open {
        text += &format!("              {}\n", port.because);
        if port.situation != Reachability::Reachable {
            text += &format!("              next: {}\n", port.next);
        }
    }
    text.extend(port.blocked.iter().map(|blocked| format!("              {blocked}\n")));
    text
}

/// A time of day here, with the date where it is not today.
pub fn clock(seconds: i64) -> String {
    time_here(seconds, "%H:%M")
}

/// The same to the second.
pub fn clock_with_seconds(seconds: i64) -> String {
    time_here(seconds, "%H:%M:%S")
}

fn time_here(seconds: i64, of_day: &str) -> String {
    let Ok(time) = jiff::Timestamp::from_second(seconds) else { return format!("{seconds} s after 1970") };
    let time = time.to_zoned_datetime(jiff::tz::TimeZone::system());
    let same_day = time.date() == jiff::ZonedDateTime::now().date();
    let form = if same_day { of_day.to_owned() } else { format!("%Y-%m-%d {of_day}") };
    time.strftime(&form).to_string()
}

/// What a change came to.
pub fn answer(answer: &Response, status: Option<&Status>, json: bool) {
    if json {
        let Response { ok, outcome, message, .. } = answer;
        return print_json(&Change { version: 1, ok: *ok, outcome: *outcome, message, status });
    }
    print(&format!("{}\n", answer.message));
}

/// What was wrong with the input: to standard error as text, to standard output as JSON.
pub fn message(message: &str, json: bool) {
    if json {
        print_json(&Change { version: 1, ok: false, outcome: Outcome::Unchanged, message, status: None });
    } else {
        eprintln!("portcullis: {message}");
    }
}

/// What went wrong: to standard error as text, to standard output as JSON.
pub fn failure(error: &AppError, json: bool) {
    let message = error.to_string();
    if json {
        let outcome = match error.exit_status() {
            4 => Outcome::Restored,
            5 => Outcome::Damaged,
            _ => Outcome::Unchanged,
        };
        return print_json(&Change { version: 1, ok: false, outcome, message: &message, status: None });
    }
    self::message(&message, false);
}

/// The ports that have a name.
pub fn ports(known: &[DebugPort], json: bool) {
    #[derive(Serialize)]
    struct Ports<'a> {
        version: u32,
        ports: &'a [DebugPort],
    }
    if json {
        return print_json(&Ports { version: 1, ports: known });
    }
    let mut text =
        format!("{:<11} {:<10} {:<32} {:<16} {}\n", "PORT", "NAME", "SERVER", "PROTOCOL", "A PLAIN CONNECT");
    for port in known {
        let connect = match port.connect {
            Harm::Harmless => "is harmless",
            Harm::Noise => "makes noise",
            Harm::Harms => "breaks it",
            Harm::Unknown => "was not measured",
        };
        let (name, title) = (port.name.as_str(), &port.title);
        text += &format!(
            "{:<11} {name:<10} {title:<32} {:<16} {connect}\n",
            port.port.to_string(),
            port.protocol
        );
    }
    print(&text);
}

/// The preferences in force.
pub fn preferences(preferences: &Preferences, file: &Path, json: bool) {
    #[derive(Serialize)]
    struct Shown<'a> {
        version: u32,
        file: &'a Path,
        show: Vec<&'a str>,
        from: &'a str,
        way: String,
        port: &'a [DebugPort],
    }
    let show: Vec<&str> = preferences.show.iter().map(|name| name.as_str()).collect();
    let way = format!("{:?}", preferences.way).to_lowercase();
    let (from, port) = (preferences.from.as_str(), preferences.port.as_slice());
    if json {
        return print_json(&Shown { version: 1, file, show, from, way, port });
    }
    let mut text = format!("show  {}\nfrom  {from}\nway   {way}\n", show.join(", "));
    for own in port {
        text += &format!("port  {} {}\n", own.port, own.name);
    }
    print(&format!("{text}file  {}\n", file.display()));
}

pub fn print_json(value: &impl Serialize) {
    // Plain data with text keys: its JSON cannot fail.
    print(&format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// A reader that went away (`| head`) is no reason to panic.
pub fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
