//! The menu as a value: rows, and what a click on one asks for.

use std::net::IpAddr;

use super::facts::StoppableProcess;
use crate::rules::end_choice::EndChoice;
use crate::rules::ends::EndOfDay;
use crate::rules::named_port::NamedPort;

/// No menu has more rows than this, lines apart.
pub const MOST_ROWS: usize = 20;

/// What the menu shows of the tray's own doings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuState {
    /// The action that waits for permission: there is one prompt at a time.
    pub waiting: Option<MenuAction>,
    /// What failed last, until it is read or another action succeeds.
    pub failure: Option<MenuFailure>,
    /// The row whose text is on the clipboard, until something else happens.
    pub copied: Option<String>,
}

/// An action that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuFailure {
    /// `None`: nothing was clicked.
    pub action: Option<MenuAction>,
    /// Why, in full.
    pub because: String,
}

/// What a click asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuAction {
    /// Open.
    Open(NamedPort, OpenTerms),
    Close(NamedPort),
    CloseAll,
    /// Open several as the preferences say.
    Reopen(Vec<NamedPort>),
    /// Turn back the change of this number.
    Undo(u32),
    /// Switch the guard on or off.
    Guard(bool),
    /// Have root look at pf.
    Check,
    /// Have root undo a change that was interrupted.
    Repair,
    /// Have root install the part that closes ports in time.
    Install,
    /// Have root see to it that terminals find the command line.
    InstallCommandLine,
    /// Have root set when the working day ends.
    EndOfDay(EndOfDay),
    /// Have root take away all that it has put on this Mac.
    Uninstall,
    /// End a program, after a question.
    Stop(StoppableProcess),
    /// Set a preference.
    Prefer {
        key: &'static str,
        value: &'static str,
    },
    /// Open the file of the preferences.
    OpenPreferences,
    /// Put the settings to connect to a port on the clipboard.
    Copy {
        port: u16,
        /// The client that they are for, such as `VS Code`.
        client: String,
        /// Whether that client is on another machine.
        elsewhere: bool,
    },
    /// Show what a command prints.
    Show(ShownCommand),
    /// Put this on the clipboard.
    CopyText(String),
    /// Say this in a dialog.
    Say {
        title: String,
        text: String,
    },
    /// Say in a dialog what failed, and forget it.
    SayFailure,
    /// Take the administrator prompt away.
    Cancel,
    /// End the app, and the prompt that waits with it; what is open stays open.
    Quit,
}

/// The source and the end that a click opens a port with. `None`: as it is where it is open, else as the preferences say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenTerms {
    pub from: Option<OpenFor>,
    pub end: Option<EndChoice>,
}

/// The source of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFor {
    Network,
    Anyone,
    /// This one, beside those that it is open for.
    Also(IpAddr),
}

/// A command of the command line that says something, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownCommand {
    Doctor,
    Explain,
    History,
}

impl ShownCommand {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            ShownCommand::Doctor => "doctor",
            ShownCommand::Explain => "explain",
            ShownCommand::History => "history",
        }
    }
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
    /// The rows of a [`RowKind::Menu`]; at most [`MOST_ROWS`], lines apart.
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

impl MenuAction {
    /// Whether root is asked, so that a prompt may come up: there is one at a time.
    pub fn asks_root(&self) -> bool {
        match self {
            MenuAction::Open(..)
            | MenuAction::Close(_)
            | MenuAction::CloseAll
            | MenuAction::Reopen(_)
            | MenuAction::Undo(_)
            | MenuAction::Guard(_)
            | MenuAction::Check
            | MenuAction::Repair
            | MenuAction::Install
            | MenuAction::InstallCommandLine
            | MenuAction::EndOfDay(_)
            | MenuAction::Uninstall
            // It asks by a dialog of its own.
            | MenuAction::Stop(_) => true,
            MenuAction::Prefer { .. }
            | MenuAction::OpenPreferences
            | MenuAction::Show(_)
            | MenuAction::Copy { .. }
            | MenuAction::CopyText(_)
            | MenuAction::Say { .. }
            | MenuAction::SayFailure
            | MenuAction::Cancel
            | MenuAction::Quit => false,
        }
    }
}

/// How many characters a row of running text holds: a menu is as wide as its widest row.
pub(super) const WIDTH: usize = 64;
