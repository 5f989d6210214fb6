//! What happens to the tray.

use portcullis::app::{AppError, ClickOutcome};
use portcullis::menu::{MenuAction, MenuFacts};

#[derive(Debug)]
pub enum Event {
    /// The row of this id was clicked.
    Clicked(String),
    /// The app is asked to end: by a signal, as at the logout.
    End,
    /// There is something else to show.
    Seen(Box<MenuFacts>),
    /// An action came to its end, and this is what there is after it.
    Done(Result<(), AppError>, Box<MenuFacts>),
    /// An action that no root is asked for came to its end.
    DoneBeside(MenuAction, String, Result<ClickOutcome, AppError>),
    /// Changes made elsewhere will not show by themselves; says why.
    Blind(String),
}
