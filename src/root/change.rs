//! The order of every change: nothing lasts before it is written down what it is, and whatever happens on the way, pf ends
//! where the ledger says.
//!
//! Snapshot, journal, `pfctl -n`; ledger and anchor file say what both before and after allow; pf goes to what is asked, and
//! is seen there; ledger, then anchor file say what is asked; the token that is not needed any more is released; the audit
//! has its line; the journal goes. A failure on the way puts pf where both allow, which a closing has reached then, and so it
//! is never undone.

use crate::os::FileError;
use crate::os::children::Register;
use crate::port::PortRange;
use crate::report::Note;
use crate::root::answer::{Outcome, Response};
use crate::root::clean_up;
use crate::root::journal::{self, Journal};
use crate::root::ledger_file::DamagedLedger;
use crate::root::live::{Live, Needed};
use crate::root::machine::{Failure, Machine, Reached, StepError, timestamp};
use crate::root::messages;
use crate::root::plan::{Observed, Plan, needs_file};
use crate::root::recovery::{is_same, to_half};
use crate::root::request::{Operation, Request};
use crate::root::snapshot::{self, RecordedChange};
use crate::rules::ledger::{Attachment, Ledger};
use crate::rules::ledger_change::uncovered;
use crate::rules::named_port::NamedPort;
use crate::system::{ANCHOR_FILE, JOURNAL, LEDGER};

/// A change that is to be made.
pub struct Change<'a> {
    pub request: &'a Request,
    pub before: &'a Ledger,
    pub after: Ledger,
    pub observed: Observed,
    pub plan: Plan,
    pub live: Live,
    /// What the snapshot says of it.
    pub recorded: RecordedChange,
    /// The ledger that does not read, where another counts in its place.
    pub damaged: Option<&'a DamagedLedger>,
}

/// What came of it.
pub struct Carried {
    pub response: Response,
    /// What pf was seen to be afterwards, for the report; `None` where it was not seen.
    pub seen: Option<Seen>,
}

/// pf as it was seen, by a ledger.
pub struct Seen {
    pub ledger: Ledger,
    pub live: Live,
    pub notes: Vec<Note>,
}

