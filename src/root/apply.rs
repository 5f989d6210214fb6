//! Carries out one request as root: lock, recovery, look, plan, change; then audit, report, answer.
//!
//! What a change is made of, and in which order, is in [`super::change`].

use std::time::Duration;

use crate::firewall::{self, Pfctl, PfctlError};
use crate::os::{self, FileError, Files};
use crate::report::PfState;
use crate::root::answer::{Outcome, Response};
use crate::root::audit::{self, AuditedRequest};
use crate::root::caller::Caller;
use crate::root::change::{self, Carried, Change, NotBegun, Seen};
use crate::root::live::Live;
use crate::root::machine::Machine;
use crate::root::plan::{PlanError, choose_way, plan};
use crate::root::recovery::{Recovered, Unrecovered, recover};
use crate::root::request::{Operation, Request};
use crate::root::snapshot::RecordedChange;
use crate::root::undo::{self, UndoError, UndoRequest};
use crate::root::{journal, messages, permissions, record, recovery, uninstall};
use crate::rules::anchor;
use crate::rules::ledger::{Attachment, Guard, Ledger, LedgerError, Opening};
use crate::rules::ledger_change::LedgerChange;
use crate::rules::source::Source;
use crate::system::{LEDGER, LOCK, System};

/// How long a request waits for the one before it, which may take 45 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why nothing was done. The system is unchanged.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Boot(#[from] os::BootError),
    #[error(transparent)]
    Record(#[from] record::RecordError),
    #[error(
        "the ledger {LEDGER} does not read ({0}): look at it, keep it, and move it away; then everything counts as closed"
    )]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
    #[error(transparent)]
    Undo(#[from] UndoError),
}

/// Carries out `request` on `system` and gives the answer. Whatever comes of it, one line goes to the audit log, and
/// what pf looks like afterwards is written for the user's programs to read.
pub fn apply(system: &dyn System, request: &Request) -> Response {
    let (files, now) = (system.files(), system.now());
    let audited = |answer: Response| match request.action {
        Operation::Uninstall { keep_logs } if uninstall::leaves_no_audit(keep_logs, &answer) => answer,
        _ => audit::record(system, AuditedRequest::Valid(request), answer),
    };
    let lock = match files.lock(LOCK, PATIENCE) {
        Ok(lock) => lock,
        Err(error) => return audited(refused(&error)),
    };
    let machine = match machine(system, files.clone(), now) {
        Ok(machine) => machine,
        Err(error) => return audited(refused(&error)),
    };
    let Carried { response, seen } = answer(&machine, request);
    let response = audited(response);
    let Some(Seen { ledger, live, notes }) = seen else { return response };
    let written = machine.write_report(&ledger, &live, &notes);
    drop(lock);
    match written {
        Ok(()) => response,
        Err(error) => with_addition(response, &format!("what pf looks like now was not written: {error}")),
    }
}

fn machine(system: &dyn System, files: Files, now: i64) -> Result<Machine<'_>, os::BootError> {
    let boot = system.boot_id()?;
    let interfaces = firewall::interfaces(system);
    Ok(Machine { system, files, interfaces, pf: Pfctl::new(system), boot, now })
}

fn with_addition(answer: Response, addition: &str) -> Response {
    Response { message: format!("{} ({addition})", answer.message), ..answer }
}

fn refused(error: &dyn std::fmt::Display) -> Response {
    Response::failed(Outcome::Unchanged, format!("{error}; nothing was changed"))
}

/// Recovers from what was interrupted, then carries out what is asked.
fn answer(machine: &Machine, request: &Request) -> Carried {
    let carried = |recovered: Option<Recovered>| {
        let carried = carry_out(machine, request)
            .unwrap_or_else(|refusal| Carried { response: refused(&refusal), seen: None });
        match recovered {
            None => carried,
            Some(recovered) => after_recovery(carried, &recovered),
        }
    };
    match recover(machine) {
        Ok(recovered) => carried(recovered),
        Err(unrecovered) => without_recovery(machine, request, unrecovered),
    }
}

/// Nothing is unchanged that a recovery has changed.
fn after_recovery(carried: Carried, Recovered { message }: &Recovered) -> Carried {
    let Carried { response, seen } = carried;
    let outcome = match response.outcome {
        Outcome::Unchanged => Outcome::Changed,
        other => other,
    };
    let message = format!("{message}; {}", response.message);
    Carried { response: Response { outcome, message, ..response }, seen }
}

