//! The rows of ports.

use super::row::{
    MOST_ROWS, MenuAction, MenuRow, MenuState, RowKind, action_row, menu_row, paragraph, separator,
};
use super::words;
use crate::diagnosis::Reachability;
use crate::status::{PortState, PortStatus, Status};

/// The ports that `room` rows can show, one row kept for the number of those left out.
pub(super) fn ports_that_fit(ports: &[PortStatus], room: usize) -> Vec<&PortStatus> {
    if ports.len() <= room {
        return ports.iter().collect();
    }
    let rank = |port: &PortStatus| match (port.state, port.in_use) {
        (PortState::Open | PortState::MayBeOpen, _) => 0,
        (_, true) => 1,
        (_, false) => 2,
    };
    let mut places: Vec<(usize, &PortStatus)> = ports.iter().enumerate().collect();
    places.sort_by_key(|(_, port)| rank(port));
    places.truncate(room.saturating_sub(1));
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, port)| port).collect()
}

/// A port that is open, or may be, closes; any other opens.
pub(super) fn port_row(status: &Status, state: &MenuState, port: &PortStatus) -> MenuRow {
    let action = match port.state {
        PortState::Open | PortState::MayBeOpen => MenuAction::Close(port.named_port()),
        PortState::Closed | PortState::LetIn | PortState::Unmanaged | PortState::Unknown => {
            MenuAction::Open(port.named_port())
        }
    };
    let waits = match &state.waiting {
        Some(MenuAction::Open(waiting) | MenuAction::Close(waiting)) => waiting.range == port.port,
        _ => false,
    };
    let waiting = state.waiting.as_ref().filter(|_| waits);
    let says = waiting.map_or_else(|| words::port(status, port), |action| words::waiting(action).to_owned());
    let checked = matches!(port.state, PortState::Open | PortState::MayBeOpen);
    let kind = RowKind::Check { checked };
    let text = format!("{} — {says}", words::named(port));
    let row = action_row(&format!("port:{}", port.port), kind, text, action);
    MenuRow { enabled: state.waiting.is_none(), ..row }
}

/// The attempts that were blocked in the last hour, port by port.
pub(super) fn blocked_rows(status: &Status) -> impl Iterator<Item = MenuRow> {
    let blocked = status.ports.iter().filter_map(|port| Some((port.port, port.blocked.as_ref()?)));
    blocked
        .flat_map(|(port, attempts)| paragraph(&format!("blocked:{port}"), &format!("{port}: {attempts}"), 2))
}

/// What is said of the ports in use, and the settings to connect to them: a menu for the one, or a menu of menus, so that
/// it takes one row however many there are.
pub(super) fn connect_row(status: &Status) -> Option<MenuRow> {
    let of_port = |(number, port): (u16, &PortStatus), text: String| {
        menu_row(&format!("connect:{number}"), text, connect_rows(number, port))
    };
    let in_use = status.ports.iter().filter(|port| port.in_use);
    let numbered = in_use.filter_map(|port| Some((port.about?, port)));
    let mut all: Vec<(u16, &PortStatus)> = numbered.take(MOST_ROWS).collect();
    if all.len() > 1 {
        let rows = all.into_iter().map(|port| of_port(port, words::used(port.0, port.1))).collect();
        return Some(menu_row("connect", words::CONNECT.to_owned(), rows));
    }
    all.pop().map(|port| of_port(port, words::connect(port.0)))
}

/// What stands in the way, what to do, and what can be copied.
fn connect_rows(number: u16, port: &PortStatus) -> Vec<MenuRow> {
    let mut rows = paragraph(&format!("because:{number}"), &port.because, 5);
    if port.situation != Reachability::Reachable || port.needs_mending() {
        rows.push(separator(&format!("above-next:{number}")));
        rows.extend(paragraph(&format!("next:{number}"), &words::next(&port.next), 5));
    }
    if !port.connect.is_empty() {
        rows.push(separator(&format!("above-copy:{number}")));
    }
    let room = MOST_ROWS - rows.len();
    rows.extend(port.connect.iter().take(room).map(|client| {
        let action = MenuAction::Copy { port: number, client: client.clone() };
        // It asks for no permission, so it waits for none.
        action_row(&format!("copy:{number}:{client}"), RowKind::Button, words::copy(client), action)
    }));
    rows
}
