//! What `undo` asks for: the ledger before a change, port by port, where it still says what that change left.
//!
//! It is a change like any other, planned and made by the same steps: only the ledger is turned back here, and with it our
//! anchor and our block in pf.conf. Other bytes of that file were never ours to change, so none are put back.

use crate::port::PortRange;
use crate::root::caller::Caller;
use crate::root::snapshot::{self, SnapshotError};
use crate::rules::ledger::{Guard, Ledger, Seconds};
use crate::rules::ledger_change::{TurnedBack, UndoMoment, uncovered};
use crate::rules::named_port::NamedPort;
use crate::system::System;

/// Why a change is not turned back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("change {0} is not one of yours: who made it can turn it back")]
    OfAnother(u32),
    #[error("change {0} changed nothing that can be turned back")]
    Empty(u32),
    #[error(
        "change {change} is not turned back: port {port} would be more open than the prompt said; ask again"
    )]
    Unnamed { change: u32, port: PortRange },
}

/// What is asked: the change, and what the prompt said may be more open.
#[derive(Clone, Copy, Debug)]
pub struct UndoRequest<'a> {
    pub change: u32,
    pub opens: &'a [NamedPort],
    pub unblocks: &'a [NamedPort],
}

/// Turns a change back in `ledger`, of which what is over is closed already.
pub fn turned_back(
    system: &dyn System,
    asked: UndoRequest,
    ledger: &Ledger,
    boot: &str,
    now: Seconds,
) -> Result<TurnedBack, UndoError> {
    let change = asked.change;
    let made = snapshot::read(&system.files(), change)?.change.ok_or(UndoError::Empty(change))?;
    if made.user != Caller::of_process(system).user() {
        return Err(UndoError::OfAnother(change));
    }
    let back = made.ledger.turn_back(ledger, UndoMoment { now, same_boot: made.boot == boot });
    let loosened = back.loosened(ledger);
    let pairs = [(loosened.opens, asked.opens), (loosened.unblocks, asked.unblocks)];
    for (ports, named) in pairs {
        let named = |port: &NamedPort| uncovered(port.range, named.iter().map(|named| named.range));
        if let Some(port) = ports.iter().flat_map(named).next() {
            return Err(UndoError::Unnamed { change, port });
        }
    }
    Ok(back)
}

/// What was turned back beside the ports of `ledger`, and what was not, as the end of a sentence.
pub fn details(back: &TurnedBack, ledger: &Ledger) -> String {
    let list = |ports: &[PortRange]| ports.iter().map(PortRange::to_string).collect::<Vec<_>>().join(", ");
    let mut text = match back.ledger.guard {
        guard if guard == ledger.guard => String::new(),
        Guard::On => "; the guard is on again".to_owned(),
        Guard::Off | Guard::Unset => "; the guard is off again".to_owned(),
    };
    if !back.kept.is_empty() {
        text += &format!("; {} stays as it is, since it was changed later", list(&back.kept));
    }
    if !back.ended.is_empty() {
        text += &format!("; {} stays closed, since its time is over", list(&back.ended));
    }
    text
}
