//! What the menu is made from.

use crate::port::PortRange;
use crate::prefs::{IconStyle, Preferences};
use crate::rules::end_choice::EndChoice;
use crate::rules::ends::EndOfDay;
use crate::rules::named_port::NamedPort;
use crate::status::Status;

/// One look, and what the menu offers beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuFacts {
    pub status: Status,
    pub offers: MenuOffers,
}

/// What can be done, and what is worth a word, that the status does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuOffers {
    /// Whether the guard was never chosen: the first run.
    pub is_first_run: bool,
    /// The last change of all.
    pub last_change: Option<LastChange>,
    /// The last change of this user that can be turned back.
    pub undo: Option<OfferedUndo>,
    /// The ports that were open together when the last of them closed before today.
    pub last_time: Vec<NamedPort>,
    pub doubt: Option<MenuDoubt>,
    /// The user's own programs that listen on a port that is shown, and serve no client.
    pub stoppable: Vec<StoppableProcess>,
    /// `None` where the preferences do not read.
    pub new_openings: Option<NewOpenings>,
    /// Likewise.
    pub icon: Option<IconStyle>,
    pub end_of_day: EndOfDay,
}

/// A change as the audit log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastChange {
    /// The number of the snapshot that was taken before it.
    pub number: Option<u32>,
    /// When it was: `14:02`.
    pub clock: String,
    pub opened: Vec<PortRange>,
    pub closed: Vec<PortRange>,
    /// What the guard became, where it changed.
    pub guard: Option<bool>,
}

/// A change that can be turned back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedUndo {
    pub change: LastChange,
    /// Whether that closes ports without a password, and does nothing else.
    pub is_closing: bool,
}

/// What keeps the app from doing what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuDoubt {
    /// They do not read; holds where, such as `line 1, column 8`.
    Preferences(String),
    /// The list of what is open does not read.
    Ledger,
    /// The part that closes ports in time is missing or changed.
    NothingClosesByItself,
}

/// A program that can be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppableProcess {
    pub port: u16,
    pub pid: u32,
    pub name: String,
}

/// What a click on a port opens it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOpenings {
    /// `lan`, `any`, or hosts.
    pub from: String,
    pub end: EndChoice,
}

impl NewOpenings {
    pub fn of(preferences: &Preferences) -> Self {
        NewOpenings { from: preferences.from.clone(), end: preferences.end() }
    }
}
