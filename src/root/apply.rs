//! Carries out one request as root: lock, recovery, look, plan, change; then audit, report, answer.
//!
//! What a change is made of, and in which order, is in [`super::change`].

use std::time::Duration;

use crate::firewall::{self, Pfctl, PfctlError};
use crate::os::time_limit::TimeLimit;
use crate::os::{self, Expected, FileError, Files, Lock};
use crate::report::PfState;
use crate::root::answer::{Outcome, Response};
use crate::root::audit::{self, AuditedRequest};
use crate::root::caller::Caller;
use crate::root::change::{self, Carried, NotBegun, Seen};
use crate::root::journal::Journal;
use crate::root::ledger_file::{self, DamagedLedger, LedgerOnDisk, NoOpening};
use crate::root::live::{Live, Needed};
use crate::root::machine::{Machine, StepError, timestamp};
use crate::root::permissions::AskedBy;
use crate::root::plan::{Evaluation, plan};
use crate::root::recovery::{Recovered, RecoveryError, Unrecovered, recover};
use crate::root::report::with_shown;
use crate::root::request::{GuardAnswer, Operation, Permission, Request, RequestError};
use crate::root::stages::{StageError, StagedChange, change_in_stages};
use crate::root::sweep::clear_the_way;
use crate::root::undo::{self, UndoError, UndoRequest};
use crate::root::{
    alone, bell, clean_up, command_line, conf_lines, job, journal, messages, record, recovery, uninstall,
};
use crate::rules::ends::EndKind;
use crate::rules::home::Home;
use crate::rules::ledger::{Guard, Ledger, LedgerError, Opening, Visit};
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;
use crate::system::{LOCK, Moment, System};

/// How long a request waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(60);
/// After how long programs that hang are given a second each: so the lock is held for 45 s at most, and what the last of
/// them leave half done is undone within.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Why nothing was done. The system is unchanged.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Boot(#[from] os::BootError),
    #[error(transparent)]
    Record(#[from] record::RecordError),
    #[error("with this request the ledger would be out of bounds: {0}")]
    Bounds(#[source] LedgerError),
    #[error(transparent)]
    NoOpening(#[from] NoOpening),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Undo(#[from] UndoError),
}

/// Carries out `request` on `system` and gives the answer. Whatever comes of it, one line goes to the audit log, and
/// what pf looks like afterwards is written for the user's programs to read.
pub fn apply(system: &dyn System, request: &Request, asked_by: AskedBy) -> Response {
    let (files, now) = (system.files(), system.now());
    // launchd asks each minute: a tick that only looked has no line.
    let is_look =
        |answer: &Response| asked_by == AskedBy::Launchd && answer.ok && answer.outcome == Outcome::Unchanged;
    let audited = |answer: Response| match request.action {
        _ if is_look(&answer) => answer,
        Operation::Uninstall { keep_logs } if uninstall::leaves_no_audit(keep_logs, &answer) => answer,
        _ => audit::record(system, AuditedRequest::Valid(request), answer),
    };
    let needed = needed(&request.action);
    let lock = lock(&files, needed, now);
    if let Err(error) = &lock
        && !(request.action.closes() && error.is_unfit())
    {
        return audited(refused(error));
    }
    let _limit = TimeLimit::of(MOST_TIME);
    let machine = match machine(system, files, now, (asked_by, needed)) {
        Ok(machine) => machine,
        Err(error) => return audited(refused(&error)),
    };
    let carried = match &lock {
        Ok(_) => answer(&machine, request),
        // Where nothing can be written no other helper holds it either.
        Err(error) => (close_alone(&machine, request, error), JournalEnd::Stays),
    };
    let Carried { response, seen } = match carried {
        (carried, JournalEnd::Goes) => change::settle(&machine, carried, audited),
        (Carried { response, seen }, JournalEnd::Stays) => Carried { response: audited(response), seen },
    };
    let response = if request.may.contains(&Permission::Install) && response.ok {
        with_job(system, request, response)
    } else {
        response
    };
    let Some(Seen { ledger, live, notes }) = seen else { return response };
    // Without its bell a port is closed by a prompt, which is no reason to fail.
    let _ = bell::set_up(&machine.files, &ledger);
    let written = machine.write_report(&ledger, &request.shown, &live, &notes);
    drop(lock);
    match written {
        Ok(()) => response,
        Err(error) => with_addition(response, &format!("what pf looks like now was not written: {error}")),
    }
}

/// The lock. What lies in its place and cannot be used is held by no helper: what closes sets it aside.
fn lock(files: &Files, needed: Needed, now: i64) -> Result<Lock, FileError> {
    match files.lock(LOCK, PATIENCE) {
        Err(error) if error.is_unfit() && needed == Needed::OursAlone => {
            files.set_aside(LOCK, Expected::PlainFile, &timestamp(now))?;
            files.lock(LOCK, PATIENCE)
        }
        lock => lock,
    }
}

fn machine(
    system: &dyn System,
    files: Files,
    now: i64,
    (asked_by, needed): (AskedBy, Needed),
) -> Result<Machine<'_>, os::BootError> {
    let boot = system.boot_id()?;
    let (interfaces, clock) = (firewall::interfaces(system), system.clock());
    let networks = system.network_facts().unwrap_or_default();
    let pf = Pfctl::new(system);
    Ok(Machine { system, files, interfaces, networks, pf, boot, now, clock, asked_by, needed })
}

/// What a request has to know: what opens, and what only looks, all; what closes, ours alone. A tick closes what is over.
fn needed(operation: &Operation) -> Needed {
    if operation.closes() || *operation == (Operation::Tick {}) {
        Needed::OursAlone
    } else {
        Needed::Everything
    }
}

/// What is to become of a journal that is there when a request was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JournalEnd {
    Goes,
    /// The next request recovers by it.
    Stays,
}

