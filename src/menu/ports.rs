//! The rows of ports.

use super::facts::MenuFacts;
use super::layout::{MenuLayout, PORTS_IN_SIGHT, PlacedPort};
use super::make::{action_row, menu_row, text_row};
use super::row::{MenuAction, MenuRow, MenuState, OpenTerms, RowKind};
use super::words;
use crate::status::{Attempts, PortState, PortStatus, Status};

/// The ports in the menu itself, and the menu of the others.
pub(super) fn port_rows(facts: &MenuFacts, state: &MenuState, layout: &MenuLayout) -> Vec<MenuRow> {
    let mut rows: Vec<MenuRow> =
        layout.ports.iter().map(|placed| port_row(&facts.status, state, placed)).collect();
    let mut more = rows.split_off(rows.len().min(PORTS_IN_SIGHT));
    if layout.left_out > 0 {
        more.push(text_row("left-out", words::more(layout.left_out)));
    }
    rows.push(menu_row("more-ports", words::MORE_PORTS, more));
    rows
}

/// A port that is open, or may be, closes; any other opens.
fn port_row(status: &Status, state: &MenuState, placed: &PlacedPort) -> MenuRow {
    let id = format!("port:{}", placed.port.range);
    let named = words::named(&placed.port, &placed.title);
    let Some(port) = of_placed(status, placed) else {
        let kind = RowKind::Check { checked: false };
        return action_row(state, &id, kind, words::gone(&named), None);
    };
    let checked = is_open(port);
    let action = match checked {
        true => MenuAction::Close(port.named_port()),
        false => MenuAction::Open(port.named_port(), OpenTerms::default()),
    };
    let text = match &state.waiting {
        Some(waiting @ (MenuAction::Open(of, _) | MenuAction::Close(of))) if of.range == port.port => {
            words::waits(&named, waiting)
        }
        _ => words::port(status, port, &named),
    };
    action_row(state, &id, RowKind::Check { checked }, text, Some(action))
}

/// How the port of a row stands; `None` where it is shown no more.
pub(super) fn of_placed<'a>(status: &'a Status, placed: &PlacedPort) -> Option<&'a PortStatus> {
    status.ports.iter().find(|port| port.port == placed.port.range)
}

pub(super) fn is_open(port: &PortStatus) -> bool {
    matches!(port.state, PortState::Open | PortState::MayBeOpen)
}

/// Whether the last one that was blocked is not let in now, as far as the port's source tells.
pub(super) fn can_let_in(port: &PortStatus) -> Option<&Attempts> {
    let attempts = port.blocked.as_ref()?;
    let is_let_in = match &port.from {
        Some(from) => {
            from.networks().is_none_or(|all| all.iter().any(|net| net.contains(&attempts.last_from)))
        }
        None => false,
    };
    (!is_let_in).then_some(attempts)
}
