//! What happens to the tray.

use portcullis::app::AppError;
use portcullis::status::Status;

#[derive(Debug)]
pub enum Event {
    /// The row of this id was clicked.
    Clicked(String),
    /// The app is asked to end: by a signal, as at the logout.
    End,
    /// The status is another one now.
    Seen(Status),
    /// An action came to its end, and this is the status after it.
    Done(Result<(), AppError>, Status),
    /// Settings are on the clipboard, or are not.
    Copied(Result<(), AppError>),
    /// Changes made elsewhere will not show by themselves; says why.
    Blind(String),
}
