//! The row below the state: the one thing that is worth a word now, and what a click does about it.

use super::facts::{MenuDoubt, MenuFacts};
use super::make::action_row;
use super::ports::can_let_in;
use super::row::{MenuAction, MenuRow, MenuState, OpenFor, OpenTerms, RowKind};
use super::words;
use crate::status::PortStatus;

/// A prompt that waits comes before a failure, that before what is useful, and that before what changed last.
pub(super) fn news_row(facts: &MenuFacts, state: &MenuState) -> MenuRow {
    let MenuFacts { status, offers } = facts;
    let button = |text: String, action| action_row(state, ID, RowKind::Button, text, Some(action));
    if let Some(waiting) = &state.waiting {
        return button(words::cancel(waiting), MenuAction::Cancel);
    }
    if let Some(failure) = &state.failure {
        return button(words::failure(failure), MenuAction::SayFailure);
    }
    if status.interrupted {
        return button(words::REPAIR.to_owned(), MenuAction::Repair);
    }
    if let Some(doubt) = &offers.doubt {
        let action = match doubt {
            MenuDoubt::Preferences(_) => MenuAction::OpenPreferences,
            MenuDoubt::Ledger => MenuAction::CloseAll,
            MenuDoubt::NothingClosesByItself => MenuAction::Install,
        };
        return button(words::doubt(doubt), action);
    }
    if offers.is_first_run || status.ports.iter().any(PortStatus::is_exposed_unasked) {
        return button(words::PROTECT.to_owned(), MenuAction::Guard(true));
    }
    if let Some((text, action)) = status.ports.iter().find_map(let_in) {
        return button(text, action);
    }
    if status.firewall.not_seen.is_some() {
        return button(words::LOOK_AGAIN.to_owned(), MenuAction::Check);
    }
    // It is not grey, so that it is read; a click copies it, as with the row above.
    let last = offers.last_change.as_ref().map_or_else(|| words::NOTHING.to_owned(), words::last_change);
    button(last.clone(), MenuAction::CopyText(last))
}

const ID: &str = "news";

/// Who was blocked on a port, to be let in.
fn let_in(port: &PortStatus) -> Option<(String, MenuAction)> {
    let attempts = can_let_in(port)?;
    let terms = OpenTerms { from: Some(OpenFor::Also(attempts.last_from)), end: None };
    Some((words::blocked(port, attempts), MenuAction::Open(port.named_port(), terms)))
}
