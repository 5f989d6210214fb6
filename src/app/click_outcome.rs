//! What a click came to.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickOutcome {
    Done,
    /// There is a text on the clipboard now.
    Copied,
}
