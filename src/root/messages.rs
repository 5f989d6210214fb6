//! What was done, in English: the messages of the helper's answers.

use crate::diagnosis::Answer;
use crate::os;
use crate::os::states::StatesError;
use crate::port::PortRange;
use crate::report::{Note, PfState};
use crate::root::conf_lines;
use crate::root::request::{Operation, Request};
use crate::rules::anchor;
use crate::rules::ends::{EndKind, EveningEnd};
use crate::rules::evening;
use crate::rules::ledger::{Guard, Ledger, Opening, Seconds};
use crate::rules::named_port::NamedPort;
use crate::rules::network_words::network_words;
use crate::system::Moment;

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
            format!("{} open for {}{}{off}", subject(ports), from.in_full(), end(request, ledger))
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
        Operation::InstallCommand {} => "terminals find portcullis".to_owned(),
        Operation::EndOfDay { at } => {
            format!("the working day ends at {at}, and what is open until the evening no later")
        }
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

/// What a tick closed and why, and what it gave more time, as the beginning of a message; nothing where it did neither.
/// [`followed`] says what was closed since its network was left.
pub fn came_due(before: &Ledger, after: &Ledger, now: &Moment) -> String {
    let mut said = String::new();
    let is_open = |port: PortRange| after.openings.iter().any(|opening| opening.port.overlaps(port));
    let is_closed = |opening: &&Opening| !is_open(opening.port) && !is_left(opening, now);
    for closed in before.openings.iter().filter(is_closed) {
        let port = subject(&[closed.named_port()]);
        let closed_is = if after.guard == Guard::On { "closed" } else { "without a rule of ours now" };
        said += &format!("{port} {closed_is}: {}; ", why_over(closed, now));
    }
    let had_more = |opening: &&Opening| opening.evening == Some(EveningEnd::Extended);
    for more in after.openings.iter().filter(had_more) {
        let was_due = |opening: &Opening| opening.port == more.port && opening.may_last_longer();
        if before.openings.iter().any(was_due) {
            let port = subject(&[more.named_port()]);
            said += &format!("{port} open for 30 min more, since a debugger is in session; ");
        }
    }
    said
}

/// Whether leaving its network is all that an opening can have ended by.
fn is_left(opening: &Opening, now: &Moment) -> bool {
    opening.away && !opening.is_over(now)
}

/// By what an opening is over.
fn why_over(opening: &Opening, now: &Moment) -> &'static str {
    let end = opening.clocks.get(&now.boot);
    match (opening.until, opening.evening) {
        _ if opening.restart && end.is_none() => "this Mac was restarted",
        (Some(until), Some(_)) if until <= now.time => "the working day is over",
        (Some(until), None) if until <= now.time => "its time is over",
        (Some(_), _) if end.is_some_and(|end| *end <= now.clock) => {
            "its time is over, though the clock was set back"
        }
        (Some(_), _) if end.is_none() => "the clock is behind what it was before the restart",
        _ => "it is over",
    }
}

/// When what was opened ends, and on which networks, behind a blank.
fn end(request: &Request, ledger: &Ledger) -> String {
    let Operation::Open { ports, ends, .. } = &request.action else { return String::new() };
    let (now, zone) = (request.made.time, os::zone());
    let open = |opening: &&Opening| ports.iter().any(|port| port.range == opening.port);
    let opening = ledger.openings.iter().find(open);
    let Some(opening) = opening else { return String::new() };
    let is_late = evening::evening(now, ledger.end_of_day.unwrap_or_default(), &zone).is_late;
    match evening::in_words(opening, now, &zone) {
        Some(words) if *ends == EndKind::Evening && is_late => {
            format!(" {words}: the day is over, or nearly, so that is two hours; {}", network_words(opening))
        }
        words => lasts(opening, words),
    }
}

/// `until`, and on which networks, behind a blank.
fn lasts(opening: &Opening, until: Option<String>) -> String {
    let network = network_words(opening);
    match until {
        Some(until) => format!(" {until}, {network}"),
        None if opening.stay => format!(" until it is closed, {network}"),
        None => format!(" {network}"),
    }
}

