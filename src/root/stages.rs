//! A request's change in one stage, or in two where it moves our rules to another place.

use crate::firewall::PfctlError;
use crate::os::FileError;
use crate::report::Note;
use crate::root::answer::{Outcome, Response};
use crate::root::caller::Caller;
use crate::root::change::{self, Carried, Change, NotBegun, Seen};
use crate::root::clean_up::{self, CleanUpError};
use crate::root::ledger_file::DamagedLedger;
use crate::root::live::Live;
use crate::root::machine::Machine;
use crate::root::permissions::{Transition, plan_without};
use crate::root::plan::{Evaluation, PlanError, choose_way, plan};
use crate::root::request::{Operation, Request};
use crate::root::snapshot::RecordedChange;
use crate::root::{messages, permissions, recovery, report};
use crate::rules::anchor;
use crate::rules::ledger::{Attachment, Guard, Ledger};
use crate::rules::ledger_change::LedgerChange;

/// What is asked, by which ledger.
#[derive(Clone, Copy)]
pub struct StagedChange<'a> {
    pub request: &'a Request,
    /// The way that is preferred.
    pub wanted: Option<Attachment>,
    /// The ledger that does not read, where another counts in its place.
    pub damaged: Option<&'a DamagedLedger>,
}

/// Why no change was begun. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
    #[error(transparent)]
    CleanUp(#[from] CleanUpError),
}

/// Brings `old` to `new`. In a move between ways before and after differ in the way alone: everything else comes in a
/// change after it.
pub fn change_in_stages(
    machine: &Machine,
    asked: StagedChange,
    old: Ledger,
    new: Ledger,
    mut live: Live,
) -> Result<Carried, StageError> {
    // What is to be replaced in any case need not be known.
    let rules = |ledger: &Ledger| anchor::rules(ledger, &machine.interfaces);
    let replaced = old.way.filter(|_| rules(&old) != rules(&new));
    live.read_ours(&machine.pf, replaced.map(Attachment::anchor), machine.needed)?;
    let observed = machine.observe(&live, &new)?;
    let way = choose_way(&observed, &old, &new, asked.wanted, evaluation(&asked.request.action))?;
    let moves = old.way.is_some() && way.is_some() && way != old.way;
    if moves && !recovery::is_same(&old, &new) {
        live.read_ours(&machine.pf, None, machine.needed)?;
        let token = new.token.clone().filter(|_| old.guard == Guard::On);
        let moved = Ledger { way, token, ..old.clone() };
        let carried = change_once(machine, asked, old.way, &old, moved, live)?;
        let Some(seen) = carried.seen.filter(|_| carried.response.ok) else {
            return Ok(Carried { response: carried.response, seen: None });
        };
        let new = Ledger { way, token: seen.ledger.token.clone(), ..new };
        return Ok(match change_once(machine, asked, old.way, &seen.ledger, new, seen.live) {
            Ok(Carried { response, seen }) if is_told(&response) => Carried { response, seen },
            Ok(Carried { response, seen }) => Carried { response: only_moved(&response.message), seen },
            Err(error) => Carried { response: only_moved(&error.to_string()), seen: None },
        });
    }
    change_once(machine, asked, old.way, &old, Ledger { way, ..new }, live)
}

/// Whether an answer to what came after a move is true of both.
fn is_told(response: &Response) -> bool {
    response.ok || response.outcome == Outcome::Damaged || !response.missing.is_empty()
}

/// The move is done and stays, whatever came of what was to follow.
fn only_moved(because: &str) -> Response {
    let message = format!("our rules were moved to the other way of evaluation, and no more: {because}");
    Response::failed(Outcome::Changed, message)
}

/// Whether our rules have to be evaluated for what is asked to hold.
fn evaluation(operation: &Operation) -> Evaluation {
    match operation {
        Operation::Open { .. } | Operation::Guard { on: true } => Evaluation::Required,
        Operation::Undo { opens, .. } if !opens.is_empty() => Evaluation::Required,
        _ => Evaluation::IfPossible,
    }
}

/// `way` is where the rules were before the request: `undo` turns a move back together with what came after it.
fn change_once(
    machine: &Machine,
    StagedChange { request, damaged, .. }: StagedChange,
    way: Option<Attachment>,
    before: &Ledger,
    after: Ledger,
    live: Live,
) -> Result<Carried, StageError> {
    let observed = machine.observe(&live, &after)?;
    let mut plan = plan(&observed, &after, evaluation(&request.action))?;
    plan.steps.extend(clean_up::step(machine, &request.action, &live)?);
    let transition = Transition { old: before, new: &after, pf: &live.state };
    let missing = permissions::missing(request, machine.asked_by, transition, &plan.steps);
    // Its prompt says that our block goes from pf.conf: it does not go on without.
    let takes_all = matches!(request.action, Operation::Uninstall { .. });
    if !missing.is_empty() && request.action.closes() && !takes_all {
        // A closing does without, and says what that means.
        plan = plan_without(&observed, &after, &missing)?;
    } else if !missing.is_empty() {
        return Ok(Carried { response: Response::missing(missing), seen: None });
    }
    if plan.steps.is_empty() && plan.file_is_right && after == *before && damaged.is_none() {
        let exceptions = report::exceptions(&live, &machine.interfaces, &after);
        let notes = [plan.notes, exceptions].concat();
        let message = messages::done(request, &after, &notes, &live.state);
        // Rules of others may have come since, which let in what ours block.
        let is_evaluated = !notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
        let is_looked_at = is_evaluated && !matches!(request.action, Operation::Tick {});
        let obeyed = match is_looked_at {
            true => report::check(&live, &machine.interfaces, &after, &request.action),
            false => Ok(()),
        };
        let response = match obeyed {
            Ok(()) => Response::done(Outcome::Unchanged, message),
            Err(other) => {
                Response::failed(Outcome::Unchanged, format!("{other}; our own rules are as asked already"))
            }
        };
        let seen = Some(Seen { ledger: after, live, notes });
        return Ok(Carried { response, seen });
    }
    let recorded = RecordedChange {
        user: Caller::of_process(machine.system).user(),
        boot: machine.boot.clone(),
        operation: request.action.clone(),
        ledger: LedgerChange::between(&Ledger { way, ..before.clone() }, &after),
    };
    let change = Change { request, before, after, observed, plan, live, recorded, damaged };
    Ok(change::make(machine, change)?)
}
