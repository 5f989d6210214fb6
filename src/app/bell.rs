//! Closing without a password: the user's own bells, which root hears within a minute, and mostly within seconds.

use std::time::{Duration, Instant};

use crate::elevate::ElevateError;
use crate::lab;
use crate::os;
use crate::root::answer::{Outcome, Response};
use crate::root::audit;
use crate::root::bell;
use crate::root::job::{self, JobState};
use crate::root::request::{Operation, Request};
use crate::rules::ledger::{Ledger, Opening, Seconds};
use crate::rules::named_port::NamedPort;
use crate::system::{JOURNAL, LEDGER, System};

/// How long root is waited for: launchd starts a job at most every ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether root has closed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Closes what `action` says, where this user opened all of it and root hears the bell. `None`: it is to be asked for.
pub(super) fn close(system: &dyn System, action: &Operation) -> Option<Result<Response, ElevateError>> {
    let ports = own_ports(&ledger(system)?, action, os::own_uid())?;
    if !matches!(job::state(system), JobState::Ready(_)) {
        return None;
    }
    let began = system.now();
    let files = system.files();
    let bells = match action {
        Operation::CloseAll {} => vec![bell::of_all(os::own_uid())],
        _ => ports.iter().map(|port| bell::of_port(os::own_uid(), port.range)).collect(),
    };
    bells.iter().chain([&bell::ring()]).try_for_each(|bell| files.ring_bell(bell)).ok()?;
    lab::catch_up(system);
    let waited = Instant::now();
    // Its line in the audit is written before the journal goes.
    while !is_closed(&ledger(system)?, &ports) || files.mode(JOURNAL).ok()?.is_some() {
        if waited.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let said = answered(system, &ports, began);
    let Response { ok, outcome, message, .. } = said.clone();
    Some(if ok { Ok(said) } else { Err(ElevateError::Failed { outcome, message }) })
}

/// Whether root would close these without asking, as far as the ledger tells.
pub(super) fn may_close(ledger: &Ledger, ports: &[NamedPort]) -> bool {
    own_ports(ledger, &Operation::Close { ports: ports.to_vec() }, os::own_uid()).is_some()
}

/// The ports that a closing closes, where each is open as a whole, and by this user's asking.
fn own_ports(ledger: &Ledger, action: &Operation, user: u32) -> Option<Vec<NamedPort>> {
    let is_own = |opening: &&Opening| opening.user == Some(user);
    match action {
        Operation::CloseAll {} if !ledger.openings.is_empty() && ledger.changing.is_none() => {
            let own: Vec<_> = ledger.openings.iter().filter(is_own).map(Opening::named_port).collect();
            (own.len() == ledger.openings.len()).then_some(own)
        }
        Operation::Close { ports } if ledger.changing.is_none() => {
            let open = |port: &NamedPort| {
                let opening = ledger.openings.iter().find(|opening| opening.port == port.range)?;
                is_own(&opening).then(|| opening.named_port())
            };
            ports.iter().map(open).collect()
        }
        _ => None,
    }
}

fn is_closed(ledger: &Ledger, ports: &[NamedPort]) -> bool {
    let is_open = |port: &NamedPort| ledger.openings.iter().any(|opening| opening.port.overlaps(port.range));
    ledger.changing.is_none() && !ports.iter().any(is_open)
}

fn ledger(system: &dyn System) -> Option<Ledger> {
    Ledger::parse(&system.files().read(LEDGER).ok()??).ok()
}

/// What root said of the closing, by the audit, which it writes before anything else is told of it.
fn answered(system: &dyn System, ports: &[NamedPort], began: Seconds) -> Response {
    let lines = audit::read(&system.files()).map(|log| log.lines).unwrap_or_default();
    let closes = |request: &Request| match &request.action {
        Operation::Close { ports: closed } => ports.iter().all(|port| closed.contains(port)),
        action => *action == (Operation::CloseAll {}),
    };
    let is_it = |line: &&audit::AuditLine| {
        let request = line.request.clone().and_then(|request| serde_json::from_value(request).ok());
        line.time >= began && request.as_ref().is_some_and(closes)
    };
    match lines.iter().rev().find(is_it) {
        Some(line) => {
            let said = Response::done(line.outcome, line.message.clone());
            Response { ok: line.ok, snapshot: line.snapshot, ..said }
        }
        None => {
            let names: Vec<String> = ports.iter().map(NamedPort::to_string).collect();
            Response::done(Outcome::Changed, format!("{} closed", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_user_opened_as_a_whole_is_closed_without_asking() {
        let named = |port: &str| NamedPort::unnamed(port.parse().unwrap());
        let mut ledger = Ledger::default();
        for (port, user) in [("2345", Some(501)), ("4000-4009", Some(501)), ("9229", Some(502))] {
            let opening = Opening::new(&named(port), crate::rules::source::Source::Any, None, 1, "ada");
            ledger.open(Opening { user, ..opening });
        }
        let close = |ports: &[&str], user| {
            let action = Operation::Close { ports: ports.iter().map(|port| named(port)).collect() };
            own_ports(&ledger, &action, user).is_some()
        };
        assert!(close(&["2345"], 501) && close(&["2345", "4000-4009"], 501) && close(&["9229"], 502));
        assert!(!close(&["9229"], 501) && !close(&["2345"], 502), "another user's");
        assert!(!close(&["4000-4004"], 501), "a part");
        assert!(!close(&["5005"], 501), "it is not open");
        assert_eq!(own_ports(&ledger, &Operation::CloseAll {}, 501), None);
        ledger.close(&named("9229"));
        assert_eq!(own_ports(&ledger, &Operation::CloseAll {}, 501).unwrap().len(), 2);
        assert_eq!(own_ports(&ledger, &Operation::Guard { on: false }, 501), None);
    }
}
