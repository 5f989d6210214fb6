//! The rows of ports.

use super::facts::MenuFacts;
use super::layout::{MenuLayout, PORTS_IN_SIGHT, PlacedPort};
use super::row::{MenuAction, MenuRow, MenuState, OpenTerms, RowKind, action_row, menu_row, text_row};
use super::words;
use crate::status::{PortState, PortStatus, Status};

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
