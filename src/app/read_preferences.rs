//! The preferences as a front end has them.

use super::AppError;
use crate::prefs::Preferences;

/// The preferences as they were read, or why they do not read.
pub type ReadPreferences = Result<Preferences, AppError>;

/// The note that goes with a status or a change that did without the preferences.
pub fn preferences_note(problem: &AppError) -> String {
    format!("{problem}; until then ports can be closed and not opened, and the guard cannot be turned on")
}