/// Why a change was not begun. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("pf does not take the rules that were to be loaded: {0}")]
    Check(#[source] StepError),
    #[error("cannot write the ledger: {0}")]
    Ledger(#[source] StepError),
}

/// Makes the change. Errors: it was not begun, and nothing is changed.
pub fn make(machine: &Machine, change: Change) -> Result<Carried, NotBegun> {
    let Change { request, before, after, observed, plan, live, recorded, damaged } = change;
    let old_ledger = match damaged {
        Some(damaged) => OldLedger::Damaged(damaged),
        None => OldLedger::Whole(machine.files.read(LEDGER)?),
    };
    let snapshot = match snapshot::take(&machine.files, machine.now, recorded) {
        Err(error) if machine.needed == Needed::Everything => return Err(error.into()),
        snapshot => snapshot,
    };
    // Whether pf was held before the change counts, and not what an older ledger said of it.
    let token = before.token.clone().filter(|token| live.holds(Some(token), &machine.boot));
    let held = Ledger { token, ..before.clone() };
    let journal = Journal::new(request, &held, &after, &machine.boot, machine.now);
    let _register = begin(machine, &journal, &observed, &plan, old_ledger)?;
    let mut carried = match bring_about(machine, &journal, after, plan, live) {
        Ok((after, reached)) => {
            let Carried { response, seen } = done(&journal, after, reached);
            let number = snapshot.as_ref().ok().copied();
            Carried { response: Response { snapshot: number, ..response }, seen }
        }
        Err(failure) => fall_back(machine, &journal, failure),
    };
    if let Err(error) = snapshot {
        carried.response.message += &format!("; no snapshot was taken: {error}");
    }
    Ok(carried)
}

/// What is to be replaced as the ledger.
#[derive(Clone, Debug)]
enum OldLedger<'a> {
    /// Its bytes; `None` where there was none.
    Whole(Option<Vec<u8>>),
    Damaged(&'a DamagedLedger),
}

/// Writes down what is about to happen: journal, then the ledger as half. An error leaves the ledger as it was.
fn begin(
    machine: &Machine,
    journal: &Journal,
    observed: &Observed,
    plan: &Plan,
    old_ledger: OldLedger,
) -> Result<Register, NotBegun> {
    journal.write(&machine.files)?;
    let register = journal::register(&machine.files)?;
    match machine.check(observed, plan) {
        Err(error) if machine.needed == Needed::Everything => return Err(NotBegun::Check(error)),
        // Our own text is loaded or not: what closes tries it.
        _ => {}
    }
    if let OldLedger::Damaged(damaged) = &old_ledger {
        damaged.keep_aside(&machine.files, &timestamp(machine.now))?;
    }
    let mut half = journal.half();
    half.changing = Some(journal.changing(&half));
    machine.write_ledger(&half).or_else(|error| {
        let is_as_it_was = !matches!(&error, StepError::File(file) if !file.is_as_it_was());
        let is_put_back = match &old_ledger {
            // The journal says what counts now.
            OldLedger::Damaged(damaged) if damaged.is_unfit() => false,
            _ if is_as_it_was => true,
            OldLedger::Damaged(_) => false,
            OldLedger::Whole(Some(bytes)) => machine.files.replace(LEDGER, bytes, 0o644).is_ok(),
            OldLedger::Whole(None) => machine.files.remove(LEDGER).is_ok(),
        };
        // Half is no more open than before: where it may be there already and cannot be taken back, the change goes on.
        if is_put_back { Err(NotBegun::Ledger(error)) } else { Ok(()) }
    })?;
    Ok(register)
}

/// From half to after.
fn bring_about(
    machine: &Machine,
    journal: &Journal,
    mut after: Ledger,
    plan: Plan,
    live: Live,
) -> Result<(Ledger, Reached), Failure> {
    let asker = &journal.request.asker;
    machine.write_anchor_file(&journal.half(), asker).map_err(Failure::AnchorFile)?;
    let mut reached = machine.execute(plan, live, &mut after)?;
    machine.is_obeyed(&reached, &after, &journal.request.action)?;
    machine.write_ledger(&after).map_err(Failure::Ledger)?;
    if needs_file(&after, &reached.notes) {
        machine.write_anchor_file(&after, asker).map_err(Failure::AnchorFile)?;
    } else {
        machine.files.remove(ANCHOR_FILE).map_err(Failure::AnchorFile)?;
    }
    let old = journal.before.token.as_ref().filter(|old| after.token.as_ref() != Some(*old));
    if let Some(old) = old.filter(|old| reached.live.holds(Some(old), &machine.boot)) {
        let released = machine.system.release_pf(old.number);
        reached.live.reread_state(&machine.pf, Some(old)).map_err(Failure::ReadBack)?;
        // A release that failed may have been one all the same.
        if let Err(error) = released
            && reached.live.holds(Some(old), &machine.boot)
        {
            return Err(Failure::Release(error));
        }
    }
    Ok((after, reached))
}

fn done(journal: &Journal, after: Ledger, reached: Reached) -> Carried {
    let Reached { live, cut, notes } = reached;
    let Journal { request, before, .. } = journal;
    let due = match request.action {
        Operation::Tick {} => messages::came_due(before, &after, &request.made),
        _ => String::new(),
    };
    let message = messages::done(request, &after, &notes, &live.state)
        + &messages::followed(request, before, &after)
        + &messages::cut(&cut);
    let response = Response::done(Outcome::Changed, due + &message);
    Carried { response, seen: Some(Seen { ledger: after, live, notes }) }
}

/// Puts pf where both before and after allow, and says what that comes to.
fn fall_back(machine: &Machine, journal: &Journal, failure: Failure) -> Carried {
    let (half, reached) = match to_half(machine, journal, journal.half(), &journal.request) {
        Ok(there) => there,
        Err(second) => {
            let message = format!(
                "{failure}; and pf is not seen to be as the ledger says ({second}): {}",
                command(&journal.half(), journal)
            );
            return Carried { response: Response::failed(Outcome::Damaged, message), seen: None };
        }
    };
    let Reached { live, cut, notes } = reached;
    let is_made = clean_up::is_made(machine, &journal.request.action);
    let response = if is_made && is_same(&half, &journal.after) {
        let message = messages::done(&journal.request, &half, &notes, &live.state)
            + &messages::followed(&journal.request, &journal.before, &half)
            + &messages::cut(&cut);
        match failure {
            Failure::Contradiction(_) => {
                Response::failed(Outcome::Changed, format!("{failure}; our own rules are as asked"))
            }
            _ => Response::done(Outcome::Changed, message),
        }
    } else {
        restored(&failure, &journal.before, &half)
    };
    Carried { response, seen: Some(Seen { ledger: half, live, notes }) }
}

fn restored(failure: &Failure, before: &Ledger, half: &Ledger) -> Response {
    let lost = before.open_beyond(half);
    let closed: Vec<NamedPort> =
        lost.into_iter().map(|lost| NamedPort { name: lost.name, range: lost.port }).collect();
    // A port that the guard is to look after is looked after even where it could not be opened.
    let known: Vec<PortRange> = before.closed().iter().chain(&closed).map(|port| port.range).collect();
    let blocked = half.closed().into_iter().flat_map(|port| {
        let fresh = uncovered(port.range, known.iter().copied());
        fresh.into_iter().map(move |range| port.part(range))
    });
    let blocked: Vec<NamedPort> = blocked.collect();
    let list = |ports: &[NamedPort]| ports.iter().map(NamedPort::to_string).collect::<Vec<_>>().join(", ");
    let message = match (closed.is_empty(), blocked.is_empty()) {
        (true, true) => format!("{failure}; everything was put back as it was"),
        (true, false) => {
            let ports = list(&blocked);
            format!("{failure}; the guard blocks {ports} now; everything else was put back as it was")
        }
        (false, _) => {
            let ports = list(&closed);
            format!("{ports}: not open as before any more; {failure}; everything else was put back as it was")
        }
    };
    Response { closed, ..Response::failed(Outcome::Restored, message) }
}

/// Ends a change: its line in the audit, and then the journal goes.
///
/// In this order a helper that is killed leaves at least one line. Killed before it was written, it leaves the journal, and
/// recovery writes one. Killed after it, it leaves a line that was true when it was written, and the journal; recovery's
/// line behind it says what became of the change then. The other way round there would be a change without a line.
pub fn settle(machine: &Machine, carried: Carried, audited: impl Fn(Response) -> Response) -> Carried {
    let Carried { response, seen } = carried;
    let response = audited(response);
    let journal = Journal::read(&machine.files);
    if matches!(journal, Ok(None)) {
        return Carried { response, seen };
    }
    let Err(error) = journal::remove(&machine.files) else { return Carried { response, seen } };
    let command = journal.ok().flatten().map(|journal| command(&journal.half(), &journal));
    let message = format!(
        "{}; but {JOURNAL} stays ({error}), so that the next request takes it for a change that was interrupted: {}",
        response.message,
        command.unwrap_or_default()
    );
    let response = Response { ok: false, outcome: Outcome::Damaged, message, ..response };
    Carried { response: audited(response), seen: None }
}

/// What a person can do where nothing of ours can be done: load what both ledgers allow.
pub fn command(ledger: &Ledger, journal: &Journal) -> String {
    let way = ledger.way.or(journal.before.way).or(journal.after.way).unwrap_or(Attachment::Apple);
    format!("run `sudo pfctl -a {} -f {ANCHOR_FILE}`, then try again", way.anchor())
}
