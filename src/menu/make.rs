//! Makes rows.

use super::row::{MenuAction, MenuRow, MenuState, RowKind};
use super::words;

pub(super) fn text_row(id: &str, text: impl Into<String>) -> MenuRow {
    let (kind, rows) = (RowKind::Text, Vec::new());
    MenuRow { id: id.to_owned(), kind, text: text.into(), enabled: false, action: None, rows }
}

pub(super) fn separator(id: &str) -> MenuRow {
    MenuRow { kind: RowKind::Separator, ..text_row(id, "") }
}

/// A menu without rows is grey.
pub(super) fn menu_row(id: &str, text: impl Into<String>, rows: Vec<MenuRow>) -> MenuRow {
    MenuRow { kind: RowKind::Menu, enabled: rows.iter().any(|row| row.enabled), rows, ..text_row(id, text) }
}

/// A row that says so when its text was copied, and is grey where it has no action, or asks root while another does.
pub(super) fn action_row(
    state: &MenuState,
    id: &str,
    kind: RowKind,
    text: impl Into<String>,
    action: Option<MenuAction>,
) -> MenuRow {
    let text = if state.copied.as_deref() == Some(id) { words::COPIED.to_owned() } else { text.into() };
    let waits = |action: &MenuAction| action.asks_root() && state.waiting.is_some();
    let enabled = action.as_ref().is_some_and(|action| !waits(action));
    MenuRow { kind, enabled, action, ..text_row(id, text) }
}
