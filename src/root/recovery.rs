//! Puts right what an interrupted change left: pf goes where both the ledger before and the one after allow.

use std::time::Duration;

use crate::os::children::{ProcessId, Register};
use crate::os::{Expected, FileError};
use crate::report::PfState;
use crate::root::answer::{Outcome, Response};
use crate::root::audit::{self, AuditedRequest};
use crate::root::clean_up;
use crate::root::journal::{self, FailedTicks, Journal, JournalError};
use crate::root::ledger_file::{self, LedgerOnDisk};
use crate::root::live::{Live, Needed};
use crate::root::machine::{Failure, Machine, Reached, timestamp};
use crate::root::messages;
use crate::root::permissions::{self, AskedBy, Transition, plan_without};
use crate::root::plan::{Evaluation, Plan, needs_file, plan};
use crate::root::request::{Operation, Permission, Request};
use crate::root::sweep::sweep;
use crate::rules::ledger::{Guard, Ledger, PfToken, Seconds};
use crate::system::{ANCHOR_FILE, JOURNAL, LEDGER, Moment, STATE_DIR};

/// How long the end of a child is waited for after it was killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// By how many seconds the clocks of pf and of the journal may differ.
const SLACK: i64 = 5;

/// What a recovery came to.
#[derive(Debug)]
pub struct Recovered {
    /// What was done about the interrupted change, in a clause.
    pub message: String,
}

/// Why a recovery came no further. The journal stays, and with it what is known of the change.
#[derive(Debug)]
pub struct Unrecovered {
    /// `None`: it cannot be read.
    pub journal: Option<Box<Journal>>,
    pub because: RecoveryError,
}

/// Why a recovery came no further.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("it failed more than once, and is tried again in {0} s")]
    Later(Seconds),
    #[error("process {0}, which the interrupted change started, does not end")]
    Child(u32),
    #[error(transparent)]
    Failure(#[from] Failure),
    /// It needs what the request does not allow. Nothing was changed.
    #[error("it needs what the prompt did not say")]
    Missing(Vec<Permission>),
}

/// Recovers from a change that was interrupted, as far as `request` allows it; `None` where none was. launchd's tick waits
/// a while after a failure; a request of a user tries at once.
pub fn recover(machine: &Machine, request: &Request) -> Result<Option<Recovered>, Unrecovered> {
    let recovered = try_to_recover(machine, request);
    if machine.asked_by == AskedBy::Launchd
        && let Err(Unrecovered { journal: Some(journal), because }) = &recovered
        && !matches!(because, RecoveryError::Later(_))
    {
        let count = journal.failed_ticks.count.saturating_add(1);
        let failed_ticks = FailedTicks { count, last: machine.now };
        // Where this cannot be written the next tick tries sooner.
        let _ = Journal { failed_ticks, ..(**journal).clone() }.write(&machine.files);
    }
    recovered
}

fn try_to_recover(machine: &Machine, request: &Request) -> Result<Option<Recovered>, Unrecovered> {
    let stuck = |journal: Option<&Journal>, because: RecoveryError| Unrecovered {
        journal: journal.cloned().map(Box::new),
        because,
    };
    let found = match Journal::read(&machine.files) {
        Err(JournalError::File(error)) => return Err(stuck(None, error.into())),
        Err(JournalError::Unfit(error)) if machine.needed == Needed::Everything => {
            return Err(stuck(None, error.into()));
        }
        Err(
            JournalError::Unfit(_)
            | JournalError::Seal(_)
            | JournalError::Json(_)
            | JournalError::Version(_)
            | JournalError::Bounds(_),
        ) => set_aside(machine).map_err(|error| stuck(None, error.into()))?,
        // A journal that another program took away is one that does not read.
        Ok(None) if is_marked(machine) => set_aside(machine).map_err(|error| stuck(None, error.into()))?,
        Ok(found) => found,
    };
    let Some(journal) = found else {
        sweep(&machine.files);
        return Ok(None);
    };
    let left = journal.failed_ticks.pause_left(machine.now);
    if machine.asked_by == AskedBy::Launchd && left > 0 {
        return Err(stuck(Some(&journal), RecoveryError::Later(left)));
    }
    let (journal, _register) =
        take_up(machine, journal.clone()).map_err(|error| stuck(Some(&journal), error))?;
    let mut half = journal.half();
    machine.come_due(&mut half);
    // A closing goes on without what it does not allow.
    let missing =
        if request.action.closes() { Vec::new() } else { missing(machine, &journal, &half, request) };
    if !missing.is_empty() {
        return Err(stuck(Some(&journal), RecoveryError::Missing(missing)));
    }
    let (half, _) =
        to_half(machine, &journal, half, request).map_err(|error| stuck(Some(&journal), error.into()))?;
    let became = what_became(machine, &journal, &half);
    // Before the journal goes: a helper that is killed in between leaves a line too many, and not one too few.
    audit::record(machine.system, AuditedRequest::Valid(&journal.request), became.clone());
    journal::remove(&machine.files).map_err(|error| stuck(Some(&journal), error.into()))?;
    sweep(&machine.files);
    Ok(Some(Recovered { message: became.message }))
}