/// Where pf cannot be put right a closing goes on, since it only takes away; everything else is refused.
fn without_recovery(machine: &Machine, request: &Request, unrecovered: Unrecovered) -> Carried {
    let Unrecovered { journal, because } = unrecovered;
    let damaged =
        |message: String| Carried { response: Response::failed(Outcome::Damaged, message), seen: None };
    let Some(interrupted) = journal else {
        let message = format!("the journal of the last change cannot be used: {because}");
        return Carried { response: refused(&message), seen: None };
    };
    let mut half = interrupted.half();
    half.expire(machine.now);
    let stuck = format!("a change was interrupted, and is not undone yet: {because}");
    if !closes(&request.action) {
        return damaged(format!("{stuck}; {}", change::command(&half, &interrupted)));
    }
    let after = desired(machine, &half, &PfState::Unknown(String::new()), request);
    let closing = journal::Journal { before: half, after, ..*interrupted };
    let written = closing.write(&machine.files);
    let half = closing.half();
    let there = written.map_err(recovery::RecoveryError::from).and_then(|()| {
        let _register = journal::register(&machine.files)?;
        let there = recovery::to_half(machine, &closing, half.clone())?;
        journal::remove(&machine.files)?;
        Ok(there)
    });
    match there {
        Ok((ledger, reached)) => {
            let message = messages::done(request, &ledger, &reached.notes, &reached.live.state);
            let response = Response::done(Outcome::Changed, message + &messages::cut(&reached.cut));
            let seen = Some(Seen { ledger, live: reached.live, notes: reached.notes });
            Carried { response, seen }
        }
        Err(error) => damaged(format!(
            "{stuck}; what was to be closed is closed in the ledger, and pf is not seen to do it ({error}): {}",
            change::command(&half, &closing)
        )),
    }
}

/// Whether a request only takes away.
fn closes(operation: &Operation) -> bool {
    match operation {
        Operation::Close { .. } | Operation::CloseAll {} | Operation::Guard { on: false } => true,
        Operation::Open { .. } | Operation::Guard { on: true } | Operation::Status {} => false,
        Operation::Tick {} | Operation::Log { .. } | Operation::StopLog {} => false,
        Operation::Uninstall { .. } => true,
        Operation::Undo { .. } => false,
    }
}

fn carry_out(machine: &Machine, request: &Request) -> Result<Carried, Refusal> {
    if matches!(request.action, Operation::StopLog {}) {
        let response = record::stop(machine.system, machine.now, &machine.boot)?;
        return Ok(Carried { response, seen: None });
    }
    let old = read_ledger(machine)?;
    let live = Live::read(&machine.pf, old.token.as_ref())?;
    match request.action {
        Operation::Log { minutes } => {
            // So that a reader of the log can tell which rule is meant.
            let seen = look(machine, live, old)?;
            machine.write_report(&seen.ledger, &seen.live, &[])?;
            let response = record::start(machine.system, minutes, machine.now)?;
            Ok(Carried { response, seen: None })
        }
        Operation::Status {} => {
            let seen = look(machine, live, with_shown(&old, request))?;
            let response = Response::done(Outcome::Unchanged, "looked at pf; nothing was changed");
            Ok(Carried { response, seen: Some(seen) })
        }
        Operation::Undo { change, ref opens, ref unblocks } => {
            turn_back(machine, request, UndoRequest { change, opens, unblocks }, old, live)
        }
        Operation::Uninstall { keep_logs } => {
            let new = desired(machine, &drop_lost_token(machine, &live, &old), &live.state, request);
            let Carried { response, seen } = change_in_stages(machine, request, None, old, new, live)?;
            if !response.ok {
                return Ok(Carried { response, seen });
            }
            let response = uninstall::finish(machine.system, keep_logs, machine.now, &machine.boot, response);
            // The report went with the rest.
            Ok(Carried { seen: seen.filter(|_| !response.ok), response })
        }
        _ => {
            let new = desired(machine, &drop_lost_token(machine, &live, &old), &live.state, request);
            change_in_stages(machine, request, request.way, old, new, live)
        }
    }
}

fn turn_back(
    machine: &Machine,
    request: &Request,
    asked: UndoRequest,
    old: Ledger,
    live: Live,
) -> Result<Carried, Refusal> {
    let mut now = drop_lost_token(machine, &live, &old);
    now.expire(machine.now);
    let back = undo::turned_back(machine.system, asked, &now, &machine.boot, machine.now)?;
    let left = undo::left(&back);
    let mut new = back.ledger;
    if new.guard == Guard::Off {
        new.managed.clear();
    }
    if new.guard != Guard::On {
        new.token = None;
    }
    let mut carried = change_in_stages(machine, request, back.way, old, new, live)?;
    carried.response.message += &left;
    Ok(carried)
}

fn look(machine: &Machine, mut live: Live, ledger: Ledger) -> Result<Seen, PfctlError> {
    live.read_ours(&machine.pf, None)?;
    Ok(Seen { ledger, live, notes: Vec::new() })
}

/// In a move between ways before and after differ in the way alone: everything else comes in a change after it.
fn change_in_stages(
    machine: &Machine,
    request: &Request,
    wanted: Option<Attachment>,
    old: Ledger,
    new: Ledger,
    mut live: Live,
) -> Result<Carried, Refusal> {
    // What is to be replaced in any case need not be known.
    let rules = |ledger: &Ledger| anchor::rules(ledger, &machine.interfaces);
    let replaced = old.way.filter(|_| rules(&old) != rules(&new));
    live.read_ours(&machine.pf, replaced.map(Attachment::anchor))?;
    let observed = machine.observe(&live, &new)?;
    let way = choose_way(&observed, &old, &new, wanted)?;
    let moves = old.way.is_some() && way.is_some() && way != old.way;
    if moves && !recovery::is_same(&old, &new) {
        live.read_ours(&machine.pf, None)?;
        let token = new.token.clone().filter(|_| old.guard == Guard::On);
        let moved = Ledger { way, token, ..old.clone() };
        let carried = change_once(machine, request, old.way, &old, moved, live)?;
        let Some(seen) = carried.seen.filter(|_| carried.response.ok) else {
            return Ok(Carried { response: carried.response, seen: None });
        };
        let new = Ledger { way, token: seen.ledger.token.clone(), ..new };
        return change_once(machine, request, old.way, &seen.ledger, new, seen.live);
    }
    change_once(machine, request, old.way, &old, Ledger { way, ..new }, live)
}