/// Installs the part that closes ports in time after what else was asked is done: an opening holds without it, and only
/// nothing ends it then. It has a line of its own in the audit.
fn with_job(system: &dyn System, request: &Request, done: Response) -> Response {
    let installed = job::answer(system);
    if installed.ok && installed.outcome == Outcome::Unchanged {
        return done;
    }
    let asked = Request { action: Operation::Install {}, ..request.clone() };
    let installed = audit::record(system, AuditedRequest::Valid(&asked), installed);
    let message = match installed.ok {
        true => format!("{}; {}", done.message, installed.message),
        false => format!("{}; but nothing closes by itself: {}", done.message, installed.message),
    };
    let outcome = if installed.ok { Outcome::Changed } else { done.outcome };
    Response { outcome, message, ..done }
}

fn with_addition(answer: Response, addition: &str) -> Response {
    Response { message: format!("{} ({addition})", answer.message), ..answer }
}

fn refused(error: &dyn std::fmt::Display) -> Response {
    Response::failed(Outcome::Unchanged, format!("{error}; nothing was changed"))
}

/// Takes out of the way what cannot be used, recovers from what was interrupted, then carries out what is asked.
fn answer(machine: &Machine, request: &Request) -> (Carried, JournalEnd) {
    let aside = match machine.needed {
        Needed::Everything => Vec::new(),
        Needed::OursAlone => clear_the_way(&machine.files, &timestamp(machine.now)),
    };
    let (carried, end) = recover_and_carry_out(machine, request);
    if aside.is_empty() {
        return (carried, end);
    }
    let message = format!("what could not be used as a file of ours was set aside as {}", aside.join(", "));
    (after_recovery(carried, &Recovered { message }), end)
}

