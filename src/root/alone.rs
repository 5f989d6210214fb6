//! A closing that cannot be made as a change: nothing can be written, or what is there cannot be read. It is made in pf all
//! the same, and in the ledger if that alone can be written.

use std::fmt::Display;

use crate::root::answer::{Outcome, Response};
use crate::root::change::{self, Carried, Seen};
use crate::root::journal::Journal;
use crate::root::live::Live;
use crate::root::machine::{Failure, Machine, Reached};
use crate::root::messages;
use crate::root::request::{Operation, Request};
use crate::rules::ledger::{Attachment, Guard, Ledger};
use crate::system::ANCHOR_FILE;

/// What is closed: from `old` to `after`, of which the way is still to be chosen.
pub struct LoneClosing {
    pub old: Ledger,
    pub after: Ledger,
    pub live: Live,
}

/// Closes in pf, then in the ledger; `because`: why it is not made as a change.
pub fn close(machine: &Machine, request: &Request, closing: LoneClosing, because: &dyn Display) -> Carried {
    let LoneClosing { old, mut after, live } = closing;
    after.way = if after.needs_rules() { old.way.or(Some(Attachment::Apple)) } else { None };
    after.token = old.token.clone();
    let loaded = machine.load_alone(live, &after);
    let reached = match loaded {
        Ok(reached) => reached,
        Err(failure) => return unseen(not_closed(machine, request, (&old, &after), &failure, because)),
    };
    let anchor = after.way.or(old.way).unwrap_or(Attachment::Apple).anchor();
    if let Err(unwritten) = write(machine, request, &after) {
        return unseen(damaged(format!(
            "it is closed in pf, and that could not be written down ({because}; {unwritten}), so that it may be opened \
             again: mend that and close again, or run `sudo pfctl -a {anchor} -F rules` when it is open"
        )));
    }
    let Reached { mut live, cut, notes } = reached;
    if let Err(held) = release(machine, &mut live, &mut after) {
        let message = format!("it is closed in our rules, and pf is held on still ({held}): close again");
        return unseen(Response::failed(Outcome::Changed, message));
    }
    let cut = messages::cut(&cut);
    let response = if matches!(request.action, Operation::Uninstall { .. }) {
        let message = format!("what was open is closed{cut}, and nothing else was removed: {because}");
        Response::failed(Outcome::Changed, message)
    } else {
        let message = messages::done(request, &after, &notes, &live.state) + &cut;
        Response::done(Outcome::Changed, format!("{message}; without a snapshot, since {because}"))
    };
    Carried { response, seen: Some(Seen { ledger: after, live, notes }) }
}

/// Gives back our hold on pf where the ledger needs none any more.
fn release(machine: &Machine, live: &mut Live, after: &mut Ledger) -> Result<(), Failure> {
    let Some(token) = after.token.clone().filter(|_| after.guard != Guard::On) else { return Ok(()) };
    if live.holds(Some(&token), &machine.boot) {
        machine.system.release_pf(token.number).map_err(Failure::Release)?;
        live.reread_state(&machine.pf, None).map_err(Failure::ReadBack)?;
    }
    after.token = None;
    machine.write_ledger(after).map_err(Failure::Ledger)
}

/// pf is not seen to close it: what both ledgers allow is written down, so that the next request puts pf there.
fn not_closed(
    machine: &Machine,
    request: &Request,
    (old, after): (&Ledger, &Ledger),
    failure: &Failure,
    because: &dyn Display,
) -> Response {
    let journal = Journal::new(request, old, after, &machine.boot, machine.now);
    let mut half = journal.half();
    half.changing = Some(journal.changing(&half));
    let written = journal.write(&machine.files).map_err(Failure::Files);
    let unwritten = match written.and_then(|()| write(machine, request, &half)) {
        Ok(()) => String::new(),
        Err(error) => format!("; {error}"),
    };
    let command = change::command(&half, &journal);
    damaged(format!("pf is not seen to close it ({failure}; {because}{unwritten}): {command}"))
}

fn unseen(response: Response) -> Carried {
    Carried { response, seen: None }
}

fn damaged(message: String) -> Response {
    Response::failed(Outcome::Damaged, message)
}

fn write(machine: &Machine, request: &Request, after: &Ledger) -> Result<(), Failure> {
    machine.write_ledger(after).map_err(Failure::Ledger)?;
    if after.needs_rules() {
        machine.write_anchor_file(after, &request.asker).map_err(Failure::AnchorFile)
    } else {
        machine.files.remove(ANCHOR_FILE).map_err(Failure::AnchorFile)
    }
}