/// What became of openings by the networks that this Mac is on, as the end of a message.
pub fn followed(request: &Request, before: &Ledger, after: &Ledger) -> String {
    let mut clauses: Vec<(String, Vec<NamedPort>)> = Vec::new();
    for was in &before.openings {
        let is = after.openings.iter().find(|opening| opening.port.overlaps(was.port));
        let Some(clause) = became(request, was, is) else { continue };
        match clauses.iter_mut().find(|(same, _)| *same == clause) {
            Some((_, ports)) => ports.push(was.named_port()),
            None => clauses.push((clause, vec![was.named_port()])),
        }
    }
    clauses.iter().map(|(clause, ports)| format!("; {} {clause}", subject(ports))).collect()
}

fn became(request: &Request, was: &Opening, is: Option<&Opening>) -> Option<String> {
    let home = was.home.as_ref().map(ToString::to_string).unwrap_or_default();
    match is {
        None if is_left(was, &request.made) && request.action == (Operation::Tick {}) => {
            Some(format!("closed, since this Mac left the network {home}"))
        }
        None => None,
        Some(is) if is.is_paused() && (!was.is_paused() || is.away != was.away) => Some(network_words(is)),
        Some(is) if was.is_paused() && !is.is_paused() => Some("open again".to_owned()),
        Some(is) => match (&was.home, &is.home) {
            (None, Some(home)) => Some(format!("for the network {home} from now on")),
            _ => None,
        },
    }
}

const UNGUARDED: &str = "; the guard is off, so this Mac's own policy decides who can reach it";

/// What is open in our rules, until when and where, as the end of a message.
pub fn open_now(ledger: &Ledger, now: Seconds) -> String {
    let zone = os::zone();
    let open = |opening: &Opening| {
        let lasts = lasts(opening, evening::in_words(opening, now, &zone));
        format!("{} for {}{lasts}", opening.named_port(), opening.from.in_full())
    };
    match ledger.openings.as_slice() {
        [] if ledger.guard == Guard::On => "; in our rules no debug port is open now".to_owned(),
        [] => format!("; no debug port has a rule of ours now{UNGUARDED}"),
        openings => format!("; open now: {}", openings.iter().map(open).collect::<Vec<_>>().join("; ")),
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
        Operation::InstallCommand {} => "have terminals find portcullis".to_owned(),
        Operation::EndOfDay { at } => format!("end the working day at {at}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::opening;

    #[test]
    fn a_tick_says_what_it_closed_and_why() {
        let now = Moment { time: 100, boot: "B".into(), clock: 10 };
        let of = |until, evening, boot: &str, restart| {
            let clocks = std::iter::once((boot.to_owned(), 10)).collect();
            Opening { until, evening, clocks, restart, ..opening("2345", "any", 1) }
        };
        let said = |opening: Opening, guard| {
            let before = Ledger { openings: vec![opening], guard, ..Ledger::default() };
            came_due(&before, &Ledger { guard, ..Ledger::default() }, &now)
        };
        for (opening, why) in [
            (of(Some(100), None, "B", false), "its time is over"),
            (of(Some(90), Some(EveningEnd::Due), "B", false), "the working day is over"),
            (of(Some(900), None, "B", false), "its time is over, though the clock was set back"),
            (of(Some(900), None, "A", false), "the clock is behind what it was before the restart"),
            (of(None, None, "A", true), "this Mac was restarted"),
        ] {
            assert_eq!(said(opening, Guard::On), format!("port 2345 (dlv) is closed: {why}; "));
        }
        let unguarded = said(of(Some(100), None, "B", false), Guard::Off);
        assert_eq!(unguarded, "port 2345 (dlv) is without a rule of ours now: its time is over; ");
    }

    #[test]
    fn a_tick_says_what_it_gave_more_time() {
        let now = Moment { time: 100, boot: "B".into(), clock: 10 };
        let of = |evening| Ledger {
            openings: vec![Opening { evening: Some(evening), ..opening("2345", "any", 1) }],
            ..Ledger::default()
        };
        let (due, more) = (of(EveningEnd::Due), of(EveningEnd::Extended));
        let said = "port 2345 (dlv) is open for 30 min more, since a debugger is in session; ";
        assert_eq!(came_due(&due, &more, &now), said);
        assert_eq!(came_due(&more, &more, &now), "", "once");
        assert_eq!(came_due(&due, &due, &now), "");
    }
}