fn recover_and_carry_out(machine: &Machine, request: &Request) -> (Carried, JournalEnd) {
    let carried = |recovered: Option<Recovered>| {
        let carried =
            carry_out(machine, request).unwrap_or_else(|refusal| refuse(machine, request, &refusal));
        match recovered {
            None => carried,
            Some(recovered) => after_recovery(carried, &recovered),
        }
    };
    match recover(machine, request) {
        Ok(recovered) => {
            // Here a journal is of the change that was just made, or was not begun.
            let carried = carried(recovered);
            let is_damaged = carried.response.outcome == Outcome::Damaged;
            (carried, if is_damaged { JournalEnd::Stays } else { JournalEnd::Goes })
        }
        Err(unrecovered) => {
            let carried = without_recovery(machine, request, unrecovered);
            let is_done = carried.response.outcome == Outcome::Changed;
            (carried, if is_done { JournalEnd::Goes } else { JournalEnd::Stays })
        }
    }
}

/// Nothing is unchanged that a recovery has changed.
fn after_recovery(carried: Carried, Recovered { message }: &Recovered) -> Carried {
    let Carried { response, seen } = carried;
    let outcome = match response.outcome {
        Outcome::Unchanged => Outcome::Changed,
        other => other,
    };
    let rest = response.message.replace("nothing was changed", "nothing else was changed");
    let message = format!("{message}; {rest}");
    Carried { response: Response { outcome, message, ..response }, seen }
}

/// A closing that cannot be made as a change is made all the same, as far as it goes. Where a file could be written and a
/// disk does not take it, nothing is begun: what is not written down the next look would open again.
fn refuse(machine: &Machine, request: &Request, refusal: &Refusal) -> Carried {
    match refusal {
        Refusal::Bounds(_) | Refusal::Record(_) => Carried { response: refused(refusal), seen: None },
        _ if request.action.closes() && file_error(refusal).is_none_or(FileError::is_unfit) => {
            close_alone(machine, request, refusal)
        }
        _ => Carried { response: refused(refusal), seen: None },
    }
}

fn file_error(refusal: &Refusal) -> Option<&FileError> {
    match refusal {
        Refusal::File(error) | Refusal::Stage(StageError::File(error)) => Some(error),
        Refusal::Stage(StageError::NotBegun(NotBegun::File(error))) => Some(error),
        Refusal::Stage(StageError::NotBegun(NotBegun::Ledger(StepError::File(error)))) => Some(error),
        _ => None,
    }
}

fn close_alone(machine: &Machine, request: &Request, because: &dyn std::fmt::Display) -> Carried {
    let mut live = Live::read(&machine.pf, None, machine.needed).unwrap_or_else(|_| Live::unknown());
    if live.read_ours(&machine.pf, None, machine.needed).is_err() {
        live = Live::unknown();
    }
    let damaged = match ledger_file::read(&machine.files) {
        Ok(LedgerOnDisk::Whole(old)) => Ok(old),
        Ok(LedgerOnDisk::Damaged(damaged)) => Err(damaged),
        Err(error) => Err(DamagedLedger::unread(error)),
    };
    let old = damaged.unwrap_or_else(|damaged| {
        damaged.substitute(&machine.files, &live, &machine.boot).unwrap_or_default()
    });
    let after = desired(machine, &old, &live.state, request);
    alone::close(machine, request, alone::LoneClosing { old, after, live }, because)
}