/// What became of a change that was interrupted, now that pf is where `half` says.
pub fn what_became(machine: &Machine, journal: &Journal, half: &Ledger) -> Response {
    let wanted = messages::wanted(&journal.request.action);
    let say = |became| format!("a change that was interrupted {became} (it was to {wanted})");
    let is_made = clean_up::is_made(machine, &journal.request.action);
    match is_made && is_as_asked(machine, half, &journal.after) {
        true => Response::done(Outcome::Changed, say("is done now")),
        false => Response::failed(Outcome::Restored, say("was undone")),
    }
}

/// What the way to `half` needs and `request` does not allow. Where pf cannot be read that is the way's own failure.
fn missing(machine: &Machine, journal: &Journal, half: &Ledger, request: &Request) -> Vec<Permission> {
    let planned = || -> Result<Vec<Permission>, Failure> {
        let live = read_all(machine, half.token.as_ref())?;
        let mut half = half.clone();
        choose_token(machine, journal, &live, &mut half).map_err(Failure::Files)?;
        let observed = machine.observe(&live, &half).map_err(Failure::Files)?;
        let plan = plan(&observed, &half, Evaluation::IfPossible)?;
        Ok(missing_of(machine, journal, &half, &live, &plan, request))
    };
    planned().unwrap_or_default()
}

/// pf that was on before the change may be on after it, whichever request it is.
fn missing_of(
    machine: &Machine,
    journal: &Journal,
    half: &Ledger,
    live: &Live,
    plan: &Plan,
    request: &Request,
) -> Vec<Permission> {
    let was_on = journal.before.token.as_ref().is_some_and(|token| token.boot == machine.boot);
    let pf = if was_on { &PfState::Enabled } else { &live.state };
    let transition = Transition { old: &journal.before, new: half, pf };
    permissions::missing(request, machine.asked_by, transition, &plan.steps)
}

/// Whether a ledger says what `after` does, as far as that is not over.
fn is_as_asked(machine: &Machine, half: &Ledger, after: &Ledger) -> bool {
    let mut after = after.clone();
    machine.expire(&mut after);
    is_same(half, &after)
}

/// Whether two ledgers have the same open and closed, in the same way where that matters, and the same end of day. Tokens do
/// not count.
pub fn is_same(one: &Ledger, other: &Ledger) -> bool {
    let open = one.open_beyond(other).is_empty() && other.open_beyond(one).is_empty();
    let way = one.way == other.way || !other.needs_rules();
    let day = one.end_of_day == other.end_of_day;
    open && way && day && one.guard == other.guard && one.managed == other.managed
}

/// Whether the ledger says that a change is under way.
fn is_marked(machine: &Machine) -> bool {
    let bytes = machine.files.read(LEDGER).ok().flatten();
    bytes.is_some_and(|bytes| Ledger::parse(&bytes).is_ok_and(|ledger| ledger.changing.is_some()))
}

/// Keeps a journal that does not read aside, and puts one in its place that closes every opening; none where the ledger
/// does not read either, since then nothing is open in it.
fn set_aside(machine: &Machine) -> Result<Option<Journal>, FileError> {
    let now = timestamp(machine.now);
    let stamp: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    if machine.files.set_aside(JOURNAL, Expected::PlainFile, &stamp)?.is_none()
        && let Some(bytes) = machine.files.read(JOURNAL)?
    {
        machine.files.replace(&format!("{STATE_DIR}/journal.damaged-{stamp}"), &bytes, 0o600)?;
    }
    let made = Moment { time: machine.now, boot: machine.boot.clone(), clock: machine.system.clock() };
    let request = Request::new(Operation::CloseAll {}, "root", made);
    let LedgerOnDisk::Whole(ledger) = ledger_file::read(&machine.files)? else {
        let message = "a change that was interrupted is not known: neither its journal nor the ledger could be used, \
                       and every port counts as closed";
        let line = Response::done(Outcome::Changed, message);
        audit::record(machine.system, AuditedRequest::Valid(&request), line);
        machine.files.remove(JOURNAL)?;
        return Ok(None);
    };
    let mut closed = ledger.clone();
    closed.close_all();
    let journal = Journal::new(&request, &ledger, &closed, &machine.boot, machine.now);
    journal.write(&machine.files)?;
    Ok(Some(journal))
}

