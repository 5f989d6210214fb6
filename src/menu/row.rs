//! The menu as a value: rows, and what a click on one asks for.

use super::text::plain;
use crate::rules::named_port::NamedPort;

/// No menu has more rows than this: ports and notes that find no room are counted in one row.
pub const MOST_ROWS: usize = 20;

/// What the menu shows that is not in the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuState {
    /// The action that waits for permission: there is one prompt at a time.
    pub waiting: Option<MenuAction>,
    /// Why the last action failed, until another succeeds.
    pub failure: Option<String>,
}

/// What a click asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuAction {
    /// Open for the source in the preferences.
    Open(NamedPort),
    Close(NamedPort),
    CloseAll,
    /// Switch the guard on or off.
    Guard(bool),
    /// Have root look at pf.
    Check,
    /// Have root undo a change that was interrupted.
    Repair,
    /// Put the settings to connect to a port on the clipboard.
    Copy {
        port: u16,
        /// The client that they are for, such as `VS Code`.
        client: String,
    },
    /// Take the administrator prompt away.
    Cancel,
    /// End the app, and the prompt that waits with it; what is open stays open.
    Quit,
}

/// One row of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuRow {
    /// For the toolkit alone: unique in the menu, and the same row has the same one in the next menu.
    pub id: String,
    pub kind: RowKind,
    /// Empty for a separator.
    pub text: String,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// What a click asks for; `None` where the row only says something.
    pub action: Option<MenuAction>,
    /// The rows of a [`RowKind::Menu`]; at most [`MOST_ROWS`].
    pub rows: Vec<MenuRow>,
}

/// How a row is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Says something; cannot be clicked.
    Text,
    /// Has a check mark, or room for one.
    Check { checked: bool },
    /// Does something.
    Button,
    /// Opens a menu of its own.
    Menu,
    /// A line between groups.
    Separator,
}

/// What a click on the row `id` asks for; `None` where no row that can be clicked has that id.
pub fn action_of<'a>(rows: &'a [MenuRow], id: &str) -> Option<&'a MenuAction> {
    let here = rows.iter().find(|row| row.id == id && row.enabled).and_then(|row| row.action.as_ref());
    here.or_else(|| rows.iter().find_map(|row| action_of(&row.rows, id)))
}

pub(super) fn text_row(id: &str, text: impl Into<String>) -> MenuRow {
    let (kind, rows) = (RowKind::Text, Vec::new());
    MenuRow { id: id.to_owned(), kind, text: text.into(), enabled: false, action: None, rows }
}

pub(super) fn separator(id: &str) -> MenuRow {
    MenuRow { kind: RowKind::Separator, ..text_row(id, "") }
}

pub(super) fn menu_row(id: &str, text: String, rows: Vec<MenuRow>) -> MenuRow {
    MenuRow { kind: RowKind::Menu, enabled: true, rows, ..text_row(id, text) }
}

pub(super) fn action_row(id: &str, kind: RowKind, text: String, action: MenuAction) -> MenuRow {
    MenuRow { kind, enabled: true, action: Some(action), ..text_row(id, text) }
}

/// How many characters a row of running text holds: a menu is as wide as its widest row.
const WIDTH: usize = 64;

/// Running text over at most `most` rows; what does not fit ends in `…`.
pub(super) fn paragraph(id: &str, text: &str, most: usize) -> Vec<MenuRow> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        // A path or a number may be longer than a row.
        for piece in word.chars().map(plain).collect::<Vec<_>>().chunks(WIDTH) {
            if length > 0 && length + 1 + piece.len() > WIDTH {
                lines.push(String::new());
                length = 0;
            }
            if let Some(line) = lines.last_mut() {
                let gap = (length > 0).then_some(' ');
                line.extend(gap.iter().chain(piece));
                length += gap.iter().len() + piece.len();
            }
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(line) = lines.last_mut() {
            line.push('…');
        }
    }
    lines.into_iter().enumerate().map(|(number, line)| text_row(&format!("{id}:{number}"), line)).collect()
}