/// Where pf cannot be put right a closing goes on, since it only takes away; everything else is refused.
fn without_recovery(machine: &Machine, request: &Request, unrecovered: Unrecovered) -> Carried {
    let Unrecovered { journal, because } = unrecovered;
    if let RecoveryError::Missing(missing) = because {
        return Carried { response: Response::missing(missing), seen: None };
    }
    let damaged =
        |message: String| Carried { response: Response::failed(Outcome::Damaged, message), seen: None };
    let Some(interrupted) = journal else {
        let is_unfit = matches!(&because, RecoveryError::File(error) if error.is_unfit());
        if request.action.closes() && is_unfit {
            return close_alone(machine, request, &because);
        }
        let message = format!("the journal of the last change cannot be used: {because}");
        return Carried { response: refused(&message), seen: None };
    };
    let mut half = interrupted.half();
    machine.come_due(&mut half);
    let stuck = format!("a change was interrupted, and is not undone yet: {because}");
    if !request.action.closes() {
        return damaged(format!("{stuck}; {}", change::command(&half, &interrupted)));
    }
    let after = desired(machine, &half, &PfState::Unknown(String::new()), request);
    // From here on the journal is of the closing: what was interrupted before has its line first.
    let wanted = messages::wanted(&interrupted.request.action);
    let message = format!("{stuck} (it was to {wanted}); a closing goes on in its place");
    let line = Response::failed(Outcome::Damaged, message);
    audit::record(machine.system, AuditedRequest::Valid(&interrupted.request), line);
    let earlier = *interrupted;
    let closing = Journal { before: half, after, request: request.clone(), ..earlier.clone() };
    let written = closing.write(&machine.files);
    let half = closing.half();
    let there = written.map_err(RecoveryError::from).and_then(|()| {
        let _register = journal::register(&machine.files)?;
        Ok(recovery::to_half(machine, &closing, half.clone(), request)?)
    });
    match there {
        Ok((ledger, reached)) => {
            let became = recovery::what_became(machine, &earlier, &closing.before);
            audit::record(machine.system, AuditedRequest::Valid(&earlier.request), became.clone());
            let message = messages::done(request, &ledger, &reached.notes, &reached.live.state);
            let message = format!("{}; {message}{}", became.message, messages::cut(&reached.cut));
            let response = Response::done(Outcome::Changed, message);
            let seen = Some(Seen { ledger, live: reached.live, notes: reached.notes });
            Carried { response, seen }
        }
        Err(error) => damaged(format!(
            "{stuck}; what was to be closed is closed in the ledger, and pf is not seen to do it ({error}): {}",
            change::command(&half, &closing)
        )),
    }
}

/// Whether a request needs to know what is open already.
fn opens(operation: &Operation) -> bool {
    matches!(operation, Operation::Open { .. } | Operation::Undo { .. } | Operation::Guard { on: true })
}

fn carry_out(machine: &Machine, request: &Request) -> Result<Carried, Refusal> {
    if matches!(request.action, Operation::StopLog {}) {
        let response = record::stop(machine.system, machine.now, &machine.boot)?;
        return Ok(Carried { response, seen: None });
    }
    let (old, live, damaged) = match ledger_file::read(&machine.files)? {
        LedgerOnDisk::Whole(old) => {
            let live = Live::read(&machine.pf, old.token.as_ref(), machine.needed)?;
            (old, live, None)
        }
        LedgerOnDisk::Damaged(damaged) if opens(&request.action) => return Err(damaged.refusal().into()),
        LedgerOnDisk::Damaged(damaged) => {
            let mut live = Live::read(&machine.pf, None, machine.needed)?;
            live.read_ours(&machine.pf, None, machine.needed)?;
            (damaged.substitute(&machine.files, &live, &machine.boot)?, live, Some(damaged))
        }
    };
    match request.action {
        Operation::Log { minutes } => {
            // So that a reader of the log can tell which rule is meant.
            let seen = look(machine, live, old)?;
            machine.write_report(&seen.ledger, &request.shown, &seen.live, &[])?;
            let response = record::start(machine.system, minutes, machine.now)?;
            Ok(Carried { response, seen: None })
        }
        Operation::Install {} => {
            let seen = look(machine, live, old)?;
            Ok(Carried { response: job::answer(machine.system), seen: Some(seen) })
        }
        Operation::InstallCommand {} => {
            let seen = look(machine, live, old)?;
            Ok(Carried { response: command_line::answer(&machine.files), seen: Some(seen) })
        }
        Operation::Status {} => {
            let seen = look(machine, live, old)?;
            let response = Response::done(Outcome::Unchanged, "looked at pf; nothing was changed");
            Ok(Carried { response, seen: Some(seen) })
        }
        Operation::Undo { change, ref opens, ref unblocks } => {
            let asked = StagedChange { request, wanted: None, damaged: None };
            turn_back(machine, asked, UndoRequest { change, opens, unblocks }, old, live)
        }
        Operation::Uninstall { keep_logs } => {
            let new = desired(machine, &drop_lost_token(machine, &live, &old), &live.state, request);
            let asked = StagedChange { request, wanted: None, damaged: damaged.as_ref() };
            let carried = change_in_stages(machine, asked, old, new, live)?;
            // The journal goes before what it is about does; so this part has a line of its own.
            let is_begun = carried.response.ok && !matches!(Journal::read(&machine.files), Ok(None));
            let audited = |answer| audit::record(machine.system, AuditedRequest::Valid(request), answer);
            let Carried { response, seen } =
                if is_begun { change::settle(machine, carried, audited) } else { carried };
            if !response.ok {
                return Ok(Carried { response, seen });
            }
            let response = uninstall::finish(machine.system, keep_logs, machine.now, &machine.boot, response);
            // The report went with the rest.
            Ok(Carried { seen: seen.filter(|_| !response.ok), response })
        }
        _ => {
            request.check_opening(&machine.interfaces, machine.now)?;
            let new = desired(machine, &drop_lost_token(machine, &live, &old), &live.state, request);
            // A closing alone is never refused for its size.
            if opens(&request.action) || !request.managed.is_empty() {
                new.check_bounds().map_err(Refusal::Bounds)?;
            }
            let asked = StagedChange { request, wanted: request.way, damaged: damaged.as_ref() };
            let mut carried = change_in_stages(machine, asked, old, new, live)?;
            if let Some(damaged) = damaged.filter(|_| carried.response.outcome == Outcome::Changed) {
                carried.response.message += &damaged.consequence();
            }
            Ok(carried)
        }
    }
}

