//! What was done, in English: the messages of the helper's answers.

use crate::diagnosis::Answer;
use crate::os::states::StatesError;
use crate::report::{Note, PfState};
use crate::root::conf_lines;
use crate::root::request::{Operation, Request};
use crate::rules::anchor;
use crate::rules::ledger::{Guard, Ledger, Opening};
use crate::rules::named_port::NamedPort;

/// What was done, in a sentence that does not promise more than it does.
pub fn done(request: &Request, ledger: &Ledger, notes: &[Note], pf: &PfState) -> String {
    let guarded = ledger.guard == Guard::On;
    let is_without_effect = notes.iter().any(|note| match note {
        Note::NotEvaluated { .. } | Note::PfStaysOff => true,
        Note::Exception { answer, .. } => *answer != Answer::No,
        _ => false,
    });
    let mut message = match &request.action {
        Operation::Open { ports, from, .. } => {
            let off = if *pf == PfState::Enabled {
                ""
            } else {
                "; pf is off, so it could be reached before as well: `portcullis guard on` makes closing mean something"
            };
            format!("{} open for {}{off}", subject(ports), from.in_full())
        }
        Operation::Close { ports } if guarded && is_without_effect => {
            format!("{} closed in our rules", subject(ports))
        }
        Operation::Close { ports } if guarded => {
            format!("{} closed: other machines are refused", subject(ports))
        }
        Operation::Close { ports } => format!("{} without a rule of ours now{UNGUARDED}", subject(ports)),
        Operation::CloseAll {} if guarded && is_without_effect => {
            "every debug port is closed in our rules".to_owned()
        }
        Operation::CloseAll {} if guarded => "every debug port is closed".to_owned(),
        Operation::CloseAll {} => format!("no debug port has a rule of ours now{UNGUARDED}"),
        Operation::Guard { on: true } => {
            let ports =
                ledger.closed().iter().map(|closed| closed.range.to_string()).collect::<Vec<_>>().join(", ");
            format!(
                "the guard is on: closed ports ({ports}) are blocked from other machines; while pf is held enabled with rules of ours, iCloud Private Relay may pause"
            )
        }
        Operation::Guard { on: false } => {
            let held =
                if *pf == PfState::Enabled { "pf stays on, since others hold it" } else { "pf is off" };
            format!("the guard is off: nothing is blocked by us; {held}")
        }
        Operation::Undo { change, .. } => format!("change {change} was turned back"),
        Operation::CleanUp { lines, .. } => format!(
            "took {} out of /etc/pf.conf, and no rule that pf obeys has changed: {}",
            conf_lines::counted(lines),
            conf_lines::shown(lines)
        ),
        Operation::Uninstall { .. } => format!("no debug port has a rule of ours now{UNGUARDED}"),
        Operation::Status {} | Operation::Log { .. } | Operation::StopLog {} => {
            "looked at pf; nothing was changed".to_owned()
        }
        Operation::Install {} => "the part that closes ports in time is installed".to_owned(),
        Operation::Tick {} => "looked at pf, and put it where the ledger says".to_owned(),
    };
    let outlive = |port: &NamedPort| anchor::sessions_outlive_closing(port.range.last());
    let goes_on = match &request.action {
        Operation::Close { ports } => ports.iter().any(outlive),
        Operation::CloseAll {} | Operation::Guard { on: true } => ledger.closed().iter().any(outlive),
        _ => false,
    };
    if guarded && goes_on {
        message += "; sessions under way on ports from 49152 on go on until they end";
    }
    for note in notes {
        message += &format!("; {note}");
    }
    message
}

const UNGUARDED: &str = "; the guard is off, so this Mac's own policy decides who can reach it";

/// What is open in our rules, as the end of a message.
pub fn open_now(ledger: &Ledger) -> String {
    let open = |opening: &Opening| format!("{} for {}", opening.named_port(), opening.from.in_full());
    match ledger.openings.as_slice() {
        [] if ledger.guard == Guard::On => "; in our rules no debug port is open now".to_owned(),
        [] => format!("; no debug port has a rule of ours now{UNGUARDED}"),
        openings => format!("; open now: {}", openings.iter().map(open).collect::<Vec<_>>().join(", ")),
    }
}

/// `port 2345 (dlv) is`, `ports 2345 (dlv), 9229 (node) are`.
fn subject(ports: &[NamedPort]) -> String {
    let named: Vec<String> = ports.iter().map(NamedPort::to_string).collect();
    match ports {
        [one] if one.range.as_single().is_some() => format!("port {} is", named.join(", ")),
        _ => format!("ports {} are", named.join(", ")),
    }
}

/// What a request was to do, after "it was to".
pub fn wanted(operation: &Operation) -> String {
    let list = |ports: &[NamedPort]| ports.iter().map(NamedPort::to_string).collect::<Vec<_>>().join(", ");
    match operation {
        Operation::Open { ports, .. } => format!("open {}", list(ports)),
        Operation::Close { ports } => format!("close {}", list(ports)),
        Operation::CloseAll {} => "close every debug port".to_owned(),
        Operation::Guard { on: true } => "turn the guard on".to_owned(),
        Operation::Guard { on: false } => "turn the guard off".to_owned(),
        Operation::Undo { change, .. } => format!("turn change {change} back"),
        Operation::CleanUp { lines, .. } => {
            format!("take {} out of /etc/pf.conf", conf_lines::counted(lines))
        }
        Operation::Uninstall { .. } => "close everything before Portcullis goes".to_owned(),
        Operation::Install {} => "install the part that closes ports in time".to_owned(),
        Operation::Status {} | Operation::Log { .. } | Operation::StopLog {} | Operation::Tick {} => {
            "close what is over and put pf where it was last asked to be".to_owned()
        }
    }
}

/// What became of open connections, as the end of a message.
pub fn cut(cut: &Result<usize, StatesError>) -> String {
    match cut {
        Ok(0) => String::new(),
        Ok(1) => "; 1 open connection was cut".to_owned(),
        Ok(count) => format!("; {count} open connections were cut"),
        Err(error) => format!("; {error}"),
    }
}