/// Ends what the interrupted change has started, and notes that this process goes on with it.
fn take_up(machine: &Machine, journal: Journal) -> Result<(Journal, Register), RecoveryError> {
    if journal.boot == machine.boot {
        let running = journal::children(&machine.files)?;
        if let Some(child) = running.into_iter().find(|child| !child.end(PATIENCE)) {
            return Err(RecoveryError::Child(child.pid));
        }
    }
    let journal = journal.taken_up();
    journal.write(&machine.files)?;
    Ok((journal, journal::register(&machine.files)?))
}

/// Writes `half` down and puts pf there: the ledger says that a change is under way until pf is seen there. Gives the
/// ledger with the token that it holds then. It goes on without what `request` does not allow.
pub fn to_half(
    machine: &Machine,
    journal: &Journal,
    mut half: Ledger,
    request: &Request,
) -> Result<(Ledger, Reached), Failure> {
    let earlier = machine.files.read(LEDGER).ok().flatten();
    let earlier = earlier.and_then(|bytes| Ledger::parse(&bytes).ok()).and_then(|ledger| ledger.changing);
    half.changing = Some(journal.changing_after(&half, earlier));
    let written = machine
        .write_ledger(&half)
        .map_err(Failure::Ledger)
        .and_then(|()| machine.write_anchor_file(&half, &journal.request.asker).map_err(Failure::AnchorFile));
    if let Err(unwritten) = written {
        // The journal says what half is, and what it closes is closed all the same.
        let live = read_all(machine, half.token.as_ref()).unwrap_or_else(|_| Live::unknown());
        let _ = machine.load_alone(live, &half);
        return Err(unwritten);
    }
    let live = read_all(machine, half.token.as_ref())?;
    let spare = choose_token(machine, journal, &live, &mut half).map_err(Failure::Files)?;
    let observed = machine.observe(&live, &half).map_err(Failure::Files)?;
    let mut plan = plan(&observed, &half, Evaluation::IfPossible)?;
    let missing = missing_of(machine, journal, &half, &live, &plan, request);
    if !missing.is_empty() {
        plan = plan_without(&observed, &half, &missing)?;
    }
    let mut reached = machine.execute(plan, live, &mut half)?;
    half.changing = None;
    machine.write_ledger(&half).map_err(Failure::Ledger)?;
    if !needs_file(&half, &reached.notes) {
        machine.files.remove(ANCHOR_FILE).map_err(Failure::AnchorFile)?;
    }
    for token in &spare {
        machine.system.release_pf(*token).map_err(Failure::Release)?;
    }
    if !spare.is_empty() {
        let token = half.token.as_ref();
        reached.live.reread_state(&machine.pf, token).map_err(Failure::ReadBack)?;
    }
    Ok((half, reached))
}

fn read_all(machine: &Machine, token: Option<&PfToken>) -> Result<Live, Failure> {
    let mut live = Live::read(&machine.pf, token, machine.needed).map_err(Failure::ReadBack)?;
    if live.tokens.is_none() {
        live.reread_state(&machine.pf, token).map_err(Failure::ReadBack)?;
    }
    live.read_ours(&machine.pf, None, machine.needed).map_err(Failure::ReadBack)?;
    Ok(live)
}

/// Leaves `half` the token that it has, or one that the change took; none where it needs none. Gives those that are to be
/// released: a token is ours where one of the journal's processes took it, and took it since the journal was begun. The
/// kernel compares the number alone, so another's would switch off another's firewall.
fn choose_token(
    machine: &Machine,
    journal: &Journal,
    live: &Live,
    half: &mut Ledger,
) -> Result<Vec<u64>, FileError> {
    let helpers = journal.helpers.iter().copied();
    let ours: Vec<ProcessId> = helpers.chain(journal::children(&machine.files)?).collect();
    let age = machine.now.saturating_sub(journal.since).max(0).saturating_add(SLACK);
    let taken = live.tokens.iter().flatten().filter(|held| {
        let is_recent = held.age.is_none_or(|held| i64::try_from(held).is_ok_and(|held| held <= age));
        is_recent && ours.iter().any(|process| process.pid == held.pid)
    });
    let mut taken: Vec<u64> = taken.map(|held| held.token).collect();
    if !live.holds(half.token.as_ref(), &machine.boot) {
        half.token = None;
    }
    let old = half.token.take();
    if half.guard != Guard::On {
        taken.extend(old.map(|old| old.number));
    } else if old.is_some() {
        half.token = old;
    } else if !taken.is_empty() {
        half.token = Some(PfToken { number: taken.remove(0), boot: machine.boot.clone() });
    }
    let kept = half.token.as_ref().map(|token| token.number);
    taken.retain(|token| Some(*token) != kept);
    taken.dedup();
    Ok(taken)
}