fn turn_back(
    machine: &Machine,
    asked: StagedChange,
    undo: UndoRequest,
    old: Ledger,
    live: Live,
) -> Result<Carried, Refusal> {
    let mut now = drop_lost_token(machine, &live, &old);
    machine.expire(&mut now);
    let back = undo::turned_back(machine.system, undo, &now, &machine.boot, machine.now)?;
    let lines = clean_up::taken_out(machine, undo.change).ok().flatten();
    let mut details = undo::details(&back, &now);
    if let Some(lines) = &lines {
        details += &format!("; back in /etc/pf.conf: {}", conf_lines::shown(lines));
    }
    let mut new = back.ledger;
    // What was open again may be over by the clock that no user can set, or be of another network.
    machine.expire(&mut new);
    machine.follow(&mut new, &asked.request.action);
    if new.guard == Guard::Off {
        new.managed.clear();
    }
    if new.guard != Guard::On {
        new.token = None;
    }
    let mut carried = change_in_stages(machine, StagedChange { wanted: back.way, ..asked }, old, new, live)?;
    if carried.response.ok && carried.response.outcome == Outcome::Unchanged {
        let change = undo.change;
        carried.response.message = format!("nothing is left to turn back of change {change}");
    }
    if carried.response.ok {
        carried.response.message += &details;
    }
    if carried.response.ok
        && carried.response.outcome == Outcome::Changed
        && lines.is_none()
        && let Some(seen) = &carried.seen
    {
        carried.response.message += &messages::open_now(&seen.ledger, machine.now);
    }
    Ok(carried)
}

fn look(machine: &Machine, mut live: Live, ledger: Ledger) -> Result<Seen, Refusal> {
    live.read_ours(&machine.pf, None, machine.needed)?;
    // Others may have flushed the call of our anchor.
    let observed = machine.observe(&live, &ledger)?;
    let notes = plan(&observed, &ledger, Evaluation::AsItIs).map(|plan| plan.notes).unwrap_or_default();
    Ok(Seen { ledger, live, notes })
}