/// `way` is where the rules were before the request: `undo` turns a move back together with what came after it.
fn change_once(
    machine: &Machine,
    request: &Request,
    way: Option<Attachment>,
    before: &Ledger,
    after: Ledger,
    live: Live,
) -> Result<Carried, Refusal> {
    let observed = machine.observe(&live, &after)?;
    let plan = plan(&observed, &after)?;
    let missing = permissions::missing(request, before, &after, &plan.steps);
    if !missing.is_empty() {
        return Ok(Carried { response: Response::missing(missing), seen: None });
    }
    if plan.steps.is_empty() && plan.file_is_right && after == *before {
        let message = messages::done(request, &after, &plan.notes, &live.state);
        let response = Response::done(Outcome::Unchanged, message);
        let seen = Some(Seen { ledger: after, live, notes: plan.notes });
        return Ok(Carried { response, seen });
    }
    let recorded = RecordedChange {
        user: Caller::of_process(machine.system).user(),
        boot: machine.boot.clone(),
        operation: request.action.clone(),
        ledger: LedgerChange::between(&Ledger { way, ..before.clone() }, &after),
    };
    let change = Change { request, before, after, observed, plan, live, recorded };
    Ok(change::make(machine, change)?)
}

fn read_ledger(machine: &Machine) -> Result<Ledger, Refusal> {
    let Some(bytes) = machine.files.read(LEDGER)? else { return Ok(Ledger::default()) };
    Ok(Ledger { changing: None, ..Ledger::parse(&bytes)? })
}

/// The ledger without a token that pf does not count any more.
fn drop_lost_token(machine: &Machine, live: &Live, old: &Ledger) -> Ledger {
    let is_held = live.holds(old.token.as_ref(), &machine.boot);
    Ledger { token: old.token.clone().filter(|_| is_held), ..old.clone() }
}

/// The ledger after the request. `pf`: whether pf is enabled.
fn desired(machine: &Machine, old: &Ledger, pf: &PfState, request: &Request) -> Ledger {
    let mut new = with_shown(old, request);
    let opens = matches!(request.action, Operation::Open { .. });
    // Others hold pf enabled already: blocking what is closed costs nothing more, and makes "closed" true.
    let is_free = new.guard == Guard::Unset && *pf == PfState::Enabled;
    if request.may_turn_guard_on() || (opens && is_free) {
        new.guard = Guard::On;
    }
    if old.guard != Guard::On && new.guard == Guard::On {
        // The guard begins with what its prompt named.
        new.managed.clear();
    }
    request.managed.iter().for_each(|port| new.manage(port));
    // Whatever is asked, what is over is closed first.
    new.expire(machine.now);
    request.close.iter().for_each(|port| new.close(port));
    match &request.action {
        Operation::Open { ports, from, until } => {
            for port in ports {
                let since = since(machine, old, port.range, from);
                new.open(Opening::new(port, from.clone(), *until, since, &request.asker));
            }
            new.expire(machine.now);
        }
        Operation::Close { ports } => ports.iter().for_each(|port| new.close(port)),
        Operation::CloseAll {} => new.close_all(),
        Operation::Guard { on: false } => new.guard = Guard::Off,
        Operation::Uninstall { .. } => {
            new.close_all();
            new.guard = Guard::Off;
        }
        Operation::Guard { on: true } | Operation::Undo { .. } => {}
        Operation::Status {} | Operation::Tick {} | Operation::Log { .. } | Operation::StopLog {} => {}
    }
    if new.guard == Guard::Off {
        // Nothing is ours to close any more: the next guard begins with what is shown then.
        new.managed.clear();
    }
    if new.guard != Guard::On {
        new.token = None;
    }
    new
}

/// Opening again what is open just so keeps its time, so that nothing is changed.
fn since(machine: &Machine, old: &Ledger, port: crate::port::PortRange, from: &Source) -> i64 {
    let same = |opening: &&Opening| opening.port == port && opening.from == *from;
    old.openings.iter().find(same).map_or(machine.now, |opening| opening.since)
}

/// The ledger with what the asker's menu shows, where that blocks nothing: while the guard is not on, what is managed is
/// only reported.
fn with_shown(old: &Ledger, request: &Request) -> Ledger {
    let mut ledger = old.clone();
    if ledger.guard != Guard::On {
        request.shown.iter().for_each(|port| ledger.manage(port));
    }
    ledger
}
