//! What the menu shows, computed from one look: rows, and the action behind each. Pure.
//!
//! ```
//! use portcullis::menu::{MenuFacts, MenuLayout, MenuOffers, MenuState, RowKind, rows};
//! use portcullis::report::ReportFact;
//! use portcullis::status::{Facts, Status};
//! let ports = portcullis::debuggers::ports::usual_ports();
//! let status = Status::of(&Facts { ports, ..Facts::unseen(0, ReportFact::Missing) });
//! let facts = MenuFacts { status, offers: MenuOffers::default() };
//! let rows = rows(&facts, &MenuState::default(), &MenuLayout::of(&facts.status));
//! assert_eq!(rows[0].text, "Ports are not protected yet");
//! assert_eq!(rows[3].text, "2345  Delve — not protected yet");
//! assert_eq!(rows[3].kind, RowKind::Check { checked: false });
//! ```
//!
//! The skeleton is fixed: while the menu lives every row stays where it is and changes its text alone, since on Linux nothing
//! tells when a menu closes. What has nothing to say is grey in its place. [`MenuLayout`] says which port has which row.

mod beside;
mod details;
mod facts;
mod layout;
mod make;
mod news_row;
mod ports;
mod row;
mod text;
mod words;

pub use facts::{LastChange, MenuDoubt, MenuFacts, MenuOffers, NewOpenings, OfferedUndo, StoppableProcess};
pub use layout::MenuLayout;
pub use row::{
    MOST_ROWS, MenuAction, MenuFailure, MenuRow, MenuState, OpenFor, OpenTerms, RowKind, ShownCommand,
    action_of,
};
pub use words::{FAILED, PORT_WIDTH};

use crate::rules::ledger::Guard;
use crate::rules::named_port::NamedPort;
use crate::status::{GuardEffect, PortState};
use make::{action_row, separator};

/// The rows, top to bottom: every id once, and the same ones for as long as `layout` follows the same menu.
pub fn rows(facts: &MenuFacts, state: &MenuState, layout: &MenuLayout) -> Vec<MenuRow> {
    let headline = words::headline(&facts.status);
    let copy = MenuAction::CopyText(headline.clone());
    let mut rows = vec![
        action_row(state, "header", RowKind::Button, headline, Some(copy)),
        news_row::news_row(facts, state),
        separator("above-ports"),
    ];
    rows.extend(ports::port_rows(facts, state, layout));
    rows.push(details::details(facts, state, layout));
    rows.push(separator("above-actions"));
    rows.extend(actions_on_all(facts, state));
    rows.push(separator("above-guard"));
    rows.push(guard_row(facts, state));
    rows.push(separator("above-settings"));
    rows.push(beside::settings(facts, state));
    rows.push(beside::help(facts, state));
    rows.push(action_row(state, "quit", RowKind::Button, words::QUIT, Some(MenuAction::Quit)));
    rows
}

/// Close All, the ports of last time, and the last change turned back.
fn actions_on_all(facts: &MenuFacts, state: &MenuState) -> [MenuRow; 3] {
    let MenuFacts { status, offers } = facts;
    // Before anything was changed nothing can be open; later, what is not known may be.
    let is_new = offers.is_first_run && status.firewall.is_stock;
    let may_be_open = |state: PortState| match state {
        PortState::Open | PortState::MayBeOpen => true,
        PortState::Unknown => !is_new,
        PortState::Closed | PortState::LetIn | PortState::Unmanaged => false,
    };
    let closable = status.interrupted || status.ports.iter().any(|port| may_be_open(port.state));
    let closes = closable.then_some(MenuAction::CloseAll);
    let is_open = |port: &NamedPort| {
        status.ports.iter().any(|shown| shown.port == port.range && shown.state == PortState::Open)
    };
    let again = Some(&offers.last_time).filter(|ports| !ports.iter().all(is_open));
    let (again_text, again) = match again {
        Some(ports) => (words::again(ports), Some(MenuAction::Reopen(ports.clone()))),
        None => (words::NOTHING_AGAIN.to_owned(), None),
    };
    let undo = offers.undo.as_ref().and_then(|undo| Some((words::undo(undo), undo.change.number?)));
    let (undo_text, undo) = match undo {
        Some((text, number)) => (text, Some(MenuAction::Undo(number))),
        None => (words::NOTHING_TO_UNDO.to_owned(), None),
    };
    [
        action_row(state, "close-all", RowKind::Button, words::CLOSE_ALL, closes),
        action_row(state, "again", RowKind::Button, again_text, again),
        action_row(state, "undo", RowKind::Button, undo_text, undo),
    ]
}

/// Where it is on and without effect, a click has it take effect again.
fn guard_row(facts: &MenuFacts, state: &MenuState) -> MenuRow {
    let effect = facts.status.firewall.guard_effect;
    let is_on = facts.status.firewall.guard == Some(Guard::On);
    let is_lost = matches!(effect, GuardEffect::PfOff | GuardEffect::Uncalled | GuardEffect::Gone);
    let kind = RowKind::Check { checked: is_on };
    action_row(state, "guard", kind, words::guard(effect), Some(MenuAction::Guard(!is_on || is_lost)))
}

#[cfg(test)]
mod tests;