/// The ledger without a token that pf does not count any more.
fn drop_lost_token(machine: &Machine, live: &Live, old: &Ledger) -> Ledger {
    let is_held = live.holds(old.token.as_ref(), &machine.boot);
    Ledger { token: old.token.clone().filter(|_| is_held), ..old.clone() }
}

/// The ledger after the request. `pf`: whether pf is enabled.
fn desired(machine: &Machine, old: &Ledger, pf: &PfState, request: &Request) -> Ledger {
    let mut new = with_shown(old, &request.shown);
    let opens = matches!(request.action, Operation::Open { .. });
    // Others hold pf enabled already: blocking what is closed costs nothing more, and makes "closed" true.
    let is_declined = request.guard == Some(GuardAnswer::Off);
    let is_free = new.guard == Guard::Unset && *pf == PfState::Enabled && !is_declined;
    let guards = opens || request.action == (Operation::Guard { on: true });
    if (guards && request.may_turn_guard_on()) || (opens && is_free) {
        new.guard = Guard::On;
    }
    if is_declined && new.guard == Guard::Unset {
        new.guard = Guard::Off;
    }
    if old.guard != Guard::On && new.guard == Guard::On {
        // The guard begins with what its prompt named.
        new.managed.clear();
    }
    request.managed.iter().for_each(|port| new.manage(port));
    if let Operation::EndOfDay { at } = request.action {
        new.end_of_day = Some(at);
    }
    // Whatever is asked, what is over is closed first.
    machine.come_due(&mut new);
    machine.follow(&mut new, &request.action);
    request.close.iter().for_each(|port| new.close(port));
    match &request.action {
        Operation::Open { ports, from, until, ends, stay } => {
            let until = match ends {
                EndKind::Evening => until.map(|until| until.min(machine.evening(&new))),
                EndKind::Time | EndKind::Restart => *until,
            };
            let now = Moment { time: machine.now, boot: machine.boot.clone(), clock: machine.clock };
            let user = Some(Caller::of_process(machine.system).user());
            for port in ports {
                let mut opening = match same_opening(machine, old, port, from, *stay) {
                    Some(same) if same.until == until && same.kind() == *ends => same,
                    same => {
                        let since = same.as_ref().map_or(machine.now, |same| same.since);
                        let opening = Opening::new(port, from.clone(), until, since, &request.asker);
                        // Where no network is known just now it is as it was.
                        let home = Home::of(&machine.networks).or(same.and_then(|same| same.home));
                        Opening { home, stay: *stay, ..opening.ending(*ends, &now) }
                    }
                };
                opening.follow(&machine.networks, Visit::Request);
                new.open(Opening { user, ..opening });
            }
            machine.expire(&mut new);
        }
        Operation::Close { ports } => ports.iter().for_each(|port| new.close(port)),
        Operation::CloseAll {} => new.close_all(),
        Operation::Guard { on: false } => new.guard = Guard::Off,
        // As where there is no ledger.
        Operation::Uninstall { .. } => {
            new.close_all();
            new.managed.clear();
            new.guard = Guard::Unset;
        }
        Operation::Guard { on: true } | Operation::Undo { .. } | Operation::CleanUp { .. } => {}
        Operation::Status {} | Operation::Tick {} | Operation::Log { .. } | Operation::StopLog {} => {}
        Operation::Install {} | Operation::InstallCommand {} | Operation::EndOfDay { .. } => {}
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

/// What of `old` is open just as `port` is to be for `from`: opened again it keeps its time, so that nothing is changed. What
/// pauses is not: opened again it is for the networks that this Mac is on now.
fn same_opening(
    machine: &Machine,
    old: &Ledger,
    port: &NamedPort,
    from: &Source,
    stay: bool,
) -> Option<Opening> {
    let mut openings = old.openings.iter();
    let is_same =
        |opening: &&Opening| opening.port == port.range && opening.from == *from && opening.stay == stay;
    let mut same = openings.find(is_same)?.clone();
    same.follow(&machine.networks, Visit::Request);
    (!same.is_paused()).then_some(same)
}
