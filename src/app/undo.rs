//! The last change of this user, by the audit, and what turning it back comes to.

use std::collections::BTreeSet;

use crate::os;
use crate::root::answer::Outcome;
use crate::root::audit::AuditLine;
use crate::root::conf_lines::ConfLine;
use crate::root::request::{Operation, Request};
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening, Seconds};
use crate::rules::ledger_change::{LedgerChange, TurnedBack, UndoMoment};
use crate::rules::named_port::NamedPort;
use crate::system::Moment;

/// A change that can be turned back.
#[derive(Clone, Debug)]
pub struct UndoableChange {
    /// The number of its snapshot.
    pub number: u32,
    pub time: Seconds,
    /// What it came to, in words.
    pub message: String,
    change: LedgerChange,
    /// The lines that it took out of /etc/pf.conf.
    pub lines: Vec<ConfLine>,
    boot: Option<String>,
}

/// Turning it back: the ledger now, and what it becomes.
#[derive(Clone, Debug)]
pub struct UndoPreview {
    pub change: UndoableChange,
    pub now: Ledger,
    pub back: TurnedBack,
}

impl UndoPreview {
    /// Turns `change` back in `ledger`.
    pub(super) fn of(change: UndoableChange, ledger: Ledger, at: &Moment) -> Self {
        let mut now = ledger;
        now.expire(at);
        let moment = UndoMoment { now: at.time, same_boot: change.boot.as_ref() == Some(&at.boot) };
        let back = change.change.turn_back(&now, moment);
        UndoPreview { change, now, back }
    }

    /// Whether anything would change.
    pub fn is_empty(&self) -> bool {
        self.back.ledger == self.now && self.back.way.is_none() && self.change.lines.is_empty()
    }

    /// The ports that it closes, where it does nothing else.
    pub(super) fn closes_alone(&self) -> Option<Vec<NamedPort>> {
        let back = &self.back.ledger.openings;
        let is_gone = |opening: &&Opening| back.iter().all(|left| left.port != opening.port);
        let ports: Vec<NamedPort> =
            self.now.openings.iter().filter(is_gone).map(Opening::named_port).collect();
        let mut closed = self.now.clone();
        ports.iter().for_each(|port| closed.close(port));
        let is_all = closed == self.back.ledger && self.back.way.is_none() && self.change.lines.is_empty();
        (is_all && !ports.is_empty()).then_some(ports)
    }

    /// What is asked of root; the prompt names all that becomes more open.
    pub(super) fn operation(&self) -> Operation {
        let loosened = self.back.loosened(&self.now);
        Operation::Undo { change: self.change.number, opens: loosened.opens, unblocks: loosened.unblocks }
    }

    /// Whether a port opens by it, or the guard goes on: what is refused while the preferences do not read.
    pub(super) fn needs_preferences(&self) -> bool {
        self.guards() || !self.back.loosened(&self.now).opens.is_empty()
    }

    /// What the guard is again, where that is turned back too.
    pub fn guard(&self) -> Option<Guard> {
        Some(self.back.ledger.guard).filter(|guard| *guard != self.now.guard)
    }

    /// Whether the guard goes on again.
    pub(super) fn guards(&self) -> bool {
        self.now.guard != Guard::On && self.back.ledger.guard == Guard::On
    }

    /// Whether our block goes into /etc/pf.conf or out of it.
    pub(super) fn edits_conf(&self) -> bool {
        let is_classic = |way| way == Some(Attachment::Classic);
        let goes_in = is_classic(self.back.way) && self.back.ledger.needs_rules();
        let moves_out = self.back.way.is_some() && !is_classic(self.back.way);
        let goes_out = moves_out || !self.back.ledger.needs_rules();
        goes_in || (is_classic(self.now.way) && goes_out)
    }
}

/// The changes of the user who asks that were not turned back yet, the last first; of `number`, that one alone, whatever
/// became of it.
pub(super) fn undoable(lines: &[AuditLine], number: Option<u32>) -> impl Iterator<Item = UndoableChange> {
    let undone: Vec<u32> = lines.iter().filter_map(undone).collect();
    let is_meant = move |found: u32| number.map_or(!undone.contains(&found), |number| number == found);
    of_this_user(lines).rev().filter(move |(found, ..)| is_meant(*found)).map(of_line)
}

fn of_line((number, change, line): (u32, &LedgerChange, &AuditLine)) -> UndoableChange {
    let boot = line.request.as_ref().and_then(|request| request.get("made")?.get("boot")?.as_str());
    let (boot, message) = (boot.map(str::to_owned), line.message.clone());
    let lines = match request(line).map(|request| request.action) {
        Some(Operation::CleanUp { lines, .. }) => lines,
        _ => Vec::new(),
    };
    UndoableChange { number, time: line.time, message, change: change.clone(), lines, boot }
}

/// The numbers of this user's changes that were not turned back yet, rising.
pub(super) fn numbers(lines: &[AuditLine]) -> Vec<u32> {
    let undone: Vec<u32> = lines.iter().filter_map(undone).collect();
    let numbers: BTreeSet<u32> = of_this_user(lines).map(|(number, ..)| number).collect();
    numbers.into_iter().filter(|number| !undone.contains(number)).collect()
}

/// The changes of the user who asks, with their numbers and lines, the oldest first.
fn of_this_user(lines: &[AuditLine]) -> impl DoubleEndedIterator<Item = (u32, &LedgerChange, &AuditLine)> {
    let user = os::sudo_uid().unwrap_or_else(os::own_uid);
    let own = lines.iter().filter(move |line| line.caller.user() == user && is_of_a_user(line));
    own.filter_map(|line| Some((line.snapshot?, line.change.as_ref()?, line)))
}

fn request(line: &AuditLine) -> Option<Request> {
    serde_json::from_value(line.request.clone()?).ok()
}

/// The number of the change that a line says was turned back.
fn undone(line: &AuditLine) -> Option<u32> {
    match request(line)?.action {
        Operation::Undo { change, .. } if line.ok && line.outcome == Outcome::Changed => Some(change),
        _ => None,
    }
}

/// What launchd asked is not turned back, nor is what was turned back itself.
fn is_of_a_user(line: &AuditLine) -> bool {
    let asked = request(line).map(|request| request.action);
    asked.is_some_and(|asked| !matches!(asked, Operation::Tick {} | Operation::Undo { .. }))
}
